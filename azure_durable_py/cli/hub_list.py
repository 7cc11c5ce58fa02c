"""`azure-durable hub list`: which task hubs there are in a storage."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.output import Output, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, about_hub

if TYPE_CHECKING:
    from azure_durable_py.taskhub.finding import HubPlace


@click.command("list", epilog=examples("azure-durable hub list", "azure-durable hub list --storage azurite --json"))
@about_hub()
@with_output
def list_hubs(target: HubTarget, out: Output) -> None:
    """List the task hubs in a storage.

    In an Azure Storage account these are its tables `...TaskHub`; with SQLite the files beside the app's own. Nothing
    is opened.
    """
    if target.url is not None:
        raise CommandError("A running host tells of its own task hub only: leave out --url.", ExitCode.wrong_usage)
    found = run(_look(target))
    if out.as_json:
        out.json([{"name": one.name, "place": one.place, "own": one.is_own} for one in found])
        return
    rows = [(one.name, one.place, "this app's" if one.is_own else None) for one in found]
    out.table(("TASK HUB", "WHERE", ""), rows, empty="There are no task hubs.")


async def _look(target: HubTarget) -> tuple[HubPlace, ...]:
    from azure_durable_py.appsettings import read_app
    from azure_durable_py.taskhub.finding import find_hubs
    from azure_durable_py.taskhub.storage import default_storage

    if not target.app_dir.is_dir():
        raise CommandError(f"There is no directory {target.app_dir} to read the settings of an app from.")
    settings, values = read_app(target.app_dir, os.environ)
    storage = target.storage or default_storage(settings, values)
    return await find_hubs(storage, settings, values, target.app_dir)
