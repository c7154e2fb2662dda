"""Order of the whole run, and the notebooks that nbval has executed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import order

ROOT = Path(__file__).parent
# nbval runs every chapter; what it saw is kept here, so that the site tests can look at pages with
# their real figures without running the chapters a second time.
TESTED = ROOT / "_build" / "tested"


def pytest_configure(config):
    """Keep the log noise of the backends out of the notebooks' outputs; share the cores."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    order.share_cores(os.environ, processes, os.cpu_count())


def pytest_collection_modifyitems(items):
    """Run notebooks, then unit tests, then the site tests: they show the executed notebooks."""

    def place(item):
        if item.path.suffix == ".ipynb":
            return order.place(item.path)
        return len(order.LONGEST_FIRST) + (item.path.name == "test_site.py")

    items.sort(key=place)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Note whether a notebook's cell passed."""
    report = (yield).get_result()
    if call.when == "call" and hasattr(item, "test_outputs"):
        item.passed = report.passed


def pytest_runtest_teardown(item, nextitem):
    """Store a notebook once its last cell has run, if every cell passed."""
    if not hasattr(item, "test_outputs") or (nextitem and nextitem.parent is item.parent):
        return
    cells = [i for i in item.session.items if i.parent is item.parent]
    notebook = item.parent.nb
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    target = TESTED / item.path.name
    target.unlink(missing_ok=True)
    # Backends write start-up messages to stderr; a Python warning there is a defect of the page.
    said = [out.text for i in cells for out in i.test_outputs or [] if out.get("name") == "stderr"]
    warned = [text for text in said if "Warning" in text]
    assert not warned, f"{item.path.name} warns its readers:\n" + "\n".join(warned)
    shown = [str(out.get("data", {})) for i in cells for out in i.test_outputs or []]
    addresses = [text for text in shown if re.search(r" at 0x[0-9a-f]+>", text)]
    assert not addresses, f"{item.path.name} shows an object's address:\n" + "\n".join(addresses)
    if len(cells) == len(code) and all(getattr(i, "passed", False) for i in cells):
        for count, i in enumerate(cells, start=1):
            i.cell.outputs, i.cell.execution_count = i.test_outputs or [], count
        TESTED.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)


def _sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


@pytest.fixture(scope="session")
def shown_notebooks(tmp_path_factory):
    """Make a folder of the chapters: executed where nbval ran this text, stripped otherwise."""
    folder = tmp_path_factory.mktemp("notebooks")
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        tested = TESTED / path.name
        fresh = tested.exists() and _sources(tested) == _sources(path)
        (folder / path.name).write_bytes((tested if fresh else path).read_bytes())
    return folder


@pytest.fixture(scope="session")
def built_site(tmp_path_factory, shown_notebooks):
    """Build the website once for all files that read it, or take the one BIGMODEL_SITE names."""
    from site_tools import with_sample_outputs  # lies beside the tests that ask for a site

    given = os.environ.get("BIGMODEL_SITE")
    if given:
        site = Path(given).resolve()
        assert (site / "index.html").is_file(), f"BIGMODEL_SITE={given} holds no website"
        return site
    folder = tmp_path_factory.mktemp("site")
    notebooks = with_sample_outputs(shown_notebooks, folder / "notebooks")
    command = [sys.executable, ROOT / "tools" / "build_book.py", "--execute", "off"]
    command += ["--output", folder / "book", "--notebooks", notebooks]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, f"the book was not built:\n{built.stdout}\n{built.stderr}"
    [index] = (folder / "book").rglob("html/index.html")
    return index.parent
