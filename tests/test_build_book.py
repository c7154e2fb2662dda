"""What makes a chapter run again, what fails a build, and that a second build runs nothing."""

import os
from pathlib import Path

import nbformat
import pytest

from tools import build_book, order

ROOT = Path(__file__).parent.parent


@pytest.fixture
def tree(tmp_path):
    """A book of one page whose only cell appends a line to a file each time it runs."""
    for name in ("requirements.txt", "constraints.txt"):
        (tmp_path / name).write_text("keras>=3.8\n")
    (tmp_path / "bigmodel_utils").mkdir()
    (tmp_path / "bigmodel_utils" / "data.py").write_text("PINS = 1\n")
    (tmp_path / "_config.yml").write_text(
        "title: Small\nonly_build_toc_files: true\nexecute: {raise_on_error: true, timeout: 60}\n"
        "sphinx: {config: {nb_execution_raise_on_error: true}}\n"
    )
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    write_page(tmp_path, "(pathlib.Path.cwd() / 'runs.txt').open('a').write('run\\n')")
    return tmp_path


def write_page(tree, statement, title="# Page", name="page"):
    cells = [
        nbformat.v4.new_markdown_cell(title, id="title"),
        nbformat.v4.new_code_cell(f"import pathlib\n{statement};", id="run"),
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), tree / f"{name}.ipynb")


def runs(tree):
    found = list(tree.rglob("runs.txt"))
    return sum(len(path.read_text().splitlines()) for path in found)


