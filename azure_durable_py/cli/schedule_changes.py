"""The commands that change a schedule, each of which a worker carries out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.moments import MOMENT, SPAN
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.schedules import SCHEDULE, schedule_json
from azure_durable_py.cli.target import HubTarget, Slot, about_hub
from azure_durable_py.cli.values import json_value

if TYPE_CHECKING:
    from azure_durable_py.client.schedules import ScheduleClient, ScheduleDescription

_Callback = TypeVar("_Callback", bound="Callable[..., Any]")
_T = TypeVar("_T")
_ORCHESTRATOR = Slot("orchestrator", "--function-name", "ORCHESTRATOR", "The orchestrator, in place of the argument.")
_overlap = click.option(
    "--overlap",
    type=click.Choice(["skip", "buffer_one", "terminate", "allow"]),
    help="What to do when a run is under way: leave the new one out, start it afterwards, terminate the old one, or "
    "allow both.",
)

_catch_up = click.option(
    "--catch-up", type=click.Choice(["latest", "all", "none"]), help="Which to start that came while no worker ran."
)


def _changing(callback: _Callback) -> _Callback:
    """Give a command that a worker carries out the option `--timeout`."""
    return click.option(
        "--timeout",
        type=SPAN,
        default="60",
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for a worker to do it.",
    )(callback)


def _ask(target: HubTarget, timeout: float, call: Callable[[ScheduleClient], Awaitable[_T]]) -> _T:
    """Have a worker change a schedule."""
    from azure_durable_py.client.schedules import ScheduleClient
    from azure_durable_py.serialization.converter import JsonDataConverter

    async def ask() -> _T:
        async with target.open_client() as client:
            return await call(ScheduleClient(client, JsonDataConverter(), None, timeout))

    return run(ask())


@click.command(
    "create",
    epilog=examples(
        "azure-durable schedules create nightly CleanUp --cron '0 30 2 * * *' --time-zone Europe/Oslo",
        'azure-durable schedules create poll Poll --every 10m --input \'{"site": "north"}\' --overlap buffer_one',
    ),
)
@about_hub(SCHEDULE, _ORCHESTRATOR)
@click.option("--every", type=SPAN, metavar="DURATION", help="How long from one run to the next: 30s, 10m, 1d.")
@click.option("--cron", metavar="TEXT", help="'{second} {minute} {hour} {day} {month} {day-of-week}'.")
@click.option("--time-zone", default="UTC", show_default=True, help="Whose local time --cron speaks of.")
@click.option("--input", "given", metavar="JSON", help="What each run receives: JSON, a text, or @FILE with JSON.")
@click.option("--start-at", type=MOMENT, metavar="TIME", help="Nothing occurs before.")
@click.option("--end-at", type=MOMENT, metavar="TIME", help="Nothing occurs after.")
@click.option("--start-immediately", is_flag=True, help="Also run once right away.")
@_overlap
@_catch_up
@click.option("--paused", is_flag=True, help="Nothing occurs until it is resumed.")
@click.option("--replace", is_flag=True, help="If there is one with this id, give it this definition.")
@_changing
@with_output
def create_schedule(
    target: HubTarget,
    out: Output,
    schedule_id: str,
    orchestrator: str,
    every: float | None,
    cron: str | None,
    time_zone: str,
    given: str | None,
    start_at: datetime | None,
    end_at: datetime | None,
    start_immediately: bool,
    overlap: Any,
    catch_up: Any,
    paused: bool,
    replace: bool,
    timeout: float,
) -> None:
    """Create a schedule, by --every or by --cron.

    A worker creates it: one has to run. Without --overlap a run is left out while another is under way; without
    --catch-up the latest is started that came while no worker ran.
    """
    if (every is None) == (cron is None):
        raise click.UsageError("When? Give --every or --cron, one of them.")
    value = json_value(given, "--input")
    found = _ask(
        target,
        timeout,
        lambda client: client.create(
            schedule_id,
            orchestrator,
            value,
            every=None if every is None else timedelta(seconds=every),
            cron=cron,
            time_zone=time_zone,
            start_at=start_at,
            end_at=end_at,
            start_immediately=start_immediately,
            overlap=overlap or "skip",
            catch_up=catch_up or "latest",
            paused=paused,
            replace=replace,
        ),
    )
    _told(out, found, "is there")


@click.command(
    "update",
    epilog=examples(
        "azure-durable schedules update nightly --cron '0 0 3 * * *'",
        "azure-durable schedules update poll --every 5m --overlap skip",
    ),
)
@about_hub(SCHEDULE)
@click.option("--function-name", "orchestrator", metavar="NAME", help="The orchestrator that it starts.")
@click.option("--every", type=SPAN, metavar="DURATION", help="How long from one run to the next; in place of --cron.")
@click.option("--cron", metavar="TEXT", help="When it runs, in place of --every.")
@click.option("--time-zone", help="Whose local time --cron speaks of.")
@click.option("--input", "given", metavar="JSON", help="What each run receives: JSON, a text, or @FILE with JSON.")
@click.option("--start-at", type=MOMENT, metavar="TIME", help="Nothing occurs before.")
@click.option("--end-at", type=MOMENT, metavar="TIME", help="Nothing occurs after.")
@_overlap
@_catch_up
@_changing
@with_output
def update_schedule(
    target: HubTarget,
    out: Output,
    schedule_id: str,
    orchestrator: str | None,
    every: float | None,
    cron: str | None,
    time_zone: str | None,
    given: str | None,
    start_at: datetime | None,
    end_at: datetime | None,
    overlap: Any,
    catch_up: Any,
    timeout: float,
) -> None:
    """Change a schedule: what is not given stays as it is.

    Its next run stays too, unless it is to occur at other times.
    """
    if every is not None and cron is not None:
        raise click.UsageError("--every and --cron exclude each other: give one of them.")
    value = json_value(given, "--input")
    found = _ask(
        target,
        timeout,
        lambda client: client.update(
            schedule_id,
            orchestrator=orchestrator,
            input_=value,
            every=None if every is None else timedelta(seconds=every),
            cron=cron,
            time_zone=time_zone,
            start_at=start_at,
            end_at=end_at,
            overlap=overlap,
            catch_up=catch_up,
        ),
    )
    _told(out, found, "is changed")


@click.command("pause", epilog=examples("azure-durable schedules pause nightly --reason 'the disk is full'"))
@about_hub(SCHEDULE)
@click.option("--reason", metavar="TEXT", help="Why, for people.")
@_changing
@with_output
def pause_schedule(target: HubTarget, out: Output, schedule_id: str, reason: str | None, timeout: float) -> None:
    """Have a schedule start nothing until it is resumed.

    Runs that are under way go on.
    """
    _told(out, _ask(target, timeout, lambda client: client.pause(schedule_id, reason)), "is paused")


@click.command("resume", epilog=examples("azure-durable schedules resume nightly"))
@about_hub(SCHEDULE)
@_changing
@with_output
def resume_schedule(target: HubTarget, out: Output, schedule_id: str, timeout: float) -> None:
    """Have a paused schedule go on.

    Its next run is the first occurrence from now; those during the pause are left out.
    """
    _told(out, _ask(target, timeout, lambda client: client.resume(schedule_id)), "goes on")


@click.command("run-now", epilog=examples("azure-durable schedules run-now nightly"))
@about_hub(SCHEDULE)
@_overlap
@_changing
@with_output
def run_schedule_now(target: HubTarget, out: Output, schedule_id: str, overlap: Any, timeout: float) -> None:
    """Run a schedule once, beside its occurrences.

    It may be paused. Without --overlap the schedule's own says what becomes of a run that is under way.
    """
    started = _ask(target, timeout, lambda client: client.run_now(schedule_id, overlap=overlap))
    if out.as_json:
        out.json({"scheduleId": schedule_id, "instanceId": started})
    elif started is None:
        out.line(f"A run of schedule {schedule_id!r} is under way: none was started.")
    else:
        out.line(started)


@click.command("delete", epilog=examples("azure-durable schedules delete nightly"))
@about_hub(SCHEDULE)
@_changing
@with_output
def delete_schedule(target: HubTarget, out: Output, schedule_id: str, timeout: float) -> None:
    """Delete a schedule. Runs that are under way go on."""
    _ask(target, timeout, lambda client: client.delete(schedule_id))
    if out.as_json:
        out.json({"scheduleId": schedule_id, "deleted": True})
    else:
        out.line(f"Deleted schedule {schedule_id!r}.")


def _told(out: Output, found: ScheduleDescription, outcome: str) -> None:
    if out.as_json:
        out.json(schedule_json(found))
        return
    then = "" if found.next_run_at is None else f" Its next run is {out.shown(found.next_run_at, exact=True)}."
    out.line(f"Schedule {found.schedule_id!r} {outcome}.{then}")
