"""Make the page of results, and the time each chapter names, from what was measured and asserted.

    python tools/results.py                     everything that is made is made again
    python tools/results.py --check             only say what is out of date
    python tools/results.py --record-minutes    first take over the times of the last `make test`

The page `results.md` keeps its prose; each table stands between two marks and comes from the files
in `benchmarks/recorded/` or from the chapters' own assertions. `make test` fails if one of them is
out of date.
"""

import argparse
import datetime
import json
import math
import os
import re
import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from tools import bounds, chapter_graph, order  # noqa: E402  (found through the line above)

BLOCK = re.compile(r"(<!-- made: ([\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)
TIME = re.compile(r"\*\*Time\*\*:[^\n\"\\]*")
WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()


def chapters(root):
    """List the chapters in the book's order.

    Args:
        root: Path of the repository.

    Returns:
        list of Paths of notebooks.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [root / f"{file}.ipynb" for file in files if file.startswith("chapters/")]


def read(root, name):
    """Read one file of `benchmarks/recorded/`, given without its ending; empty if missing."""
    path = root / "benchmarks" / "recorded" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def reference_minutes(row):
    """Round a measured run up to whole minutes: on the reference core, if its speed is known."""
    return max(1, math.ceil(row["cpu_seconds"] / (row["core_speed"] or 1) / 60))


def time_line(row):
    """Write the line of a chapter's goals that says how long it takes."""
    minutes = reference_minutes(row)
    number = WORDS[minutes] if minutes < len(WORDS) else str(minutes)
    unit = "minute" if minutes == 1 else "minutes"
    return f"**Time**: about {number} {unit} of computing, without a GPU."


def shown(value):
    """Write a value of a record with its interval, to a precision that suits its size."""
    number = _number(value["value"], value.get("unit", ""))
    if "low" not in value:
        return number
    ends = (_number(value[end], value.get("unit", "")) for end in ("low", "high"))
    return f"{number} ({', '.join(ends)})"


def _number(number, unit):
    if unit == "s":
        return f"{number:,.0f}"
    if abs(number) >= 1:
        return f"{number:.1f}"
    if number and abs(number) < 1e-6:
        return f"{number:.0e}"
    if number and abs(number) < 0.01:
        return f"{number:.{max(4, -math.floor(math.log10(abs(number))))}f}".rstrip("0")
    return f"{number:.3f}"


def date(text):
    """Write an ISO date as a reader does: 25 November 2026."""
    day = datetime.date.fromisoformat(text)
    return f"{day.day} {day:%B %Y}"


def table(heads, rows):
    """Write a table in Markdown; no table without rows."""
    if not rows:
        return ""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def minutes_table(root):
    """Write the table of what each chapter costs."""
    measured = read(root, "minutes")
    rows = [
        [
            f"{{ref}}`ch-{path.stem}`",
            str(reference_minutes(row)),
            f"{row['cpu_seconds']:.0f}",
            f"{row['wall_seconds']:.0f}",
            "" if row["peak_mb"] is None else f"{row['peak_mb'] / 1000:.1f}",
            "" if row["core_speed"] is None else f"{row['core_speed']:.2f}",
            date(row["date"]),
        ]
        for path in chapters(root)
        if (row := measured.get(path.stem))
    ]
    heads = ["chapter", "minutes", "CPU seconds", "seconds", "peak memory, GB", "core", "measured"]
    return table(heads, rows)


def bounds_tables(root):
    """Write what every chapter asserts, one table for each."""
    made = []
    for path in chapters(root):
        notebook = nbformat.read(path, as_version=4)
        rows = [
            [row["label"], f"{{ref}}`{row['section']}`" if row["section"] else "", _asserted(row)]
            for row in bounds.asserted(notebook)
        ]
        heads = ["what is measured", "where", "asserted"]
        title = re.search(r"^# (.+)$", notebook.cells[0].source, flags=re.M)[1].strip()
        made.append(f"### {title}\n\n{table(heads, rows)}")
    return "\n".join(made)


def _asserted(row):
    quick, full = (row[profile] for profile in bounds.PROFILES)
    if quick == full:
        return quick
    if quick is None:
        return f"{full}, in `full` only"
    return f"{quick}, in `quick` only" if full is None else f"{quick}; `full`: {full}"


def full_table(root):
    """Write the table of the larger runs."""
    rows = []
    for row in read(root, "full")["rows"]:
        values = [f"{name} {shown(v)}".strip() for name, v in row["values"].items()]
        when = [row["device"], date(row["date"])] if values else ["", ""]
        result = "; ".join(values) or "not yet recorded"
        rows.append([f"{{ref}}`ch-{row['chapter']}`", row["what"], result, *when])
    return table(["chapter", "what is measured", "result", "device", "date"], rows)


def record_table(root, name):
    """Write the table of one benchmark, with its caption and what one must know to judge it."""
    record = read(root, name)
    columns = list(dict.fromkeys(c for row in record["rows"].values() for c in row))
    rows = [
        [label, *(shown(row[c]) if c in row else "" for c in columns)]
        for label, row in record["rows"].items()
    ]
    facts = [f"seed {seed}" for seed in record["seeds"]] + [record["device"]]
    if record["core_speed"] not in (None, 1.0):
        facts.append(f"core {record['core_speed']:.2f}")
    facts.append(date(record["date"]))
    if record["script"]:
        facts.insert(0, f"`{record['script']}`")
    return f"{record['caption']} ({', '.join(facts)}):\n\n{table([record['head'], *columns], rows)}"


def mutants_table(root):
    """Write how many mistakes the chapters' checks refuse; a sentence if nothing is recorded."""
    record = read(root, "mutants")
    if not record:
        return "No run has been recorded yet.\n"
    rows = [
        [
            f"{{ref}}`ch-{path.stem}`",
            f"{row['tried']:,}",
            f"{row['killed']:,}",
            f"{row['equivalent']:,}",
            f"{row['share']:.2f}",
        ]
        for path in chapters(root)
        if (row := record["chapters"].get(path.stem))
    ]
    heads = ["chapter", "mistakes tried", "refused", "harmless", "share refused"]
    return f"Measured on {date(record['date'])}:\n\n{table(heads, rows)}"


MAKERS = {
    "minutes": minutes_table,
    "bounds": bounds_tables,
    "full": full_table,
    "mutants": mutants_table,
}


def page(root, text):
    """Fill every block between marks.

    Args:
        root: Path of the repository.
        text: str, the page `results.md`.

    Returns:
        str, the page with its tables made again.

    Raises:
        ValueError: if a mark names a table that nothing makes.
    """

    def fill(match):
        kind, _, name = match[2].partition(" ")
        if kind == "record" and read(root, name):
            made = record_table(root, name)
        elif kind in MAKERS and not name:
            made = MAKERS[kind](root)
        else:
            raise ValueError(f"results.md asks for {match[2]!r}, which nothing makes")
        return f"{match[1]}\n{made}\n{match[3]}"

    return BLOCK.sub(fill, text)


def with_time(text, row):
    """Give the text of a notebook's file, with the time that was measured in its goals."""
    return TIME.sub(time_line(row), text, count=1)


def made_files(root):
    """Make everything that is made.

    Args:
        root: Path of the repository.

    Returns:
        dict from Path to str, the text that each file should have.
    """
    minutes = read(root, "minutes")
    made = {root / "results.md": page(root, (root / "results.md").read_text(encoding="utf-8"))}
    for path in chapters(root):
        if path.stem in minutes:
            text = path.read_text(encoding="utf-8")
            made[path] = with_time(text, minutes[path.stem])
    made[root / chapter_graph.TARGET] = chapter_graph.drawn(root)
    return made


def record_minutes(root):
    """Copy the times of the last test run into the record, with this machine's core speed.

    Raises:
        SystemExit: if no notebook has been measured here.
    """
    from core_speed import core_speed

    path = root / order.MEASURED
    if not path.exists():
        raise SystemExit(f"{order.MEASURED} is missing: run make test, or pytest on a notebook")
    measured = json.loads(path.read_text(encoding="utf-8"))
    known = read(root, "minutes")
    speed, slugs = round(core_speed(), 2), {path.stem for path in chapters(root)}
    for slug in slugs & measured.keys():
        row = {key: measured[slug][key] for key in ("cpu_seconds", "wall_seconds", "peak_mb")}
        facts = {"core_speed": speed, "date": measured[slug]["date"]}
        known[slug] = {**row, **facts, "device": f"{os.cpu_count()} CPU cores"}
    text = json.dumps(known, indent=1, sort_keys=True) + "\n"
    (root / order.RECORDED).write_text(text, encoding="utf-8")


def main():
    """Read the command line, make the files, and say which of them changed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if out of date")
    parser.add_argument("--record-minutes", action="store_true", help="take over measured times")
    options = parser.parse_args()
    if options.record_minutes:
        record_minutes(ROOT)
    stale = {
        path: text
        for path, text in made_files(ROOT).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    names = ", ".join(path.relative_to(ROOT).as_posix() for path in stale)
    if options.check and stale:
        raise SystemExit(f"Out of date: {names}. Run: python tools/results.py")
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8", newline="\n")
    print(f"made again: {names}" if stale else "everything is up to date")


if __name__ == "__main__":
    main()
