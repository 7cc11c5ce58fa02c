"""One look at the rows of an instance: what can be read of them, and why the rest cannot.

Owns the way from a header to its state and its history where any of them may be damaged, and the taking of all three
from the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from azure_durable_py.history.codec import decode_event
from azure_durable_py.history.events import Event, PayloadRef
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.columns import DamagedHeaderError
from azure_durable_py.taskhub.entity_state import is_entity
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import CorruptRowError, Header, InboxRow, InstanceQuery, Kind
from azure_durable_py.taskhub.reading import read_history
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError

_MOST_LOOKS = 10


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of an instance.

    `damage` tells what of the header cannot be read; then there is no state. `newer` tells that a newer version of
    this package wrote it. `problem` tells why there is no history. Of one that waits for its first turn, `events` are
    what it begins with. Large values are references.
    """

    header: Header
    inbox: tuple[InboxRow, ...] = ()
    more: bool = False
    damage: str = ""
    newer: str = ""
    state: InstanceState | None = None
    events: tuple[Event, ...] = ()
    problem: str = ""

    @property
    def tail(self) -> list[Event]:
        """The newest events, which are in the header itself, as far as they can be read."""
        return [] if self.state is None else list(readable(self.state.tail))


async def look_closely(
    hub: TaskHub, instance_id: str, *, with_inbox: bool = False, known: Look | None = None
) -> Look | None:
    """Header, state and history of an instance, and its inbox if asked for; None: there is none.

    :param known: an earlier look: while the header is the same, its history is not read again.
    :raises StorageError: storage refuses, or gives no answer.
    """
    seen = await _look(hub, instance_id, with_inbox=with_inbox, known=known)
    for _ in range(_MOST_LOOKS):
        if seen is None or not seen.problem:
            break
        # Between the header and its rows the instance may have gone on, or away.
        newer = await hub.salvage(instance_id)
        if newer is not None and newer.etag == seen.header.etag:
            break
        seen = await _look(hub, instance_id, with_inbox=with_inbox, known=None)
    return seen


async def _look(hub: TaskHub, instance_id: str, *, with_inbox: bool, known: Look | None) -> Look | None:
    inbox: tuple[InboxRow, ...] = ()
    more = False
    try:
        if with_inbox:
            loaded = await hub.reliable.load(instance_id)
            header, inbox, more = loaded.header, loaded.inbox, loaded.more
        else:
            header = await hub.reliable.load_header(instance_id)
    except DamagedHeaderError as error:
        return Look(error.header, damage=error.reason)
    except NewerFormatError as error:
        return await _of_a_newer(hub, instance_id, error)
    if header is None:
        return None
    if known is not None and known.state is not None and not known.problem and known.header.etag == header.etag:
        return replace(known, header=header, inbox=inbox, more=more)
    try:
        state = InstanceState.decode(header.body)
    except CorruptRowError as error:
        return Look(header, inbox, more, damage=str(error))
    except NewerFormatError as error:
        return Look(header, inbox, more, newer=str(error))
    try:
        events = await read_history(hub.reliable, instance_id, state) or _pending(state)
    except (CorruptRowError, ShapeError) as error:
        return Look(header, inbox, more, state=state, problem=str(error))
    except NewerFormatError as error:
        return Look(header, inbox, more, state=state, problem=str(error), newer=str(error))
    return Look(header, inbox, more, state=state, events=tuple(events))


async def _of_a_newer(hub: TaskHub, instance_id: str, error: NewerFormatError) -> Look | None:
    """What a listing shows of a header that only a worker which is upgraded can read."""
    kind = Kind.entity if is_entity(instance_id) else Kind.orchestration
    page = await hub.reliable.query(InstanceQuery(kind=kind, instance_id_prefix=instance_id, page_size=1))
    found = next((item for item in page.items if item.instance_id == instance_id), None)
    return None if found is None else Look(Header(instance_id, found.columns, b""), newer=str(error))


def readable(texts: Iterable[str]) -> Iterator[Event]:
    """The encoded events that can be read."""
    for text in texts:
        with suppress(ValueError):
            yield decode_event(text)


def _pending(state: InstanceState) -> list[Event]:
    if isinstance(state.pending, PayloadRef):
        return []
    return list(readable(state.pending))
