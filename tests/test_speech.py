"""Speech: the package holds the code of the chapters that teach it, and `connect` joins rightly."""

from pathlib import Path

import numpy as np
import pytest
from test_detectors import definitions, taught

from bigmodel_utils import speech

PACKAGED = definitions(Path(speech.__file__).read_text(encoding="utf-8"))
OF_THE_SECOND = ["Utterances", "part", "quiet", "connect"]


@pytest.mark.parametrize("name", PACKAGED)
def test_the_chapter_shows_what_the_package_holds(name):
    slug = "speech-dnn" if name in OF_THE_SECOND else "speech-features"
    assert taught(slug).get(name) == PACKAGED[name]


def test_the_second_chapter_imports_what_the_first_has_shown():
    assert set(OF_THE_SECOND) <= set(PACKAGED)
    assert not (set(PACKAGED) - set(OF_THE_SECOND)) & set(taught("speech-dnn"))


@pytest.fixture(scope="module")
def recordings():
    """Twelve recordings of two voices; every frame carries its recording's number and its own."""
    lengths = np.random.default_rng(3).integers(6, 30, size=12)
    made = [np.full((n, 13), float(i), "float32") for i, n in enumerate(lengths)]
    for c in made:
        c[:, 1] = np.arange(len(c))
    return made, np.arange(12) % 10, ["a"] * 7 + ["b"] * 5


def joined(recordings, count=60, seed=0, **settings):
    return speech.connect(*recordings, count, np.random.default_rng(seed), **settings)


def test_spans_hold_the_recordings_and_nothing_else(recordings):
    made = joined(recordings)
    mfccs, labels, _ = recordings
    for c, digits, spans in zip(made.mfccs, made.digits, made.spans, strict=True):
        assert c.dtype == np.float32 and c.shape[1] == 13 and len(digits) == len(spans)
        for digit, (first, after) in zip(digits, spans, strict=True):
            source = int(c[first, 0])
            assert labels[source] == digit
            np.testing.assert_array_equal(c[first:after], mfccs[source])


def test_an_utterance_has_one_voice_and_no_recording_twice(recordings):
    made = joined(recordings)
    for c, spans, speaker in zip(made.mfccs, made.spans, made.speakers, strict=True):
        sources = [int(c[first, 0]) for first, _ in spans]
        assert {recordings[2][i] for i in sources} == {speaker}
        assert len(sources) == len(set(sources))
    assert set(made.speakers) == {"a", "b"}


@pytest.mark.parametrize(("longest", "pause"), [(6, 8), (3, 2), (1, 0)])
def test_lengths_and_pauses_stay_within_their_bounds_and_reach_them(recordings, longest, pause):
    made = joined(recordings, 200, longest=longest, pause=pause)
    counts, gaps = {len(digits) for digits in made.digits}, set()
    for c, spans in zip(made.mfccs, made.spans, strict=True):
        edges = [0, *(edge for span in spans for edge in span), len(c)]
        gaps |= {b - a for a, b in zip(edges[::2], edges[1::2], strict=True)}
    # voice b has five recordings, so six digits come from voice a alone
    assert counts == set(range(1, longest + 1)) and gaps == set(range(pause + 1))


def test_a_voice_with_few_recordings_says_few_digits(recordings):
    mfccs, labels, _ = recordings
    made = joined((mfccs, labels, ["a"] * 10 + ["b"] * 2), 200)
    assert max(len(d) for d, s in zip(made.digits, made.speakers, strict=True) if s == "b") == 2


def test_the_same_generator_makes_the_same_utterances(recordings):
    first, again, other = (joined(recordings, 20, seed) for seed in (1, 1, 2))
    assert first.digits == again.digits and first.spans == again.spans
    for a, b in zip(first.mfccs, again.mfccs, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.digits != other.digits


def test_quiet_is_quiet_at_its_level():
    rng = np.random.default_rng(0)
    assert speech.quiet(0, 60, rng).shape == (0, 13)
    near, far = (speech.quiet(400, level, rng) for level in (50, 70))
    assert near.shape == (400, 13) and near.dtype == np.float32
    # 20 dB in each of 128 bands move the first coefficient by 20 * sqrt(128)
    gap = near[:, 0].mean() - far[:, 0].mean()
    assert abs(gap - 20 * np.sqrt(128)) < 5 and np.abs(near[:, 1:].mean(axis=0)).max() < 40
