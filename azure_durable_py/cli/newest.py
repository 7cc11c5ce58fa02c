"""The newest instances that meet criteria: of a hub, or as a running host tells of them.

However many there are, only those that are asked for are read in full, and the rest is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from azure_durable_py.cli.output import encoded_time
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.times import from_iso

if TYPE_CHECKING:
    from azure_durable_py.cli.remote import RemoteClient
    from azure_durable_py.cli.target import HubClient
    from azure_durable_py.taskhub.hub import TaskHub
    from azure_durable_py.taskhub.protocol import Listed

_MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class InstanceFilter:
    """Which instances are asked for; `tags` it has all of."""

    statuses: Collection[str] = ()
    names: Collection[str] = ()
    prefix: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    created_after: datetime | None = None
    created_before: datetime | None = None


class Newest(NamedTuple):
    """The newest instances, the newest first; `more` tells whether there are others."""

    instances: list[DurableOrchestrationStatus]
    more: bool


async def newest(client: HubClient, wanted: InstanceFilter, top: int) -> Newest:
    """The newest instances that are wanted, at most `top`.

    :raises InvalidRequestError: a criterion cannot be used.
    :raises StorageError: storage refuses, or gives no answer.
    """
    from azure_durable_py.cli.remote import RemoteClient

    if isinstance(client, RemoteClient):
        return await _of_host(client, wanted, top)
    return await _of_hub(client.hub, wanted, top)


async def _of_hub(hub: TaskHub, wanted: InstanceFilter, top: int) -> Newest:
    from azure_durable_py.client.reader import Reader, has_tags, query_of
    from azure_durable_py.inspection.listing import list_newest
    from azure_durable_py.serialization.converter import JsonDataConverter
    from azure_durable_py.taskhub.protocol import Page

    query = query_of(
        created_time_from=wanted.created_after,
        created_time_to=wanted.created_before,
        runtime_status=wanted.statuses or None,
        instance_id_prefix=wanted.prefix,
        names=wanted.names,
    )
    tags = dict(wanted.tags)
    reader = Reader(hub, JsonDataConverter())
    found: list[Listed] = []
    token: str | None = None
    while True:
        page = await list_newest(
            hub,
            replace(query, with_values=False),
            (lambda item: has_tags(item.columns, tags)) if tags else None,
            min(top - len(found), _MOST_AT_ONCE),
            token,
        )
        found += page.items
        token = page.token
        if token is None or len(found) >= top:
            break
    statuses = await reader.statuses(Page(tuple(found), None), show_input=False)
    return Newest(list(statuses.items), token is not None)


async def _of_host(remote: RemoteClient, wanted: InstanceFilter, top: int) -> Newest:
    from azure_durable_py.cli.remote import understanding

    query = {"order": "newest"}
    query |= {"status": ",".join(wanted.statuses)} if wanted.statuses else {}
    query |= {"name": ",".join(wanted.names)} if wanted.names else {}
    query |= {"prefix": wanted.prefix} if wanted.prefix else {}
    for name, moment in (("createdFrom", wanted.created_after), ("createdTo", wanted.created_before)):
        query |= {} if moment is None else {name: encoded_time(moment) or ""}
    found: list[DurableOrchestrationStatus] = []
    token: str | None = None
    while True:
        query["top"] = str(min(top - len(found), _MOST_AT_ONCE))
        answer = await remote.ask("GET", "monitor/api/instances", query if token is None else {**query, "token": token})
        with understanding():
            told = cast("dict[str, Any]", answer.value)
            items = [_status(item) for item in told["items"]]
            token = told["continuationToken"]
        found += [item for item in items if _has(item.tags, wanted.tags)]
        if token is None or len(found) >= top:
            return Newest(found, token is not None)


def _status(told: dict[str, Any]) -> DurableOrchestrationStatus:
    def moment(name: str) -> datetime | None:
        return None if told.get(name) is None else from_iso(told[name])

    return DurableOrchestrationStatus(
        name=told["name"],
        instanceId=told["instanceId"],
        createdTime=moment("createdTime"),
        lastUpdatedTime=moment("lastUpdatedTime"),
        runtimeStatus=told["runtimeStatus"] or None,
        completed_time=moment("completedTime"),
        version=told["version"],
        tags=told["tags"] or {},
        parent_instance_id=told["parentInstanceId"],
        damaged=told["damaged"],
    )


def _has(tags: Mapping[str, str], wanted: tuple[tuple[str, str], ...]) -> bool:
    return all(tags.get(name) == value for name, value in wanted)
