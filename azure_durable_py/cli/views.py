"""What is to be seen of instances: from the hub itself, or through a running host.

Owns that both look the same to a command. What a host tells as JSON becomes the dataclasses of `inspection` again.
"""

from __future__ import annotations

import types
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import quote

from azure_durable_py.cli.remote import RemoteClient, not_understood, understanding
from azure_durable_py.cli.target import HubTarget
from azure_durable_py.errors import InstanceNotFoundError
from azure_durable_py.history.events import PayloadRef
from azure_durable_py.ids import EntityId
from azure_durable_py.inspection.family import Family, read_family
from azure_durable_py.inspection.instance import Inspection, inspect_instance
from azure_durable_py.inspection.json_form import camel
from azure_durable_py.inspection.timeline import Timeline, read_timeline
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.times import from_iso, utc

T = TypeVar("T")
_MOST_STEPS = 5_000
"""Steps that a host tells at once."""
_VALUES = ("input", "output", "custom_status")


class InstanceView(Protocol):
    """Tells of instances; None where there is none."""

    async def inspect(self, instance_id: str) -> Inspection | None:
        """What there is to be said of it."""
        ...

    async def timeline(self, instance_id: str, *, limit: int | None = None) -> Timeline | None:
        """What it did and when."""
        ...

    async def family(self, instance_id: str) -> Family | None:
        """Its parents and children."""
        ...


class HubView:
    """Reads the rows of a hub."""

    def __init__(self, hub: TaskHub) -> None:
        self._hub = hub

    async def inspect(self, instance_id: str) -> Inspection | None:
        return await inspect_instance(self._hub, instance_id)

    async def timeline(self, instance_id: str, *, limit: int | None = None) -> Timeline | None:
        return await read_timeline(self._hub, instance_id, limit=limit)

    async def family(self, instance_id: str) -> Family | None:
        return await read_family(self._hub, instance_id)


class RemoteView:
    """Asks a running host."""

    def __init__(self, remote: RemoteClient) -> None:
        self._remote = remote

    async def inspect(self, instance_id: str) -> Inspection | None:
        told = await self._ask(_entity(instance_id) if instance_id.startswith("@") else _instance(instance_id))
        if told is None:
            return None
        if "backlogEntries" in told:
            # Of an entity the list of what it holds back has another name: that of the list is the number of them.
            held = [{"key": "", "sentAt": None, **entry} for entry in told["backlogEntries"]]
            told = {**told, "backlogSize": told["backlog"], "backlog": held}
        with understanding():
            found = cast("Inspection", from_json(Inspection, told))
        large = [name for name in _VALUES if isinstance(getattr(found, name), PayloadRef)]
        return replace(found, large=tuple(large), **dict.fromkeys(large))

    async def timeline(self, instance_id: str, *, limit: int | None = None) -> Timeline | None:
        return await self._read(
            Timeline, f"{_instance(instance_id)}/timeline", limit=min(limit or _MOST_STEPS, _MOST_STEPS)
        )

    async def family(self, instance_id: str) -> Family | None:
        return await self._read(Family, f"{_instance(instance_id)}/family")

    async def _read(self, kind: type[T], path: str, **query: Any) -> T | None:
        told = await self._ask(path, **query)
        with understanding():
            return None if told is None else cast("T", from_json(kind, told))

    async def _ask(self, path: str, **query: Any) -> dict[str, Any] | None:
        given = {name: str(value) for name, value in query.items() if value is not None}
        try:
            answer = await self._remote.ask("GET", f"monitor/api/{path}", given)
        except InstanceNotFoundError:
            return None
        told: Any = answer.value
        if not isinstance(told, dict):
            raise not_understood()
        return cast("dict[str, Any]", told)


@asynccontextmanager
async def viewing(target: HubTarget) -> AsyncGenerator[InstanceView, None]:
    """A view of the instances that a command is about; the hub is open meanwhile."""
    async with target.connect() as client:
        yield RemoteView(client) if isinstance(client, RemoteClient) else HubView(client.hub)


def _entity(instance_id: str) -> str:
    entity_id = EntityId.get_entity_id(instance_id)
    return f"entities/{quote(entity_id.name, safe='')}/{quote(entity_id.key, safe='')}"


def _instance(instance_id: str) -> str:
    return f"instances/{quote(instance_id, safe='')}"


# --- JSON to dataclasses -----------------------------------------------------------------------------


def from_json(hint: Any, value: Any) -> Any:
    """A value of a type from its JSON form. Names that the type has not are left out: a newer host may tell more."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _of_union(get_args(hint), value)
    if origin is tuple:
        inner = get_args(hint)[0]
        return tuple(from_json(inner, item) for item in value or ())
    if origin is dict:
        return dict(value or {})
    if hint is datetime:
        return utc(from_iso(value))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if isinstance(hint, type) and is_dataclass(cast("Any", hint)):
        return _record(hint, cast("dict[str, Any]", value))
    return value


def _of_union(members: tuple[Any, ...], value: Any) -> Any:
    """A value that may be missing. What is large is told by its size, as a reference."""
    if value is None:
        return None
    if isinstance(value, dict) and "size" in value:
        told = cast("dict[str, Any]", value)
        return PayloadRef("", told.get("size") or 0, 1) if told.get("large") else told.get("text")
    kept = [member for member in members if member is not type(None) and member is not PayloadRef]
    return from_json(kept[0], value)


def _record(kind: type, value: dict[str, Any]) -> Any:
    if not isinstance(value, dict):  # pyright: ignore[reportUnnecessaryIsInstance] - a host may say anything
        raise TypeError(f"{value!r} is no object")
    hints = get_type_hints(kind)
    make = cast("Callable[..., Any]", kind)
    known = {one.name: camel(one.name) for one in fields(kind)}
    return make(**{name: from_json(hints[name], value[key]) for name, key in known.items() if key in value})
