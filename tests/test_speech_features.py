"""The chapter's speech features against librosa: each stage, within a relative error of 1e-4.

What is compared are the functions of the notebook itself, on real recordings, with the chapter's
sizes, with those of the packaged digits and with those of many recognisers at 16 kHz.
"""

import sys
from pathlib import Path

import librosa
import numpy as np
import pytest
import scipy.fft

import bigmodel_utils as bmu

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import chapter  # noqa: E402  (found through the line above)

BOUND = 1e-4
SIZES = [  # rate, frame, hop, filters, coefficients
    (8000, 256, 64, 26, 13),
    (8000, 400, 200, 128, 13),
    (16_000, 400, 160, 40, 20),
]
every_size = pytest.mark.parametrize("sizes", SIZES, ids=lambda s: "-".join(map(str, s)))


@pytest.fixture(scope="module")
def taught():
    return chapter.definitions("speech-features")


@pytest.fixture(scope="module", params=["6", "W", "noise"])
def sound(request):
    """A recording of each kind, and noise, in single precision as librosa would load it."""
    if request.param == "noise":
        return np.random.default_rng(0).normal(scale=0.1, size=5000).astype("float32")
    return bmu.load_spoken_letters()[request.param]


def assert_near(ours, librosas):
    """Both (frames, numbers): relative in Euclidean length, over all and for every frame.

    Where a recording ends in digital silence, frames may be zero up to rounding: hence the floor.
    """
    ours, librosas = np.asarray(ours), np.asarray(librosas)
    assert ours.shape == librosas.shape
    whole = np.linalg.norm(librosas)
    assert whole > 0 and np.linalg.norm(ours - librosas) <= BOUND * whole
    gaps = np.linalg.norm(ours - librosas, axis=1)
    assert (gaps <= BOUND * np.linalg.norm(librosas, axis=1) + 1e-9 * whole).all()


def of_librosa(sizes):
    rate, size, hop, filters, _ = sizes
    stft = dict(n_fft=size, hop_length=hop, window="hann", center=True, pad_mode="reflect")
    return stft, dict(sr=rate, n_mels=filters, htk=True, norm=None)


@every_size
def test_short_time_fourier_transform(taught, sound, sizes):
    stft, _ = of_librosa(sizes)
    ours = taught.stft(sound, taught.hann(sizes[1]), sizes[2])
    assert_near(ours, librosa.stft(sound, **stft).T)


@every_size
def test_back_to_the_waveform(taught, sound, sizes):
    stft, _ = of_librosa(sizes)
    del stft["pad_mode"]
    X = taught.stft(sound, taught.hann(sizes[1]), sizes[2])
    ours = taught.istft(X, taught.hann(sizes[1]), sizes[2], len(sound))
    inside = len(sound) // sizes[2] * sizes[2]
    librosas = librosa.istft(X.T.astype("complex64"), length=len(sound), **stft)
    assert_near([ours[:inside]], [librosas[:inside]])


@every_size
def test_mel_scale_and_filter_bank(taught, sizes):
    rate, size, _, filters, _ = sizes
    hertz = np.array([20.0, 440.0, 1000.0, 3999.0])
    assert taught.to_mel(hertz) == pytest.approx(librosa.hz_to_mel(hertz, htk=True), rel=1e-6)
    assert taught.to_hertz(taught.to_mel(hertz)) == pytest.approx(hertz, rel=1e-9)
    _, mel = of_librosa(sizes)
    assert_near(taught.mel_filters(filters, size, rate), librosa.filters.mel(n_fft=size, **mel))


@every_size
def test_mel_spectrogram_and_decibels(taught, sound, sizes):
    stft, mel = of_librosa(sizes)
    power = np.abs(taught.stft(sound, taught.hann(sizes[1]), sizes[2])) ** 2
    bank = taught.mel_filters(sizes[3], sizes[1], sizes[0])
    librosas = librosa.feature.melspectrogram(y=sound, power=2.0, **stft, **mel)
    assert_near(power @ bank.T, librosas.T)
    assert_near(taught.log_mel(power, bank), librosa.power_to_db(librosas, top_db=80).T)


@every_size
def test_mel_frequency_cepstral_coefficients(taught, sound, sizes):
    stft, mel = of_librosa(sizes)
    rate, size, hop, filters, kept = sizes
    ours = taught.mfcc(sound, rate, size, hop, filters, kept)
    librosas = librosa.feature.mfcc(
        y=sound, sr=rate, n_mfcc=kept, mel_norm=None, **stft, n_mels=filters, htk=True
    )
    assert_near(ours, librosas.T)


def test_cosine_transform(taught):
    rows = np.random.default_rng(1).normal(size=(7, 26))
    librosas = scipy.fft.dct(rows, type=2, norm="ortho")[:, :13]  # the call inside librosa's mfcc
    assert_near(rows @ taught.dct_matrix(13, 26).T, librosas)
    assert_near(rows @ taught.dct_matrix(13, 26).T, librosa.feature.mfcc(S=rows.T, n_mfcc=13).T)


@pytest.mark.parametrize("reach", [1, 2, 4])
def test_deltas_and_accelerations(taught, sound, reach):
    c = taught.mfcc(sound, *SIZES[0])
    librosas = librosa.feature.delta(c.T, width=2 * reach + 1, mode="nearest").T
    assert_near(taught.deltas(c, reach), librosas)
    assert_near(
        taught.deltas(taught.deltas(c, reach), reach),
        librosa.feature.delta(librosas.T, width=2 * reach + 1, mode="nearest").T,
    )


def test_pre_emphasis(taught, sound):
    ours = taught.emphasise(sound, taught.EMPHASIS)
    librosas = librosa.effects.preemphasis(sound, coef=taught.EMPHASIS)
    assert_near([ours[1:]], [librosas[1:]])  # librosa invents a sample before the first


def test_the_same_pipeline_in_keras(taught, sound):
    import keras

    rate, size, hop, filters, kept = SIZES[0]
    stft, mel = of_librosa(SIZES[0])
    bank, C = taught.mel_filters(filters, size, rate), taught.dct_matrix(kept, filters)
    (ours,) = keras.ops.convert_to_numpy(taught.mfcc_ops(sound[None], bank, C, size, hop))
    librosas = librosa.feature.mfcc(
        y=sound, sr=rate, n_mfcc=kept, mel_norm=None, **stft, n_mels=filters, htk=True
    )
    assert_near(ours, librosas.T)
