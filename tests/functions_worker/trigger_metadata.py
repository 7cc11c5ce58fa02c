"""What a Functions host tells a function of a message in a queue, beside its text."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from azure.storage.queue import QueueMessage

OF_THE_HOST = frozenset(
    ("QueueTrigger", "DequeueCount", "Id", "PopReceipt", "ExpirationTime", "InsertionTime", "NextVisibleTime")
)
"""What a host tells a function of its message, whatever the message is."""


def trigger_metadata(text: str, message: QueueMessage) -> dict[str, Any]:
    """What a function is told of its message: what the host knows, with the properties of the message put over it."""
    found: dict[str, Any] = {
        "QueueTrigger": _string(text),
        "DequeueCount": _json(message.dequeue_count),
        "Id": _string(message.id),
        "PopReceipt": _string(message.pop_receipt),
        "ExpirationTime": _json(_shown(message.expires_on)),
        "InsertionTime": _json(_shown(message.inserted_on)),
        "NextVisibleTime": _json(_shown(message.next_visible_on)),
    }
    assert set(found) == OF_THE_HOST
    # Its dictionary takes no notice of case: the name stays as it was put first.
    names = {name.lower(): name for name in found}
    for name, value in _properties(text).items():
        if value is None or isinstance(value, list):
            continue
        found[names.get(name.lower(), name)] = _json(value) if isinstance(value, dict) else _string(_text(value))
    return found


def _properties(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _string(value: str | None) -> dict[str, Any]:
    return {"kind": "string", "value": value}


def _json(value: Any) -> dict[str, Any]:
    return {"kind": "json", "value": json.dumps(value)}


def _text(value: str | float | bool) -> str:
    return str(value)  # .NET writes True and False, as Python does.


def _shown(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
