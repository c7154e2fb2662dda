"""What is required, declared and pinned agrees, for each supported Python."""

import ast
import functools
import importlib.metadata
import json
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LISTS = sorted((ROOT / "requirements").glob("*.txt"))
VERSIONS = ["3.11", "3.12", "3.13"]


def requirements(path):
    """Read the requirements of a file, without comments and without other files."""
    lines = [line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("-")]


def everything():
    """Every requirement of the lists and of the helper package, with where it stands."""
    extras = PROJECT["optional-dependencies"].values()
    declared = [*PROJECT["dependencies"], *(line for lines in extras for line in lines)]
    return [(path.stem, need) for path in LISTS for need in requirements(path)] + [
        ("pyproject.toml", Requirement(line)) for line in declared
    ]


def pins():
    """Read `constraints.txt`: name to version."""
    pinned = requirements(ROOT / "constraints.txt")
    assert all(re.fullmatch(r"==[^*,]+", str(pin.specifier)) and not pin.marker for pin in pinned)
    names = [canonicalize_name(pin.name) for pin in pinned]
    assert names == sorted(set(names)), "constraints.txt is not sorted, or names one twice"
    return dict(zip(names, (str(pin.specifier).removeprefix("==") for pin in pinned), strict=True))


def test_supported_pythons():
    bounds = SpecifierSet(PROJECT["requires-python"])
    assert [f"3.{minor}" for minor in range(20) if f"3.{minor}" in bounds] == VERSIONS


@pytest.mark.parametrize(("where", "need"), everything(), ids=str)
def test_a_requirement_has_a_floor_and_the_tested_version_is_within_its_bounds(where, need):
    assert [bound.operator for bound in need.specifier].count(">=") == 1
    assert need.specifier.contains(pins()[canonicalize_name(need.name)])


def test_a_package_that_stands_in_two_places_has_the_same_bounds_in_both():
    bounds = {}
    for _, need in everything():
        bounds.setdefault(canonicalize_name(need.name), set()).add(str(need.specifier))
    assert {name: both for name, both in bounds.items() if len(both) > 1} == {}
    assert bounds["tensorflow-cpu"] == bounds["tensorflow"]
    assert pins()["tensorflow-cpu"] == pins()["tensorflow"]


def test_the_whole_list_has_every_list_and_one_backend():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    named = set(re.findall(r"^-r requirements/(.+)\.txt$", text, re.M))
    assert named == {path.stem for path in LISTS} - {"tensorflow-cpu", "jax", "torch"}


@functools.cache
def declared_by(name):
    """Read what an installed package needs; nothing if it is of another Python or backend."""
    try:
        return [Requirement(line) for line in importlib.metadata.requires(name) or []]
    except importlib.metadata.PackageNotFoundError:
        return []


def needed(names, python):
    """Walk what installed packages need on a Python version, Linux and x86_64.

    Args:
        names: list of Requirement to start with.
        python: str, such as `"3.13"`.

    Returns:
        set of str, the canonical names of everything that pip would install there.
    """
    machine = {"python_version": python, "python_full_version": f"{python}.0"}
    machine |= {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    machine |= {"platform_machine": "x86_64", "implementation_name": "cpython"}
    waiting, seen = [(need.name, need.extras) for need in names], set()
    while waiting:
        name, extras = waiting.pop()
        if (canonicalize_name(name), frozenset(extras)) in seen:
            continue
        seen.add((canonicalize_name(name), frozenset(extras)))
        for need in declared_by(name):
            settings = [{**machine, "extra": extra} for extra in ["", *extras]]
            if need.marker is None or any(need.marker.evaluate(one) for one in settings):
                waiting.append((need.name, need.extras))
    return {name for name, _ in seen}


@pytest.mark.parametrize("python", VERSIONS)
def test_every_package_is_pinned_on_every_python(python):
    names = needed([need for _, need in everything()], python)
    assert len(names) > 100  # the walk does see what is installed
    assert names - set(pins()) == set()


def test_what_one_python_alone_needs_is_seen():
    """The walk above would not prove much if it took every Python for this one."""
    librosa = [Requirement("librosa")]
    assert "standard-aifc" in needed(librosa, "3.13")
    assert "standard-aifc" not in needed(librosa, "3.11")


def test_the_style_of_commits_is_checked_by_the_tested_versions():
    """The hooks of pre-commit name versions of their own."""
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    hooks = dict(re.findall(r"repo: https://github.com/\S+/(\S+)\n    rev: v?(\S+)", text))
    tested = pins()
    assert hooks["ruff-pre-commit"] == tested["ruff"]
    assert hooks["nbstripout"] == tested["nbstripout"]
    assert hooks["codespell"] == tested["codespell"]


def backends_imported(code):
    """List the backends that a piece of code imports on every backend, not on that one alone."""
    tree = ast.parse(re.sub(r"^(\s*)[%!].*$", r"\1pass", code, flags=re.M))
    names = [a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names]
    names += [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)]
    return [name for name in names if name.split(".")[0] in ("tensorflow", "jax", "torch")]


NOTEBOOKS = sorted([*ROOT.glob("*.ipynb"), *(ROOT / "chapters").glob("*.ipynb")])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_where_one_backend_is_installed(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 10
    assert [name for text in code for name in backends_imported(text)] == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import numpy\nimport tensorflow as tf", ["tensorflow"]),
        ("from jax import numpy", ["jax"]),
        ("%matplotlib inline\nimport torch.nn", ["torch.nn"]),
        ("if backend == 'tensorflow':\n    import tensorflow as tf", []),
        ("def f():\n    import torch", []),
        ("from . import x", []),
    ],
)
def test_an_import_of_a_backend_is_noticed(code, found):
    assert backends_imported(code) == found


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run", "Makefile"])
def test_every_place_names_the_same_pythons(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert f"{', '.join(VERSIONS[:-1])} or {VERSIONS[-1]}" in text
    assert "or later" not in text and set(re.findall(r"Python (3\.\d+)", text)) <= {
        *VERSIONS,
        "3.14",
    }


def test_the_readmes_commands_install_everything_from_the_pins():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = "python -m pip install -r requirements.txt -c constraints.txt --editable ."
    assert text.count(command) == 2  # for POSIX and for Windows
