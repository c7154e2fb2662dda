"""The website, read in a real browser with every other host out of reach.

Set BIGMODEL_SITE to the folder of a built website to test that one. Otherwise the book is built
here from the notebooks that this test run has executed; a chapter that it has not executed gets
sample outputs in place of the real ones.
"""

import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from site_tools import (
    WIDE,
    Head,
    Links,
    Visit,
    broken_links,
    chromium,
    faults_of_head,
    foreign_loads,
    html_files,
    read,
    reading,
    served,
)

import bigmodel_utils
from tools import light_site

ROOT = Path(__file__).parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
FILES = [TOC["root"]] + [c["file"] for part in TOC["parts"] for c in part["chapters"]]
CHAPTERS = [name for name in FILES if name.startswith("chapters/")]
PAGES = [*FILES, "search", "genindex", "prf-prf"]
MODES = ["light", "dark"]


@pytest.fixture(scope="session")
def address(built_site):
    with served(built_site) as base:
        yield base


@pytest.fixture(scope="session")
def browser():
    if shutil.which("chromium") is None:
        reason = "Chromium is not installed (on Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def visit(browser, address):
    """Read a page once in each mode, however many tests ask about it."""
    seen = {}

    def once(name, mode):
        if (name, mode) not in seen:
            seen[name, mode] = read(browser, address, name, mode)
        return seen[name, mode]

    return once


every_page = pytest.mark.parametrize("name", PAGES)
every_mode = pytest.mark.parametrize("mode", MODES)


@every_page
@every_mode
def test_a_page_loads_without_error_and_asks_no_other_host(visit, name, mode):
    seen = visit(name, mode)
    assert seen.outside == []
    assert seen.failed == []
    assert seen.console == []


@every_page
def test_mathematics_is_typeset(visit, name):
    mathematics = visit(name, "light").mathematics
    assert mathematics["errors"] == []
    assert mathematics["raw"] == []
    assert mathematics["typeset"] == mathematics["sources"]
    if name in CHAPTERS:
        assert mathematics["sources"] >= 5, "a chapter without formulas?"


@every_page
@every_mode
def test_text_and_code_are_readable(visit, name, mode):
    contrast = visit(name, mode).contrast
    assert contrast["faint"] == []
    assert contrast["counts"]["text"] > 0
    if name in CHAPTERS:
        assert contrast["counts"]["code"] > 100, "a chapter without code?"


@pytest.mark.parametrize("name", CHAPTERS)
@every_mode
def test_figures_stand_on_a_light_card(visit, name, mode):
    cards = visit(name, mode).contrast["cards"]
    assert cards, "a chapter without figures?"
    for card in cards:
        assert card["luminance"] > 0.85, card
        if mode == "dark":
            assert card["padding"] > 2 and card["edge"] > 0.95, card
        assert card["filter"] == "none", card
        assert card["width"] > 100, card
        assert len(card["alt"]) > 20, card


@every_page
@every_mode
def test_a_phone_needs_no_sideways_scroll(visit, name, mode):
    assert visit(name, mode).overflow == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_equations_fit_their_column_on_a_laptop(visit, name):
    equations = visit(name, "light").equations
    assert equations["count"] >= 3
    assert equations["wide"] == []


@every_page
@every_mode
def test_axe_finds_nothing_serious(visit, name, mode):
    assert visit(name, mode).axe == []


def test_internal_links_and_anchors_resolve(built_site):
    assert broken_links(built_site) == []


def test_no_page_names_a_file_of_another_host(built_site):
    assert foreign_loads(built_site) == []


def test_a_sound_is_a_file_of_its_own_and_can_be_played(built_site, browser, address):
    sounds = {}
    for path in (built_site / "chapters").glob("*.html"):
        html = path.read_text(encoding="utf-8")
        assert not re.search('<audio [^>]*src="data:', html), path.name
        sounds[path.stem] = re.findall(r'<audio [^>]*src="([^"]+)"', html)
        for source in sounds[path.stem]:
            assert (path.parent / source).read_bytes()[:4] == b"RIFF", source
    name = max(sounds, key=lambda name: len(sounds[name]))
    if not sounds[name]:
        pytest.skip("the chapters with sounds have not been executed here")
    with reading(browser, address, "light", WIDE) as page:
        page.goto(f"{address}/chapters/{name}.html")
        length = """(sound) => new Promise((done, fail) => {
          sound.onloadedmetadata = () => done(sound.duration);
          sound.onerror = () => fail(new Error("the sound cannot be read"));
          sound.load();
          sound.preload = "auto";
        })"""
        assert page.locator("audio").first.evaluate(length) > 0.1


