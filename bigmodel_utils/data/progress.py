"""One line that says how far a long download is, for those who can see it."""

import sys

MEGABYTE = 1_000_000


def watched_stream():
    """Return the stream that a reader is looking at, or None.

    That is a terminal, or a notebook whose front end can answer questions. What executes the
    website's pages cannot: nothing about downloads belongs on a page.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        return sys.stderr
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    asks = getattr(getattr(shell, "kernel", None), "_allow_stdin", False)
    return sys.stdout if asks else None


class Progress:
    """Show a download's progress in place; it also serves pooch, which calls `update`.

    Args:
        name: the file's name.
        total: its size in bytes; below 5 MB nothing is shown.
    """

    def __init__(self, name, total):
        """Look whether anybody watches."""
        self.name, self.total = name, total
        self.done, self.shown = 0, None
        self.stream = watched_stream() if total >= 5 * MEGABYTE else None

    def __enter__(self):
        """Begin the line."""
        self.reach(0)
        return self

    def __exit__(self, *_):
        """End the line."""
        if self.stream:
            print(file=self.stream, flush=True)

    def reach(self, done):
        """Say that `done` bytes have arrived; the line changes with each megabyte."""
        self.done = done
        megabytes = min(done, self.total) // MEGABYTE
        if self.stream and megabytes != self.shown:
            self.shown = megabytes
            line = f"\rDownloading {self.name}: {megabytes} of {self.total // MEGABYTE} MB"
            print(line, end="", file=self.stream, flush=True)

    def update(self, more):
        """Say that `more` bytes have arrived."""
        self.reach(self.done + more)

    def reset(self):
        """Count from zero again: pooch does so before it reports the whole file at the end."""
        self.done = 0

    def close(self):
        """Nothing is left to do: the line ends with the `with` statement."""
