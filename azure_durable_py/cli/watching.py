"""`azure-durable list --watch`: a table that changes on a terminal, elsewhere a line for each change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING

from azure_durable_py.cli.listing import COLUMNS, rows_of
from azure_durable_py.cli.moments import shown_locally
from azure_durable_py.cli.newest import InstanceFilter, Newest, newest
from azure_durable_py.cli.output import Output
from azure_durable_py.cli.shapes import status_json
from azure_durable_py.cli.target import HubTarget
from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.times import UTC

if TYPE_CHECKING:
    from rich.console import RenderableType


async def watch_instances(target: HubTarget, out: Output, wanted: InstanceFilter, top: int, interval: float) -> None:
    """Look at the instances until the process is interrupted. Storage that gives no answer is asked again.

    :param interval: seconds between two looks.
    """
    async with target.connect() as client:

        async def look() -> Newest | str:
            try:
                return await newest(client, wanted, top)
            except StorageUnavailableError as error:
                return str(error)

        await (_on_terminal if out.on_terminal else _as_lines)(out, look, interval)


async def _on_terminal(out: Output, look: Callable[[], Awaitable[Newest | str]], interval: float) -> None:
    from rich.live import Live

    with Live(console=out.console, auto_refresh=False, screen=False) as live:
        while True:
            live.update(_picture(out, await look()), refresh=True)
            await asyncio.sleep(interval)


def _picture(out: Output, found: Newest | str) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    now = shown_locally(datetime.now(UTC), in_utc=out.in_utc)
    if isinstance(found, str):
        return Text(f"{now}  {out.plain(found)}", style="bold red")
    count = len(found.instances)
    told = f"{'the newest ' if found.more else ''}{count} {'instance' if count == 1 else 'instances'}"
    head = Text(f"{now}  {told}. Ctrl+C ends this.", style="dim")
    return Group(head, out.rich_table(COLUMNS, rows_of(found.instances)))


async def _as_lines(out: Output, look: Callable[[], Awaitable[Newest | str]], interval: float) -> None:
    told: dict[str | None, tuple[object, ...]] = {}
    if not out.as_json:
        out.row(COLUMNS)
    while True:
        found = await look()
        if isinstance(found, str):
            out.note(found)
        else:
            for one, row in reversed(list(zip(found.instances, rows_of(found.instances), strict=True))):
                if told.get(one.instance_id) != row:
                    told[one.instance_id] = row
                    if out.as_json:
                        out.json_line(status_json(one, values=False))
                    else:
                        out.row(row)
        out.flush()
        await asyncio.sleep(interval)
