"""Build the website, executing every chapter whose inputs changed.

jupyter-cache runs a notebook again when its cells change, and only then. The numbers on a page also
depend on the helper package, the installed versions, the profile, the seed and the backend, so each
combination of those gets a cache of its own, named by a digest of them all. Sphinx would run one
notebook after the other; here they run side by side, before Sphinx finds them in the cache.
"""

import argparse
import base64
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.order import place, share_cores  # noqa: E402  (found through the line above)

CACHES_KEPT = 6


def environment_digest(root, environ):
    """Digest everything outside a notebook that its outputs depend on.

    Args:
        root: Path of the repository.
        environ: mapping, the process environment.

    Returns:
        str, 16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    names = ["requirements.txt", "constraints.txt"]
    helper = (p for p in (root / "bigmodel_utils").rglob("*") if p.is_file())
    names += sorted(str(p.relative_to(root)) for p in helper if "__pycache__" not in p.parts)
    for name in names:
        content = (root / name).read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    for variable in ("BIGMODEL_PROFILE", "BIGMODEL_SEED", "KERAS_BACKEND"):
        digest.update(f"{variable}={environ.get(variable, '')}\0".encode())
    digest.update(platform.python_version().encode())
    return digest.hexdigest()[:16]


def prune(caches, keep):
    """Remove all but the `keep` most recently used folders in `caches`."""
    folders = sorted(caches.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
    for folder in folders[keep:]:
        shutil.rmtree(folder)


def configuration(root, execute, cache):
    """Read `_config.yml` and set how notebooks are executed.

    Args:
        root: Path of the repository.
        execute: str, `"cache"` (run what changed) or `"off"` (show stored outputs).
        cache: Path of the folder for executed notebooks.

    Returns:
        dict, the configuration to hand to Jupyter Book.
    """
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    config["execute"] = {**config.get("execute", {}), "execute_notebooks": execute}
    if execute == "cache":
        config["execute"]["cache"] = str(cache)
    return config


def copy_sources(root, target, notebooks):
    """Copy the book's sources to `target`, taking the notebooks from the folder `notebooks`.

    A figure that has not been drawn, because its cell was never run, gets a card that says so:
    without any output it could not be referred to by number.
    """
    target.mkdir(parents=True)
    for pattern in ("*.md", "*.bib", "_*.yml"):
        for source in root.glob(pattern):
            shutil.copy2(source, target)
    for folder in ("_static", "bigmodel_utils"):
        shutil.copytree(
            root / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    (target / "chapters").mkdir()
    for path in sorted(notebooks.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if "figure" in cell.metadata.get("mystnb", {}) and not cell.outputs:
                cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": blank_card()})]
        nbformat.write(notebook, target / "chapters" / path.name)


def execute_changed(root, cache, timeout, jobs):
    """Run the chapters that are not in the cache, several at a time, and put them there.

    Args:
        root: Path of the repository.
        cache: Path of the folder for executed notebooks.
        timeout: int, seconds that a cell may take.
        jobs: int, number of notebooks that run at the same time.

    Raises:
        SystemExit: if a cell fails, with the traceback of every chapter that failed. Those that
            passed are kept.
    """
    store, waiting, failed = get_cache(cache), {}, []
    with ThreadPoolExecutor(jobs) as pool:
        for path in sorted((root / "chapters").glob("*.ipynb"), key=place):
            notebook = nbformat.read(path, as_version=4)
            try:
                store.match_cache_notebook(notebook)
            except KeyError:
                folder = str(path.parent)
                run = pool.submit(single_nb_execution, notebook, folder, timeout, False)
                waiting[run] = path, notebook
        for run in as_completed(waiting):
            (path, notebook), result = waiting[run], run.result()
            if result.err is not None:
                failed.append(f"{path.name}:\n{result.exc_string}")
                continue
            data = {"execution_seconds": result.time}
            bundle = CacheBundleIn(notebook, str(path), data=data)
            store.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
            print(f"{path.name} ran in {result.time:.0f} s", flush=True)
    if failed:
        raise SystemExit("The book was not built. " + "\n".join(failed))


def blank_card():
    """Draw the card that stands for a figure not drawn yet; return it as base64 text of a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.2), facecolor="white")
    figure.text(0.5, 0.5, "Drawn when the chapter is run: make book", ha="center", va="center")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def build(root, output, execute="cache", notebooks=None, builder="html", jobs=2):
    """Build the website.

    Args:
        root: Path of the repository.
        output: Path of the folder in which Jupyter Book makes `_build/`.
        execute: str, `"cache"` or `"off"`.
        notebooks: Path of a folder of executed notebooks to show instead of `chapters/`, if
            nothing is to be executed; or None.
        builder: str, `"html"` or `"linkcheck"`.
        jobs: int, number of notebooks that run at the same time.

    Returns:
        Path of the folder with what was built.

    Raises:
        SystemExit: if a cell fails or Sphinx warns; the build's own messages say where.
    """
    state = output.resolve() / "_build"
    state.mkdir(parents=True, exist_ok=True)
    source = root
    if execute == "off":
        source = state / "source"
        shutil.rmtree(source, ignore_errors=True)
        copy_sources(root, source, notebooks or root / "chapters")
    cache = state / "executed" / environment_digest(root, os.environ)
    config = state / "_config.yml"
    settings = configuration(root, execute, cache)
    if execute == "cache":
        cache.mkdir(parents=True, exist_ok=True)
        os.utime(cache)
        prune(cache.parent, CACHES_KEPT)
        execute_changed(root, cache, settings["execute"]["timeout"], jobs)
    text = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)
    if not config.exists() or config.read_text(encoding="utf-8") != text:
        config.write_text(text, encoding="utf-8")
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(source),
        "-W",
        "-n",
    ]
    command += [
        "--builder",
        builder,
        "--keep-going",
        "--path-output",
        str(state.parent),
        "--config",
        str(config),
    ]
    # The book's own Sphinx extension and the helper package are found from the root.
    search = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}
    finished = subprocess.run(command, cwd=source, env=environ, check=False)
    if finished.returncode:
        raise SystemExit(f"The book was not built: exit code {finished.returncode}, see above.")
    return state / builder


def main():
    """Read the command line, build, and say where the website is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--execute", choices=["cache", "off"], default="cache")
    parser.add_argument("--output", type=Path, default=None, help="folder for _build")
    parser.add_argument("--notebooks", type=Path, default=None, help="executed notebooks to show")
    parser.add_argument("--builder", choices=["html", "linkcheck"], default="html")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks that run side by side")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    share_cores(os.environ, options.jobs, os.cpu_count())
    output = options.output or ROOT
    site = build(ROOT, output, options.execute, options.notebooks, options.builder, options.jobs)
    if options.builder == "html":
        print(f"\nThe book is ready. Open it in a browser: {(site / 'index.html').as_uri()}")


if __name__ == "__main__":
    main()
