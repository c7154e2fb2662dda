"""Derive plain notebooks from the chapters.

Colab, Kaggle, VS Code and GitHub do not read MyST. In the notebooks made here theorems, exercises,
references, citations and numbers are ordinary Markdown and mathematics; code is left as it is, and
so are the ids of cells. Every number and every address comes from Sphinx: `tools/launch.py` hands
them over whenever the website is built, so that both agree, and puts the notebooks into the site.
Run as a program, this file builds the website without executing anything and copies them.
"""

import argparse
import html
import re
import shutil
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import nbformat
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser
from pybtex.backends import markdown
from pybtex.database import parse_file
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style

ROOT = Path(__file__).resolve().parent.parent
EXTENSIONS = {"amsmath", "colon_fence", "deflist", "dollarmath", "substitution", "tasklist"}
ADMONITIONS = {"admonition", "attention", "caution", "danger", "dropdown", "error", "hint"} | {
    *("important", "note", "seealso", "tip", "warning", "margin", "sidebar", "topic")
}
INLINE = re.compile(
    r"""(?P<escape>\\.)
    |\{(?P<role>[A-Za-z][\w:.+-]*)\}(?P<fence>`+)(?P<content>.+?)(?<!`)(?P=fence)(?!`)
    |(?P<code>(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`))
    |(?P<dollar>\$\$?)(?P<math>(?:\\.|[^$\\])+?)(?P=dollar)
    |\[\^(?P<note>[^\]\s]+)\]
    |(?<=\])\((?P<link>(?!\w+:)[^)\s]*(?:\#[^)\s]+|\.(?:md|ipynb)))\)
    """,
    re.DOTALL | re.VERBOSE,
)
EXPLICIT = re.compile(r"(?P<text>.*?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
OPTION = re.compile(r":([\w-]+):[ \t]*(.*)")


class NotPlain(ValueError):
    """A construct that has no plain form here; the message says where and which."""


@dataclass
class Page:
    """What one notebook is converted with.

    Args:
        name: str, its name in the book, such as `"chapters/seq2seq"`.
        numbers: dict, what `tools/launch.py` collected from Sphinx: `site`, `images` (addresses that
            end in a slash), `pages` (their titles), `sections` (of each page, the numbers of its
            headings in order) and `labels` (each with `page`, `anchor`, `name`, `number`, `title`).
        cited: dict from a citation's key to its author and its year, in the order of the list.
    """

    name: str
    numbers: dict
    cited: dict
    parser: object = None
    headings: object = None
    notes: dict = field(default_factory=dict)
    titles: dict = field(default_factory=dict)

    def __post_init__(self):
        self.parser = create_md_parser(MdParserConfig(enable_extensions=EXTENSIONS), RendererHTML)
        self.parser.disable("footnote_tail")  # definitions stay where they are written
        self.headings = iter(self.numbers["sections"][self.name])

    def label(self, name):
        """Look up a label; an unknown one is an error."""
        try:
            return self.numbers["labels"][name]
        except KeyError:
            raise NotPlain(f"nothing is labelled {name!r}") from None

    def link(self, text, name):
        """Link to a label, in this notebook or on the website."""
        target = self.label(name)
        if target["page"] == self.name:
            return f"[{text}](#{name})"
        return f"[{text}]({self.numbers['site']}{target['page']}.html#{target['anchor']})"


def anchor(label):
    """Make the place that `[...](#label)` leads to."""
    return f'<a id="{label}"></a>'


def quote(lines):
    """Put lines into a block quote."""
    return [f"> {line}".rstrip() for line in lines]


def details(summary, lines, page):
    """Fold lines under a summary, which may hold code, emphasis and formulas."""
    summary = re.sub(r"`([^`]+)`", lambda m: f"<code>{html.escape(m[1])}</code>", summary)
    summary = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", summary)
    return ["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"]


def formula(text, label, page, quoted):
    """Write a displayed formula, with its number as on the website.

    In a block quote it stands on one line: JupyterLab would take the marks of further lines for a
    part of the formula.
    """
    lines = [re.sub(r"(?<!\\)%.*", "", line).rstrip() for line in text.split("\n")]
    lines = [line for line in lines if line.strip()]
    inside = re.sub(r"\\begin\{([\w*]+)\}.*?\\end\{\1\}", "", "\n".join(lines), flags=re.DOTALL)
    if "\\\\" in inside:
        lines = ["\\begin{aligned}", *lines, "\\end{aligned}"]
    if label:
        lines.append(f"\\tag{{{page.label(label)['number']}}}")
    lines = [f"$${' '.join(map(str.strip, lines))}$$"] if quoted else ["$$", *lines, "$$"]
    return [anchor(label), "", *lines] if label else lines


def reference(role, content, page):
    """Resolve a role that points to a label or a page."""
    explicit = EXPLICIT.fullmatch(content)
    name = explicit["target"] if explicit else content.strip()
    if role == "doc":
        path = re.sub(r"^/|(?<=^)(?!/)", "", name)
        path = path if path in page.numbers["pages"] else f"chapters/{path}"
        if path not in page.numbers["pages"]:
            raise NotPlain(f"there is no page {name!r}")
        text = explicit["text"] if explicit else page.numbers["pages"][path]
        return f"[{text}]({page.numbers['site']}{path}.html)"
    target = page.label(name)
    if explicit and role == "numref":
        text = re.sub(r"%s|\{number\}", target["number"], explicit["text"])
        text = text.replace("{name}", target["title"])
    elif explicit:
        text = explicit["text"]
    elif role == "ref":
        text = target["title"] or target["name"]
    else:
        text = target["name"]
    if not text:
        raise NotPlain(f"{name!r} has no number or title to refer to")
    return page.link(text, name)


def citation(form, content, page):
    """Write citations as author and year: `t` in the sentence, else in brackets."""
    form = form.split(":")[-1].removesuffix("s") if ":" in form else "p"
    found = []
    for key in map(str.strip, content.split(",")):
        author, year, _ = page.cited[key]
        found.append((f"[{author}", f"{year}](#ref-{key})", f"({year})](#ref-{key})"))
    if form == "t":
        return " and ".join(f"{author} {bracketed}" for author, _, bracketed in found)
    if form == "p":
        return f"({'; '.join(f'{author}, {year}' for author, year, _ in found)})"
    raise NotPlain(f"unknown form of citation {form!r}")


def inline(text, page):
    """Convert roles, notes and links in running text; code is passed over."""

    def replace(match):
        if match["role"]:
            return role(match["role"], match["content"], page)
        if match["math"]:
            inside = re.sub(r"\s*\n[\s>]*", " ", match["math"]).strip()
            return f"{match['dollar']}{inside}{match['dollar']}"
        if match["note"]:
            number = list(page.notes).index(match["note"]) + 1
            return f"<sup>[{number}](#note-{number})</sup>"
        if match["link"]:
            return f"({address(match['link'], page)})"
        return match[0]

    return INLINE.sub(replace, text)


def role(name, content, page):
    """Convert one role."""
    if name in ("ref", "numref", "eq", "prf:ref", "doc"):
        return reference(name, content, page)
    if name.startswith(("footcite", "cite")):
        return citation(name, content, page)
    if name == "math":
        return f"${content}$"
    if name in ("sub", "sup", "kbd"):
        return f"<{name}>{html.escape(content)}</{name}>"
    if name in ("abbr", "code"):
        return content if name == "abbr" else f"`{content}`"
    raise NotPlain(f"unknown role {name!r}")


def address(link, page):
    """Resolve what a Markdown link names: a label, or a file of the book."""
    path, _, label = link.partition("#")
    if not path:
        return re.search(r"\((.*)\)$", page.link("", label))[1]
    name = path.removesuffix(".md").removesuffix(".ipynb").removeprefix("./")
    known = [n for n in (f"chapters/{name}", name.removeprefix("../")) if n in page.numbers["pages"]]
    if not known:
        raise NotPlain(f"there is no page {path!r}")
    return f"{page.numbers['site']}{known[0]}.html{'#' if label else ''}{label}"


def directive(name, title, content, page, quoted):
    """Convert a directive.

    Args:
        name: str, such as `"prf:theorem"`.
        title: str, what stands on its first line.
        content: str, the rest.
        page: Page.
        quoted: bool, whether it stands in a block quote.

    Returns:
        list of lines.
    """
    options, text = split_options(content)
    label, title = options.get("label", options.get("name")), inline(title, page)
    folded = "dropdown" in options.get("class", "").split() or name == "dropdown"
    here = [anchor(label)] if label else []

    def body(inside_quote=quoted):
        return convert(text, page, inside_quote).split("\n")

    def headed(head):
        if folded:
            return [*here, "", *details(head.replace("**", ""), body(), page)]
        return quote(["".join(here) + head, "", *body(True)])

    if name == "prf:proof":
        head = "Proof." if folded else f"*Proof{f' ({title})' if title else ''}.*"
        return headed(head)[: -2 if folded else None] + (
            ["∎", "", "</details>"] if folded else ["> ∎"]
        )
    if name.startswith("prf:") or name in ("exercise", "exercise-start"):
        if "nonumber" in options:
            numbered = name.removeprefix("prf:").removesuffix("-start").capitalize()
        elif label:
            numbered = page.label(label)["name"]
        else:
            raise NotPlain(f"a {name} without a label has no number here")
        return headed(f"**{numbered}**{f' ({title})' if title else ''}")
    if name in ("solution", "solution-start"):
        summary = f"Solution to {page.label(title)['name']}"
        if page.titles.get(title):
            summary += f" ({page.titles[title]})"
        return [*here, "", *(details(summary, body(), page) if text else [f"**{summary}**"])]
    if name in ("solution-end", "exercise-end"):
        return ["---"]
    if name in ADMONITIONS:
        return headed(f"**{title or name.capitalize()}**")
    if name == "math":
        return formula(text, label, page, quoted)
    if name in ("code", "code-block", "code-cell"):
        return [f"```{title}", *text.split("\n"), "```"]
    if name in ("figure", "image"):
        picture = f"![{options.get('alt', '')}]({page.numbers['images']}{title})"
        return [picture, "", *caption(label, text, page)]
    if name == "table":
        return [*caption(label, title, page), "", *body()]
    if name in ("footbibliography", "bibliography"):
        return [f"- {anchor(f'ref-{key}')}{entry}" for key, (*_, entry) in page.cited.items()]
    raise NotPlain(f"unknown directive {name!r}")


def split_options(content):
    """Separate a directive's `:name: value` lines from its text."""
    lines = content.strip("\n").split("\n")
    count = next((i for i, line in enumerate(lines) if not OPTION.fullmatch(line)), len(lines))
    options = dict(OPTION.fullmatch(line).groups() for line in lines[:count])
    return options, "\n".join(lines[count:]).strip("\n")


def caption(label, text, page):
    """Write the caption of a figure or table under its number."""
    number = f"**{page.label(label)['name']}.** " if label else ""
    return [f"{anchor(label) if label else ''}{number}{inline(text, page)}"] if number or text else []


def block(token, title, lines, page, quoted):
    """Convert one block of a cell, given as its token and lines, to lines."""
    named = re.fullmatch(r"\{([\w:.+-]+)\}\s*(.*)", token.info or "")
    if token.type in ("fence", "colon_fence"):
        if not named:
            return lines
        return directive(named[1], named[2], token.content, page, quoted)
    if token.type in ("math_block", "math_block_label", "amsmath"):
        label = token.info if token.type == "math_block_label" else None
        return formula(token.content, label, page, quoted)
    if token.type == "myst_target":
        return [anchor(token.content)]
    if token.type == "heading_open":
        number = next(page.headings, None)
        if number is None:
            raise NotPlain(f"the website has no heading {title!r} here")
        level = "#" * int(token.tag[1])
        return [f"{level} {f'{number}. ' if number else ''}{inline(title, page)}"]
    if token.type == "footnote_reference_open":
        text = re.sub(r"^\s*\[\^[^\]]+\]:\s*", "", "\n".join(lines))
        page.notes[token.meta["label"]] = convert(re.sub(r"\n[ \t]+", "\n", text), page)
        return []
    if token.type in ("dl_open", "substitution_block", "front_matter"):
        raise NotPlain(f"{token.type.removesuffix('_open')}: {lines[0]!r} is not plain Markdown")
    return []  # a comment, or a break between blocks


BLOCKS = {"fence", "colon_fence", "math_block", "math_block_label", "amsmath", "myst_target"} | {
    *("heading_open", "footnote_reference_open", "dl_open", "substitution_block", "front_matter"),
    *("myst_line_comment", "myst_block_break"),
}


def convert(text, page, quoted=False):
    """Convert the Markdown of a cell, or of a part of one.

    Args:
        text: str, MyST Markdown.
        page: Page.
        quoted: bool, whether the result goes into a block quote.

    Returns:
        str, plain Markdown.

    Raises:
        NotPlain: if something in it is unknown.
    """
    source, pieces, at = text.split("\n"), [], 0
    for token, following in pairwise([*page.parser.parse(text), None]):
        if token.map is None or token.map[0] < at or token.type not in BLOCKS | {"inline"}:
            continue
        start, end = token.map[0], max(token.map[1], token.map[0] + 1)
        while token.type != "inline" and end > start + 1 and not source[end - 1].strip(" >"):
            end -= 1
        lines = source[start:end]
        pieces.append((False, source[at:start]))
        if token.type == "inline":
            pieces.append((False, inline("\n".join(lines), page).split("\n")))
        else:
            prefix = re.match(r"[ \t>]*", lines[0])[0]
            title = following.content if following and following.type == "inline" else ""
            lines = [line.removeprefix(prefix) for line in lines]
            new = block(token, title, lines, page, quoted or ">" in prefix)
            pieces.append((True, [(prefix + line).rstrip() for line in new]))
        at = end
    return join([*pieces, (False, source[at:])])


def join(pieces):
    """Join pieces, with an empty line on either side of those that are blocks."""
    out, after_block = [], False
    for is_block, lines in pieces:
        if not lines:
            continue
        mark = re.match(r"[ \t]*>|", lines[0])[0]
        if out and (is_block or after_block) and out[-1].strip(" >") and lines[0].strip(" >"):
            out.append(mark)
        out += lines
        after_block = is_block
    return "\n".join(out).strip("\n")


def citations(cells, bibliography):
    """Find what a notebook cites, and how it is named.

    Args:
        cells: list of str, the Markdown of its cells.
        bibliography: pybtex's BibliographyData.

    Returns:
        dict from key to author, year and the entry of the list, in the list's order.
    """
    roles = [match for cell in cells for match in INLINE.finditer(cell) if match["role"]]
    roles = [match for match in roles if re.match("(foot)?cite", match["role"])]
    keys = sorted({key.strip() for match in roles for key in match["content"].split(",")})
    unknown = [key for key in keys if key not in bibliography.entries]
    if unknown:
        raise NotPlain(f"the bibliography has no {', '.join(unknown)}")
    names = {key: author_and_year(bibliography.entries[key]) for key in keys}
    formatted = {e.key: e.text for e in Style().format_bibliography(bibliography, keys)}
    found = {}
    for key in sorted(keys, key=lambda key: (names[key][0].casefold(), names[key][1], key)):
        author, year = names[key]
        alike = [other for other in keys if names[other] == names[key]]
        year += chr(ord("a") + alike.index(key)) if len(alike) > 1 else ""
        text = " ".join(formatted[key].render(PlainText()).split())
        found[key] = author, year, f"**{author} ({year}).** {text}"
    return found


class PlainText(markdown.Backend):
    """pybtex's Markdown, escaping what has a meaning in running text and nothing else."""

    def format_str(self, text):
        return re.sub(r"([\\`*_\[\]<>$])", r"\\\1", text)


def author_and_year(entry):
    """Name a bibliography's entry: one or two family names, or the first and `et al.`, and year."""
    persons = entry.persons.get("author") or entry.persons.get("editor") or []
    names = [" ".join(person.prelast_names + person.last_names) for person in persons]
    names = [str(Text.from_latex(name)) for name in names]
    names = names or [str(Text.from_latex(entry.fields.get("title", entry.key)))]
    author = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    return author, entry.fields.get("year", "n.d.")


def derive(notebook, name, numbers, bibliography):
    """Derive a plain notebook.

    Args:
        notebook: nbformat's notebook, a chapter.
        name: str, its name in the book, such as `"chapters/seq2seq"`.
        numbers: dict, see `Page`.
        bibliography: pybtex's BibliographyData.

    Returns:
        nbformat's notebook. Cells keep their ids, code its text. A caption follows a cell that
        draws a figure, and what the text cites is listed at the end.

    Raises:
        NotPlain: if something has no plain form; the message names the cell.
    """
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    page = Page(name, numbers, citations(prose, bibliography))
    page.titles = exercise_titles(prose)
    for text in prose:  # notes are numbered in the order of their marks
        for match in INLINE.finditer(text):
            if match["note"] and text[match.end() : match.end() + 1] != ":":
                page.notes.setdefault(match["note"], None)
    cells = []
    for cell in notebook.cells:
        try:
            cells += derived_cells(cell, page)
        except NotPlain as error:
            raise NotPlain(f"{name}, cell {cell.id}: {error}") from None
    if next(page.headings, None) is not None:
        raise NotPlain(f"{name}: the website has more headings than the notebook")
    undefined = [note for note, text in page.notes.items() if text is None]
    if undefined:
        raise NotPlain(f"{name}: the note {undefined[0]!r} is not defined")
    cells += closing_cells(prose, page)
    where = f"{numbers['site']}{name}.html"
    cells[0].source += f"\n\n*This notebook is made from [a page of the course]({where}).*"
    metadata = {key: notebook.metadata[key] for key in ("kernelspec", "language_info")}
    metadata["colab"] = {"toc_visible": True}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def exercise_titles(prose):
    """Collect the titles of a notebook's exercises by label."""
    found = re.findall(
        r"^[:`]{3,}\{exercise(?:-start)?\}[ \t]*(.*)\n(?::(?!label:).*\n)*:label:\s*(\S+)",
        "\n\n".join(prose),
        flags=re.MULTILINE,
    )
    return {label: title for title, label in found}


def derived_cells(cell, page):
    """Derive one cell: a list, since a figure brings its caption."""
    if cell.cell_type != "code":
        return [nbformat.v4.new_markdown_cell(convert(cell.source, page), id=cell.id)]
    tags = cell.metadata.get("tags", [])
    metadata = {"tags": tags} if tags else {}
    if "hide-input" in tags:  # JupyterLab's name and Kaggle's
        metadata |= {"jupyter": {"source_hidden": True}, "_kg_hide-input": True}
    cells = [nbformat.v4.new_code_cell(cell.source, id=cell.id, metadata=metadata)]
    figure = cell.metadata.get("mystnb", {}).get("figure", {})
    if figure:
        text = caption(figure.get("name"), figure.get("caption", ""), page)
        cells.append(nbformat.v4.new_markdown_cell("\n".join(text), id=f"{cell.id}-caption"))
    return cells


def closing_cells(prose, page):
    """Make cells for the notes, and for the references if the notebook has no place for them."""
    cells = []
    if page.notes:
        notes = [f"{i}. {anchor(f'note-{i}')}{t}" for i, t in enumerate(page.notes.values(), 1)]
        text = "\n".join(["**Notes**", "", *notes])
        cells.append(nbformat.v4.new_markdown_cell(text, id="notes"))
    if page.cited and not re.search(r"^[:`]{3,}\{(foot)?bibliography\}", "\n".join(prose), re.M):
        entries = directive("footbibliography", "", "", page, False)
        text = "\n".join(["**References**", "", *entries])
        cells.append(nbformat.v4.new_markdown_cell(text, id="references"))
    return cells


def derive_all(source, numbers, output):
    """Derive every chapter of a book.

    Args:
        source: Path of the book's sources.
        numbers: dict, see `Page`.
        output: Path of the folder for the notebooks; what else it held is removed.

    Returns:
        list of Paths of the notebooks.

    Raises:
        NotPlain: if something has no plain form.
    """
    bibliography = parse_file(str(source / "references.bib"))
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    written = []
    for name in numbers["pages"]:
        path = source / f"{name}.ipynb"
        if path.exists():
            plain = derive(nbformat.read(path, as_version=4), name, numbers, bibliography)
            nbformat.write(plain, output / path.name)
            written.append(output / path.name)
    return written


def main():
    """Build the website without executing anything, and copy the notebooks that it holds."""
    sys.path.insert(0, str(ROOT))
    from tools import build_book

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "_build" / "notebooks")
    options = parser.parse_args()
    site = build_book.build(ROOT, ROOT / "_build" / "unexecuted", execute="off")
    shutil.rmtree(options.output, ignore_errors=True)
    shutil.copytree(site / "notebooks", options.output)
    print(f"\nThe plain notebooks are in {options.output}")


if __name__ == "__main__":
    main()
