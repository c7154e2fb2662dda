"""Letters to phonemes: the chapter's models beside keras.io's character-level one, in one run.

All learn from the same pronunciations of words of at most eight letters and are judged on the same
held-out words. Without attention the decoder sees the encoder's end state at its start only or, as
Cho's decoder, at every step. The yardstick is the architecture of keras.io's `lstm_seq2seq`: one
LSTM reads one-hot letters, and its last state starts another one. As published it has 256 units,
RMSprop with its default rate and batches of 64, and counts padding in the loss. Tuned it has 128
units, unrolled, Adam with a rate that falls along a cosine, and batches of 128; the rate is the
best of three on the validation words, as many as were tried for the chapter's models. Both train
until they have spent as many CPU seconds as the chapter's model with attention. Compiling is
charged to everyone; reading the data and judging to nobody.

    python benchmarks/seq2seq.py --seed 0
    python benchmarks/seq2seq.py --quick    (a few batches: a smoke test)
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers, ops

import bigmodel_utils as bmu
import record
from chapter import definitions

NEEDED = (
    "Mark PROFILES STEPS build_model edit_distance edits_and_lengths error_rates greedy_search "
    "in_validation judge_phonetics look_back nearest_references number pronunciation_pairs "
    "to_array to_symbols train train_phonetics write"
).split()
CHUNK = 50  # batches between two looks at the clock
RATES = 1e-2, 2e-2, 4e-2  # tried on the validation words
PASSES = 2  # over the pairs, about as many as the seconds allow
ARMS = ("no_attention", "none", 0.3), ("constant", "constant", 0), ("attention", "attention", 0)
ROWS = {
    "published": "keras.io's `lstm_seq2seq`, as published",
    "tuned": "the same, tuned",
    "attention": "{ref}`ch-seq2seq`, with attention",
    "no_attention": "without attention, the end state at the start",
    "constant": "without attention, the end state at every step",
}


def load(taught, longest):
    """Words by part, their pronunciations, and the training arrays, as in the chapter."""
    dictionary = bmu.load_pronunciations()
    said = dict(zip(dictionary.words, dictionary.phonemes, strict=True))
    train, validation, test = [], [], []
    for word, held_out in zip(dictionary.words, dictionary.held_out.tolist(), strict=True):
        if len(word) <= longest:
            if held_out:
                test.append(word)
            else:
                (validation if taught.in_validation(word) else train).append(word)
    pairs = taught.pronunciation_pairs(train, said, longest)
    letters, sounds = taught.number(train), taught.number([p for _, p in pairs])
    x = taught.to_array([w for w, _ in pairs], letters, longest)
    y = taught.to_array([p for _, p in pairs], sounds, longest + 2, framed=True)
    return said, validation[::3], test, letters, sounds, x, y


def keras_io_model(sizes, lengths, units):
    """The training model of `lstm_seq2seq`, and its encoder and one-step decoder."""
    unroll = lengths[0] is not None
    read, write = (keras.Input(shape) for shape in zip(lengths, sizes, strict=True))
    _, *states = layers.LSTM(units, return_state=True, unroll=unroll)(read)
    decoder = layers.LSTM(units, return_sequences=True, return_state=True, unroll=unroll)
    dense = layers.Dense(sizes[1], activation="softmax")
    model = keras.Model([read, write], dense(decoder(write, initial_state=states)[0]))
    one = keras.Input((1, sizes[1]))
    before = [keras.Input((units,)) for _ in range(2)]
    outputs, *after = decoder(one, initial_state=before)
    step = keras.Model([one, *before], [dense(outputs), *after])
    return model, keras.Model(read, states), step


def train_keras_io(model, x, y, sizes, batch, seconds, rng, quick, weights=None):
    """Train a compiled model until the CPU seconds are spent; returns epochs and seconds."""
    one_hot = [np.eye(n, dtype="float32") for n in sizes]
    start, seen = time.process_time(), 0
    while time.process_time() - start < seconds and not (quick and seen):
        order = rng.permutation(len(x))
        for i in range(0, len(x) - CHUNK * batch, CHUNK * batch):
            rows = order[i : i + CHUNK * batch]
            inputs = [one_hot[0][x[rows]], one_hot[1][y[rows, :-1]]]
            settings = {"batch_size": batch, "shuffle": False, "verbose": 0}
            if weights is not None:
                settings["sample_weight"] = weights[rows]
            model.fit(inputs, one_hot[1][y[rows, 1:]], **settings)
            seen += len(rows)
            if quick or time.process_time() - start >= seconds:
                break
    return seen / len(x), time.process_time() - start


def keras_io_outputs(taught, encoder, step, x, sizes, names, limit, rows=1000):
    """Greedy decoding, one symbol at a time, as in the example."""
    one_hot, outputs = [np.eye(n, dtype="float32") for n in sizes], []
    for i in range(0, len(x), rows):
        states = encoder.predict_on_batch(one_hot[0][x[i : i + rows]])
        symbols, written = np.full(len(states[0]), taught.Mark.START), []
        for _ in range(limit):
            p, *states = step.predict_on_batch([one_hot[1][symbols][:, None], *states])
            symbols = ops.convert_to_numpy(p)[:, 0].argmax(axis=1)
            written.append(symbols)
        outputs += [taught.to_symbols(row, names) for row in np.stack(written, axis=1)]
    return outputs


def run_keras_io(taught, data, tuned, rate, seed, budget, quick):
    """Train keras.io's model: parameters, epochs, seconds and a function that writes."""
    sizes, lengths, x, y, names = data
    keras.utils.set_random_seed(seed)
    units, batch = (128, 128) if tuned else (256, 64)
    shape = lengths if tuned else (None, None)
    model, encoder, step = keras_io_model(sizes, shape, units)
    weights = None
    if tuned:
        mask = (y[:, 1:] != taught.Mark.PAD).astype("float32")
        weights = mask / mask.mean()
        # About the number of steps that the seconds allow; the rate ends low if there are more.
        schedule = keras.optimizers.schedules.CosineDecay(rate, int(tuned * len(x) / batch))
        model.compile(keras.optimizers.Adam(schedule), "categorical_crossentropy")
    else:
        model.compile("rmsprop", "categorical_crossentropy")
    rng = np.random.default_rng(seed)
    epochs, seconds = train_keras_io(model, x, y, sizes, batch, budget, rng, quick, weights)

    def write(words_x):
        limit = lengths[1]
        return keras_io_outputs(taught, encoder, step, words_x, sizes, names, limit)

    return model.count_params(), epochs, seconds, write


