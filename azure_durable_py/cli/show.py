"""`azure-durable show`: what the rows of one instance say."""

from __future__ import annotations

from typing import Any

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import INSTANCE, HubTarget, about_hub


@click.command(epilog=examples("azure-durable show order-17", "azure-durable show --id order-17 ./my-app"))
@about_hub(INSTANCE)
@with_output
def show(target: HubTarget, out: Output, instance_id: str) -> None:
    """Show an instance as its rows have it: JSON, decoded, nothing left out.

    INSTANCE_ID is that of an orchestration, or `@name@key` of an entity. Inputs and results are shown as they are.
    """
    from azure_durable_py.taskhub.decoding import decode_instance

    async def read() -> dict[str, Any] | None:
        async with target.open_hub() as hub:
            return await decode_instance(hub, instance_id)

    found = run(read())
    if found is None:
        raise CommandError(f"There is no instance {instance_id!r} in {target.description}.", ExitCode.not_found)
    out.json(found)
