"""The tool that makes `.venv`, and `make` in surroundings that are not ours."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tools import environment

ROOT = Path(__file__).parent.parent
VERSIONS = [(3, 11), (3, 12), (3, 13)]
posix = pytest.mark.skipif(os.name != "posix", reason="its stand-in for Python is a shell script")

# Says its version; makes an environment that holds a copy of itself; notes what pip is told.
FAKE = """#!/bin/sh
case "$*" in
  *"-m venv"*) shift; shift; mkdir -p "$1/bin"; cp "$0" "$1/bin/python";;
  *"-m pip"*) echo "$*" >> "{log}"; env >> "{log}";;
  *-c*) echo {version};;
  *) echo "ran $*";;
esac
"""


def fake_python(path, version, log="/dev/null"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FAKE.format(version=version, log=log), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


# --- which Python ----------------------------------------------------------------------------


def test_the_supported_versions_are_those_of_the_project():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert environment.supported_versions(project) == VERSIONS
    other = 'name = "x"\nrequires-python = ">=3.9,<3.11"\n'
    assert environment.supported_versions(other) == [(3, 9), (3, 10)]


@posix
@pytest.mark.parametrize("version", ["3 10", "3 14", "2 7", "4 0"])
def test_a_python_that_is_too_old_or_too_new_is_refused_with_the_ones_that_fit(tmp_path, version):
    asked = fake_python(tmp_path / "some python", version)
    with pytest.raises(environment.Unusable) as refused:
        environment.find_python(asked, VERSIONS)
    assert f"{asked} is Python {version.replace(' ', '.')}" in str(refused.value)
    assert "needs Python 3.11, 3.12, 3.13" in str(refused.value)


@posix
@pytest.mark.parametrize("content", ["", "exit 1", "echo pyenv: no such version"])
def test_what_does_not_start_is_no_python(tmp_path, content):
    path = tmp_path / "python3.12"
    path.write_text(f"#!/bin/sh\n{content}\n", encoding="utf-8")
    path.chmod(0o755)
    with pytest.raises(environment.Unusable, match=r"python3\.12 does not start"):
        environment.find_python(str(path), VERSIONS)
    with pytest.raises(environment.Unusable, match="does not start"):
        environment.find_python(str(tmp_path / "missing"), VERSIONS)


@posix
def test_another_python_is_found_where_the_first_is_too_new(tmp_path, monkeypatch):
    new = fake_python(tmp_path / "python3", "3 14")
    fake_python(tmp_path / "python3.13", "3 13")
    fake_python(tmp_path / "python3.11", "3 11")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.setattr(sys, "executable", new)
    assert environment.find_python("", VERSIONS) == (["python3.13"], (3, 13))
    (tmp_path / "python3.13").write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    assert environment.find_python("", VERSIONS) == (["python3.11"], (3, 11))


# --- the environment's folder ----------------------------------------------------------------


@posix
@pytest.mark.parametrize("there", [None, "3 11", "3 14", "broken"])
def test_an_environment_of_another_python_is_made_again(tmp_path, there):
    asked, folder = fake_python(tmp_path / "python", "3 12"), tmp_path / ".venv"
    if there:
        fake_python(folder / "bin" / "python", there)
        (folder / "course.json").write_text('{"run": "digest"}', encoding="utf-8")
    environment.prepare(folder, asked, VERSIONS)
    assert environment.python_version([str(folder / "bin" / "python")]) == (3, 12)
    assert environment.read_record(folder) == {}


@posix
def test_an_environment_that_fits_is_kept(tmp_path, monkeypatch):
    folder, same = tmp_path / ".venv", fake_python(tmp_path / "python", "3 11")
    fake_python(folder / "bin" / "python", "3 11")
    (folder / "course.json").write_text('{"run": "digest"}', encoding="utf-8")
    for asked in ("", same):
        environment.prepare(folder, asked, VERSIONS)
        assert environment.read_record(folder) == {"run": "digest"}


@posix
@pytest.mark.parametrize("kind", ["own", "link", "file"])
def test_what_the_reader_has_made_is_not_removed(tmp_path, kind):
    asked, folder = fake_python(tmp_path / "python", "3 12"), tmp_path / ".venv"
    elsewhere = tmp_path / "elsewhere"
    fake_python(elsewhere / "bin" / "python", "3 10")
    if kind == "own":
        shutil.copytree(elsewhere, folder)
    elif kind == "link":
        (elsewhere / "course.json").write_text("{}", encoding="utf-8")
        folder.symlink_to(elsewhere)
    else:
        folder.write_text("mine", encoding="utf-8")
    with pytest.raises(environment.Unusable, match="was not made by make"):
        environment.prepare(folder, asked, VERSIONS)
    assert folder.exists() and (elsewhere / "bin" / "python").exists()


@posix
def test_a_python_without_venv_leaves_nothing_behind(tmp_path):
    asked = tmp_path / "python"
    asked.write_text('#!/bin/sh\n[ "$1" = -c ] && echo 3 12\n', encoding="utf-8")
    asked.chmod(0o755)
    with pytest.raises(environment.Unusable, match=r"apt install python3\.12-venv"):
        environment.prepare(tmp_path / ".venv", str(asked), VERSIONS)
    assert not (tmp_path / ".venv").exists()


@posix
def test_pip_is_added_where_it_is_missing(tmp_path):
    log = tmp_path / "log"
    python = tmp_path / "python"
    script = f'#!/bin/sh\necho "$*" >> "{log}"\n[ "$2" = ensurepip ]\n'
    python.write_text(script, encoding="utf-8")
    python.chmod(0o755)
    environment.need_pip(python)
    assert log.read_text(encoding="utf-8") == "-m pip --version\n-m ensurepip --default-pip\n"
    python.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    with pytest.raises(environment.Unusable, match="has no pip"):
        environment.need_pip(python)


# --- what is installed -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "machine", "gpu", "there", "backend"),
    [
        ("Linux", "x86_64", False, set(), "tensorflow-cpu"),
        ("Linux", "x86_64", True, set(), "tensorflow"),
        ("Linux", "x86_64", False, {"tensorflow"}, "tensorflow"),
        ("Linux", "x86_64", True, {"tensorflow-cpu"}, "tensorflow-cpu"),
        ("Linux", "aarch64", False, set(), "tensorflow"),
        ("Darwin", "arm64", False, set(), "tensorflow"),
        ("Windows", "AMD64", False, set(), "tensorflow"),
    ],
)
def test_tensorflow_comes_without_code_for_gpus_where_there_is_none(
    monkeypatch, system, machine, gpu, there, backend
):
    monkeypatch.setattr(environment.platform, "system", lambda: system)
    monkeypatch.setattr(environment.platform, "machine", lambda: machine)
    assert environment.lists_for(["run", "tests"], "tensorflow", there, gpu) == [
        "run",
        "tests",
        backend,
    ]
    assert environment.lists_for(["lint"], "tensorflow", there, gpu) == ["lint"]
    assert environment.lists_for(["run"], "jax", there, gpu) == ["run", "jax"]


@pytest.mark.parametrize(
    ("system", "machine", "refused"),
    [
        ("Darwin", "x86_64", True),
        ("Darwin", "arm64", False),
        ("Linux", "x86_64", False),
        ("Windows", "AMD64", False),
    ],
)
def test_macs_with_intel_processors_are_told_at_once(monkeypatch, system, machine, refused):
    monkeypatch.setattr(environment.platform, "system", lambda: system)
    monkeypatch.setattr(environment.platform, "machine", lambda: machine)
    if refused:
        with pytest.raises(environment.Unusable, match="Colab or Binder"):
            environment.refuse_intel_macs()
    else:
        environment.refuse_intel_macs()


def test_the_build_of_tensorflow_that_is_there_is_seen(tmp_path):
    assert environment.tensorflows(tmp_path) == set()
    site = tmp_path / "lib" / "python3.12" / "site-packages"
    (site / "tensorflow_cpu-2.21.0.dist-info").mkdir(parents=True)
    (site / "tensorflow_hub-0.16.dist-info").mkdir()
    assert environment.tensorflows(tmp_path) & {"tensorflow", "tensorflow-cpu"} == {
        "tensorflow-cpu"
    }
    (site / "tensorflow-2.21.0.dist-info").mkdir()
    assert "tensorflow" in environment.tensorflows(tmp_path)


def test_floors_become_pins():
    texts = [
        'dependencies = [\n    "keras>=3.8",  # why\n    "scikit-learn>=1.4",\n]',
        "jupyter-book>=1.0.4,<2  # not 2\n# numpy>=9\nnbval >= 0.11",
    ]
    expected = "jupyter-book==1.0.4\nkeras==3.8\nnbval==0.11\nscikit-learn==1.4\n"
    assert environment.floors(texts) == expected


@pytest.mark.parametrize(
    ("settings", "own"),
    [
        ("", False),
        ("global.timeout='60'\n:env:.disable-pip-version-check='1'", False),
        ("global.cert='/etc/index-url.pem'", False),
        ("global.index-url='https://mirror.example/simple'", True),
        (":env:.extra-index-url='https://mirror.example/simple'", True),
        ("user.find-links='/srv/wheels'", True),
        ("install.no-index='true'", True),
    ],
)
def test_the_readers_own_index_is_noticed(settings, own):
    assert environment.has_own_index(settings) is own


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("reached", [True, False])
def test_another_index_for_torch_is_asked_only_where_the_reader_has_named_none(
    monkeypatch, own, reached
):
    asked = []
    settings = "global.index-url='https://mirror.example'" if own else ""
    monkeypatch.setattr(environment, "on_linux_pc", lambda: True)
    monkeypatch.setattr(environment, "pip", lambda *a, **o: SimpleNamespace(stdout=settings))
    monkeypatch.setattr(environment, "answers", lambda address: asked.append(address) or reached)
    options = environment.torch_options("python", gpu=False)
    assert bool(options) is (reached and not own)
    assert bool(asked) is not own
    assert environment.torch_options("python", gpu=True) == []


@pytest.mark.parametrize(
    ("needs", "cuda"),
    [
        (["sympy", "nvidia-cudnn-cu13==9.20; platform_system == 'Linux'"], True),
        (["cuda-toolkit[cublas]==13.0.3"], True),
        (["sympy", "filelock", "jinja2"], False),
        ([], False),
    ],
)
def test_the_size_of_torch_is_known_before_it_is_fetched(monkeypatch, needs, cuda):
    report = {"install": [{"metadata": {"name": "torch", "requires_dist": needs}}]}
    said = SimpleNamespace(stdout=json.dumps(report).encode())
    monkeypatch.setattr(environment, "on_linux_pc", lambda: True)
    monkeypatch.setattr(environment, "pip", lambda *a, **o: said)
    assert environment.torch_is_for_cuda("python", []) is cuda
    monkeypatch.setattr(environment, "pip", lambda *a, **o: SimpleNamespace(stdout=b""))
    assert environment.torch_is_for_cuda("python", []) is False


class Pip:
    """Stands for pip: notes what it is told, and fails when it is told to."""

    def __init__(self):
        self.calls, self.fails = [], False

    def __call__(self, python, *arguments, **options):
        self.calls.append(arguments)
        return SimpleNamespace(returncode=int(self.fails), stdout=b"")


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A small course, an environment in it, and a pip that installs nothing."""
    (tmp_path / "requirements").mkdir()
    for name in ("run", "tests", "jax"):
        (tmp_path / "requirements" / f"{name}.txt").write_text(f"{name}>=1\n", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text("run==2\n", encoding="utf-8")
    project = '[build-system]\n[project]\ndependencies = [\n  "keras>=3",\n]\n[tool.ruff]\n'
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(environment, "ROOT", tmp_path)
    monkeypatch.setattr(environment, "need_pip", lambda python: None)
    pip = Pip()
    monkeypatch.setattr(environment, "pip", pip)
    return SimpleNamespace(root=tmp_path, folder=tmp_path / ".venv", pip=pip)


def installed(course, *names, bounds="tested"):
    """Install lists; return what pip was told, or None if it was not asked."""
    before = len(course.pip.calls)
    environment.install(course.folder, list(names), bounds, gpu=False)
    return course.pip.calls[-1] if len(course.pip.calls) > before else None


def test_only_what_is_asked_for_is_installed_and_only_once(course):
    first = installed(course, "run", "jax")
    assert "requirements/jax.txt" in first and "requirements/tests.txt" not in first
    assert "--editable" in first and "--no-user" in first and "--target=" in first
    assert installed(course, "run", "jax") is None and installed(course, "run") is None
    # A further list is resolved together with what is there, so that it cannot break that.
    assert {"requirements/run.txt", "requirements/tests.txt"} <= set(installed(course, "tests"))


@pytest.mark.parametrize("name", ["requirements/run.txt", "constraints.txt", "pyproject.toml"])
def test_a_changed_list_is_installed_again(course, name):
    assert installed(course, "run")
    text = (course.root / name).read_text(encoding="utf-8")
    (course.root / name).write_text(text.replace("\n", "\nx>=1\n", 1), encoding="utf-8")
    assert installed(course, "run") and installed(course, "run") is None


def test_a_changed_setting_of_ruff_installs_nothing(course):
    assert installed(course, "run")
    with open(course.root / "pyproject.toml", "a", encoding="utf-8") as file:
        file.write("line-length = 88\n")
    assert installed(course, "run") is None


def test_what_failed_is_tried_again(course):
    course.pip.fails = True
    with pytest.raises(environment.Unusable, match="pip says why"):
        installed(course, "run")
    course.pip.fails = False
    assert installed(course, "run")


def test_the_lowest_versions_are_those_of_the_project_and_the_lists(course):
    told = installed(course, "run", "tests", bounds="lowest")
    pins = Path(told[told.index("-c") + 1]).read_text(encoding="utf-8")
    assert pins == "keras==3\nrun==1\ntests==1\n"


# --- make, in surroundings that are not ours --------------------------------------------------


@pytest.fixture(params=["plain", "with spaces", "100% sure?", "&'#"])
def folder(request, tmp_path):
    """A folder with what `make` reads, and an environment whose Python is a stand-in."""
    folder = tmp_path / request.param
    (folder / "tools").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "tools/environment.py"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    fake_python(folder / ".venv" / "bin" / "python", "3 12", tmp_path / "log")
    return folder


HOSTILE = {
    "PIP_USER": "1",
    "PIP_TARGET": "/nowhere",
    "PIP_PREFIX": "/nowhere",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
}


def make(folder, *arguments, **variables):
    """Run make with a `python3` that is ours; return the result."""
    (folder / "path").mkdir(exist_ok=True)
    link = folder / "path" / "python3"
    if not link.exists():
        start = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
        link.write_text(start, encoding="utf-8")
        link.chmod(0o755)
    search = f"{folder / 'path'}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=folder,
        env={**os.environ, "PATH": search, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )


@posix
def test_make_works_in_hostile_surroundings(folder, tmp_path):
    result = make(folder, "links", **HOSTILE)
    assert result.returncode == 0, result.stdout
    assert "ran tools/build_book.py --execute off" in result.stdout
    log = (tmp_path / "log").read_text(encoding="utf-8")
    names = {line.split("=")[0] for line in log.splitlines()}
    assert "-m pip" in log and "PATH" in names
    assert not names & set(HOSTILE)


@posix
@pytest.mark.parametrize("folder", ["plain", "with spaces"], indirect=True)
@pytest.mark.parametrize("variable", ["PYTHON", "BACKEND", "BOUNDS"])
def test_make_says_what_it_was_given_wrongly(folder, variable):
    wrong = fake_python(folder / "python3.14", "3 14") if variable == "PYTHON" else "theano"
    result = make(folder, "site", f"{variable}={wrong}")
    assert result.returncode != 0
    assert (
        "is Python 3.14" if variable == "PYTHON" else f'{variable} is "theano"'
    ) in result.stdout


@posix
@pytest.mark.parametrize(
    ("target", "lists"),
    [
        ("lab", {"run", "tensorflow"}),
        ("site", {"run", "website", "tensorflow"}),
        ("repository", {"website"}),
        ("lint", {"lint"}),
        ("test", {"run", "website", "tests", "tensorflow"}),
    ],
)
@pytest.mark.parametrize("folder", ["plain"], indirect=True)
def test_each_target_installs_what_it_needs(folder, tmp_path, target, lists):
    make(folder, target)
    told = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    (told,) = [line for line in told if line.startswith("-m pip") and "--no-user" in line]
    read = {Path(word).stem for word in told.split() if word.startswith("requirements/")}
    assert {name.replace("tensorflow-cpu", "tensorflow") for name in read} == lists
