"""What fails a build, again and again; that nothing is done twice; that any folder will do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import nbformat
import pytest

from tools import build_book, order

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def versions():
    return build_book.inputs.installed_versions()


@pytest.fixture(autouse=True)
def listed_once(monkeypatch, versions):
    """Listing hundreds of installed packages takes half a second: once for all tests."""
    monkeypatch.setattr(build_book.inputs, "installed_versions", lambda: versions)


@pytest.fixture
def tree(tmp_path):
    return book_of_one_page(tmp_path)


def book_of_one_page(folder):
    """A book whose only cell appends a line to a file each time it runs."""
    (folder / "bigmodel_utils").mkdir(parents=True)
    (folder / "bigmodel_utils" / "data.py").write_text("PINS = 1\n", encoding="utf-8")
    (folder / "_config.yml").write_text(
        "title: Small\nonly_build_toc_files: true\nexecute: {timeout: 60}\n"
        "bibtex_bibfiles: [references.bib]\n",
        encoding="utf-8",
    )
    (folder / "references.bib").write_text(
        "@misc{known, title = {Known}, year = 2000}\n", encoding="utf-8"
    )
    (folder / "_toc.yml").write_text("format: jb-book\nroot: page\n", encoding="utf-8")
    write_page(folder, "(pathlib.Path.cwd() / 'runs.txt').open('a').write('run\\n')")
    return folder


def write_page(tree, statement, title="# Page", name="page"):
    cells = [
        nbformat.v4.new_markdown_cell(title, id="title"),
        nbformat.v4.new_code_cell(f"import pathlib\n{statement};", id="run"),
    ]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), tree / f"{name}.ipynb")


def add_chapters(tree, **statements):
    (tree / "chapters").mkdir()
    for name, statement in statements.items():
        write_page(tree, statement, name=f"chapters/{name}")
    listed = "".join(f"\n  - file: chapters/{name}" for name in statements)
    (tree / "_toc.yml").write_text(
        f"format: jb-book\nroot: page\nchapters:{listed}\n", encoding="utf-8"
    )


def runs(tree):
    found = [*tree.glob("runs.txt"), *tree.glob("chapters/runs.txt")]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in found)


class PretendedSphinx:
    """Stands for Sphinx: writes a page into a folder that must not exist yet, and ends as told."""

    def __init__(self):
        self.outcome, self.calls = 0, 0

    def __call__(self, command, **options):
        interpreter, script, source, site, config, builder = command
        assert interpreter == sys.executable and Path(script).is_file()
        assert Path(source).is_dir() and Path(config).is_file()
        assert not site.exists() and not (site.parent / ".doctrees").exists(), "left over"
        (site.parent / ".doctrees").mkdir()
        site.mkdir()
        (site / "index.html").write_text("<title>Small</title>", encoding="utf-8")
        self.calls += 1
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return subprocess.CompletedProcess(command, self.outcome)


@pytest.fixture
def sphinx(monkeypatch):
    pretended = PretendedSphinx()
    monkeypatch.setattr(build_book.subprocess, "run", pretended)
    return pretended


def unexecuted(tree):
    return build_book.build(tree, tree, execute="off")


def test_a_build_of_which_nothing_changed_is_not_repeated(tree, sphinx, capsys):
    site = unexecuted(tree)
    assert unexecuted(tree) == site
    assert sphinx.calls == 1
    assert "Nothing has changed" in capsys.readouterr().out


UNFINISHED = {
    "a warning": 1,
    "killed": -9,
    "Ctrl-C": KeyboardInterrupt(),
    "no memory": MemoryError(),
}


@pytest.mark.parametrize("outcome", UNFINISHED.values(), ids=UNFINISHED)
@pytest.mark.parametrize("before", ["nothing before", "a success before"])
def test_a_build_that_did_not_succeed_is_repeated_from_nothing(tree, sphinx, outcome, before):
    if before == "a success before":
        unexecuted(tree)
        (tree / "references.bib").write_text("", encoding="utf-8")
    sphinx.outcome = outcome
    for _ in range(2):
        calls = sphinx.calls
        with pytest.raises((SystemExit, KeyboardInterrupt, MemoryError)):
            unexecuted(tree)
        assert sphinx.calls == calls + 1
    sphinx.outcome = 0
    unexecuted(tree)
    calls = sphinx.calls
    unexecuted(tree)
    assert sphinx.calls == calls


def add_page(tree):
    (tree / "other.md").write_text("# Other\n", encoding="utf-8")
    (tree / "_toc.yml").write_text(
        "format: jb-book\nroot: page\nchapters:\n  - file: other\n", encoding="utf-8"
    )


BUILD_CHANGES = {
    "the settings": lambda t: (t / "_config.yml").write_text("title: Other\n", encoding="utf-8"),
    "the table of contents": add_page,
    "the bibliography": lambda t: (t / "references.bib").write_text("", encoding="utf-8"),
    "a page's text": lambda t: write_page(t, "1", title="# Another page"),
    "the helper package": lambda t: (t / "bigmodel_utils" / "data.py").write_text(
        "PINS = 2\n", encoding="utf-8"
    ),
    "a page of the site is gone": lambda t: (t / "_build/html/index.html").unlink(),
    "a page of the site was changed": lambda t: (t / "_build/html/index.html").write_text(
        "?", encoding="utf-8"
    ),
    "the site is gone": lambda t: shutil.rmtree(t / "_build" / "html"),
}


@pytest.mark.parametrize("change", BUILD_CHANGES.values(), ids=BUILD_CHANGES)
def test_a_build_is_repeated_from_nothing_when_something_changed(tree, sphinx, change):
    unexecuted(tree)
    change(tree)
    unexecuted(tree)
    assert sphinx.calls == 2


def test_a_change_of_the_tools_or_of_a_version_repeats_a_build(tree, sphinx, monkeypatch, tmp_path):
    tools = tmp_path / "elsewhere" / "tools"
    shutil.copytree(ROOT / "tools", tools, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(build_book, "ROOT", tools.parent)
    unexecuted(tree)
    unexecuted(tree)
    assert sphinx.calls == 1
    with (tools / "light_site.py").open("a", encoding="utf-8") as tool:
        tool.write("# changed\n")
    unexecuted(tree)
    assert sphinx.calls == 2
    monkeypatch.setattr(build_book.inputs, "installed_versions", lambda: ["sphinx==0"])
    unexecuted(tree)
    assert sphinx.calls == 3


def test_executed_outputs_are_inputs_of_the_pages(tree, sphinx, tmp_path):
    folder = tmp_path / "executed"
    folder.mkdir()
    notebook = nbformat.read(tree / "page.ipynb", as_version=4)
    for text in ("one", "one", "two"):
        notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text=text)]
        nbformat.write(notebook, folder / "page.ipynb")
        build_book.build(tree, tree, execute="off", notebooks=folder)
    assert sphinx.calls == 2


FAULTS = {
    "a broken reference": ("See {ref}`nowhere`.", "nowhere"),
    "an unknown citation": ("See {cite}`nobody`.", "nobody"),
    "a missing picture": ("![A picture](missing.png)", "missing.png"),
    "an unknown directive": ("```{nothing}\n```", "nothing"),
}


def test_a_page_with_faults_fails_every_build_with_the_same_words(tree, capfd):
    """One page for all faults, since each build by Sphinx takes seconds."""
    texts = [text for text, _ in FAULTS.values()]
    good = "pathlib.Path('runs.txt').open('a').write('run\\n')"
    write_page(tree, good, title="\n\n".join(["# Page", *texts]))
    for _ in range(2):
        with pytest.raises(SystemExit, match="The book was not built"):
            build_book.build(tree, tree)
        said = capfd.readouterr().err
        assert [fault for fault, (_, word) in FAULTS.items() if word not in said] == []
        assert runs(tree) == 1, "the page ran again, or never"


def test_a_build_runs_what_changed_and_only_that(tree, sphinx):
    build_book.build(tree, tree)
    assert runs(tree) == 1
    build_book.build(tree, tree)
    assert runs(tree) == 1, "nothing changed, and the page ran again"
    write_page(tree, "(pathlib.Path.cwd() / 'runs.txt').open('a').write('run\\n' * 2)")
    build_book.build(tree, tree)
    assert runs(tree) == 3, "its code changed, and the page did not run again"


def test_a_change_of_words_runs_nothing_and_one_of_the_helper_everything(tree, sphinx):
    add_chapters(tree, a="pathlib.Path('runs.txt').open('a').write('run\\n')")
    build_book.build(tree, tree)
    assert runs(tree) == 2
    path = tree / "chapters" / "a.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace("# Page", "# Word"), encoding="utf-8")
    build_book.build(tree, tree)
    assert runs(tree) == 2
    assert sphinx.calls == 2
    (tree / "bigmodel_utils" / "data.py").write_text("PINS = 2\n", encoding="utf-8")
    build_book.build(tree, tree)
    assert runs(tree) == 4, "the helper changed, and the pages did not run again"


def test_chapters_run_side_by_side_and_once(tree, sphinx):
    """Each waits for the other's file: one after the other, the first would wait in vain."""
    meet = (
        "import time\npathlib.Path('{own}.txt').open('a').write('run\\n')\n"
        "end = time.time() + 40\n"
        "while not pathlib.Path('{other}.txt').exists():\n"
        "    assert time.time() < end; time.sleep(0.1)\n"
        "print('met')"
    )
    add_chapters(tree, a=meet.format(own="a", other="b"), b=meet.format(own="b", other="a"))
    build_book.build(tree, tree, jobs=2)
    for name in ("a", "b"):
        shown = nbformat.read(tree / f"_build/source/chapters/{name}.ipynb", as_version=4)
        assert [out.text for out in shown.cells[1].outputs] == ["met\n"]
        assert (tree / "chapters" / f"{name}.txt").read_text(encoding="utf-8") == "run\n"


