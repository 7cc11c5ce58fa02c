"""`azure-durable wait`: until an instance has come to its end, with what happens meanwhile."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.moments import SPAN
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.show import missing
from azure_durable_py.cli.target import INSTANCE, HubTarget, about_hub
from azure_durable_py.wording import duration

if TYPE_CHECKING:
    from azure_durable_py.inspection.instance import Inspection

_FIRST_POLL, _LONGEST_POLL = 0.1, 2.0
_MOST_WAITS = 3
_ENDS = {"Failed": ExitCode.instance_failed, "Terminated": ExitCode.instance_terminated}
_ENDS["Canceled"] = ExitCode.instance_terminated


@click.command(
    epilog=examples("azure-durable wait order-17", "azure-durable wait order-17 --timeout 5m --json > outcome.json")
)
@about_hub(INSTANCE)
@click.option("--timeout", type=SPAN, metavar="DURATION", help="How long at most: 90, 90s, 5m ... (default: for ever).")
@click.option("--quiet", is_flag=True, help="Tell nothing before the end.")
@with_output
def wait(target: HubTarget, out: Output, instance_id: str, timeout: float | None, quiet: bool) -> None:
    """Wait until an instance has ended, and print what it came to.

    Meanwhile its state, its custom status and what it waits for are told on stderr. The exit code is 0 if it has
    completed, 4 if it has failed, 6 if it was terminated, 5 if it has not ended in time.
    """
    from azure_durable_py.cli.instance_page import print_failure
    from azure_durable_py.cli.shapes import as_json

    found = run(_until_ended(target, out, instance_id, timeout, quiet=quiet))
    if out.as_json:
        out.json(as_json(found))
    elif found.failure is not None:
        print_failure(out, found.failure)
    elif found.output is not None:
        out.line(found.output)
    code = _ENDS.get(found.runtime_status)
    if code is not None:
        raise CommandError(f"Instance {instance_id!r} ({found.name}) is {found.runtime_status}.", code)
    if not quiet:
        out.note(f"Instance {instance_id!r} ({found.name}) is {found.runtime_status}.")


async def _until_ended(
    target: HubTarget, out: Output, instance_id: str, timeout: float | None, *, quiet: bool
) -> Inspection:
    from azure_durable_py.cli.views import viewing
    from azure_durable_py.status import TERMINAL_NAMES

    began, delay = time.monotonic(), _FIRST_POLL
    deadline = None if timeout is None else began + timeout
    async with viewing(target) as view:
        with _progress(out, quiet=quiet) as tell:
            while True:
                found = await view.inspect(instance_id)
                if found is None:
                    raise missing(target, instance_id)
                if found.kind == "entity":
                    raise CommandError("Entities have no end to wait for.", ExitCode.wrong_usage)
                if found.runtime_status in TERMINAL_NAMES:
                    return found
                tell(found, time.monotonic() - began)
                left = delay if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    told = f"Instance {instance_id!r} has not ended after {timeout:g} s: {_state(found)}."
                    raise CommandError(told, ExitCode.timed_out)
                await asyncio.sleep(min(delay, left))
                delay = min(1.5 * delay, _LONGEST_POLL)


def _state(found: Inspection) -> str:
    """Where an instance stands, in one line."""
    from azure_durable_py.cli.instance_page import wait_text

    parts = [found.runtime_status or "damaged"]
    if found.custom_status is not None:
        parts.append(f"custom status {found.custom_status}")
    waits = [wait_text(wait) for wait in found.waits[:_MOST_WAITS]]
    rest = len(found.waits) - len(waits) + found.waits_left_out
    if waits:
        parts.append(f"waits for {', '.join(waits)}{f' and {rest} more' if rest else ''}")
    parts += [finding.text for finding in found.findings if finding.level != "info"][:1]
    return "; ".join(parts)


_Tell = Callable[["Inspection", float], None]


@contextmanager
def _progress(out: Output, *, quiet: bool) -> Generator[_Tell, None, None]:
    """What tells on stderr how far it is: a line that changes on a terminal, elsewhere a line for each change."""
    if quiet:
        yield lambda _found, _seconds: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True, highlight=False).status("") as line:
            yield lambda found, seconds: line.update(
                Text(f"{out.plain(_state(found))} ({duration(seconds, rough=True)})")
            )
    else:
        told: list[str] = [""]

        def tell(found: Inspection, _seconds: float) -> None:
            if told[0] != _state(found):
                told[0] = _state(found)
                out.note(told[0])

        yield tell
