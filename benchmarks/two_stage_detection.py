"""Measure all five detectors of the two chapters on detection side by side, in one run.

R-CNN, Fast R-CNN and Faster R-CNN of the chapter `two-stage-detection`, and the grid detector and
the default boxes of `one-stage-detection`, are trained on scenes of the same digits and photographs
and judged by the same held-out scenes. The functions and the sizes of the `quick` profile are the
chapters' own, read out of their notebooks. Processor times a scene are medians of runs in turns;
suppression, the same for all five, is left out. The target for speed is Faster R-CNN's training:
at most 180 seconds, the drawing of scenes included, on two cores that do nothing else.

    python benchmarks/two_stage_detection.py --seed 0
    python benchmarks/two_stage_detection.py --quick    (a thousand scenes: a smoke test)
"""

import argparse
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import ops

import bigmodel_utils as bmu
import record
from bigmodel_utils import detectors
from chapter import definitions
from one_stage_detection import NEEDED as NEEDED_BEFORE
from one_stage_detection import contenders, scenes_of

NEEDED = (
    "ANCHOR_SHAPES PROFILES PROPOSALS FasterRCNN FastRCNN build_head build_proposing_trunk "
    "build_rcnn build_trunk fast_look faster_look in_batches make_anchors milliseconds propose_all "
    "rcnn_look train_fast train_faster train_rcnn"
).split()
ROWS = {
    "rcnn": "{ref}`ch-two-stage-detection`, R-CNN",
    "fast": "Fast R-CNN",
    "faster": "Faster R-CNN",
    "grid": "{ref}`ch-one-stage-detection`, grid",
    "default_boxes": "default boxes",
}


def known_scenes(taught, n, material, rng):
    """Draw crowded training scenes and propose boxes for them; return both and the seconds."""
    started = time.perf_counter(), time.process_time()
    known = detectors.training_scenes(n, True, *material, rng)
    proposals = taught.propose_all(known[0], rng, taught.PROPOSALS)
    return known, proposals, [time.perf_counter() - started[0], time.process_time() - started[1]]


def train_two_stage(taught, sizes, material, seed):
    """Train the three; return {name: (look(scenes, proposals), model, (wall, CPU), scenes)}."""
    known, proposals, spent = known_scenes(
        taught, sizes["proposed"], material, np.random.default_rng(seed)
    )
    keras.utils.set_random_seed(seed)
    rcnn = taught.build_rcnn(*sizes["widths"])
    times = [taught.train_rcnn(rcnn, *known, proposals, np.random.default_rng(seed))]

    def head():
        return taught.build_head(sizes["widths"][0])

    keras.utils.set_random_seed(seed)
    fast = taught.FastRCNN(taught.build_trunk(*sizes["widths"]), head())
    rng = np.random.default_rng(seed)
    times += [taught.train_fast(fast, *known, proposals, sizes["epochs"], rng)]
    keras.utils.set_random_seed(seed)
    trunk = taught.build_proposing_trunk(*sizes["widths"])
    anchors = taught.make_anchors(taught.ANCHOR_SHAPES)
    faster = taught.FasterRCNN(trunk, head(), anchors)
    times += [taught.train_faster(faster, sizes["thousands"], material, seed)[:2]]
    looks = (
        lambda s, p: taught.rcnn_look(rcnn, s, p),
        lambda s, p: taught.fast_look(fast, s, p),
        lambda s, p: taught.faster_look(faster, s),
    )
    seen = len(known[0]), len(known[0]) * sizes["epochs"], 1000 * sizes["thousands"]
    names, models = ("rcnn", "fast", "faster"), (rcnn, fast, faster)
    return dict(zip(names, zip(looks, models, times, seen, strict=True), strict=True)), spent


def train_one_stage(before, quick, material, seed):
    """Train the two of the previous chapter; return the same kind of rows."""
    rows = {}
    for name, build, loss, targets, answers, thousands in contenders(before, quick):
        keras.utils.set_random_seed(seed)
        model = build()
        wall, cpu, _ = before.train(model, loss, targets, thousands, material, seed)

        def look(scenes, proposals, model=model, answers=answers):
            return answers(ops.convert_to_numpy(model(scenes, training=False)))

        rows[name] = look, model, (wall, cpu), 1000 * thousands
    return rows


