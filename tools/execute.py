"""Execute notebooks side by side, each with this interpreter, and keep those that pass."""

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor, as_completed
from time import monotonic

import nbformat
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

CACHES_KEPT = 6
VERSIONS_KEPT = 3  # of each notebook, so that going back to an earlier text runs nothing


def prune(folders, keep):
    """Remove all but the `keep` most recently used of some files or folders."""
    for path in sorted(folders, key=lambda p: p.stat().st_mtime, reverse=True)[keep:]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


class OwnKernelManager(AsyncKernelManager):
    """Starts this interpreter, whatever kernels of the same name are installed elsewhere."""

    @property
    def kernel_spec(self):
        """The kernel of the environment that builds the book."""
        return KernelSpec(**get_kernel_dict())


def execute(waiting, environ, timeout, jobs):
    """Run notebooks, several at a time, and store those that pass.

    What the kernels themselves write to the terminal (start-up messages of the backends) goes into
    one log file for each notebook, in the folder `logs`.

    Args:
        waiting: dict from the Path of a notebook to the Path of its executed copy, in the order in
            which they are to start. The copies lie in one folder, the store.
        environ: mapping, made by `kernel_environment`.
        timeout: int, seconds that a cell may take.
        jobs: int, number of notebooks that run at the same time.

    Raises:
        SystemExit: if a cell fails, with the traceback of every notebook that failed. Those that
            passed are kept.
    """
    clients, runs, failed = [], {}, []
    with ThreadPoolExecutor(jobs) as pool:
        for path, target in waiting.items():
            client = NotebookClient(
                nbformat.read(path, as_version=4),
                timeout=timeout,
                kernel_manager_class=OwnKernelManager,
                resources={"metadata": {"path": str(path.parent)}},
            )
            clients.append(client)
            runs[pool.submit(run, client, target, environ)] = path.name
        try:
            for finished in as_completed(runs):
                seconds, error = finished.result()
                if error:
                    failed.append(f"{runs[finished]}:\n{error}")
                outcome = "failed after" if error else "ran in"
                print(f"{runs[finished]} {outcome} {seconds:.0f} s", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for client in clients:
                if client.km is not None and client.km.has_kernel:
                    client.km.provisioner.process.kill()
            raise
    if failed:
        raise SystemExit("The book was not built. " + "\n".join(failed))


def run(client, target, environ):
    """Execute one notebook and store it.

    Args:
        client: NotebookClient.
        target: Path of the executed copy; it appears there whole or not at all.
        environ: mapping, the environment of its kernel.

    Returns:
        seconds: float, the time it took.
        error: str, what went wrong, or None.
    """
    start = monotonic()
    stem = target.stem.rpartition("-")[0]
    logs = target.parent.parent.with_name("logs")
    for folder in (target.parent, logs):
        folder.mkdir(parents=True, exist_ok=True)
    log = logs / f"{stem}.log"
    try:
        with log.open("wb") as noise:
            client.execute(env=dict(environ), stdout=noise, stderr=noise)
    except (CellExecutionError, CellTimeoutError) as error:
        return monotonic() - start, re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    except (DeadKernelError, RuntimeError) as error:
        last = log.read_text(encoding="utf-8", errors="replace")[-2000:]
        return monotonic() - start, f"{error}\nThe end of {log}:\n{last}"
    unfinished = target.with_suffix(f".{os.getpid()}")
    nbformat.write(client.nb, unfinished)
    unfinished.replace(target)
    prune(target.parent.glob(f"{stem}-{'[0-9a-f]' * 16}.ipynb"), VERSIONS_KEPT)
    return monotonic() - start, None
