"""Mistakes are made as announced, judged by the checks alone, and do not touch each other."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import mutants, mutations

ROOT = Path(__file__).parent.parent

AREA = "def area(width, height):\n    return width * height"


def write(folder, *sources, name="made-up"):
    """Write a notebook; a source that begins with `#!` is a check. Cells are called c0, c1, ..."""
    cells = [new_markdown_cell("# Made up", id="title")]
    for k, source in enumerate(sources):
        tags = ["check"] if source.startswith("#!") else []
        cells.append(new_code_cell(source, id=f"c{k}", metadata={"tags": tags}))
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def report(folder, *sources, listed=(), **limits):
    return mutants.report(write(folder, *sources), dict(listed), mutants.Limits(**limits))


def outcome(found):
    """Map each change to the check that refuses it, or to None."""
    return {m.mutation.change: m.killed_by or None for m in found.mistakes if m.tried()}


def changes(source, imported=("np", "ops", "random")):
    return {m.change for m in mutations.mutations(source, imported)}


# One line of a function and some of the mistakes in it.
KINDS = [
    ("return a + b", {"a + b -> a - b"}),
    ("return a - b", {"a - b -> a + b"}),
    ("return a * b / c", {"a * b / c -> a * b * c", "a * b -> a / b"}),
    ("return a ** b", {"a ** b -> a * b"}),
    ("return a // b % c", {"a // b % c -> a // b // c", "a // b -> a * b"}),
    ("return a @ b", {"a @ b -> b @ a"}),
    ("return a & b | c", {"a & b | c -> a & b & c", "a & b -> a | b"}),
    ("return -a", {"-a -> a"}),
    ("return not a", {"not a -> a"}),
    ("return ~a", {"~a -> a"}),
    ("return a < b", {"a < b -> a <= b"}),
    ("return a >= b", {"a >= b -> a > b"}),
    ("return a == b", {"a == b -> a != b"}),
    ("return a is b", {"a is b -> a is not b"}),
    ("return a in b", {"a in b -> a not in b"}),
    ("return a < b <= c", {"a < b <= c -> a <= b <= c", "a < b <= c -> a < b < c"}),
    ("return a and b", {"a and b -> a or b"}),
    ("return 3 * a", {"3 -> 4"}),
    ("return 0.5 * a", {"0.5 -> 0.55"}),
    ("return 1e-9 + a", {"1e-09 -> 0.0"}),
    ("return f(a, keepdims=True)", {"True -> False"}),
    ("return a.sum(axis=0)", {"0 -> 1", "a.sum -> a.mean"}),
    ("return a.sum(axis=1)", {"1 -> 0"}),
    ("return a.sum(axis=-1)", {"-1 -> 0"}),
    ("return a.sum(axis=2)", {"2 -> 1"}),
    ("return a.argmax()", {"a.argmax -> a.argmin"}),
    ("return max(a, b)", {"max -> min"}),
    ("return np.maximum(a, b)", {"np.maximum -> np.minimum"}),
    ("return np.exp(a)", {"np.exp -> np.expm1"}),
    ("return np.abs(a)", {"np.abs(a) -> a"}),
    ("return a.copy()", {"a.copy() -> a"}),
    ("return np.clip(a, b, c)", {"np.clip(a, b, c) -> a"}),
    ("return ops.stop_gradient(a)", {"ops.stop_gradient(a) -> a"}),
    ("return sorted(a)", {"sorted(a) -> a"}),
    ("return a.T", {"a.T -> a"}),
    ("return f(a, b)", {"f(a, b) -> f(b, a)"}),
    ("return np.where(a, b, c)", {"np.where(a, b, c) -> np.where(a, c, b)"}),
    ("return a, b + 1", {"(a, b + 1) -> (b + 1, a)"}),
    ("return a[b:]", {"b: -> b:-1", "b -> b + 1"}),
    ("return a[:b]", {":b -> 1:b", "b -> b - 1"}),
    ("return a[1:]", {"1: -> 1:-1", "1 -> 2"}),
    ("return a[::-1]", {"::-1 -> :"}),
    ("return [f(k) for k in range(a)]", {"a -> a - 1", "range(a) -> range(1, a)"}),
    ("return [f(k) for k in range(a, b)]", {"a -> a + 1", "b -> b - 1"}),
    ("return [k for k in a if k > b]", {"k > b -> True", "k > b -> k >= b"}),
    ("return a if b > c else c", {"b > c -> not b > c", "a if b > c else c -> a"}),
    ("a += b; return a", {"a += b -> a -= b", "a += b -> (left out)"}),
    ("a = f(a); return a", {"a = f(a) -> (left out)"}),
    ("a[0] = b; return a", {"a[0] = b -> (left out)", "0 -> 1"}),
    ("a.append(b); return a", {"a.append(b) -> (left out)"}),
    ("assert a; return b", {"assert a -> (left out)"}),
    ("if a: raise ValueError('a is 1')", {"a -> False", "a -> not a"}),
    ("if a: b.append(a)", {"a -> True", "a -> not a", "b.append(a) -> (left out)"}),
    ("return lambda a, k=2: a + k", {"a + k -> a - k", "2 -> 3"}),
]


@pytest.mark.parametrize(("line", "expected"), KINDS, ids=[line for line, _ in KINDS])
def test_each_kind_of_mistake_is_made(line, expected):
    found = changes(f"def function(a, b, c):\n    {line}")
    assert expected <= found, found


def test_default_arguments_and_inner_functions_are_changed():
    source = "def outer(a, k=2, *, flag=True):\n    def inner(b):\n        return b - k\n"
    source += "    return inner(a)"
    assert changes(source) == {"2 -> 3", "True -> False", "b - k -> b + k"}


@pytest.mark.parametrize(
    "line",
    [
        '"""Twice 2."""; return a',
        "print(2 * a)",
        "raise ValueError(2 * 3)",
        "return f'{2 * a}'",
        "b: 2 * 3 = a; return b",
        "return max(a, a)",
        "return a",
    ],
)
def test_what_no_check_can_judge_is_left_alone(line):
    found = changes(f"def function(a):\n    {line}")
    assert not any("2" in change or "3" in change or "a, a" in change for change in found)


def test_a_mistake_is_the_only_change_and_knows_its_place():
    source = "x = 1\n\n\ndef area(a, b=3):\n    c = a * b\n    return c + c + c\n"
    found = mutations.mutations(source)
    original = ast.unparse(ast.parse(source).body[1])
    assert [(m.line, m.change) for m in found] == [
        (4, "3 -> 4"),
        (5, "a * b -> a / b"),
        (6, "c + c + c -> c + c - c"),
        (6, "c + c -> c - c"),
    ]
    assert [list(m.reached_by) for m in found] == [[5, 6], [5], [6], [6]]
    assert {m.function for m in found} == {"area"} and found[1].text == "c = a * b"
    for m in found:
        pairs = zip(original.splitlines(), m.source().splitlines(), strict=True)
        assert sum(a != b for a, b in pairs) == 1


def test_equal_changes_on_a_line_are_numbered():
    found = mutations.mutations("def f(a):\n    return a[0] + a[0]")
    assert [m.change for m in found if m.change.startswith("0")] == ["0 -> 1", "0 -> 1 (no. 2)"]
    assert len({m.source() for m in found}) == len(found)


def test_checks_that_catch_everything(tmp_path):
    found = report(tmp_path, AREA, "#!\nassert area(2, 3) == 6")
    assert outcome(found) == {"width * height -> width / height": "c1"}
    row = {"killed": 1, "tried": 1, "equivalent": 0, "share": 1.0, "reached": 1, "left_out": []}
    assert found.row() == row


def test_checks_that_catch_nothing(tmp_path):
    found = report(tmp_path, AREA, "#!\narea(2, 3)", "#!\nassert area(2, 1) == 2")
    assert outcome(found) == {"width * height -> width / height": None}
    assert found.mistakes[0].accepted_by == ["c1", "c2"]
    assert found.row()["share"] == 0
    text = mutants.show(found, verbose=False)
    for part in ("area, line 2 of cell c0", "return width * height", "accepted by c1, c2"):
        assert part in text


def test_checks_that_catch_some(tmp_path):
    source = "def clamp(x, low=0, high=9):\n    return max(low, min(x, high))"
    found = report(tmp_path, source, "#!\nassert clamp(5) == 5", "#!\nassert clamp(-1) == 0")
    assert outcome(found) == {
        "0 -> 1": "c2",
        "9 -> 10": None,
        "max -> min": "c1",
        "min -> max": "c1",
    }
    assert found.row()["share"] == 0.75
    assert "refused by c2: clamp" in mutants.show(found, verbose=True)
    assert "refused" not in mutants.show(found, verbose=False)


def test_only_lines_that_a_check_executes_count(tmp_path):
    source = "def size(x):\n    if x < 0:\n        return -x\n    return x\n\n\n"
    source += "def unused(x):\n    return x + 1"
    found = report(tmp_path, source, "#!\nassert size(2) == 2")
    lines = {m.mutation.line for m in found.mistakes}
    assert lines == {2}


def test_functions_of_checks_are_not_changed(tmp_path):
    check = "#!\ndef by_hand(a, b):\n    return a * b\n\n\nassert area(2, 3) == by_hand(2, 3)"
    found = report(tmp_path, AREA, check)
    assert {m.mutation.function for m in found.mistakes} == {"area"}


def test_a_mistake_that_never_ends_is_stopped(tmp_path):
    source = "def turn(k, again=False):\n    while again:\n        pass\n    return k"
    found = report(tmp_path, source, "#!\nassert turn(8) == 8")
    assert outcome(found) == {"False -> True": "c1"}
    assert found.mistakes[0].reason == "stopped: it did not end" and found.seconds < 5


def test_a_mistake_that_waits_for_ever_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(mutants, "IDLE_SECONDS", 0.2)
    source = "import time\n\n\ndef wait(pause=0):\n    time.sleep(1000 * pause)"
    found = report(tmp_path, source, "#!\nassert wait() is None")
    assert outcome(found)["0 -> 1"] == "c1"


def test_a_mistake_that_wants_too_much_memory_is_stopped(tmp_path):
    source = "def block(n):\n    return len(bytearray(n // 10**4))"
    found = report(tmp_path, source, "#!\nassert block(10**5) > 5", memory=10**8)
    reasons = {m.mutation.change: m.reason for m in found.mistakes}
    assert reasons["n // 10 ** 4 -> n * 10 ** 4"].startswith("MemoryError"), "a gigabyte"


def test_a_mistake_that_ends_the_process_is_refused(tmp_path):
    source = "import os\n\n\ndef go(x):\n    if x < 0:\n        os.abort()\n    return x"
    found = report(tmp_path, source, "#!\nassert go(1) == 1")
    assert outcome(found)["x < 0 -> not x < 0"] == "c1"


def test_what_a_mistake_does_to_the_notebook_is_gone_with_it(tmp_path):
    setup = "table, log = [3, 1, 2], []\n\n\ndef smallest(xs):\n    ys = xs.copy()\n    ys.sort()\n"
    setup += "    xs_seen = len(xs)\n    return ys[0] + 0 * xs_seen"
    first = "#!\nlog.append(len(log))\nassert smallest(table) == 1 and log == [0]"
    second = "#!\nsmallest(table)\nassert table == [3, 1, 2] and log == [0]"
    found = report(tmp_path, setup, first, second)
    assert found.left_out == {}
    by_change = outcome(found)
    assert by_change["xs.copy() -> xs"] == "c2", "it sorts the notebook's own list"
    assert by_change["0 -> 1"] == "c1", "the first of two equal changes"
    assert by_change["ys.sort() -> (left out)"] == "c1"
    assert by_change["0 * xs_seen -> 0 / xs_seen"] is None, "the list is whole in every attempt"


def test_methods_change_for_objects_that_exist_already(tmp_path):
    source = "class Base:\n    pass\n\n\nclass Box(Base):\n    def __init__(self, side=2):\n"
    source += "        super().__init__()\n        self.side = side\n\n    def area(self):\n"
    source += "        return self.side * self.side\n\n    @property\n    def edge(self):\n"
    source += "        return 4 * self.side\n\n    @staticmethod\n    def twice(x):\n"
    source += "        return 2 * x\n\n\nbox = Box()"
    found = report(
        tmp_path, source, "#!\nassert box.area() == 4 and box.edge == 8 and Box.twice(3) == 6"
    )
    assert outcome(found) == {
        "self.side * self.side -> self.side / self.side": "c1",
        "4 * self.side -> 4 / self.side": "c1",
        "4 -> 5": "c1",
        "2 * x -> 2 / x": "c1",
        "2 -> 3": "c1",
    }
    found = report(tmp_path, source, "#!\nassert Box().side == 2")
    assert outcome(found) == {"2 -> 3": "c1", "self.side = side -> (left out)": "c1"}
    reasons = [m.reason for m in found.mistakes if not m.tried()]
    assert len(reasons) == 1 and reasons[0].startswith("cannot be made"), "super() is gone"


def test_functions_change_for_whoever_holds_them(tmp_path):
    source = "def adder(k):\n    def add(x):\n        return x + k\n\n    return add\n\n\n"
    source += "add_two, held = adder(2), [adder(3)]"
    found = report(tmp_path, source, "#!\nassert held[0](add_two(1)) == 6")
    assert outcome(found) == {"x + k -> x - k": "c1"}


def test_a_decorated_function_is_changed(tmp_path):
    source = "import functools\n\n\n@functools.lru_cache\ndef triple(x):\n    return 3 * x"
    found = report(tmp_path, source, "#!\nassert triple(2) == 6")
    assert outcome(found) == {"3 * x -> 3 / x": "c1", "3 -> 4": "c1"}


def test_random_numbers_are_the_same_for_every_mistake(tmp_path):
    setup = "import random\nrandom.seed(0)\nfirst = random.Random(0).random()\n\n\n"
    setup += "def draw(shift=0):\n    return random.random() + shift"
    found = report(tmp_path, setup, "#!\nassert draw() == first")
    assert outcome(found) == {
        "0 -> 1": "c1",
        "random.random() + shift -> random.random() - shift": None,
    }


def test_what_cannot_run_is_left_out_and_said(tmp_path):
    found = report(
        tmp_path,
        AREA,
        "model = 1\nwhile True:\n    model += 0",
        "broken = 1 / 0",
        "#!\nassert area(2, 3) == 6 and model",
        "#!\nassert broken",
        "#!\nwhile area(2, 3):\n    pass",
        "#!\nassert area(1, 1) == 2",
        cell_seconds=0.2,
        check_seconds=1,
    )
    assert list(found.left_out) == ["c1", "c2", "c4", "c5", "c6"]
    assert found.left_out["c1"].startswith("takes more than")
    assert found.left_out["c2"] == "ZeroDivisionError: division by zero"
    assert found.left_out["c4"] == "NameError: name 'broken' is not defined"
    assert found.left_out["c5"] == "stopped: it did not end"
    assert found.left_out["c6"].startswith("AssertionError")
    assert outcome(found) == {"width * height -> width / height": "c3"}
    assert "left out: cell c5: stopped" in mutants.show(found, verbose=False)


def test_only_cells_that_the_checks_need_are_run(tmp_path):
    path = write(
        tmp_path,
        "import math",
        "k = 1",
        AREA,
        "table = []",
        "table.append(3)",
        "for row in table:\n    print(row)",
        "unused = area(1, 2)",
        "def near(a, b):\n    return math.isclose(a, b)",
        "k = 2",
        "#!\nassert near(area(2, table[0]), 6 * k / 2)",
        "after = 1",
    )
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert [c.id for c in mutants.needed(cells)] == ["c0", "c2", "c3", "c4", "c7", "c8", "c9"]


def test_the_sample_is_of_the_size_asked_for_and_depends_on_the_text_alone(tmp_path):
    lines = "".join(f"    x = x * {k} + 1\n" for k in range(2, 102))
    source = f"def long(x):\n{lines}    return x"
    cells = [new_code_cell(source, id="a"), new_code_cell("#!\nlong(2)", id="b")]
    cells[1].metadata["tags"] = ["check"]
    sampled = [m.key() for m in mutants.list_mistakes(cells, "made-up", 100) if m.sampled]
    assert 75 < len(sampled) < 125
    cells[0].source = "# another line above\n" + source
    assert sampled == [m.key() for m in mutants.list_mistakes(cells, "made-up", 100) if m.sampled]
    other = [m.key() for m in mutants.list_mistakes(cells, "other", 100) if m.sampled]
    assert sampled != other
    more = [m.key() for m in mutants.list_mistakes(cells, "made-up", 200) if m.sampled]
    assert set(sampled) < set(more)


def test_survivors_that_make_no_difference_are_listed_with_the_reason(tmp_path):
    source = "def first(xs, k=0):\n    return xs[k] + 0 * k"
    check = "#!\nassert first([5, 5]) == 5"
    key = ("first", "return xs[k] + 0 * k", "xs[k] + 0 * k -> xs[k] - 0 * k")
    found = report(tmp_path, source, check, listed={key: "adds zero"})
    assert found.row()["equivalent"] == 1 and found.stale == []
    row, bare = found.row(), report(tmp_path, source, check).row()
    assert row["killed"] == bare["killed"] and row["share"] > bare["share"]
    assert row["share"] == round(row["killed"] / (row["tried"] - 1), 3)
    assert "adds zero" in mutants.show(found, verbose=True)
    assert key[2] not in mutants.show(found, verbose=False)


def test_stale_entries_are_reported(tmp_path):
    gone = ("area", "return width + height", "width + height -> width - height")
    wrong = ("area", "return width * height", "width * height -> width / height")
    found = report(tmp_path, AREA, "#!\nassert area(2, 3) == 6", listed={gone: "x", wrong: "y"})
    assert found.stale == [
        "area: return width + height: width + height -> width - height: there is no such mistake",
        "area: return width * height: width * height -> width / height: check c1 refuses it",
    ]
    assert found.row()["equivalent"] == 0 and found.row()["share"] == 1
    assert all(text in mutants.show(found, verbose=False) for text in found.stale)


def test_an_entry_that_is_not_in_the_sample_is_not_stale(tmp_path):
    key = ("area", "return width * height", "width * height -> width / height")
    found = report(tmp_path, AREA, "#!\narea(2, 3)", listed={key: "x"}, most=0)
    assert found.stale == [] and found.row()["tried"] == 0 and found.row()["share"] == 0
    assert found.row()["reached"] == 1


def test_an_entry_without_a_reason_is_refused(tmp_path):
    path = tmp_path / "list.toml"
    path.write_text(
        '[[a-b]]\nfunction = "f"\nline = "x"\nchange = "x -> y"\nwhy = "same"\n', encoding="utf-8"
    )
    assert mutants.read_equivalents(path) == {"a-b": {("f", "x", "x -> y"): "same"}}
    path.write_text(
        '[[a-b]]\nfunction = "f"\nline = "x"\nchange = "x -> y"\nwhy = ""\n', encoding="utf-8"
    )
    with pytest.raises(SystemExit, match="an entry of a-b has no why"):
        mutants.read_equivalents(path)


def test_the_list_of_equivalents_fits_the_chapters():
    listed = mutants.read_equivalents(mutants.EQUIVALENT)
    for slug, entries in listed.items():
        (path,) = mutants.choose(ROOT / "chapters", [slug])
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        known = {m.key() for m in mutants.list_mistakes(cells, slug, 0)}
        assert set(entries) <= known, f"{slug}: {sorted(set(entries) - known)}"


@pytest.mark.parametrize("bad", [["no-such"], ["made-up", "no-such"], ["made-up.ipynb"]])
def test_an_unknown_chapter_is_one_clear_error(tmp_path, bad):
    write(tmp_path, AREA)
    message = rf"No chapter is called '{bad[-1]}'. There are: made-up\."
    with pytest.raises(SystemExit, match=message):
        mutants.choose(tmp_path, bad)


def test_no_name_means_every_chapter(tmp_path):
    paths = [write(tmp_path, AREA, name=name) for name in ("b", "a")]
    assert mutants.choose(tmp_path, []) == sorted(paths)


def test_the_record_keeps_the_chapters_that_were_not_tried(tmp_path):
    path = tmp_path / "recorded" / "mutants.json"
    found = report(tmp_path, AREA, "#!\nassert area(2, 3) == 6")
    mutants.write_record(path, [found], 0.5, "2026-01-01")
    other = mutants.Report("another", [], {"c1": "takes too long"}, [], 1.0)
    mutants.write_record(path, [other], 0.4, "2026-01-02")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert (record["date"], record["core_speed"]) == ("2026-01-02", 0.4)
    assert list(record["chapters"]) == ["another", "made-up"]
    assert record["chapters"]["made-up"] == found.row()
    assert record["chapters"]["another"]["left_out"] == ["c1"]


def test_the_command_finds_the_same_in_a_process_with_another_hash_seed(tmp_path):
    lines = "".join(f"    x = x * {k} + 1\n" for k in range(2, 12))
    sources = f"def long(x):\n{lines}    return x", "#!\nassert long(2) > 10**8"
    found = report(tmp_path, *sources, most=20)
    command = [sys.executable, "-m", "tools.mutants", "--folder", str(tmp_path), "--most", "20"]
    finished = subprocess.run(
        [*command, "--core-speed", "1", "--verbose", "made-up"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "12"},
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    assert 10 < found.row()["tried"] < 30 and 0 < found.row()["share"] < 1
    assert mutants.show(found, verbose=True) in finished.stdout
    assert mutants.table([found]) in finished.stdout
