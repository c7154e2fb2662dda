"""Wheels from the Python package index, brought by pip and not installed.

Of the user's settings for pip, those that say where the index is and how to reach it are obeyed,
wherever they stand. The others are about installing: a constraint, a list of hashes or the demand
for a virtual environment has no say in what is merely downloaded.
"""

import ast
import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from bigmodel_utils.data.progress import Progress

NETWORK = {
    "cert", "client-cert", "extra-index-url", "find-links", "index-url", "keyring-provider",
    "no-index", "proxy", "resume-retries", "retries", "timeout", "trusted-host", "use-deprecated",
    "use-feature",
}  # fmt: skip
ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url"}
OF_CERTIFICATES = {"use-feature": {"truststore"}, "use-deprecated": {"legacy-certs"}}


class PipDownloader:
    """A pooch downloader for `pip://distribution/version`: fetches the wheel, installs nothing.

    pip is asked for one fixed platform, whatever machine it runs on, so that every reader gets
    the same file.

    Args:
        progress: a `Progress` that is told how many bytes have arrived; None tells nobody.
    """

    options = (
        "--no-deps --only-binary=:all: --platform manylinux_2_28_x86_64 --python-version 3.11 "
        "--implementation cp --no-input --no-cache-dir --progress-bar off -vv"
    )

    def __init__(self, progress=None):
        """Report to `progress`."""
        self.progress = progress or Progress("", 0)

    def __call__(self, url, output_file, pooch=None):
        """Download the wheel that `url` names to `output_file`.

        Raises:
            RuntimeError: with the command and pip's errors, if pip brings no wheel.
        """
        parts = urlsplit(url)
        pin = f"{parts.netloc}=={parts.path.strip('/')}"
        pip, listing = find_pip()
        command = [*pip, "download", *self.options.split(), pin]
        with tempfile.TemporaryDirectory(
            dir=Path(output_file).parent, ignore_cleanup_errors=True
        ) as folder:
            # pip's own temporary files lie here too: there is room, and their growth can be seen.
            environment = pip_environment(network_settings(listing), folder)
            code, said = self._run([*command, "-d", folder], environment, Path(folder))
            wheels = list(Path(folder).glob("*.whl"))
            if code != 0 or len(wheels) != 1:
                _listing.cache_clear()  # the reader may mend the configuration and try again
                raise RuntimeError("\n    ".join([shlex.join(command), *complaints(said)]))
            shutil.copyfile(wheels[0], output_file)

    def _run(self, command, environment, folder):
        """Run pip to its end and watch its download grow; return its exit code and words."""
        with open(folder / "pip.log", "w+b") as log:
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                while process.poll() is None:
                    try:
                        process.wait(0.2)
                    except subprocess.TimeoutExpired:
                        self.progress.reach(_largest(folder))
            finally:
                process.kill()
                process.wait()
            log.seek(0)
            return process.returncode, log.read().decode("utf-8", "replace")


def _largest(folder):
    """Return the size of the largest wheel below a folder; files may vanish meanwhile."""
    sizes = [0]
    for path in folder.rglob("*.whl"):
        try:
            sizes.append(path.stat().st_size)
        except OSError:
            pass
    return max(sizes)


def find_pip():
    """Look for a pip that runs: this Python's, the one bundled with it, the one on PATH.

    Returns:
        command: list of strings, to be followed by pip's arguments.
        listing: str, what `pip config list` says.

    Raises:
        RuntimeError: if there is none, or pip cannot read its configuration.
    """
    environment = pip_environment({})
    environment.pop("PIP_CONFIG_FILE")
    if os.environ.get("PIP_CONFIG_FILE"):
        environment["PIP_CONFIG_FILE"] = os.environ["PIP_CONFIG_FILE"]
    failures = []
    for command in _pip_commands():
        try:
            code, said = _listing(tuple(command), tuple(sorted(environment.items())))
        except OSError as error:
            failures.append(f"{shlex.join(command)}: {error}")
            continue
        if code == 0:
            return command, said
        wrong = complaints(said)
        failures.append("\n    ".join([shlex.join([*command, "config", "list"]), *wrong]))
        if "onfiguration" in "".join(wrong):
            _listing.cache_clear()
            raise RuntimeError(failures[-1])  # any other pip would stumble over the file, too
    _listing.cache_clear()
    advice = f"Downloads need pip: add it to {sys.prefix}, for example with `uv pip install pip`"
    raise RuntimeError("\n  ".join([*failures, f"{advice}, or place the file by hand."]))


