"""What a notebook costs: CPU seconds and peak memory of its kernel; the report of a test run."""

import re
import sys
from pathlib import Path

LIMIT_MB = 1800  # mybinder.org gives 2 GB, and the browser's session takes its share of them
LONG_CELL = 10  # seconds
SHOWN = 10  # lines of each list


def usage(pid):
    """Measure a running process and the children it has waited for.

    Args:
        pid: int, process id; or None for a process that has ended.

    Returns:
        dict with `cpu_seconds` and `peak_mb` (megabytes of 10^6 bytes); an entry is None where this
        system does not tell it, or the process has ended.
    """
    import psutil

    nothing = {"cpu_seconds": None, "peak_mb": None}
    if pid is None:
        return nothing
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        seconds = times.user + times.system
        seconds += getattr(times, "children_user", 0) + getattr(times, "children_system", 0)
        return {"cpu_seconds": round(seconds, 1), "peak_mb": _peak_mb(process)}
    except psutil.Error:
        return nothing


def _peak_mb(process):
    if sys.platform == "win32":
        return round(process.memory_info().peak_wset / 1e6)
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, flags=re.M)
    return round(int(found[1]) * 1024 / 1e6) if found else None


def too_much_memory(name, peak_mb, environ):
    """Say in a sentence that a notebook needs more memory than `quick` promises.

    Args:
        name: str, the notebook's file name.
        peak_mb: float, megabytes; or None where it could not be measured.
        environ: mapping, the environment of the run.

    Returns:
        str, or None if all is well or nothing is promised: for the profile `full`, for a backend
        other than TensorFlow (Binder has no other), or without a measurement.
    """
    promised = environ.get("BIGMODEL_PROFILE") in (None, "", "quick")
    promised = promised and environ.get("KERAS_BACKEND") in (None, "", "tensorflow")
    if not promised or peak_mb is None or peak_mb <= LIMIT_MB:
        return None
    return (
        f"{name} used {peak_mb / 1000:.1f} GB of memory at its peak; the quick profile must stay "
        f"under {LIMIT_MB / 1000:.1f} GB, because a hosted notebook has 2 GB"
    )


def where_time_goes(notebooks, files):
    """Report a test run.

    Args:
        notebooks: dict from slug to a dict with `wall_seconds`, `cpu_seconds`, `peak_mb` (the last
            two may be None) and `cells`, a dict from cell number to seconds.
        files: dict from the name of a file of tests to its seconds.

    Returns:
        list of str, lines to print; empty if nothing took time.
    """
    lines = []
    if notebooks:
        lines.append(f"{'slowest notebooks':32} {'wall s':>7} {'CPU s':>7} {'peak MB':>8}")
    for slug, row in _slowest({s: r["wall_seconds"] for s, r in notebooks.items()}):
        cpu, peak = (_number(notebooks[slug][key]) for key in ("cpu_seconds", "peak_mb"))
        lines.append(f"{slug:32} {row:7.0f} {cpu:>7} {peak:>8}")
    cells = {
        f"{slug}, cell {number}": seconds
        for slug, row in notebooks.items()
        for number, seconds in row["cells"].items()
        if seconds > LONG_CELL
    }
    if cells:
        lines.append(f"cells over {LONG_CELL} seconds")
    lines += [f"{name:32} {seconds:7.0f}" for name, seconds in _slowest(cells)]
    if len(cells) > SHOWN:
        lines.append(f"and {len(cells) - SHOWN} more")
    files = {name: seconds for name, seconds in files.items() if seconds >= 1}
    if files:
        lines.append("slowest files of tests")
    return lines + [f"{name:32} {seconds:7.0f}" for name, seconds in _slowest(files)]


def _slowest(seconds):
    return sorted(seconds.items(), key=lambda pair: -pair[1])[:SHOWN]


def _number(value):
    return "?" if value is None else f"{value:.0f}"
