"""The repository's address stands in one place, and everything that repeats it agrees."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import launch, repository

ROOT = Path(__file__).parent.parent
OWNER_NAME = repository.owner_and_name(repository.current_address(ROOT))
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
INSTALL = re.compile(r"https://github\.com/([^/\s]+/[^/\s]+)/archive/refs/heads/main\.zip")


LAUNCH = re.compile(
    r"https://(colab\.research\.google\.com/github/|kaggle\.com/kernels/welcome\?src=https://github\.com/|"
    r"mybinder\.org/v2/gh/)([^/\s]+/[^/\s]+)/([^\s)\"'\\]+)"
)
BRANCHES = {
    "colab.research.google.com/github/": "blob/notebooks/",
    "kaggle.com/kernels/welcome?src=https://github.com/": "blob/notebooks/",
    "mybinder.org/v2/gh/": "main?urlpath=lab/tree/chapters/",
}


def test_every_launch_link_names_this_repository_and_an_existing_notebook():
    found = {service: set() for service in BRANCHES}
    for path in (ROOT / "README.md", ROOT / "intro.md"):
        for service, owner_name, rest in LAUNCH.findall(path.read_text(encoding="utf-8")):
            assert owner_name == OWNER_NAME, f"{path.name}: {owner_name} instead of {OWNER_NAME}"
            assert rest.startswith(BRANCHES[service]), f"{path.name}: {service}...{rest}"
            found[service].add(rest.removeprefix(BRANCHES[service]))
    for service, notebooks in found.items():
        assert notebooks == {chapter.name for chapter in CHAPTERS}, service


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_every_chapter_installs_the_helper_from_this_repository(chapter):
    cells = [c.source for c in nbformat.read(chapter, as_version=4).cells if c.cell_type == "code"]
    assert INSTALL.findall(cells[0]) == [OWNER_NAME]


def test_every_other_link_to_the_course_agrees():
    owner, name = OWNER_NAME.split("/")
    github = re.compile(rf"github\.com/([A-Za-z0-9-]+)/{re.escape(name)}(?![A-Za-z0-9-])")
    pages = re.compile(rf"https://([A-Za-z0-9-]+)\.github\.io/{re.escape(name)}/")
    for file in ["README.md", "CITATION.cff", "CONTRIBUTING.md", "_config.yml", "intro.md"]:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert {*github.findall(text), *pages.findall(text)} <= {owner}, file


def test_the_lists_of_chapters_are_up_to_date():
    for path, text in repository.lists(ROOT).items():
        assert text == path.read_text(encoding="utf-8"), f"{path.name}: run make repository"


CHAPTER = """(ch-{slug})=\n# {title}\n\nA promise.\n\n## Problem and data\n
Our running question is: *{question}*"""


def write_chapter(root, slug, title, question):
    text = CHAPTER.format(slug=slug, title=title, question=question)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    nbformat.write(notebook, root / "chapters" / f"{slug}.ipynb")


@pytest.fixture
def small_repository(tmp_path):
    """A course of two chapters, in a folder with an awkward name and without git."""
    root = tmp_path / "100% of a course? é"
    (root / "chapters").mkdir(parents=True)
    (root / "_config.yml").write_text(
        'repository:\n  url: "https://github.com/old/name"\n', encoding="utf-8"
    )
    (root / "_toc.yml").write_text(
        "parts:\n- caption: Last\n  chapters:\n  - file: chapters/b\n"
        "- caption: First\n  chapters:\n  - file: chapters/a\n  - file: notation\n",
        encoding="utf-8",
    )
    write_chapter(root, "a", "Alpha", "what\nis it?")
    write_chapter(root, "b", "Beta", "why?")
    marks = f"before\n\n{repository.BEGIN}\nstale\n{repository.END}\n\nafter\n"
    (root / "intro.md").write_text(marks, encoding="utf-8")
    (root / "README.md").write_text(
        "https://colab.research.google.com/github/old/name/blob/main/a.ipynb "
        "git+https://github.com/old/name https://github.com/old/name-tools old/name "
        "https://mybinder.org/v2/gh/old/name/main https://github.com/old/name. "
        "https://old.github.io/name/chapters/a.html https://old.github.io/name "
        f"https://old.github.io/names/ https://old.github.io/name-2/\n{marks}",
        encoding="utf-8",
    )
    return root


def test_rewriting_changes_every_address_and_nothing_else(small_repository):
    changed = repository.rewrite(small_repository, "https://github.com/New/place.git")
    assert sorted(p.name for p in changed) == ["README.md", "_config.yml"]
    assert repository.current_address(small_repository) == "https://github.com/New/place"
    assert (small_repository / "README.md").read_text(encoding="utf-8").splitlines()[0] == (
        "https://colab.research.google.com/github/New/place/blob/main/a.ipynb "
        "git+https://github.com/New/place https://github.com/old/name-tools old/name "
        "https://mybinder.org/v2/gh/New/place/main https://github.com/New/place. "
        "https://new.github.io/place/chapters/a.html https://new.github.io/place/ "
        "https://old.github.io/names/ https://old.github.io/name-2/"
    )


@pytest.mark.parametrize(
    "name",
    ["leçon.md", "第一课.ipynb", "100% done?.md", "two words.txt", 'quoted "name".md', "-n.md"],
)
def test_files_of_any_name_are_rewritten(small_repository, name):
    path = small_repository / "more" / name
    path.parent.mkdir()
    path.write_text("https://github.com/old/name\n", encoding="utf-8")
    assert path in repository.rewrite(small_repository, "https://github.com/new/place")
    assert path.read_text(encoding="utf-8") == "https://github.com/new/place\n"


@pytest.mark.parametrize(
    "text", ["a https://github.com/old/name\r\nb\r\n", "\ufeffhttps://github.com/old/name"]
)
def test_line_endings_and_marks_stay(small_repository, text):
    path = small_repository / "x.md"
    path.write_bytes(text.encode())
    repository.rewrite(small_repository, "https://github.com/new/place")
    assert path.read_bytes() == text.replace("old/name", "new/place").encode()


def test_what_is_not_source_is_left_alone(small_repository):
    link = "https://github.com/old/name"
    (small_repository / "env").mkdir()
    (small_repository / "env" / "pyvenv.cfg").write_text("", encoding="utf-8")
    for folder in (".venv", ".git", "_build", "build", "x.egg-info", "__pycache__", "env"):
        (small_repository / folder).mkdir(exist_ok=True)
        (small_repository / folder / "a.md").write_text(link, encoding="utf-8")
    (small_repository / "latin.txt").write_bytes(b"\xe9 " + link.encode())
    (small_repository / ".github").mkdir()
    (small_repository / ".github" / "a.yml").write_text(link, encoding="utf-8")
    changed = repository.rewrite(small_repository, "https://github.com/new/place")
    names = {path.relative_to(small_repository).as_posix() for path in changed}
    assert names == {"README.md", "_config.yml", ".github/a.yml"}


def refusing_git(folder):
    """Make a `git` that refuses, as in a checkout that belongs to another user."""
    folder.mkdir()
    (folder / "git").write_text(
        "#!/bin/sh\necho 'fatal: detected dubious ownership' >&2\nexit 128\n",
        encoding="utf-8",
    )
    (folder / "git").chmod(0o755)
    return folder


CHECKOUTS = {
    "no git on this machine": lambda root, tmp: tmp / "empty",
    "another owner's checkout": lambda root, tmp: refusing_git(tmp / "bin"),
    "a clone": lambda root, tmp: subprocess.run(["git", "init", "-q", root], check=True) and None,
}


@pytest.mark.skipif(os.name != "posix", reason="makes a shell script")
@pytest.mark.parametrize("prepare", CHECKOUTS.values(), ids=CHECKOUTS)
def test_the_program_needs_no_git(small_repository, tmp_path, prepare):
    path = prepare(small_repository, tmp_path)
    (small_repository / "tools").mkdir()
    for name in ("__init__.py", "repository.py", "launch.py"):
        shutil.copy(ROOT / "tools" / name, small_repository / "tools")
    (small_repository / "né.md").write_text("https://github.com/old/name", encoding="utf-8")
    finished = subprocess.run(
        [
            sys.executable,
            small_repository / "tools" / "repository.py",
            "https://github.com/new/place",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"] if path is None else str(path),
            "PYTHONIOENCODING": "ascii",
        },
        encoding="utf-8",
    )
    assert finished.returncode == 0, finished.stderr
    assert "rewrote n\\xe9.md\n" in finished.stdout
    assert (small_repository / "né.md").read_text(encoding="utf-8").endswith("/new/place")
    assert "/new/place/blob/notebooks/a.ipynb" in (small_repository / "README.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "bad", ["", "new/place", "https://example.org/new/place", "https://github.com/new"]
)
def test_a_bad_address_is_refused_and_nothing_changes(small_repository, bad):
    before = {p: p.read_bytes() for p in small_repository.rglob("*") if p.is_file()}
    with pytest.raises(ValueError, match="is not of the form"):
        repository.rewrite(small_repository, bad)
    assert {p: p.read_bytes() for p in small_repository.rglob("*") if p.is_file()} == before


def test_the_real_tree_can_be_moved(tmp_path):
    copy = tmp_path / "copy"
    minutes = ROOT / "benchmarks" / "recorded" / "minutes.json"  # names no address
    for path in [*repository.text_files(ROOT), minutes]:
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    repository.rewrite(copy, "https://github.com/somebody/else")
    places = rf"(?:github\.com/|/github/|/gh/){re.escape(OWNER_NAME)}(?![A-Za-z0-9-])"
    site = re.escape(launch.site_address(OWNER_NAME))
    for path in repository.text_files(copy):
        assert not re.search(f"{places}|{site}", path.read_text(encoding="utf-8")), path
    for path, text in repository.lists(copy).items():
        assert text == path.read_text(encoding="utf-8"), "the lists follow the address"


def write_minutes(root, **minutes):
    (root / "benchmarks" / "recorded").mkdir(parents=True)
    (root / "benchmarks" / "recorded" / "minutes.json").write_text(
        json.dumps(minutes), encoding="utf-8"
    )


def test_the_lists_are_in_the_order_of_the_book_with_what_the_chapters_say(small_repository):
    write_minutes(small_repository, a={"cpu_seconds": 61, "core_speed": 0.5})
    found = repository.chapters(small_repository)
    assert [(c["part"], c["slug"], c["title"], c["question"], c["minutes"]) for c in found] == [
        ("Last", "b", "Beta", "Why?", None),
        ("First", "a", "Alpha", "What is it?", 3),
    ]
    texts = {path.name: text for path, text in repository.lists(small_repository).items()}
    rows = re.findall(r"^\| \[(\w+)\]\((\S+)\)(.*?) \| (.*?) \|", texts["README.md"], re.MULTILINE)
    assert rows == [
        ("Beta", "https://old.github.io/name/chapters/b.html", "", "Why?"),
        ("Alpha", "https://old.github.io/name/chapters/a.html", ", 3 min", "What is it?"),
    ]
    cards = texts["intro.md"]
    assert cards.index("### Last") < cards.index("{ref}`Beta <ch-b>`") < cards.index("### First")
    assert cards.count("About 3 minutes of computing.") == 1
    assert cards.count("::::{grid}") == 2 and cards.count("\n::::\n") == 2
    for text in texts.values():
        assert "stale" not in text and "before\n\n" in text and text.endswith("\n\nafter\n")


def test_making_the_lists_again_changes_nothing(small_repository):
    for _ in range(2):
        made = repository.lists(small_repository)
        for path, text in made.items():
            path.write_text(text, encoding="utf-8")
    assert repository.lists(small_repository) == made


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_list_has_the_line_endings_of_its_file(newline):
    text = newline.join(["a", repository.BEGIN, "x", repository.END, "b", ""])
    made = repository.with_list(text, ["one", "two"])
    assert made == newline.join(
        ["a", repository.BEGIN, "", "one", "two", "", repository.END, "b", ""]
    )


MARKS = [
    repository.BEGIN,
    repository.END,
    repository.END + repository.BEGIN,
    "",
    repository.BEGIN * 2 + repository.END,
]


@pytest.mark.parametrize("text", MARKS)
def test_a_file_without_its_marks_is_refused(text):
    with pytest.raises(ValueError, match="stands between"):
        repository.with_list(text, [])


def test_a_chapter_without_a_question_is_refused(small_repository):
    path = small_repository / "chapters" / "a.ipynb"
    path.write_text(
        path.read_text(encoding="utf-8").replace("Our running question is", "We ask"),
        encoding="utf-8",
    )
    with pytest.raises(ValueError, match="a.ipynb has no title or no question"):
        repository.chapters(small_repository)


def test_a_website_elsewhere_is_where_the_list_leads(small_repository):
    config = small_repository / "_config.yml"
    config.write_text(
        config.read_text(encoding="utf-8") + "html:\n  baseurl: https://example.org/course\n",
        encoding="utf-8",
    )
    readme = repository.lists(small_repository)[small_repository / "README.md"]
    assert "[Beta](https://example.org/course/chapters/b.html)" in readme
