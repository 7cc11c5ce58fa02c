"""`azure-durable repair`: rings instances that should be moving and show no life."""

from __future__ import annotations

from datetime import timedelta

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, about_hub


@click.command(epilog=examples("azure-durable repair", "azure-durable repair --quiet 0 ./my-app"))
@about_hub()
@click.option(
    "--quiet",
    type=click.FloatRange(0),
    metavar="MINUTES",
    default=10.0,
    show_default=True,
    help="Ring only instances that have not changed for so long.",
)
@with_output
def repair(target: HubTarget, out: Output, quiet: float) -> None:
    """Wake instances that are stuck because messages were lost.

    Workers do the same when they start, and daily. A needless ring does no harm.
    """
    from azure_durable_py.worker.lifeless import ring_lifeless

    async def ring() -> int:
        async with target.open_hub() as hub:
            return await ring_lifeless(hub, quiet=timedelta(minutes=quiet))

    rung = run(ring())
    if out.as_json:
        out.json({"rung": rung})
    else:
        out.line(f"Rang {rung} {'instance' if rung == 1 else 'instances'}.")
