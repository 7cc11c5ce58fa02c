"""A host with few file descriptors, and more callers than that: it goes on answering, and its log stays small."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

resource = pytest.importorskip("resource", reason="this system has no limit of file descriptors")

ROOT = Path(__file__).parent.parent.parent.parent
FILES = 256
CALLERS = 600
HALF = b"GET /api/hello HTTP/1.1\r\nHost: localhost\r\nX-Half: "
APP = """
import asyncio
import os
import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="hello")
def hello(req: func.HttpRequest) -> str:
    return "hi"

@app.route(route="hog")
async def hog(req: func.HttpRequest) -> str:
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    asyncio.get_running_loop().call_later(3.0, lambda: [os.close(one) for one in held])
    return "all of them"
"""


@contextlib.contextmanager
def host(directory: Path) -> Iterator[str]:
    """A host with few file descriptors, whose log is in the file `log`; gives its address."""
    (directory / "function_app.py").write_text(APP)
    settings = {"extensions": {"http": {"headersTimeout": "00:00:01"}}}
    (directory / "host.json").write_text(json.dumps({"version": "2.0", **settings}))
    limited = f"import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, ({FILES}, {FILES})); "
    limited += "runpy.run_module('azure_durable_py', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", limited, "start", str(directory), "--storage", "memory", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        yield address_of(process, directory / "log")
    finally:
        process.kill()
        process.wait()


def address_of(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"Management API +(http://127\.0\.0\.1:\d+)", log.read_text())
        if found is not None:
            return found[1]
        select.select([], [], [], 0.05)
    raise AssertionError(f"the host did not start:\n{log.read_text()}")


def hello(origin: str) -> bytes:
    with urllib.request.urlopen(f"{origin}/api/hello", timeout=30) as response:
        return response.read()


def complaints(directory: Path) -> list[str]:
    return re.findall(r"^.*(?:WARNING|ERROR).*$", (directory / "log").read_text(), re.MULTILINE)


@pytest.fixture
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < CALLERS + 200:
        pytest.skip(f"this process may open {hard} files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, CALLERS + 200), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_many_files")
def test_a_crowd_that_says_half_a_request_keeps_nobody_out(tmp_path: Path) -> None:
    with host(tmp_path) as origin, contextlib.ExitStack() as crowd:
        port = int(origin.rpartition(":")[2])
        silent = [
            crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30)) for _ in range(CALLERS)
        ]
        for one in silent:
            with contextlib.suppress(ConnectionError):
                one.sendall(HALF)
        assert hello(origin) == b"hi"
        for one in silent:
            # Closed, by making way or when its time is up.
            with contextlib.suppress(ConnectionError):
                assert one.recv(1) == b""
        assert hello(origin) == b"hi"
    assert len(complaints(tmp_path)) < 10
    assert (tmp_path / "log").stat().st_size < 20_000


def test_a_host_whose_app_has_taken_all_files_says_so_once_and_recovers(tmp_path: Path) -> None:
    with host(tmp_path) as origin:
        with urllib.request.urlopen(f"{origin}/api/hog", timeout=30) as response:
            assert response.read() == b"all of them"
        assert hello(origin) == b"hi"
    exhausted = [line for line in complaints(tmp_path) if "No connection can be accepted (Too many open files)" in line]
    assert len(exhausted) == 1
    assert len(complaints(tmp_path)) < 10
