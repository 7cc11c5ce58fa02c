"""`azure-durable start --reload`: code changes, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from azure_durable_py.cli.commands import cli
from azure_durable_py.hosting.local import reloading
from tests.e2e.host import MANAGEMENT, READY, ROOT, free_port, send, until

APP = """
import os
import pathlib
import time
from datetime import timedelta

import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
HERE = pathlib.Path(__file__).parent
VERSION = 1

@app.route(route="version")
def version(req: func.HttpRequest) -> str:
    return str(VERSION)

@app.route(route="pid")
def pid(req: func.HttpRequest) -> str:
    return str(os.getpid())

@app.orchestration_trigger(context_name="context")
async def waits(context):
    await context.create_timer(timedelta(milliseconds=1))
    await context.wait_for_external_event("go")
    return await context.call_activity(tell_version)

@app.activity_trigger(input_name="_")
def tell_version(_):
    return VERSION

@app.orchestration_trigger(context_name="context")
async def sleeps(context):
    started = VERSION
    await context.create_timer(timedelta(seconds=3))
    return await context.call_activity(tell_version)

@app.orchestration_trigger(context_name="context")
async def works(context):
    return await context.call_activity(work)

@app.activity_trigger(input_name="_")
def work(_):
    with (HERE / "begun.txt").open("a") as begun:
        begun.write("x")
    while not (HERE / "release.txt").exists():
        time.sleep(0.01)
    return VERSION
