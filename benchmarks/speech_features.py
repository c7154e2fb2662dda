"""The chapter's features beside librosa's, stage by stage: relative error and time, one machine.

Both work on the 36 spoken letters and digits. The error is the largest over the recordings of
|ours - librosa's| / |librosa's| (Euclidean length); the issue's bound is 1e-4. Times are CPU
milliseconds for all recordings, the median of five passes, after one pass that is not counted.

    python benchmarks/speech_features.py
    python benchmarks/speech_features.py --quick    (three recordings, one pass: a smoke test)
"""

import argparse
import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import bigmodel_utils as bmu
import record
from chapter import definitions

NEEDED = (
    "deltas hann istft log_mel mel_filters mfcc stft EMPHASIS FILTERS HOP KEPT RATE WINDOW"
).split()


def stages(taught):
    """Each stage as its name, our function of a waveform, and librosa's; both (frames, numbers)."""
    import librosa

    rate, size, hop, filters = taught.RATE, taught.WINDOW, taught.HOP, taught.FILTERS
    stft = dict(n_fft=size, hop_length=hop, pad_mode="reflect")
    mel = dict(sr=rate, n_mels=filters, htk=True)

    def power(x):
        return np.abs(taught.stft(x, taught.hann(size), hop)) ** 2

    def bank():
        return taught.mel_filters(filters, size, rate)

    def ours_mfcc(x):
        return taught.mfcc(x, rate, size, hop, filters, taught.KEPT)

    def their_mel(x):
        return librosa.feature.melspectrogram(y=x, norm=None, **stft, **mel)

    def their_mfcc(x):
        return librosa.feature.mfcc(y=x, n_mfcc=taught.KEPT, mel_norm=None, **stft, **mel)

    return {
        "STFT": (
            lambda x: taught.stft(x, taught.hann(size), hop),
            lambda x: librosa.stft(x, **stft).T,
        ),
        "mel bands": (lambda x: power(x) @ bank().T, lambda x: their_mel(x).T),
        "decibels": (
            lambda x: taught.log_mel(power(x), bank()),
            lambda x: librosa.power_to_db(their_mel(x)).T,
        ),
        "MFCC": (ours_mfcc, lambda x: their_mfcc(x).T),
        "deltas": (
            lambda x: taught.deltas(ours_mfcc(x), 4),
            lambda x: librosa.feature.delta(their_mfcc(x), width=9, mode="nearest").T,
        ),
    }


def milliseconds(function, sounds, passes):
    """Median CPU time of a pass over all sounds."""
    times = []
    for _ in range(passes + 1):
        start = time.process_time()
        for x in sounds:
            function(x)
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times[1:])


def recorded_rows(results):
    """Name the rows for the page of results."""
    return {
        name: {
            "relative error": record.value(row["error"]),
            "our milliseconds": record.value(row["ours"], unit="ms"),
            "librosa's milliseconds": record.value(row["librosa"], unit="ms"),
        }
        for name, row in results.items()
    }


def main():
    """Compare every stage and print the table; the last line holds the same as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    taught = definitions("speech-features", NEEDED)
    sounds = list(bmu.load_spoken_letters().values())[: 3 if quick else None]
    results = {}
    print(f"{'stage':10} {'error':>9} {'ours ms':>8} {'librosa ms':>11}")
    for name, (ours, theirs) in stages(taught).items():
        pairs = [(ours(x), theirs(x)) for x in sounds]
        error = max(np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in pairs)
        spent = [milliseconds(f, sounds, 1 if quick else 5) for f in (ours, theirs)]
        results[name] = dict(error=float(error), ours=spent[0], librosa=spent[1])
        print(f"{name:10} {error:9.1e} {spent[0]:8.0f} {spent[1]:11.0f}")
    print(json.dumps(results))
    if not quick:
        record.write(
            "speech-features",
            "speech_features.py",
            "The stages of {ref}`ch-speech-features` beside librosa's, on 36 recordings",
            "stage",
            recorded_rows(results),
            [],
        )


if __name__ == "__main__":
    main()
