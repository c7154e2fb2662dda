"""Derive plain notebooks from the chapters, and from the pages beside them that run.

Colab, Kaggle, VS Code and GitHub do not read MyST. In the notebooks made here theorems, exercises,
references, citations and numbers are ordinary Markdown and mathematics; code is left as it is, and
so are the ids of cells. Every number and every address comes from Sphinx: `tools/launch.py` hands
them over whenever the website is built, so that both agree, and puts the notebooks into the site.
Run as a program, this file builds the website without executing anything and copies them.
"""

import argparse
import re
import shutil
import sys
from pathlib import Path

import nbformat
from pybtex.backends import markdown
from pybtex.database import parse_file
from pybtex.richtext import Text
from pybtex.style.formatting.plain import Style

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.plain import INLINE, NotPlain, Page, anchor, caption, convert, references  # noqa: E402


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
        """Escape a text."""
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
    page = Page(name, numbers, citations(prose, bibliography), exercise_titles(prose))
    for match in (match for text in prose for match in INLINE.finditer(text) if match["note"]):
        if match.string[match.end() : match.end() + 1] != ":":  # a mark, not the note
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
    cells[0].source += f"\n\n*Made from [a page of the course]({where}), which shows the results.*"
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
        cells.append(nbformat.v4.new_markdown_cell(text, id=f"{cell.id}-caption"))
    return cells


def closing_cells(prose, page):
    """Make cells for the notes, and for the references if the notebook has no place for them."""
    cells = []
    if page.notes:
        notes = [f"{i}. {anchor(f'note-{i}')}{t}" for i, t in enumerate(page.notes.values(), 1)]
        text = "\n".join(["**Notes**", "", *notes])
        cells.append(nbformat.v4.new_markdown_cell(text, id="notes"))
    if page.cited and not re.search(r"^[:`]{3,}\{(foot)?bibliography\}", "\n".join(prose), re.M):
        text = "\n".join(["**References**", "", *references(page)])
        cells.append(nbformat.v4.new_markdown_cell(text, id="references"))
    return cells


def derive_all(source, numbers, output):
    """Derive every notebook of a book: the chapters, and the pages beside them that run.

    Args:
        source: Path of the book's sources.
        numbers: dict, see `Page`.
        output: Path of the folder for the notebooks; what else it held is removed.

    Returns:
        dict from the name of each in the book to its Path.

    Raises:
        NotPlain: if something has no plain form.
    """
    bibliography = parse_file(str(source / "references.bib"))
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    written = {}
    for name in numbers["pages"]:
        path = source / f"{name}.ipynb"
        if path.exists():
            plain = derive(nbformat.read(path, as_version=4), name, numbers, bibliography)
            nbformat.write(plain, output / path.name)
            written[name] = output / path.name
    (output / "README.md").write_text(readme(numbers, written), encoding="utf-8")
    return written


def readme(numbers, written):
    """Say to who finds the notebooks alone where they come from, and list them.

    Args:
        numbers: dict, see `Page`.
        written: dict from the name of each in the book to its Path.

    Returns:
        str. Chapters come in the book's order, and what has no number after them.
    """

    def place(name):
        number = numbers["sections"][name][0]
        return not number, [int(n) for n in number.split(".") if n]

    links = [
        f"[{numbers['pages'][name]}]({written[name].name})" for name in sorted(written, key=place)
    ]
    return "\n".join(
        [
            "# Notebooks in plain Markdown",
            "",
            f"The notebooks of [the course]({numbers['site']}) as Colab, Kaggle, VS Code and "
            "GitHub read them. They are made from the",
            "main branch whenever the website is published: a change belongs there.",
            "",
            *(f"{i}. {link}" for i, link in enumerate(links, 1)),
            "",
        ]
    )


def main():
    """Build the website without executing anything, and copy the notebooks that it holds."""
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
