"""`azure-durable start` as a process: what it prints, how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from azure_durable_py.cli.commands import cli
from azure_durable_py.cli.main import main

ROOT = Path(__file__).parent.parent.parent
APP = """
import asyncio
import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

@app.route(route="hello")
def hello(req: func.HttpRequest) -> str:
    return "hi"

@app.route(route="hang")
async def hang(req: func.HttpRequest) -> str:
    print("hanging", flush=True)
    await asyncio.Event().wait()
    return "never"
"""


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    (tmp_path / "function_app.py").write_text(APP)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "azure_durable_py", *arguments]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment(), cwd=cwd, timeout=60, check=False
    )


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    process = subprocess.Popen(
        command("start", *arguments, "--port", "0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment(),
    )
    try:
        text = read_until(process, "Press Ctrl+C to stop.")
        found = re.search(r"http://127\.0\.0\.1:\d+", text)
        assert found is not None, text
        yield process, found[0], text
    finally:
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], wanted: str) -> str:
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if wanted in line:
            return "".join(lines)
    raise AssertionError(f"{wanted!r} never came:\n{''.join(lines)}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(app_dir: Path, number: signal.Signals) -> None:
    with started(str(app_dir)) as (process, origin, text):
        assert re.search(r"hello: \[DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT.*\] http", text)
        assert f"{app_dir}/.azure-durable/TestHubName.db" in text
        with urllib.request.urlopen(f"{origin}/api/hello") as response:
            assert response.read() == b"hi"
        with urllib.request.urlopen(f"{origin}/runtime/webhooks/durabletask/instances") as response:
            assert json.load(response) == []
        process.send_signal(number)
        rest, _ = process.communicate(timeout=30)
        assert "Stopping. Press Ctrl+C again to stop at once." in rest
        assert "Traceback" not in rest
        assert process.returncode == 0


def test_a_second_ctrl_c_ends_it_at_once(app_dir: Path) -> None:
    with started(str(app_dir), "--storage", "memory") as (process, origin, _):
        host, port = origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(b"GET /api/hang HTTP/1.1\r\nHost: localhost\r\n\r\n")
            read_until(process, "hanging")
            process.send_signal(signal.SIGINT)
            read_until(process, "Stopping.")
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=5) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_request_that_is_under_way_is_answered_before_it_ends(app_dir: Path, number: signal.Signals) -> None:
    patient = """
@app.route(route="patient")
async def patient(req: func.HttpRequest) -> str:
    print("waiting", flush=True)
    while not os.path.exists("go"):
        await asyncio.sleep(0.01)
    return "went"
"""
    (app_dir / "function_app.py").write_text("import os\n" + APP + patient)
    with started(str(app_dir), "--storage", "memory", "--grace", "60") as (process, origin, _):
        host, port = origin.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(b"GET /api/patient HTTP/1.1\r\nHost: localhost\r\n\r\n")
            read_until(process, "waiting")
            process.send_signal(number)
            read_until(process, "Stopping.")
            with pytest.raises(urllib.error.HTTPError, match="503"):
                urllib.request.urlopen(f"{origin}/readyz", timeout=60)
            (app_dir / "go").touch()
            with connection.makefile("rb") as answer:
                assert answer.read().endswith(b"\r\n\r\nwent")
        assert process.wait(timeout=30) == 0


SPINS = """

@app.orchestration_trigger(context_name="context")
def spins(context):
    print("spinning", flush=True)
    while True:
        pass

@app.orchestration_trigger(context_name="context")
def well(context):
    return "well"
    yield
"""


def start_orchestration(origin: str, name: str) -> str:
    """Start an instance; returns the address of its status."""
    url = f"{origin}/runtime/webhooks/durabletask/orchestrators/{name}"
    with urllib.request.urlopen(urllib.request.Request(url, b"", method="POST"), timeout=20) as response:
        return json.load(response)["statusQueryGetUri"]


def ended(status_url: str) -> dict[str, object]:
    """The status of an instance, once it has ended."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        with urllib.request.urlopen(status_url, timeout=30) as response:
            if response.status == 200:
                return json.load(response)
        time.sleep(0.05)
    raise AssertionError("the instance has not ended")


