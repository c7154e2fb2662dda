"""What the tests of the website share: a server, a browser, a visit of a page, its links."""

import base64
import functools
import http.server
import io
import os
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
from axe_playwright_python.sync_playwright import Axe

# On the laptop both sidebars are open: the column is at its narrowest but for the phone's.
WIDE, LAPTOP, PHONE = (1400, 900), (1280, 800), (390, 844)
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
AXE_OPTIONS = {"preload": False, "resultTypes": ["violations"]}
# Colours do not change with the width, and structure not with the mode: at a page's second width
# axe-core looks again at what scrolls (and CONTRAST at the colours).
AXE_AGAIN = {**AXE_OPTIONS, "runOnly": ["scrollable-region-focusable"]}

# A promise that never settles would hang the tests: after 20 s the page is judged as it stands.
SETTLE = """async () => {
  const late = new Promise((done) => setTimeout(done, 20000));
  await Promise.race([late, window.MathJax?.startup?.promise]);
  for (const image of document.images) image.loading = "eager";
  const drawn = [...document.images].map((image) => image.decode().catch(() => null));
  await Promise.race([late, Promise.all(drawn)]);
  await Promise.race([late, document.fonts.ready]);
  for (let frame = 0; frame < 3; frame += 1) await new Promise(requestAnimationFrame);
  await Promise.race([late, window.MathJax?.startup?.promise]);
}"""

OPEN_EVERYTHING = """async () => {
  for (const box of document.querySelectorAll("details")) box.open = true;
  for (const button of document.querySelectorAll("button.toggle-button.toggle-button-hidden"))
    button.click();
  await new Promise((done) => setTimeout(done, 450));
}"""

MATHEMATICS = r"""() => {
  const article = document.querySelector("#main-content").cloneNode(true);
  const sources = [...article.querySelectorAll("span.math, div.math")];
  const typeset = sources.filter((s) => s.querySelector("mjx-container"));
  const errors = [...article.querySelectorAll("mjx-merror, [data-mjx-error]")];
  article.querySelectorAll("pre, code, script, mjx-container").forEach((e) => e.remove());
  return {
    sources: sources.length,
    typeset: typeset.length,
    errors: errors.map((e) => e.dataset.mjxError ?? e.textContent),
    raw: article.textContent.match(/.{0,30}(\$\$|\\\(|\\\[|\\begin\{).{0,30}/g) ?? [],
  };
}"""

# Contrast as WCAG defines it, of every token of code and every piece of running text.
CONTRAST = r"""() => {
  const channels = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return colour.startsWith("color(srgb") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const background = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const layer = channels(getComputedStyle(e).backgroundColor);
      layers.push(layer);
      if (layer[3] === 1) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const article = document.querySelector("#main-content");
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const PASSED_OVER = "script, style, button, .headerlink, kbd, mjx-container";
  const counts = { code: 0, text: 0 };
  const faint = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest(PASSED_OVER)) continue;
    const style = getComputedStyle(element);
    if (style.visibility === "hidden" || !element.getClientRects().length) continue;
    counts[element.closest("pre") ? "code" : "text"] += 1;
    const below = background(element);
    const value = ratio(over(channels(style.color), below), below);
    if (value < 4.5)
      faint.push(`${value.toFixed(2)} ${element.className}: ${walker.currentNode.data.trim()}`);
  }
  for (const formula of article.querySelectorAll("mjx-container")) {
    const below = background(formula);
    const value = ratio(over(channels(getComputedStyle(formula).color), below), below);
    if (value < 4.5) faint.push(`${value.toFixed(2)} a formula`);
  }
  const cards = [...article.querySelectorAll("article img")].map((image) => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const pen = canvas.getContext("2d");
    pen.drawImage(image, 0, 0);
    const pixel = [...pen.getImageData(1, 1, 1, 1).data];
    const shown = over([...pixel.slice(0, 3), pixel[3] / 255], background(image));
    return {
      source: image.getAttribute("src"),
      alt: image.alt,
      luminance: luminance(shown),
      edge: luminance(over(channels(getComputedStyle(image).backgroundColor), shown)),
      padding: parseFloat(getComputedStyle(image).paddingTop),
      filter: getComputedStyle(image).filter,
      width: image.getBoundingClientRect().width,
    };
  });
  return { faint, counts, cards };
}"""

# axe-core takes minutes for a chapter's thousands of code tokens and pieces of formulas. The drawn
# formulas are hidden from screen readers, which get MathML, for whose inside axe-core has no rule,
# and CONTRAST looks at every token; so for axe-core a formula becomes one box of its size, its
# MathML one element, and a listing one text.
SIMPLIFY = """() => {
  for (const listing of document.querySelectorAll("pre")) listing.textContent = listing.textContent;
  for (const spoken of document.querySelectorAll("mjx-assistive-mml math"))
    spoken.replaceChildren();
  const drawn = [...document.querySelectorAll("mjx-math[aria-hidden=true]")];
  const sizes = drawn.map((formula) => formula.getBoundingClientRect());
  drawn.forEach((formula, i) => {
    formula.replaceChildren();
    Object.assign(formula.style, { display: "inline-block",
      width: `${sizes[i].width}px`, height: `${sizes[i].height}px` });
  });
}"""

