"""The plain notebooks that the website holds agree with it, and its buttons lead to them."""

import json
import os
import re
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin

import nbformat
import pytest
import yaml
from nbconvert import HTMLExporter

from tools import launch, repository

ROOT = Path(__file__).parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
NOTEBOOKS = [*CHAPTERS, *sorted(ROOT.glob("*.ipynb"))]
OWNER_NAME = repository.owner_and_name(repository.current_address(ROOT))
EMPTY = {"area", "br", "col", "hr", "img", "input", "link", "meta", "path", "source", "wbr"}
every_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


class Elements(HTMLParser):
    """Collect what stands in the elements of a page: tag, attributes, text, in order."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs), []))
        if tag not in EMPTY:
            self.open.append(self.found[-1])

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        for _, _, inside in self.open:
            inside.append(data)

    def texts(self, tag, **wanted):
        """Give the attributes and the text of those elements whose class holds a word."""
        for name, attrs, inside in self.found:
            classes = (attrs.get("class") or "").split()
            if name == tag and all(word in classes for word in wanted.values()):
                yield attrs, " ".join("".join(inside).split())


def in_the_book(path):
    """Name a notebook as the book does."""
    return path.relative_to(ROOT).with_suffix("").as_posix()


def plain(words):
    """Take the marks of Markdown and of a page's headings off a text."""
    words = re.sub(r"\\\((.*?)\\\)", r"$\1$", words.removesuffix("#").strip())
    words = words.replace("’", "'").replace("“", '"').replace("”", '"').replace("…", "...")
    return " ".join(re.sub(r"[`*]", "", words).split())


@pytest.fixture(scope="session")
def derived(built_site):
    """Read the website's notebooks by name."""
    paths = (built_site / launch.BRANCH).glob("*.ipynb")
    return {path.stem: nbformat.read(path, as_version=4) for path in paths}


@pytest.fixture(scope="session")
def page(built_site):
    """Read a page of the website once."""
    pages = {}

    def read(path):
        if path not in pages:
            text = (built_site / f"{in_the_book(path)}.html").read_text(encoding="utf-8")
            pages[path] = Elements(text)
        return pages[path]

    return read


def prose(notebook):
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def without_code(text):
    """Leave out what stands in code and in formulas, where MyST has no meaning."""
    text = re.sub(r"^(```+).*?^\1", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)|\$\$.*?\$\$|\$[^$]+\$", "", text, flags=re.DOTALL)


def test_every_page_that_runs_has_a_plain_notebook_and_nothing_else_does(derived):
    assert sorted(derived) == sorted(path.stem for path in NOTEBOOKS)


@every_notebook
def test_nothing_of_myst_is_left(derived, notebook):
    text = prose(derived[notebook.stem])
    raw = {
        "a directive": r"^[\s>]*[:`]{3,}\s*\{.*|^[\s>]*:::.*",
        "a role": r"\{[A-Za-z][\w:.+-]*\}`.*",
        "a target": r"^[\s>]*\([\w-]+\)=.*",
        "an option": r"^[\s>]*:[a-z-]+:.*",
        "a label of an equation": r"\$\$\s*\([\w-]+\).*",
        "a note": r".*\[\^.*",
        "a comment": r"^\+\+\+.*|^% .*",
    }
    for what, pattern in raw.items():
        found = re.findall(pattern, text if "`" in pattern else without_code(text), re.MULTILINE)
        assert not found, f"{what} is left: {found[:3]}"


@every_notebook
def test_links_within_a_notebook_lead_to_a_place_in_it(derived, notebook):
    text = prose(derived[notebook.stem])
    places = re.findall(r'<a id="([^"]+)"></a>', text)
    aims = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert aims, "a notebook refers to itself"
    assert aims - set(places) == set()
    assert [place for place, count in Counter(places).items() if count > 1] == []


@every_notebook
def test_links_to_the_website_lead_to_a_place_in_it(derived, built_site, notebook):
    address = launch.site_address(OWNER_NAME)
    links = re.findall(
        rf"\]\({re.escape(address)}([^)#]*)(?:#([^)]*))?\)", prose(derived[notebook.stem])
    )
    for path, place in links:
        text = (built_site / path).read_text(encoding="utf-8")
        assert not place or f'id="{unquote(place)}"' in text, f"{path}#{place}"
    assert (f"{in_the_book(notebook)}.html", "") in links, "it does not say where it comes from"