"""


class Reloading:
    """`azure-durable start --reload` on an app of its own."""

    def __init__(self, app_dir: Path) -> None:
        self.app_dir = app_dir
        self.port = free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._log = app_dir.parent / "reloading.log"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "azure_durable_py", "start", app_dir, "--reload", "--port", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def until(self, look: Callable[[], Any], what: str) -> Any:
        def still() -> Any:
            assert self.process.poll() is None, self.log
            return look()

        try:
            return until(still, 60, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log}") from None

    def has_served(self, times: int) -> None:
        self.until(lambda: self.log.count(READY) >= times, f"it serves for the {times}. time")

    def write(self, code: str) -> None:
        """As editors do: beside it, and then in its place."""
        beside = self.app_dir / ".function_app.py.new"
        beside.write_text(code, encoding="utf-8")
        beside.replace(self.app_dir / "function_app.py")

    def write_version(self, version: int) -> None:
        self.write(APP.replace("VERSION = 1", f"VERSION = {version}"))

    def get(self, path: str) -> str:
        """What it answers; nothing while it is being started again."""
        try:
            return send("GET", f"{self.origin}/api/{path}").text
        except OSError:
            return ""

    def start(self, name: str) -> str:
        answer = send("POST", f"{self.origin}{MANAGEMENT}/orchestrators/{name}")
        assert answer.status == 202, answer
        return answer.json()["id"]

    def status(self, instance_id: str) -> Any:
        return send("GET", f"{self.origin}{MANAGEMENT}/instances/{instance_id}").json()

    def output(self, instance_id: str) -> Any:
        def look() -> Any:
            status = self.status(instance_id)
            return status if status["runtimeStatus"] == "Completed" else None

        return self.until(look, f"{instance_id} is completed")["output"]

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        # A process that nobody has waited for yet is dead all the same.
        stat = Path(f"/proc/{pid}/stat")
        return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
    return False


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Reloading]:
    directory = tmp_path / "app"
    directory.mkdir()
    (directory / "function_app.py").write_text(APP)
    running = Reloading(directory)
    running.has_served(1)
    yield running
    running.kill()


def test_instances_that_wait_go_on_in_the_new_code(app: Reloading) -> None:
    waits, sleeps = app.start("waits"), app.start("sleeps")
    app.until(lambda: app.status(waits)["runtimeStatus"] == "Running", "it runs")
    app.write_version(2)
    app.has_served(2)
    assert app.get("version") == "2"
    assert "function_app.py changed: starting the app again." in app.log
    assert "watchfiles" not in app.log
    answer = send("POST", f"{app.origin}{MANAGEMENT}/instances/{waits}/raiseEvent/go", True)
    assert answer.status == 202
    assert app.output(waits) == 2
    assert app.output(sleeps) == 2


def test_an_activity_in_flight_comes_to_its_end_and_runs_once(app: Reloading) -> None:
    works = app.start("works")
    app.until((app.app_dir / "begun.txt").exists, "the activity has begun")
    app.write_version(2)
    app.until(lambda: "starting the app again" in app.log, "the change is seen")
    assert app.log.count(READY) == 1
    (app.app_dir / "release.txt").touch()
    app.has_served(2)
    assert app.output(works) == 1
    assert (app.app_dir / "begun.txt").read_text() == "x"


def test_code_that_cannot_be_loaded_is_told_and_the_next_change_mends_it(app: Reloading) -> None:
    waits = app.start("waits")
    app.write(APP + "def broken(:\n")
    app.until(lambda: "started again at the next change" in app.log, "the error is told")
    assert "SyntaxError: invalid syntax" in app.log
    assert "The app has ended (exit code 1)." in app.log
    assert app.process.poll() is None
    app.write_version(3)
    app.has_served(2)
    assert send("POST", f"{app.origin}{MANAGEMENT}/instances/{waits}/raiseEvent/go", True).status == 202
    assert app.output(waits) == 3


def test_settings_count_as_well(app: Reloading) -> None:
    (app.app_dir / "host.json").write_text("{")
    app.until(lambda: "started again at the next change" in app.log, "the error is told")
    (app.app_dir / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": "new"}}}')
    app.has_served(2)
    assert send("GET", f"{app.origin}/new/version").text == "1"


def test_a_burst_of_changes_is_one(app: Reloading) -> None:
    for version in range(2, 12):
        (app.app_dir / f"module_{version}.py").write_text("")
        app.write_version(version)
    app.until(lambda: app.log.count(READY) >= 2 and app.get("version") == "11", "the last code is served")
    # The burst may fall into two parts, when the machine is busy; into ten it must not.
    assert app.log.count("starting the app again") <= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_stop_it_leaves_nothing_behind(app: Reloading, number: signal.Signals) -> None:
    pid = int(app.get("pid"))
    app.process.send_signal(number)
    assert app.process.wait(timeout=30) == 0
    assert app.log.count("Stopping. Press Ctrl+C again to stop at once.") == 1
    assert "Traceback" not in app.log
    assert not is_alive(pid)


def test_ctrl_c_reaches_both_processes_and_both_end_in_good_order(app: Reloading) -> None:
    pid = int(app.get("pid"))
    os.killpg(app.process.pid, signal.SIGINT)
    assert app.process.wait(timeout=30) == 0
    assert app.log.count("Stopping.") == 1
    assert "Traceback" not in app.log
    assert not is_alive(pid)


def test_a_second_ctrl_c_ends_both_at_once(app: Reloading) -> None:
    pid = int(app.get("pid"))
    app.start("works")
    app.until((app.app_dir / "begun.txt").exists, "the activity has begun")
    os.killpg(app.process.pid, signal.SIGINT)
    app.until(lambda: "Stopping." in app.log, "it stops")
    os.killpg(app.process.pid, signal.SIGINT)
    assert app.process.wait(timeout=5) == 130
    until(lambda: not is_alive(pid), 5, "the app has ended")


def test_the_app_does_not_outlive_a_supervisor_that_is_killed(app: Reloading) -> None:
    pid = int(app.get("pid"))
    app.process.kill()
    app.process.wait()
    until(lambda: not is_alive(pid), 30, "the app has ended")


def test_it_can_be_stopped_while_it_waits_for_code_to_be_mended(app: Reloading) -> None:
    app.write("broken(\n")
    app.until(lambda: "started again at the next change" in app.log, "the error is told")
    app.process.send_signal(signal.SIGINT)
    assert app.process.wait(timeout=30) == 0


def test_memory_is_refused_because_it_would_forget() -> None:
    ran = CliRunner().invoke(cli, ["start", "--reload", "--storage", "memory"])
    assert ran.exit_code == 2
    assert "all instances would be lost at each change. Use sqlite." in " ".join(ran.output.split())


def test_a_directory_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    ran = CliRunner().invoke(cli, ["start", "--reload", str(tmp_path / "nowhere")])
    assert (ran.exit_code, "There is no directory" in ran.output) == (1, True)


def commanded(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    found: list[str] = []

    def run(_app_dir: Path, command: list[str]) -> int:
        found.extend(command)
        return 7

    monkeypatch.setattr(reloading, "run_reloading", run)
    ran = CliRunner().invoke(cli, ["start", "--reload", *arguments])
    assert ran.exit_code == 7, ran.output
    assert found[:4] == [sys.executable, "-m", "azure_durable_py", "start"]
    return found[4:]


def test_the_app_gets_the_options_that_were_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["--grace", "3.5", "--storage", "sqlite", "--as-durable-functions", "-v", "--port", "81", str(tmp_path)]
    command = commanded(monkeypatch, *given)
    assert command[0] == "--supervised"
    assert command[-4:] == ["--port", "81", "--", str(tmp_path)]
    assert set(command[1:-4]) == {"--grace", "3.5", "--storage", "sqlite", "--as-durable-functions", "--verbose"}


def test_any_port_is_the_same_port_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = commanded(monkeypatch, "--port", "0", str(tmp_path))
    assert re.fullmatch(r"[1-9]\d+", command[command.index("--port") + 1])
    assert "--port" not in commanded(monkeypatch, str(tmp_path))


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("function_app.py", True),
        ("shop/orders.py", True),
        ("host.json", True),
        ("local.settings.json", True),
        ("Chain/function.json", True),
        ("README.md", False),
        ("data/orders.json", False),
        (".azure-durable/Hub.db-wal", False),
        (".azure-durable/x.py", False),
        (".venv/lib/python3.12/site-packages/x.py", False),
        ("env/Lib/site-packages/x.py", False),
        ("shop/__pycache__/orders.cpython-312.pyc", False),
        (".#function_app.py", False),
        ("flycheck_function_app.py", False),
    ],
)
def test_code_and_settings_count_and_nothing_else(path: str, counts: bool) -> None:
    assert reloading.counts(Path(path)) is counts


async def test_an_app_below_a_folder_that_would_not_count_is_watched(tmp_path: Path) -> None:
    app_dir = tmp_path / ".hidden" / "node_modules" / "app"
    app_dir.mkdir(parents=True)
    found = reloading.changes(app_dir)
    first = asyncio.ensure_future(anext(found))
    await asyncio.sleep(0)
    (app_dir / "notes.txt").write_text("")
    (app_dir / "function_app.py").write_text("")
    assert await asyncio.wait_for(first, 20) == {"function_app.py"}
    await found.aclose()
