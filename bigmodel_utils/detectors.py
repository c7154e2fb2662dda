"""What the chapters on detection share.

Boxes, suppression and average precision stand in "Boxes and average precision", the network's
body, the optimiser and fresh scenes in "One-stage detection", line by line; a test compares. Keras
is imported here, so this module is not imported by `import bigmodel_utils`:

    from bigmodel_utils import detectors
"""

import keras
import numpy as np
from keras import layers, ops

from bigmodel_utils.scenes import draw_scenes


def area(boxes):
    """Areas of boxes (..., 4)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou_matrix(a, b):
    """IoU of all pairs of boxes (..., n, 4) and (..., m, 4): eq-boxes-and-ap-iou."""
    a, b = a[..., :, None, :], b[..., None, :, :]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sides, 0, None).prod(axis=-1)
    return shared / np.maximum(area(a) + area(b) - shared, 1e-9)


def giou_with_gradient(a, b):
    """GIoU of two boxes and its gradient in the first: eq-boxes-and-ap-giou-gradient."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    hull_low, hull_high = np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])
    inner, sides, hull = np.clip(high - low, 0, None), a[2:] - a[:2], hull_high - hull_low
    i, h = inner.prod(), hull.prod()
    u = area(a) + area(b) - i
    moves_inner = np.concatenate(
        [-1.0 * (a[:2] > b[:2]) * inner[::-1], (a[2:] < b[2:]) * inner[::-1]]
    )
    moves_hull = np.concatenate([-1.0 * (a[:2] < b[:2]) * hull[::-1], (a[2:] > b[2:]) * hull[::-1]])
    d_i = moves_inner * (i > 0)
    d_u = np.concatenate([-sides[::-1], sides[::-1]]) - d_i
    gradient = (d_i * u - i * d_u) / u**2 + (d_u * h - u * moves_hull) / h**2
    return i / u + u / h - 1, gradient


def iou_and_giou(a, b, tiny=1e-6):
    """IoU and GIoU of pairs of boxes (..., 4), for any backend: eq-boxes-and-ap-giou."""
    sides = ops.relu(ops.minimum(a[..., 2:], b[..., 2:]) - ops.maximum(a[..., :2], b[..., :2]))
    hull = ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2])
    shared, h = sides[..., 0] * sides[..., 1], hull[..., 0] * hull[..., 1]
    u = area(a) + area(b) - shared
    return shared / (u + tiny), shared / (u + tiny) + u / (h + tiny) - 1


def suppress(boxes, scores, threshold):
    """Greedy non-maximum suppression, indices by falling score: prf-boxes-and-ap-nms."""
    overlap = iou_matrix(boxes, boxes) > threshold
    alive, kept = np.ones(len(boxes), bool), []
    for i in np.argsort(-scores, kind="stable"):
        if alive[i]:
            kept.append(i)
            alive &= ~overlap[i]
    return np.array(kept, int)


def coco_overlap(boxes, truth):
    """IoU of all pairs (n, m), rounded as COCO's program rounds it: from a corner and sides."""
    boxes, truth = (np.asarray(z, "float64") for z in (boxes[:, None], truth[None]))
    a, b = boxes[..., 2:] - boxes[..., :2], truth[..., 2:] - truth[..., :2]
    ends = np.minimum(boxes[..., :2] + a, truth[..., :2] + b)
    sides = np.clip(ends - np.maximum(boxes[..., :2], truth[..., :2]), 0, None)
    shared = sides.prod(axis=-1)
    return shared / np.maximum(a.prod(axis=-1) + b.prod(axis=-1) - shared, 1e-9)


def match_image(boxes, scores, truth, threshold, best=100):
    """Right or wrong for each detection of one image and class: prf-boxes-and-ap-matching."""
    order = np.argsort(-scores, kind="stable")[:best]
    overlap, free = coco_overlap(boxes[order], truth), np.ones(len(truth), bool)
    right = np.zeros(len(order), bool)
    for k, row in enumerate(overlap):
        candidates = np.flatnonzero(free & (row >= min(threshold, 1 - 1e-10)))
        if len(candidates):
            taken = candidates[row[candidates] == row[candidates].max()][-1]
            free[taken], right[k] = False, True
    return scores[order], right


def average_precision(scores, right, n_truth):
    """AP of one class and threshold: eq-boxes-and-ap-ap."""
    right = right[np.argsort(-scores, kind="stable")]
    hits = np.cumsum(right)
    precision, recall = hits / np.arange(1, len(right) + 1), hits / n_truth
    best = np.maximum.accumulate(precision[::-1])[::-1]
    first = np.searchsorted(recall, np.linspace(0, 1, 101))
    return np.append(best, 0.0)[np.minimum(first, len(best))].sum() / 101