# What a reader can do with the code: copy each cell.
CODE = """() => ({
  cells: document.querySelectorAll("div.cell_input div.highlight").length,
  copies: document.querySelectorAll("div.cell_input button.copybtn").length,
})"""

EQUATIONS = """() => {
  const boxes = [...document.querySelectorAll("div.math mjx-container")];
  const wide = boxes.filter((box) => box.scrollWidth > box.clientWidth + 2);
  return {
    count: boxes.length,
    wide: wide.map((box) => box.closest("div.math").textContent.slice(0, 80)),
  };
}"""

OVERFLOW = """() => {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return [];
  const wide = [...document.body.querySelectorAll("*")].filter(
    (e) => e.getBoundingClientRect().right > page.clientWidth + 1);
  return [`${page.scrollWidth} pixels on a screen of ${page.clientWidth}`,
    ...wide.slice(0, 5).map((e) => e.outerHTML.slice(0, 100))];
}"""


@contextmanager
def served(folder):
    """Serve `folder` on this machine alone; give the address without a closing slash."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def chromium():
    """Start Debian's Chromium with an empty profile, able to reach this machine alone."""
    from playwright.sync_api import sync_playwright

    flags = FLAGS + (["--no-sandbox"] if os.geteuid() == 0 else [])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=flags, headless=True
        )
        yield browser
        browser.close()


@dataclass
class Visit:
    """What happened while one page was read in one mode, at both widths."""

    console: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    outside: list = field(default_factory=list)
    mathematics: dict = field(default_factory=dict)
    equations: dict = field(default_factory=dict)
    code: dict = field(default_factory=dict)
    contrast: dict = field(default_factory=dict)
    overflow: list = field(default_factory=list)
    axe: list = field(default_factory=list)


@contextmanager
def reading(browser, base, mode, size, visit=None):
    """Open a tab in light or dark mode that notes every error and every request to another host."""
    visit = visit or Visit()
    context = browser.new_context(viewport=dict(zip(("width", "height"), size, strict=True)))
    choose = "for (const key of ['mode', 'theme']) localStorage.setItem(key, '%s')"
    context.add_init_script(choose % mode)

    def refuse(route):
        visit.outside.append(route.request.url)
        route.abort()

    context.route(lambda url: not url.startswith((base, "data:", "blob:")), refuse)
    page = context.new_page()
    page.on("console", lambda m: visit.console.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: visit.console.append(str(error)))
    page.on("requestfailed", lambda request: visit.failed.append(request.url))
    page.on(
        "response",
        lambda r: visit.failed.append(f"{r.status} {r.url}") if r.status >= 400 else None,
    )
    yield page
    context.close()


def read(browser, base, name, mode):
    """Read one page in one mode: light from the wide screen to the phone, dark the other way."""
    sizes = (WIDE, PHONE) if mode == "light" else (PHONE, WIDE)
    visit = Visit()
    with reading(browser, base, mode, sizes[0], visit) as page:
        page.goto(f"{base}/{name}.html", wait_until="load")
        page.evaluate(SETTLE)
        visit.mathematics = page.evaluate(MATHEMATICS)
        visit.code = page.evaluate(CODE)
        if mode == "light":
            _resize(page, LAPTOP)
            visit.equations = page.evaluate(EQUATIONS)
            _resize(page, WIDE)
        page.evaluate(OPEN_EVERYTHING)
        visit.contrast = page.evaluate(CONTRAST)
        visit.overflow = _overflow_on_a_phone(page)
        page.evaluate(SIMPLIFY)
        _resize(page, sizes[0])
        visit.axe += violations(page, AXE_OPTIONS)
        _resize(page, sizes[1])
        visit.contrast["faint"] += page.evaluate(CONTRAST)["faint"]
        visit.axe += violations(page, AXE_AGAIN)
    return visit


def _resize(page, size):
    page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    page.evaluate(SETTLE)


def _overflow_on_a_phone(page):
    _resize(page, PHONE)
    return page.evaluate(OVERFLOW)