def test_a_failing_chapter_names_itself_and_loses_no_other(tree, sphinx):
    good = "(pathlib.Path.cwd() / 'runs.txt').open('a').write('run\\n')"
    add_chapters(tree, good=good, bad="raise RuntimeError('the cell failed')")
    for _ in range(2):
        with pytest.raises(SystemExit, match=r"(?s)not built.*bad.ipynb.*the cell failed"):
            build_book.build(tree, tree)
    assert runs(tree) == 2, "the good chapter or the page ran again"
    assert sphinx.calls == 0


FOLDERS = ["100 % sure?", "naïve #1 課程", 'it\'s a "book" & more;']


def test_a_book_can_stand_in_folders_of_any_name(tmp_path):
    tree = book_of_one_page(tmp_path.joinpath(*FOLDERS))
    site = build_book.build(tree, tree)
    assert site == tree / "_build" / "html"
    assert "Page" in (site / "page.html").read_text(encoding="utf-8")
    assert runs(tree) == 1


@pytest.mark.parametrize("name", FOLDERS)
def test_the_printed_address_opens(tmp_path, sphinx, monkeypatch, capsys, name):
    tree = book_of_one_page(tmp_path / name)
    shutil.copytree(ROOT / "tools", tree / "tools")
    monkeypatch.setattr(build_book, "ROOT", tree)
    monkeypatch.setattr(sys, "argv", ["build_book.py", "--execute", "off"])
    build_book.main()
    address = urlsplit(capsys.readouterr().out.split()[-1])
    assert (address.scheme, address.query, address.fragment) == ("file", "", "")
    assert Path(url2pathname(address.path)) == tree / "_build" / "html" / "index.html"


