"""The repository's address stands in one place, and everything that repeats it agrees."""

import re
import shutil
import subprocess
from pathlib import Path

import nbformat
import pytest

from tools import repository

ROOT = Path(__file__).parent.parent
OWNER_NAME = repository.owner_and_name(repository.current_address(ROOT))
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
COLAB = re.compile(
    r"https://colab\.research\.google\.com/github/([^/\s]+/[^/\s]+)/blob/main/([^\s)\"'\\]+)"
)
BINDER = re.compile(
    r"https://mybinder\.org/v2/gh/([^/\s]+/[^/\s]+)/main\?urlpath=lab/tree/([^\s)\"'\\]+)"
)
INSTALL = re.compile(r"https://github\.com/([^/\s]+/[^/\s]+)/archive/refs/heads/main\.zip")


def test_every_launch_link_names_this_repository_and_an_existing_notebook():
    found = []
    for path in repository.tracked_text_files(ROOT):
        if path.parts[-2:] == ("tests", "test_repository.py") or path.parent.name == "tools":
            continue
        text = path.read_text(encoding="utf-8")
        for owner_name, notebook in COLAB.findall(text) + BINDER.findall(text):
            assert owner_name == OWNER_NAME, f"{path.name}: {owner_name} instead of {OWNER_NAME}"
            assert (ROOT / notebook).is_file(), f"{path.name} links to {notebook}: no such file"
            found.append(notebook)
    for chapter in CHAPTERS:
        assert f"chapters/{chapter.name}" in found, f"no launch link to {chapter.name}"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda p: p.stem)
def test_every_chapter_installs_the_helper_from_this_repository(chapter):
    cells = [c.source for c in nbformat.read(chapter, as_version=4).cells if c.cell_type == "code"]
    assert INSTALL.findall(cells[0]) == [OWNER_NAME]


def test_every_other_github_link_to_the_course_agrees():
    owner, name = OWNER_NAME.split("/")
    pattern = re.compile(rf"github\.com/([A-Za-z0-9-]+)/{re.escape(name)}(?![A-Za-z0-9-])")
    for file in ["README.md", "CITATION.cff", "CONTRIBUTING.md", "_config.yml", "intro.md"]:
        owners = set(pattern.findall((ROOT / file).read_text(encoding="utf-8")))
        assert owners <= {owner}, f"{file} names {owners}"


@pytest.fixture
def small_repository(tmp_path):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "_config.yml").write_text('repository:\n  url: "https://github.com/old/name"\n')
    (tmp_path / "README.md").write_text(
        "https://colab.research.google.com/github/old/name/blob/main/a.ipynb "
        "git+https://github.com/old/name https://github.com/old/name-tools old/name "
        "https://mybinder.org/v2/gh/old/name/main https://github.com/old/name."
    )
    return tmp_path


def test_rewriting_changes_every_address_and_nothing_else(small_repository):
    changed = repository.rewrite(small_repository, "https://github.com/new/place.git")
    assert sorted(p.name for p in changed) == ["README.md", "_config.yml"]
    assert repository.current_address(small_repository) == "https://github.com/new/place"
    assert (small_repository / "README.md").read_text() == (
        "https://colab.research.google.com/github/new/place/blob/main/a.ipynb "
        "git+https://github.com/new/place https://github.com/old/name-tools old/name "
        "https://mybinder.org/v2/gh/new/place/main https://github.com/new/place."
    )


@pytest.mark.parametrize(
    "bad", ["", "new/place", "https://example.org/new/place", "https://github.com/new"]
)
def test_a_bad_address_is_refused_and_nothing_changes(small_repository, bad):
    before = {p.name: p.read_text() for p in small_repository.iterdir() if p.is_file()}
    with pytest.raises(ValueError, match="is not of the form"):
        repository.rewrite(small_repository, bad)
    assert {p.name: p.read_text() for p in small_repository.iterdir() if p.is_file()} == before


def test_the_real_tree_can_be_moved(tmp_path):
    copy = tmp_path / "copy"
    subprocess.run(["git", "init", "-q", str(copy)], check=True)
    for path in repository.tracked_text_files(ROOT):
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    repository.rewrite(copy, "https://github.com/somebody/else")
    pattern = re.compile(rf"(?:github\.com/|/github/|/gh/){re.escape(OWNER_NAME)}(?![A-Za-z0-9-])")
    for path in repository.tracked_text_files(copy):
        assert not pattern.search(path.read_text(encoding="utf-8")), path
