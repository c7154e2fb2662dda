"""Text is read and written as UTF-8 everywhere: Windows would take an encoding of its own."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("tests", "tools", "bigmodel_utils", "benchmarks")
SCRIPTS = [ROOT / "conftest.py", *(p for f in FOLDERS for p in sorted((ROOT / f).rglob("*.py")))]


def is_text(call, name, named):
    """Say whether a call reads or writes text, as far as it can be seen."""
    if name in ("read_text", "write_text"):
        return True
    if name in ("run", "Popen", "check_output"):
        return any(key in named for key in ("text", "universal_newlines"))
    if name != "open":
        return False
    of_path = isinstance(call.func, ast.Attribute)
    if of_path and isinstance(call.func.value, ast.Name) and call.func.value.id != "path":
        return False  # gzip.open, wave.open, Image.open and others have bytes as their default
    mode = named.get(
        "mode", call.args[0 if of_path else 1] if len(call.args) > 1 - of_path else None
    )
    return mode is None or not (isinstance(mode, ast.Constant) and "b" in str(mode.value))


def without_encoding(text):
    """List the lines of a script on which text is read or written without naming its encoding."""
    lines = []
    for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
        name = getattr(call.func, "attr", getattr(call.func, "id", ""))
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        if is_text(call, name, named) and "encoding" not in named and None not in named:
            lines.append(call.lineno)
    return sorted(lines)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_text_has_an_encoding(path):
    assert without_encoding(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("path.read_text()", [1]),
        ("\nfolder.joinpath('x').write_text('é')", [2]),
        ("open('x')", [1]),
        ("open('x', 'w')", [1]),
        ("open('x', mode='a')", [1]),
        ("path.open('r')", [1]),
        ("subprocess.run(['x'], text=True)", [1]),
        ("path.read_text(encoding='utf-8')", []),
        ("open('x', 'rb')", []),
        ("open('x', mode='wb')", []),
        ("path.open('rb')", []),
        ("wave.open('x')", []),
        ("subprocess.run(['x'], capture_output=True)", []),
        ("subprocess.run(['x'], text=True, encoding='utf-8')", []),
    ],
)
def test_a_missing_encoding_is_noticed(code, found):
    assert without_encoding(code) == found
