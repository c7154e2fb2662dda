"""Scenes of handwritten digits on photographs: the data of two chapters on detection.

The last function stands in the chapter "One-stage detection", line by line; a test compares.
"""

import numpy as np


def photograph_views(photographs, factors=(1, 2, 3, 4)):
    """Shrink photographs by whole factors, so that crops show details and wholes alike.

    Args:
        photographs: list of uint8 arrays of shape `(height, width, 3)`.
        factors: ints; a pixel of a view is the mean over a square of so many pixels a side.

    Returns:
        list of uint8 arrays, one a photograph and factor.
    """
    views = []
    for photograph in photographs:
        for k in factors:
            h, w = (m // k for m in photograph.shape[:2])
            squares = photograph[: h * k, : w * k].reshape(h, k, w, k, 3)
            views.append(squares.mean(axis=(1, 3)).astype("uint8"))
    return views


def draw_backgrounds(n, views, rng, size):
    """Cut `n` squares out of random views at random places, each axis mirrored half of the time.

    Returns:
        uint8 array of shape `(n, size, size, 3)`.
    """
    squares = np.empty((n, size, size, 3), "uint8")
    which, place = rng.integers(len(views), size=n), rng.random((n, 2))
    flip = rng.choice([-1, 1], (n, 2))
    for i, view in enumerate(views[k] for k in which):
        row, column = (
            int(u * (m - size + 1)) for u, m in zip(place[i], view.shape[:2], strict=True)
        )
        square = view[row : row + size, column : column + size]
        squares[i] = square[:: flip[i, 0], :: flip[i, 1]]
    return squares


def render_digits(images, rng, scales=(0.5, 1.5), canvas=46):
    """Scale, stretch and turn digits on a canvas, sampled bilinearly.

    Args:
        images: uint8 array of shape `(n, 28, 28)`.
        rng: `numpy.random.Generator`.
        scales: smallest and largest factor of size; its logarithm is uniform.
        canvas: int, side of the canvas [pixels].

    Returns:
        float32 array of shape `(n, canvas, canvas)`, the ink of every pixel, 0 to 1.
    """
    n, m = len(images), images.shape[1]
    scale = np.exp(rng.uniform(*np.log(scales), n))
    stretch, angle = np.exp(rng.uniform(-0.12, 0.12, n)), rng.uniform(-0.4, 0.4, n)
    tall, wide = 1 / (scale * stretch), stretch / scale
    cos, sin = np.cos(angle), np.sin(angle)
    turn = [[cos * tall, sin * tall], [-sin * wide, cos * wide]]
    grid = np.indices((canvas, canvas), dtype="float32").reshape(2, -1) - (canvas - 1) / 2
    places = np.moveaxis(np.array(turn, "float32"), 2, 0) @ grid + (m + 1) / 2
    places = np.clip(places, 0, m + 1)  # in an image with a frame of zeros
    flat = np.pad(images, ((0, 0), (1, 2), (1, 2))).astype("float32").ravel()
    corner = places.astype("int32")
    down, right = np.moveaxis(places - corner, 1, 0)
    width = m + 3
    index = (np.arange(n, dtype="int32")[:, None] * width + corner[:, 0]) * width + corner[:, 1]
    top = flat[index] + right * (flat[index + 1] - flat[index])
    index += width
    bottom = flat[index] + right * (flat[index + 1] - flat[index])
    return ((top + down * (bottom - top)) / 255).reshape(n, canvas, canvas)


def ink_boxes(ink, threshold=0.3):
    """Find the smallest box around the pixels with more ink than the threshold.

    Args:
        ink: float array of shape `(n, canvas, canvas)`, 0 to 1.
        threshold: float.

    Returns:
        int array of shape `(n, 4)`: left, top, right, bottom; right and bottom lie just behind the
        last pixel, so that width is right minus left.
    """
    dark, m = ink > threshold, ink.shape[1]
    rows, columns = dark.any(axis=2), dark.any(axis=1)
    first = columns.argmax(axis=1), rows.argmax(axis=1)
    last = m - columns[:, ::-1].argmax(axis=1), m - rows[:, ::-1].argmax(axis=1)
    return np.stack([*first, *last], axis=1)


def hidden_share(a, b):
    """Intersection of boxes over the smaller of the two areas; arrays of shape `(..., 4)`."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    areas = [(box[..., 2:] - box[..., :2]).prod(axis=-1) for box in (a, b)]
    return np.clip(sides, 0, None).prod(axis=-1) / np.maximum(np.minimum(*areas), 1)


def find_places(sizes, taken, rng, size, limit=0.3, tries=8):
    """Try random places for new boxes; take the first that hides little of those before.

    Args:
        sizes: int array of shape `(n, 2)`, width and height of the new boxes.
        taken: float array of shape `(n, k, 4)`, the boxes that are there; zeros where none is.
        rng: `numpy.random.Generator`.
        size: int, side of the scene.
        limit: float, the largest `hidden_share` allowed.
        tries: int, places tried.

    Returns:
        boxes: int array of shape `(n, 4)`.
        fits: bool array of shape `(n,)`, False where every try failed.
    """
    room = (size - sizes + 1)[:, None]
    corner = (rng.random((len(sizes), tries, 2)) * room).astype(int)
    boxes = np.concatenate([corner, corner + sizes[:, None]], axis=2)
    fits = hidden_share(boxes[:, :, None], taken[:, None]).max(axis=2) <= limit
    first = np.arange(len(sizes)), fits.argmax(axis=1)
    return boxes[first], fits[first]


def paint(square, ink, colour):
    """Paint ink (h, w) on a uint8 square (h, w, 3), in place; avoid the ground's own colour."""
    ground = square.mean(axis=(0, 1)) / 255
    if ((colour - ground) ** 2).sum() < 0.35**2:
        colour = (colour + 0.5) % 1
    square[:] = square + ink[:, :, None] * (255 * colour - square)


def draw_scenes(n, images, labels, views, rng, size=64, fewest=1, most=5, uses=1):
    """Draw scenes of one to five digits on photographs.

    Args:
        n: int, how many scenes.
        images: uint8 array of shape `(digits, 28, 28)`, the digits to draw from.
        labels: int array of shape `(digits,)`.
        views: list of uint8 arrays of shape `(height, width, 3)`, each side at least `size`.
        rng: `numpy.random.Generator`; the same generator draws the same scenes.
        size: int, side of a scene [pixels].
        fewest, most: ints, digits a scene; one that finds no free place is left out.
        uses: float, how often a warped digit is painted on average; 1 draws the most variety.

    Returns:
        scenes: uint8 array of shape `(n, size, size, 3)`.
        boxes: float32 array of shape `(n, most, 4)`: left, top, right, bottom [pixels].
        classes: int64 array of shape `(n, most)`, 0 to 9, or -1 where there is no digit.

    Raises:
        ValueError: if a view is smaller than a scene.
    """
    if min(min(view.shape[:2]) for view in views) < size:
        raise ValueError(f"draw_scenes: every side of a view must have at least {size} pixels")
    scenes, count = draw_backgrounds(n, views, rng, size), rng.integers(fewest, most + 1, n)
    boxes, classes = np.zeros((n, most, 4), "float32"), np.full((n, most), -1, "int64")
    chosen = rng.integers(len(images), size=int(np.ceil(count.sum() / uses)))
    ink = render_digits(images[chosen], rng)
    tight = ink_boxes(ink)
    for slot in range(most):
        who = np.flatnonzero(count > slot)
        d = rng.integers(len(chosen), size=len(who))
        places, fits = find_places(tight[d, 2:] - tight[d, :2], boxes[who], rng, size)
        for i, k, (x0, y0, x1, y1) in zip(who[fits], d[fits], places[fits], strict=True):
            u0, v0, u1, v1 = tight[k]
            paint(scenes[i, y0:y1, x0:x1], ink[k, v0:v1, u0:u1], rng.random(3))
        boxes[who[fits], slot] = places[fits]
        classes[who[fits], slot] = labels[chosen[d[fits]]]
    return scenes, boxes, classes
