"""How chapters run side by side: in which order, and with how many threads each.

The times come from the last recorded run (`benchmarks/recorded/minutes.json`) and from what
`make test` measured on this machine (`_build/measured.json`), if it has run here before.
"""

import json
import math
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORDED = Path("benchmarks") / "recorded" / "minutes.json"
MEASURED = Path("_build") / "measured.json"


def read_seconds(path):
    """Read the CPU seconds of each notebook from a file of measurements.

    Args:
        path: Path of a JSON file `{slug: {"cpu_seconds": ..., ...}}`; it need not exist.

    Returns:
        dict from slug to float; seconds on the reference core where the file names a core speed.
        A file that cannot be read counts as missing: an order is no reason to stop.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            slug: row["cpu_seconds"] / (row.get("core_speed") or 1) for slug, row in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def durations(root):
    """Estimate how long each notebook takes.

    A time measured on this machine is preferred. The recorded times of the other notebooks are
    scaled to this machine's, so that the two kinds can be compared.

    Args:
        root: Path of the repository.

    Returns:
        dict from slug to float, in an unknown but common unit of time.
    """
    recorded, here = read_seconds(root / RECORDED), read_seconds(root / MEASURED)
    both = recorded.keys() & here.keys()
    there = sum(recorded[slug] for slug in both)
    scale = sum(here[slug] for slug in both) / there if there else 1
    return {slug: scale * seconds for slug, seconds in recorded.items()} | here


def place(path, root=ROOT):
    """Rank a notebook for sorting: the longest first.

    Processes that share the notebooks finish together when each takes the longest that is left.
    A notebook that has not been measured comes before all others, since it may be the longest.
    """
    return -durations(root).get(path.stem, math.inf)


def share_cores(environ, processes, cores):
    """Give each of several processes its share of the cores, unless the user has chosen.

    TensorFlow's threads of two notebooks on two cores wait for each other: with one thread each,
    the same training took 37 processor seconds instead of 41 to 49, and half the time or less.

    Args:
        environ: mutable mapping, the environment that the notebooks' kernels will inherit.
        processes: int, number of notebooks that run at the same time.
        cores: int, number of processors.
    """
    if processes < 2:
        return
    threads = str(max(1, cores // processes))
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        environ.setdefault(name, threads)
