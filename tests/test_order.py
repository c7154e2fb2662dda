"""Notebooks are ordered by how long they take."""

import json

import pytest

from tools import order


@pytest.fixture
def root(tmp_path):
    """A repository with recorded times of three notebooks, on cores of two kinds."""
    recorded = {
        slug: {"cpu_seconds": seconds, "core_speed": speed}
        for slug, seconds, speed in [("short", 10, 0.5), ("long", 100, 0.5), ("middle", 80, 1.0)]
    }
    (tmp_path / order.RECORDED).parent.mkdir(parents=True)
    (tmp_path / order.RECORDED).write_text(json.dumps(recorded), encoding="utf-8")
    return tmp_path


def measured(root, **seconds):
    (root / order.MEASURED).parent.mkdir()
    rows = {slug: {"cpu_seconds": value} for slug, value in seconds.items()}
    (root / order.MEASURED).write_text(json.dumps(rows), encoding="utf-8")


def ranked(root, *slugs):
    paths = [root / f"{slug}.ipynb" for slug in slugs]
    return [path.stem for path in sorted(paths, key=lambda path: order.place(path, root))]


def test_the_longest_comes_first_and_the_unknown_before_it(root):
    assert ranked(root, "short", "middle", "new", "long") == ["new", "long", "middle", "short"]


def test_what_was_measured_here_counts_more(root):
    measured(root, short=50, middle=20)
    assert ranked(root, "short", "middle") == ["short", "middle"]


def test_recorded_times_are_scaled_to_this_machine(root):
    # Here "short" and "middle" took 40 s together, and 100 reference seconds in the record; so
    # "long" is expected to take 200 * 0.4 s, and stands behind "slow", which took 90 s here.
    measured(root, short=10, middle=30, slow=90)
    assert order.durations(root) == pytest.approx(dict(short=10, middle=30, slow=90, long=80))
    assert ranked(root, "long", "slow") == ["slow", "long"]


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 3}', '{"a": {"cpu_seconds": "x"}}'])
def test_a_damaged_file_of_times_stops_nothing(root, text):
    (root / order.MEASURED).parent.mkdir()
    (root / order.MEASURED).write_text(text, encoding="utf-8")
    assert ranked(root, "short", "long") == ["long", "short"]


def test_no_file_at_all_stops_nothing(tmp_path):
    assert len(ranked(tmp_path, "a", "b")) == 2
