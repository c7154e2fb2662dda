"""The page of results and the chapters' times are made from records, and are up to date."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import chapter_graph, measure, results

ROOT = Path(__file__).parent.parent
RECORDED = ROOT / "benchmarks" / "recorded"
NOT_TABLES = {"minutes", "mutants", "full"}
BUDGET = 130  # reference seconds of a chapter


def test_everything_that_is_made_is_up_to_date():
    stale = [
        path.relative_to(ROOT).as_posix()
        for path, text in results.made_files(ROOT).items()
        if path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run python tools/results.py"


def test_every_record_is_shown_and_says_how_it_was_measured():
    page = (ROOT / "results.md").read_text(encoding="utf-8")
    records = [path for path in RECORDED.glob("*.json") if path.stem not in NOT_TABLES]
    assert len(records) >= 5
    for path in records:
        assert f"<!-- made: record {path.stem} -->" in page, f"results.md does not show {path.name}"
        record = json.loads(path.read_text(encoding="utf-8"))
        assert set(record) == set(
            "caption head script date device core_speed seeds rows".split()
        ), path.name
        assert record["script"] is None or (ROOT / "benchmarks" / record["script"]).is_file()
        for row in record["rows"].values():
            assert row, f"{path.name}: a row without values"
            for value in row.values():
                assert value.get("low", value["value"]) <= value["value"]
                assert value.get("high", value["value"]) >= value["value"]


def test_every_chapter_has_a_measured_time_and_nothing_else_has():
    slugs = {path.stem for path in results.chapters(ROOT)}
    assert set(results.read(ROOT, "minutes")) == slugs


@pytest.mark.parametrize("slug", sorted(results.read(ROOT, "minutes")))
def test_a_chapter_keeps_its_budget_and_says_how_long_it_was_measured_to_take(slug):
    row = results.read(ROOT, "minutes")[slug]
    if row["core_speed"]:
        assert row["cpu_seconds"] / row["core_speed"] <= BUDGET, "reference seconds of computing"
    assert row["peak_mb"] <= measure.LIMIT_MB
    path = ROOT / "chapters" / f"{slug}.ipynb"
    prose = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    assert re.findall(r"^\*\*Time\*\*:.*$", prose, flags=re.M) == [results.time_line(row)]


@pytest.mark.parametrize(
    ("seconds", "speed", "said"),
    [
        (20, 0.4, "one minute of"),
        (24, 0.4, "one minute of"),
        (25, 0.4, "two minutes of"),
        (61, None, "two minutes of"),
        (0.2, 1.0, "one minute of"),
        (3600, 2.0, "30 minutes of"),
    ],
)
def test_minutes_are_those_of_the_reference_core_rounded_up(seconds, speed, said):
    assert f"about {said} computing" in results.time_line(
        {"cpu_seconds": seconds, "core_speed": speed}
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"value": 0.433}, "0.433"),
        ({"value": 0.29}, "0.290"),
        ({"value": 0.0009}, "0.0009"),
        ({"value": 0.0074}, "0.0074"),
        ({"value": 0.005}, "0.005"),
        ({"value": 0.000003}, "0.000003"),
        ({"value": 2.7e-8}, "3e-08"),
        ({"value": 0.0}, "0.000"),
        ({"value": 35.9}, "35.9"),
        ({"value": 1234.4, "unit": "s"}, "1,234"),
        ({"value": 31, "unit": "ms"}, "31.0"),
        ({"value": 0.011, "low": 0.0062, "high": 0.0196}, "0.011 (0.0062, 0.020)"),
    ],
)
def test_a_value_is_shown_with_its_interval(value, said):
    assert results.shown(value) == said


@pytest.fixture
def course(tmp_path):
    """A copy of what the tool reads, which a test may change."""
    for name in ("_toc.yml", "results.md"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("chapters", "benchmarks/recorded", "_static"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_new_record_bound_or_time_changes_what_is_made(course):
    path = course / "benchmarks" / "recorded" / "speech.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["rows"]["DNN-HMM"]["error"] = {"value": 0.123, "low": 0.1, "high": 0.15}
    record |= {"date": "2027-01-02", "core_speed": 0.5, "seeds": [0, 1]}
    path.write_text(json.dumps(record), encoding="utf-8")
    minutes = course / "benchmarks" / "recorded" / "minutes.json"
    row = {"cpu_seconds": 550, "wall_seconds": 300, "peak_mb": 700, "core_speed": 1.0}
    row |= {"date": "2027-01-02", "device": "2 CPU cores"}
    minutes.write_text(json.dumps({"seq2seq": row}), encoding="utf-8")
    chapter = course / "chapters" / "seq2seq.ipynb"
    text = chapter.read_text(encoding="utf-8")
    call = 'bmu.assert_at_least(exact_dates, 0.95, \\"exact'
    assert call in text
    chapter.write_text(text.replace(call, call.replace("0.95", "0.875")), encoding="utf-8")
    made = results.made_files(course)
    page = made[course / "results.md"]
    facts = "(`speech.py`, seed 0, seed 1, 2 CPU cores, core 0.50, 2 January 2027)"
    assert facts in page and "| 0.123 (0.100, 0.150) |" in page
    assert "at least 0.875" in page
    assert "| {ref}`ch-seq2seq` | 10 | 550 | 300 | 0.7 | 1.00 | 2 January 2027 |" in page
    assert "about ten minutes of computing" in made[chapter]
    assert json.loads(made[chapter])["cells"], "the notebook is still one"
    before, after = text.splitlines(), made[chapter].splitlines()
    changed = [a for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 2, "the bound above and the line of the time"


def test_prose_between_the_tables_is_left_alone(course):
    page = (course / "results.md").read_text(encoding="utf-8")
    assert results.page(course, page.replace("is a contract", "is a promise")) == page.replace(
        "is a contract", "is a promise"
    )


@pytest.mark.parametrize("name", ["record nothing", "nothing", "minutes 3"])
def test_a_mark_that_nothing_makes_is_refused(course, name):
    with pytest.raises(ValueError, match=f"results.md asks for '{name}', which nothing makes"):
        results.page(course, f"<!-- made: {name} -->\n<!-- end -->\n")


def test_a_record_of_mutants_becomes_a_table(course):
    path = course / "benchmarks" / "recorded" / "mutants.json"
    path.unlink(missing_ok=True)
    assert results.mutants_table(course) == "No run has been recorded yet.\n"
    chapters = {"seq2seq": {"killed": 270, "tried": 1300, "equivalent": 5, "share": 0.9}}
    record = {"date": "2026-12-01", "core_speed": 0.4, "chapters": chapters}
    path.write_text(json.dumps(record), encoding="utf-8")
    made = results.mutants_table(course)
    assert "1 December 2026" in made
    assert "| {ref}`ch-seq2seq` | 1,300 | 270 | 5 | 0.90 |" in made


def test_measured_times_are_taken_over_with_the_core_speed(course, monkeypatch):
    with pytest.raises(SystemExit, match="run make test"):
        results.record_minutes(course)
    monkeypatch.setattr("core_speed.core_speed", lambda: 0.376)
    (course / "_build").mkdir()
    row = dict(cpu_seconds=9.0, wall_seconds=8.0, peak_mb=None, date="2027-01-02", cells={"1": 3})
    measured = {"seq2seq": row, "no-chapter": row}
    (course / "_build" / "measured.json").write_text(json.dumps(measured), encoding="utf-8")
    before = results.read(course, "minutes")
    results.record_minutes(course)
    after = results.read(course, "minutes")
    assert after["seq2seq"].pop("device").endswith("CPU cores")
    del row["cells"]
    assert after["seq2seq"] == {**row, "core_speed": 0.38}
    assert "no-chapter" not in after
    assert all(after[slug] == before[slug] for slug in before if slug != "seq2seq")


def test_the_command_says_what_is_out_of_date():
    command = [sys.executable, ROOT / "tools" / "results.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout


def test_chapters_that_are_needed_and_those_that_are_mentioned():
    prose = (
        "**You need** the LSTM of {ref}`ch-b`, {ref}`convolution <ch-c>` and {ref}`sec-d-x`.\n"
        "**Time**: about one minute, unlike {ref}`ch-e`.\n\nSee {ref}`ch-a`, {ref}`x <ch-f>`, "
        "{ref}`ch-c` and {ref}`ex-dnn-ch-g`."
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(prose)])
    needed, mentioned = chapter_graph.references(notebook, "a")
    assert needed == {"b", "c"} and mentioned == {"e", "f"}


def test_the_graph_has_every_chapter_as_a_link_and_every_reference_as_a_line(course):
    drawn = chapter_graph.drawn(course)
    slugs = [path.stem for path in results.chapters(course)]
    assert re.findall(r'href="chapters/([\w-]+)\.html"', drawn) == slugs
    pairs = [
        (slug, chapter_graph.references(nbformat.read(path, as_version=4), slug))
        for slug, path in zip(slugs, results.chapters(course), strict=True)
    ]
    needs = sum(len(needed) for _, (needed, _) in pairs)
    assert needs >= 5 and drawn.count('class="line"') == needs
    assert drawn.count('class="line mention"') == sum(len(also) for _, (_, also) in pairs)
    assert 'aria-label="Two-stage detection, which needs One-stage detection"' in drawn
    path = course / "chapters" / "seq2seq.ipynb"
    text = path.read_text(encoding="utf-8").replace(
        "**You need** the chain rule", "**You need** {ref}`ch-word-embeddings`, the chain rule"
    )
    path.write_text(text, encoding="utf-8")
    assert chapter_graph.drawn(course).count('class="line"') == needs + 1
