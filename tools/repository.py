"""Keep what repeats the repository's address, and the lists of chapters.

The address stands in `_config.yml` (`repository.url`). Links to the website and to Colab, Kaggle
and Binder, the cell that installs the helper package, and the citation file repeat it because those
files are read where `_config.yml` is not. `README.md` and `intro.md` list the chapters between two
marks; the lists are made from `_toc.yml`, the chapters and the record of their minutes.

Run without an address, this file makes the lists anew and moves nothing.
"""

import json
import math
import os
import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.launch import launch_links, site_address  # noqa: E402  (found through the line above)

ADDRESS = re.compile(r"https://github\.com/([A-Za-z0-9-]+)/([A-Za-z0-9._-]+?)(?:\.git)?/?")
SUFFIXES = {".md", ".yml", ".ipynb", ".toml", ".cff", ".txt", ".py"}
BEGIN, END = "<!-- chapters: made by `make repository` -->", "<!-- end of chapters -->"
QUESTION = re.compile(r"Our\s+running\s+question\s+is:\s+\*([^*]+)\*")


def current_address(root):
    """Read the address, such as `https://github.com/owner/name`, from `_config.yml`."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return config["repository"]["url"]


def website(root):
    """Find where the website stands: what `_config.yml` says, or GitHub Pages; ends in a slash."""
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    own = config.get("html", {}).get("baseurl")
    return f"{own.rstrip('/')}/" if own else site_address(owner_and_name(current_address(root)))


def owner_and_name(address):
    """Split a GitHub address.

    Args:
        address: str, `https://github.com/owner/name`, optionally ending in `.git` or a slash.

    Returns:
        str `owner/name`.

    Raises:
        ValueError: if the address is of another form.
    """
    match = ADDRESS.fullmatch(address)
    if match is None:
        raise ValueError(f"{address!r} is not of the form https://github.com/owner/name")
    return f"{match[1]}/{match[2]}"


def text_files(root):
    """List the files of the repository that can name its address.

    Git is not asked: a downloaded archive has none, and in another owner's checkout it refuses.
    What is built or installed is passed over, and so are links to folders elsewhere.

    Args:
        root: Path of the repository.

    Returns:
        sorted list of Paths.
    """
    found = []
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if _is_source(Path(folder, name))]
        paths = (Path(folder, file) for file in files)
        found += [path for path in paths if path.suffix in SUFFIXES and not path.is_symlink()]
    return sorted(found)


def _is_source(folder):
    hidden = folder.name.startswith(".") and folder.name not in (".ci", ".github")
    made = folder.name in ("_build", "build", "__pycache__", "node_modules")
    return not (hidden or made or folder.suffix == ".egg-info" or (folder / "pyvenv.cfg").exists())


def read(path):
    """Read a text with its line endings as they are; None if it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None


def rewrite(root, address):
    """Replace the old `owner/name` by the new one in every file.

    Args:
        root: Path of the repository.
        address: str, the new address.

    Returns:
        list of Paths that changed.

    Raises:
        ValueError: if the address is not a GitHub repository's; nothing is changed then.
    """
    new, old = owner_and_name(address), owner_and_name(current_address(root))
    # Only after a host that serves repositories: the same words elsewhere are left alone.
    hosts = ("github.com", "raw.githubusercontent.com", "colab.research.google.com/github")
    places = "|".join(re.escape(f"{host}/") for host in (*hosts, "mybinder.org/v2/gh"))
    pattern = re.compile(f"({places})" + re.escape(old) + r"(?![A-Za-z0-9-]|[._][A-Za-z0-9])")
    site = re.compile(re.escape(site_address(old).rstrip("/")) + r"(?:/|(?![A-Za-z0-9./_-]))")
    changed = []
    for path in text_files(root):
        text = read(path)
        if text is None:
            continue
        rewritten = pattern.sub(lambda match: match[1] + new, text)
        rewritten = site.sub(lambda match: site_address(new), rewritten)
        if rewritten != text:
            path.write_bytes(rewritten.encode("utf-8"))
            changed.append(path)
    return changed