@every_notebook
def test_code_and_ids_are_those_of_the_source(derived, notebook):
    source = nbformat.read(notebook, as_version=4)
    cells = derived[notebook.stem].cells
    assert [c.source for c in cells if c.cell_type == "code"] == [
        c.source for c in source.cells if c.cell_type == "code"
    ]
    ids = [cell.id for cell in source.cells]
    kept = [cell.id for cell in cells if cell.id in ids]
    assert kept == ids
    for cell in cells:
        if cell.id not in ids:
            assert cell.id.endswith("-caption") or cell.id in ("notes", "references")
        assert cell.source.strip(), "an empty cell invites typing"
    nbformat.validate(derived[notebook.stem])


@every_notebook
def test_code_is_the_same_in_every_byte(built_site, notebook):
    """Read as JSON alone, without a library that could mend it on both sides."""
    stored = built_site / launch.BRANCH / notebook.name
    sources = [
        [
            (c["id"], "".join(c["source"]))
            for c in json.loads(p.read_bytes())["cells"]
            if c["cell_type"] == "code"
        ]
        for p in (notebook, stored)
    ]
    assert sources[0] == sources[1]
    assert b"outputs" in stored.read_bytes() and b"image/png" not in stored.read_bytes()


@every_notebook
def test_headings_carry_the_numbers_of_the_website(derived, page, notebook):
    found = re.findall(r"^#+ (.+)$", without_fences(prose(derived[notebook.stem])), re.MULTILINE)
    expected = [
        plain(text)
        for tag, attrs, inside in page(notebook).found
        if tag in ("h1", "h2", "h3", "h4")
        for text in ["".join(inside)]
        if text.strip().endswith("#")
    ]
    assert [plain(heading) for heading in found] == expected
    assert len(found) > 8


