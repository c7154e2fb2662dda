"""Sphinx extension: keep the website small, readable without a network, and easy to find.

The theme ships every Font Awesome icon (1.5 MB) and every Bootstrap rule (0.4 MB), and MathJax
comes with every input and output format (24 MB on disk). A reader downloads what the pages use:

* `fontawesome.js` is replaced by a script that holds only the icons named on the pages;
* images below the first screen are fetched when the reader comes near them, sounds when played;
* style rules for classes that no page and no script mentions are left out;
* MathJax keeps the components that `_config.yml` loads, and the extensions TeX may ask for; pages
  without a formula do not load it;
* a token of code that has no colour of its own is plain text, and scripts wait for the page;
* the search index is loaded by the search page alone, and no inline script stands twice on a page.

That happens after the pages are written, and doing it twice changes nothing. Besides,

* every page says in its head what it is about, where it stands, and which picture shows it;
* what theorems and exercises give to each of their parts alike is no id;
* the last line of a docstring, `Source: ...`, becomes a section of the API page.
"""

import base64
import hashlib
import json
import re
import shutil
import textwrap
from html import escape, unescape
from pathlib import Path

import imagesize
import tinycss2
from docutils import nodes
from sphinx.util import logging

from tools import launch

LOGGER = logging.getLogger(__name__)
MATHJAX_KEPT = ("startup.js", "core.js", "loader.js", "input/tex", "output/chtml", "a11y/assistive")
MATHJAX_UNUSED = ("input/tex-base.js", "input/tex-full.js")
SEARCH_SCRIPTS = ("searchtools.js", "language_data.js", "searchindex.js")
# Jupyter Book always brings what makes code cells live, from another host.
UNUSED_THEBE = (
    r"\s*<link [^>]*sphinx-thebe\.css[^>]*>",
    r"\s*<script>const THEBE_JS_URL[^<]*</script>",
    r'\s*<script [^>]*src="[^"]*sphinx-thebe\.js[^"]*"></script>',
    r'\s*<script type="text/x-thebe-config">[^<]*</script>',
    r"\s*<script>kernelName = [^<]*</script>",
)
REPEATED_IDS = ("proof", "proof-content", "exercise-content", "solution-content")
GENERATED = {"genindex": "Index", "search": "Search"}  # pages whose title their template writes
DESCRIPTION_LENGTH = 300
ICON_FONT = re.compile(r"\.fa[a-z0-9-]*::?(before|after)$")  # icons are drawn, not letters
ICON_SCRIPT = """\
// The Font Awesome Free icons of this site (https://fontawesome.com/license/free, CC BY 4.0).
(() => {
  const icons = ICONS;
  const draw = (i) => {
    const name = [...i.classList].map((c) => c.slice(3)).find((n) => n in icons);
    if (!name) return;
    const [width, height, path] = icons[name];
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("class", `svg-inline--fa ${i.className}`);
    svg.setAttribute("aria-hidden", "true");
    svg.setAttribute("focusable", "false");
    for (const key in i.dataset) svg.dataset[key] = i.dataset[key];
    const shape = document.createElementNS(svg.namespaceURI, "path");
    shape.setAttribute("fill", "currentColor");
    shape.setAttribute("d", path);
    svg.append(shape);
    i.replaceWith(svg);
  };
  document.querySelectorAll("i[class*='fa-'], span[class*='fa-']").forEach(draw);
})();
"""


def icons_named(texts):
    """Find the Font Awesome names that stand in pages or scripts.

    Args:
        texts: iterable of str.

    Returns:
        sorted list of str, without the prefix `fa-`.
    """
    named = {name for text in texts for name in re.findall(r"\bfa-([a-z0-9-]+)", text)}
    return sorted(named)


def icon_shapes(library, names):
    """Read the shapes of icons out of Font Awesome's script.

    Args:
        library: str, the text of `fontawesome.js`.
        names: iterable of str, icon names; those the library lacks (such as sizes) are passed over.

    Returns:
        dict from name to `(width, height, path)`.
    """
    shapes = {}
    for name in names:
        entry = re.compile(
            rf'[{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]'
        ).search(library)
        if entry:
            shapes[name] = (int(entry[1]), int(entry[2]), entry[3])
    return shapes


def words_used(texts):
    """Collect every word that could be a class or an id: letters, digits, hyphens, underscores."""
    return {word for text in texts for word in re.findall(r"[A-Za-z0-9_-]+", text)}