def chapters(root):
    """Read what the lists say of each chapter.

    Args:
        root: Path of the repository.

    Returns:
        list of dicts in the book's order, with `part`, `slug`, `title`, `question` and `minutes`
        (None if they have not been measured).

    Raises:
        ValueError: if a chapter asks no running question.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    record = root / "benchmarks" / "recorded" / "minutes.json"
    measured = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    found = []
    for part in toc["parts"]:
        for file in (chapter["file"] for chapter in part["chapters"]):
            path = root / f"{file}.ipynb"
            if file.startswith("chapters/") and path.exists():
                about = title_and_question(path)
                minutes = reference_minutes(measured.get(path.stem))
                found.append(
                    {"part": part["caption"], "slug": path.stem, "minutes": minutes} | about
                )
    return found


def title_and_question(path):
    """Read a chapter's title, and the question that it says it asks."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    prose = "\n\n".join("".join(cell["source"]) for cell in cells)
    title, question = re.search(r"^# (.+)$", prose, re.MULTILINE), QUESTION.search(prose)
    if not (title and question):
        raise ValueError(
            f"{path.name} has no title or no question: its section Problem and data says "
            '"Our running question is: *...?*"'
        )
    asked = " ".join(question[1].split())
    return {"title": title[1].strip(), "question": asked[0].upper() + asked[1:]}


def reference_minutes(measured):
    """Convert a measured run, if there is one, to minutes on the reference core, rounded up."""
    return measured and math.ceil(measured["cpu_seconds"] / (measured["core_speed"] or 1) / 60)


def table(found, owner_name, site):
    """List the chapters as a table for `README.md`."""
    lines = ["| chapter | its question | run it |", "|---|---|---|"]
    for chapter in found:
        links = [f"[{name}]({url})" for name, url in _links(owner_name, chapter)]
        minutes = f", {chapter['minutes']} min" if chapter["minutes"] else ""
        title = f"[{chapter['title']}]({site}chapters/{chapter['slug']}.html){minutes}"
        lines.append(f"| {title} | {chapter['question']} | {' · '.join(links)} |")
    return lines


def cards(found, owner_name):
    """List the chapters as cards for the landing page, part by part."""
    lines = []
    for part in dict.fromkeys(chapter["part"] for chapter in found):
        lines += ["", f"### {part}", "", "::::{grid} 1 1 2 2", ":gutter: 3"]
        for chapter in (chapter for chapter in found if chapter["part"] == part):
            slug, minutes = chapter["slug"], chapter["minutes"]
            links = [f"[{name}]({url})" for name, url in _links(owner_name, chapter)]
            links += [f'<a href="notebooks/{slug}.ipynb" download>Download</a>']
            lines += ["", f":::{{grid-item-card}} {{ref}}`{chapter['title']} <ch-{slug}>`"]
            lines += [chapter["question"], ""]
            unit = "minute" if minutes == 1 else "minutes"
            lines += [f"About {minutes} {unit} of computing.", ""] if minutes else []
            lines += ["\n· ".join(links), ":::"]
        lines += ["::::"]
    return [*lines[1:], ""]


def _links(owner_name, chapter):
    return launch_links(owner_name, f"chapters/{chapter['slug']}").items()


def with_list(text, lines):
    """Replace what stands between the two marks.

    Args:
        text: str, a file's text.
        lines: list of str, the new list.

    Returns:
        str, the text with the list.

    Raises:
        ValueError: unless the text holds each mark once, in order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end or text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the list of chapters stands between {BEGIN!r} and {END!r}")
    newline = "\r\n" if "\r\n" in text else "\n"
    made = newline.join("\n".join(["", "", *lines, ""]).split("\n"))
    return f"{before}{begin}{made.rstrip()}{newline * 2}{end}{after}"


def lists(root):
    """Make the two files that list the chapters; a dict from Path to text, nothing is written."""
    found, owner_name = chapters(root), owner_and_name(current_address(root))
    made = {
        root / "README.md": table(found, owner_name, website(root)),
        root / "intro.md": cards(found, owner_name),
    }
    return {path: with_list(read(path), lines) for path, lines in made.items()}


def main():
    """Rewrite the address given on the command line, if any, and make the lists."""
    sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be beyond the terminal
    try:
        changed = rewrite(ROOT, sys.argv[1]) if sys.argv[1:] not in ([], [""]) else []
        for path, text in lists(ROOT).items():
            if text != read(path):
                path.write_bytes(text.encode("utf-8"))
                changed.append(path)
    except ValueError as error:
        raise SystemExit(f"Stopped: {error}") from None
    for path in dict.fromkeys(changed):
        print(f"rewrote {path.relative_to(ROOT)}")
    print(f"{len(dict.fromkeys(changed))} files changed")


if __name__ == "__main__":
    main()
