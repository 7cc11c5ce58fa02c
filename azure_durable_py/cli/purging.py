"""`azure-durable purge-history` and `delete-task-hub`: what is taken away for good, after it was asked for twice."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.moments import MOMENT
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, about_hub
from azure_durable_py.cli.values import STATUSES, every
from azure_durable_py.escaping import escaped
from azure_durable_py.times import UTC

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@click.command(
    "purge-history",
    epilog=examples(
        "azure-durable purge-history --id order-17",
        "azure-durable purge-history --created-before 30d --runtime-status 'Completed Terminated'",
        "azure-durable purge-history --created-after 2026-01-01 --created-before 2026-02-01 ./my-app",
    ),
)
@about_hub()
@click.option("--id", "instance_id", metavar="INSTANCE_ID", help="This instance alone.")
@click.option("--recursive", is_flag=True, help="With --id: also its finished sub-orchestrations, and theirs.")
@click.option("--created-after", type=MOMENT, metavar="TIME", help="Created then or later.")
@click.option("--created-before", type=MOMENT, metavar="TIME", help="Created then or earlier.")
@click.option(
    "--runtime-status", multiple=True, type=STATUSES, metavar="STATUS", help="In this final state, or one of several."
)
@with_output
def purge_history(
    target: HubTarget,
    out: Output,
    instance_id: str | None,
    recursive: bool,
    created_after: datetime | None,
    created_before: datetime | None,
    runtime_status: tuple[tuple[str, ...], ...],
) -> None:
    """Delete finished instances with their histories: one, or all that meet the criteria.

    Instances that run are never deleted. Without any criterion all finished ones are; that wants --created-after.
    """
    statuses = every(runtime_status)
    criteria = created_after is not None or created_before is not None or bool(statuses)
    if instance_id is not None and criteria:
        raise click.UsageError("--id names one instance: leave the criteria out.")
    if instance_id is None and not criteria:
        raise click.UsageError(
            "Which instances? Give --id, --created-after, --created-before or --runtime-status; "
            "--created-after 1970-01-01 means every finished one."
        )

    async def purge() -> int:
        async with target.connect() as client:
            if instance_id is not None:
                done = await client.purge_instance_history(instance_id, recursive=recursive)
            else:
                done = await client.purge_instance_history_by(
                    created_after or _BEGINNING, created_before, statuses or None
                )
            return done.instances_deleted

    deleted = run(purge())
    if instance_id is not None and not deleted:
        raise CommandError(f"There is no instance {instance_id!r} in {target.description}.", ExitCode.not_found)
    if out.as_json:
        out.json({"instancesDeleted": deleted})
    else:
        out.line(f"Deleted {deleted} {'instance' if deleted == 1 else 'instances'}.")


@click.command(
    "delete-task-hub",
    epilog=examples("azure-durable delete-task-hub", "azure-durable delete-task-hub --task-hub-name OldHub --yes"),
)
@about_hub()
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_output
def delete_task_hub(target: HubTarget, out: Output, yes: bool) -> None:
    """Delete the task hub with all of its instances, entities and messages.

    Stop its workers first: one that goes on running makes errors, and the hub anew when it starts again.
    """
    delete_hub(target, out, yes=yes)


def delete_hub(target: HubTarget, out: Output, *, yes: bool) -> None:
    """Delete the hub, after its name was typed or `yes` given.

    :raises CommandError: it was not confirmed, or the hub is not there.
    """

    async def look() -> tuple[str, str]:
        async with target.open_client() as client:
            return client.task_hub_name, client.hub.store.description

    async def delete() -> None:
        async with target.open_client() as client:
            await client.hub.store.delete_hub()

    name, where = run(look())
    if not yes:
        confirm(f"This deletes every instance, entity and message of {where}, for good.", name)
    run(delete())
    if out.as_json:
        out.json({"deleted": name})
    else:
        out.line(f"Deleted task hub {name}.")


def confirm(warning: str, word: str) -> None:
    """Have a person type a word.

    :raises CommandError: it was another one, or there is no person to ask.
    """
    if not sys.stdin.isatty():
        raise CommandError("Nobody is there to be asked. Give --yes if it is to be done.", ExitCode.wrong_usage)
    click.echo(escaped(warning), err=True)
    typed: str = click.prompt(f"Type {escaped(word)} to go on", default="", show_default=False, err=True)
    if typed != word:
        raise CommandError("Nothing was deleted.")