def write_turn_limit(app_dir: Path, limit: str) -> None:
    (app_dir / "function_app.py").write_text(APP + SPINS)
    (app_dir / "host.json").write_text(
        json.dumps({"version": "2.0", "extensions": {"durableTask": {"maxOrchestratorTurnTime": limit}}})
    )


def test_an_orchestrator_that_spins_fails_within_the_limit_and_the_host_answers_again(app_dir: Path) -> None:
    write_turn_limit(app_dir, "00:00:02")
    with started(str(app_dir), "--storage", "memory") as (_, origin, _):
        status = ended(start_orchestration(origin, "spins"))
        assert status["runtimeStatus"] == "Failed"
        assert "kept the event loop for more than 2 s" in str(status["output"])
        assert "function_app.py" in str(status["output"])
        assert ended(start_orchestration(origin, "well"))["output"] == "well"
        with urllib.request.urlopen(f"{origin}/runtime/health", timeout=20) as response:
            assert response.status == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once_while_an_orchestrator_spins(app_dir: Path, number: signal.Signals) -> None:
    write_turn_limit(app_dir, "00:00:00")
    with started(str(app_dir), "--storage", "memory") as (process, origin, _):
        start_orchestration(origin, "spins")
        read_until(process, "spinning")
        process.send_signal(number)
        read_until(process, "Stopping.")
        process.send_signal(number)
        assert process.wait(timeout=5) == 128 + number