def coco_ap(truth, truth_classes, detections, thresholds):
    """AP averaged over thresholds and classes, from lists with one entry an image."""
    values = []
    for c in np.unique(np.concatenate(truth_classes)):
        own = [t[k == c] for t, k in zip(truth, truth_classes, strict=True)]
        found = [(b[k == c], s[k == c]) for b, s, k in detections]
        for threshold in thresholds:
            pairs = zip(found, own, strict=True)
            lists = [match_image(*f, t, threshold) for f, t in pairs]
            scores, right = map(np.concatenate, zip(*lists, strict=True))
            values.append(average_precision(scores, right, sum(map(len, own))))
    return np.mean(values) if values else np.nan


def to_detections(scores, boxes, threshold=0.5, floor=0.02, best=60, side=64):
    """Turn scores (n, places, classes) and boxes (n, places, 4) into lists of detections."""
    found = []
    for s, b in zip(scores, np.clip(boxes, 0, side), strict=True):
        place, label = np.nonzero(s > floor)
        order = np.argsort(-s[place, label], kind="stable")[:best]
        place, label = place[order], label[order]
        kept = suppress(b[place] + 2 * side * label[:, None], s[place, label], threshold)
        place, label = place[kept], label[kept]
        found.append((b[place], s[place, label], label))
    return found


def cell_centres(stride, side=64):
    """Centres (u, v) of the cells of a grid, row by row, shape (cells, 2) [pixels]."""
    places = np.arange(stride / 2, side, stride, dtype="float32")
    return np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)


def grid_boxes(raw, stride=4):
    """Boxes of the grid detector, from the distances to their four sides."""
    centres = ops.cast(cell_centres(stride), raw.dtype)
    reach = 8 * ops.exp(ops.clip(raw[..., :4], -4, 2))
    return ops.concatenate([centres - reach[..., :2], centres + reach[..., 2:]], axis=-1)


def binary_cross_entropy(target, logit):
    """Cross-entropy of a probability given by its logit, safe for large logits."""
    return ops.relu(logit) - logit * target + ops.softplus(-ops.abs(logit))


def default_boxes(shapes):
    """Default boxes (boxes, 4) as centre and sides; place by place, shape by shape."""
    grids = []
    for stride, kinds in shapes.items():
        sides = np.array([(m * r**0.5, m / r**0.5) for m, r in kinds], "float32")
        centres = cell_centres(stride)[:, None] + 0 * sides
        grids.append(np.concatenate([centres, sides + 0 * centres], axis=2).reshape(-1, 4))
    return np.concatenate(grids)


def decode(offsets, defaults, variances=(0.1, 0.2)):
    """Corner boxes from offsets: eq-one-stage-detection-encoding solved for the object."""
    centre = defaults[..., :2] + variances[0] * defaults[..., 2:] * offsets[..., :2]
    half = defaults[..., 2:] * np.exp(np.clip(variances[1] * offsets[..., 2:], -4, 4)) / 2
    return np.concatenate([centre - half, centre + half], axis=-1)


def smooth_l1(z):
    """Square near zero, straight beyond one: eq-one-stage-detection-multibox."""
    return ops.where(ops.abs(z) < 1, 0.5 * z**2, ops.abs(z) - 0.5)


def local_mean(x, window):
    """Mean over a square window: over columns of it, then over the rows of these means."""
    x = ops.average_pool(x, (window, 1), 1, padding="same")
    return ops.average_pool(x, (1, window), 1, padding="same")


def contrast(x, window=11):
    """Differences from the surroundings: eq-one-stage-detection-contrast."""
    d = x - local_mean(x, window)
    e = ops.sqrt(ops.sum(d**2, axis=-1, keepdims=True) + 1e-3)
    return ops.concatenate([d, e / (local_mean(e, window) + 0.1)], axis=-1)


class Contrast(layers.Layer):
    """`contrast` as a layer."""

    def call(self, x):
        """Scale bytes to about one, then take the contrast."""
        return contrast(ops.cast(x, "float32") / 64 - 2)

    def compute_output_shape(self, shape):
        """Four channels come out."""
        return (*shape[:3], 4)


