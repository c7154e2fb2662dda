"""Measures against values worked out by hand."""

import numpy as np
import pytest

import bigmodel_utils as bmu


def test_spearman_of_a_worked_example_with_a_tie():
    # Ranks of x: 1, 2.5, 2.5, 4; of y: 1, 2, 3, 4. Pearson of the ranks: 4.5 / sqrt(4.5 * 5).
    assert bmu.spearman([1, 2, 2, 9], [10, 20, 30, 40]) == pytest.approx(4.5 / np.sqrt(22.5))


def test_spearman_ignores_any_increasing_map():
    x = np.array([0.3, -1.0, 2.0, 0.9])
    assert bmu.spearman(x, np.exp(x)) == pytest.approx(1)
    assert bmu.spearman(x, -(x**3)) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1, 2, 3], [1, 2], r"shapes \(3,\) and \(2,\)"),
        ([1, 2], [1, 2], "at least 3 pairs"),
        ([1, 2, np.nan], [1, 2, 3], "x holds a value that is not finite"),
        ([1, 2, 3], [4, 4, 4], "every value of y is 4"),
    ],
)
def test_spearman_refuses_what_it_cannot_rank(x, y, message):
    with pytest.raises(ValueError, match=message):
        bmu.spearman(x, y)


def test_wilson_interval_of_a_worked_example():
    # Wilson's formula for 8 of 10 with z = 1.959964.
    z, n, p = 1.959964, 10, 0.8
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert bmu.wilson_interval(8, 10) == pytest.approx((centre - half, centre + half), abs=1e-6)


def test_wilson_interval_keeps_within_bounds_and_refuses_nonsense():
    assert bmu.wilson_interval(10, 10)[1] == pytest.approx(1)
    for correct, total in [(11, 10), (-1, 10), (0, 0)]:
        with pytest.raises(ValueError, match="is not a proportion"):
            bmu.wilson_interval(correct, total)


SQUARE = np.array([[0.0, 0.0, 10.0, 10.0]])


def test_average_precision_of_worked_examples():
    # A box shifted by 2 of 10 pixels has IoU 80 / 120 = 0.667: right at 0.50, 0.55, 0.60, 0.65.
    shifted = SQUARE + [2, 0, 2, 0]
    found = [(shifted, np.array([0.9]), np.array([1]))]
    scores = bmu.coco_average_precision([SQUARE], [[1]], found, 3)
    assert scores["AP"] == pytest.approx(0.4) and scores["AP50"] > 1 - 1e-9 and scores["AP75"] == 0
    assert scores["precision"].shape == (10, 101, 3)
    assert (scores["precision"][:, :, [0, 2]] == -1).all()  # classes without an object
    # A false alarm with a higher score halves the precision at every recall.
    alarm = np.concatenate([SQUARE + 40, SQUARE])
    found = [(alarm, np.array([0.9, 0.8]), np.array([1, 1]))]
    assert bmu.coco_average_precision([SQUARE], [[1]], found, 3)["AP"] == pytest.approx(0.5)


def test_average_precision_takes_padded_truth_empty_images_and_no_detections():
    nothing = np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)
    padded = [np.concatenate([SQUARE, np.zeros((1, 4))])] * 2
    right = (SQUARE, np.array([0.5]), np.array([0]))
    classes = [np.array([0, -1]), np.array([-1, -1])]
    assert bmu.coco_average_precision(padded, classes, [right, nothing], 1)["AP"] > 1 - 1e-9
    assert bmu.coco_average_precision(padded, classes, [nothing, nothing], 1)["AP"] == 0


def test_average_precision_refuses_what_it_cannot_judge():
    nothing = np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)
    with pytest.raises(ValueError, match="2 lists of boxes, 1 of classes and 1 of detections"):
        bmu.coco_average_precision([SQUARE, SQUARE], [[0]], [nothing], 1)
    with pytest.raises(ValueError, match="no image has a true object"):
        bmu.coco_average_precision([SQUARE], [[-1]], [nothing], 1)
