"""`azure-durable repair`: rings instances that should be moving and show no life."""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import click

from azure_durable_py.errors import DurableError


@click.command()
@click.argument("app_dir", type=click.Path(path_type=Path), default=Path())
@click.option("--storage", metavar="X", help="Where the task hub is, as for `azure-durable start`.")
@click.option(
    "--quiet",
    type=click.FloatRange(0),
    metavar="MINUTES",
    default=10.0,
    show_default=True,
    help="Ring only instances that have not changed for so long.",
)
def repair(app_dir: Path, storage: str | None, quiet: float) -> None:
    """Wake instances of the app in APP_DIR (default: here) that are stuck because messages were lost.

    Workers do the same when they start, and daily. A needless ring does no harm.
    """
    from azure_durable_py.client.connect import open_hub
    from azure_durable_py.worker.lifeless import ring_lifeless

    directory = app_dir.resolve()

    async def run() -> int:
        async with open_hub(directory, storage, os.environ) as hub:
            return await ring_lifeless(hub, quiet=timedelta(minutes=quiet))

    try:
        rung = asyncio.run(run())
    except DurableError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"Rang {rung} {'instance' if rung == 1 else 'instances'}.")
