"""Write what a benchmark has measured where the website's page of results finds it.

A record is `recorded/<name>.json`: the table (a caption, and for each row its values), and what one
must know to judge it (script, date, device, core speed, seeds). `tools/results.py` shows it.
"""

import datetime
import json
import os
from pathlib import Path

import numpy as np

from core_speed import core_speed

FOLDER = Path(__file__).resolve().parent / "recorded"


def value(number, interval=None, unit=""):
    """Make one value of a record.

    Args:
        number: float, what was measured.
        interval: pair of floats, the ends of its 95 % interval; or None if there is none.
        unit: str: `"s"`, `"ms"`, or empty for a number without unit.

    Returns:
        dict with `value`, and as far as they are known `low`, `high` and `unit`.
    """
    made = {"value": _short(number)}
    if interval is not None:
        made |= {"low": _short(interval[0]), "high": _short(interval[1])}
    return made | ({"unit": unit} if unit else {})


def _short(number):
    return float(f"{float(number):.4g}")


def error_interval(wrong, count):
    """Give the 95 % interval of an error rate from `wrong` mistakes in `count` answers."""
    import bigmodel_utils as bmu

    low, high = bmu.wilson_interval(count - wrong, count)
    return 1 - high, 1 - low


def ratio_interval(errors, counts, seed=0, redraws=1000):
    """Give the 95 % interval of a ratio of sums, such as errors over symbols, by the bootstrap.

    Args:
        errors: array of shape `(items,)`, errors in each item.
        counts: array of the same shape, what the errors are counted in.
        seed: int, of the redraws.
        redraws: int, how often the items are drawn again.

    Returns:
        float pair, the ends of the interval.
    """
    errors, counts = np.asarray(errors), np.asarray(counts)
    rng = np.random.default_rng(seed)
    drawn = (rng.integers(len(errors), size=len(errors)) for _ in range(redraws))
    return tuple(np.quantile([errors[i].sum() / counts[i].sum() for i in drawn], [0.025, 0.975]))


def write(name, script, caption, head, rows, seeds, folder=FOLDER):
    """Write the record of a benchmark that has run to its end on this machine.

    Args:
        name: str, the record's name; it replaces an older one.
        script: str, the file name of the benchmark.
        caption: str, what the table shows, in one line.
        head: str, what a row is, such as `model`.
        rows: dict from the name of a row to a dict from the name of a column to a value as
            `value` makes it.
        seeds: list of int, the seeds of the run.
        folder: Path, where records lie.

    Returns:
        Path of the file.
    """
    record = {
        "caption": caption,
        "head": head,
        "script": script,
        "date": datetime.date.today().isoformat(),
        "device": device(),
        "core_speed": round(core_speed(), 2),
        "seeds": seeds,
        "rows": rows,
    }
    path = folder / f"{name}.json"
    text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
    print(f"recorded in {path.name}; now run: python tools/results.py")
    return path


def device():
    """Name this machine's processors; a benchmark that ran on a GPU is to say so by hand."""
    return f"{os.cpu_count()} CPU cores"