def test_one_signal_is_enough_while_an_orchestrator_spins_within_its_limit(app_dir: Path) -> None:
    write_turn_limit(app_dir, "00:00:02")
    with started(str(app_dir), "--storage", "memory", "--grace", "0.1") as (process, origin, _):
        start_orchestration(origin, "spins")
        read_until(process, "spinning")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_one_signal_is_enough_even_if_an_orchestrator_spins_for_ever(
    app_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_turn_limit(app_dir, "00:00:00")
    shorter = "from azure_durable_py.hosting.local import running\nrunning.STORAGE_GRACE = 1.0\n"
    (app_dir / "sitecustomize.py").write_text(shorter)
    monkeypatch.setenv("PYTHONPATH", str(app_dir))
    with started(str(app_dir), "--storage", "memory", "--grace", "0.1") as (process, origin, _):
        start_orchestration(origin, "spins")
        read_until(process, "spinning")
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "in spins" in rest


def test_a_function_that_never_returns_does_not_keep_it_running(app_dir: Path) -> None:
    stuck = "import threading\n\n@app.timer_trigger(arg_name='t', schedule='0 0 0 1 1 *', run_on_startup=True)\n"
    stuck += "def stuck(t: func.TimerRequest) -> None:\n    print('stuck', flush=True)\n    threading.Event().wait()\n"
    (app_dir / "function_app.py").write_text(APP + stuck)
    with started(str(app_dir), "--storage", "memory", "--grace", "0.1") as (process, _, text):
        if "stuck\n" not in text:
            read_until(process, "stuck")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_it_starts_in_the_current_directory_by_default(app_dir: Path) -> None:
    ran = run("start", "--storage", "no-such-setting", cwd=app_dir)
    assert ran.returncode == 1
    assert ran.stderr.startswith("Error: There is no storage 'no-such-setting'")
    assert ran.stderr.count("\n") == 1


def test_what_cannot_be_run_is_one_line_and_exit_code_1(tmp_path: Path, app_dir: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for arguments, message in [
            ((str(tmp_path / "nowhere"),), "Error: There is no directory"),
            ((str(app_dir), "--storage", "memory", "--port", str(port)), f"Error: Port {port} on 127.0.0.1 is in use"),
        ]:
            ran = run("start", *arguments)
            assert ran.returncode == 1
            assert message in ran.stderr
            assert "Traceback" not in ran.stderr


def test_an_error_in_the_app_shows_the_users_frames_only(app_dir: Path) -> None:
    (app_dir / "function_app.py").write_text("def setup():\n    raise ValueError('bad')\nsetup()\n")
    ran = run("start", str(app_dir))
    assert ran.returncode == 1
    assert "Error: function_app.py cannot be loaded:" in ran.stderr
    assert "ValueError: bad" in ran.stderr
    assert ran.stderr.count("  File ") == 2


@pytest.mark.parametrize(
    "arguments", [("start", "--port", "99999"), ("start", "--nope"), ("start", "a", "b"), ("nope",)]
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    ran = CliRunner().invoke(cli, arguments, prog_name="azure-durable")
    assert ran.exit_code == 2
    assert re.fullmatch(r"Error: .*\. See `azure-durable( start)? --help`\.\n", ran.output)


def test_help_names_what_storage_accepts() -> None:
    ran = CliRunner().invoke(cli, ["start", "--help"])
    assert ran.exit_code == 0
    for word in ("sqlite[:PATH]", "memory", "azurite", "AzureWebJobsStorage", "--port", "--host", "APP_DIR"):
        assert word in ran.output


def test_the_version_is_the_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"9.9 of {name}")
    ran = CliRunner().invoke(cli, ["--version"])
    assert (ran.exit_code, ran.output.strip()) == (0, "azure-durable, version 9.9 of azure-durable-py")


def test_without_the_extra_the_command_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "azure_durable_py.cli.commands")
    monkeypatch.setitem(sys.modules, "click", None)
    with pytest.raises(SystemExit, match=r"needs click\. Install it with: pip install 'azure-durable-py\[local\]'"):
        main()


def test_an_app_that_imports_the_other_package_is_served_when_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "Chain").mkdir()
    (tmp_path / "Chain" / "__init__.py").write_text(
        "import azure.durable_functions as df\nmain = df.Orchestrator.create(lambda context: 1)"
    )
    trigger = {"name": "context", "type": "orchestrationTrigger", "direction": "in"}
    (tmp_path / "Chain" / "function.json").write_text(json.dumps({"bindings": [trigger]}))
    refused = run("start", str(tmp_path), "--storage", "memory")
    assert refused.returncode == 1
    assert "`azure-durable start --as-durable-functions` does so, too." in refused.stderr
    with started(str(tmp_path), "--storage", "memory", "--as-durable-functions") as (_, _, text):
        assert re.search(r"Chain: +orchestrationTrigger", text)


LOOSE = """
import itertools

import azure_durable_py as df

app = df.DFApp()
chance = itertools.count()


@app.orchestration_trigger(context_name="context")
def loose(context: df.DurableOrchestrationContext):
    return (yield context.call_activity("echo", next(chance)))


@app.activity_trigger(input_name="value")
def echo(value: int) -> int:
    return value


@app.orchestration_trigger(context_name="context")
def late(context: df.DurableOrchestrationContext):
    import time

    yield context.call_activity("echo", int(time.time()))
"""


def test_strict_replays_each_turn_and_tells_at_start_what_the_linter_finds(app_dir: Path) -> None:
    (app_dir / "function_app.py").write_text(LOOSE)
    with started(str(app_dir), "--strict") as (_, origin, text):
        assert re.search(r"WARNING .*function_app\.py:\d+:\d+: DF\d+ .*time", text)
        assert "Strict          each turn is replayed at once" in text
        url = f"{origin}/runtime/webhooks/durabletask/orchestrators/loose?timeout=20&pollingInterval=0.1"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as response:
            told = response.read().decode()
    assert "Non-deterministic orchestrator" in told
    assert "'echo' with input 0" in told
    assert "azure-durable start --strict" in told
    with started(str(app_dir)) as (_, origin, text):
        assert "Strict          off; with --strict " in text
        url = f"{origin}/runtime/webhooks/durabletask/orchestrators/loose?timeout=20&pollingInterval=0.1"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as response:
            assert json.load(response) == 0
