"""`azure-durable show`: what the rows of one instance say."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import click

from azure_durable_py.errors import DurableError


@click.command()
@click.argument("instance_id")
@click.argument("app_dir", type=click.Path(path_type=Path), default=Path())
@click.option("--storage", metavar="X", help="Where the task hub is, as for `azure-durable start`.")
def show(instance_id: str, app_dir: Path, storage: str | None) -> None:
    """Show an instance of the app in APP_DIR (default: here) as its rows have it: JSON, decoded, nothing left out.

    INSTANCE_ID is that of an orchestration, or `@name@key` of an entity. Inputs and results are shown as they are.
    """
    from azure_durable_py.client.connect import open_hub
    from azure_durable_py.taskhub.decoding import decode_instance

    directory = app_dir.resolve()

    async def run() -> dict[str, Any] | None:
        async with open_hub(directory, storage, os.environ) as hub:
            return await decode_instance(hub, instance_id)

    try:
        found = asyncio.run(run())
    except DurableError as error:
        raise click.ClickException(str(error)) from error
    if found is None:
        raise click.ClickException(f"There is no instance {instance_id!r} in the task hub of {directory}.")
    click.echo(json.dumps(found, indent=2))
