"""Pip's own settings must not send what `make` installs anywhere but into `.venv`."""

import os
import subprocess
import sys
import venv
import zipfile

import pytest

from tools import environment

METADATA = "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
RECORD = "tiny.py,,\ntiny-1.dist-info/METADATA,,\ntiny-1.dist-info/WHEEL,,\n"


def write_wheel(folder):
    """Write the smallest package there is."""
    with zipfile.ZipFile(folder / "tiny-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "HERE = True\n")
        wheel.writestr("tiny-1.dist-info/METADATA", METADATA)
        wheel.writestr("tiny-1.dist-info/WHEEL", WHEEL)
        wheel.writestr("tiny-1.dist-info/RECORD", RECORD + "tiny-1.dist-info/RECORD,,\n")


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    return environment.interpreter(folder)


@pytest.mark.parametrize(
    ("file", "variables"),
    [
        ("", {"PIP_USER": "1"}),
        ("", {"PIP_TARGET": "{elsewhere}", "PIP_REQUIRE_VIRTUALENV": "1"}),
        ("", {"PIP_PREFIX": "{elsewhere}", "PIP_NO_DEPS": "1"}),
        ("", {"PIP_PYTHON": sys.executable, "PYTHONPATH": "{elsewhere}"}),
        ("[global]\nuser = true\n", {}),
        ("[install]\ntarget = {elsewhere}\n", {}),
    ],
)
def test_packages_go_into_the_environment(python, tmp_path, monkeypatch, file, variables):
    elsewhere = tmp_path / "elsewhere"
    write_wheel(tmp_path)
    (tmp_path / "pip.conf").write_text(file.format(elsewhere=elsewhere), encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(elsewhere=elsewhere))
    options = [*environment.HERE, "--no-index", "--find-links", str(tmp_path), "--force-reinstall"]
    environment.pip(python, "install", "--quiet", *options, "tiny", check=True)
    clean = environment.installing(os.environ)
    code = "import tiny; print(tiny.__file__)"
    command = [str(python), "-c", code]
    where = subprocess.run(command, env=clean, capture_output=True, text=True, encoding="utf-8")
    assert where.stdout.startswith(str(python.parent.parent)), where.stderr
    assert not elsewhere.exists()
    environment.pip(python, "uninstall", "--quiet", "--yes", "tiny", check=True)
