"""Fixtures for the tests of the data layer."""

import os

import pytest
from data_tools import CONTENT, MEMBER, Host, archive


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