def test_search_finds_a_term_in_its_chapter(browser, address):
    seen = Visit()
    with reading(browser, address, "light", WIDE, seen) as page:
        page.goto(f"{address}/{TOC['root']}.html")
        page.locator("#pst-primary-sidebar .search-button-field").click()
        page.locator("#pst-search-dialog input[type=search]").fill("negative sampling")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=negative+sampling*")
        hit = page.locator("#search-results a[href*='chapters/word-embeddings']").first
        hit.wait_for(timeout=10_000)
        # The results read each page for its summary; a click before that would cut requests off.
        page.wait_for_load_state("networkidle")
        hit.click()
        page.wait_for_url("**/chapters/word-embeddings.html*")
        assert page.locator("article .highlighted").count() > 0
    assert seen == Visit()


def test_search_says_when_there_is_nothing(browser, address):
    with reading(browser, address, "light", WIDE) as page:
        page.goto(f"{address}/search.html?q=zyzzyva")
        page.get_by_text("did not match any documents").wait_for(timeout=10_000)


def test_the_mode_can_be_changed_and_is_kept(browser, address):
    with reading(browser, address, "light", WIDE) as page:
        page.goto(f"{address}/{TOC['root']}.html")
        shown = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(shown)
        theme = page.locator("html").get_attribute("data-theme")
        assert theme == "light"
        for _ in range(3):
            page.locator("button.theme-switch-button:visible").first.click()
            if page.locator("html").get_attribute("data-theme") == "dark":
                break
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert page.evaluate(shown) != light


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_offers_its_notebook(built_site, name):
    owner = CONFIG["repository"]["url"].removeprefix("https://github.com/")
    branch, slug = CONFIG["repository"]["branch"], name.removeprefix("chapters/")
    colab = f"https://colab.research.google.com/github/{owner}/blob/notebooks/{slug}.ipynb"
    binder = f"https://mybinder.org/v2/gh/{owner}/{branch}?urlpath=lab/tree/{name}.ipynb"
    for page in (name, TOC["root"]):
        targets = Links(built_site / f"{page}.html").targets
        assert {colab, binder} <= set(targets), page
        assert any(target.endswith(f"notebooks/{slug}.ipynb") for target in targets), page


@pytest.mark.parametrize("name", CHAPTERS)
def test_code_can_be_copied(visit, name):
    code = visit(name, "light").code
    assert code["cells"] > 5
    assert code["copies"] == code["cells"]


def test_no_page_offers_what_only_another_host_can_give(built_site):
    """The button that makes code cells live would wait for ever where that host is out of reach."""
    for path in html_files(built_site):
        html = path.read_text(encoding="utf-8").lower()
        assert "thebe" not in html and "unpkg.com" not in html, path.name
    assert list(built_site.rglob("*thebe*")) == []


ADDRESS = light_site.site_address(CONFIG["repository"]["url"])


def test_ids_and_metadata_of_every_page_are_right(built_site):
    pages = html_files(built_site)
    assert len(pages) >= len(PAGES)
    assert [fault for page in pages for fault in faults_of_head(built_site, page, ADDRESS)] == []
    said = [dict(Head(built_site / f"{name}.html").facts)["description"] for name in FILES]
    assert len({*said}) == len(said), "two pages describe themselves alike"


def test_a_chapter_is_described_by_its_promise(built_site, shown_notebooks):
    for name in CHAPTERS:
        first = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells[0].source
        promise = first.split("\n\n")[1]
        words = re.findall(r"[A-Za-z]{3,}", promise)
        said = dict(Head(built_site / f"{name}.html").facts)["description"]
        assert re.findall(r"[A-Za-z]{3,}", said)[:8] == words[:8], name