def rate_interval(taught, outputs, references):
    """The 95 % interval of the phoneme error rate, words being drawn again."""
    return record.ratio_interval(*taught.edits_and_lengths(outputs, references).T)


def recorded_rows(rows, intervals):
    """Name the rows for the page of results."""
    return {
        label: {
            "error rate": record.value(rows[name][2], intervals[name]),
            "CPU seconds": record.value(rows[name][4], unit="s"),
        }
        for name, label in ROWS.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few batches: a smoke test")
    arguments = parser.parse_args()
    taught = definitions("seq2seq", NEEDED)
    settings = taught.PROFILES["quick"] | taught.STEPS["quick"]
    longest = settings["letters"]
    said, validation, test, letters, sounds, x, y = load(taught, longest)
    if arguments.quick:
        x, y, test, validation = x[:6400], y[:6400], test[:200], validation[:50]
        settings["epochs"] = 1
    sizes = len(letters) + 3, len(sounds) + 3
    lengths, names = (longest, longest + 1), {k: s for s, k in sounds.items()}
    rows, outputs_of = {}, {}
    for name, context, more in ARMS:
        start = time.perf_counter()
        own = {**settings, "epochs": settings["epochs"] + more}
        model, past = taught.train_phonetics(context, arguments.seed, x, y, sizes, lengths, own)
        wall = time.perf_counter() - start
        tools = model, letters, names, lengths, said
        per, wer, outputs_of[name] = taught.judge_phonetics(taught.greedy_search, test, *tools)
        rows[name] = model.count_params(), own["epochs"], per, wer, past[-1, 0], wall
    budget, data = rows["attention"][4], (sizes, lengths, x, y, names)
    x_test, x_validation = (taught.to_array(part, letters, longest) for part in (test, validation))
    references, heard = ([said[word] for word in part] for part in (test, validation))
    for name, rates in (("published", (None,)), ("tuned", RATES)):
        tried, passes = [], 0 if name == "published" else PASSES
        for rate in rates:
            start = time.perf_counter()
            made = run_keras_io(taught, data, passes, rate, arguments.seed, budget, arguments.quick)
            per = taught.error_rates(made[3](x_validation), heard)[0]
            tried.append((per, time.perf_counter() - start, made))
            print(name, rate, f"{made[1]:.2f} epochs, validation PER {per:.3f}", flush=True)
        _, wall, (parameters, epochs, seconds, write) = min(tried, key=lambda row: row[0])
        outputs_of[name] = write(x_test)
        per, wer = taught.error_rates(outputs_of[name], references)
        rows[name] = parameters, epochs, per, wer, seconds, wall
    print(
        f"{'model':13s} {'params':>8s} {'epochs':>6s} {'PER':>6s} {'WER':>6s} {'CPU s':>6s} wall s"
    )
    for name, (parameters, epochs, per, wer, seconds, wall) in rows.items():
        print(
            f"{name:13s} {parameters:8,} {epochs:6.1f} {per:6.3f} {wer:6.3f} "
            f"{seconds:6.0f} {wall:6.0f}"
        )
    ours = rows["attention"][2]
    ratios = {
        "seed": arguments.seed,
        "quick": arguments.quick,
        "backend": keras.backend.backend(),
        "words": len(test),
        "per": round(ours, 4),
        "wer": round(float(rows["attention"][3]), 4),
        "cpu_s": round(rows["attention"][4], 1),
        "wall_s": round(rows["attention"][5], 1),
        "per_over_no_attention": round(ours / rows["no_attention"][2], 3),
        "per_over_constant": round(ours / rows["constant"][2], 3),
        "published_per_over_ours": round(rows["published"][2] / ours, 3),
        "tuned_per_over_ours": round(rows["tuned"][2] / ours, 3),
    }
    print(json.dumps(ratios))
    if not arguments.quick:
        intervals = {
            name: rate_interval(taught, outputs, references) for name, outputs in outputs_of.items()
        }
        record.write(
            "seq2seq",
            "seq2seq.py",
            f"Letters to phonemes: phoneme error rate on {len(test):,} held-out words",
            "model",
            recorded_rows(rows, intervals),
            [arguments.seed],
        )


if __name__ == "__main__":
    main()
