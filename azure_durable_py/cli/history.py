"""`azure-durable history`: what an orchestration and its sub-orchestrations did, as a tree with durations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.show import missing
from azure_durable_py.cli.target import INSTANCE, HubTarget, about_hub

if TYPE_CHECKING:
    from azure_durable_py.inspection.branch import Branch


@click.command(
    epilog=examples(
        "azure-durable history order-17",
        "azure-durable history order-17 --depth 3 --values",
        "azure-durable history order-17 --json ./my-app",
    )
)
@about_hub(INSTANCE)
@click.option(
    "--depth",
    type=click.IntRange(0, 100),
    default=1,
    show_default=True,
    help="How many levels of sub-orchestrations to open.",
)
@click.option("--values", is_flag=True, help="With inputs, results and stack traces.")
@click.option("--top", type=click.IntRange(1), metavar="N", help="At most so many steps of each orchestration.")
@with_output
def history(target: HubTarget, out: Output, instance_id: str, depth: int, values: bool, top: int | None) -> None:
    """Show what an orchestration did: its steps in order, how long each took, what failed, what is still open.

    Steps of sub-orchestrations are below the step that started them. What is left out is said.
    """
    if instance_id.startswith("@"):
        raise CommandError(
            f"{instance_id!r} is an entity, which has no history of steps. `azure-durable show` tells what there is.",
            ExitCode.wrong_usage,
        )
    from azure_durable_py.cli.history_tree import branch_json, print_branch
    from azure_durable_py.cli.views import viewing
    from azure_durable_py.inspection.branch import read_branch

    async def look() -> Branch | None:
        async with viewing(target) as view:
            return await read_branch(lambda one: view.timeline(one, limit=top), instance_id, depth=depth)

    found = run(look())
    if found is None:
        raise missing(target, instance_id)
    if out.as_json:
        shown: dict[str, Any] = branch_json(found, values=values)
        out.json(shown)
    else:
        print_branch(out, found, values=values)