GOOD = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"/><title>A page</title>
<meta name="viewport" content="width=device-width"/>
<meta name="description" content="A page that says what it is about."/>
<meta property="og:title" content="A page"/><meta property="og:type" content="article"/>
<meta property="og:description" content="A page that says what it is about."/>
<meta property="og:site_name" content="The site"/>
<meta property="og:url" content="https://a.github.io/b/page.html"/>
<meta property="og:image" content="https://a.github.io/b/picture.png"/>
<link rel="canonical" href="https://a.github.io/b/page.html"/></head>
<body><p id="one">1</p><p id="two">2</p></body></html>"""
WRONG = {
    "an id twice": ('id="two"', 'id="one"'),
    "an empty id": ('id="two"', 'id=""'),
    "an id of two words": ('id="two"', 'id="two words"'),
    "no description": ('<meta name="description"', '<meta name="nothing"'),
    "two viewports": ("<title>", '<meta name="viewport" content="a"/><title>'),
    "no canonical link": ('rel="canonical"', 'rel="nothing"'),
    "a canonical link to another page": ("b/page.html", "b/other.html"),
    "another site's address": ("https://a.github.io/b/", "https://a.github.io/c/"),
    "a picture that is not there": ("picture.png", "missing.png"),
    "an empty title": ("<title>A page", "<title>"),
    "no type": ("og:type", "og:kind"),
    "mathematics": ("says what it", "says \\(x\\) it"),
}


@pytest.mark.parametrize("change", [None, *WRONG.values()], ids=["right", *WRONG])
def test_the_check_of_ids_and_metadata_finds_every_fault(tmp_path, change):
    (tmp_path / "picture.png").touch()
    (tmp_path / "page.html").write_text(GOOD.replace(*change) if change else GOOD, encoding="utf-8")
    faults = faults_of_head(tmp_path, tmp_path / "page.html", "https://a.github.io/b/")
    assert (faults != []) == bool(change), faults


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("https://github.com/Owner/Course", "https://owner.github.io/Course/"),
        ("https://github.com/owner/a.b_c.git", "https://owner.github.io/a.b_c/"),
        ("https://github.com/owner/Owner.github.io/", "https://owner.github.io/"),
        ("https://example.org/owner/course", ""),
        ("", ""),
    ],
)
def test_the_sites_address_follows_from_the_repositorys(repository, address):
    assert light_site.site_address(repository) == address


def test_the_first_page_without_a_name_leads_to_the_landing_page_and_says_so(tmp_path):
    redirect = '\n<meta http-equiv="Refresh" content="0; url=page.html" />\n'
    (tmp_path / "index.html").write_text(redirect, encoding="utf-8")
    (tmp_path / "picture.png").touch()
    (tmp_path / "page.html").write_text(GOOD, encoding="utf-8")
    for _ in range(2):
        light_site.complete_redirect(tmp_path)
        index = tmp_path / "index.html"
        assert faults_of_head(tmp_path, index, "https://a.github.io/b/") == []
        assert redirect.strip() in index.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CHAPTERS)
def test_equations_carry_the_numbers_they_are_called_by(built_site, name):
    html = (built_site / f"{name}.html").read_text(encoding="utf-8")
    called = re.findall(r'href="#(equation-[^"]+)">([^<]*)</a>', html)
    called = [(anchor, text) for anchor, text in called if text != "#"]
    numbers = dict(re.findall(r'id="(equation-[^"]+)">\s*<span class="eqno">(\([\d.]+\))', html))
    chapter = CHAPTERS.index(name) + 1
    assert called, "a chapter that refers to no equation?"
    for anchor, text in called:
        assert text == numbers[anchor]
        assert re.fullmatch(rf"\({chapter}\.\d+\)", text)


def test_the_contents_follow_the_table_of_contents(built_site):
    html = (built_site / f"{TOC['root']}.html").read_text(encoding="utf-8")
    navigation = re.search(r"bd-docs-nav.*?</nav>", html, re.DOTALL)[0]
    expected = []
    for part in TOC["parts"]:
        expected += [part["caption"], *(chapter["file"] for chapter in part["chapters"])]
    places = [navigation.index(text) for text in expected]
    assert places == sorted(places)


def test_the_api_page_documents_every_public_name(built_site):
    anchors = Links(built_site / "api.html").anchors
    missing = [n for n in bigmodel_utils.__all__ if f"bigmodel_utils.{n}" not in anchors]
    assert missing == []
