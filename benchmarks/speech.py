"""Isolated digits: the course's networks beside TensorFlow's "simple audio" CNN and a GMM-HMM.

All learn from the same 1,920 recordings (MFCCs of the chapters) and are judged by the same 600.
"Ours" is the chapters' recogniser with the best validation accuracy (480 recordings): the GMM-HMM,
the whole-word DNN and the DNN-HMM of `speech-dnn`, and the BiLSTM of `speech-rnn-ctc`. The
yardsticks are what a reader would otherwise use:

* the CNN of TensorFlow's tutorial "Simple audio recognition" (Apache licence; layers and Adam as
  published): an image of 32 by 32, here of the standardised MFCCs, two convolutions, dropout. It
  trains whole epochs as long as all of ours took in CPU time; its best validation epoch counts;
* hmmlearn's GMM-HMM on MFCCs and their slopes, its own start and training, one model a digit; the
  better of two sizes on validation.

    python benchmarks/speech.py --seed 0
    python benchmarks/speech.py --quick    (few epochs and rounds: a smoke test)
"""

import argparse
import json
import logging
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from hmmlearn.hmm import GMMHMM
from keras import layers
from threadpoolctl import threadpool_limits

import bigmodel_utils as bmu
import record
from chapter import definitions

NEEDED = """
FLOOR PENALTIES REACH SILENCE STATES acoustic align all_emissions build by_digit
connect cut_pieces fit framed_pieces log_priors logits mean_and_spread one_word
part scaled_likelihoods staying total_likelihoods train_hmm train_words
validation_part whole_words windows with_slopes
""".split()
OF_THE_OTHER = "classifier normaliser pad train".split()
ROWS = {
    "simple audio CNN": "TensorFlow's “simple audio” architecture",
    "hmmlearn GMM-HMM": "hmmlearn's GMM-HMM",
    "BiLSTM": "{ref}`ch-speech-rnn-ctc`, bidirectional LSTM",
    "GMM-HMM": "{ref}`ch-speech-dnn`, GMM-HMM with Baum-Welch written out",
    "DNN-HMM": "DNN-HMM",
    "whole-word DNN": "whole-word DNN",
}
WIDTH, EPOCHS, UTTERANCES, MIXTURES = 256, 6, 1000, 4  # the chapter's quick profile


def simple_audio_cnn(x):
    """Build the tutorial's network for images x (n, rows, columns, 1); it gives logits."""
    norm = layers.Normalization()
    norm.adapt(x)
    return keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            layers.Resizing(32, 32),
            norm,
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10),
        ]
    )