def conv_norm(x, filters, k, stride=1):
    """Apply a convolution without bias, batch normalisation and a rectifier."""
    x = layers.Conv2D(filters, k, stride, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def body(inputs, narrow=48, wide=96):
    """Return features of 8 x 8 places, each with a view of the whole and of the fine map."""
    x = conv_norm(Contrast()(inputs), 24, 5, stride=2)
    fine = conv_norm(conv_norm(conv_norm(x, narrow, 3, stride=2), narrow, 3), narrow, 3)
    x = conv_norm(conv_norm(conv_norm(fine, wide, 3, stride=2), wide, 3), wide, 3)
    view = conv_norm(conv_norm(conv_norm(x, wide, 3, stride=2), wide, 3), wide, 1)
    x = layers.Add()([x, layers.UpSampling2D(2)(view), conv_norm(fine, wide, 2, stride=2)])
    return conv_norm(x, wide, 3)


def finer(x, cells, channels):
    """Unfold (cells, cells, 2 * 2 * channels) to twice the places, row by row."""
    x = layers.Reshape((cells, cells, 2, 2, channels))(x)
    return layers.Permute((1, 3, 2, 4, 5))(x)


def build_grid(narrow=48, wide=96):
    """Return the grid detector: images to raw answers (256, 15)."""
    inputs = keras.Input((64, 64, 3))
    x = layers.Conv2D(4 * 15, 1)(body(inputs, narrow, wide))
    return keras.Model(inputs, layers.Reshape((256, 15))(finer(x, 8, 15)))


def build_ssd(narrow=48, wide=96):
    """Return the default-box detector: images to raw answers (1280, 15)."""
    inputs = keras.Input((64, 64, 3))
    features = body(inputs, narrow, wide)
    small = finer(layers.Conv2D(4 * 4 * 15, 1)(features), 8, 4 * 15)
    large = layers.Conv2D(4 * 15, 1)(features)
    answers = [layers.Reshape((-1, 15))(x) for x in (small, large)]
    return keras.Model(inputs, layers.Concatenate(axis=1)(answers))


def orthogonalise(g, rounds=4):
    """Push the singular values of a matrix towards one: eq-one-stage-detection-newton."""
    tall = g.shape[0] > g.shape[1]
    x = ops.transpose(g) if tall else g
    x = x / (ops.sqrt(ops.sum(x**2)) + 1e-7)
    for _ in range(rounds):
        square = ops.matmul(x, ops.transpose(x))
        x = 3.4445 * x + ops.matmul(-4.775 * square + 2.0315 * ops.matmul(square, square), x)
    return ops.transpose(x) if tall else x


class KernelAdamW(keras.optimizers.AdamW):
    """AdamW, but a large kernel steps along its orthogonalised momentum."""

    def __init__(self, learning_rate, ratio=10.0, momentum=0.95, **more):
        """`ratio` is a kernel's rate over the rate of all other weights."""
        super().__init__(learning_rate, weight_decay=1e-3, **more)
        self.ratio, self.momentum = ratio, momentum

    def update_step(self, gradient, variable, learning_rate):
        """Take one step: orthogonal for a large kernel, else Adam's."""
        rows, columns = int(np.prod(variable.shape[:-1])), variable.shape[-1]
        if len(variable.shape) != 4 or variable.shape[0] == 1 or columns < 40:
            return super().update_step(gradient, variable, learning_rate)
        m = self._momentums[self._get_variable_index(variable)]
        self.assign(m, self.momentum * m + gradient)
        flat = ops.reshape(gradient + self.momentum * m, (rows, columns))
        step = ops.reshape(orthogonalise(flat), variable.shape)
        scale = self.ratio * max(1.0, rows / columns) ** 0.5
        self.assign_sub(variable, ops.cast(learning_rate, variable.dtype) * scale * step)


def training_scenes(n, crowded, images, labels, views, rng):
    """Draw n scenes, a few hundred at a time; five to nine digits each if crowded."""
    few, many = (5, 9) if crowded else (1, 5)
    parts = [
        draw_scenes(200, images, labels, views, rng, fewest=few, most=many, uses=2.5)
        for _ in range(n // 200)
    ]
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def more_views(views):
    """Add each view with rows and columns exchanged, and as a negative in other colours."""
    exchanged = [view.swapaxes(0, 1)[..., [1, 2, 0]] for view in views]
    negatives = [255 - view[..., [2, 0, 1]] for view in views]
    return views + exchanged + negatives


def grid_answers(raw):
    """Scores (n, cells, 10) and boxes of the grid detector."""
    raw = ops.convert_to_tensor(raw)
    scores = ops.sigmoid(raw[..., 4:5]) * ops.softmax(raw[..., 5:])
    return ops.convert_to_numpy(scores), ops.convert_to_numpy(grid_boxes(raw))


def ssd_answers(raw, defaults):
    """Scores (n, boxes, 10), background left out, and boxes of the default-box detector."""
    scores = ops.convert_to_numpy(ops.softmax(ops.convert_to_tensor(raw[..., 4:])))
    return scores[..., 1:], decode(raw[..., :4], defaults)
