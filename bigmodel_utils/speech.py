"""Speech: coefficients from sound, and utterances of connected digits, as the chapters define them.

The functions up to `validation_part` stand in the chapter speech-features line by line; `part`,
`quiet` and `connect` in speech-dnn.
"""

from typing import NamedTuple

import numpy as np


def to_mel(f):
    """Hertz to mel."""
    return 2595 * np.log10(1 + f / 700)


def to_hertz(mel):
    """Mel to hertz."""
    return 700 * (10 ** (mel / 2595) - 1)


def hann(size):
    """Hann window of shape `(size,)`, periodic."""
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)


def frames(x, size, hop):
    """Overlapping pieces of shape `(frames, size)` of `x`, mirrored by half a frame at its ends."""
    padded = np.pad(x, size // 2, mode="reflect")
    return np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]


def stft(x, window, hop):
    """Short-time Fourier transform: complex, of shape `(frames, len(window) // 2 + 1)`."""
    return np.fft.rfft(frames(x, len(window), hop) * window)


def mel_filters(filters, size, rate):
    """Triangles of shape `(filters, size // 2 + 1)`, equally spaced in mel up to half the rate."""
    f = np.arange(size // 2 + 1) * rate / size
    points = to_hertz(np.linspace(0, to_mel(rate / 2), filters + 2))[:, None]
    left, centre, right = points[:-2], points[1:-1], points[2:]
    return np.maximum(0, np.minimum((f - left) / (centre - left), (right - f) / (right - centre)))


def log_mel(power, bank, floor=80.0):
    """Decibels in bands, at most `floor` below the loudest: `(frames, filters)`."""
    level = 10 * np.log10(np.maximum(power @ bank.T, 1e-10))
    return np.maximum(level, level.max() - floor)


def dct_matrix(kept, filters):
    """The first `kept` rows of the orthonormal cosine transform: `(kept, filters)`."""
    k, j = np.arange(kept)[:, None], np.arange(filters)
    C = np.sqrt(2 / filters) * np.cos(np.pi * k * (j + 0.5) / filters)
    C[0] /= np.sqrt(2)
    return C


def mfcc(x, rate, size, hop, filters, kept):
    """Mel-frequency cepstral coefficients of a sound.

    Args:
        x: float array of shape `(samples,)`, full scale 1, longer than half a frame.
        rate: number, samples per second.
        size: int, samples of a frame.
        hop: int, samples from one frame to the next.
        filters: int, mel bands.
        kept: int, coefficients to keep.

    Returns:
        float array of shape `(frames, kept)`; frame `m` has its middle at sample `m * hop`.

    Source: Davis and Mermelstein, "Comparison of Parametric Representations for Monosyllabic Word
    Recognition in Continuously Spoken Sentences", IEEE Transactions on Acoustics, Speech, and
    Signal Processing, 1980.
    """
    power = np.abs(stft(x, hann(size), hop)) ** 2
    return log_mel(power, mel_filters(filters, size, rate)) @ dct_matrix(kept, filters).T


def deltas(c, reach=2):
    """Slopes in time, eq-speech-features-delta, of coefficients c (frames, kept)."""
    count, tau = len(c), np.arange(1, reach + 1)
    padded = np.pad(c, ((reach, reach), (0, 0)), mode="edge")
    later = [padded[reach + k : reach + k + count] for k in tau]
    earlier = [padded[reach - k : reach - k + count] for k in tau]
    differences = np.array(later) - np.array(earlier)
    return np.einsum("k,ktc->tc", tau, differences) / (2 * (tau**2).sum())


def validation_part(labels, held_out):
    """Every fifth recording of a digit among those that are not held out."""
    chosen = np.zeros(len(labels), dtype=bool)
    for digit in np.unique(labels):
        chosen[np.flatnonzero((labels == digit) & ~held_out)[4::5]] = True
    return chosen


class Utterances(NamedTuple):
    """What `connect` returns; all four have one entry an utterance."""

    mfccs: list[np.ndarray]
    digits: list[list[int]]
    spans: list[list[tuple[int, int]]]
    speakers: list[str]


def part(spoken, mask):
    """MFCCs, labels and speakers of the recordings of a mask."""
    rows = np.flatnonzero(mask)
    voices = [spoken.speakers[i] for i in rows]
    return [spoken.mfccs[i] for i in rows], spoken.labels[rows], voices


def quiet(frames, level, rng):
    """MFCCs of shape `(frames, 13)` of white noise, `level` decibels below full scale."""
    noise = 10 ** (-level / 20) * rng.normal(size=200 * (frames + 1))
    return mfcc(noise, 8000, 400, 200, 128, 13)[1 : frames + 1].astype("float32")


def connect(recordings, labels, speakers, count, rng, longest=6, pause=8):
    """Join recordings of one voice to utterances of 1 to `longest` digits, with pauses.

    Before, between and after the digits stand 0 to `pause` frames of quiet noise, 50 to 70
    decibels below full scale, the same level throughout an utterance.

    Args:
        recordings: list of float arrays of shape `(frames, 13)`.
        labels: int array, the digit of each recording.
        speakers: list of str, the speaker of each recording.
        count: int, utterances to make.
        rng: NumPy random generator.
        longest: int, most digits of an utterance.
        pause: int, most frames of a pause.

    Returns:
        `Utterances` with
        mfccs: list of float32 arrays of shape `(frames, 13)`.
        digits: list of lists of int, what is said.
        spans: list of lists of (first frame, frame after the last), one for each digit.
        speakers: list of str.
    """
    voices, made = np.array(speakers), Utterances([], [], [], [])
    for _ in range(count):
        own = np.flatnonzero(voices == voices[rng.integers(len(voices))])
        chosen = rng.choice(own, size=min(rng.integers(1, longest + 1), len(own)), replace=False)
        level, pieces, spans, end = rng.uniform(50, 70), [], [], 0
        for i in chosen:
            gap = quiet(rng.integers(pause + 1), level, rng)
            pieces += [gap, recordings[i]]
            spans.append((end + len(gap), end + len(gap) + len(recordings[i])))
            end = spans[-1][1]
        pieces.append(quiet(rng.integers(pause + 1), level, rng))
        made.mfccs.append(np.concatenate(pieces))
        made.digits.append([int(labels[i]) for i in chosen])
        made.spans.append(spans)
        made.speakers.append(speakers[chosen[0]])
    return made
