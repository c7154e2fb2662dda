"""Measure the two detectors of the chapter `one-stage-detection` side by side, in one run.

Both learn from freshly drawn scenes and are judged by the same held-out ones, whose digits and
photograph they have not seen. The functions are the chapter's own, read out of its notebook, and
so are the sizes of the `quick` profile. The target for speed is the grid detector's: at most 120
seconds of training, the drawing of scenes included, on two cores that do nothing else.

    python benchmarks/one_stage_detection.py --seed 0
    python benchmarks/one_stage_detection.py --quick    (a thousand scenes: a smoke test)
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
    "PROFILES SHAPES TRAIN_PHOTOGRAPHS build_grid build_ssd default_boxes draw_scenes grid_answers "
    "grid_loss grid_targets more_views multibox_loss photograph_views raw_answers ssd_answers "
    "ssd_targets to_detections train"
).split()


def scenes_of(taught, n_test):
    """Draw the test scenes as the chapter does; return them and the material of training."""
    digits, photographs = bmu.load_digits(), bmu.load_photographs()
    held_out = [photographs[name] for name in photographs if name not in taught.TRAIN_PHOTOGRAPHS]
    test = taught.draw_scenes(
        n_test,
        digits.test_images,
        digits.test_labels,
        taught.photograph_views(held_out),
        np.random.default_rng(1000),
    )
    views = taught.photograph_views([photographs[name] for name in taught.TRAIN_PHOTOGRAPHS])
    return test, (digits.train_images, digits.train_labels, taught.more_views(views))


def contenders(taught, quick):
    """List (name, build, loss, targets, answers, thousands of scenes) for both detectors."""
    sizes = taught.PROFILES["quick"]
    thousands = (1, 1) if quick else sizes["thousands"]
    defaults = taught.default_boxes(taught.SHAPES)
    return [
        (
            "grid",
            lambda: taught.build_grid(*sizes["widths"]),
            taught.grid_loss,
            taught.grid_targets,
            taught.grid_answers,
            thousands[0],
        ),
        (
            "default_boxes",
            lambda: taught.build_ssd(*sizes["widths"]),
            taught.multibox_loss,
            lambda boxes, classes: taught.ssd_targets(boxes, classes, defaults),
            lambda raw: taught.ssd_answers(raw, defaults),
            thousands[1],
        ),
    ]


def measure(taught, build, loss, targets, answers, thousands, test, material, seed):
    """Train one detector from the given seed; return its row of the table."""
    keras.utils.set_random_seed(seed)
    model = build()
    wall, cpu, _ = taught.train(model, loss, targets, thousands, material, seed)
    scenes, boxes, classes = test
    taught.raw_answers(model, scenes[:100])  # the first call prepares, and is not timed
    started = time.perf_counter()
    found = taught.to_detections(*answers(taught.raw_answers(model, scenes)))
    milliseconds = 1e3 * (time.perf_counter() - started) / len(scenes)
    scores = bmu.coco_average_precision(boxes, classes, found, 10)
    row = {key: float(scores[key]) for key in ("AP", "AP50", "AP75")}
    row |= {"parameters": model.count_params(), "scenes": 1000 * thousands}
    return row | {"ms": milliseconds, "wall_s": wall, "cpu_s": cpu}


def print_table(rows):
    print(
        f"{'detector':14s} {'params':>8s} {'scenes':>7s} {'AP':>6s} {'AP50':>6s} {'AP75':>6s}",
        end="",
    )
    print(f" {'ms':>6s} {'wall s':>7s} {'CPU s':>7s}")
    for name, row in rows.items():
        print(f"{name:14s} {row['parameters']:8,} {row['scenes']:7,}", end="")
        print(f" {row['AP']:6.3f} {row['AP50']:6.3f} {row['AP75']:6.3f}", end="")
        print(f" {row['ms']:6.1f} {row['wall_s']:7.1f} {row['cpu_s']:7.1f}")


def recorded_rows(rows):
    """Name the rows for the page of results."""
    return {
        name.replace("_", " "): {
            "AP": record.value(row["AP"]),
            "AP50": record.value(row["AP50"]),
            "milliseconds per scene": record.value(row["ms"], unit="ms"),
            "CPU seconds": record.value(row["cpu_s"], unit="s"),
        }
        for name, row in rows.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a thousand scenes: a smoke test")
    arguments = parser.parse_args()
    taught = definitions("one-stage-detection", NEEDED)
    n_test = 100 if arguments.quick else taught.PROFILES["quick"]["test_scenes"]
    test, material = scenes_of(taught, n_test)
    rows = {
        name: measure(taught, *parts, test, material, arguments.seed)
        for name, *parts in contenders(taught, arguments.quick)
    }
    print_table(rows)
    result = {
        "seed": arguments.seed,
        "quick": arguments.quick,
        "backend": keras.backend.backend(),
    }
    for name, row in rows.items():
        for key, digits in [("AP", 3), ("AP50", 3), ("ms", 1), ("wall_s", 1), ("cpu_s", 1)]:
            result[f"{name}_{key}"] = round(row[key], digits)
    print(json.dumps(result))
    if not arguments.quick:
        record.write(
            "one-stage-detection",
            "one_stage_detection.py",
            "The detectors of {ref}`ch-one-stage-detection`: average precision on held-out scenes",
            "detector",
            recorded_rows(rows),
            [arguments.seed],
        )


if __name__ == "__main__":
    main()
