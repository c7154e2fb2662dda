"""What the helper package does to Colab: it adds a few small packages and replaces nothing."""

import json
import subprocess
import sys
import sysconfig
import tomllib
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import environment

ROOT = Path(__file__).parent.parent.parent
ADDED = {"colorama", "jiwer", "portalocker", "rapidfuzz", "sacrebleu"}


def published():
    """Read what Colab has: a dict from name to version."""
    lines = (ROOT / "tests" / "install" / "colab.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def pretend(folder, packages):
    """Make an environment in which pip takes packages for installed; return its Python."""
    venv.create(folder, with_pip=False)
    site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
    for name, version in packages.items():
        metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
        metadata.mkdir()
        text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        (metadata / "METADATA").write_text(text, encoding="utf-8")
        (metadata / "INSTALLER").write_text("pip\n", encoding="utf-8")
        (metadata / "RECORD").write_text("", encoding="utf-8")
    return environment.interpreter(folder)


@pytest.mark.parametrize(
    ("older", "replaced"),
    [
        ({}, set()),
        # The other way round: what is too old has to be replaced, and this test would see it.
        ({"keras": "3.7.0", "scipy": "1.10.1"}, {"keras", "scipy"}),
    ],
)
def test_the_helper_adds_small_packages_to_colab_and_replaces_nothing(tmp_path, older, replaced):
    colab = published() | older
    python = pretend(tmp_path / "colab", colab)
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    command += ["--disable-pip-version-check", "--dry-run", "--report", "-"]
    command += [*project["dependencies"], *project["optional-dependencies"]["tensorflow"]]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stderr
    found = [entry["metadata"]["name"] for entry in json.loads(result.stdout)["install"]]
    added = {canonicalize_name(name) for name in found}
    assert added == ADDED | replaced


def test_colab_has_what_the_chapters_are_written_for():
    colab = published()
    assert {"tensorflow", "keras", "jax", "numpy", "ipykernel", "nbclient"} <= set(colab)
    for path in [ROOT / "requirements" / f"{name}.txt" for name in ("tensorflow", "jax")]:
        text = path.read_text(encoding="utf-8")
        (line,) = [part for part in text.splitlines() if part and not part.startswith("#")]
        need = Requirement(line.split("#")[0])
        assert need.specifier.contains(colab[need.name])
