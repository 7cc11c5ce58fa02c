"""`azure-durable list` and `get-instances`: which instances there are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.moments import MOMENT, SPAN
from azure_durable_py.cli.output import Cell, Output, status_cell, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, about_hub
from azure_durable_py.cli.values import STATUSES, TAG, every

if TYPE_CHECKING:
    from azure_durable_py.cli.newest import Newest
    from azure_durable_py.client.status import DurableOrchestrationStatus, StatusPage

COLUMNS = ("INSTANCE ID", "NAME", "STATUS", "CREATED", "CHANGED")


@click.command(
    "list",
    epilog=examples(
        "azure-durable list",
        "azure-durable list --status Running,Pending --created-after 2h",
        "azure-durable list --name Order --tag shop=north --json",
        "azure-durable list --status Failed --top 10 --url http://127.0.0.1:7071",
    ),
)
@about_hub()
@click.option("--status", "--runtime-status", multiple=True, type=STATUSES, help="In this state, or one of several.")
@click.option("--name", "names", multiple=True, help="Of this orchestrator; with several, of any of them.")
@click.option("--prefix", metavar="TEXT", help="The instance id begins with this.")
@click.option("--tag", "tags", multiple=True, type=TAG, metavar="NAME=VALUE", help="It has this tag.")
@click.option("--created-after", type=MOMENT, metavar="TIME", help="Created then or later: 2026-01-31, 2h ...")
@click.option("--created-before", type=MOMENT, metavar="TIME", help="Created then or earlier.")
@click.option("--top", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many, the newest first.")
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl+C.")
@click.option(
    "--interval", type=SPAN, default="2", metavar="SECONDS", show_default=True, help="With --watch: how often."
)
@with_output
def list_instances(
    target: HubTarget,
    out: Output,
    status: tuple[tuple[str, ...], ...],
    names: tuple[str, ...],
    prefix: str | None,
    tags: tuple[tuple[str, str], ...],
    created_after: datetime | None,
    created_before: datetime | None,
    top: int,
    watch: bool,
    interval: float,
) -> None:
    """List instances, the newest first.

    With --watch a terminal shows a table that changes; elsewhere every change of an instance is a line (with --json, of
    JSON).
    """
    from azure_durable_py.cli.newest import InstanceFilter, newest

    wanted = InstanceFilter(every(status), names, prefix, tags, created_after, created_before)
    if watch:
        from azure_durable_py.cli.watching import watch_instances

        run(watch_instances(target, out, wanted, top, max(interval, 0.2)))
        return

    async def look() -> Newest:
        async with target.connect() as client:
            return await newest(client, wanted, top)

    found, more = run(look())
    if out.as_json:
        from azure_durable_py.cli.shapes import status_json

        out.json([status_json(one, values=False) for one in found])
        return
    out.table(COLUMNS, rows_of(found), empty="There are no such instances.")
    if more:
        out.note(f"These are the newest {len(found)}. There are more: --top N shows them.")


@click.command(
    "get-instances",
    epilog=examples(
        "azure-durable get-instances --runtime-status Running --top 20",
        "azure-durable get-instances --created-after 2026-01-01 --created-before 2026-02-01T00:00:00Z --json",
    ),
)
@about_hub()
@click.option("--created-after", type=MOMENT, metavar="TIME", help="Created then or later.")
@click.option("--created-before", type=MOMENT, metavar="TIME", help="Created then or earlier.")
@click.option("--runtime-status", multiple=True, type=STATUSES, help="In this state, or one of several.")
@click.option("--top", type=click.IntRange(1, 1000), default=10, show_default=True, help="At most so many.")
@click.option("--continuation-token", metavar="TOKEN", help="From the page before.")
@with_output
def get_instances(
    target: HubTarget,
    out: Output,
    created_after: datetime | None,
    created_before: datetime | None,
    runtime_status: tuple[tuple[str, ...], ...],
    top: int,
    continuation_token: str | None,
) -> None:
    """List instances page by page, in the order of storage, as Core Tools do.

    What is left is told with a continuation token on stderr. A page may be short.
    """

    async def look() -> StatusPage:
        async with target.connect() as client:
            return await client.query_instances(
                created_time_from=created_after,
                created_time_to=created_before,
                runtime_status=every(runtime_status) or None,
                page_size=top,
                continuation_token=continuation_token,
            )

    page = run(look())
    if out.as_json:
        from azure_durable_py.cli.shapes import status_json

        instances: list[Any] = [status_json(one, values=False) for one in page.items]
        out.json({"instances": instances, "continuationToken": page.continuation_token})
        return
    out.table(COLUMNS, rows_of(page.items), empty="There are no such instances on this page.")
    if page.continuation_token is not None:
        out.note(f"There may be more: --continuation-token '{page.continuation_token}'")


def rows_of(found: Iterable[DurableOrchestrationStatus]) -> list[tuple[Cell, ...]]:
    """The rows of a table of instances."""
    return [
        (one.instance_id, one.name, status_cell(state_of(one)), one.created_time, one.last_updated_time)
        for one in found
    ]


def state_of(status: DurableOrchestrationStatus) -> str | None:
    """The runtime status for people; of an instance whose row cannot be read, `Damaged`."""
    if status.damaged is not None:
        return "Damaged"
    return None if status.runtime_status is None else status.runtime_status.value
