"""A test run says where the time went, and refuses a notebook that needs too much memory."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import measure

ROOT = Path(__file__).parent.parent
EAT = "import sys; block = b'x' * 60_000_000; print(sum(range(3_000_000)) > 0, flush=True); "


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
def test_usage_counts_memory_that_was_given_back_children_and_processor_time():
    code = EAT + "block = None; sys.stdin.read()"
    child = "import subprocess as s, sys; s.run([sys.executable, '-c', 'sum(range(9_000_000))'])"
    with subprocess.Popen(
        [sys.executable, "-c", f"{child}; {code}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        process.stdout.readline()
        cost = measure.usage(process.pid)
        process.communicate("")
    assert 60 < cost["peak_mb"] < 200
    assert 0.1 < cost["cpu_seconds"] < 20


@pytest.mark.parametrize("pid", [None, 2**22 + 1])
def test_a_process_that_is_gone_costs_an_unknown_amount(pid):
    assert measure.usage(pid) == {"cpu_seconds": None, "peak_mb": None}


@pytest.mark.parametrize(
    ("peak", "environ", "refused"),
    [
        (measure.LIMIT_MB + 1, {}, True),
        (3300, {"BIGMODEL_PROFILE": "quick", "KERAS_BACKEND": "tensorflow"}, True),
        (3300, {"BIGMODEL_PROFILE": "", "KERAS_BACKEND": ""}, True),
        (measure.LIMIT_MB, {}, False),
        (None, {}, False),
        (3300, {"BIGMODEL_PROFILE": "full"}, False),
        (3300, {"KERAS_BACKEND": "torch"}, False),
    ],
)
def test_only_quick_promises_an_amount_of_memory(peak, environ, refused):
    said = measure.too_much_memory("a.ipynb", peak, environ)
    assert bool(said) == refused
    if refused:
        assert f"a.ipynb used {peak / 1000:.1f} GB" in said and "1.8 GB" in said


def test_the_report_lists_the_slowest_first_and_every_long_cell():
    notebooks = {
        "fast": dict(wall_seconds=12.0, cpu_seconds=None, peak_mb=None, cells={"1": 9.9}),
        "slow": dict(wall_seconds=50.0, cpu_seconds=80.2, peak_mb=700, cells={"3": 10.4, "9": 31}),
    }
    lines = measure.where_time_goes(notebooks, {"tests/a.py": 0.5, "tests/b.py": 3.0})
    assert [line.split()[0] for line in lines[1:3]] == ["slow", "fast"]
    assert lines[1].split()[1:] == ["50", "80", "700"] and lines[2].split()[1:] == ["12", "?", "?"]
    assert [" ".join(line.split()) for line in lines[4:6]] == ["slow, cell 9 31", "slow, cell 3 10"]
    assert lines[-1].split() == ["tests/b.py", "3"] and not any("a.py" in line for line in lines)
    assert measure.where_time_goes({}, {"tests/a.py": 0.1}) == []


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a small course in two processes, with our conftest and a limit that every kernel breaks.

    Returns the folder, the exit status and what was printed.
    """
    folder = tmp_path_factory.mktemp("course")
    for name in ("conftest.py", "tools/__init__.py", "tools/order.py", "tools/measure.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    limit = folder / "tools" / "measure.py"
    limit.write_text(
        limit.read_text(encoding="utf-8").replace(
            f"LIMIT_MB = {measure.LIMIT_MB}", "LIMIT_MB = 10"
        ),
        encoding="utf-8",
    )
    sources = {
        "busy": ["import time", "while time.process_time() < 2.5: pass"],
        "idle": ["1"],
        "wrong": ["1", "assert False"],
    }
    (folder / "chapters").mkdir()
    for name, cells in sources.items():
        cells = [nbformat.v4.new_code_cell(text) for text in cells]
        path = folder / "chapters" / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    (folder / "test_a.py").write_text("def test_a(): pass\n", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "BIGMODEL"))}
    environ |= {"KERAS_BACKEND": "tensorflow"}
    environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # the others take seconds to load
    command = [sys.executable, "-m", "pytest", "-q", "-p", "nbval.plugin", "-p", "xdist.plugin"]
    command += ["-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", "-n", "2"]
    command += ["--dist", "loadfile", "--no-loadscope-reorder"]
    done = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, encoding="utf-8"
    )
    return folder, done.returncode, done.stdout


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
def test_two_processes_report_together_and_whole_notebooks_are_kept(run):
    folder, status, said = run
    assert status == 1, said
    after = said.partition("where the time went")[2]
    rows = {line.split()[0]: line.split()[1:] for line in after.splitlines() if line.split()}
    assert set(rows) >= {"busy", "idle", "wrong"}, said
    wall, cpu, peak = map(float, rows["busy"])
    assert wall >= 1 and cpu >= 2 and 20 < peak < 1500
    kept = json.loads((folder / "_build" / "measured.json").read_text(encoding="utf-8"))
    assert set(kept) == {"busy", "idle"}, "a notebook that failed says nothing about its time"
    assert kept["busy"]["cpu_seconds"] > kept["idle"]["cpu_seconds"]
    assert list(kept["busy"]["cells"]) == ["2"], "cells of a second or more"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc on this system")
def test_a_notebook_that_needs_too_much_memory_fails_with_one_sentence(run):
    folder, _, said = run
    assert "1 failed, 5 passed, 3 errors" in said, said
    for name in ("busy", "idle", "wrong"):
        assert f"{name}.ipynb used 0.1 GB of memory at its peak" in said, said
    assert (folder / "_build" / "tested" / "idle.ipynb").exists()
