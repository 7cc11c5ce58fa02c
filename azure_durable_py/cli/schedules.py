"""`azure-durable schedules ...`: orchestrations that are started again and again, by interval or cron expression.

Owns the group, and how schedules are shown; the commands that change one are in `schedule_changes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.lazy import CommandEntry, LazyGroup
from azure_durable_py.cli.output import Cell, Output, Styled, encoded_time, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, Slot, about_hub, target_of

if TYPE_CHECKING:
    from azure_durable_py.client.schedules import ScheduleDescription

_COMMANDS = (
    CommandEntry("list", "schedules:list_schedules", "List schedules, in the order of their ids."),
    CommandEntry(
        "show", "schedules:show_schedule", "Show a schedule: what it starts and when, and how it went so far."
    ),
    CommandEntry("create", "schedule_changes:create_schedule", "Create a schedule, by --every or by --cron."),
    CommandEntry("update", "schedule_changes:update_schedule", "Change a schedule: what is not given stays as it is."),
    CommandEntry("pause", "schedule_changes:pause_schedule", "Have a schedule start nothing until it is resumed."),
    CommandEntry("resume", "schedule_changes:resume_schedule", "Have a paused schedule go on."),
    CommandEntry("run-now", "schedule_changes:run_schedule_now", "Run a schedule once, beside its occurrences."),
    CommandEntry("delete", "schedule_changes:delete_schedule", "Delete a schedule. Runs that are under way go on."),
)
_STYLES = {"active": "green", "paused": "yellow", "completed": "dim"}


def _complete(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    from azure_durable_py.cli.completing import schedule_ids

    return schedule_ids(target_of(ctx.params), incomplete)


SCHEDULE = Slot(
    "schedule_id", "--id", "SCHEDULE_ID", "The id of the schedule, in place of the argument.", True, _complete
)


@click.group("schedules", cls=LazyGroup, sections={"Commands": _COMMANDS})
def schedules() -> None:
    """Look at schedules, create and change them."""


@click.command(
    "list", epilog=examples("azure-durable schedules list", "azure-durable schedules list --prefix nightly-")
)
@about_hub()
@click.option("--prefix", metavar="TEXT", default="", help="The id begins with this.")
@with_output
def list_schedules(target: HubTarget, out: Output, prefix: str) -> None:
    """List schedules, in the order of their ids."""

    async def look() -> tuple[ScheduleDescription, ...]:
        async with target.open_client() as client:
            return await client.schedules.list(prefix)

    found = run(look())
    if out.as_json:
        out.json([schedule_json(item) for item in found])
        return
    columns = ("SCHEDULE", "STATUS", "STARTS", "WHEN", "NEXT", "LAST", "RUNS")
    out.table(columns, [_row(item) for item in found], empty="There are no such schedules.")


@click.command(
    "show", epilog=examples("azure-durable schedules show nightly", "azure-durable schedules show nightly --json")
)
@about_hub(SCHEDULE)
@with_output
def show_schedule(target: HubTarget, out: Output, schedule_id: str) -> None:
    """Show a schedule: what it starts and when, and how it went so far."""

    async def look() -> ScheduleDescription | None:
        async with target.open_client() as client:
            return await client.schedules.get(schedule_id)

    found = run(look())
    if found is None:
        raise CommandError(f"There is no schedule {schedule_id!r} in {target.description}.", ExitCode.not_found)
    _print(out, found)


# --- what is shown -----------------------------------------------------------------------------------


def _print(out: Output, found: ScheduleDescription) -> None:
    if out.as_json:
        out.json(schedule_json(found))
        return
    definition = found.definition
    out.details(
        [
            ("Schedule", found.schedule_id),
            ("Status", _status(found)),
            ("Paused because", found.paused_reason),
            ("Starts", definition.orchestrator),
            ("Version", definition.version),
            ("Input", definition.input_json),
            ("When", found.definition.when),
            ("Not before", definition.start_at),
            ("Not after", definition.end_at),
            ("Next run", found.next_run_at),
            ("Last run", found.last_run_at),
            ("Last instance", found.last_instance_id),
            ("Under way", ", ".join(found.running) or None),
            ("Runs", found.runs),
            ("Missed", found.missed),
            ("Left out", found.skipped),
            ("Overlap", definition.overlap),
            ("Catch up", definition.catch_up),
            ("Instance ids", definition.instance_id),
            ("Created", found.created_at),
            ("Changed", found.modified_at),
        ]
    )


def _row(found: ScheduleDescription) -> tuple[Cell, ...]:
    return (
        found.schedule_id,
        _status(found),
        found.definition.orchestrator,
        found.definition.when,
        found.next_run_at,
        found.last_run_at,
        found.runs,
    )


def _status(found: ScheduleDescription) -> Cell:
    return Styled(found.status, _STYLES[found.status])


def schedule_json(found: ScheduleDescription) -> dict[str, Any]:
    """A schedule as JSON-ready values."""
    from azure_durable_py.client.status import plain

    definition = found.definition
    return {
        "scheduleId": found.schedule_id,
        "status": found.status,
        "pausedReason": found.paused_reason,
        "orchestrator": definition.orchestrator,
        "version": definition.version,
        "input": plain(definition.input_json),
        "everySeconds": None if definition.every is None else definition.every.total_seconds(),
        "cron": definition.cron,
        "timeZone": definition.time_zone,
        "startAt": encoded_time(definition.start_at),
        "endAt": encoded_time(definition.end_at),
        "overlap": definition.overlap,
        "catchUp": definition.catch_up,
        "instanceId": definition.instance_id,
        "nextRunAt": encoded_time(found.next_run_at),
        "lastRunAt": encoded_time(found.last_run_at),
        "lastInstanceId": found.last_instance_id,
        "running": list(found.running),
        "runs": found.runs,
        "missed": found.missed,
        "skipped": found.skipped,
        "createdAt": encoded_time(found.created_at),
        "modifiedAt": encoded_time(found.modified_at),
    }
