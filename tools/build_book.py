"""Build the website, executing every chapter whose inputs changed.

The notebooks are executed first (`tools/execute.py`), several side by side. Sphinx then reads a
copy of the sources in which they hold their outputs. It starts from nothing each time: it warns of
a broken reference only while it reads or writes that page, so that a later build of the same
sources would pass. A build of which nothing has changed since it succeeded is not repeated.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools import inputs  # noqa: E402  (found through the line above)
from tools.order import place, share_cores  # noqa: E402

NOT_COPIED = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.ipynb")


def configuration(root):
    """Read `_config.yml` as a dict; whatever it says, Sphinx executes nothing."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    config["execute"] = {**config.get("execute", {}), "execute_notebooks": "off"}
    return config


def listed_files(toc):
    """List the names of the pages in a table of contents, without their endings, in order."""
    names = []
    for key, value in toc.items():
        if key in ("root", "file"):
            names.append(value)
        elif key in ("parts", "chapters", "sections", "subtrees", "entries"):
            names += [name for entry in value for name in listed_files(entry)]
    return names


def listed_notebooks(root):
    """Find the notebooks among the pages that `_toc.yml` names.

    Args:
        root: Path of the repository.

    Returns:
        list of Paths relative to `root`.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = [Path(f"{name.removesuffix('.ipynb')}.ipynb") for name in listed_files(toc)]
    return [page for page in pages if (root / page).is_file()]


def copy_sources(root, target, shown):
    """Copy the book's sources to `target`, with the notebooks as they are to be shown.

    A figure that has not been drawn, because its cell was never run, gets a card that says so:
    without any output it could not be referred to by number.

    Args:
        root: Path of the repository.
        target: Path of a folder, made anew.
        shown: dict from the Path of a notebook, relative to `root`, to its content, a dict.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for pattern in ("*.md", "*.bib", "_*.yml"):
        for source in root.glob(pattern):
            shutil.copy2(source, target)
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    beside_pages = {Path(name).parts[0] for name in listed_files(toc) if "/" in name}
    for folder in sorted(beside_pages | {"_static", "bigmodel_utils"}):
        if (root / folder).is_dir():
            shutil.copytree(root / folder, target / folder, ignore=NOT_COPIED)
    figures = [
        cell
        for notebook in shown.values()
        for cell in inputs.code_cells(notebook)
        if "figure" in cell["metadata"].get("mystnb", {}) and not cell["outputs"]
    ]
    if figures:
        card = {"output_type": "display_data", "metadata": {}, "data": {"image/png": blank_card()}}
        for cell in figures:
            cell["outputs"] = [card]
    for name, notebook in shown.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_text(json.dumps(notebook), encoding="utf-8")


