"""Make the virtual environment and install what a task needs, and no more.

    python3 tools/environment.py run website

Each name is a list in `requirements/`; the backend of Keras and the helper package come with `run`.
What is there already in the asked versions is left alone, in a tenth of a second.

Any Python 3 can start this file, also one that the course does not support: it finds another, or
says which are needed. So it uses the standard library alone, and nothing newer than Python 3.7.
"""

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = "course.json"
# Settings that send an installation somewhere else, or another Python's modules into this one.
ELSEWHERE = [
    "PIP_DRY_RUN",
    "PIP_NO_DEPS",
    "PIP_PREFIX",
    "PIP_PYTHON",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_ROOT",
    "PIP_TARGET",
    "PIP_USER",
    "PYTHONHOME",
    "PYTHONOPTIMIZE",
    "PYTHONPATH",
    "PYTHONSAFEPATH",
    "PYTHONWARNINGS",
    "__PYVENV_LAUNCHER__",
]
# The same settings in pip's configuration file give way to these options.
HERE = ["--no-user", "--target="]
# What a list takes on disk [MB], measured on Linux, so that nobody is surprised.
MEGABYTES = {
    "run": 760,
    "website": 110,
    "tests": 410,
    "lint": 55,
    "benchmarks": 60,
    "tensorflow": 2050,
    "tensorflow-cpu": 1450,
    "jax": 400,
    "torch": 900,
    "torch for CUDA": 5500,
}
TORCH_FOR_CPUS = "https://download.pytorch.org/whl/cpu"


class Unusable(Exception):
    """Something that the reader has to change; the message says what."""


def supported_versions(project):
    """Read from the text of `pyproject.toml` which Pythons the course supports.

    Args:
        project: str, with a line `requires-python = ">=3.A,<3.B"`.

    Returns:
        list of (3, minor), oldest first.
    """
    bounds = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', project, re.M)
    return [(3, minor) for minor in range(int(bounds[1]), int(bounds[2]))]


