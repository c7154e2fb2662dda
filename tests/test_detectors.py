"""Detectors: the package holds the code of the chapters that teach it; its AP is COCO's."""

import ast
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

import bigmodel_utils as bmu

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


TAUGHT = {slug: taught(slug) for slug in ("boxes-and-ap", "one-stage-detection")}


@pytest.mark.parametrize("name", PACKAGED)
def test_one_chapter_shows_what_the_package_holds(name):
    shown = [functions[name] for functions in TAUGHT.values() if name in functions]
    assert shown == [PACKAGED[name]]


def test_the_later_chapters_use_all_of_it_and_repeat_none():
    slugs = ("one-stage-detection", "two-stage-detection")
    source = ""
    for slug in slugs:
        cells = nbformat.read(ROOT / "chapters" / f"{slug}.ipynb", as_version=4).cells
        source += "\n".join(c.source for c in cells if c.cell_type == "code")
    used = {
        name for name in PACKAGED if f"detectors.{name}" in source or f"    {name},\n" in source
    }
    within = {
        node.id
        for code in PACKAGED.values()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Name)
    }
    assert set(PACKAGED) - used - within == set()
    assert not set(PACKAGED) & set(taught("two-stage-detection"))


def coco_case(rng, kind):
    """Random truth, labels and detections; sides and places that are exact or not in binary."""
    scale, shift = [(1, 0), (0.1, 0.064), (0.37, 9.364), (1 / 3, 0.1)][kind]

    def boxes(n):
        low = rng.integers(0, 11, (n, 2))
        return np.concatenate([low, rng.integers(low + 1, 13)], axis=1) * scale + shift

    truth = [boxes(n) for n in [1, *rng.integers(0, 5, 2)]]
    labels = [rng.integers(0, 2, len(t)) for t in truth]
    found = []
    for own in truth:
        m = rng.integers(0, 9)
        near = own[rng.integers(len(own), size=m)] if len(own) and rng.random() < 0.8 else boxes(m)
        near = near + scale * rng.integers(0, 3, near.shape) * [-1, -1, 1, 1]
        found.append((near, rng.integers(1, 6, m) / 6, rng.integers(0, 2, m)))
    return truth, labels, found


def test_our_ap_is_that_of_coco_on_a_thousand_random_cases():
    from bigmodel_utils import detectors

    rng, thresholds = np.random.default_rng(0), np.linspace(0.5, 0.95, 10)
    for case in range(1000):
        truth, labels, found = coco_case(rng, case % 4)
        theirs = bmu.coco_average_precision(truth, labels, found, 2)
        wanted, given = (thresholds, "AP") if case % 2 else ([0.75], "AP75")
        ours = detectors.coco_ap(truth, labels, found, wanted)
        assert ours == pytest.approx(theirs[given], abs=1e-9), case


def test_an_iou_that_equals_a_threshold_is_rounded_as_coco_rounds_it():
    from bigmodel_utils import detectors

    truth, label = [np.array([[9.364, 5.562, 29.364, 19.562]])], [np.zeros(1, int)]
    found = [(np.array([[9.364, 5.562, 23.364, 19.562]]), np.ones(1), np.zeros(1, int))]
    theirs = bmu.coco_average_precision(truth, label, found, 1)["AP"]
    ours = detectors.coco_ap(truth, label, found, np.linspace(0.5, 0.95, 10))
    assert ours == pytest.approx(theirs, abs=1e-9)


def test_the_package_alone_does_not_import_keras():
    code = "import sys, bigmodel_utils; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
