"""Approvals that are waited for, as they stand in the custom status of an instance.

Owns the JSON form, which the code of agents writes and whoever shows an instance reads, and the name of the event that
answers one.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from azure_durable_py import shape
from azure_durable_py.shape import Fields, ShapeError
from azure_durable_py.times import to_iso

APPROVALS = "approvals"
"""The field of the custom status."""
EVENT_PREFIX = "approval:"


@dataclass(frozen=True, slots=True)
class PendingApproval:
    """A call of a tool that waits for a person.

    `arguments` are JSON text; where they were too large to be shown, `arguments_cut` is set, and they are a JSON
    string with the beginning of their text. `event` is the external event that answers. `problem` says why an answer
    that came could not be used.
    """

    id: str
    tool: str
    arguments: str
    event: str
    requested_at: datetime
    expires_at: datetime | None = None
    arguments_cut: bool = False
    problem: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        found: dict[str, Any] = {
            "id": self.id,
            "tool": self.tool,
            "arguments": json.loads(self.arguments),
            "event": self.event,
            "requestedAt": to_iso(self.requested_at),
            "expiresAt": None if self.expires_at is None else to_iso(self.expires_at),
        }
        if self.arguments_cut:
            found["argumentsCut"] = True
        if self.problem is not None:
            found["problem"] = self.problem
        return found


def pending_approvals(custom_status_json: str | None) -> list[PendingApproval]:
    """The approvals that an instance waits for, by its custom status. What has no such form is left out."""
    if custom_status_json is None or f'"{APPROVALS}"' not in custom_status_json:
        return []
    try:
        status: Any = json.loads(custom_status_json)
    except ValueError:
        return []
    listed: Any = cast("dict[str, Any]", status).get(APPROVALS) if isinstance(status, dict) else None
    found: list[PendingApproval] = []
    for item in cast("list[Any]", listed) if isinstance(listed, list) else []:
        try:
            found.append(_read(item))
        except ShapeError:
            continue
    return found


def _read(value: Any) -> PendingApproval:
    fields = Fields(value)
    approval_id = fields.read("id", shape.text)
    if fields.read("event", shape.text) != EVENT_PREFIX + approval_id:
        # A status of the user's own may come from anywhere. Who answers it is to raise no other event by that.
        raise ShapeError("the event is not that of the approval", ("event",))
    return PendingApproval(
        id=approval_id,
        tool=fields.read("tool", shape.text),
        arguments=json.dumps(fields.get("arguments", shape.anything, None), ensure_ascii=False, separators=(",", ":")),
        event=EVENT_PREFIX + approval_id,
        requested_at=fields.read("requestedAt", shape.time),
        expires_at=fields.get("expiresAt", shape.optional(shape.time), None),
        arguments_cut=fields.get("argumentsCut", shape.flag, False),
        problem=fields.get("problem", shape.optional(shape.text), None),
    )