CHANGES = {
    "the helper package": lambda t, e: (t / "bigmodel_utils" / "data.py").write_text("PINS = 2\n"),
    "a new helper module": lambda t, e: (t / "bigmodel_utils" / "new.py").write_text(""),
    "a renamed helper module": lambda t, e: (t / "bigmodel_utils" / "data.py").rename(
        t / "bigmodel_utils" / "other.py"
    ),
    "the requirements": lambda t, e: (t / "requirements.txt").write_text("keras>=3.9\n"),
    "the constraints": lambda t, e: (t / "constraints.txt").write_text("keras==3.9\n"),
    "the profile": lambda t, e: e.update(BIGMODEL_PROFILE="full"),
    "the seed": lambda t, e: e.update(BIGMODEL_SEED="1"),
    "the backend": lambda t, e: e.update(KERAS_BACKEND="jax"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_input_of_a_chapter_changes_the_digest(tree, change):
    environ = {}
    before = build_book.environment_digest(tree, environ)
    assert build_book.environment_digest(tree, dict(environ)) == before
    change(tree, environ)
    assert build_book.environment_digest(tree, environ) != before


def test_compiled_files_do_not_change_the_digest(tree):
    before = build_book.environment_digest(tree, {})
    (tree / "bigmodel_utils" / "__pycache__").mkdir()
    (tree / "bigmodel_utils" / "__pycache__" / "data.pyc").write_bytes(b"1")
    assert build_book.environment_digest(tree, {}) == before


def test_only_the_latest_caches_are_kept(tmp_path):
    for age in range(5):
        folder = tmp_path / f"cache{age}"
        folder.mkdir()
        os.utime(folder, (1000 - age, 1000 - age))
    build_book.prune(tmp_path, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache0", "cache1"]


def test_a_build_runs_what_changed_and_only_that(tree):
    site = build_book.build(tree, tree)
    assert (site / "index.html").exists() or (site / "page.html").exists()
    assert runs(tree) == 1
    build_book.build(tree, tree)
    assert runs(tree) == 1, "nothing changed, and the page ran again"
    (tree / "bigmodel_utils" / "data.py").write_text("PINS = 2\n")
    build_book.build(tree, tree)
    assert runs(tree) == 2, "the helper changed, and the page did not run again"


def add_chapters(tree, **statements):
    (tree / "chapters").mkdir()
    for name, statement in statements.items():
        write_page(tree, statement, name=f"chapters/{name}")
    listed = "".join(f"\n  - file: chapters/{name}" for name in statements)
    (tree / "_toc.yml").write_text(f"format: jb-book\nroot: page\nchapters:{listed}\n")


def test_chapters_run_side_by_side_and_once(tree):
    """Each waits for the other's file: one after the other, the first would wait in vain."""
    meet = (
        "import time\npathlib.Path('{own}.txt').open('a').write('run\\n')\n"
        "end = time.time() + 40\n"
        "while not pathlib.Path('{other}.txt').exists():\n"
        "    assert time.time() < end; time.sleep(0.1)\n"
        "print('met')"
    )
    add_chapters(tree, a=meet.format(own="a", other="b"), b=meet.format(own="b", other="a"))
    site = build_book.build(tree, tree, jobs=2)
    for name in ("a", "b"):
        assert "met" in (site / "chapters" / f"{name}.html").read_text(encoding="utf-8")
        assert (tree / "chapters" / f"{name}.txt").read_text() == "run\n"


def test_a_failing_chapter_names_itself_and_loses_no_other(tree):
    good = "(pathlib.Path.cwd() / 'runs.txt').open('a').write('run\\n')"
    add_chapters(tree, good=good, bad="raise RuntimeError('the cell failed')")
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"(?s)not built.*bad.ipynb.*the cell failed"):
            build_book.build(tree, tree)
    assert runs(tree) == 1, "the good chapter ran again"


def test_a_failing_cell_fails_the_build(tree, capfd):
    write_page(tree, "raise RuntimeError('the cell failed')")
    with pytest.raises(SystemExit, match="The book was not built"):
        build_book.build(tree, tree)
    assert "the cell failed" in "".join(capfd.readouterr())


def test_a_sphinx_warning_fails_the_build(tree):
    (tree / "_static").mkdir()
    (tree / "chapters").mkdir()
    (tree / "page.md").write_text("# Page\n\nSee {ref}`nowhere`.\n")
    (tree / "page.ipynb").unlink()
    with pytest.raises(SystemExit, match="The book was not built"):
        build_book.build(tree, tree, execute="off")


def test_notebooks_that_are_shown_keep_their_outputs_and_gain_cards_for_missing_figures(tmp_path):
    drawn = nbformat.v4.new_output("display_data", {"image/png": "AAAA"})
    figure = {"mystnb": {"figure": {"name": "fig-a"}}}
    cells = [
        nbformat.v4.new_code_cell("draw()", metadata=figure, outputs=[drawn]),
        nbformat.v4.new_code_cell("draw()", metadata=figure),
        nbformat.v4.new_code_cell("print(1)"),
    ]
    shown = tmp_path / "shown"
    shown.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=cells), shown / "a.ipynb")
    build_book.copy_sources(ROOT, tmp_path / "source", shown)
    copied = nbformat.read(tmp_path / "source" / "chapters" / "a.ipynb", as_version=4).cells
    assert copied[0].outputs[0].data["image/png"] == "AAAA"
    assert copied[1].outputs[0].data["image/png"].startswith("iVBOR")
    assert copied[2].outputs == []
    assert (tmp_path / "source" / "_config.yml").read_text() == (ROOT / "_config.yml").read_text()


def test_every_chapter_has_its_place_in_the_order():
    names = {path.stem for path in (ROOT / "chapters").glob("*.ipynb")}
    assert names <= set(order.LONGEST_FIRST)
    assert order.place(Path("chapters/new.ipynb")) < order.place(Path("chapters/seq2seq.ipynb"))


def test_notebooks_side_by_side_share_the_cores_and_leave_a_user_the_choice():
    environ = {"OMP_NUM_THREADS": "3"}
    order.share_cores(environ, 2, 8)
    assert environ["TF_NUM_INTRAOP_THREADS"] == "4"
    assert environ["OMP_NUM_THREADS"] == "3"
    alone, crowded = {}, {}
    order.share_cores(alone, 1, 8)
    order.share_cores(crowded, 4, 2)
    assert alone == {}
    assert crowded["TF_NUM_INTRAOP_THREADS"] == "1"
