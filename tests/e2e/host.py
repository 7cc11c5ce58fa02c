"""`azure-durable start` as a process of its own, and HTTP to talk to it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent
READY = "Press Ctrl+C to stop."
MANAGEMENT = "/runtime/webhooks/durabletask"
TERMINAL = ("Completed", "Failed", "Terminated")


def until(look: Callable[[], T | None], timeout: float, what: str) -> T:
    """What `look` gives as soon as it gives something true."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {timeout:g} s; the last look gave {found!r}"
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def copy_sample(directory: Path, hub_name: str) -> Path:
    """The sample app in a folder of its own, on a hub of its own, with fast recovery after a crash."""
    shutil.copy(ROOT / "function_app.py", directory)
    shutil.copytree(
        ROOT / "sample_function_app", directory / "sample_function_app", ignore=shutil.ignore_patterns("__pycache__")
    )
    write_host_json(directory, hub_name)
    return directory


def write_host_json(directory: Path, hub_name: str) -> None:
    """Settings for tests."""
    host_json: dict[str, Any] = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    host_json["extensions"]["durableTask"] = {
        "hubName": hub_name,
        "storageProvider": {
            "controlQueueVisibilityTimeout": "00:00:05",
            "workItemQueueVisibilityTimeout": "00:00:05",
            "maxQueuePollingInterval": "00:00:01",
        },
    }
    (directory / "host.json").write_text(json.dumps(host_json), encoding="utf-8")


@dataclass(frozen=True)
class Answer:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


def send(method: str, url: str, body: Any = None) -> Answer:
    """Send a request; `body` becomes JSON, unless it is bytes."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return Answer(response.status, dict(response.headers), response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, dict(error.headers), error.read().decode())


class Host:
    """A local host. It may be killed or stopped, and started again on the same port and hub.

    :param storage: what `--storage` takes.
    :param environ: app settings beside the test's own environment.
    :param options: more options of `azure-durable start`.
    """

    def __init__(
        self, app_dir: Path, storage: str, environ: dict[str, str] | None = None, options: tuple[str, ...] = ()
    ) -> None:
        self._options = options
        self.port = free_port()
        self.origin = f"http://localhost:{self.port}"
        self.app_dir = app_dir
        self._storage = storage
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
        self._environ = {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(environ or {})}
        self._log = app_dir / f"host-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start the process, without waiting for it."""
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "azure_durable_py", "start", str(self.app_dir)),
                    *("--port", str(self.port), "--storage", self._storage, *self._options),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
            )

    def start(self) -> None:
        """Start the process and wait until it serves."""
        self.launch()
        until(self._is_ready, 60, "the host is ready")

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        return READY in self.log

    @property
    def log(self) -> str:
        """All that the running process, or the last one, has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> int:
        """End it as Ctrl+C does; returns its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=30)

    # --- requests ----------------------------------------------------------------------------------------

    def post(self, path: str, body: Any = None) -> Answer:
        return send("POST", self.origin + path, body)

    def get(self, path: str) -> Answer:
        return send("GET", self.origin + path)

    def start_new(self, name: str, input_: Any = None, instance_id: str = "") -> dict[str, str]:
        """Start an orchestration through the sample's starter; returns the management payload."""
        answer = self.post(f"/api/orchestrators/{name}/{instance_id}".rstrip("/"), input_)
        assert answer.status == 202, answer
        return answer.json()

    def raise_event(self, instance_id: str, name: str, data: Any = None) -> None:
        answer = self.post(f"{MANAGEMENT}/instances/{instance_id}/raiseEvent/{name}", data)
        assert answer.status == 202, answer

    def status(self, instance_id: str) -> dict[str, Any]:
        answer = self.get(f"{MANAGEMENT}/instances/{instance_id}")
        assert answer.status in (200, 202), answer
        return answer.json()

    def until_status(self, instance_id: str, holds: Callable[[dict[str, Any]], bool], timeout: float = 30) -> Any:
        """The status of an instance as soon as `holds` is true of it."""

        def look() -> dict[str, Any] | None:
            status = self.status(instance_id)
            return status if holds(status) else None

        return until(look, timeout, f"{instance_id} on {self._storage}")

    def output(self, instance_id: str, timeout: float = 30) -> Any:
        """The output of an instance, once it is completed."""
        status = self.until_status(instance_id, lambda status: status["runtimeStatus"] in TERMINAL, timeout)
        assert status["runtimeStatus"] == "Completed", status
        return status["output"]

    def run(self, name: str, input_: Any = None) -> Any:
        """The output of a new instance."""
        return self.output(self.start_new(name, input_)["id"])