def python_version(command):
    """Ask a Python for its version.

    Args:
        command: list of str, how to start it.

    Returns:
        (major, minor), or None if it does not start.
    """
    code = "import sys; print('%d %d' % sys.version_info[:2])"
    try:
        run = subprocess.run(
            [*command, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=installing(os.environ),
            check=True,
        )
        major, minor = run.stdout.split()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    return int(major), int(minor)


def find_python(asked, versions):
    """Find a Python that the course supports.

    Args:
        asked: str, the name or path of a Python, or "" for any.
        versions: list of (major, minor) that are supported, oldest first.

    Returns:
        list of str, how to start it, and its (major, minor).

    Raises:
        Unusable: if the asked one, or every one that was found, is missing or not supported.
    """
    names = ["{}.{}".format(*version) for version in reversed(versions)]
    candidates = [[asked]] if asked else [[sys.executable], ["python3"], ["python"]]
    if not asked:
        candidates += [["python" + name] for name in names]
        candidates += [["py", "-" + name] for name in names] if os.name == "nt" else []
    found = []
    for command in candidates:
        version = python_version(command)
        if version in versions:
            return command, version
        if version is not None:
            found.append("{} is Python {}.{}".format(" ".join(command), *version))
    seen = "; ".join(dict.fromkeys(found)) or (asked or "python3") + " does not start"
    newest = names[0]
    raise Unusable(
        f"The course needs Python {', '.join(reversed(names))}: TensorFlow is not made for "
        f"others. Here {seen}. Install one of them; make PYTHON=python{newest} chooses it."
    )


def installing(environ):
    """Copy the environment without what would install elsewhere or import from elsewhere."""
    return {key: value for key, value in environ.items() if key not in ELSEWHERE}


def interpreter(folder):
    """Path of the Python inside a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def read_record(folder):
    """What was installed into an environment: a dict from list to digest; empty if it is new."""
    path = folder / RECORD
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def prepare(folder, asked, versions):
    """Make the virtual environment unless there is one that fits.

    Args:
        folder: Path of the environment.
        asked: str, the Python that the reader wants, or "" for any.
        versions: list of (major, minor) that are supported.

    Raises:
        Unusable: if no Python fits, or one that the reader made stands in the way.
    """
    there = python_version([str(interpreter(folder))])
    if there in versions and (not asked or python_version([asked]) == there):
        return
    command, version = find_python(asked, versions)
    if folder.exists() or folder.is_symlink():
        is_python = "Python {}.{}".format(*there) if there else "no Python that starts"
        if folder.is_symlink() or not (folder / RECORD).exists():
            raise Unusable(
                f"{folder.name} holds {is_python}, not Python {version[0]}.{version[1]}, and was "
                "not made by make: move it away, or remove it by make clean-all"
            )
        print(f"{folder.name} held {is_python}: it is made again", flush=True)
        shutil.rmtree(str(folder))
    made = subprocess.run(
        [*command, "-m", "venv", str(folder)], env=installing(os.environ), check=False
    )
    if made.returncode:
        shutil.rmtree(str(folder), ignore_errors=True)
        package = "python{}.{}-venv".format(*version)
        raise Unusable(f"{folder.name} was not made. On Debian and Ubuntu: apt install {package}")
    (folder / RECORD).write_text("{}", encoding="utf-8")


def need_pip(python):
    """Give an environment pip if it was made without, as `uv venv` does.

    Raises:
        Unusable: if that Python cannot.
    """
    for module in ("pip", "ensurepip"):
        options = ["--version"] if module == "pip" else ["--default-pip"]
        run = subprocess.run(
            [str(python), "-m", module, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=installing(os.environ),
            check=False,
        )
        if run.returncode == 0:
            return
    raise Unusable(
        f"{python} has no pip and cannot add it: make clean-all, and on Debian and Ubuntu "
        "apt install python3-venv"
    )


def has_gpu():
    """Say whether this machine shows a GPU of NVIDIA, or Windows' to its Linux."""
    devices = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")
    return any(Path(device).exists() for device in devices)


def on_linux_pc():
    """Say whether this is Linux on x86_64, where backends come with and without code for GPUs."""
    return platform.system() == "Linux" and platform.machine() == "x86_64"


def refuse_intel_macs():
    """Say at once what pip would say in riddles.

    Raises:
        Unusable: on a Mac with an Intel processor, or whose Python was made for one.
    """
    if (platform.system(), platform.machine()) == ("Darwin", "x86_64"):
        raise Unusable(
            "TensorFlow, JAX and PyTorch have no current release for Macs with Intel processors: "
            "run the chapters on Colab or Binder. If this Mac has Apple silicon, its Python was "
            "made for Intel: install one for Apple silicon."
        )


def lists_for(names, backend, there, gpu):
    """Name the lists of requirements to install.

    Args:
        names: list of str, what was asked for.
        backend: str, `"tensorflow"`, `"jax"` or `"torch"`.
        there: set of str, which builds of TensorFlow the environment holds.
        gpu: bool, whether there is one.

    Returns:
        list of str, with the backend after `run`; TensorFlow without code for GPUs where there is
        none, unless the other is there already: both have the same files.
    """
    if "run" not in names:
        return list(names)
    if backend == "tensorflow" and on_linux_pc() and "tensorflow" not in there:
        if not gpu or "tensorflow-cpu" in there:
            backend = "tensorflow-cpu"
    return [*names, backend]


def tensorflows(folder):
    """Which builds of TensorFlow an environment holds, whoever has installed them."""
    installed = folder.glob("**/site-packages/tensorflow*-[0-9]*.dist-info")
    return {path.name.split("-")[0].replace("_", "-") for path in installed}


def floors(texts):
    """Turn every `name>=version` into the pin `name==version`.

    Args:
        texts: list of str, files of requirements or `pyproject.toml`.

    Returns:
        str, constraints for pip: the oldest versions that the course says it works with.
    """
    bound = re.compile(r'^\s*"?([A-Za-z0-9._-]+)\s*>=\s*([0-9][0-9.]*)', re.M)
    pins = {name.lower(): version for text in texts for name, version in bound.findall(text)}
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()))


def digest(*texts):
    """Digest of texts, to see whether one has changed."""
    return hashlib.sha256("\0".join(texts).encode("utf-8")).hexdigest()[:16]


def has_own_index(configuration):
    """Say whether pip's settings, as `pip config list` prints them, name where packages lie."""
    return bool(re.search(r"\b(index[-_]url|find[-_]links|no[-_]index)=", configuration))


def answers(address):
    """Say whether a web address can be reached from here."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except (OSError, ValueError):  # URLError is an OSError
        return False


def pip(python, *arguments, **options):
    """Run pip of an environment, so that it installs there whatever the settings say."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, cwd=str(ROOT), env=installing(os.environ), **options)


