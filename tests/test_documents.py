"""The page on the documents leaves nothing out: its rows against a list made from the documents.

What holds for its cells as for those of a chapter is tested in `test_chapters_style.py`.
"""

import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
CELLS = nbformat.read(ROOT / "from-the-documents.ipynb", as_version=4).cells
PAGE = "\n\n".join(cell.source for cell in CELLS if cell.cell_type == "markdown")

# Made from the five documents: every displayed formula, every block of code and every numbered
# entry of their lists of references, by the number of the section that holds it.
FORMULAS = {
    "A": {"3.1.1": 1, "3.1.2": 2, "3.2.1": 1, "3.3.1": 1, "3.3.2": 2},
    "S": {"3.1": 1, "3.2": 1, "3.3": 5, "3.4": 3},
    "F": {"3.1.1": 2, "3.1.2": 2},
}
LISTINGS = {
    "D": ["1"],
    "O": [f"4.{part}.{step}" for part in (1, 2) for step in range(1, 7)],
    "A": ["4.1.1", "4.1.2", "4.2.1", "4.2.2", "4.3.1", "4.3.2"],
    "S": ["4.1", "4.2"],
    "F": ["4.1", "4.2"],
}
REFERENCES = {"A": 56, "F": 56}


def rows(name):
    """Cells of each row of the table in the section `name`, without its two heading lines."""
    section = PAGE.split(f"(sec-from-the-documents-{name})=")[1].split("\n(sec-")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_formula_stands_once():
    expected = [
        f"{document} {section} ({k + 1})"
        for document, sections in FORMULAS.items()
        for section, count in sections.items()
        for k in range(count)
    ]
    assert Counter(cells[0] for cells in rows("formulas")) == Counter(expected)


def test_every_listing_stands_once():
    expected = [f"{document} {s}" for document, sections in LISTINGS.items() for s in sections]
    assert Counter(cells[0] for cells in rows("listings")) == Counter(expected)


def test_every_reference_stands_once():
    expected = [f"{document} {k + 1}" for document, n in REFERENCES.items() for k in range(n)]
    named = [entry for cells in rows("references") for entry in cells[0].split(", ")]
    assert Counter(named) == Counter(expected)


@pytest.mark.parametrize(
    ("table", "columns"), [("formulas", 4), ("listings", 4), ("statements", 3), ("references", 3)]
)
def test_every_row_has_a_verdict_and_a_place(table, columns):
    for cells in rows(table):
        assert len(cells) == columns and all(cells), cells
        if table in ("formulas", "listings"):
            place = r"(\{(ref|eq)\}`[\w-]+`|to come \([\w-]+\))"
            assert re.fullmatch(f"{place}(, {place})*", cells[-1]), cells


def test_the_page_counts_its_rows():
    pieces = sum(map(len, LISTINGS.values()))
    formulas = sum(sum(sections.values()) for sections in FORMULAS.values())
    counted = f"{formulas} formulas, {pieces} pieces of code and {sum(REFERENCES.values())}"
    assert counted in " ".join(PAGE.split())


def test_every_listing_runs_here_or_is_to_come():
    """Those that run have a section of their own on this page, which names them and holds code."""
    sections = {}
    for cell in CELLS:
        found = re.match(r"\((sec-from-the-documents-[\w-]+)\)=\n#+ (.+)", cell.source)
        if found and cell.cell_type == "markdown":
            title, code = found[2], []
            sections[found[1]] = title, code
        elif cell.cell_type == "code":
            code.append(cell.source)
    for cells in rows("listings"):
        document, section = cells[0].split()
        aim = re.search(r"\{ref\}`(sec-from-the-documents-[\w-]+)`", cells[-1])
        if aim is None:
            assert re.fullmatch(r"to come \([\w-]+\)", cells[-1]), cells
            continue
        title, code = sections[aim[1]]
        parts = (section, section.rpartition(".")[0])  # O 4.1 stands for O 4.1.1 and the others
        assert any(part and f"{document} {part}" in title for part in parts), (cells, title)
        assert code, title


def test_no_failure_is_taken_for_another():
    """A cell that shows an exception names its type and reads its message."""
    for cell in CELLS:
        if cell.cell_type == "code":
            assert not re.search(r"except\s*(Base)?(Exception)?\s*(as \w+\s*)?:", cell.source), (
                cell.id
            )
            if re.search(r"^(?!def ).*\bcomplaint\(", cell.source, flags=re.M):
                assert re.search(r"\w+Error\b", cell.source), cell.id


def test_its_labels_are_its_own():
    labels = re.findall(r"^\((\S+)\)=$", PAGE, flags=re.M)
    assert len(labels) == len(set(labels))
    assert all(re.fullmatch(r"(sec-)?from-the-documents(-[a-z0-9-]+)?", label) for label in labels)
