"""What Binder, Colab and a reader's own notebook do to the course, in environments that lack it.

Slow, since TensorFlow is installed once: run by `make test-install`, not by `make test`.
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
import zipfile
from pathlib import Path

import pytest

import bigmodel_utils as bmu
from tools import repository

ROOT = Path(__file__).parent.parent.parent
CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
ARCHIVE = f"{repository.current_address(ROOT)}/archive/refs/heads/main.zip"
RUN_NOTEBOOK = """
import sys
import nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
settings = {"timeout": 1800, "kernel_name": "python3", "resources": {"metadata": {"path": "."}}}
nbclient.NotebookClient(notebook, **settings).execute()
"""
WHERE = "import bigmodel_utils as bmu; print(bmu.__version__, bmu.__file__)"


class Environment:
    """A virtual environment, and processes that see nothing of ours but it."""

    def __init__(self, folder, with_pip=False, **variables):
        self.folder = folder / "venv"
        self.pip_from_outside = [sys.executable, "-m", "pip"]
        self.bin = self.folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / "python"
        venv.create(self.folder, with_pip=with_pip)
        hidden = ("PYTHON", "JUPYTER", "KERAS", "BIGMODEL", "VIRTUAL_ENV", "SHELL")
        outer = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        search = f"{self.bin}{os.pathsep}{outer['PATH']}"
        self.variables = {**outer, "PATH": search, "TF_CPP_MIN_LOG_LEVEL": "3", **variables}

    def attempt(self, *command, cwd, **variables):
        """Run a command and return it, whether or not it fails."""
        return subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env={**self.variables, **variables},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    def run(self, *command, cwd, **variables):
        """Run a command; a failure shows what it wrote."""
        result = self.attempt(*command, cwd=cwd, **variables)
        assert result.returncode == 0, f"{command}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def pip(self, *arguments):
        """Run our own pip on the environment, which may be without one."""
        pip = [*self.pip_from_outside, "--disable-pip-version-check", "--python", self.python]
        return self.run(*pip, *arguments, cwd=self.folder)

    def versions(self):
        return json.loads(self.pip("list", "--format", "json"))

    def site_packages(self):
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        return Path(self.run(self.python, "-c", code, cwd=self.folder).strip())

    def helper(self, cwd):
        """Version and file of the helper package that a process finds."""
        version, file = self.run(self.python, "-c", WHERE, cwd=cwd).split(maxsplit=1)
        return version, Path(file.strip())


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the repository's files, as it would be cloned or downloaded."""
    folder = tmp_path_factory.mktemp("download") / "course-main"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # a file may be deleted and not yet committed so
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    return folder


def build(source, folder):
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", ".", "-w", str(folder)]
    subprocess.run(command, cwd=source, check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return build(source, tmp_path_factory.mktemp("wheel"))


# --- one environment, as Binder makes it -----------------------------------------------------

# These tests share one environment, in the order in which they stand: they stay in one process.


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    """What `binder/requirements.txt` brings, and what runs a notebook."""
    folder = tmp_path_factory.mktemp("hosted")
    environment = Environment(
        folder,
        with_pip=True,
        BIGMODEL_CACHE=str(folder / "data"),
        KERAS_HOME=str(folder / "keras"),
    )
    requirements = str(ROOT / "binder" / "requirements.txt")
    environment.pip("install", "--no-compile", "-r", requirements, "nbclient", "ipykernel")
    yield environment
    shutil.rmtree(environment.folder)  # two gigabytes


@pytest.mark.skipif(os.name != "posix", reason="Binder's images are built on Linux")
def test_binders_steps_add_the_helper_and_its_data(hosted, source, tmp_path):
    before = hosted.versions()
    hosted.run("./binder/postBuild", cwd=source)
    after = hosted.versions()
    (added,) = [entry for entry in after if entry not in before]
    assert added["name"] == "bigmodel_utils" and len(after) == len(before) + 1
    hosted.pip("check")
    code = (
        "import bigmodel_utils as bmu\n"
        "print(bmu.load_digits().test_images.shape, len(bmu.load_movie_reviews().texts))\n"
        "print(len(bmu.load_word_similarities()))"
    )
    # What postBuild has put into the image is enough: no index, and no second cache.
    out = hosted.run(hosted.python, "-c", code, cwd=tmp_path, PIP_NO_INDEX="1")
    assert out == "(1000, 28, 28) 33530\n2\n"


def test_nothing_of_the_working_tree_is_seen(hosted, tmp_path):
    assert hosted.folder in hosted.helper(tmp_path)[1].parents
    assert not {"gensim", "pytest", "sphinx"} & {entry["name"] for entry in hosted.versions()}


def imports(code):
    """Every import statement of a chapter, one a line."""
    trees = [ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)) for source in code]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    return "\n".join(ast.unparse(n) for n in nodes if isinstance(n, ast.Import | ast.ImportFrom))


