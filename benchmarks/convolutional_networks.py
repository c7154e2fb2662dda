"""Measure networks and recipes of the chapter `convolutional-networks` side by side, in one run.

Every network learns from the same 4,000 digits and is judged by the same 1,000 others, once for
each seed. The functions are the chapter's own, read out of its notebook. The rival is keras.io's
`mnist_convnet`, trained as published, and with the chapter's recipe for the same epochs.

    python benchmarks/convolutional_networks.py --seeds 0 1 2
    python benchmarks/convolutional_networks.py --quick    (three epochs: a smoke test)
"""

import argparse
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import bigmodel_utils as bmu
import record
from chapter import definitions

NEEDED = (
    "PROFILES RIVAL_RATE as_batch build_keras_io build_lenet build_resnet difference_interval "
    "misread train train_keras_io"
).split()
ROWS = {
    "published": "keras.io's `mnist_convnet`, as published",
    "keras_io": "keras.io's `mnist_convnet`, the chapter's recipe",
    "plain": "{ref}`ch-convolutional-networks`, residual network, without warps",
    "ours": "{ref}`ch-convolutional-networks`, residual network, the chapter's recipe",
}


def contenders(taught, x, y, seed, quick):
    """Return, for each name, a function that trains and returns a model."""
    sizes = taught.PROFILES["quick"]
    epochs = 3 if quick else sizes["epochs"]

    def residual(strength):
        model = taught.build_resnet(sizes["stem"], sizes["widths"])
        taught.train(model, x, y, epochs, seed, strength)
        return model

    def keras_io():
        model = taught.build_keras_io(last=None)
        taught.train(model, x, y, epochs, seed, rate=taught.RIVAL_RATE)
        return model

    return {
        "published": lambda: taught.train_keras_io(x, y, **({"epochs": 1} if quick else {})),
        "keras_io": keras_io,
        "plain": lambda: residual(0.0),
        "ours": lambda: residual(1.0),
    }


def measure(taught, fits, x_test, y_test, seed):
    """Train each network from a seed; return mistakes (bool arrays) and CPU seconds by name."""
    wrong, seconds = {}, {}
    for name, fit in fits.items():
        keras.utils.set_random_seed(seed)
        started = time.process_time()
        model = fit()
        seconds[name] = time.process_time() - started
        wrong[name] = taught.misread(model, x_test, y_test)
        print(f"seed {seed} {name:10s} {wrong[name].mean():.3f} {seconds[name]:6.1f} CPU s")
    return wrong, seconds


def recorded_rows(taught, wrong, seconds):
    """Name the rows for the page of results.

    Args:
        taught: namespace with the chapter's `difference_interval`.
        wrong: dict from a name to mistakes, bool array (seeds, images).
        seconds: dict from a name to CPU seconds, array (seeds,).

    Returns:
        dict of rows: the mean error with the interval over images of the mean over seeds, the
        smallest and the largest error of a seed, the paired difference to keras.io's network with
        the same recipe, and CPU seconds.
    """
    rows = {}
    for name, label in ROWS.items():
        mean = wrong[name].mean(axis=0)
        low, high = taught.difference_interval(mean, np.zeros(len(mean)))
        against = taught.difference_interval(mean, wrong["keras_io"].mean(axis=0))
        difference = mean.mean() - wrong["keras_io"].mean()
        by_seed = wrong[name].mean(axis=1)
        rows[label] = {
            "error": record.value(mean.mean(), (low, high)),
            "best seed": record.value(by_seed.min()),
            "worst seed": record.value(by_seed.max()),
            "minus the second row": record.value(difference, against),
            "CPU seconds": record.value(np.mean(seconds[name]), unit="s"),
        }
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--quick", action="store_true", help="three epochs: a smoke test")
    arguments = parser.parse_args()
    taught = definitions("convolutional-networks", NEEDED)
    digits = bmu.load_digits()
    x_test, y_test = taught.as_batch(digits.test_images), digits.test_labels
    wrong, seconds = {name: [] for name in ROWS}, {name: [] for name in ROWS}
    for seed in arguments.seeds:
        order = np.random.default_rng(seed).permutation(len(digits.train_labels))
        x, y = taught.as_batch(digits.train_images)[order], digits.train_labels[order]
        fits = contenders(taught, x, y, seed, arguments.quick)
        for part, total in zip(
            measure(taught, fits, x_test, y_test, seed), (wrong, seconds), strict=True
        ):
            for name in ROWS:
                total[name].append(part[name])
    rows = recorded_rows(taught, {name: np.array(w) for name, w in wrong.items()}, seconds)
    for label, row in rows.items():
        print(label, row)
    if not arguments.quick:
        record.write(
            "convolutional-networks",
            "convolutional_networks.py",
            "Handwritten digits: error on 1,000 held-out images, mean over the seeds",
            "network",
            rows,
            arguments.seeds,
        )


if __name__ == "__main__":
    main()
