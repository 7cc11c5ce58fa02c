"""Reading back what was moved out of a header: large values, pages of history."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from functools import partial

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


class StoredPart(Iterable[Event]):
    """Some whole turns of a history in the form in which they are stored. They are decoded whenever they are asked for.

    :param place: where they are, for errors.
    :param read: gives their texts.
    """

    def __init__(self, place: str, read: Callable[[], Sequence[str]]) -> None:
        self._place = place
        self._read = read

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events())

    def events(self) -> list[Event]:
        """The events, in order. Large values are references.

        :raises CorruptRowError: they are damaged.
        """
        try:
            return decode_events(self._read())
        except ValueError as error:
            raise CorruptRowError(f"{self._place} cannot be read: {error}") from error


async def read_parts(store: TaskHubStore, instance_id: str, state: InstanceState) -> AsyncIterator[StoredPart]:
    """The history of the current generation in parts, so that nobody need have all of a long one as events."""
    async for page in _stored_pages(store, instance_id, state.pages):
        yield page
    if state.tail:
        tail = tuple(state.tail)
        yield StoredPart(f"the newest history of {instance_id!r}", lambda: tail)


async def read_history(store: TaskHubStore, instance_id: str, state: InstanceState) -> list[Event]:
    """All history events of the current generation. Large values stay references.

    :raises CorruptRowError: a page is missing or damaged.
    """
    return [event async for part in read_parts(store, instance_id, state) for event in part.events()]


async def read_pages(store: TaskHubStore, instance_id: str, pages: Sequence[PageRef]) -> list[Event]:
    """The events of sealed history pages, in order.

    :raises CorruptRowError: a page is missing or damaged.
    """
    return [event async for page in _stored_pages(store, instance_id, pages) for event in page.events()]


async def _stored_pages(store: TaskHubStore, instance_id: str, pages: Sequence[PageRef]) -> AsyncIterator[StoredPart]:
    for batch in _page_batches(pages):
        names = [name for page in batch for name in chunk_keys(page.key, page.chunks)]
        bodies = await store.get_blobs(instance_id, names)
        for page in batch:
            own = {name: bodies.pop(name) for name in chunk_keys(page.key, page.chunks) if name in bodies}
            read = partial(_lines, page, own)
            yield StoredPart(f"history page {page.key!r} of {instance_id!r}", read)


def _lines(page: PageRef, bodies: dict[str, bytes]) -> list[str]:
    return from_blobs(page.key, page.chunks, bodies).split("\n")


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
