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
        ("one_stage_detection", "one-stage-detection", "NEEDED"),
        ("recurrent_networks", "recurrent-networks", "NEEDED"),
        ("seq2seq", "seq2seq", "NEEDED"),
        ("two_stage_detection", "two-stage-detection", "NEEDED"),
        ("speech_features", "speech-features", "NEEDED"),
        ("speech", "speech-dnn", "NEEDED"),
        ("word_embeddings", "word2vec", "NAMES"),
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
    # A row that the script has learnt to measure since is missing until it runs again.
    rows = list(importlib.import_module(script).ROWS.values())
    assert list(recorded["rows"]) == [row for row in rows if row in recorded["rows"]]
    assert recorded["script"] == f"{script}.py"


def test_the_rows_of_networks_carry_seeds_and_paired_differences():
    module = importlib.import_module("convolutional_networks")
    taught = chapter.definitions("convolutional-networks", ["difference_interval"])
    wrong = {name: np.zeros((2, 1000), bool) for name in module.ROWS}
    wrong["keras_io"][:, :20] = True
    wrong["ours"][0, :10] = wrong["ours"][1, 10:30] = True
    rows = module.recorded_rows(taught, wrong, {name: [10.0, 14.0] for name in module.ROWS})
    ours = rows[module.ROWS["ours"]]
    assert ours["error"]["value"] == 0.015 and ours["error"]["low"] < 0.015 < ours["error"]["high"]
    assert (ours["best seed"]["value"], ours["worst seed"]["value"]) == (0.01, 0.02)
    difference = ours["minus the second row"]
    assert difference["value"] == -0.005 and difference["low"] < -0.005 < difference["high"] < 0.01
    assert ours["CPU seconds"] == {"value": 12.0, "unit": "s"}
    itself = rows[module.ROWS["keras_io"]]["minus the second row"]
    assert itself == {"value": 0.0, "low": 0.0, "high": 0.0}


def _pairs_that_agree_with(vectors, rng, noise=0.0):
    first, second = rng.integers(len(vectors), size=(2, 80))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    human = (unit[first] * unit[second]).sum(axis=1) + noise * rng.normal(size=80)
    return {"list": (first, second, human)}


def test_word_vectors_are_chosen_on_one_half_and_reported_on_the_other():
    module = importlib.import_module("word_embeddings")
    taught = chapter.definitions("word2vec", module.NAMES)
    rng = np.random.default_rng(0)
    right, wrong = rng.normal(size=(2, 60, 5))
    halves = _pairs_that_agree_with(right, rng), _pairs_that_agree_with(right, rng, noise=0.3)
    made = {module.COUNTING: ({"": right}, 7.2), "rival": ({"w": wrong, "w + v": right}, 31.0)}
    made["worse"] = {"w": wrong}, 5.0
    rows = module.summarised(made, taught, halves)
    assert [row["vectors"] for row in rows.values()] == ["", "w + v", "w"]
    table = module.recorded_rows(rows)
    assert [row["CPU seconds"]["value"] for row in table.values()] == [7, 31, 5]
    assert "counting ahead by" not in table[module.COUNTING]
    assert table["rival"]["counting ahead by"] == {"value": 0, "low": 0, "high": 0}
    gap = table["worse"]["counting ahead by"]
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    spread = table["rival"]["correlation"]
    assert 0.3 < spread["low"] < spread["value"] < spread["high"] < 1


def test_the_setting_of_a_rival_is_the_best_of_the_same_tries():
    module = importlib.import_module("word_embeddings")
    taught = chapter.definitions("word2vec", module.NAMES)
    rng = np.random.default_rng(0)
    good, bad = rng.normal(size=(2, 60, 5))
    tried = []

    def run(_, corpus, eta, threshold, passes, seed):
        tried.append((eta, threshold))
        return {"w": bad, "w + v": good if (eta, threshold) == module.TRIES[2] else bad}

    scores = module.tuned(run, taught, None, _pairs_that_agree_with(good, rng), 0)
    assert max(scores, key=scores.get) == module.TRIES[2]
    assert tried == module.TRIES and scores[module.TRIES[0]] > -1


def test_a_setting_that_diverges_is_never_chosen_and_leaves_its_place_in_the_table_empty(
    tmp_path, monkeypatch
):
    module = importlib.import_module("word_embeddings")
    monkeypatch.setattr(module, "write", lambda *args: record.write(*args, folder=tmp_path))
    taught = chapter.definitions("word2vec", module.NAMES)
    rng = np.random.default_rng(0)
    good = rng.normal(size=(60, 5))

    def run(_, corpus, eta, threshold, passes, seed):
        return {"w": np.full((60, 5), np.nan) if eta == 0.2 else good, "w + v": good * np.nan}

    scores = module.tuned(run, taught, None, _pairs_that_agree_with(good, rng), 0)
    assert min(scores, key=scores.get) == (0.2, 1e-4)
    module.record_tries({"a": scores, "b": scores | {(0.2, 1e-4): 0.3}}, 0)
    written = json.loads((tmp_path / "word-embeddings-tried.json").read_text(encoding="utf-8"))
    assert list(written["rows"]["rate 0.2, threshold 0.0001"]) == ["b"]
    assert len(written["rows"]) == len(module.TRIES)


def test_what_the_chapter_says_of_gensim_is_recorded():
    module = importlib.import_module("word_embeddings")
    taught = chapter.definitions("word2vec", module.NAMES)
    rows = json.loads((record.FOLDER / "word-embeddings.json").read_text(encoding="utf-8"))["rows"]
    gensim, counting = rows["gensim's Word2Vec tuned, 5 passes"], rows[module.COUNTING]
    assert gensim["counting ahead by"]["low"] < 0 < gensim["counting ahead by"]["high"]
    assert gensim["CPU seconds"]["value"] > 5 * counting["CPU seconds"]["value"]
    tried = json.loads((record.FOLDER / "word-embeddings-tried.json").read_text(encoding="utf-8"))[
        "rows"
    ]
    own = {
        setting: row["this course's sampler"]
        for setting, row in tried.items()
        if "this course's sampler" in row
    }
    best = max(own, key=lambda setting: own[setting]["value"])
    assert best == f"rate {taught.ETA}, threshold {taught.THRESHOLD:g}" and len(tried) == 5


def test_the_speed_of_a_core_is_that_of_the_best_repeat(monkeypatch):
    clock = iter([0.0, 3.0, 10.0, 11.5, 20.0, 26.0])
    monkeypatch.setattr(core_speed.time, "process_time", lambda: next(clock))
    for work in ("matrices", "memory", "interpreter"):
        monkeypatch.setattr(core_speed, work, lambda *args: None)
    assert core_speed.core_speed(repeats=3) == pytest.approx(0.5)