def torch_options(python, gpu):
    """Where pip shall look for PyTorch besides the reader's index.

    On Linux PCs the package index has PyTorch for CUDA alone, with 5 GB that nothing can use
    without a GPU, and that PyTorch does not start without. PyTorch's own index has the other.
    A reader who has told pip where to look is obeyed, and nothing else is asked.
    """
    if gpu or not on_linux_pc():
        return []
    settings = pip(python, "config", "list", stdout=subprocess.PIPE, universal_newlines=True)
    if has_own_index(settings.stdout) or not answers(TORCH_FOR_CPUS + "/torch/"):
        return []
    return ["--extra-index-url", TORCH_FOR_CPUS]


def torch_is_for_cuda(python, options):
    """Ask pip which PyTorch it would take; False if it does not say."""
    command = ["install", "--quiet", "--dry-run", "--no-deps", "--report", "-", *options]
    run = pip(python, *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        packages = json.loads(run.stdout.decode("utf-8"))["install"]
    except ValueError:
        return False
    needs = [need for p in packages for need in p["metadata"].get("requires_dist", [])]
    return on_linux_pc() and any(need.startswith(("nvidia-", "cuda-")) for need in needs)


def install(folder, lists, bounds, gpu):
    """Install lists of requirements into an environment, if they are not there yet.

    Args:
        folder: Path of the environment.
        lists: list of str, names of files in `requirements/`.
        bounds: str, `"tested"` for the versions of `constraints.txt`, `"lowest"` for the floors.
        gpu: bool, whether the machine has one.

    Raises:
        Unusable: if pip fails; what it wrote says why.
    """
    python = interpreter(folder)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    declared = project[project.index("[build-system]") : project.index("[tool.ruff]")]
    record = read_record(folder)
    lists = list(dict.fromkeys([*record, *lists]))
    texts = {n: (ROOT / f"requirements/{n}.txt").read_text(encoding="utf-8") for n in lists}
    constraints = ROOT / "constraints.txt"
    if bounds == "lowest":
        constraints = folder / "lowest.txt"
        constraints.write_text(floors([declared, *texts.values()]), encoding="utf-8")
    pins = constraints.read_text(encoding="utf-8")
    wanted = {name: digest(bounds, declared, pins, text) for name, text in texts.items()}
    new = [name for name in lists if record.get(name) != wanted[name]]
    if not new:
        return
    need_pip(python)
    options = ["-c", str(constraints)]
    if "torch" in new:
        options += torch_options(python, gpu)
        if torch_is_for_cuda(python, [*options, "-r", "requirements/torch.txt"]):
            new[new.index("torch")] = "torch for CUDA"
    size = sum(MEGABYTES[name] for name in new)
    print(
        f"Installing into {folder.name}: {', '.join(new)}; about {size / 1000:.1f} GB on disk, "
        "some minutes the first time",
        flush=True,
    )
    if "torch for CUDA" in new and not gpu:
        print(
            "This machine shows no GPU, but your package index has PyTorch for CUDA alone. Stop "
            "with Ctrl-C and set PIP_EXTRA_INDEX_URL to an index with PyTorch for CPUs to save "
            f"5 GB; PyTorch's own is {TORCH_FOR_CPUS}",
            flush=True,
        )
    for name in lists:
        options += ["-r", f"requirements/{name}.txt"]
    if "run" in lists:
        options += ["--editable", "."]
    run = pip(python, "install", "--quiet", *HERE, *options, check=False)
    if run.returncode:
        raise Unusable("The packages were not installed; pip says why, above.")
    (folder / RECORD).write_text(json.dumps(wanted, indent=1), encoding="utf-8")


def main():
    """Read the command line and install."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lists", nargs="+", help="names of files in requirements/")
    parser.add_argument("--backend", default="tensorflow", choices=["tensorflow", "jax", "torch"])
    parser.add_argument("--bounds", default="tested", choices=["tested", "lowest"])
    parser.add_argument("--python", default="", help="the Python to use, if not the first found")
    parser.add_argument("--folder", default=".venv", help="name of the environment's folder")
    options = parser.parse_args()
    folder, gpu = ROOT / options.folder, has_gpu()
    try:
        project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        versions = supported_versions(project)
        if options.bounds == "lowest":  # newer Pythons came after the oldest libraries
            versions = versions[:1]
        prepare(folder, options.python, versions)
        if "run" in options.lists:
            refuse_intel_macs()
        lists = lists_for(options.lists, options.backend, tensorflows(folder), gpu)
        install(folder, lists, options.bounds, gpu)
    except Unusable as problem:
        raise SystemExit(str(problem)) from None


if __name__ == "__main__":
    main()
