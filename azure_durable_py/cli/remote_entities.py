"""Entities of a running host: the management API behind `--url`, by the names of the durable client."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import quote

from azure_durable_py.cli.exits import CommandError, ExitCode
from azure_durable_py.cli.output import encoded_time
from azure_durable_py.cli.remote import RemoteClient, objects_of, understanding
from azure_durable_py.client.entities import EntityMetadata, EntityPage
from azure_durable_py.ids import EntityId
from azure_durable_py.times import from_iso, utc


class RemoteEntities:
    """Asks a running host for its entities.

    :param remote: the way to it, open.
    """

    def __init__(self, remote: RemoteClient) -> None:
        self._remote = remote

    async def query_entities(
        self,
        *,
        name: str | None = None,
        key_prefix: str = "",
        last_operation_from: datetime | None = None,
        last_operation_to: datetime | None = None,
        include_state: bool = False,
        include_empty: bool = False,
        page_size: int = 100,
        continuation_token: str | None = None,
    ) -> EntityPage:
        """One page of entities; the API knows no prefixes, which are looked at here."""
        if include_empty:
            raise CommandError(
                "The management API tells of entities with a state only: leave out --empty, or --url.",
                ExitCode.wrong_usage,
            )
        query = {"top": str(page_size), "fetchState": "true" if include_state else "false"}
        for parameter, moment in (
            ("lastOperationTimeFrom", last_operation_from),
            ("lastOperationTimeTo", last_operation_to),
        ):
            query |= {} if moment is None else {parameter: encoded_time(moment) or ""}
        headers = {} if continuation_token is None else {"x-ms-continuation-token": continuation_token}
        path = "entities" if name is None else f"entities/{quote(name, safe='')}"
        answer = await self._remote.ask("GET", path, query, headers=headers)
        with understanding():
            items = [_metadata(item, include_state) for item in objects_of(answer)]
        kept = tuple(item for item in items if item.entity_id.key.startswith(key_prefix))
        return EntityPage(kept, answer.headers.get("x-ms-continuation-token") or None)

    async def signal_entity(
        self, entity_id: EntityId, operation: str, value: Any = None, *, signal_time: datetime | None = None
    ) -> None:
        """Have an entity perform an operation."""
        query = {"op": operation} | ({} if signal_time is None else {"signalTime": encoded_time(signal_time) or ""})
        await self._remote.ask("POST", _path(entity_id), query, None if value is None else (value,))

    async def delete_entity(self, entity_id: EntityId) -> None:
        """Delete the state of an entity."""
        await self._remote.ask("DELETE", _path(entity_id))


def _path(entity_id: EntityId) -> str:
    return f"entities/{quote(entity_id.name, safe='')}/{quote(entity_id.key, safe='')}"


def _metadata(item: dict[str, Any], with_state: bool) -> EntityMetadata:
    named, moment = item["entityId"], item.get("lastOperationTime")
    return EntityMetadata(
        EntityId(named["name"], named["key"]),
        exists=True,
        last_operation_time=None if moment is None else utc(from_iso(moment)),
        backlog_size=item.get("backlogSize") or 0,
        locked_by=item.get("lockedBy"),
        state_json=json.dumps(item["state"]) if with_state else None,
        damaged=item.get("damaged"),
    )
