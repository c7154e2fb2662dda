"""Letters to phonemes: the chapter's two models beside keras.io's character-level one, in one run.

All learn from the same pronunciations of words of at most ten letters and are judged on the same
held-out words. The yardstick is the architecture of keras.io's example `lstm_seq2seq`: one LSTM of
256 units reads one-hot letters, its last state starts another one, RMSprop, batches of 64, every
symbol counted, padding too. It trains until it has spent as many CPU seconds as the chapter's model
with attention did. Compiling is charged to everyone; reading the data and judging to nobody.

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
    "Mark PROFILES build_model edit_distance error_rates greedy_search in_validation "
    "judge_phonetics nearest_references number pronunciation_pairs to_array to_symbols train "
    "train_phonetics write"
).split()
CHUNK = 50  # batches between two looks at the clock
LATENT, BATCH = 256, 64  # of the example
ROWS = {
    "keras_io": "keras.io's `lstm_seq2seq` architecture, stopped at the same time",
    "attention": "{ref}`ch-seq2seq`, with attention",
    "no_attention": "without attention",
}


def load(taught, longest):
    """Words by part, their pronunciations, and the training arrays, as in the chapter."""
    dictionary = bmu.load_pronunciations()
    said = dict(zip(dictionary.words, dictionary.phonemes, strict=True))
    train, test = [], []
    for word, held_out in zip(dictionary.words, dictionary.held_out.tolist(), strict=True):
        if len(word) <= longest:
            if held_out:
                test.append(word)
            elif not taught.in_validation(word):
                train.append(word)
    pairs = taught.pronunciation_pairs(train, said, longest)
    letters, sounds = taught.number(train), taught.number([p for _, p in pairs])
    x = taught.to_array([w for w, _ in pairs], letters, longest)
    y = taught.to_array([p for _, p in pairs], sounds, longest + 2, framed=True)
    return said, test, letters, sounds, x, y


def keras_io_model(sizes):
    """The training model of `lstm_seq2seq`, and its encoder and one-step decoder."""
    read, write = (keras.Input((None, n)) for n in sizes)
    _, *states = layers.LSTM(LATENT, return_state=True)(read)
    decoder = layers.LSTM(LATENT, return_sequences=True, return_state=True)
    dense = layers.Dense(sizes[1], activation="softmax")
    model = keras.Model([read, write], dense(decoder(write, initial_state=states)[0]))
    before = [keras.Input((LATENT,)) for _ in range(2)]
    outputs, *after = decoder(write, initial_state=before)
    step = keras.Model([write, *before], [dense(outputs), *after])
    return model, keras.Model(read, states), step


def train_keras_io(model, x, y, sizes, seconds, rng, quick):
    """Train as published until the CPU seconds are spent; returns epochs and seconds."""
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy")
    one_hot = [np.eye(n, dtype="float32") for n in sizes]
    start, seen = time.process_time(), 0
    while time.process_time() - start < seconds and not (quick and seen):
        order = rng.permutation(len(x))
        for i in range(0, len(x) - CHUNK * BATCH, CHUNK * BATCH):
            rows = order[i : i + CHUNK * BATCH]
            inputs = [one_hot[0][x[rows]], one_hot[1][y[rows, :-1]]]
            targets = one_hot[1][y[rows, 1:]]
            model.fit(inputs, targets, batch_size=BATCH, shuffle=False, verbose=0)
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


def rate_interval(taught, outputs, references):
    """The 95 % interval of the phoneme error rate, words being drawn again."""
    nearest = taught.nearest_references(outputs, references)
    edits = [taught.edit_distance(h, y) for h, y in zip(outputs, nearest, strict=True)]
    return record.ratio_interval(edits, [len(y) for y in nearest])


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
    settings = dict(taught.PROFILES["quick"])
    longest = settings["letters"]
    said, test, letters, sounds, x, y = load(taught, longest)
    if arguments.quick:
        x, y, test, settings["epochs"] = x[:3200], y[:3200], test[:200], 1
    sizes = len(letters) + 3, len(sounds) + 3
    lengths, names = (longest, longest + 1), {k: s for s, k in sounds.items()}
    rows, outputs_of = {}, {}
    for name, attention in (("attention", True), ("no_attention", False)):
        start = time.perf_counter()
        model, losses, seconds = taught.train_phonetics(
            attention, arguments.seed, x, y, sizes, lengths, settings
        )
        wall = time.perf_counter() - start
        tools = model, letters, names, lengths, said
        per, wer, outputs_of[name] = taught.judge_phonetics(taught.greedy_search, test, *tools)
        rows[name] = model.count_params(), len(losses), per, wer, seconds, wall
    keras.utils.set_random_seed(arguments.seed)
    rng, start = np.random.default_rng(arguments.seed), time.perf_counter()
    model, encoder, step = keras_io_model(sizes)
    budget = rows["attention"][4]
    epochs, seconds = train_keras_io(model, x, y, sizes, budget, rng, arguments.quick)
    wall = time.perf_counter() - start
    x_test = taught.to_array(test, letters, longest)
    outputs_of["keras_io"] = keras_io_outputs(
        taught, encoder, step, x_test, sizes, names, lengths[1]
    )
    references = [said[word] for word in test]
    per, wer = taught.error_rates(outputs_of["keras_io"], references)
    rows["keras_io"] = model.count_params(), epochs, per, wer, seconds, wall
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
        "keras_io_per_over_ours": round(rows["keras_io"][2] / ours, 3),
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
