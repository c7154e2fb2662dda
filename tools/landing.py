"""Sphinx extension: show figures of the chapters on other pages, such as the landing page.

A page asks for one with `<img data-figure="fig-...">`, the label of the figure. After the pages
have been written, the image gets the file and the alternative text that the figure has in its
chapter, so it always shows the run that the site was built from. Twice changes nothing.
"""

import html
import re
from pathlib import Path

from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
ASKED = re.compile(r'<img\b[^>]*?\bdata-figure="([\w-]+)"[^>]*>')
SOURCE = re.compile(r'<img\b[^>]*?\bsrc="(?:\.\./)*(_images/[^"]+)"')
ALTERNATIVE = re.compile(r'<img\b[^>]*?\balt="([^"]*)"')


def figure(page, label):
    """Find a figure's image in the page of its chapter.

    Args:
        page: str, the chapter's HTML.
        label: str, the figure's label.

    Returns:
        (file, alternative text), the file from the site's root; or None if there is no such figure.
    """
    start = re.search(rf'<(figure|div|span)\b[^>]*\bid="{re.escape(label)}"', page)
    image = page.find("<img", start.end()) if start else -1
    source, text = (p.match(page, image) if image >= 0 else None for p in (SOURCE, ALTERNATIVE))
    return (source[1], html.unescape(text[1])) if source and text else None


def show_figures(site):
    """Give every image that asks for a figure its file and text, in the pages at the site's root.

    Args:
        site: Path of the built website.

    Returns:
        list of str, labels that no chapter has.
    """
    chapters = [p.read_text(encoding="utf-8") for p in sorted((site / "chapters").glob("*.html"))]
    missing = []

    def fill(match):
        found = next(filter(None, (figure(page, match[1]) for page in chapters)), None)
        if found is None:
            missing.append(match[1])
            return match[0]
        source, text = found
        return f'<img data-figure="{match[1]}" alt="{html.escape(text)}" src="{source}">'

    for path in sorted(site.glob("*.html")):
        page = path.read_text(encoding="utf-8")
        filled = ASKED.sub(fill, page)
        if filled != page:
            path.write_text(filled, encoding="utf-8")
    return missing


def _after_build(app, exception):
    if exception is None and app.builder.name == "html":
        for label in show_figures(Path(app.outdir)):
            LOGGER.warning("no chapter has the figure %s that a page wants to show", label)


def setup(app):
    """Register the extension; 800 puts it before the one that makes the site light."""
    app.connect("build-finished", _after_build, priority=800)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