def test_notebooks_that_are_shown_keep_their_outputs_and_gain_cards_for_missing_figures(tmp_path):
    drawn = nbformat.v4.new_output("display_data", {"image/png": "AAAA"})
    figure = {"mystnb": {"figure": {"name": "fig-a"}}}
    cells = [
        nbformat.v4.new_code_cell("draw()", metadata=figure, outputs=[drawn]),
        nbformat.v4.new_code_cell("draw()", metadata=figure),
        nbformat.v4.new_code_cell("print(1)"),
    ]
    notebook = json.loads(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    build_book.copy_sources(ROOT, tmp_path / "source", {Path("chapters/a.ipynb"): notebook})
    copied = nbformat.read(tmp_path / "source" / "chapters" / "a.ipynb", as_version=4).cells
    assert copied[0].outputs[0].data["image/png"] == "AAAA"
    assert copied[1].outputs[0].data["image/png"].startswith("iVBOR")
    assert copied[2].outputs == []
    assert (tmp_path / "source" / "_config.yml").read_text(encoding="utf-8") == (
        ROOT / "_config.yml"
    ).read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ["chapters", "teach", "more/deep"])
def test_pages_of_any_folder_are_copied_with_their_pictures(tree, sphinx, folder):
    (tree / folder).mkdir(parents=True)
    (tree / folder / "a.md").write_text("# A\n", encoding="utf-8")
    (tree / folder / "picture.png").write_bytes(b"\x89PNG")
    entry = f"chapters:\n  - file: {folder}/a\n"
    (tree / "_toc.yml").write_text(f"format: jb-book\nroot: page\n{entry}", encoding="utf-8")
    unexecuted(tree)
    for name in ("a.md", "picture.png"):
        assert (tree / "_build" / "source" / folder / name).is_file()


def test_every_clone_has_the_same_line_ends(tmp_path):
    """Git turns LF into CRLF on a machine set up so; .gitattributes must stand against it."""

    def git(*arguments):
        options = ["-c", "core.autocrlf=true", "-c", "user.name=a", "-c", "user.email=a@b"]
        quiet = {"check": True, "capture_output": True}
        subprocess.run(["git", *options, *arguments], cwd=tmp_path, **quiet)

    shutil.copy(ROOT / ".gitattributes", tmp_path)
    texts = ["Makefile", "run", "postBuild", "a.py", "a.ipynb", "a.md", "a.yml", "a.css", "a.svg"]
    for name in texts:
        (tmp_path / name).write_bytes(b"one\r\ntwo\r\n")
    pictures = ["a.png", "a.jpg", "a.wav"]
    for name in pictures:
        (tmp_path / name).write_bytes(b"one\r\ntwo\r\n")
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "All")
    for name in texts + pictures:
        (tmp_path / name).unlink()
    git("checkout", "--", ".")
    assert [n for n in texts if b"\r" in (tmp_path / n).read_bytes()] == []
    assert [n for n in pictures if b"\r" not in (tmp_path / n).read_bytes()] == []


def test_no_tracked_text_has_windows_line_ends():
    suffixes = {".py", ".ipynb", ".md", ".yml", ".toml", ".css", ".js", ".svg", ".txt", ".bib", ""}
    skipped = {".git", ".venv", "_build", "build", "__pycache__"}
    for folder, names, files in os.walk(ROOT):
        names[:] = [n for n in names if n not in skipped and not n.startswith((".pytest", ".ruff"))]
        for path in (Path(folder, name) for name in files):
            if path.suffix in suffixes and path.is_file():
                assert b"\r\n" not in path.read_bytes(), path


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
