"""Sphinx extension: plain notebooks in the website, and buttons that lead to them.

When the site has been written, `tools/notebooks.py` derives the notebooks into its folder
`notebooks`, with the numbers and addresses that Sphinx has given. The download button of a notebook
leads there, and so works without a network. The workflow `book` pushes the same folder to the
branch `notebooks`, from which Colab and Kaggle open them. Binder opens the source itself: its
environment is made from the main branch, and its JupyterLab typesets theorems and references.
"""

from pathlib import Path

BRANCH = "notebooks"
ICONS = {
    "Colab": "_static/images/logo_colab.png",
    "Kaggle": "fab fa-kaggle",
    "Binder": "_static/images/logo_binder.svg",
}


def launch_links(owner_name, page):
    """Make the addresses at which a notebook can be run.

    Args:
        owner_name: str, the repository on GitHub, `owner/name`.
        page: str, the notebook's name in the book, such as `"chapters/seq2seq"`.

    Returns:
        dict from the service's name to the address.
    """
    plain = f"{owner_name}/blob/{BRANCH}/{Path(page).name}.ipynb"
    source = f"{owner_name}/main?urlpath=lab/tree/{page}.ipynb"
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
        dict, see `tools.plain.Page`.
    """
    env, owner_name = app.env, owner_and_name(app.config)
    branch = app.config.html_theme_options.get("repository_branch", "main")
    address = app.config.html_baseurl or site_address(owner_name)
    forms = {kind: form.replace("%s", "{}") for kind, form in app.config.numfig_format.items()}
    forms["displaymath"] = app.config.math_eqref_format.replace("{number}", "{}")
    sections, of_sections = _sections(env, forms)
    return {
        "site": f"{address.rstrip('/')}/",
        "images": f"https://raw.githubusercontent.com/{owner_name}/{branch}/",
        "pages": {page: markdown(env.titles[page]) for page in sorted(env.found_docs)},
        "sections": sections,
        "labels": _figures(env, forms) | of_sections | _equations(env, forms) | _boxes(env),
    }


def _entry(page, anchor, form, number, title=""):
    """Describe a label; without a number it has no name, unless its form needs none."""
    number = ".".join(map(str, number or ()))
    name = form.format(number) if number or "{}" not in form else ""
    # Sphinx translates some of its own titles when they are read.
    return {
        "page": page,
        "anchor": anchor,
        "name": name,
        "number": number,
        "title": str(title),
    }


def _numbered(env, kind, page, anchor):
    return env.toc_fignumbers.get(page, {}).get(kind, {}).get(anchor)


def _figures(env, forms):
    """Describe what has a title: figures and tables with their numbers, the rest without."""
    labels = {}
    for label, (page, anchor, title) in env.get_domain("std").labels.items():
        found = {kind: _numbered(env, kind, page, anchor) for kind in ("figure", "table")}
        kind = next((kind for kind, number in found.items() if number), None)
        labels[label] = _entry(page, anchor, forms.get(kind, ""), found.get(kind), title)
    return labels


def _sections(env, forms):
    """Read the numbers of each page's headings, in order, and describe their labels."""
    from docutils import nodes

    sections, labels, known = {}, {}, env.get_domain("std").anonlabels
    for page in env.found_docs:
        sections[page], numbers = [], env.toc_secnumbers.get(page, {})
        found = env.get_doctree(page).findall(nodes.section)
        for section in (s for s in found if isinstance(s[0], nodes.title)):
            number = numbers.get(f"#{section['ids'][0]}" if sections[page] else "")
            sections[page].append(".".join(map(str, number or ())))
            for label in (name for name in section["ids"] if name in known):
                title = markdown(section[0])
                labels[label] = _entry(page, label, forms["section"], number, title)
    return sections, labels


def _equations(env, forms):
    """Describe the labels of equations."""
    from docutils.nodes import make_id

    labels = {}
    for label, (page, _) in env.get_domain("math").equations.items():
        anchor = make_id(f"equation-{label}")
        number = _numbered(env, "displaymath", page, anchor)
        labels[label] = _entry(page, anchor, forms["displaymath"], number)
    return labels


def _boxes(env):
    """Describe the labels of theorems, of exercises and of their solutions."""
    labels, exercises = {}, getattr(env, "sphinx_exercise_registry", {})
    for label, proof in getattr(env, "proof_list", {}).items():
        number = _numbered(env, proof["countertype"], proof["docname"], label)
        form = proof["realtype"].title() + ("" if proof["nonumber"] else " {}")
        labels[label] = _entry(proof["docname"], label, form, number)
    for label, exercise in exercises.items():
        number = _numbered(env, "exercise", exercise["docname"], label)
        form = "Exercise {}" if number else "Exercise"
        labels[label] = _entry(exercise["docname"], label, form, number)
    for label, exercise in exercises.items():
        if exercise["type"] == "solution":
            asked = labels[exercise["node"]["target_label"]]["name"]
            labels[label] = _entry(exercise["docname"], label, f"Solution to {asked}", None)
    return labels


def _lead_to_plain_notebooks(app, pagename, templatename, context, doctree):
    """Change the theme's buttons on a notebook's page; those that run in the page stay."""
    if doctree is None or not app.env.doc2path(pagename).endswith(".ipynb"):
        return
    slug = Path(pagename).name
    links = launch_links(owner_and_name(app.config), pagename)
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
    for name, path in written.items():
        page = site / f"{name}.html"
        button = f'<a href="{"../" * name.count("/")}{BRANCH}/{path.name}" '
        text = page.read_text(encoding="utf-8")
        page.write_text(
            text.replace(f'{button}target="_blank"', f"{button}download"), encoding="utf-8"
        )


def setup(app):
    """Register the extension with Sphinx; 502 puts the buttons after the theme's."""
    app.connect("html-page-context", _lead_to_plain_notebooks, priority=502)
    app.connect("build-finished", _write_notebooks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