def selector_can_match(selector, words):
    """Say whether every class and id that `selector` requires is among `words`."""
    without_functions = re.sub(r":(?:not|is|where|has)\([^()]*\)", "", selector)
    without_attributes = re.sub(r"\[[^\]]*\]", "", without_functions)
    names = re.findall(r"[.#](-?[A-Za-z_][A-Za-z0-9_-]*)", without_attributes)
    return all(name in words for name in names)


def pruned_style(css, words):
    """Leave out the style rules that no page can use.

    Args:
        css: str, a style sheet.
        words: set of str, every word of the pages and scripts.

    Returns:
        str, a style sheet with the same effect on those pages.
    """
    kept = []
    for rule in tinycss2.parse_stylesheet(css, skip_comments=False, skip_whitespace=True):
        if rule.type == "comment" and not rule.value.startswith("!"):
            continue
        if rule.type == "at-rule" and rule.lower_at_keyword in ("media", "supports", "layer"):
            if rule.content is not None:
                inner = pruned_style(tinycss2.serialize(rule.content), words)
                if not inner.strip():
                    continue
                prelude = tinycss2.serialize(rule.prelude)
                kept.append(f"@{rule.at_keyword}{prelude}{{{inner}}}")
                continue
        if rule.type == "at-rule" and rule.lower_at_keyword == "font-face":
            if "fontawesome" in tinycss2.serialize(rule.content):
                continue
        if rule.type == "qualified-rule":
            selectors = _split_selectors(rule.prelude)
            selectors = [s for s in selectors if selector_can_match(s, words)]
            selectors = [s for s in selectors if not ICON_FONT.search(s)]
            if not selectors:
                continue
            kept.append(f"{','.join(selectors)}{{{tinycss2.serialize(rule.content)}}}")
            continue
        kept.append(rule.serialize())
    return "\n".join(kept)


def _split_selectors(prelude):
    parts, part = [], []
    for token in prelude:
        if token.type == "literal" and token.value == ",":
            parts.append(part)
            part = []
        else:
            part.append(token)
    return [tinycss2.serialize(p).strip() for p in [*parts, part]]


def lighten(site):
    """Make the built website in the folder `site` lighter, in place."""
    static = site / "_static"
    pages = [p for p in site.rglob("*.html") if static not in p.parents]
    styled = coloured_tokens((static / "pygments.css").read_text(encoding="utf-8"))
    for page in pages:
        _tidy_page(page, styled)
        _sounds_apart(page, site / "_sounds")
    scripts = [p for p in static.rglob("*.js") if p.name != "fontawesome.js"]
    scripts = [p for p in scripts if static / "mathjax" not in p.parents]
    texts = [p.read_text(encoding="utf-8") for p in [*pages, *scripts]]

    library = static / "scripts" / "fontawesome.js"
    text = library.read_text(encoding="utf-8")
    if len(text) > 200_000:
        shapes = icon_shapes(text, icons_named(texts))
        if not shapes:
            LOGGER.warning("light_site: no icon was found in %s; has its layout changed?", library)
        library.write_text(ICON_SCRIPT.replace("ICONS", json.dumps(shapes)), encoding="utf-8")

    words = words_used(texts) | words_used([ICON_SCRIPT])
    for sheet in static.rglob("*.css"):
        css = sheet.read_text(encoding="utf-8")
        if len(css) > 10_000:
            sheet.write_text(pruned_style(css, words), encoding="utf-8")
    for unused in (
        *static.rglob("sphinx-thebe*"),
        *static.rglob("*.map"),
        *static.rglob("fa-*.ttf"),
        *static.rglob("fa-*.woff2"),
    ):
        unused.unlink()
    _prune_mathjax(static / "mathjax")


