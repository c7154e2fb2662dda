"""Measure the digit networks of the chapter `convolutional-networks` side by side, in one run.

Every network learns from the same 4,000 digits and is judged by the same 1,000 others. The
functions are the chapter's own, read out of its notebook. The yardsticks are keras.io's
`mnist_convnet`, trained as published, and the documents' listings with their published settings,
read out of the page `from-the-documents`.

    python benchmarks/convolutional_networks.py --seed 0
    python benchmarks/convolutional_networks.py --quick    (one or three epochs: a smoke test)
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import bigmodel_utils as bmu
import record
from chapter import definitions

NEEDED = (
    "PROFILES as_batch averaged_probabilities build_lenet build_resnet error_rate learn train "
    "train_keras_io"
).split()
LISTINGS = "as_batch build_document_cnn build_overview_cnn train_listing".split()
ROWS = {
    "keras_io": "keras.io's `mnist_convnet`, trained as published",
    "ours": "{ref}`ch-convolutional-networks`, small residual network",
    "lenet": "LeNet",
    "document_cnn": "the documents' first listing",
    "overview_4_1": "the documents' second listing",
}


def contenders(taught, printed, x, y, seed, quick):
    """List (name, function that trains and returns a model) for every network measured."""
    sizes = taught.PROFILES["quick"]
    epochs = 3 if quick else sizes["epochs"]
    lenet_epochs = 3 if quick else sizes["curve_epochs"]
    short = {"epochs": 1} if quick else {}

    def residual():
        model = taught.build_resnet(sizes["stem"], sizes["widths"])
        taught.train(model, x, y, epochs, seed)
        return model

    def lenet():
        return taught.learn(taught.build_lenet, x, y, 0.0, lenet_epochs, seed)

    def listing(build, loss):
        return lambda: printed.train_listing(build(), loss, x, y, **short)

    return [
        ("ours", residual),
        ("keras_io", lambda: taught.train_keras_io(x, y, **short)),
        ("lenet", lenet),
        ("document_cnn", listing(printed.build_document_cnn, "sparse_categorical_crossentropy")),
        ("overview_4_1", listing(printed.build_overview_cnn, "categorical_crossentropy")),
    ]


def measure(taught, name, fit, x_test, y_test, seed):
    """Train one network from the given seed; return its row of the table."""
    keras.utils.set_random_seed(seed)
    wall, cpu = time.perf_counter(), time.process_time()
    model = fit()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if name == "ours":
        predicted = taught.averaged_probabilities(model, x_test).argmax(axis=1)
        wrong = int(np.sum(predicted != y_test))
    else:
        wrong = round(taught.error_rate(model, x_test, y_test) * len(y_test))
    return {
        "parameters": model.count_params(),
        "error": wrong / len(y_test),
        "interval": bmu.wilson_interval(len(y_test) - wrong, len(y_test)),
        "wall_s": wall,
        "cpu_s": cpu,
    }


def print_table(rows):
    print(f"{'network':14s} {'params':>8s} {'error':>6s} {'accuracy, 95 % interval':>24s}", end="")
    print(f" {'wall s':>7s} {'CPU s':>7s}")
    for name, row in rows.items():
        low, high = row["interval"]
        accuracy = f"{1 - row['error']:.3f} ({low:.3f}, {high:.3f})"
        print(f"{name:14s} {row['parameters']:8,} {row['error']:6.3f} {accuracy:>24s}", end="")
        print(f" {row['wall_s']:7.1f} {row['cpu_s']:7.1f}")


def recorded_rows(rows):
    """Name the rows for the page of results, with the interval of each error."""
    return {
        label: {
            "error": record.value(
                rows[name]["error"], [1 - p for p in rows[name]["interval"][::-1]]
            ),
            "CPU seconds": record.value(rows[name]["cpu_s"], unit="s"),
        }
        for name, label in ROWS.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one to three epochs: a smoke test")
    arguments = parser.parse_args()
    taught = definitions("convolutional-networks", NEEDED)
    printed = definitions("from-the-documents", LISTINGS)
    digits = bmu.load_digits()
    order = np.random.default_rng(arguments.seed).permutation(len(digits.train_labels))
    x, y = taught.as_batch(digits.train_images)[order], digits.train_labels[order]
    x_test, y_test = taught.as_batch(digits.test_images), digits.test_labels
    rows = {}
    for name, fit in contenders(taught, printed, x, y, arguments.seed, arguments.quick):
        rows[name] = measure(taught, name, fit, x_test, y_test, arguments.seed)
    print_table(rows)
    ours = rows["ours"]
    ratios = {
        "seed": arguments.seed,
        "quick": arguments.quick,
        "backend": keras.backend.backend(),
        "accuracy": 1 - ours["error"],
        "wall_s": round(ours["wall_s"], 1),
        "cpu_s": round(ours["cpu_s"], 1),
    }
    for name in ("keras_io", "document_cnn", "overview_4_1"):
        if rows[name]["error"] > 0:
            ratios[f"error_over_{name}"] = round(ours["error"] / rows[name]["error"], 3)
    print(json.dumps(ratios))
    if not arguments.quick:
        record.write(
            "convolutional-networks",
            "convolutional_networks.py",
            "Handwritten digits: error on 1,000 held-out images",
            "network",
            recorded_rows(rows),
            [arguments.seed],
        )


if __name__ == "__main__":
    main()
