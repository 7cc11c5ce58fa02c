"""`azure-durable hub show` and `hub delete`: a task hub as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError
from azure_durable_py.cli.instance_page import print_findings
from azure_durable_py.cli.output import Cell, Output, Styled, status_cell, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, about_hub

if TYPE_CHECKING:
    from azure_durable_py.inspection.hub import HubOverview

_HEALTH = {"error": ("in trouble", "bold red"), "warning": ("look at the findings", "yellow")}
_MOST_STUCK = 20


@click.command(
    "show",
    epilog=examples(
        "azure-durable hub show",
        "azure-durable hub show --hub OtherHub --json",
        "azure-durable hub show --check --most 100000 ./my-app",
    ),
)
@about_hub()
@click.option(
    "--most", type=click.IntRange(1), default=10_000, show_default=True, help="How many instances to count at most."
)
@click.option("--check", is_flag=True, help="End with exit code 1 if something is wrong, for scripts that watch.")
@with_output
def show_hub(target: HubTarget, out: Output, most: int, check: bool) -> None:
    """Show the task hub: what waits in it, how it does, and what is wrong.

    Nothing is changed. Queues tell about how many messages they hold, those included that are in hand or come later.
    """
    found = run(_look(target, most))
    if out.as_json:
        from azure_durable_py.cli.shapes import as_json

        out.json(as_json(found))
    else:
        _print(out, found)
    wrong = [one.text for one in found.findings if one.level == "error"]
    if check and wrong:
        raise CommandError(" ".join(wrong))


async def _look(target: HubTarget, most: int) -> HubOverview:
    from azure_durable_py.cli.remote import RemoteClient, understanding
    from azure_durable_py.cli.views import from_json
    from azure_durable_py.inspection.hub import HubOverview, read_overview

    async with target.connect() as client:
        if not isinstance(client, RemoteClient):
            return await read_overview(client.hub, client.task_hub_name, most=most)
        answer = await client.ask("GET", "monitor/api/overview")
        with understanding():
            return cast("HubOverview", from_json(HubOverview, answer.value))


def _print(out: Output, found: HubOverview) -> None:
    out.details(list(_facts(found)))
    print_findings(out, found.findings)
    out.heading("Instances")
    rows: list[tuple[Cell, ...]] = [(status_cell(status), count) for status, count in sorted(found.counts.items())]
    out.table(("STATUS", "COUNT"), rows, empty="There are none.")
    if not found.complete:
        out.note(f"Only the first {found.counted} instances were counted. --most N counts more.")
    out.heading("Queues")
    out.table(("QUEUE", "HOLDS", "MESSAGES"), [(one.name, one.role, one.messages) for one in found.queues])
    if found.stuck:
        out.heading("Show no life")
        for instance_id in found.stuck[:_MOST_STUCK]:
            out.line(instance_id)
        if len(found.stuck) > _MOST_STUCK:
            out.line(f"... and {len(found.stuck) - _MOST_STUCK} more")


def _facts(found: HubOverview) -> Iterator[tuple[str, Cell]]:
    levels = [one.level for one in found.findings]
    level = next((level for level in _HEALTH if level in levels), None)
    yield "Task hub", found.name
    yield "Storage", found.storage
    yield "Health", Styled(*_HEALTH[level]) if level is not None else Styled("ok", "green")
    yield "Format", found.format_version
    yield "Entities", found.entities
    yield "Waiting to start since", found.oldest_pending
    rates = found.rates
    yield (
        f"In the last {rates.seconds / 60:g} min",
        f"{rates.created} created, {rates.completed} completed, {rates.failed} failed",
    )


@click.command(
    "delete", epilog=examples("azure-durable hub delete", "azure-durable hub delete --hub OldHub --yes ./my-app")
)
@about_hub()
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def delete_whole_hub(target: HubTarget, out: Output, yes: bool) -> None:
    """Delete the task hub with all of its instances, entities and messages.

    Its name has to be typed, unless --yes is given. Stop its workers first: one that goes on running makes errors, and
    the hub anew when it starts again.
    """
    from azure_durable_py.cli.purging import delete_hub

    delete_hub(target, out, yes=yes)
