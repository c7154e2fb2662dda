"""A benchmark measures the chapter's own functions: they must be there, and only they are run."""

import importlib
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import chapter  # noqa: E402  (found through the line above)


@pytest.mark.parametrize(
    ("script", "slug", "constant"),
    [
        ("convolutional_networks", "convolutional-networks", "NEEDED"),
        ("one_stage_detection", "one-stage-detection", "NEEDED"),
        ("seq2seq", "seq2seq", "NEEDED"),
        ("two_stage_detection", "two-stage-detection", "NEEDED"),
        ("speech_features", "speech-features", "NEEDED"),
        ("speech", "speech-dnn", "NEEDED"),
        ("word_embeddings", "word-embeddings", "NAMES"),
    ],
)
def test_every_function_a_benchmark_needs_stands_in_its_chapter(script, slug, constant):
    names = getattr(importlib.import_module(script), constant)
    assert len(names) > 3
    taught = chapter.definitions(slug, names)
    assert all(hasattr(taught, name) for name in names)


def test_definitions_run_no_statement_and_name_what_is_missing(tmp_path, monkeypatch):
    cells = [
        nbformat.v4.new_code_cell("%matplotlib inline\nimport math\nWIDTH = 3\nHALF = WIDTH / 2"),
        nbformat.v4.new_code_cell("def area(r):\n    return math.pi * r**2\nraise RuntimeError"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    monkeypatch.setattr(chapter, "CHAPTERS", tmp_path)
    taught = chapter.definitions("small", ["area", "WIDTH"])
    assert taught.area(1) == pytest.approx(3.14159, abs=1e-5) and taught.WIDTH == 3
    assert not hasattr(taught, "HALF"), "not a literal constant"
    with pytest.raises(KeyError, match="chapter small defines no volume"):
        chapter.definitions("small", ["volume"])
