"""`azure-durable entities ...`: entities listed, looked at, signaled, deleted and cleaned up after."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from azure_durable_py.cli.examples import examples
from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.lazy import CommandEntry, LazyGroup
from azure_durable_py.cli.moments import MOMENT
from azure_durable_py.cli.output import Cell, Output, encoded_time, with_output
from azure_durable_py.cli.running import run
from azure_durable_py.cli.target import HubTarget, Slot, about_hub
from azure_durable_py.cli.values import json_value
from azure_durable_py.registry import is_built_in

if TYPE_CHECKING:
    from azure_durable_py.cli.target import HubClient
    from azure_durable_py.client.entities import CleanEntityStorageResult, EntityClient, EntityMetadata
    from azure_durable_py.ids import EntityId
    from azure_durable_py.inspection.instance import Inspection

_COMMANDS = (
    CommandEntry("list", "entities:list_entities", "List entities, in the order of their ids."),
    CommandEntry(
        "show", "entities:show_entity", "Show an entity: its state, who holds its lock, and what it waits for."
    ),
    CommandEntry("signal", "entities:signal_entity", "Have an entity perform an operation, now or later."),
    CommandEntry("delete", "entities:delete_entity", "Delete the state of an entity."),
    CommandEntry(
        "clean", "entities:clean_entities", "Delete what is left of entities without a state, and free locks."
    ),
)
ENTITY = Slot("entity", "--id", "NAME@KEY", "The entity, in place of the argument.")
_OPERATION = Slot("operation", "--op", "OPERATION", "The name of the operation, in place of the argument.")
_COLUMNS = ("ENTITY", "LAST OPERATION", "LOCKED BY", "HELD BACK")


@click.group("entities", cls=LazyGroup, sections={"Commands": _COMMANDS})
def entities() -> None:
    """Look at entities and send them operations."""


def entity_id_of(text: str) -> EntityId:
    """The entity that a text names.

    :raises click.UsageError: it names none.
    """
    from azure_durable_py.ids import EntityId

    name, at, key = text.removeprefix("@").partition("@")
    if not name or not at or not key:
        raise click.UsageError(f"{text!r} is no entity: give NAME@KEY, such as Counter@clicks.")
    return EntityId(name, key)


def entities_of(client: HubClient) -> EntityClient | Any:
    """Who talks to entities for a client: itself, or what asks a running host."""
    from azure_durable_py.cli.remote import RemoteClient

    if not isinstance(client, RemoteClient):
        return client
    from azure_durable_py.cli.remote_entities import RemoteEntities

    return RemoteEntities(client)


@click.command(
    "list",
    epilog=examples(
        "azure-durable entities list",
        "azure-durable entities list --name Counter --state",
        "azure-durable entities list --name Counter --prefix cl --changed-after 1h --json",
    ),
)
@about_hub()
@click.option("--name", metavar="NAME", help="Of this name.")
@click.option("--prefix", metavar="TEXT", default="", help="With --name: the key begins with this.")
@click.option("--changed-after", type=MOMENT, metavar="TIME", help="Changed then or later: 2026-01-31, 2h ...")
@click.option("--changed-before", type=MOMENT, metavar="TIME", help="Changed then or earlier.")
@click.option("--state", is_flag=True, help="Show their states too.")
@click.option("--empty", is_flag=True, help="Also those without a state, of which only bookkeeping is left.")
@click.option("--top", type=click.IntRange(1, 100_000), default=50, show_default=True, help="So many at most.")
@with_output
def list_entities(
    target: HubTarget,
    out: Output,
    name: str | None,
    prefix: str,
    changed_after: datetime | None,
    changed_before: datetime | None,
    state: bool,
    empty: bool,
    top: int,
) -> None:
    """List entities, in the order of their ids.

    Those that keep schedules are left out, unless --name names them: see `azure-durable schedules`.
    """
    if prefix and not name:
        raise click.UsageError("--prefix is that of a key: say --name as well.")

    async def look() -> tuple[list[EntityMetadata], bool]:
        found: list[EntityMetadata] = []
        token: str | None = None
        async with target.connect() as client:
            while True:
                page = await entities_of(client).query_entities(
                    name=name,
                    key_prefix=prefix,
                    last_operation_from=changed_after,
                    last_operation_to=changed_before,
                    include_state=state,
                    include_empty=empty,
                    page_size=min(top + 1, 1000),
                    continuation_token=token,
                )
                found += [item for item in page.items if name or not is_built_in(item.entity_id.name)]
                token = page.continuation_token
                if token is None or len(found) > top:
                    return found[:top], len(found) > top

    found, more = run(look())
    if out.as_json:
        out.json([_entity_json(item, with_state=state) for item in found])
        return
    columns = (*_COLUMNS, "STATE") if state else _COLUMNS
    none = "There are no such entities." + ("" if empty else " --empty lists those without a state, too.")
    out.table(columns, [_row(item, with_state=state) for item in found], empty=none)
    if more:
        out.note(f"These are the first {len(found)}. --top N shows more.")


def _row(item: EntityMetadata, *, with_state: bool) -> tuple[Cell, ...]:
    row: tuple[Cell, ...] = (
        str(item.entity_id),
        item.last_operation_time,
        item.locked_by,
        item.backlog_size or None,
    )
    if not with_state:
        return row if item.damaged is None else (f"{item.entity_id} (damaged)", *row[1:])
    return (*row, f"damaged: {item.damaged}" if item.damaged is not None else item.state_json)


def _entity_json(item: EntityMetadata, *, with_state: bool) -> dict[str, Any]:
    from azure_durable_py.client.status import plain

    told: dict[str, Any] = {
        "entityId": str(item.entity_id),
        "name": item.entity_id.name,
        "key": item.entity_id.key,
        "exists": item.exists,
        "lastOperationTime": encoded_time(item.last_operation_time),
        "lockedBy": item.locked_by,
        "backlogSize": item.backlog_size,
        "damaged": item.damaged,
    }
    return told | ({"state": plain(item.state_json)} if with_state else {})


@click.command(
    "show",
    epilog=examples("azure-durable entities show Counter@clicks", "azure-durable entities show Counter@clicks --json"),
)
@about_hub(ENTITY)
@with_output
def show_entity(target: HubTarget, out: Output, entity: str) -> None:
    """Show an entity: its state, who holds its lock, and what it waits for.

    `azure-durable show @NAME@KEY` does the same; with --raw it shows the rows.
    """
    from azure_durable_py.cli.instance_page import print_inspection
    from azure_durable_py.cli.shapes import as_json
    from azure_durable_py.cli.views import viewing

    entity_id = entity_id_of(entity)

    async def look() -> Inspection | None:
        async with viewing(target) as view:
            return await view.inspect(str(entity_id))

    found = run(look())
    if found is None:
        raise CommandError(f"There is no entity {str(entity_id)!r} in {target.description}.", ExitCode.not_found)
    if out.as_json:
        out.json(as_json(found))
    else:
        print_inspection(out, found)


@click.command(
    "signal",
    epilog=examples(
        "azure-durable entities signal Counter@clicks add --input 5",
        "azure-durable entities signal Counter@clicks reset --at 'in 2h'",
        "azure-durable entities signal Cart@ann put --input @item.json ./my-app",
    ),
)
@about_hub(ENTITY, _OPERATION)
@click.option("--input", "given", metavar="JSON", help="What the operation receives: JSON, a text, or @FILE with JSON.")
@click.option("--at", type=MOMENT, metavar="TIME", help="When to perform it (default: now): 2026-01-31, 'in 2h' ...")
@with_output
def signal_entity(
    target: HubTarget, out: Output, entity: str, operation: str, given: str | None, at: datetime | None
) -> None:
    """Have an entity perform an operation, now or later.

    A worker performs it, and its result is told to nobody. An entity begins to exist with its first operation.
    """
    entity_id, value = entity_id_of(entity), json_value(given, "--input")

    async def ask() -> None:
        async with target.connect() as client:
            await entities_of(client).signal_entity(entity_id, operation, value, signal_time=at)

    run(ask())
    if out.as_json:
        out.json({"entityId": str(entity_id), "asked": "signal", "operation": operation, "at": encoded_time(at)})
    else:
        out.line(f"Sent {operation!r} to entity {str(entity_id)!r}.")


@click.command("delete", epilog=examples("azure-durable entities delete Counter@clicks"))
@about_hub(ENTITY)
@with_output
def delete_entity(target: HubTarget, out: Output, entity: str) -> None:
    """Delete the state of an entity.

    It comes after what the entity was sent before. A later operation begins with a new state.
    """
    entity_id = entity_id_of(entity)

    async def ask() -> None:
        async with target.connect() as client:
            await entities_of(client).delete_entity(entity_id)

    run(ask())
    if out.as_json:
        out.json({"entityId": str(entity_id), "asked": "delete"})
    else:
        out.line(f"Asked entity {str(entity_id)!r} to delete its state.")


@click.command(
    "clean", epilog=examples("azure-durable entities clean", "azure-durable entities clean --keep-empty ./my-app")
)
@about_hub()
@click.option("--keep-empty", is_flag=True, help="Delete nothing.")
@click.option("--keep-locks", is_flag=True, help="Release no lock.")
@with_output
def clean_entities(target: HubTarget, out: Output, keep_empty: bool, keep_locks: bool) -> None:
    """Delete what is left of entities without a state, and free locks whose holder is gone.

    An entity is kept while it is locked, scheduled or waited for, and while somebody who sent it something could send
    that again.
    """

    async def clean() -> CleanEntityStorageResult:
        async with target.open_client() as client:
            return await client.clean_entity_storage(not keep_empty, not keep_locks)

    done = run(clean())
    if out.as_json:
        out.json(
            {
                "emptyEntitiesRemoved": done.empty_entities_removed,
                "orphanedLocksReleased": done.orphaned_locks_released,
            }
        )
    else:
        out.line(
            f"Removed {done.empty_entities_removed} empty entities, released {done.orphaned_locks_released} locks."
        )