def without_fences(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


@every_chapter
def test_equations_carry_the_numbers_of_the_website(derived, page, chapter):
    expected = [
        text.removesuffix("#").strip("()") for _, text in page(chapter).texts("span", c="eqno")
    ]
    assert re.findall(r"\\tag\{([^}]*)\}", prose(derived[chapter.stem])) == expected
    assert expected


@every_chapter
def test_theorems_exercises_and_figures_carry_the_numbers_of_the_website(derived, page, chapter):
    expected = [text.rstrip(".") for _, text in page(chapter).texts("span", c="caption-number")]
    found = re.findall(r"\*\*([A-Z][a-z.]+ \d+\.\d+)\.?\*\*", prose(derived[chapter.stem]))
    assert Counter(found) == Counter(expected)
    assert len(found) > 8


@every_notebook
def test_references_read_as_on_the_website(derived, page, notebook):
    """Every reference of the page, by what it says and where it leads, against the notebook's."""
    here = f"{launch.site_address(OWNER_NAME)}{in_the_book(notebook)}.html"
    expected = Counter()
    for attrs, text in page(notebook).texts("a", a="reference", b="internal"):
        aim = urljoin(here, attrs["href"])
        if re.search(r"#(equation-)?(eq|fig|tab|prf|ex|sec|ch|results)-", aim):
            expected[plain(text), aim.replace("#equation-", "#")] += 1
    assert expected, "a notebook refers to something"
    found = Counter()
    for text, aim in re.findall(r"\[([^\[\]]+)\]\(([^)\s]+)\)", prose(derived[notebook.stem])):
        found[plain(text), urljoin(here, aim).replace("#equation-", "#")] += 1
    missing = expected - found
    # A title of a solution repeats the exercise as a link; in the notebook it is a summary.
    missing = {key: n for key, n in missing.items() if not re.match("Exercise .* \\(", key[0])}
    assert not missing


@every_chapter
def test_nbconvert_shows_no_directive(derived, chapter):
    body, _ = HTMLExporter(exclude_input=True).from_notebook_node(derived[chapter.stem])
    text = re.sub(r"<(script|style|code|pre).*?</\1>", "", body, flags=re.DOTALL)
    assert not re.findall(
        r".*(?::::|\{(?:eq|ref|numref|prf:\w+|doc|(?:foot)?cite[\w:]*)\}).*", text
    )
    folded = prose(derived[chapter.stem]).count("<details>")
    assert text.count("<details>") == text.count("</details>") == folded > 0
    # Markdown is rendered inside what is folded, and formulas are kept whole.
    inside = re.findall(r"<summary>.*?</summary>(.*?)</details>", text, flags=re.DOTALL)
    assert all("<p>" in part for part in inside)
    assert text.count("<blockquote>") >= prose(derived[chapter.stem]).count("> **") > 0


@every_notebook
def test_buttons_lead_to_the_plain_notebook(page, notebook):
    links = {text: attrs for attrs, text in page(notebook).texts("a", c="dropdown-item")}
    plain_notebook = f"github.com/{OWNER_NAME}/blob/notebooks/{notebook.name}"
    assert links["Colab"]["href"] == (
        f"https://colab.research.google.com/github/{OWNER_NAME}/blob/notebooks/{notebook.name}"
    )
    assert links["Kaggle"]["href"].endswith(f"kernels/welcome?src=https://{plain_notebook}")
    assert links["Binder"]["href"].endswith(
        f"{OWNER_NAME}/main?urlpath=lab/tree/{in_the_book(notebook)}.ipynb"
    )
    for name in ("Colab", "Kaggle", "Binder"):
        assert links[name]["title"] == f"Launch on {name}"
    download = links[".ipynb"]
    up = "../" * in_the_book(notebook).count("/")
    assert download["href"] == f"{up}notebooks/{notebook.name}" and "download" in download
    assert "target" not in download and "Download" in download["title"]


def test_the_icon_of_kaggle_is_drawn(built_site):
    pages = (built_site / "chapters").glob("*.html")
    assert all("fa-kaggle" in path.read_text(encoding="utf-8") for path in pages)
    [script] = built_site.rglob("fontawesome.js")
    assert '"kaggle"' in script.read_text(encoding="utf-8")


GH = """#!/bin/sh
set -e
test "$1 $2 $3 $6 $7" = "run download 7 --name github-pages"
mkdir site && mkdir site/notebooks && echo '{}' > site/notebooks/a.ipynb && echo x > site/index.html
tar --directory site -cf artifact.tar .
"""


@pytest.mark.skipif(os.name != "posix", reason="runs the workflow's shell script")
def test_the_workflow_pushes_the_notebooks_of_the_site_and_nothing_else(tmp_path):
    """Run the job's script with a `gh` that hands over a small site, and another home for git."""
    workflow = yaml.safe_load(
        (ROOT / ".github" / "workflows" / "book.yml").read_text(encoding="utf-8")
    )
    job = workflow["jobs"]["notebooks"]
    assert job["needs"] == "build"
    assert job["permissions"] == {"actions": "read", "contents": "write"}
    [step] = job["steps"]
    (tmp_path / "gh").write_text(GH, encoding="utf-8")
    (tmp_path / "gh").chmod(0o755)
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "remote"], check=True)
    environ = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "GH_TOKEN": "secret",
        "GITHUB_RUN_ID": "7",
        "GITHUB_REPOSITORY": "owner/name",
        "GITHUB_ACTOR": "somebody",
        "GITHUB_SHA": "abc",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{(tmp_path / 'remote').as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://x-access-token:secret@github.com/owner/name.git",
    }
    for run in ("first", "second"):  # the second replaces what the first has pushed
        (tmp_path / run).mkdir()
        script = ["bash", "-e", "-c", step["run"]]
        subprocess.run(script, cwd=tmp_path / run, env=environ, check=True)
    git = ["git", "--git-dir", tmp_path / "remote"]
    listed = subprocess.run(
        [*git, "ls-tree", "-r", "--name-only", launch.BRANCH],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert listed.stdout == "a.ipynb\n"
    count = subprocess.run(
        [*git, "rev-list", "--count", launch.BRANCH],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert count.stdout == "1\n"
