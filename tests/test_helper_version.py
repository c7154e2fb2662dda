"""The helper's version changes with its interface, and the notebooks ask for that version."""

import datetime
import json
import re
import shutil
from pathlib import Path

import pytest

import bigmodel_utils as bmu
from tools import helper_version

ROOT = Path(__file__).parent.parent
TODAY = datetime.date(2031, 2, 3)


def test_the_recorded_interface_is_that_of_this_version():
    advice = "the interface has changed: run python tools/helper_version.py"
    version, lines = helper_version.recorded(ROOT)
    assert lines == helper_version.interface(ROOT), advice
    assert version == bmu.__version__ == helper_version.version(ROOT), advice


NOTEBOOKS = sorted([*ROOT.glob("*.ipynb"), *(ROOT / "chapters").glob("*.ipynb")])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_every_notebook_asks_for_this_version(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    needed = helper_version.NEEDED.findall("".join(first["source"]))
    assert needed == [bmu.__version__], "run python tools/helper_version.py"


def test_the_interface_holds_what_the_package_offers():
    lines = helper_version.interface(ROOT)
    offered = {line.split("(")[0].split(".")[-1] for line in lines}
    assert set(bmu.__all__) <= offered
    assert "training.setup(seed=0)" in lines
    assert not any("._" in line for line in lines)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026.11.28", "2031.02.03"),
        ("2031.02.03", "2031.02.04"),
        ("2031.02.28", "2031.03.01"),
        ("2031.12.31", "2032.01.01"),
    ],
)
def test_versions_are_dates_that_sort_as_text(old, new):
    assert helper_version.following(old, TODAY) == new > old
    assert re.fullmatch(r"\d{4}\.\d\d\.\d\d", bmu.__version__)
    assert "0.1.0" < bmu.__version__, "the helpers before versions were dates"


@pytest.fixture
def course(tmp_path):
    """A package of two modules and a notebook, with the record of their first version."""
    package = tmp_path / "bigmodel_utils"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text(
        '"""Helpers."""\n\n__version__ = "2026.11.28"\n', encoding="utf-8"
    )
    (package / "training.py").write_text(
        "class Run:\n    seed: int\n\n\ndef setup(seed=0):\n    return seed\n\n\n"
        "def _own():\n    pass\n",
        encoding="utf-8",
    )
    (package / "data" / "text.py").write_text("WORDS = 3\n", encoding="utf-8")
    cells = [
        {"cell_type": "markdown", "source": ['NEEDED = "1"']},
        {"cell_type": "code", "source": ["import sys\n", 'NEEDED = "2026.11.28"  # é\n']},
    ]
    (tmp_path / "chapters").mkdir()
    notebook = json.dumps({"cells": cells}, indent=1, ensure_ascii=False) + "\n"
    (tmp_path / "chapters" / "a.ipynb").write_text(notebook, encoding="utf-8")
    (tmp_path / "tests").mkdir()
    assert helper_version.update(tmp_path, TODAY) == "2026.11.28"
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed=0", "seed=1"),
        ("def setup(seed=0)", "def set_up(seed=0)"),
        ("    seed: int", "    seed: int\n    profile: str"),
        ("def _own", "def own"),
    ],
)
def test_a_changed_interface_gets_a_new_version_everywhere(course, old, new):
    module = course / "bigmodel_utils" / "training.py"
    module.write_text(module.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    before = (course / "chapters" / "a.ipynb").read_text(encoding="utf-8")
    assert helper_version.recorded(course)[1] != helper_version.interface(course)
    assert helper_version.update(course, TODAY) == "2031.02.03"
    assert helper_version.version(course) == "2031.02.03"
    version, lines = helper_version.recorded(course)
    assert version == "2031.02.03" and lines == helper_version.interface(course)
    after = (course / "chapters" / "a.ipynb").read_text(encoding="utf-8")
    assert after == before.replace("2026.11.28", "2031.02.03")
    assert helper_version.update(course, TODAY) == "2031.02.03", "once is enough"


@pytest.mark.parametrize(
    ("old", "new"),
    [("return seed", "return int(seed)"), ("pass", "return 1"), ("class", "# a note\nclass")],
)
def test_other_changes_keep_the_version(course, old, new):
    module = course / "bigmodel_utils" / "training.py"
    module.write_text(module.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert helper_version.update(course, TODAY) == "2026.11.28"


def test_a_version_set_by_hand_is_kept(course):
    init = course / "bigmodel_utils" / "__init__.py"
    init.write_text(
        init.read_text(encoding="utf-8").replace("2026.11.28", "2027.01.01"), encoding="utf-8"
    )
    shutil.move(course / "bigmodel_utils" / "data" / "text.py", course / "bigmodel_utils")
    assert helper_version.update(course, TODAY) == "2027.01.01"
    assert "text.WORDS" in helper_version.recorded(course)[1]