def blank_card():
    """Draw the card that stands for a figure not drawn yet; return it as base64 text of a PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 1.2), facecolor="white")
    figure.text(0.5, 0.5, "Drawn when the chapter is run: make book", ha="center", va="center")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def inputs_digest(source, settings, environ):
    """Digest everything that the pages depend on: sources with outputs, settings, tools, versions.

    Args:
        source: Path of the copied sources.
        settings: dict, made by `configuration`.
        environ: mapping, made by `kernel_environment`.

    Returns:
        str.
    """
    digest = hashlib.sha256()
    inputs.digest_files(digest, source, [p for p in source.rglob("*") if p.is_file()])
    inputs.digest_files(digest, ROOT, (ROOT / "tools").glob("*.py"))
    digest.update(json.dumps([str(source), settings], sort_keys=True).encode())
    digest.update(inputs.environment_digest(source, environ).encode())
    return digest.hexdigest()


def listing(site):
    """Say which files a website has, how long each is and when it was written, as text."""
    files = sorted(p for p in site.rglob("*") if p.is_file())
    facts = (
        (p.relative_to(site).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files
    )
    return hashlib.sha256(repr(list(facts)).encode()).hexdigest()


def executed_notebooks(root, names, state, environ, settings, jobs):
    """Find the executed copy of each notebook, running those that have none.

    Args:
        root: Path of the repository.
        names: list of Paths of notebooks, relative to `root`.
        state: Path of the folder that keeps what is built.
        environ: mapping, made by `kernel_environment`.
        settings: dict, made by `configuration`.
        jobs: int, number of notebooks that run at the same time.

    Returns:
        dict from the Path of each notebook, relative to `root`, to the Path of its executed copy.

    Raises:
        SystemExit: if a cell fails.
    """
    store = state / "executed" / inputs.environment_digest(root, environ)
    stored = {name: inputs.stored_path(store, root / name) for name in names}
    waiting = {root / name: path for name, path in stored.items() if not path.exists()}
    if store.exists():
        os.utime(store)
    if waiting:
        # Imported here: that alone takes seconds.
        from tools import execute

        print(f"Executing {len(waiting)} of {len(names)} notebooks.", flush=True)
        in_order = {path: waiting[path] for path in sorted(waiting, key=place)}
        execute.execute(in_order, environ, settings["execute"].get("timeout", 30), jobs)
        execute.prune(store.parent.iterdir(), execute.CACHES_KEPT)
    return stored


def build(root, output, execute="cache", notebooks=None, builder="html", jobs=2):
    """Build the website.

    Args:
        root: Path of the repository.
        output: Path of the folder in which `_build/` is made.
        execute: str, `"cache"` (run what changed) or `"off"` (show stored outputs).
        notebooks: Path of a folder of executed notebooks to show instead of those of the same name
            in the book, if nothing is to be executed; or None.
        builder: str, `"html"` or `"linkcheck"`.
        jobs: int, number of notebooks that run at the same time.

    Returns:
        Path of the folder with what was built.

    Raises:
        SystemExit: if a cell fails or Sphinx warns; the build's own messages say where.
    """
    state = output.resolve() / "_build"
    source, site, verdict = state / "source", state / builder, state / f"succeeded-{builder}.json"
    state.mkdir(parents=True, exist_ok=True)
    environ = inputs.kernel_environment(root, os.environ, state)
    settings = configuration(root)
    names = listed_notebooks(root)
    shown = {name: inputs.read_notebook(root / name) for name in names}
    if execute == "cache":
        for name, path in executed_notebooks(root, names, state, environ, settings, jobs).items():
            shown[name] = inputs.with_outputs(shown[name], inputs.read_notebook(path))
    elif notebooks is not None:
        given = {name: notebooks / name.name for name in names}
        shown |= {name: inputs.read_notebook(p) for name, p in given.items() if p.is_file()}
    copy_sources(root, source, shown)

    digest = inputs_digest(source, settings, environ)
    if builder == "html" and verdict.exists():
        if json.loads(verdict.read_text(encoding="utf-8")) == [digest, listing(site)]:
            print("Nothing has changed since the last build, which succeeded.")
            return site
    verdict.unlink(missing_ok=True)
    for left_over in (site, state / ".doctrees", state / "jupyter_execute"):
        shutil.rmtree(left_over, ignore_errors=True)
    config = state / "_config.yml"
    text = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False)
    config.write_text(text, encoding="utf-8")
    command = [sys.executable, ROOT / "tools" / "sphinx_book.py", source, site, config, builder]
    finished = subprocess.run(command, cwd=source, env=environ, check=False)
    if finished.returncode:
        raise SystemExit("The book was not built: the warnings and errors above say why.")
    verdict.write_text(json.dumps([digest, listing(site)]), encoding="utf-8")
    return site


def main():
    """Read the command line, build, and say where the website is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--execute", choices=["cache", "off"], default="cache")
    parser.add_argument("--output", type=Path, default=None, help="folder for _build")
    parser.add_argument("--notebooks", type=Path, default=None, help="executed notebooks to show")
    parser.add_argument("--builder", choices=["html", "linkcheck"], default="html")
    parser.add_argument("--jobs", type=int, default=2, help="notebooks that run side by side")
    options = parser.parse_args()
    share_cores(os.environ, options.jobs, os.cpu_count())
    output = options.output or ROOT
    try:
        site = build(
            ROOT, output, options.execute, options.notebooks, options.builder, options.jobs
        )
    except KeyboardInterrupt:
        raise SystemExit("\nInterrupted. The notebooks that had finished are kept.") from None
    if options.builder == "html":
        print(f"\nThe book is ready. Open it in a browser: {(site / 'index.html').as_uri()}")


if __name__ == "__main__":
    main()
