"""An app whose instances end well, fail, wait and hang, and its hub after a local host has run them."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from click.testing import CliRunner, Result

from azure_durable_py.cli.commands import cli
from tests.e2e.host import Host, until

T = TypeVar("T")
ROOT = Path(__file__).parent.parent.parent
COLOR = "\x1b[31mred\x1b]0;owned\x07"
"""What steers a terminal, if it ever reaches one."""
APP = """
from datetime import timedelta

import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
COLOR = "\\x1b[31mred\\x1b]0;owned\\x07"


@app.orchestration_trigger(context_name="context")
def Order(context: df.DurableOrchestrationContext):
    order = context.get_input()
    context.set_custom_status({"step": "charging"})
    yield context.call_activity("charge", order["amount"])
    if order.get("check"):
        context.set_custom_status({"step": "approval"})
        yield context.wait_for_external_event("approved")
    context.set_custom_status({"step": "shipping"})
    return (yield context.call_sub_orchestrator("Ship", order["item"], f"{context.instance_id}-ship"))


@app.orchestration_trigger(context_name="context")
def Ship(context: df.DurableOrchestrationContext):
    return (yield context.call_activity_with_retry("send", df.RetryOptions(50, 2), context.get_input()))


@app.orchestration_trigger(context_name="context")
def Reminder(context: df.DurableOrchestrationContext):
    yield context.create_timer(context.current_utc_datetime + timedelta(days=3))


@app.orchestration_trigger(context_name="context")
def Hostile(context: df.DurableOrchestrationContext):
    context.set_custom_status(COLOR)
    try:
        yield context.call_activity("shout", COLOR)
    except df.TaskFailedError:
        pass
    yield context.wait_for_external_event(COLOR)
    raise ValueError(COLOR)


@app.activity_trigger(input_name="what")
def shout(what: str) -> str:
    raise ValueError(what)


@app.activity_trigger(input_name="amount")
def charge(amount: float) -> str:
    return f"charged {amount}"


@app.activity_trigger(input_name="item")
def send(item: str) -> str:
    if item == "anvil":
        raise ValueError("an anvil is too heavy for the post")
    return f"sent {item}"


@app.entity_trigger(context_name="context")
def Counter(context: df.DurableEntityContext):
    context.set_state(context.get_state(lambda: 0) + 1)
"""


def make_shop(directory: Path) -> Path:
    """The app in a directory, without a hub."""
    directory.mkdir(exist_ok=True)
    (directory / "function_app.py").write_text(APP, encoding="utf-8")
    (directory / "host.json").write_text('{"version": "2.0"}', encoding="utf-8")
    return directory


def fill(directory: Path) -> None:
    """Have a local host run instances of each sort, and end it."""
    host = Host(directory, "sqlite")
    host.start()
    try:
        start_all(host, str(directory))
        until(lambda: "TaskFailed" in ran("get-history", "hostile", str(directory)).stdout, 30, "the activity fails")
        ran("suspend", "order-4", str(directory), "--reason", "out of stock")
        host.until_status("order-4", lambda status: status["runtimeStatus"] == "Suspended")
        host.post("/runtime/webhooks/durabletask/entities/Counter/clicks?op=add", 1)
        until(
            lambda: host.get("/runtime/webhooks/durabletask/entities/Counter/clicks").text == "1",
            30,
            "the entity counts",
        )
    finally:
        assert host.stop() == 0


def start_all(host: Host, *where: str) -> None:
    """Start the instances of a shop, each when those before have come to where they go."""
    north = ("--tag", "shop=north")
    checked = '{"item": "tea", "amount": 1, "check": true}'

    def start(name: str, instance_id: str, reached: Callable[[dict[str, Any]], bool], *options: str) -> None:
        ran("start-new", name, *where, "--id", instance_id, *options)
        host.until_status(instance_id, reached)

    def waits(status: dict[str, Any]) -> bool:
        return bool(status["customStatus"] == {"step": "approval"})

    tea, anvil = '{"item": "tea", "amount": 17.5}', '{"item": "anvil", "amount": 99}'
    start("Order", "order-1", lambda status: status["runtimeStatus"] == "Completed", "--input", tea)
    start("Order", "order-2", lambda status: status["runtimeStatus"] == "Failed", "--input", anvil, *north)
    start("Order", "order-3", waits, "--input", checked, *north)
    start("Order", "order-4", waits, "--input", checked)
    start("Reminder", "reminder-1", lambda status: status["runtimeStatus"] == "Running")
    start("Hostile", "hostile", lambda status: status["customStatus"] == COLOR, "--tag", f"evil={COLOR}")


def azure_durable(*arguments: str, **options: Any) -> Result:
    """Run a command in this process, as with its output in pipes."""
    return CliRunner().invoke(cli, list(arguments), prog_name="azure-durable", **options)


def ran(*arguments: str) -> Result:
    """Run a command that works."""
    result = azure_durable(*arguments)
    assert result.exit_code == 0, (arguments, result.output, result.exception)
    return result


def environment() -> dict[str, str]:
    """What a command gets that runs in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AzureWebJobs")}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**kept, "PYTHONPATH": path}


def on_terminal(
    *arguments: str,
    cwd: Path,
    columns: int = 100,
    color: bool = False,
    until_shown: str | None = None,
    typed: str = "\x03",
    environ: dict[str, str] | None = None,
    program: tuple[str, ...] = (sys.executable, "-m", "azure_durable_py"),
) -> tuple[str, int]:
    """What a command shows on a terminal, and its exit code.

    :param until_shown: type something once this is there.
    :param typed: what to type; by default Ctrl+C.
    :param program: what gets the arguments.
    """
    import fcntl
    import pty
    import struct
    import termios

    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - another program from here on
        os.chdir(cwd)
        environ = {**environment(), "TERM": "xterm-256color", "COLUMNS": str(columns), **(environ or {})}
        environ.pop("NO_COLOR", None)
        if not color:
            environ["NO_COLOR"] = "1"
        os.execve(program[0], [*program, *arguments], environ)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    shown = _read_terminal(terminal, until_shown, typed)
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return shown, os.waitstatus_to_exitcode(status)


def _read_terminal(terminal: int, until_shown: str | None, typed: str) -> str:
    import select

    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # Nobody writes to it any more.
                break
            if not piece:
                break
            shown += piece
            if until_shown is not None and until_shown in shown.decode(errors="replace"):
                until_shown = None
                os.write(terminal, typed.encode())
    else:
        raise AssertionError(f"it goes on and on: {shown.decode(errors='replace')}")
    return shown.decode(errors="replace").replace("\r\n", "\n")


def plain(shown: str) -> str:
    """What a terminal shows, without colours and without spaces at the ends of lines."""
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    return "\n".join(line.rstrip() for line in text.split("\n"))


def copy_of(shop: Path, directory: Path) -> Path:
    """The app with its hub once more, for a test that changes it."""
    target = directory / "shop"
    shutil.copytree(shop, target, ignore=shutil.ignore_patterns("__pycache__", "*.log"))
    return target


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What `look` gives as soon as it gives something true."""
    return until(look, 30, what)