@functools.cache  # it takes a second, and a chapter may fetch several data sets
def _listing(command, environment):
    """Ask pip for its configuration; return its exit code and all that it says."""
    # -vvv: a `quiet` in the configuration would silence the list itself
    result = subprocess.run(
        [*command, "config", "list", "-vvv"],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    return result.returncode, result.stdout


def _pip_commands():
    """Yield the ways to call pip, the most obvious first."""
    if sys.executable:
        if importlib.util.find_spec("pip"):
            yield [sys.executable, "-m", "pip"]
        for wheel in _bundled_wheels():
            yield [sys.executable, f"{wheel}/pip"]  # run from where it lies, not installed
    for name in ("pip", "pip3"):
        if shutil.which(name):
            yield [shutil.which(name)]


def _bundled_wheels():
    """Return the wheels of pip that come with Python for the making of environments."""
    folders = [sysconfig.get_config_var("WHEEL_PKG_DIR")]  # where a distribution keeps its own
    ensurepip = importlib.util.find_spec("ensurepip")
    if ensurepip and ensurepip.origin:
        folders.append(Path(ensurepip.origin).parent / "_bundled")
    return [wheel for folder in folders if folder for wheel in Path(folder).glob("pip-*.whl")]


def network_settings(listing=None):
    """Return pip's settings about the index, as a dict of long option to value.

    Args:
        listing: str, the output of `pip config list`; None asks pip, and does without the
            configuration files where there is no pip.

    Returns:
        dict such as `{"proxy": "http://proxy:3128"}`. Variables come before the section
        `[download]` and this before `[global]`, as with pip; what is empty counts as unset.
    """
    if listing is None:
        try:
            listing = find_pip()[1]
        except RuntimeError:
            listing = ""
    found = {}
    for section in ("global", "download"):
        for name, value in re.findall(rf"^{section}\.([\w-]+)=('.*'|\".*\")$", listing, re.M):
            found[ALIASES.get(name, name)] = ast.literal_eval(value)
    for variable, value in os.environ.items():
        if variable.startswith("PIP_") and value.strip():
            name = variable.removeprefix("PIP_").lower().replace("_", "-")
            found[ALIASES.get(name, name)] = value
    for name, allowed in OF_CERTIFICATES.items():
        found[name] = " ".join(word for word in found.get(name, "").split() if word in allowed)
    return {name: value for name, value in found.items() if name in NETWORK and value.strip()}


def pip_environment(settings, temporary=None):
    """Return the variables for a run of pip that knows `settings` and nothing else of its user's.

    Args:
        settings: dict of long option to value.
        temporary: folder for pip's temporary files; None leaves the usual one.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if value and not name.startswith(("PIP_", "BIGMODEL_")) and name != "PYTHONWARNINGS"
    }
    mine = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}
    if temporary is not None:
        mine |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    return {
        **kept,
        **mine,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONIOENCODING": "utf-8",
        "PYTHONSAFEPATH": "1",  # a file of the reader's named like one of pip's modules
    }


def complaints(output):
    """Pick the lines that say what went wrong out of all that pip printed."""
    lines = [line.rstrip()[:400] for line in output.splitlines() if line.strip()]
    causes = [line for line in lines if re.search("connection broken by|Could not fetch", line)]
    errors = [line for line in lines if re.match("ERROR|error", line)]
    chatter = re.compile(r"WARNING|DEPRECATION|\[notice\]|ERROR|Traceback|\s|.*exception.*:$")
    other = [line for line in lines if not chatter.match(line)]
    if "ERROR: Exception:" in errors:
        errors += other[-1:]  # the last line of the traceback says which
    return [line.strip() for line in (causes[-2:] + (errors[-5:] or other[-4:]) or lines[-3:])]
