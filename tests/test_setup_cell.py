"""The first cell of a chapter: what it does with each state of the helper package.

Here `%pip` is a stand-in that copies a package; `make test-install` runs the cell with pip itself.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import bigmodel_utils as bmu
from tools import repository

ROOT = Path(__file__).parent.parent
CHAPTER = sorted((ROOT / "chapters").glob("*.ipynb"))[0]
NOTEBOOK = nbformat.read(CHAPTER, as_version=4)
REPOSITORY = repository.current_address(ROOT)
FIRST_CELL = next(c.source for c in NOTEBOOK.cells if c.cell_type == "code")
# Runs the cell in IPython; prints what pip was asked for, the error, and which helper is used.
RUN = """
import json, shutil, sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

cell, before, site, offered = sys.argv[1:]
sys.path.insert(0, site)
# The reader has no working tree.
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
calls = []


def pip(line):
    calls.append(line)
    if offered:
        shutil.copytree(offered, Path(site, "bigmodel_utils"), dirs_exist_ok=True)


shell = InteractiveShell.instance()
shell.register_magic_function(pip)
shell.showtraceback = lambda *args, **kwargs: None
shell.run_cell(before)
result = shell.run_cell(cell)
error = repr(result.error_before_exec or result.error_in_exec)
try:
    import bigmodel_utils as bmu

    used = [bmu.__version__, bmu.speech.name]
except ImportError:
    used = None
print(json.dumps([calls, error, used]))
"""


def write_helper(folder, version):
    """A package whose module `speech` tells which version it belongs to."""
    folder.mkdir(parents=True)
    (folder / "speech.py").write_text(f'name = "speech of {version}"\n', encoding="utf-8")
    text = f'from bigmodel_utils import speech\n__version__ = "{version}"\n'
    (folder / "__init__.py").write_text(text, encoding="utf-8")
    return folder


def run_cell(tmp_path, offered="", before=""):
    """What pip was asked for, the error, and the version of the package and of its module."""
    (tmp_path / "site").mkdir(exist_ok=True)
    command = [sys.executable, "-B", "-c", RUN, FIRST_CELL, before, tmp_path / "site", offered]
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    variables["IPYTHONDIR"] = str(tmp_path / "ipython")
    run = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=variables, encoding="utf-8"
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


INSTALL = [f"install -q --upgrade {REPOSITORY}/archive/refs/heads/main.zip"]
THIS = bmu.__version__
NEXT = f"{int(THIS[:4]) + 1}.01.01"


@pytest.mark.parametrize("version", [THIS, NEXT])
def test_a_helper_that_is_new_enough_stays(tmp_path, version):
    write_helper(tmp_path / "site" / "bigmodel_utils", version)
    assert run_cell(tmp_path) == [[], "None", [version, f"speech of {version}"]]


@pytest.mark.parametrize("version", [THIS, NEXT])
def test_a_missing_helper_is_installed(tmp_path, version):
    offered = write_helper(tmp_path / "offered", version)
    assert run_cell(tmp_path, offered) == [INSTALL, "None", [version, f"speech of {version}"]]


@pytest.mark.parametrize(
    "before", ["", "import bigmodel_utils as bmu", "import bigmodel_utils.speech"]
)
@pytest.mark.parametrize("version", ["0.1.0", "2026.08.01"])
def test_an_older_helper_is_replaced_even_if_it_is_in_use(tmp_path, version, before):
    write_helper(tmp_path / "site" / "bigmodel_utils", version)
    offered = write_helper(tmp_path / "offered", THIS)
    assert run_cell(tmp_path, offered, before) == [INSTALL, "None", [THIS, f"speech of {THIS}"]]


def test_an_empty_folder_of_the_same_name_is_no_helper(tmp_path):
    (tmp_path / "site" / "bigmodel_utils").mkdir(parents=True)
    offered = write_helper(tmp_path / "offered", THIS)
    assert run_cell(tmp_path, offered) == [INSTALL, "None", [THIS, f"speech of {THIS}"]]


@pytest.mark.parametrize("version", ["", "0.1.0", "2026.08.01"])
def test_where_pip_cannot_install_the_cell_says_what_to_do(tmp_path, version):
    """As in a classroom without network, or in a kernel without pip."""
    if version:
        write_helper(tmp_path / "site" / "bigmodel_utils", version)
    calls, error, used = run_cell(tmp_path)
    assert calls == INSTALL
    assert error.startswith("ImportError") and "restart the kernel: pip install" in error
    assert f"{REPOSITORY}/archive/refs/heads/main.zip" in error
    assert used == ([version, f"speech of {version}"] if version else None)


def test_an_error_inside_the_helper_is_shown_as_it_is(tmp_path):
    folder = write_helper(tmp_path / "site" / "bigmodel_utils", THIS)
    (folder / "speech.py").write_text("import no_such_library", encoding="utf-8")
    calls, error, _ = run_cell(tmp_path)
    assert calls == [] and "No module named 'no_such_library'" in error


def test_the_cell_needs_no_git():
    assert "git+" not in FIRST_CELL and REPOSITORY in FIRST_CELL
