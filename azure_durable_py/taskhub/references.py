"""Which rows of its partition an instance names: the others of what a commit staged are in nobody's use.

Pure: it reads what a header says, and no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from azure_durable_py.history.codec import decode_event
from azure_durable_py.history.events import Event, PayloadRef
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.outgoing import message_refs
from azure_durable_py.taskhub.payloads import decode_ref, payload_rows
from azure_durable_py.taskhub.protocol import Columns, CorruptRowError
from azure_durable_py.taskhub.state import InstanceState


def named_rows(columns: Columns, state: InstanceState) -> set[str]:
    """The RowKeys of all pages and payloads that a header names, as values, as pages or as what is to be deleted.

    :raises CorruptRowError: not all of them can be told.
    """
    entity = EntityState.of(state)
    pages = [(page.key, page.chunks) for page in (*state.pages, *state.sender_pages, *entity.pages)]
    pages += [(ref.key, ref.chunks) for ref in _refs(columns, state)]
    named = {name for key, chunks in pages for name in chunk_keys(key, chunks)}
    named.update(state.garbage, *(page.payloads for page in state.pages))
    texts = [*state.tail, *entity.front, *entity.tail, *entity.scheduled.values()]
    if not isinstance(state.pending, PayloadRef):
        texts += state.pending
    named.update(payload_rows(_events(texts)))
    return named


def _refs(columns: Columns, state: InstanceState) -> Iterator[PayloadRef]:
    yield from (decode_ref(text) for text in (columns.input_payload, columns.output_payload) if text is not None)
    if isinstance(state.pending, PayloadRef):
        yield state.pending
    for message in state.messages:
        yield from message_refs(message)


def _events(texts: Iterable[str]) -> Iterator[Event]:
    try:
        yield from map(decode_event, texts)
    except ShapeError as error:
        raise CorruptRowError(f"an event in a header cannot be read: {error}") from error