def run_cnn(data, budget, quick):
    """Train within the CPU budget; answers for validation and test."""
    longest = max(len(c) for c in data["train"][0])
    frames = np.concatenate(data["train"][0])
    mean, spread = frames.mean(axis=0), frames.std(axis=0)

    def images(mfccs):  # the tutorial pads its recordings with zeros to one length
        x = np.zeros((len(mfccs), longest, len(mean), 1), "float32")
        for row, c in zip(x, mfccs, strict=True):
            row[: len(c), :, 0] = ((c - mean) / spread)[:longest]
        return x

    start, x = time.process_time(), images(data["train"][0])
    net, best = simple_audio_cnn(x), (-1.0, None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    net.compile(optimizer=keras.optimizers.Adam(), loss=loss)
    held = {name: images(data[name][0]) for name in ("validation", "test")}
    for _ in range(1 if quick else 1000):
        net.fit(x, data["train"][1], batch_size=64, epochs=1, verbose=0)
        right = np.mean(_answers(net, held["validation"]) == data["validation"][1])
        if right >= best[0]:
            best = (right, net.get_weights())
        if time.process_time() - start > budget:
            break
    net.set_weights(best[1])
    return {name: _answers(net, images_of) for name, images_of in held.items()}


def _answers(net, x):
    return net.predict(x, batch_size=256, verbose=0).argmax(axis=1)


def run_gmm(taught, data, seed, quick):
    """Word models for each number of Gaussians; answers of the best on validation."""
    scale = taught.mean_and_spread(
        np.concatenate([taught.with_slopes(c) for c in data["train"][0]])
    )
    features = {name: [taught.acoustic(c, scale) for c in some[0]] for name, some in data.items()}
    best = (-1.0, None)
    for mixtures in (1,) if quick else (1, 2, 4, 8):
        rng = np.random.default_rng(seed)
        models = [
            taught.train_hmm(own, taught.STATES, mixtures, rng, taught.FLOOR, 2 if quick else 12)
            for own in taught.by_digit(features["train"], data["train"][1])
        ]
        answers = {
            name: np.argmax([taught.total_likelihoods(m, features[name]) for m in models], axis=0)
            for name in ("validation", "test")
        }
        right = np.mean(answers["validation"] == data["validation"][1])
        if right > best[0]:
            best = (right, answers)
    return best[1]


def run_hmmlearn(taught, data, seed, quick):
    """The library's GMM-HMM with its own start; answers of the better of two sizes."""
    scale = taught.mean_and_spread(
        np.concatenate([taught.with_slopes(c) for c in data["train"][0]])
    )
    features = {name: [taught.acoustic(c, scale) for c in some[0]] for name, some in data.items()}
    best = (-1.0, None)
    for states, mixtures in ((2, 1),) if quick else ((4, 2), (6, 3)):
        models = []
        for own in taught.by_digit(features["train"], data["train"][1]):
            model = GMMHMM(states, mixtures, n_iter=1 if quick else 10, random_state=seed)
            models.append(model.fit(np.concatenate(own), [len(x) for x in own]))
        answers = {
            name: np.array([np.argmax([m.score(x) for m in models]) for x in features[name]])
            for name in ("validation", "test")
        }
        right = np.mean(answers["validation"] == data["validation"][1])
        if right > best[0]:
            best = (right, answers)
    return best[1]


def run_whole_word(taught, data, quick):
    """The chapter's network that sees a whole word."""
    scale = taught.mean_and_spread(np.concatenate(data["train"][0]))
    x = {name: taught.whole_words(some[0], scale) for name, some in data.items()}
    x = {name: rows.reshape(len(rows), -1) for name, rows in x.items()}
    net = taught.build(x["train"].shape[1], WIDTH, 10, 0.5, noise=0.3)
    labels = data["train"][1].astype("int32")
    taught.fit(net, x["train"], labels, 1 if quick else 40, 64, decay=1e-2)
    return {name: taught.logits(net, x[name]).argmax(axis=1) for name in ("validation", "test")}


def run_hybrid(taught, data, seed, quick):
    """The chapter's DNN-HMM, from its first models to one realignment."""
    rng = np.random.default_rng(seed)
    mixtures, epochs, states = (1, 1, taught.STATES) if quick else (MIXTURES, EPOCHS, taught.STATES)
    static = taught.mean_and_spread(np.concatenate(data["train"][0]))
    slopes = taught.mean_and_spread(
        np.concatenate([taught.with_slopes(c) for c in data["train"][0]])
    )
    said = taught.connect(*data["train"], 100 if quick else UTTERANCES, rng)
    features = [taught.acoustic(c, slopes) for c in said.mfccs]
    pieces = taught.framed_pieces(*data["train"][:2], slopes, rng)
    for _ in range(2):
        rounds = 2 if quick else 8
        models, silence = taught.train_words(pieces, states, mixtures, rng, taught.FLOOR, rounds)
        stay = taught.staying(models, silence)
        tables = [taught.all_emissions(models, silence, x) for x in features]
        paths = [
            taught.align(t, w, stay, states)[0] for t, w in zip(tables, said.digits, strict=True)
        ]
        pieces = taught.cut_pieces(paths, features, states)
    x = np.concatenate([taught.windows(c, static, taught.REACH) for c in said.mfccs])
    for _ in range(2):
        labels = np.concatenate(paths).astype("int32")
        prior = taught.log_priors(labels, taught.SILENCE + 1)
        net = taught.build(x.shape[1], WIDTH, taught.SILENCE + 1, 0.3)
        taught.fit(net, x, labels, epochs, 256)
        tables = taught.scaled_likelihoods(net, static, said.mfccs, prior, taught.REACH)
        paths = [
            taught.align(t, w, stay, states)[0] for t, w in zip(tables, said.digits, strict=True)
        ]
    answers = {}
    for name in ("validation", "test"):
        tables = taught.scaled_likelihoods(net, static, data[name][0], prior, taught.REACH)
        answers[name] = taught.one_word(tables, stay, states)
    return answers


def run_bilstm(taught, data, seed, quick):
    """The other chapter's bidirectional LSTM."""
    normalise = taught.normaliser(data["train"][0])
    some = {name: [normalise(c) for c in part[0]] for name, part in data.items()}
    x = {name: taught.pad(some[name], 32) for name in ("validation", "test")}
    net = taught.classifier("BiLSTM", x["test"].shape[2], 64)
    labels, rng = data["train"][1], np.random.default_rng(seed)
    loss = "sparse_categorical_crossentropy"
    taught.train(net, loss, some["train"], labels, 32, 32, 1 if quick else 6, rng)
    return {name: _answers(net, rows) for name, rows in x.items()}


def measure(name, run, data, seed):
    """Run one recogniser from the given seed; return its row of the table."""
    keras.utils.set_random_seed(seed)
    start = time.process_time()
    answers = run()
    seconds, row = time.process_time() - start, {}
    for part in ("validation", "test"):
        wrong, count = int(np.sum(answers[part] != data[part][1])), len(data[part][1])
        row[part] = wrong / count
    low, high = bmu.wilson_interval(count - wrong, count)
    print(
        f"{name:18s} {row['validation']:10.4f} {row['test']:10.4f} "
        f"({1 - high:.3f} to {1 - low:.3f}) {seconds:8.0f}",
        flush=True,
    )
    return row | {"wrong": wrong, "cpu_s": round(seconds, 1)}


def recorded_rows(rows, count):
    """Name the rows for the page of results, with the interval of each error."""
    return {
        label: {
            "error": record.value(
                rows[name]["test"], record.error_interval(rows[name]["wrong"], count)
            ),
            "CPU seconds": record.value(rows[name]["cpu_s"], unit="s"),
        }
        for name, label in ROWS.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    seed, quick = options.seed, options.quick
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)  # a fall by rounding is no news here
    taught = definitions("speech-dnn", NEEDED)
    spoken = bmu.load_spoken_digits()
    validation = taught.validation_part(spoken.labels, spoken.held_out)
    masks = dict(train=~spoken.held_out & ~validation, validation=validation, test=spoken.held_out)
    data = {name: taught.part(spoken, mask) for name, mask in masks.items()}
    ours = {
        "GMM-HMM": lambda: run_gmm(taught, data, seed, quick),
        "whole-word DNN": lambda: run_whole_word(taught, data, quick),
        "DNN-HMM": lambda: run_hybrid(taught, data, seed, quick),
    }
    other = definitions("speech-rnn-ctc", OF_THE_OTHER)
    ours["BiLSTM"] = lambda: run_bilstm(other, data, seed, quick)
    print(f"{'recogniser':18s} {'validation':>10} {'test error':>10} {'':16} {'CPU s':>8}")
    with threadpool_limits(1):
        rows = {name: measure(name, run, data, seed) for name, run in ours.items()}
        best = min(rows, key=lambda name: rows[name]["validation"])
        # ours were chosen among all of them, so the CNN may take the time of all of them
        budget = sum(row["cpu_s"] for row in rows.values())
        rivals = {
            "simple audio CNN": lambda: run_cnn(data, budget, quick),
            "hmmlearn GMM-HMM": lambda: run_hmmlearn(taught, data, seed, quick),
        }
        beaten = {name: measure(name, run, data, seed) for name, run in rivals.items()}
    ratios = {
        f"error_over_{name.replace(' ', '_')}": round(rows[best]["test"] / row["test"], 3)
        if row["test"]
        else None
        for name, row in beaten.items()
    }
    known = [ratio for ratio in ratios.values() if ratio is not None]
    ratios["error_over_better_one"] = max(known) if len(known) == len(beaten) else None
    print(json.dumps(dict(seed=seed, ours=best, rows=rows | beaten, **ratios)))
    if not quick:
        count = len(data["test"][1])
        record.write(
            "speech",
            "speech.py",
            f"Single spoken digits: error on {count} held-out recordings",
            "recogniser",
            recorded_rows(rows | beaten, count),
            [seed],
        )


if __name__ == "__main__":
    main()
