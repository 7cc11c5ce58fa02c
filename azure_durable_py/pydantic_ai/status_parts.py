"""Lists in the custom status, of which the first entries are shown where there is no room for all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from azure_durable_py.agents.status_parts import publish
from azure_durable_py.runtime.context import DurableOrchestrationContext

MAX_BYTES = 3_000
"""Of one part, as JSON. All parts share one column of a row."""


def publish_entries(context: DurableOrchestrationContext, name: str, entries: Sequence[dict[str, Any]]) -> None:
    """Have a part of the custom status show as many of the entries, from the first, as there is room for."""
    publish(context, name, MAX_BYTES, lambda room: _fitting(entries, room))


def _fitting(entries: Sequence[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for entry in entries:
        # Escaped, it is no shorter than the text that is written.
        room -= len(json.dumps(entry)) + 1
        if room < 0:
            break
        kept.append(entry)
    return kept