def _tidy_page(page, styled):
    """Drop what a page does not use, and let what it uses come when it is needed."""
    html = page.read_text(encoding="utf-8")
    tidy = html
    if page.name != "search.html":
        names = "|".join(map(re.escape, SEARCH_SCRIPTS))
        tidy = re.sub(rf'\s*<script src="[^"]*(?:{names})[^"]*"></script>', "", tidy)
        own = r'src="[^"]*_static/(?!documentation_options)'
        tidy = re.sub(rf"<script (?=(?:data-[a-z-]+=\"[^\"]*\" )?{own})", "<script defer ", tidy)
    if 'class="math' not in html:
        tidy = re.sub(r"<script>window\.MathJax = [^<]*</script>", "", tidy)
        start = r'<script defer="defer" src="[^"]*mathjax/startup\.js[^"]*"></script>'
        tidy = re.sub(start, "", tidy)
    for thebe in UNUSED_THEBE:
        tidy = re.sub(thebe, "", tidy)
    viewport = iter(re.findall(r'<meta name="viewport"[^>]*>', tidy)[:1])
    tidy = re.sub(r'<meta name="viewport"[^>]*>', lambda match: next(viewport, ""), tidy)
    seen = set()

    def once(match):
        repeated = match[0] in seen
        seen.add(match[0])
        return "" if repeated else match[0]

    tidy = re.sub(r"<script>(?:const|var|let) [^<]*</script>", once, tidy)
    tidy = re.sub(r'<img (?![^>]*loading=)([^>]*?src="([^"]*_images/[^"]*)")', lazily(page), tidy)
    tidy = re.sub(r'<span class="([a-z][a-z0-9]?)">([^<]*)</span>', unstyled(styled), tidy)
    if tidy != html:
        page.write_text(tidy, encoding="utf-8")


def _sounds_apart(page, folder):
    """Move the sounds that stand inside a page into files of `folder`, fetched when played."""
    html = page.read_text(encoding="utf-8")
    up = "../" * (len(page.relative_to(folder.parent).parts) - 1)

    def replace(match):
        sound = base64.b64decode(match[2])
        name = hashlib.sha256(sound).hexdigest()[:16] + ".wav"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(sound)
        return f'{match[1]}preload="none" src="{up}{folder.name}/{name}"'

    inside = r'(<audio [^>]*)src="data:audio/wav;base64,([A-Za-z0-9+/=]+)"'
    apart = re.sub(inside, replace, html)
    if apart != html:
        page.write_text(apart, encoding="utf-8")


def coloured_tokens(css):
    """Find the classes of tokens that look different from plain code.

    Args:
        css: str, the style sheet of the code's colours, for both modes.

    Returns:
        set of str.
    """
    rule = re.compile(r'html\[data-theme="(\w+)"\] \.highlight(?: \.(\w+))?\s*\{([^}]*)\}')
    rules = rule.findall(css)
    if not rules:
        LOGGER.warning("light_site: no colours of code were found; has pygments.css changed?")
    plain = {
        mode: re.search(r"[^-]color:\s*(\S+)", style)[1] for mode, name, style in rules if not name
    }
    return {n for mode, n, style in rules if n and style.strip() != f"color: {plain[mode]}"}


def unstyled(styled):
    """Make a replacement that takes the wrapping off a token of code whose class has no style."""
    return lambda match: match[0] if match[1] in styled else match[2]


def lazily(page):
    """Make a replacement that gives an image its size, so that nothing jumps when it arrives."""

    def replace(match):
        width, height = imagesize.get(page.parent / match[2])
        known = width > 0 and "width=" not in match[1]
        size = f'width="{width}" height="{height}" ' if known else ""
        return f'<img loading="lazy" {size}{match[1]}'

    return replace


def _prune_mathjax(folder):
    for path in sorted(folder.rglob("*"), reverse=True):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            if not any(path.iterdir()):
                shutil.rmtree(path)
        elif not name.startswith(MATHJAX_KEPT) or name in MATHJAX_UNUSED:
            path.unlink()


def site_address(repository):
    """Derive where GitHub publishes a repository's website.

    Args:
        repository: str, the address of the repository, such as `https://github.com/owner/name`.

    Returns:
        str, ending in a slash; empty if the repository is not GitHub's.
    """
    match = re.fullmatch(r"https://github\.com/([^/]+/[^/]+?)(?:\.git)?/?", repository)
    return launch.site_address(match[1]) if match else ""


def description_of(doctree):
    """Take a page's first paragraph, shortened to what a search engine shows; may be empty."""
    first = next(doctree.findall(nodes.paragraph), None) if doctree else None
    text = "" if first is None else first.astext()
    text = re.sub(r"(?<=[.!?])\s[^.!?]*:$", "", text)  # "It is used so:", and what follows is code
    return textwrap.shorten(text, DESCRIPTION_LENGTH, placeholder=" …")


def picture_of(doctree):
    """Name the first picture of a written page that other sites can show.

    Args:
        doctree: the page's document, or None.

    Returns:
        str, the file name, or None.
    """
    pictures = doctree.findall(nodes.image) if doctree else []
    addresses = (picture["uri"] for picture in pictures)
    shown = (a for a in addresses if "_images/" in a and a.endswith((".png", ".jpg")))
    return next((address.rpartition("/")[2] for address in shown), None)


