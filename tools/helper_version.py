"""Keep the helper package's version with its interface, and every notebook with that version.

A notebook asks in its first cell for a version of `bigmodel_utils`. So that the answer means
something, the version changes whenever a public name or signature does: the interface is recorded
in `tests/helper_interface.txt` with its version, and a test compares. After such a change, run

    python tools/helper_version.py
"""

import ast
import datetime
import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = Path("tests", "helper_interface.txt")
PACKAGE = Path("bigmodel_utils")
VERSION = re.compile(r'(?<=^__version__ = ")[^"]*(?=")', flags=re.M)
NEEDED = re.compile(r'(?<=^NEEDED = ")[^"]*(?=")', flags=re.M)


def interface(root):
    """List what the package offers, one name a line.

    Args:
        root: Path of the repository.

    Returns:
        list of str, such as `"training.set_seed(default=0)"`, sorted; constants without their
        values, classes with their public methods and fields.
    """
    lines = []
    for path in (root / PACKAGE).rglob("*.py"):
        parts = path.relative_to(root / PACKAGE).with_suffix("").parts
        module = ".".join(part for part in parts if part != "__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        lines += [f"{module}.{line}".lstrip(".") for line in _public(tree)]
    return sorted(lines)


def _public(tree):
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names = [f"{node.name}({ast.unparse(node.args)})"]
        elif isinstance(node, ast.ClassDef):
            names = [node.name, *(f"{node.name}.{line}" for line in _public(node))]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign):
            names = [node.target.id]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def version(root):
    """Read the package's version without importing it."""
    return VERSION.search((root / PACKAGE / "__init__.py").read_text(encoding="utf-8"))[0]


def recorded(root):
    """Read the recorded version and interface; none where there is no record yet."""
    if not (root / RECORD).exists():
        return "", []
    first, *lines = (root / RECORD).read_text(encoding="utf-8").splitlines()
    return first, lines


def following(old, today):
    """Name the version after `old`: today's date, or the day after `old` where that is later."""
    year, month, day = (int(number) for number in old.split("."))
    return f"{max(today, datetime.date(year, month, day) + datetime.timedelta(1)):%Y.%m.%d}"


def update(root, today):
    """Bump the version where the interface has changed; write it down and into the notebooks.

    Args:
        root: Path of the repository.
        today: datetime.date, of which a new version is made.

    Returns:
        str, the version.
    """
    current, (old, lines) = version(root), recorded(root)
    if current == old and lines != interface(root):
        current = following(old, today)
        _replace(root / PACKAGE / "__init__.py", VERSION, current)
    record = "\n".join([current, *interface(root)])
    (root / RECORD).write_text(record + "\n", encoding="utf-8", newline="\n")
    for path in sorted([*root.glob("*.ipynb"), *(root / "chapters").glob("*.ipynb")]):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cell = next(c for c in notebook["cells"] if c["cell_type"] == "code")
        cell["source"] = NEEDED.sub(current, "".join(cell["source"])).splitlines(keepends=True)
        text = json.dumps(notebook, indent=1, ensure_ascii=False)
        path.write_text(text + "\n", encoding="utf-8", newline="\n")
    return current


def _replace(path, pattern, text):
    source = pattern.sub(text, path.read_text(encoding="utf-8"))
    path.write_text(source, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    print("bigmodel_utils", update(ROOT, datetime.date.today()))
