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
