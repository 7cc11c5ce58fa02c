"""`azure-durable start-new` and `restart`: instances that begin."""

from __future__ import annotations

from datetime import datetime

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.moments import MOMENT
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import INSTANCE, HubTarget, Slot, about_hub
from azure_durable_py.cli.values import TAG, json_value

_FUNCTION = Slot(
    "function_name", "--function-name", "FUNCTION_NAME", "The name of the orchestrator, in place of the argument."
)


@click.command(
    "start-new",
    epilog=examples(
        'azure-durable start-new Order --id order-17 --input \'{"item": "tea"}\'',
        "azure-durable start-new --function-name Order --input @order.json",
        "azure-durable start-new Order --start-at 'in 2h' --tag shop=north ./my-app",
    ),
)
@about_hub(_FUNCTION)
@click.option("--id", "instance_id", metavar="INSTANCE_ID", help="The id of the instance (default: a new one).")
@click.option("--input", "given", metavar="JSON", help="The input: JSON, a text, or @FILE with JSON.")
@click.option("--version", metavar="TEXT", help="The version (default: defaultVersion in host.json).")
@click.option("--tag", "tags", multiple=True, type=TAG, metavar="NAME=VALUE", help="Kept with the instance.")
@click.option("--start-at", type=MOMENT, metavar="TIME", help="When it begins: 2026-01-31T08:30:00Z or 'in 2h'.")
@with_output
def start_new(
    target: HubTarget,
    out: Output,
    function_name: str,
    instance_id: str | None,
    given: str | None,
    version: str | None,
    tags: tuple[tuple[str, str], ...],
    start_at: datetime | None,
) -> None:
    """Start an orchestration, and print the id of the instance.

    An input that is no JSON is given as a text. A worker of the hub takes the instance up.
    """
    value = json_value(given, "--input")
    if target.url is not None and (tags or start_at is not None):
        raise CommandError(
            "The management API takes no tags and no time to start: leave out --tag and --start-at, or --url.",
            ExitCode.wrong_usage,
        )

    async def start() -> str:
        if target.url is not None:
            async with target.connect() as client:
                return await client.start_new(function_name, instance_id, value, version)
        async with target.open_client(may_make=True) as client:
            return await client.start_new(
                function_name, instance_id, value, version, tags=dict(tags) or None, start_at=start_at
            )

    _told(out, function_name, run(start()))


@click.command(epilog=examples("azure-durable restart order-17", "azure-durable restart order-17 --same-id"))
@about_hub(INSTANCE)
@click.option("--same-id", is_flag=True, help="Under the same id: what is there must be finished, and is replaced.")
@with_output
def restart(target: HubTarget, out: Output, instance_id: str, same_id: bool) -> None:
    """Start an instance again with its name and input, and print the id of the new one."""

    async def start() -> tuple[str, str]:
        async with target.connect() as client:
            new = await client.restart(instance_id, not same_id)
            return new, (await client.get_status(new)).name or ""

    new, name = run(start())
    _told(out, name, new)


def _told(out: Output, name: str, instance_id: str) -> None:
    """Tell what was started. Where the output is not read by a person, it is the id alone."""
    if out.as_json:
        out.json({"instanceId": instance_id, "name": name})
    elif out.on_terminal:
        out.line(f"Started {name!r}. Instance id: {instance_id}")
    else:
        out.line(instance_id)
