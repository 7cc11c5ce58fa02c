"""`azure-durable show`: one instance as a person wants to see it, and `--raw`: as its rows have it."""

from __future__ import annotations

from typing import Any

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import INSTANCE, HubTarget, about_hub


@click.command(
    epilog=examples(
        "azure-durable show order-17",
        "azure-durable show @Counter@clicks ./my-app",
        "azure-durable show order-17 --raw",
        "azure-durable show order-17 --json --url http://127.0.0.1:7071",
    )
)
@about_hub(INSTANCE)
@click.option("--raw", is_flag=True, help="Its rows, decoded, as JSON: nothing left out, nothing explained.")
@with_output
def show(target: HubTarget, out: Output, instance_id: str, raw: bool) -> None:
    """Show an instance: what is wrong with it, what it waits for and since when, what it was given and gave.

    INSTANCE_ID is that of an orchestration, or `@name@key` of an entity. Nothing is changed, and what cannot be read is
    shown with the reason.
    """
    if raw:
        found = run(_decode(target, instance_id))
        if found is None:
            raise missing(target, instance_id)
        out.json(found)
        return
    from azure_durable_py.cli.instance_page import print_inspection
    from azure_durable_py.cli.shapes import as_json
    from azure_durable_py.cli.views import Inspection, viewing

    async def look() -> Inspection | None:
        async with viewing(target) as view:
            return await view.inspect(instance_id)

    inspection = run(look())
    if inspection is None:
        raise missing(target, instance_id)
    if out.as_json:
        out.json(as_json(inspection))
    else:
        print_inspection(out, inspection)


async def _decode(target: HubTarget, instance_id: str) -> dict[str, Any] | None:
    from azure_durable_py.taskhub.decoding import decode_instance

    async with target.open_hub() as hub:
        return await decode_instance(hub, instance_id)


def missing(target: HubTarget, instance_id: str) -> CommandError:
    """There is no such instance."""
    return CommandError(f"There is no instance {instance_id!r} in {target.description}.", ExitCode.not_found)
