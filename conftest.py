"""Order of the whole run, the notebooks that nbval has executed, and what each of them cost."""

import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import measure, order

ROOT = Path(__file__).parent
# nbval runs every notebook; what it saw is kept here, so that the site tests can look at pages with
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
            return 0, order.place(item.path)
        return 1 + (item.path.name == "test_site.py"), 0

    items.sort(key=place)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Note whether a notebook's cell passed, and how long it took."""
    report = (yield).get_result()
    if call.when == "call" and hasattr(item, "test_outputs"):
        item.passed, item.seconds = report.passed, call.duration


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item, nextitem):
    """Measure, judge and store a notebook once its last cell has run."""
    last = hasattr(item, "test_outputs") and not (nextitem and nextitem.parent is item.parent)
    problems = _finish(item) if last else []
    yield  # stops the kernel; an exception before this would leave it running
    assert not problems, "\n".join(problems)


def _finish(item):
    """Store the notebook if every cell passed; return what is wrong with it as a whole."""
    cells = [i for i in item.session.items if i.parent is item.parent]
    notebook = item.parent.nb
    cost = _cost(item, cells)
    # The report of this item carries the cost to the process that prints the summary.
    item.user_properties.append(("notebook", [item.path.stem, cost]))
    target = TESTED / item.path.name
    target.unlink(missing_ok=True)
    problems = []
    # Backends write start-up messages to stderr; a Python warning there is a defect of the page.
    said = [out.text for i in cells for out in i.test_outputs or [] if out.get("name") == "stderr"]
    warned = [text for text in said if "Warning" in text]
    if warned:
        problems += [f"{item.path.name} warns its readers:", *warned]
    shown = [str(out.get("data", {})) for i in cells for out in i.test_outputs or []]
    addresses = [text for text in shown if re.search(r" at 0x[0-9a-f]+>", text)]
    if addresses:
        problems += [f"{item.path.name} shows an object's address:", *addresses]
    if cost["whole"] and not problems:
        for count, i in enumerate(cells, start=1):
            i.cell.outputs, i.cell.execution_count = i.test_outputs or [], count
        TESTED.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target)
    too_much = measure.too_much_memory(item.path.name, cost["peak_mb"], os.environ)
    return problems + ([too_much] if too_much else [])


def _cost(item, cells):
    """Measure a notebook whose kernel is about to stop; cells have the numbers a reader sees."""
    done = [(number, i) for number, i in enumerate(cells, start=1) if hasattr(i, "seconds")]
    code = [cell for cell in item.parent.nb.cells if cell.cell_type == "code"]
    kernel = item.parent.kernel
    return {
        "wall_seconds": round(sum(i.seconds for _, i in done), 1),
        **measure.usage(kernel.km.provisioner.pid if kernel and kernel.is_alive() else None),
        "cells": {str(number): round(i.seconds, 1) for number, i in done if i.seconds >= 1},
        "whole": len(done) == len(code) and all(i.passed for _, i in done),
    }


def pytest_terminal_summary(terminalreporter):
    """Print where the time went, and keep the costs of whole notebooks for the next order."""
    reports = [r for some in terminalreporter.stats.values() for r in some if hasattr(r, "when")]
    costs = [value for r in reports for key, value in r.user_properties if key == "notebook"]
    files = {}
    for report in reports:
        name = report.nodeid.partition("::")[0]
        if not name.endswith(".ipynb"):
            files[name] = files.get(name, 0) + report.duration
    lines = measure.where_time_goes(dict(costs), files)
    if lines:
        terminalreporter.section("where the time went")
        terminalreporter.write("\n".join(lines) + "\n")
    _keep({slug: cost for slug, cost in costs if cost.pop("whole") and cost["cpu_seconds"]})


def _keep(costs):
    """Add this run's costs to those of earlier runs; other backends and profiles cost otherwise."""
    profile, backend = (os.environ.get(n) for n in ("BIGMODEL_PROFILE", "KERAS_BACKEND"))
    if not costs or profile not in (None, "", "quick") or backend not in (None, "", "tensorflow"):
        return
    path = ROOT / order.MEASURED
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    today = datetime.date.today().isoformat()
    known |= {slug: {"date": today, **cost} for slug, cost in costs.items()}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _sources(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


@pytest.fixture(scope="session")
def shown_notebooks(tmp_path_factory):
    """Make a folder of the notebooks: executed where nbval ran this text, stripped otherwise."""
    folder = tmp_path_factory.mktemp("notebooks")
    for path in sorted([*ROOT.glob("*.ipynb"), *(ROOT / "chapters").glob("*.ipynb")]):
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
    built = subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")
    assert built.returncode == 0, f"the book was not built:\n{built.stdout}\n{built.stderr}"
    [index] = (folder / "book").rglob("html/index.html")
    return index.parent
