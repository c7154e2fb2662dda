"""The landing page shows figures of the chapters, as they were drawn for this site."""

import re
from pathlib import Path

import nbformat
import pytest

from tools import landing

ROOT = Path(__file__).parent.parent
CHAPTER = """<p><img alt="other" src="../_images/other.png"></p>
<figure class="align-default" id="fig-a-b"><img alt="Two &lt; three" src="../_images/b.png"/>
<figcaption>b</figcaption></figure>
<figure id="fig-a"><a><img loading="lazy" src="../_images/a.png" alt="Alone" /></a></figure>
"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "chapters").mkdir()
    (tmp_path / "chapters" / "a.html").write_text(CHAPTER, encoding="utf-8")
    (tmp_path / "intro.html").write_text(
        '<img src="logo.svg"><img data-figure="fig-a"><img class="y" data-figure="fig-a-b">',
        encoding="utf-8",
    )
    return tmp_path


def test_an_image_gets_the_file_and_the_text_of_its_figure(site):
    assert landing.show_figures(site) == []
    page = (site / "intro.html").read_text(encoding="utf-8")
    assert page == (
        '<img src="logo.svg"><img data-figure="fig-a" alt="Alone" src="_images/a.png">'
        '<img data-figure="fig-a-b" alt="Two &lt; three" src="_images/b.png">'
    )
    landing.show_figures(site)
    assert (site / "intro.html").read_text(encoding="utf-8") == page, (
        "a second time changes nothing"
    )


def test_a_figure_that_was_drawn_again_is_shown(site):
    landing.show_figures(site)
    (site / "chapters" / "a.html").write_text(CHAPTER.replace("a.png", "new.png"), encoding="utf-8")
    landing.show_figures(site)
    assert "_images/new.png" in (site / "intro.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("label", ["fig-c", "fig", "a-b"])
def test_a_figure_that_no_chapter_has_is_named(site, label):
    (site / "intro.html").write_text(f'<img data-figure="{label}">', encoding="utf-8")
    assert landing.show_figures(site) == [label]


def test_the_figures_on_the_landing_page_exist_and_have_texts():
    asked = re.findall(r'data-figure="([\w-]+)"', (ROOT / "intro.md").read_text(encoding="utf-8"))
    assert len(asked) == len(set(asked)) >= 2
    known = {}
    for path in (ROOT / "chapters").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            shown = cell.metadata.get("mystnb", {})
            known[shown.get("figure", {}).get("name")] = shown.get("image", {}).get("alt", "")
    assert all(len(known[label]) > 20 for label in asked)
