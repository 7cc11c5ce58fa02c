"""One instance as its rows have it, decoded for a person: `azure-durable show --raw`.

Owns what is shown and in which words. It changes nothing, and shows what cannot be read with the reason in its place.
"""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from enum import Enum
from typing import Any

from azure_durable_py.history.codec import event_to_json
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.columns import DamagedHeaderError
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import InboxEvent, MalformedMessageError
from azure_durable_py.taskhub.payloads import unpack
from azure_durable_py.taskhub.protocol import Columns, CorruptRowError, Header, InboxRow
from azure_durable_py.taskhub.reading import read_history
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError, Record
from azure_durable_py.times import to_iso

_UNREADABLE = (CorruptRowError, NewerFormatError, MalformedMessageError, ShapeError)


async def decode_instance(hub: TaskHub, instance_id: str) -> dict[str, Any] | None:
    """Everything that the rows of an instance say, as JSON-ready values. None: there is no such instance.

    Large values are shown as references: their text is in rows of its own, and may be very long.

    :raises StorageError: storage refuses, or gives no answer.
    """
    inbox: list[InboxRow] = []
    more = False
    try:
        loaded = await hub.reliable.load(instance_id)
        header, inbox, more = loaded.header, list(loaded.inbox), loaded.more
        damage = None
    except DamagedHeaderError as error:
        header, damage = error.header, error.reason
    if header is None and not inbox:
        return None
    shown: dict[str, Any] = {"instanceId": instance_id}
    if header is not None:
        shown["columns"] = _columns(header.columns)
        shown["header"] = damage or _body(header)
        shown["history"] = await _history(hub, header)
    shown["inbox"] = [_row(row) for row in inbox]
    if more:
        shown["inboxGoesOn"] = True
    return shown


def _columns(columns: Columns) -> dict[str, Any]:
    values = {field.name: getattr(columns, field.name) for field in dataclasses.fields(columns)}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return to_iso(value)
        case Enum():
            return value.value
        case _:
            return value


def _body(header: Header) -> Any:
    """What the header holds beside its columns; without the newest events, which are shown as history."""
    try:
        head, _ = json.loads(unpack(header.body, Record.header))
    except (*_UNREADABLE, ValueError) as error:
        return f"cannot be read: {error}"
    return head


async def _history(hub: TaskHub, header: Header) -> Any:
    try:
        state = InstanceState.decode(header.body)
        return [event_to_json(event) for event in await read_history(hub.reliable, header.instance_id, state)]
    except _UNREADABLE as error:
        return f"cannot be read: {error}"


def _row(row: InboxRow) -> dict[str, Any]:
    try:
        found = InboxEvent.decode(row.body)
    except _UNREADABLE as error:
        return {"key": row.key, "event": f"cannot be read: {error}"}
    return {
        "key": row.key,
        "sender": found.sender,
        "sequence": found.sequence,
        "sentAt": to_iso(found.sent_at),
        "target": dataclasses.asdict(found.target),
        "event": event_to_json(found.event),
    }
