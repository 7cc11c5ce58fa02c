"""Reading back what was moved out of a header: large values, pages of history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from azure_durable_py.history.codec import decode_events, map_values, payload_refs
from azure_durable_py.history.events import (
    EntityOperationCompleted,
    Event,
    EventRaised,
    ExecutionStarted,
    PayloadRef,
    SubOrchestrationCompleted,
    TaskCompleted,
    Value,
)
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.payloads import from_blobs
from azure_durable_py.taskhub.protocol import CorruptRowError, TaskHubStore
from azure_durable_py.taskhub.state import InstanceState, PageRef


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


READ_CHUNKS = 256


async def read_history(store: TaskHubStore, instance_id: str, state: InstanceState) -> list[Event]:
    """All history events of the current generation. Large values stay references.

    :raises CorruptRowError: a page is missing or damaged.
    """
    events = await read_pages(store, instance_id, state.pages)
    try:
        events += decode_events(state.tail)
    except ValueError as error:
        raise CorruptRowError(f"the newest history of {instance_id!r} cannot be read: {error}") from error
    return events


async def read_pages(store: TaskHubStore, instance_id: str, pages: Sequence[PageRef]) -> list[Event]:
    """The events of sealed history pages, in order.

    :raises CorruptRowError: a page is missing or damaged.
    """
    events: list[Event] = []
    for batch in _page_batches(pages):
        names = [name for page in batch for name in chunk_keys(page.key, page.chunks)]
        bodies = await store.get_blobs(instance_id, names)
        for page in batch:
            try:
                events += decode_events(from_blobs(page.key, page.chunks, bodies).split("\n"))
            except ValueError as error:
                raise CorruptRowError(
                    f"history page {page.key!r} of {instance_id!r} cannot be read: {error}"
                ) from error
    return events


def _page_batches(pages: Iterable[PageRef]) -> Iterator[list[PageRef]]:
    """Pages that are read together: of a long history only a part is in memory twice, and a lost page ends it soon."""
    batch: list[PageRef] = []
    for page in pages:
        batch.append(page)
        if sum(page.chunks for page in batch) >= READ_CHUNKS:
            yield batch
            batch = []
    if batch:
        yield batch
