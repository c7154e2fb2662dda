"""Turn a book's sources into pages: Sphinx with Jupyter Book's settings, warnings being errors."""

import logging
import sys
from pathlib import Path

from jupyter_book.sphinx import build_sphinx


def main():
    """Build; the arguments are the sources, the folder for the pages, the settings, the builder."""
    source, target, config, builder = sys.argv[1:]
    # These list their whole configuration; their warnings still come through.
    for talkative in ("sphinx.myst_parser", "sphinx.myst_nb"):
        logging.getLogger(talkative).setLevel(logging.WARNING)
    result = build_sphinx(
        source,
        target,
        noconfig=True,
        path_config=config,
        confoverrides={
            "external_toc_path": (Path(source) / "_toc.yml").as_posix(),
            "latex_individualpages": False,
            "nitpicky": True,
        },
        builder=builder,
        warningiserror=True,
        keep_going=True,
    )
    return 0 if result == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
