"""What Binder and Colab do to the course, done here in empty environments.

Slow, since TensorFlow is installed twice: run by `make test-install`, not by `make test`.
"""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
RUN_NOTEBOOK = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
del notebook.cells[int(sys.argv[2]) or len(notebook.cells):]
settings = {"timeout": 1800, "kernel_name": "python3", "resources": {"metadata": {"path": "."}}}
nbclient.NotebookClient(notebook, **settings).execute()
"""
WHERE = "import bigmodel_utils; print(bigmodel_utils.__file__)"


class Environment:
    """A virtual environment, and processes that see nothing of ours but it."""

    def __init__(self, folder, **variables):
        self.folder = folder / "venv"
        self.bin = self.folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / "python"
        venv.create(self.folder, with_pip=True)
        hidden = ("PYTHON", "JUPYTER", "KERAS", "BIGMODEL", "VIRTUAL_ENV")
        outer = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        search = f"{self.bin}{os.pathsep}{outer['PATH']}"
        self.variables = {**outer, "PATH": search, "TF_CPP_MIN_LOG_LEVEL": "3", **variables}

    def run(self, *command, cwd, **variables):
        """Run a command; a failure shows what it wrote."""
        result = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def pip(self, *arguments):
        pip = [self.python, "-m", "pip", "--disable-pip-version-check"]
        return self.run(*pip, *arguments, cwd=self.folder)

    def versions(self):
        return json.loads(self.pip("list", "--format", "json"))

    def site_packages(self):
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        return Path(self.run(self.python, "-c", code, cwd=self.folder).strip())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the repository's files, as a repository with one commit."""
    folder = tmp_path_factory.mktemp("course")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # a file may be deleted and not yet committed so
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "copy"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", ".", "-w", str(folder)]
    subprocess.run(command, cwd=source, check=True)
    (path,) = folder.glob("*.whl")
    return path


# --- Binder ----------------------------------------------------------------------------------


def test_binders_steps_run_in_an_empty_environment(source, tmp_path):
    environment = Environment(
        tmp_path, BIGMODEL_CACHE=str(tmp_path / "data"), KERAS_HOME=str(tmp_path / "keras")
    )
    environment.pip("install", "-r", str(source / "binder" / "requirements.txt"))
    before = environment.versions()
    environment.run("./binder/postBuild", cwd=source)
    after = environment.versions()
    (added,) = [entry for entry in after if entry not in before]
    assert added["name"] == "bigmodel_utils" and len(after) == len(before) + 1
    environment.pip("check")
    code = (
        "import bigmodel_utils as bmu, keras\n"
        "print(bmu.load_digits().test_images.shape, len(bmu.load_movie_reviews().texts))\n"
        "print(len(bmu.load_word_similarities()), keras.backend.backend())"
    )
    # What postBuild has put into the image is enough: no index, and no second cache.
    out = environment.run(environment.python, "-c", code, cwd=tmp_path, PIP_NO_INDEX="1")
    assert out == "(1000, 28, 28) 33530\n2 tensorflow\n"
    where = Path(environment.run(environment.python, "-c", WHERE, cwd=tmp_path).strip())
    assert environment.folder in where.parents
    shutil.rmtree(environment.folder)  # two gigabytes


# --- Colab -----------------------------------------------------------------------------------


# These tests share one environment, so they stay in one process.
in_hosted = pytest.mark.xdist_group("hosted")


@pytest.fixture(scope="module")
def hosted(wheel, tmp_path_factory):
    """Only the built wheel, what it declares, and what runs a notebook."""
    folder = tmp_path_factory.mktemp("hosted")
    environment = Environment(
        folder, BIGMODEL_CACHE=str(folder / "data"), KERAS_HOME=str(folder / "keras")
    )
    environment.pip("install", str(wheel), "nbclient", "ipykernel")
    yield environment
    shutil.rmtree(environment.folder)  # two gigabytes


def first_cells(chapter):
    """Number of cells up to the end of the section that loads the data; 0 if all shall run."""
    if os.environ.get("WHOLE"):
        return 0
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    [data] = [i for i, source in enumerate(sources) if "## Problem and data" in source]
    return next(i for i in range(data + 1, len(cells)) if re.search("^## ", sources[i], re.M))


def imports(chapter):
    """Every import statement of a chapter, one a line."""
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    trees = [ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)) for source in code]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return "\n".join(ast.unparse(n) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom))


@in_hosted
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_starts_in_an_empty_folder(hosted, chapter, tmp_path):
    """Its first cells run, data included, and all that it imports later is there.

    The rest runs in `make test`; with WHOLE=1 it runs here as well, which takes as long again. The
    weekly workflow runs whole notebooks from a wheel, in Colab's own image.
    """
    assert imports(chapter).count("import") > 5
    hosted.run(hosted.python, "-c", imports(chapter), cwd=tmp_path)
    hosted.run(hosted.python, "-c", RUN_NOTEBOOK, chapter, first_cells(chapter), cwd=tmp_path)


