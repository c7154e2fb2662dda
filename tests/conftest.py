"""What several files of tests share: the website, built once; a data cache and hosts of data."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from data_tools import CONTENT, MEMBER, Host, archive

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def built_site(tmp_path_factory, shown_notebooks):
    """Build the website, or take the one that BIGMODEL_SITE names."""
    from site_tools import with_sample_outputs

    given = os.environ.get("BIGMODEL_SITE")
    if given:
        site = Path(given).resolve()
        assert (site / "index.html").is_file(), f"BIGMODEL_SITE={given} holds no website"
        return site
    folder = tmp_path_factory.mktemp("site")
    notebooks = with_sample_outputs(shown_notebooks, folder / "notebooks")
    command = [sys.executable, ROOT / "tools" / "build_book.py", "--execute", "off"]
    command += ["--output", folder / "book", "--notebooks", notebooks]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, f"the book was not built:\n{built.stdout}\n{built.stderr}"
    [index] = (folder / "book").rglob("html/index.html")
    return index.parent


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


@pytest.fixture
def host(cache):
    body = archive([(MEMBER, CONTENT)], level=0)  # stored, so that half of it is well formed text
    host = Host(body)
    yield host
    host.server.shutdown()
    host.server.server_close()
