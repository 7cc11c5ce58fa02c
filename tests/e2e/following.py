"""Does what a console block of a page says, with a host and a terminal of its own, and compares."""

from __future__ import annotations

import subprocess

from tests.cli import command_page
from tests.e2e.host import Host, until
from tests.showing import Step

_ACTS = (" start-new ", " raise-event ")


def follow(host: Host, step: Step) -> None:
    """Do what a step says, with the port of this host, and compare."""
    if step.command.startswith("pkill -9"):
        return host.kill()
    if step.command in ("make run &", "azure-durable start &"):
        return host.start()
    if step.command.startswith("azure-durable "):
        return _look_on_terminal(host, step)
    command = step.command.replace("localhost:7071", f"localhost:{host.port}")

    def run() -> str:
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.replace(f"localhost:{host.port}", "localhost:7071")

    if " -X " in step.command:
        printed = run()
        assert step.matches(printed), f"{step.command}\n{printed}"
        return None
    printed = ""

    def look() -> bool:
        nonlocal printed
        printed = run()
        return step.matches(printed)

    # A person may look a little later than this test does.
    try:
        until(look, 40, step.command)
    except AssertionError as error:
        raise AssertionError(f"{error}\nIt printed:\n{printed}\nand the host:\n{host.log}") from None
    return None


def _look_on_terminal(host: Host, step: Step) -> None:
    programs = host.app_dir / "programs"
    programs.mkdir(exist_ok=True)
    expected, printed = command_page.pattern(step.printed), ""

    def look() -> bool:
        nonlocal printed
        printed = command_page.run(step.command, host.app_dir, command_page.install(programs))
        return expected.fullmatch(printed) is not None

    if any(act in step.command for act in _ACTS):
        assert look(), printed
        return
    try:
        until(look, 20, step.command)
    except AssertionError as error:
        raise AssertionError(f"{error}\nIt printed:\n{printed}") from None
