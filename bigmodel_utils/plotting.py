"""The look of the course's figures."""

import os
import sys

# Okabe & Ito's palette for readers with any colour vision, without its yellow: too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


def use_style():
    """Set Matplotlib's defaults for a chapter: an opaque white card, safe colours, light files.

    Whatever a user's `matplotlibrc` or style says is undone first.

    Source: Okabe & Ito 2008, "Color Universal Design" (palette).
    """
    import matplotlib as mpl
    from cycler import cycler

    mpl.rcdefaults()
    mpl.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": "medium",
            "figure.constrained_layout.use": True,
            # The book's dark mode shows figures as cards: their ground must be opaque.
            "figure.facecolor": "white",
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": 110,
            "grid.color": "#DDDDDD",
            "image.cmap": "gray",
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "savefig.facecolor": "white",
        }
    )


def figures_on_the_page():
    """Show figures in the notebook, even where `MPLBACKEND` sends them elsewhere or nowhere.

    Interactive figures in the page (`ipympl`, `nbagg`) stay; outside a notebook nothing changes.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel"):
        return
    in_page = ("inline", "ipympl", "nbagg", "widget")
    if not any(name in os.environ.get("MPLBACKEND", "").lower() for name in in_page):
        # Matplotlib refuses to be imported with a name that it does not know.
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    import matplotlib as mpl

    if not any(name in mpl.get_backend().lower() for name in in_page):
        shell.run_line_magic("matplotlib", "inline")