def _describe_page(app, pagename, templatename, context, doctree):
    """Put a description and what Open Graph asks for into the head of a page."""
    root, address = app.config.root_doc, app.config.html_baseurl
    name = app.config.html_title or app.config.project
    title = context.get("title") or context.get("indextitle") or GENERATED.get(pagename, name)
    title = escape(unescape(re.sub(r"<[^>]*>", "", title)))
    about = description_of(doctree)
    if not about:
        about = f"{unescape(title)}. {description_of(app.env.get_doctree(root))}"
    picture = picture_of(doctree)
    picture = f"{app.builder.imagedir}/{picture}" if picture else "_static/card.png"
    properties = {
        "og:type": "website" if pagename == root else "article",
        "og:site_name": escape(name),
        "og:title": title,
        "og:description": escape(about),
    }
    if address:
        properties["og:url"] = escape(context["pageurl"])
        properties["og:image"] = escape(address + picture)
    tags = [f'<meta name="description" content="{escape(about)}" />']
    tags += [f'<meta property="{key}" content="{value}" />' for key, value in properties.items()]
    tags += ['<meta name="twitter:card" content="summary_large_image" />']
    context["metatags"] = "\n    ".join([context.get("metatags") or "", *tags])
    if pagename == root and title == escape(name):
        context["docstitle"] = ""  # not the same title twice in one


def _drop_repeated_ids(app, doctree, docname):
    for node in doctree.findall(nodes.Element):
        if any(name in REPEATED_IDS for name in node["ids"]):
            node["ids"] = [name for name in node["ids"] if name not in REPEATED_IDS]


def draw_card(path, title, subtitle):
    """Draw the picture by which other sites show a page that has none of its own.

    Args:
        path: Path of the PNG to write.
        title: str.
        subtitle: str, a sentence or two.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor="#14507a")
    figure.text(0.07, 0.78, textwrap.fill(title, 22), color="white", fontsize=54, va="top")
    figure.text(0.07, 0.34, textwrap.fill(subtitle, 58), color="#cfe3f2", fontsize=24, va="top")
    figure.savefig(path)


def complete_redirect(site):
    """Give `index.html` the head of the page to which it leads."""
    index = site / "index.html"
    html = index.read_text(encoding="utf-8") if index.exists() else ""
    leads = re.fullmatch(r'\s*<meta http-equiv="Refresh" content="0; url=([^"]+)" />\s*', html)
    if leads is None:
        return
    target = (site / leads[1]).read_text(encoding="utf-8")
    facts = r'<title>.*?</title>|<meta (?:charset|name|property)=[^>]*>|<link rel="canonical"[^>]*>'
    head = "\n".join(re.findall(facts, target, re.DOTALL))
    title = re.search(r"<title>(.*?)</title>", target, re.DOTALL)[1]
    index.write_text(
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n{html.strip()}\n</head>\n'
        f'<body><p><a href="{leads[1]}">{title}</a></p></body>\n</html>\n',
        encoding="utf-8",
    )


def _source_as_section(app, what, name, obj, options, lines):
    """Put what follows `Source:` on lines of its own, indented, as napoleon wants a section."""
    starts = [i for i, line in enumerate(lines) if line.startswith("Source: ")]
    for start in reversed(starts):
        end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
        words = " ".join(line.strip() for line in lines[start:end]).removeprefix("Source: ")
        lines[start:end] = ["Source:", f"    {words}"]


def _complete_settings(app, config):
    """Load MathJax by its components (the extension that brings it names a larger bundle); say
    where the site stands, unless `_config.yml` does (`html: baseurl`)."""
    config.mathjax_path = "mathjax/startup.js"
    repository = (config.html_theme_options or {}).get("repository_url", "")
    config.html_baseurl = config.html_baseurl or site_address(repository)


def _after_build(app, exception):
    if exception is None and app.builder.name in ("html", "dirhtml"):
        site = Path(app.outdir)
        about = description_of(app.env.get_doctree(app.config.root_doc))
        draw_card(site / "_static" / "card.png", app.config.html_title or app.config.project, about)
        lighten(site)
        complete_redirect(site)


def setup(app):
    """Register the extension with Sphinx; 900 puts it after the one that copies MathJax."""
    app.connect("autodoc-process-docstring", _source_as_section, priority=400)
    app.connect("config-inited", _complete_settings)
    app.connect("doctree-resolved", _drop_repeated_ids)
    app.connect("html-page-context", _describe_page)
    app.connect("build-finished", _after_build, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
