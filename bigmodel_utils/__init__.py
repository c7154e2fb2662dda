"""Helpers of the course *Big Models, Derived and Run*: data, checks, metrics, style, settings."""

from bigmodel_utils.checks import (
    assert_at_least,
    assert_at_most,
    assert_close,
    gradient,
    numerical_gradient,
)
from bigmodel_utils.data import (
    DataUnavailable,
    load_blood_cells,
    load_boxed_photographs,
    load_digit_waveforms,
    load_digits,
    load_efficientnet,
    load_emoji,
    load_minilm,
    load_movie_reviews,
    load_multi30k,
    load_photographs,
    load_pronunciations,
    load_shakespeare,
    load_smollm2,
    load_solar_cells,
    load_spoken_digits,
    load_spoken_letters,
    load_word_analogies,
    load_word_similarities,
)
from bigmodel_utils.metrics import coco_average_precision, spearman, wilson_interval
from bigmodel_utils.plotting import use_style
from bigmodel_utils.scenes import draw_scenes, photograph_views
from bigmodel_utils.training import profile, set_seed, setup

# A date, so that text compares as time does: the first cell of every notebook states the oldest
# version that will do. `python tools/helper_version.py` sets both when the interface has changed.
__version__ = "2026.11.29"

__all__ = [
    "DataUnavailable",
    "assert_at_least",
    "assert_at_most",
    "assert_close",
    "coco_average_precision",
    "draw_scenes",
    "gradient",
    "load_blood_cells",
    "load_boxed_photographs",
    "load_digit_waveforms",
    "load_digits",
    "load_efficientnet",
    "load_emoji",
    "load_minilm",
    "load_movie_reviews",
    "load_multi30k",
    "load_photographs",
    "load_pronunciations",
    "load_shakespeare",
    "load_smollm2",
    "load_solar_cells",
    "load_spoken_digits",
    "load_spoken_letters",
    "load_word_analogies",
    "load_word_similarities",
    "numerical_gradient",
    "photograph_views",
    "profile",
    "set_seed",
    "setup",
    "spearman",
    "use_style",
    "wilson_interval",
]