def beginning(path, folder):
    """Write the cells up to the end of the section that loads the data, then all later imports."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = notebook["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    later = imports([s for s, c in zip(sources, cells, strict=True) if c["cell_type"] == "code"])
    assert later.count("import") > 5
    if not os.environ.get("WHOLE"):
        [data] = [i for i, source in enumerate(sources) if "## Problem and data" in source]
        end = next(i for i in range(data + 1, len(cells)) if re.search("^## ", sources[i], re.M))
        last = next(cell for cell in cells if cell["cell_type"] == "code")
        notebook["cells"] = [*cells[:end], {**last, "id": "imports", "source": later}]
    (folder / path.name).write_text(json.dumps(notebook), encoding="utf-8")
    return folder / path.name


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_starts_in_an_empty_folder(hosted, chapter, tmp_path):
    """Its first cells run, data included, and all that it imports later is there.

    The rest runs in `make test`; with WHOLE=1 it runs here as well, which takes as long again. The
    weekly workflow runs whole notebooks with the versions that Colab has.
    """
    path = beginning(chapter, tmp_path)
    hosted.run(hosted.python, "-c", RUN_NOTEBOOK, path, cwd=tmp_path, PIP_NO_INDEX="1")


# --- the first cell of a notebook ------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(source):
    """The repository as the address in the first cell would give it."""
    path = source.parent / "main.zip"
    with zipfile.ZipFile(path, "w") as file:
        for member in sorted(source.rglob("*")):
            file.write(member, member.relative_to(source.parent))
    return path


def run_first_cell(environment, archive, folder, **variables):
    """Run the first cell with the archive's address on this machine and without git."""
    notebook = json.loads(CHAPTERS[0].read_text(encoding="utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    source = "".join(cell["source"])
    assert source.count(ARCHIVE) == 1
    notebook["cells"] = [{**cell, "source": source.replace(ARCHIVE, archive.as_uri())}]
    path = folder / "first.ipynb"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    programs = folder / "programs"  # a shell, which IPython looks for on the path, and no git
    programs.mkdir()
    if os.name == "posix":
        (programs / "sh").symlink_to(shutil.which("sh"))
    variables = {"PATH": f"{environment.bin}{os.pathsep}{programs}", **variables}
    return environment.attempt(
        environment.python, "-c", RUN_NOTEBOOK, path, cwd=folder, **variables
    )


def test_the_first_cell_installs_a_missing_helper_and_nothing_else(hosted, archive, tmp_path):
    hosted.pip("uninstall", "-y", "bigmodel_utils")
    before = hosted.versions()
    result = run_first_cell(hosted, archive, tmp_path)
    assert result.returncode == 0, result.stderr
    version, file = hosted.helper(tmp_path)
    assert version == bmu.__version__ and hosted.folder in file.parents
    added = [entry["name"] for entry in hosted.versions() if entry not in before]
    assert added == ["bigmodel_utils"]


def test_the_first_cell_replaces_an_older_helper(hosted, archive, source, tmp_path):
    older = shutil.copytree(source, tmp_path / "older")
    init = older / "bigmodel_utils" / "__init__.py"
    init.write_text(
        init.read_text(encoding="utf-8").replace(f'"{bmu.__version__}"', '"0.1.0"'),
        encoding="utf-8",
    )
    hosted.pip("install", "--no-deps", str(build(older, tmp_path)))
    assert hosted.helper(tmp_path)[0] == "0.1.0"
    result = run_first_cell(hosted, archive, tmp_path)
    assert result.returncode == 0, result.stderr
    assert hosted.helper(tmp_path)[0] == bmu.__version__


def test_the_first_cell_leaves_a_helper_that_is_new_enough(hosted, tmp_path):
    result = run_first_cell(hosted, tmp_path / "no such archive.zip", tmp_path, PIP_NO_INDEX="1")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("missing", ["archive", "pip"])
def test_the_first_cell_says_what_to_do_where_it_cannot_install(hosted, archive, tmp_path, missing):
    """In a classroom without network; in an environment made without pip, as uv makes it."""
    hosted.pip("uninstall", "-y", "bigmodel_utils")
    if missing == "pip":
        hosted.pip("uninstall", "-y", "pip")
    else:
        archive = tmp_path / "no such archive.zip"
    result = run_first_cell(hosted, archive, tmp_path)
    assert result.returncode == 1
    advice = "ImportError: Install the helpers by hand and restart the kernel: pip install"
    assert advice in re.sub(r"\x1b\[[0-9;]*m", "", result.stderr)


# --- an environment that is there already ----------------------------------------------------


@pytest.fixture(scope="module")
def today(tmp_path_factory):
    """Today's pip: where nothing is to be installed, it reads metadata and downloads no package."""
    folder = tmp_path_factory.mktemp("pip")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-compile",
        "--target",
        folder,
        "pip",
    ]
    subprocess.run(command, check=True)
    return [sys.executable, folder / "pip"]


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
        (folder / "INSTALLER").write_text("pip\n", encoding="utf-8")
        (folder / "RECORD").write_text("", encoding="utf-8")


OTHERS = ["scikit-learn", "matplotlib", "pooch", "scipy"]
INSTALLED = [
    (["tensorflow==2.18.0", "keras==3.8.0"], set()),
    # The other way round: versions that are too old must be replaced, and this test would see it.
    (["tensorflow==2.18.0", "keras==3.7.0"], {"keras"}),
]


@pytest.mark.parametrize(("pinned", "replaced"), INSTALLED, ids=["the floors", "below"])
def test_supported_versions_stay_when_the_helper_comes(wheel, today, tmp_path, pinned, replaced):
    environment = Environment(tmp_path)
    environment.pip_from_outside = today
    there = resolve(environment, tmp_path / "there.json", *pinned, *OTHERS)
    pretend_installed(environment, there)
    environment.pip("check")
    names = {entry["metadata"]["name"]: entry["metadata"]["version"] for entry in there}
    assert {f"{name}=={version}" for name, version in names.items()} >= set(pinned)
    new = resolve(environment, tmp_path / "new.json", str(wheel))
    added = {entry["metadata"]["name"].lower() for entry in new}
    assert "bigmodel_utils" in added and "hmmlearn" not in added
    assert added & set(names) == replaced


def test_the_declared_floors_are_those_tested_here():
    """A raised floor needs another line in INSTALLED."""
    floors = {
        line.split(">=")[0]: line.split(">=")[1].split(";")[0].strip()
        for line in importlib.metadata.requires("bigmodel_utils")
        if line.startswith(("keras>=", "tensorflow>="))
    }
    assert floors == {"keras": "3.8", "tensorflow": "2.18"}
