"""What the outputs of a notebook depend on, and where an executed notebook is kept.

The numbers on a page depend on the notebook's code and on what surrounds it: the helper package,
the installed versions, the profile, the seed, the backend, Keras's own settings. What a shell may
hold besides (a drawing backend, Python's own variables, a user's IPython profile) is set to one
value or removed. An executed notebook is kept under a digest of all that its outputs depend on.

Notebooks are read as plain JSON here: importing nbformat takes longer than all the rest of a build
of which nothing has changed.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path

# Beginnings of the names of variables; `kernel_environment` and `environment_digest` say why.
REMOVED = ("PYTHON", "MPL", "MATPLOTLIB", "IPYTHON", "LC_", "COLUMNS", "LINES", "NO_COLOR")
REMOVED += ("FORCE_COLOR",)
DIGESTED = ("BIGMODEL_", "KERAS_BACKEND", "KERAS_NNX", "TF_", "XLA_", "JAX_", "TORCH_", "PYTORCH_")
DIGESTED += ("CUDA_VISIBLE", "MKL_", "ONEDNN_")
KERAS_DEFAULTS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


def keras_settings(environ):
    """Read the settings in which a user's `keras.json` differs from Keras's defaults.

    Keras writes that file with its defaults when it finds none, which changes nothing.

    Args:
        environ: mapping, the process environment.

    Returns:
        dict.
    """
    home = Path(environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))
    try:
        settings = json.loads((home / "keras.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    items = settings.items() if isinstance(settings, dict) else ()
    return {k: v for k, v in items if (k, v) not in KERAS_DEFAULTS.items()}


def kernel_environment(root, environ, folder):
    """Make the environment in which notebooks and Sphinx run.

    Args:
        root: Path of the repository: its helper package is the one that is used.
        environ: mapping, the process environment.
        folder: Path of a folder for what IPython stores.

    Returns:
        dict. Variables that change outputs unnoticed (Python's own, Matplotlib's and IPython's
        settings, the language, the width of the terminal) are not in it or have one fixed value;
        those that the course reads have the value that counts, an empty one being none.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name == "PYTHONHOME" or not name.startswith(REMOVED)
    }
    backend = environ.get("KERAS_BACKEND") or keras_settings(environ).get("backend", "tensorflow")
    matplotlib = importlib.metadata.distribution("matplotlib")
    return kept | {
        "BIGMODEL_PROFILE": environ.get("BIGMODEL_PROFILE") or "quick",
        "BIGMODEL_SEED": environ.get("BIGMODEL_SEED") or "0",
        "IPYTHONDIR": str(folder / "ipython"),
        "KERAS_BACKEND": backend,
        "LC_ALL": "C.UTF-8",
        "MATPLOTLIBRC": str(matplotlib.locate_file("matplotlib/mpl-data/matplotlibrc")),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(root),
        "PYTHONUTF8": "1",
        "TF_CPP_MIN_LOG_LEVEL": environ.get("TF_CPP_MIN_LOG_LEVEL") or "3",
        "TZ": "UTC",
    }


def installed_versions():
    """List what is installed beside this interpreter, as sorted `name==version`."""
    found = importlib.metadata.distributions()
    return sorted({f"{one.name}=={one.version}" for one in found})


def digest_files(digest, root, paths):
    """Add the names and contents of files below `root` to a hash, whatever their line ends."""
    for path in sorted(paths):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        name = path.relative_to(root).as_posix()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)


def environment_digest(root, environ):
    """Digest everything outside a notebook that its outputs depend on.

    The number of threads is left out: one thread and two ended a training in the same bits.

    Args:
        root: Path of the repository.
        environ: mapping, made by `kernel_environment`.

    Returns:
        str, 16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    helper = (p for p in (root / "bigmodel_utils").rglob("*") if p.is_file())
    modules = (root / "chapters").glob("*.py")
    digest_files(digest, root, [p for p in helper if "__pycache__" not in p.parts] + [*modules])
    variables = {
        name: value
        for name, value in environ.items()
        if value and name.startswith(DIGESTED) and not name.endswith(("_THREADS", "_LOG_LEVEL"))
    }
    keras = {k: v for k, v in keras_settings(environ).items() if k != "backend"}
    python = [platform.python_implementation(), platform.python_version(), platform.machine()]
    surroundings = [variables, keras, python, platform.system(), installed_versions()]
    digest.update(json.dumps(surroundings, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def read_notebook(path):
    """Read a notebook as a dict; the source of each cell is one string."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"])
    return notebook


def code_cells(notebook):
    """List the cells of a notebook that hold code."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def stored_path(store, path):
    """Name the file that holds, or will hold, an executed notebook: by the code of its cells.

    Args:
        store: Path of the folder for executed notebooks.
        path: Path of the notebook.

    Returns:
        Path.
    """
    cells = code_cells(read_notebook(path))
    code = [[cell["source"], cell["metadata"].get("tags", [])] for cell in cells]
    digest = hashlib.sha256(json.dumps(code).encode()).hexdigest()
    return store / f"{path.stem}-{digest[:16]}.ipynb"


def with_outputs(notebook, executed):
    """Give a notebook the outputs of its executed copy, which has the same code."""
    for cell, run in zip(code_cells(notebook), code_cells(executed), strict=True):
        cell |= {"outputs": run["outputs"], "execution_count": run["execution_count"]}
    return notebook | {"metadata": notebook["metadata"] | executed["metadata"]}