@in_hosted
def test_nothing_of_the_working_tree_is_seen(hosted, tmp_path):
    where = Path(hosted.run(hosted.python, "-c", WHERE, cwd=tmp_path).strip())
    assert hosted.folder in where.parents
    assert not {"gensim", "pytest", "sphinx"} & {entry["name"] for entry in hosted.versions()}


@in_hosted
@pytest.mark.skipif(not CHAPTERS, reason="there is no chapter yet")
def test_the_first_cell_fetches_the_helper_and_nothing_else(hosted, source, wheel, tmp_path):
    """As on Colab, from the repository's address: git is told to find that one here."""
    with open(ROOT / "_config.yml", encoding="utf-8") as file:
        (address,) = [line.split()[1] for line in file if line.startswith("  url:")]
    notebook = json.loads(CHAPTERS[0].read_text(encoding="utf-8"))
    first = [cell["cell_type"] for cell in notebook["cells"]].index("code") + 1
    hosted.pip("uninstall", "-y", "bigmodel_utils")
    before = hosted.versions()
    try:
        redirect = {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"url.{source.as_uri()}.insteadOf",
            "GIT_CONFIG_VALUE_0": address.strip("\"'"),
        }
        hosted.run(hosted.python, "-c", RUN_NOTEBOOK, CHAPTERS[0], first, cwd=tmp_path, **redirect)
        where = Path(hosted.run(hosted.python, "-c", WHERE, cwd=tmp_path).strip())
        added = [entry for entry in hosted.versions() if entry not in before]
    finally:
        hosted.pip("install", "--no-deps", "--force-reinstall", str(wheel))
    assert hosted.folder in where.parents
    assert [entry["name"] for entry in added] == ["bigmodel_utils"]


# --- an environment that is there already ----------------------------------------------------


def resolve(environment, report, *arguments):
    """Ask pip what it would install, without installing it."""
    environment.pip("install", "--dry-run", "--report", report, *arguments)
    return json.loads(Path(report).read_text(encoding="utf-8"))["install"]


def pretend_installed(environment, entries):
    """Give pip the real metadata of distributions: it then takes them for installed."""
    site_packages = environment.site_packages()
    for metadata in (entry["metadata"] for entry in entries):
        name = f"{metadata['name'].replace('-', '_')}-{metadata['version']}.dist-info"
        folder = site_packages / name
        folder.mkdir()
        lines = [
            "Metadata-Version: 2.1",
            f"Name: {metadata['name']}",
            f"Version: {metadata['version']}",
            *(f"Requires-Dist: {need}" for need in metadata.get("requires_dist", [])),
            *(f"Provides-Extra: {extra}" for extra in metadata.get("provides_extra", [])),
        ]
        (folder / "METADATA").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "INSTALLER").write_text("pip\n")
        (folder / "RECORD").write_text("")


INSTALLED = [
    ("tensorflow==2.18.0", "keras==3.8.0", set()),
    ("tensorflow==2.19.0", "keras==3.10.0", set()),
    # The other way round: versions that are too old must be replaced, and this test would see it.
    ("tensorflow==2.18.0", "keras==3.7.0", {"keras"}),
]


@pytest.mark.parametrize(("tensorflow", "keras", "replaced"), INSTALLED)
def test_supported_versions_stay_when_the_helper_comes(
    wheel, tmp_path, tensorflow, keras, replaced
):
    environment = Environment(tmp_path)
    others = ["scikit-learn", "matplotlib", "pooch", "scipy"]
    there = resolve(environment, tmp_path / "there.json", tensorflow, keras, *others)
    pretend_installed(environment, there)
    environment.pip("check")
    names = {entry["metadata"]["name"]: entry["metadata"]["version"] for entry in there}
    assert names["tensorflow"] == tensorflow.split("==")[1]
    assert names["keras"] == keras.split("==")[1]
    new = resolve(environment, tmp_path / "new.json", str(wheel))
    added = {entry["metadata"]["name"] for entry in new}
    assert "bigmodel_utils" in added
    assert added & set(names) == replaced


def test_the_declared_floors_are_those_tested_here():
    """A raised floor needs another first line in INSTALLED."""
    floors = {
        line.split(">=")[0]: line.split(">=")[1]
        for line in importlib.metadata.requires("bigmodel_utils")
        if line.startswith(("keras>=", "tensorflow>="))
    }
    assert floors == {"keras": "3.8", "tensorflow": "2.18"}