def measure(taught, rows, test):
    """Measure AP and time of every detector; return one row of figures each."""
    scenes, boxes, classes = test
    rng = np.random.default_rng(1001)
    proposals = taught.propose_all(scenes, rng, taught.PROPOSALS)
    few = scenes[:40], proposals[:40]
    runs = {
        name: lambda look=look: taught.in_batches(look, *few) for name, (look, *_) in rows.items()
    }
    runs["segmentation"] = lambda: taught.propose_all(few[0], rng, taught.PROPOSALS)
    times, table = taught.milliseconds(runs, len(few[0])), {}
    for name, (look, model, (wall, cpu), seen) in rows.items():
        found = detectors.to_detections(*taught.in_batches(look, scenes, proposals))
        scores = bmu.coco_average_precision(boxes, classes, found, 10)
        row = {key: float(scores[key]) for key in ("AP", "AP50", "AP75")}
        row |= {"parameters": model.count_params(), "scenes": seen, "ms": times[name]}
        extra = times["segmentation"] if name in ("rcnn", "fast") else 0.0
        table[name] = row | {"all_ms": times[name] + extra, "wall_s": wall, "cpu_s": cpu}
    return table


def print_table(table):
    print(f"{'detector':14s} {'params':>9s} {'scenes':>7s} {'AP':>6s} {'AP50':>6s}", end="")
    print(f" {'AP75':>6s} {'ms':>6s} {'all ms':>7s} {'wall s':>7s} {'CPU s':>7s}")
    for name, row in table.items():
        print(f"{name:14s} {row['parameters']:9,} {row['scenes']:7,}", end="")
        print(f" {row['AP']:6.3f} {row['AP50']:6.3f} {row['AP75']:6.3f}", end="")
        print(f" {row['ms']:6.1f} {row['all_ms']:7.1f} {row['wall_s']:7.1f} {row['cpu_s']:7.1f}")


def recorded_rows(table):
    """Name the rows for the page of results."""
    return {
        label: {
            "AP": record.value(table[name]["AP"]),
            "AP50": record.value(table[name]["AP50"]),
            "milliseconds per scene": record.value(table[name]["all_ms"], unit="ms"),
            "CPU seconds": record.value(table[name]["cpu_s"], unit="s"),
        }
        for name, label in ROWS.items()
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a thousand scenes: a smoke test")
    arguments = parser.parse_args()
    taught = definitions("two-stage-detection", NEEDED)
    before = definitions("one-stage-detection", NEEDED_BEFORE)
    sizes = dict(taught.PROFILES["quick"])
    if arguments.quick:
        sizes |= {"thousands": 1, "proposed": 200, "epochs": 1, "test_scenes": 100}
    test, material = scenes_of(before, sizes["test_scenes"])
    rows, spent = train_two_stage(taught, sizes, material, arguments.seed)
    rows |= train_one_stage(before, arguments.quick, material, arguments.seed)
    table = measure(taught, rows, test)
    print_table(table)
    result = {
        "seed": arguments.seed,
        "quick": arguments.quick,
        "backend": keras.backend.backend(),
        "proposals_cpu_s": round(spent[1], 1),
        "fast_over_rcnn": round(table["rcnn"]["ms"] / table["fast"]["ms"], 2),
    }
    for name, row in table.items():
        for key, digits in [("AP", 3), ("AP50", 3), ("ms", 1), ("all_ms", 1), ("cpu_s", 1)]:
            result[f"{name}_{key}"] = round(row[key], digits)
    print(json.dumps(result))
    if not arguments.quick:
        record.write(
            "two-stage-detection",
            "two_stage_detection.py",
            f"Digits in scenes: average precision on {len(test[0])} held-out scenes; time from "
            "scene to scores, proposals included",
            "detector",
            recorded_rows(table),
            [arguments.seed],
        )


if __name__ == "__main__":
    main()
