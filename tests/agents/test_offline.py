"""What keeps tests of agents from providers: keys in the environment change nothing, and no connection leaves."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.offline import keeping_to_this_machine

ROOT = Path(__file__).parent.parent.parent
PLUGINS = ("-p", "pytest_azure_durable", "-p", "tests.offline")
NOWHERE = "192.0.2.1"
"""An address that is nobody's, kept for documents."""


@pytest.mark.parametrize("url", [f"http://{NOWHERE}/v1", "http://api.example.test/v1"])
def test_a_test_that_asks_elsewhere_fails_by_name_though_nobody_minds_the_error(url: str):
    host = url.split("/")[2]
    with pytest.raises(pytest.fail.Exception, match=host), keeping_to_this_machine(), suppress(OSError):
        urllib.request.urlopen(url, timeout=5)


def test_a_socket_without_a_name_to_look_up_is_refused_as_well():
    def ask() -> int:
        with socket.socket() as one:
            one.settimeout(5)
            return one.connect_ex((NOWHERE, 443))

    with pytest.raises(pytest.fail.Exception, match=f"{NOWHERE}:443"), keeping_to_this_machine(), suppress(OSError):
        ask()


def test_what_listens_on_this_machine_is_reached():
    class Here(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Here) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with keeping_to_this_machine(), urllib.request.urlopen(f"http://localhost:{server.server_port}/") as answer:
            assert answer.status == 204
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    "tests",
    [
        "sample_function_app/tests/test_agent.py",
        "tests/agents/test_page.py::test_what_is_shown_of_a_framework",
    ],
)
def test_a_developer_who_has_keys_for_providers_sees_the_same(tests: str):
    if find_spec("agents") is None:
        pytest.skip("needs the OpenAI Agents SDK: `make test-agents` has it")
    keys = {"OPENAI_API_KEY": "sk-none", "OPENAI_BASE_URL": f"http://{NOWHERE}/v1", "AGENT_MODEL": "openai:gpt-5"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *PLUGINS, "-n", "0", tests],
        cwd=ROOT,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
