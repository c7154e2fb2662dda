"""Sphinx extension: plain notebooks in the website, and buttons that lead to them.

When the site has been written, `tools/notebooks.py` derives the notebooks into its folder
`notebooks`, with the numbers and addresses that Sphinx has given. The download button of a chapter
leads there, and so works without a network. The workflow `book` pushes the same folder to the
branch `notebooks`, from which Colab and Kaggle open them. Binder opens the chapter itself: its
environment is made from the main branch, and its JupyterLab typesets theorems and references.
"""

from pathlib import Path

BRANCH = "notebooks"
ICONS = {
    "Colab": "_static/images/logo_colab.png",
    "Kaggle": "fab fa-kaggle",
    "Binder": "_static/images/logo_binder.svg",
}


def launch_links(owner_name, slug):
    """Make the addresses at which a chapter can be run.

    Args:
        owner_name: str, the repository on GitHub, `owner/name`.
        slug: str, the name of the chapter's file without its ending.

    Returns:
        dict from the service's name to the address.
    """
    plain = f"{owner_name}/blob/{BRANCH}/{slug}.ipynb"
    source = f"{owner_name}/main?urlpath=lab/tree/chapters/{slug}.ipynb"
    return {
        "Colab": f"https://colab.research.google.com/github/{plain}",
        "Kaggle": f"https://kaggle.com/kernels/welcome?src=https://github.com/{plain}",
        "Binder": f"https://mybinder.org/v2/gh/{source}",
    }


def site_address(owner_name):
    """Make the address of a repository's GitHub Pages, with a closing slash."""
    owner, name = owner_name.split("/")
    host = f"{owner.lower()}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def owner_and_name(config):
    """Read `owner/name` from Sphinx's configuration."""
    return (
        config.html_theme_options["repository_url"].removeprefix("https://github.com/").strip("/")
    )


def markdown(node):
    """Write a title of the document tree as Markdown."""
    marks = {"literal": "`{}`", "emphasis": "*{}*", "strong": "**{}**", "math": "${}$"}
    if not node.children:
        return node.astext()
    inside = "".join(map(markdown, node.children))
    return marks.get(node.tagname, "{}").format(inside)


def collect(app):
    """Collect what the plain notebooks need from Sphinx, once it has read and numbered the book.

    Args:
        app: Sphinx's application.

    Returns:
        dict, see `tools.notebooks.Page`.
    """
    from docutils import nodes

    env, pages, sections, labels = app.env, {}, {}, {}

    def add(label, page, anchor, form, number, title=""):
        number = ".".join(map(str, number or ()))
        name = form.format(number) if number or "{}" not in form else ""
        labels[label] = {"page": page, "anchor": anchor, "name": name, "number": number}
        labels[label]["title"] = str(title)  # Sphinx translates some of its own lazily

    def numbered(kind, page, anchor):
        return env.toc_fignumbers.get(page, {}).get(kind, {}).get(anchor)

    forms = {kind: form.replace("%s", "{}") for kind, form in app.config.numfig_format.items()}
    standard = env.get_domain("std")
    for label, (page, anchor, title) in standard.labels.items():
        add(label, page, anchor, "", None, title)
        for kind in ("figure", "table"):
            if numbered(kind, page, anchor):
                add(label, page, anchor, forms[kind], numbered(kind, page, anchor), title)
    for page in sorted(env.found_docs):
        pages[page] = markdown(env.titles[page])
        sections[page] = []
        of_page = env.toc_secnumbers.get(page, {})
        found = env.get_doctree(page).findall(nodes.section)
        for section in (s for s in found if isinstance(s[0], nodes.title)):
            number = of_page.get(f"#{section['ids'][0]}" if sections[page] else "")
            sections[page].append(".".join(map(str, number or ())))
            for label in section["ids"]:
                if label in standard.anonlabels:
                    add(label, page, label, forms["section"], number, markdown(section[0]))
    for label, (page, _) in env.get_domain("math").equations.items():
        anchor = nodes.make_id(f"equation-{label}")
        form = app.config.math_eqref_format.replace("{number}", "{}")
        add(label, page, anchor, form, numbered("displaymath", page, anchor))
    for label, proof in getattr(env, "proof_list", {}).items():
        number = numbered(proof["countertype"], proof["docname"], label)
        form = proof["realtype"].title() + ("" if proof["nonumber"] else " {}")
        add(label, proof["docname"], label, form, number)
    exercises = getattr(env, "sphinx_exercise_registry", {})
    for label, exercise in exercises.items():
        number = numbered("exercise", exercise["docname"], label)
        add(label, exercise["docname"], label, "Exercise {}" if number else "Exercise", number)
    for label, exercise in exercises.items():
        if exercise["type"] == "solution":
            asked = labels[exercise["node"]["target_label"]]["name"]
            add(label, exercise["docname"], label, f"Solution to {asked}", None)
    owner_name = owner_and_name(app.config)
    branch = app.config.html_theme_options.get("repository_branch", "main")
    return {
        "site": app.config.html_baseurl or site_address(owner_name),
        "images": f"https://raw.githubusercontent.com/{owner_name}/{branch}/",
        "pages": pages,
        "sections": sections,
        "labels": labels,
    }


def _lead_to_plain_notebooks(app, pagename, templatename, context, doctree):
    """Change the theme's buttons on a notebook's page; those that run in the page stay."""
    if doctree is None or not app.env.doc2path(pagename).endswith(".ipynb"):
        return
    slug = Path(pagename).name
    links = launch_links(owner_and_name(app.config), slug)
    launch = [
        {
            "type": "link",
            "text": name,
            "tooltip": f"Launch on {name}",
            "icon": ICONS[name],
            "url": url,
        }
        for name, url in links.items()
    ]
    plain = {
        "url": context["pathto"](f"{BRANCH}/{slug}.ipynb", 1),
        "tooltip": "Download the notebook in plain Markdown",
        "label": "download-notebook-button",
    }
    for group in context["header_buttons"]:
        if group.get("label") == "launch-buttons":
            kept = [button for button in group["buttons"] if button["type"] != "link"]
            group["buttons"] = launch + kept
        for button in group.get("buttons", []):
            if button.get("label") == "download-source-button":
                button |= plain


def _write_notebooks(app, exception):
    """Put the plain notebooks into the site; a browser shall save them rather than show them."""
    if exception is not None or app.builder.name != "html":
        return
    from sphinx.errors import ExtensionError

    from tools import notebooks

    site = Path(app.outdir)
    try:
        written = notebooks.derive_all(Path(app.srcdir), collect(app), site / BRANCH)
    except notebooks.NotPlain as error:
        raise ExtensionError(f"no plain notebook can be made: {error}") from error
    for path in written:
        page = site / "chapters" / f"{path.stem}.html"
        button = f'<a href="../{BRANCH}/{path.name}" '
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(f'{button}target="_blank"', f"{button}download"), "utf-8")


def setup(app):
    """Register the extension with Sphinx; 502 puts the buttons after the theme's."""
    app.connect("html-page-context", _lead_to_plain_notebooks, priority=502)
    app.connect("build-finished", _write_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
