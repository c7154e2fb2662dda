"""Detectors: the package holds the code of the chapter that teaches it, and nothing else."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent


def definitions(source):
    """Every function and class of a source as its name and its code, without docstrings."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(inner):
                    inner.body = inner.body[1:]
            found[node.name] = ast.unparse(node)
    return found


def taught(slug):
    """All that a chapter defines."""
    cells = nbformat.read(ROOT / "chapters" / f"{slug}.ipynb", as_version=4).cells
    found = {}
    for cell in cells:
        if cell.cell_type == "code" and "find_spec" not in cell.source:
            found |= definitions(cell.source)
    return found


PACKAGED = definitions((ROOT / "bigmodel_utils" / "detectors.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", PACKAGED)
def test_the_chapter_shows_what_the_package_holds(name):
    assert taught("one-stage-detection").get(name) == PACKAGED[name]


def test_the_second_chapter_uses_all_of_it_and_repeats_none():
    cells = nbformat.read(ROOT / "chapters" / "two-stage-detection.ipynb", as_version=4).cells
    source = "\n".join(c.source for c in cells if c.cell_type == "code")
    used = {name for name in PACKAGED if f"detectors.{name}" in source}
    within = {
        node.id
        for code in PACKAGED.values()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Name)
    }
    assert set(PACKAGED) - used - within == set()
    assert not set(PACKAGED) & set(taught("two-stage-detection"))


def test_the_package_alone_does_not_import_keras():
    code = "import sys, bigmodel_utils; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
