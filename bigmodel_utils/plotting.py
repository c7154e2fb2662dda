"""The look of the course's figures."""

# Okabe & Ito's palette for readers with any colour vision, without its yellow: too pale on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")


def use_style():
    """Set Matplotlib's defaults for a chapter: an opaque white card, safe colours, light files.

    Source: Okabe & Ito 2008, "Color Universal Design" (palette).
    """
    import matplotlib as mpl
    from cycler import cycler

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
