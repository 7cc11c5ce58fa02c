"""Large values: which ones leave the row that they belong to, and how they come back.

Owns the rule (`MAX_INLINE_BYTES`) and `Spill`, which collects the payload rows of one writer.
"""

from __future__ import annotations

from collections.abc import Iterable

from azure_durable_py.history import (
    EntityOperationCompleted,
    Event,
    EventRaised,
    ExecutionStarted,
    PayloadRef,
    SubOrchestrationCompleted,
    TaskCompleted,
    Value,
    map_values,
    payload_refs,
)
from azure_durable_py.taskhub.instance import MAX_INLINE_BYTES, chunk_keys, from_blobs, payload_key, to_blobs
from azure_durable_py.taskhub.protocol import BlobRow, TaskHubStore


def is_large(text: str) -> bool:
    """Whether a value must leave its row."""
    # A character takes one to three bytes, four in pairs: most values need no encoding to know.
    if len(text) <= MAX_INLINE_BYTES // 4:
        return False
    return len(text) > MAX_INLINE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_INLINE_BYTES


class Spill:
    """Collects the payload rows that one writer (a turn, a work item, a message) makes.

    The same writer spilling the same values in the same order makes the same rows, so that a
    repeated attempt overwrites instead of adding. Equal values share their rows.
    """

    def __init__(self, writer: str) -> None:
        self._writer = writer
        self._refs: dict[str, PayloadRef] = {}
        self.rows: list[BlobRow] = []

    def value(self, value: Value) -> Value:
        """The value itself if it is small, else a reference to rows added to `rows`."""
        if not isinstance(value, str) or not is_large(value):
            return value
        ref = self._refs.get(value)
        if ref is None:
            ref, rows = to_blobs(payload_key(self._writer, len(self._refs)), value)
            self._refs[value] = ref
            self.rows += rows
        return ref

    def event(self, event: Event) -> Event:
        """The event with its large values replaced."""
        return map_values(event, self.value)


def payload_rows(events: Iterable[Event]) -> list[str]:
    """The RowKeys of the payload rows that these events refer to."""
    return [name for ref in payload_refs(events) for name in chunk_keys(ref.key, ref.chunks)]


async def read_value(store: TaskHubStore, instance_id: str, value: Value) -> str | None:
    """The text of a value that may be a reference.

    :raises CorruptRowError: its rows are missing or damaged.
    """
    if not isinstance(value, PayloadRef):
        return value
    bodies = await store.get_blobs(instance_id, chunk_keys(value.key, value.chunks))
    return from_blobs(value.key, value.chunks, bodies, value.size)


_READ_ON_REPLAY = (
    ExecutionStarted,
    TaskCompleted,
    SubOrchestrationCompleted,
    EntityOperationCompleted,
    EventRaised,
)


async def read_events(
    store: TaskHubStore, instance_id: str, events: Iterable[Event], *, everything: bool = False
) -> list[Event]:
    """The events with references resolved: in those that replay reads, or in all of them.

    :raises CorruptRowError: rows of a value are missing or damaged.
    """
    given = list(events)
    wanted = {
        ref.key: ref
        for event in given
        if everything or isinstance(event, _READ_ON_REPLAY)
        for ref in payload_refs([event])
    }
    if not wanted:
        return given
    keys = [name for ref in wanted.values() for name in chunk_keys(ref.key, ref.chunks)]
    bodies = await store.get_blobs(instance_id, keys)
    texts = {ref.key: from_blobs(ref.key, ref.chunks, bodies, ref.size) for ref in wanted.values()}

    def resolve(value: Value) -> Value:
        return texts.get(value.key, value) if isinstance(value, PayloadRef) else value

    return [map_values(event, resolve) for event in given]
