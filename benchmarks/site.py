"""Measure the built website as a reader's browser meets it: bytes and paint of a first visit.

Every page is opened three times with an empty cache, from a plain local server without compression.
Printed for each page: kilobytes transferred without and with MathJax's fonts, the same after
scrolling to the end (images below the first screen come when the reader nears them), and the median
of the largest contentful paint. The last line holds the same as JSON.

    python benchmarks/site.py [folder of the website]
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from site_tools import SETTLE, WIDE, chromium, reading, served  # noqa: E402

import record  # noqa: E402

VISITS = 3
BYTES = """() => {
  const all = [...performance.getEntriesByType("resource"),
    ...performance.getEntriesByType("navigation")];
  const sum = (entries) => entries.reduce((total, entry) => total + entry.transferSize, 0);
  return [sum(all.filter((entry) => !entry.name.endsWith(".woff"))), sum(all)];
}"""
PAINT = """() => new Promise((done) => {
  new PerformanceObserver((list) => done(list.getEntries().at(-1).startTime))
    .observe({ type: "largest-contentful-paint", buffered: true });
})"""


def measure(browser, base, name):
    """Visit one page with an empty cache.

    Args:
        browser: a Playwright browser.
        base: str, the server's address.
        name: str, the page without `.html`.

    Returns:
        dict: bytes without and with MathJax's fonts, bytes with every image, paint [ms].
    """
    with reading(browser, base, "light", WIDE) as page:
        page.goto(f"{base}/{name}.html", wait_until="load")
        page.wait_for_timeout(1500)
        paint = page.evaluate(PAINT)
        light, all_fonts = page.evaluate(BYTES)
        page.evaluate(SETTLE)
        page.wait_for_timeout(200)
        return {
            "bytes": light,
            "bytes_with_fonts": all_fonts,
            "bytes_to_the_end": page.evaluate(BYTES)[0],
            "paint_ms": paint,
        }


def main():
    """Measure every page of the table of contents and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, nargs="?", default=ROOT / "_build" / "html")
    site = parser.parse_args().site
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"]] + [c["file"] for part in toc["parts"] for c in part["chapters"]]
    results = {}
    print(f"{'page':34} {'kB':>6} {'+fonts':>7} {'to end':>7} {'paint ms':>9}")
    with served(site) as base, chromium() as browser:
        for name in names:
            visits = [measure(browser, base, name) for _ in range(VISITS)]
            result = {key: statistics.median(v[key] for v in visits) for key in visits[0]}
            results[name] = {key: round(value) for key, value in result.items()}
            kilo = [result[key] / 1000 for key in list(result)[:3]]
            print(f"{name:34} {kilo[0]:6.0f} {kilo[1]:7.0f} {kilo[2]:7.0f}", end=" ")
            print(f"{result['paint_ms']:9.0f}")
    print(json.dumps(results, sort_keys=True))
    rows = {
        name: {
            "kB": record.value(row["bytes"] / 1000),
            "kB with fonts": record.value(row["bytes_with_fonts"] / 1000),
            "kB to the end": record.value(row["bytes_to_the_end"] / 1000),
            "largest paint": record.value(row["paint_ms"], unit="ms"),
        }
        for name, row in results.items()
    }
    record.write("site", "site.py", "A first visit of each page", "page", rows, [])


if __name__ == "__main__":
    main()
