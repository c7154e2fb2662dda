"""Draw which chapter builds on which, from the references that the chapters themselves make.

The chapters stand one below the other in the book's order, so that the drawing fits a phone and
grows with the book. A full line leads to a chapter from each one that its line "You need" names; a
dashed line from each other one that it refers to. The colours are the page's, in both modes.
"""

import html
import re
from pathlib import Path

import nbformat
import yaml

TARGET = Path("_static") / "chapters.svg"
REFERENCE = re.compile(r"\{ref\}`(?:[^`<]*<)?ch-([\w-]+)>?`")
WIDTH, ROW, MIDDLE = 360, 30, 118  # pixels; MIDDLE is where the lines end and the titles begin
STYLE = """\
.chapter-graph { display: block; height: auto; margin: 0 auto 1rem; max-width: 30rem; width: 100%; }
.chapter-graph text { fill: var(--pst-color-text-base); font-size: 15px; }
.chapter-graph a text { fill: var(--pst-color-link); text-decoration: underline; }
.chapter-graph .part { font-weight: 600; }
.chapter-graph circle, .chapter-graph .head { fill: var(--pst-color-text-base); }
.chapter-graph path.line { fill: none; stroke: var(--pst-color-text-base); stroke-width: 1.6; }
.chapter-graph path.mention { stroke-dasharray: 3 4; stroke-width: 1.2; }"""


def parts(root):
    """Read the book's numbered parts.

    Args:
        root: Path of the repository.

    Returns:
        list of (caption, list of slugs).
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    found = []
    for part in toc["parts"]:
        files = [chapter["file"] for chapter in part["chapters"]]
        slugs = [file.removeprefix("chapters/") for file in files if file.startswith("chapters/")]
        if slugs:
            found.append((part["caption"], slugs))
    return found


def references(notebook, slug):
    """Find the chapters that a chapter names.

    Args:
        notebook: a notebook, as `nbformat.read` returns it.
        slug: str, its own name; references to itself do not count.

    Returns:
        needed, mentioned: sets of slugs without a common member; the first are those in the
        paragraph that begins with "You need".
    """
    prose = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    you_need = re.search(r"^\*\*You need\*\*.*?(?=^\*\*Time|\n\n|\Z)", prose, re.M | re.DOTALL)
    needed = set(REFERENCE.findall(you_need[0])) if you_need else set()
    mentioned = set(REFERENCE.findall(prose)) - needed
    return needed - {slug}, mentioned - {slug}


def drawn(root):
    """Draw the graph of the chapters.

    Args:
        root: Path of the repository.

    Returns:
        str, an SVG element to be put into a page.
    """
    titles, links, heights, captions, y = {}, {}, {}, [], ROW
    for caption, slugs in parts(root):
        captions.append((y, caption))
        for slug in slugs:
            y += ROW
            notebook = nbformat.read(root / "chapters" / f"{slug}.ipynb", as_version=4)
            titles[slug] = re.search(r"^# (.+)$", notebook.cells[0].source, flags=re.M)[1].strip()
            links[slug], heights[slug] = references(notebook, slug), y
        y += 1.3 * ROW
    lines = [
        f'<svg class="chapter-graph" role="group" aria-label="Which chapter builds on which" '
        f'viewBox="0 0 {WIDTH} {y - 0.7 * ROW:g}" xmlns="http://www.w3.org/2000/svg">',
        f"<style>\n{STYLE}\n</style>",
    ]
    lines += [f'<text class="part" x="{MIDDLE}" y="{y:g}">{_text(c)}</text>' for y, c in captions]
    for slug, (needed, mentioned) in links.items():
        lines += [
            _arc(heights, other, slug, "line mention") for other in in_order(mentioned, heights)
        ]
        lines += [_arc(heights, other, slug, "line") for other in in_order(needed, heights)]
    for slug, title in titles.items():
        needs = [titles[other] for other in in_order(links[slug][0], heights)]
        said = f"{title}, which needs {' and '.join(needs)}" if needs else title
        at = heights[slug]
        lines.append(f'<circle cx="{MIDDLE}" cy="{at - 5:g}" r="3.5"/>')
        lines.append(
            f'<a href="chapters/{slug}.html" aria-label="{_text(said)}">'
            f'<text x="{MIDDLE + 12}" y="{at:g}">{_text(title)}</text></a>'
        )
    return "\n".join([*lines, "</svg>\n"])


def in_order(slugs, heights):
    """Keep the slugs of chapters that are in the book, in its order."""
    return sorted((slug for slug in slugs if slug in heights), key=heights.get)


def _arc(heights, source, target, style):
    """Draw a line to the left of the dots, from one chapter to the one that refers to it."""
    start, end = heights[source] - 5, heights[target] - 5
    furthest = max(heights.values()) - min(heights.values())
    bulge = 20 + (MIDDLE - 10) * 4 / 3 * (abs(end - start) / furthest) ** 0.7 * 0.85
    x, tip = MIDDLE - 6, MIDDLE - 13
    return (
        f'<path class="{style}" d="M{x} {start:g} C{x - bulge:.0f} {start:g} '
        f'{tip - bulge:.0f} {end:g} {tip} {end:g}"/>'
        f'<path class="head" d="M{x} {end:g} l-8 -4 v8 z"/>'
    )


def _text(text):
    return html.escape(text.replace("`", ""))
