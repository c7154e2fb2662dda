"""Thin, documented calls into the field's libraries, in the course's array conventions."""

import numpy as np


def spearman(x, y):
    """Rank correlation of two lists of scores.

    Args:
        x: float array of shape `(n,)`, for example the model's similarities.
        y: float array of shape `(n,)`, for example human judgements of the same pairs.

    Returns:
        float in `[-1, 1]`, ties given their mean rank.

    Raises:
        ValueError: if the shapes differ or are not one-dimensional, if there are fewer than three
            pairs, if a score is not finite, or if either list is constant (no ranks to compare).

    Source: Spearman 1904, American Journal of Psychology 15; computed by `scipy.stats.spearmanr`.
    """
    from scipy import stats

    x, y = np.asarray(x, dtype="float64"), np.asarray(y, dtype="float64")
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"spearman: give two lists of one length, not shapes {x.shape} and {y.shape}"
        )
    if len(x) < 3:
        raise ValueError(f"spearman: at least 3 pairs are needed, there are {len(x)}")
    for name, values in (("x", x), ("y", y)):
        if not np.isfinite(values).all():
            raise ValueError(f"spearman: {name} holds a value that is not finite")
        if (values == values[0]).all():
            raise ValueError(f"spearman: every value of {name} is {values[0]:g}; nothing to rank")
    return float(stats.spearmanr(x, y).statistic)


def wilson_interval(correct, total, confidence=0.95):
    """Confidence interval of a proportion, such as an accuracy on `total` held-out examples.

    Args:
        correct: int, how many were right.
        total: int, how many there were.
        confidence: float in (0, 1).

    Returns:
        (low, high): floats in `[0, 1]`.

    Raises:
        ValueError: unless `0 <= correct <= total` and `total >= 1`.

    Source: Wilson 1927, Journal of the American Statistical Association 22; computed by
        `scipy.stats.binomtest`.
    """
    from scipy import stats

    if total < 1 or not 0 <= correct <= total:
        raise ValueError(f"wilson_interval: {correct} of {total} is not a proportion")
    interval = stats.binomtest(int(correct), int(total)).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def coco_average_precision(boxes, classes, detections, n_classes):
    """Average precision of detections, as the COCO benchmark computes it.

    Args:
        boxes: list of float arrays of shape `(objects, 4)`, one an image, the true boxes as left,
            top, right, bottom; an image may have none.
        classes: list of int arrays of shape `(objects,)`, 0 to `n_classes - 1`; an object of a
            negative class is ignored, so that padded arrays may be given.
        detections: list of (boxes, scores, classes), one triple an image, shapes `(m, 4)`, `(m,)`
            and `(m,)`; of each image and class, the 100 best count.
        n_classes: int.

    Returns:
        dict of `"AP"` (mean over IoU thresholds 0.50, 0.55, ..., 0.95 and over classes),
        `"AP50"`, `"AP75"` (floats), and `"precision"`, float64 array of shape
        `(10, 101, n_classes)`: interpolated precision by threshold, by recall 0, 0.01, ..., 1 and
        by class. A class without a true object is left out of the means (its precision is -1).

    Raises:
        ValueError: if the lists differ in length, or no true object is given.

    Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; computed by
        `pycocotools.cocoeval.COCOeval` without crowds.
    """
    import contextlib
    import io

    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if not len(boxes) == len(classes) == len(detections):
        raise ValueError(
            f"coco_average_precision: {len(boxes)} lists of boxes, {len(classes)} of classes and "
            f"{len(detections)} of detections; give one of each an image"
        )
    truth = [
        (i, *np.asarray(box, "float64").tolist(), int(c))
        for i, (rows, labels) in enumerate(zip(boxes, classes, strict=True))
        for box, c in zip(rows, labels, strict=True)
        if c >= 0
    ]
    if not truth:
        raise ValueError("coco_average_precision: no image has a true object")
    coco, found = COCO(), COCO()
    for target, table in ((coco, truth), (found, list(_rows(detections)))):
        target.dataset = _coco_dataset(table, len(boxes), n_classes)
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
            target.createIndex()
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(coco, found, "bbox")
        judge.evaluate()
        judge.accumulate()
    precision = judge.eval["precision"][:, :, :, 0, -1]  # all sizes, 100 detections
    means = {"AP": precision, "AP50": precision[:1], "AP75": precision[5:6]}
    result = {name: float(part[part > -1].mean()) for name, part in means.items()}
    return result | {"precision": precision}


def _rows(detections):
    """Yield (image, left, top, right, bottom, class, score) of every detection."""
    for i, (boxes, scores, labels) in enumerate(detections):
        for box, score, c in zip(boxes, scores, labels, strict=True):
            yield (i, *np.asarray(box, "float64").tolist(), int(c), float(score))


def _coco_dataset(table, n_images, n_classes):
    """Return COCO's dictionary for rows (image, left, top, right, bottom, class, maybe score)."""
    annotations = [
        {
            "id": k,
            "image_id": i,
            "category_id": c,
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
            "iscrowd": 0,
            **({"score": score[0]} if score else {}),
        }
        for k, (i, left, top, right, bottom, c, *score) in enumerate(table, start=1)
    ]
    return {
        "info": {},
        "images": [{"id": i} for i in range(n_images)],
        "annotations": annotations,
        "categories": [{"id": c} for c in range(n_classes)],
    }
