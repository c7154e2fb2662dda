"""What a notebook asserts is read out of it as it is written."""

from pathlib import Path

import nbformat
import pytest

from tools import bounds

ROOT = Path(__file__).parent.parent


def notebook(*cells):
    """Make a notebook of code cells; a cell that begins with `(` or `#` is prose."""
    made = []
    for text in cells:
        kind = nbformat.v4.new_markdown_cell if text[0] in "(#" else nbformat.v4.new_code_cell
        made.append(kind(text))
    return nbformat.v4.new_notebook(cells=made)


def read(*cells):
    return [(row["label"], row["quick"], row["full"]) for row in bounds.asserted(notebook(*cells))]


def test_numbers_and_names_of_numbers_are_read():
    source = (
        "least = 0.4\nbmu.assert_at_least(a, least + 0.02, 'mean')\nbmu.assert_at_most(b, 3, 'x')"
    )
    assert read(source) == [
        ("mean", "at least 0.42", "at least 0.42"),
        ("x", "at most 3", "at most 3"),
    ]


@pytest.mark.parametrize(
    "source",
    [
        "b = 0.1 if PROFILE == 'quick' else 0.07\nbmu.assert_at_most(x, b, 'error')",
        "b, c = (0.1, 2) if PROFILE == 'quick' else (0.07, 3)\nbmu.assert_at_most(x, b, 'error')",
        "bmu.assert_at_most(x, 0.1 if PROFILE == 'quick' else 0.07, 'error')",
        "B = {'quick': 0.1, 'full': 0.07}\nbmu.assert_at_most(x, B[PROFILE], 'error')",
        "B = {'full': {'e': 0.07}, 'quick': {'e': 0.1}}[PROFILE]\n"
        "bmu.assert_at_most(x, B['e'], 'error')",
    ],
)
@pytest.mark.parametrize("ask", ["PROFILE = bmu.profile()", "SEED, PROFILE = bmu.setup(seed=0)"])
def test_a_bound_may_depend_on_the_profile(source, ask):
    setup = f"%matplotlib inline\n{ask}"
    assert read(setup, source) == [("error", "at most 0.1", "at most 0.07")]


def test_an_assertion_of_one_profile_belongs_to_that_one():
    source = (
        "if PROFILE == 'full':\n    bmu.assert_at_least(bleu, 33, 'BLEU')\n"
        "elif PROFILE == 'quick' and name == 'a':\n    bmu.assert_at_least(bleu, 90, 'dates')"
    )
    assert read(source) == [("BLEU", None, "at least 33"), ("dates", "at least 90", None)]


@pytest.mark.parametrize(
    ("before", "bound"),
    [
        ("theirs = measure()", "0.65 * theirs"),
        ("theirs = 3\ntheirs = measure()", "theirs"),
        ("theirs = 3\ntheirs += 1", "theirs"),
        ("theirs = 3\nfor theirs in rows:\n    pass", "theirs"),
        ("gain = measure()", "min(0.015, gain / 3)"),
        ("rows = [1]", "rows[2]"),
    ],
)
def test_a_measured_bound_stays_the_expression_of_the_chapter(before, bound):
    source = f"{before}\nbmu.assert_at_most(ours, {bound}, 'error')"
    assert read(source) == [("error", f"at most `{bound}`", f"at most `{bound}`")]


def test_a_loop_over_plain_values_is_read_value_by_value():
    source = "for n in ('two', 'three'):\n    bmu.assert_at_most(x[n], 1, f'gain of {n} looks')"
    labels = [row[0] for row in read(source)]
    assert labels == ["gain of two looks", "gain of three looks"]
    source = "for n in rows:\n    bmu.assert_at_most(x[n], 1, f'gain of {n}')"
    assert [row[0] for row in read(source)] == ["gain of …"]


def test_an_argument_hides_a_name_outside():
    source = "b = 3\ndef check(b):\n    bmu.assert_at_most(x, b, 'error')"
    assert read(source) == [("error", "at most `b`", "at most `b`")]


def test_the_section_is_the_last_target_before():
    made = notebook(
        "bmu.assert_at_most(x, 1, 'a')",
        "(sec-a-one)=\n## One",
        "bmu.assert_at_most(x, 1, 'b')",
        "# (sec-not)= a target",
        "(sec-a-two)=\n## Two\n\n(sec-a-three)=\n### Three",
        "bmu.assert_at_most(x, 1, 'c')",
    )
    assert [row["section"] for row in bounds.asserted(made)] == [None, "sec-a-one", "sec-a-three"]


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_assertion_of_a_chapter_is_read(path):
    made = nbformat.read(path, as_version=4)
    source = "\n".join(cell.source for cell in made.cells if cell.cell_type == "code")
    rows = bounds.asserted(made)
    calls = source.count("bmu.assert_at_least(") + source.count("bmu.assert_at_most(")
    assert len(rows) >= calls > 0
    for row in rows:
        assert row["label"].strip("… "), f"{path.name}: an assertion without a label"
        assert row["quick"] or row["full"]
        assert row["section"], f"{path.name}: {row['label']} stands in no section"
