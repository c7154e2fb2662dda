"""Run notebooks whole, then run their quick cells again in random orders: does any cell fail?

    python tools/rerun.py speech-features from-the-documents

Slow and no part of `make test`; `tests/names.py` finds most causes without running anything.
"""

import argparse
import random
import re
import time
from pathlib import Path

import nbformat
from jupyter_client.manager import start_new_kernel

CHAPTERS = Path(__file__).parent.parent / "chapters"
USAGE = (
    "__import__('resource').getrusage(__import__('resource').RUSAGE_SELF).ru_maxrss / 1e6, "
    "__import__('time').process_time()"
)


class Kernel:
    """A notebook kernel that runs one cell at a time."""

    def __init__(self, folder):
        """Start it in a folder."""
        self.manager, self.client = start_new_kernel(cwd=str(folder))

    def run(self, source):
        """Run a cell; return its seconds and its error, None when it passed."""
        start = time.perf_counter()
        reply = self.client.execute_interactive(source, output_hook=lambda message: None)
        content = reply["content"]
        error = None if content["status"] == "ok" else f"{content['ename']}: {content['evalue']}"
        return time.perf_counter() - start, error

    def usage(self):
        """Return the kernel's peak memory so far [GB] and its processor time [s]."""
        reply = self.client.execute_interactive(
            "", user_expressions={"usage": USAGE}, output_hook=lambda message: None
        )
        text = reply["content"]["user_expressions"]["usage"]["data"]["text/plain"]
        return tuple(float(number) for number in re.findall(r"[\d.]+", text))

    def stop(self):
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


def run_whole(kernel, cells, verbose=False):
    """Run every cell in order; return the seconds of each.

    Raises:
        SystemExit: if a cell fails.
    """
    seconds, before = [], 0.0
    for count, cell in enumerate(cells):
        taken, error = kernel.run(cell.source)
        seconds.append(taken)
        if error:
            raise SystemExit(f"cell {count} ({cell.id}) fails in the first run: {error}")
        peak = kernel.usage()[0]
        if verbose:
            print(
                f"  {count:3} {cell.id:40} {taken:6.1f} s  peak {peak:.2f} GB {peak - before:+.2f}"
            )
        before = peak
    return seconds


def run_again(kernel, cells, order):
    """Run cells in the given order; yield the number and the error of each that fails."""
    for count in order:
        _, error = kernel.run(cells[count].source)
        if error:
            yield count, error


def main():
    """Print time, memory and failures of each notebook."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("slugs", nargs="*", default=[])
    parser.add_argument("--rounds", type=int, default=2, help="random orders a chapter")
    parser.add_argument("--limit", type=float, default=3.0, help="seconds of the slowest cell")
    parser.add_argument("--verbose", action="store_true", help="time and memory of each cell")
    options = parser.parse_args()
    failures = 0
    for slug in options.slugs or sorted(path.stem for path in CHAPTERS.glob("*.ipynb")):
        path = CHAPTERS / f"{slug}.ipynb"
        path = path if path.exists() else CHAPTERS.parent / path.name
        notebook = nbformat.read(path, as_version=4)
        cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
        kernel = Kernel(path.parent)
        try:
            seconds = run_whole(kernel, cells, options.verbose)
            peak, cpu = kernel.usage()
            print(f"{slug}: {sum(seconds):.0f} s, {cpu:.0f} CPU s, peak {peak:.2f} GB", flush=True)
            quick = [i for i, taken in enumerate(seconds) if taken < options.limit]
            for seed in range(options.rounds):
                order = random.Random(seed).sample(quick, len(quick))
                for count, error in run_again(kernel, cells, order):
                    failures += 1
                    print(f"  round {seed}: cell {count} ({cells[count].id}) {error}", flush=True)
            print(f"  {options.rounds} rounds of {len(quick)} cells run again", flush=True)
        finally:
            kernel.stop()
    raise SystemExit(failures > 0)


if __name__ == "__main__":
    main()
