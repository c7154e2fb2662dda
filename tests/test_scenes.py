"""Scenes of digits: boxes that fit, the same for one seed, and the chapter's own code."""

import ast
from pathlib import Path

import nbformat
import numpy as np
import pytest

import bigmodel_utils as bmu
from bigmodel_utils import scenes

ROOT = Path(__file__).parent.parent
GREY = [np.full((80, 90, 3), 128, "uint8")]


@pytest.fixture(scope="module")
def digits():
    return bmu.load_digits()


def functions(source):
    """Every function of a source as its name and its code, without docstring and comments."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            node.body = node.body[1:] if ast.get_docstring(node) else node.body
            found[node.name] = ast.unparse(node)
    return found


def test_the_chapter_shows_how_the_package_puts_a_scene_together():
    cells = nbformat.read(ROOT / "chapters" / "one-stage-detection.ipynb", as_version=4).cells
    shown = {}
    for cell in cells:
        if cell.cell_type == "code" and "find_spec" not in cell.source:
            shown |= functions(cell.source)
    packaged = functions(Path(scenes.__file__).read_text(encoding="utf-8"))
    assert set(packaged) & set(shown) == {"draw_scenes"}
    assert shown["draw_scenes"] == packaged["draw_scenes"]


def test_shapes_types_and_padding(digits):
    drawn, boxes, classes = bmu.draw_scenes(
        50, digits.train_images, digits.train_labels, GREY, np.random.default_rng(0)
    )
    assert drawn.shape == (50, 64, 64, 3) and drawn.dtype == np.uint8
    assert boxes.shape == (50, 5, 4) and boxes.dtype == np.float32
    assert classes.shape == (50, 5) and classes.dtype == np.int64
    there = classes >= 0
    assert classes.max() <= 9 and set(classes[~there]) == {-1} and not boxes[~there].any()
    assert there.any(axis=1).all() and there.sum(axis=1).max() <= 5
    assert boxes.min() >= 0 and boxes.max() <= 64
    assert (boxes[there][:, 2:] > boxes[there][:, :2]).all()


def test_one_generator_draws_the_same_scenes_and_another_does_not(digits):
    def draw(seed):
        rng = np.random.default_rng(seed)
        return bmu.draw_scenes(9, digits.train_images, digits.train_labels, GREY, rng)

    assert all((a == b).all() for a, b in zip(draw(3), draw(3), strict=True))
    assert (draw(3)[0] != draw(4)[0]).any()


def test_a_box_is_tight_around_the_painted_ink(digits):
    drawn, boxes, classes = bmu.draw_scenes(
        40, digits.train_images, digits.train_labels, GREY, np.random.default_rng(1), most=1
    )
    for scene, box in zip(drawn, boxes[:, 0].astype(int), strict=True):
        rows, columns = np.nonzero((scene != 128).any(axis=2))
        x0, y0, x1, y1 = box  # nothing is painted outside, and every side has ink
        assert columns.min() >= x0 and rows.min() >= y0 and columns.max() < x1 and rows.max() < y1
        assert columns.min() <= x0 + 1 and columns.max() >= x1 - 2
        assert rows.min() <= y0 + 1 and rows.max() >= y1 - 2


def test_digits_hide_little_of_one_another_and_sizes_span_three_to_one(digits):
    boxes, classes = bmu.draw_scenes(
        300, digits.train_images, digits.train_labels, GREY, np.random.default_rng(2), fewest=5
    )[1:]
    shares = []
    for own, labels in zip(boxes, classes, strict=True):
        own = own[labels >= 0]
        shares += [scenes.hidden_share(a, b) for i, a in enumerate(own) for b in own[:i]]
    assert 0.1 < max(shares) <= 0.3
    heights = (boxes[..., 3] - boxes[..., 1])[classes >= 0]
    assert np.quantile(heights, 0.99) > 2.5 * np.quantile(heights, 0.02)


def test_more_uses_draw_fewer_warps_and_as_many_digits(digits, monkeypatch):
    warped = []
    render = scenes.render_digits
    monkeypatch.setattr(
        scenes,
        "render_digits",
        lambda images, rng: warped.append(len(images)) or render(images, rng),
    )
    material = digits.train_images, digits.train_labels, GREY
    counts = [
        (bmu.draw_scenes(60, *material, np.random.default_rng(5), uses=u)[2] >= 0).sum()
        for u in (1, 3)
    ]
    assert warped[1] < 0.4 * warped[0] and abs(counts[0] - counts[1]) <= 10


def test_paint_avoids_the_colour_of_the_ground():
    square = np.full((5, 5, 3), 128, "uint8")
    scenes.paint(square, np.ones((5, 5)), np.array([0.5, 0.5, 0.5]))
    assert np.abs(square.astype(int) - 128).max() > 100


def test_views_shrink_by_means_and_small_views_are_refused(digits):
    photograph = np.arange(12, dtype="uint8").reshape(2, 6, 1).repeat(3, axis=2)
    (view,) = bmu.photograph_views([photograph], (2,))
    assert view[..., 0].tolist() == [[3, 5, 7]]  # means of 2 x 2 pixels, cut to whole bytes
    with pytest.raises(ValueError, match="at least 64 pixels"):
        bmu.draw_scenes(
            1, digits.train_images, digits.train_labels, [view], np.random.default_rng(0)
        )
