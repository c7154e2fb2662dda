"""A benchmark measures the chapter's own functions: they must be there, and only they are run."""

import importlib
import json
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import chapter  # noqa: E402  (found through the line above)
import core_speed  # noqa: E402
import record  # noqa: E402


@pytest.mark.parametrize(
    ("script", "slug", "constant"),
    [
        ("convolutional_networks", "convolutional-networks", "NEEDED"),
        ("convolutional_networks", "from-the-documents", "LISTINGS"),
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


@pytest.mark.parametrize(
    ("arguments", "made"),
    [
        ((0.123456,), {"value": 0.1235}),
        ((np.float32(31), None, "ms"), {"value": 31.0, "unit": "ms"}),
        ((0.011, (0.0061501, 0.0196)), {"value": 0.011, "low": 0.00615, "high": 0.0196}),
        ((2.7296e-08,), {"value": 2.73e-08}),
    ],
)
def test_a_value_keeps_four_digits_its_interval_and_its_unit(arguments, made):
    value = record.value(*arguments)
    assert value == made
    assert json.loads(json.dumps(value)) == made, "plain numbers"


def test_intervals_hold_what_they_should():
    low, high = record.error_interval(11, 1000)
    assert (round(low, 4), round(high, 4)) == (0.0062, 0.0196)
    low, high = record.error_interval(0, 600)
    assert low == pytest.approx(0) and 0 < high < 0.01
    rng = np.random.default_rng(1)
    counts = rng.integers(3, 9, size=400)
    errors = rng.binomial(counts, 0.2)
    low, high = record.ratio_interval(errors, counts)
    assert low < errors.sum() / counts.sum() < high
    # about four standard errors wide, each sqrt(0.2 * 0.8 / 2200)
    assert 0.025 < high - low < 0.045
    assert record.ratio_interval(errors, counts) == (low, high), "drawn from a fixed seed"
    assert record.ratio_interval([1, 1], [2, 2]) == (0.5, 0.5)


def test_a_record_says_where_when_and_how_fast(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "core_speed", lambda: 0.3761)
    rows = {
        "ours": {"error": record.value(0.1, (0.05, 0.2)), "CPU seconds": record.value(3, None, "s")}
    }
    path = record.write("digits", "digits.py", "Digits: error", "network", rows, [0], tmp_path)
    made = json.loads(path.read_text(encoding="utf-8"))
    assert path == tmp_path / "digits.json"
    assert made["rows"] == rows and made["seeds"] == [0] and made["core_speed"] == 0.38
    assert made["device"].endswith("CPU cores") and len(made["date"]) == 10
    assert (made["caption"], made["head"], made["script"]) == (
        "Digits: error",
        "network",
        "digits.py",
    )


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ("convolutional_networks", "convolutional-networks"),
        ("seq2seq", "seq2seq"),
        ("speech", "speech"),
        ("two_stage_detection", "two-stage-detection"),
    ],
)
def test_a_benchmark_names_the_rows_as_its_record_does(script, name):
    recorded = json.loads((record.FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    assert list(importlib.import_module(script).ROWS.values()) == list(recorded["rows"])
    assert recorded["script"] == f"{script}.py"


def test_the_rows_of_networks_carry_intervals_of_errors():
    module = importlib.import_module("convolutional_networks")
    rows = {
        name: {"error": 0.03, "interval": (0.957, 0.979), "cpu_s": 12.3} for name in module.ROWS
    }
    made = module.recorded_rows(rows)
    assert made["LeNet"] == {
        "error": {"value": 0.03, "low": 0.021, "high": 0.043},
        "CPU seconds": {"value": 12.3, "unit": "s"},
    }


def test_the_rows_of_word_vectors_are_the_ones_that_are_compared():
    module = importlib.import_module("word_embeddings")
    measured = [("PPMI + SVD", 5, 0.43), ("warm, step 1", 7, 0.40), ("warm, step 2", 9, 0.41)]
    measured += [("cold, step 1", 10, 0.30), ("cold, step 2", 19, 0.36), ("cold, step 3", 35, 0.38)]
    measured += [("gensim, 1 epochs", 13, 0.22), ("gensim, 1 epochs, w+v", 13, 0.21)]
    measured += [("gensim, 5 epochs", 65, 0.33), ("gensim, 5 epochs, w+v", 65, 0.35)]
    rows = [dict(name=n, seconds=s, mean=m, interval=(m - 0.1, m + 0.1)) for n, s, m in measured]
    made = {
        name: (row["correlation"]["value"], row["CPU seconds"]["value"])
        for name, row in module.recorded_rows(rows).items()
    }
    assert made == {
        "gensim's Word2Vec, 1 epoch": (0.22, 13),
        "gensim's Word2Vec, 5 epochs": (0.35, 65),
        "{ref}`ch-word-embeddings`, PPMI + SVD": (0.43, 5),
        "exact negative sampling, warm start": (0.41, 9),
        "exact negative sampling, random start, 24 steps": (0.38, 35),
        "random start, first step that beats gensim's 5 epochs": (0.36, 19),
    }
    recorded = json.loads((record.FOLDER / "word-embeddings.json").read_text(encoding="utf-8"))
    assert set(made) <= set(recorded["rows"])


def test_the_interval_of_word_vectors_draws_pairs_of_known_words():
    module = importlib.import_module("word_embeddings")
    taught = chapter.definitions("word-embeddings", module.NAMES)
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 5))
    index = {f"w{i}": i for i in range(60)}
    pairs = [(f"w{a}", f"w{b}") for a, b in rng.integers(70, size=(90, 2)) if a != b]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.array([[int(word[1:]) % 60 for word in pair] for pair in pairs])
    agreed = (unit[rows[:, 0]] * unit[rows[:, 1]]).sum(axis=1)
    exact = module.Record(taught, index, {"list": (pairs, agreed)}).interval(vectors)
    assert exact == pytest.approx((1, 1))
    noisy = agreed + rng.normal(size=len(agreed))
    low, high = module.Record(taught, index, {"list": (pairs, noisy)}).interval(vectors)
    assert 0.05 < high - low < 0.8


def test_the_speed_of_a_core_is_that_of_the_best_repeat(monkeypatch):
    clock = iter([0.0, 3.0, 10.0, 11.5, 20.0, 26.0])
    monkeypatch.setattr(core_speed.time, "process_time", lambda: next(clock))
    for work in ("matrices", "memory", "interpreter"):
        monkeypatch.setattr(core_speed, work, lambda *args: None)
    assert core_speed.core_speed(repeats=3) == pytest.approx(0.5)