def violations(page, options):
    """Run axe-core; give its serious and critical findings, one line for each element."""
    found = Axe().run(page, options=options).response["violations"]
    width = page.viewport_size["width"]
    return [
        f"{width} px: {violation['id']} at {node['target']}: {node['html'][:120]}"
        for violation in found
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


NOT_LOADED = ("index", "search", "canonical")  # relations of a page that no browser follows


class Links(HTMLParser):
    """Collect the anchors of a page, where it points to, and what it loads by itself."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.targets, self.loaded = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.update(v for k, v in attrs.items() if k == "id" or (tag, k) == ("a", "name"))
        if tag == "a" and attrs.get("href"):
            self.targets.append(attrs["href"])
        if tag in ("img", "script", "iframe", "source", "video") and attrs.get("src"):
            self.loaded.append(attrs["src"])
        if tag == "link" and attrs.get("href") and attrs.get("rel") not in NOT_LOADED:
            self.loaded.append(attrs["href"])
        if tag == "meta" and attrs.get("http-equiv", "").lower() == "refresh":
            self.targets.append(attrs["content"].split("url=")[-1])


class Head(HTMLParser):
    """Collect what a page says about itself, and the ids of its elements, each time they appear."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.facts, self.inside_title = [], [], False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if "id" in attrs:
            self.ids.append(attrs["id"] or "")
        if tag == "html":
            self.facts.append(("lang", attrs.get("lang", "")))
        if tag == "meta" and "charset" in attrs:
            self.facts.append(("charset", attrs["charset"]))
        if tag == "meta":
            name = attrs.get("name") or attrs.get("property")
            self.facts.append((name, attrs.get("content") or ""))
        if tag == "link" and attrs.get("rel") == "canonical":
            self.facts.append(("canonical", attrs.get("href") or ""))
        if tag == "title":
            self.inside_title = True

    def handle_endtag(self, tag):
        self.inside_title = self.inside_title and tag != "title"

    def handle_data(self, data):
        if self.inside_title:
            self.facts.append(("title", data))


ONCE_A_PAGE = ["lang", "charset", "title", "viewport", "description", "canonical"]
ONCE_A_PAGE += ["og:title", "og:description", "og:type", "og:url", "og:image", "og:site_name"]


def faults_of_head(site, path, address):
    """Find what is missing, double or wrong in a page's ids and in what it says about itself.

    Args:
        site: Path of the website.
        path: Path of the page.
        address: str, where the website is published, ending in a slash.

    Returns:
        list of str, one for each fault.
    """
    head, name = Head(path), path.relative_to(site).as_posix()
    faults = [f"id {one!r} {head.ids.count(one)} times" for one in {*head.ids}]
    faults = [fault for fault in faults if not fault.endswith(" 1 times")]
    faults += [f"id {one!r} is not one word" for one in head.ids if len(one.split()) != 1]
    said = {}
    for fact in ONCE_A_PAGE:
        values = [value.strip() for key, value in head.facts if key == fact]
        said[fact] = values[0] if values else ""
        if len(values) != 1 or not values[0]:
            faults.append(f"{fact}: {values}")
    for fact in ("description", "og:description", "og:title"):
        if any(mark in said[fact] for mark in ("\\", "$", "{", "<", "`")):
            faults.append(f"{fact} holds markup: {said[fact]}")
    if not 20 <= len(said["description"]) <= 320:
        faults.append(f"a description of {len(said['description'])} characters")
    if not said["canonical"].startswith(address) or said["canonical"] != said["og:url"]:
        faults.append(f"canonical {said['canonical']}, og:url {said['og:url']}")
    elif said["canonical"] != address + name and name != "index.html":
        faults.append(f"canonical {said['canonical']}")
    elif not (site / said["canonical"].removeprefix(address)).is_file():
        faults.append(f"no page {said['canonical']}")
    picture = said["og:image"].removeprefix(address)
    if picture == said["og:image"] or not (site / picture).is_file():
        faults.append(f"no picture {said['og:image']}")
    return [f"{name}: {fault}" for fault in faults]


def html_files(site):
    """List a website's pages (what lies in `_static` are the theme's templates)."""
    return [p for p in sorted(site.rglob("*.html")) if site / "_static" not in p.parents]


def broken_links(site):
    """Find every internal link, image, script or anchor of a website that leads nowhere."""
    pages = {path: Links(path) for path in html_files(site)}
    broken = []
    for path, page in pages.items():
        for link in page.targets + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
            if not target.is_file():
                broken.append(f"{path.relative_to(site)}: {link}: no such file")
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].anchors:
                    broken.append(f"{path.relative_to(site)}: {link}: no such anchor")
    return broken


def foreign_loads(site):
    """Find everything a page would load from another host by itself."""
    return [
        f"{path.relative_to(site)}: {link}"
        for path in html_files(site)
        for link in Links(path).loaded
        if urlsplit(link).netloc
    ]


def with_sample_outputs(chapters, target):
    """Copy notebooks, giving their cells the kinds of output that a run would give.

    A notebook that holds outputs keeps them; the committed ones hold none. For a test of the
    website's layout it matters that there are figures and printed lines, not what they show:
    figure cells get one plot in the course's style, cells that print get a long line.
    """
    png = _sample_figure()
    target.mkdir(parents=True)
    for path in sorted(Path(chapters).glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        executed = any(cell.get("outputs") for cell in notebook.cells)
        for cell in notebook.cells:
            if executed or cell.cell_type != "code":
                continue
            if "figure" in cell.metadata.get("mystnb", {}):
                cell.outputs = [nbformat.v4.new_output("display_data", {"image/png": png})]
            elif "print(" in cell.source:
                text = "0.123 " * 15 + "\n"
                cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=text)]
        nbformat.write(notebook, target / path.name)
    return target


def _sample_figure():
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    import bigmodel_utils as bmu

    with rc_context():
        bmu.use_style()
        figure = Figure(figsize=(6, 3))
        figure.subplots().plot([0, 1, 4, 9])
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
