"""The next header of an instance, while it is being written.

Owns what every commit may change, whatever the instance is: marks of messages, the outbox, the alarm, which rows
go and come. What a turn decides is written into it by the draft of an orchestration or of an entity. Pure: it makes a
commit, it does not perform it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from azure_durable_py.history.events import Event, EventRaised
from azure_durable_py.observer import OperationDone
from azure_durable_py.record import record
from azure_durable_py.runtime.orchestration import Turn
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.numbering import decision_of, number_of
from azure_durable_py.taskhub.outgoing import Outgoing, Send, to_message
from azure_durable_py.taskhub.payloads import Spill
from azure_durable_py.taskhub.protocol import MAX_COMMIT_BYTES, MAX_COMMIT_ROWS, BlobRow, Commit, Header
from azure_durable_py.taskhub.state import ActivityGroup, Alarm, Arming, InstanceState, Mark, OutboxMessage, Rank
from azure_durable_py.trace_context import TraceContext
from azure_durable_py.worker.instance.inbox import forget_clients
from azure_durable_py.worker.instance.sender_memory import move_senders

MARK_MEMORY = timedelta(days=1)
"""How long a mark is remembered: longer than any process goes on with a message that it has lost."""
ALARM_GRACE = timedelta(minutes=1)
"""An alarm that is overdue by more than this has come, or is lost: it is not counted on."""


class Upkeep(Protocol):
    """What is particular to the headers of orchestrations, or of entities."""

    def rows_of(self, message: OutboxMessage) -> list[str]:
        """The RowKeys of rows that nobody needs once a message is handed over."""
        ...

    def is_unfinished(self, state: InstanceState) -> bool:
        """Whether something beside the outbox is still to be done."""
        ...


@record
class TurnRecord:
    """A turn of an orchestration that a draft records, and what tells the decisions of its generation.

    `raised` are the external events that arrived, each with the span that sent it. `status` is that of the instance
    after the turn, `replayed` how many events of the history were run again for it.
    """

    turn: Turn
    generation: int
    taken_at: datetime
    status: str
    replayed: int
    decision: Callable[[int], Event]
    raised: tuple[tuple[EventRaised, TraceContext | None], ...] = ()


@dataclass(frozen=True, slots=True)
class OperationsRecord:
    """The operations that a draft of an entity records, and whether the entity has a state after them."""

    operations: tuple[OperationDone, ...]
    exists: bool


class HeaderDraft:
    """One commit of one instance in the making.

    :param header: the header that it will replace.
    :param state: a copy of its state; changed in place.
    :param turn_id: names the commit.
    :param now: time of the turn.
    :param upkeep: what the instance is.
    """

    def __init__(self, header: Header, state: InstanceState, turn_id: str, now: datetime, upkeep: Upkeep) -> None:
        self.state = state
        self.columns = header.columns
        """Those of the header that it will replace; once there is a commit, those in it."""
        self.described: dict[str, Any] = {}
        """What the next columns say otherwise."""
        self.now = now
        self.turn_id = turn_id
        self.changed = False
        self.ended_generation = False
        self.taken: list[TurnRecord | OperationsRecord] = []
        """The turns that it records: what is to be told when it is true."""
        self.spare = 0
        """Bytes to leave free in the header."""
        self.outbox = OutboxChanges()
        self.rows = RowChanges(Spill(turn_id))
        self._header = header
        self._upkeep = upkeep

    # --- guards ------------------------------------------------------------------------------------

    def mark(self, guard: str, rank: Rank) -> None:
        """Say that this delivery of a guard is the newest one known (PROTOCOL R1)."""
        known = self.state.marks.get(guard)
        if known is None or known.rank < rank:
            self.state.marks[guard] = Mark(rank, self.now, begun_before(self.state, guard, rank))
            self.changed = True

    def begin(self, guard: str, rank: Rank, poisoned: bool = False) -> int:
        """Mark a delivery that begins what others of the same message did not end; returns which attempt it is."""
        begun = begun_before(self.state, guard, rank, poisoned)
        known = self.state.marks.get(guard)
        if known is None or known.rank != rank:
            # Else this very mark was written by a commit that was not answered.
            begun += 1
        self.state.marks[guard] = Mark(rank, self.now, begun)
        self.changed = True
        return 1 + begun

    def end(self, guard: str) -> None:
        """What a message asked for came to its end: what began before ended with its process, and not by it."""
        known = self.state.marks.get(guard)
        if known is not None and known.begun:
            self.state.marks[guard] = dataclasses.replace(known, begun=0)

    # --- outbox ------------------------------------------------------------------------------------

    def add(self, number: int, outgoing: Outgoing) -> None:
        """Have this handed over once the commit is true; the header names it by other means."""
        self.outbox.new.append((number, outgoing))

    def send(self, send: Send, guard: str) -> None:
        """Put a message into the outbox, written out in full."""
        self.join_queue(guard)
        self.state.messages.append(to_message(send))
        self.add(send.number, send)

    def join_queue(self, guard: str) -> None:
        """Sends are about to be added: only an empty queue gets a guard, another one keeps its own (PROTOCOL R5)."""
        if not self.state.has_sends:
            self.state.queue_guard = guard
        self.state.queued_at = self.now

    def drop(self, numbers: Collection[int]) -> None:
        """Take entries that were handed over out of the outbox.

        An activity stays until it has a result, but under no guard any more: its work item is a message of its own.
        """
        queued = [
            ActivityGroup("", group.committed_at, IdSet(each for each in group.ids if self._number(each) in numbers))
            for group in (self.state.activities if numbers else ())
        ]
        for number in numbers:
            if number == self._number(decision_of(number)):
                self.discard(decision_of(number))
        self.state.activities += queued
        gone = [message for message in self.state.messages if message.number in numbers]
        self.state.messages = [message for message in self.state.messages if message.number not in numbers]
        self.outbox.gone += numbers
        self.changed = self.changed or bool(numbers)
        self.tidy()
        for message in gone:
            self.state.garbage += self._upkeep.rows_of(message)

    def discard(self, decision: int) -> None:
        """What was decided under this id need not be handed over."""
        for group in (*self.state.activities, *self.state.sends):
            if group.ids.discard(decision):
                self.outbox.gone.append(self._number(decision))
                return

    def _number(self, decision: int) -> int:
        return number_of(self.state.generation, self.state.attempt, decision)

    def tidy(self) -> None:
        """Leave no empty groups behind."""
        if self.state.activities:
            self.state.activities = [group for group in self.state.activities if group.ids]
        if self.state.sends:
            self.state.sends = [group for group in self.state.sends if group.ids]

    def take_over(self, guard: str) -> None:
        """Put the queue of sends under another guard (PROTOCOL R8)."""
        self.state.queue_guard = guard
        self.changed = True

    def take_activities_over(self, guard: str, before: datetime, in_hand: Collection[str]) -> None:
        """Put activities that were decided before some time, under guards not in hand, under another (PROTOCOL R8)."""
        for group in self.state.activities:
            if group.guard not in in_hand and group.committed_at < before:
                group.guard = guard
                self.changed = True

    # --- timers --------------------------------------------------------------------------------------

    def set_alarm(self, alarm: Alarm) -> None:
        """The doorbell that the header asked for is put."""
        self._silence()
        self.state.arming, self.state.alarm = None, alarm
        self.outbox.named.add(alarm.doorbell)
        self.changed = True

    def see_to_timers(self, guard: str | None, in_hand: Collection[str], *, woken: bool) -> None:
        """Have a doorbell put for the earliest timer, unless one will come in time (PROTOCOL R16).

        :param guard: the message that guards the putting of it.
        :param in_hand: the messages in hand.
        :param woken: whether the doorbell of a timer is in hand: it is the alarm if that has no name, and what
            another worker is putting cannot be counted on, as this may be it.
        """
        state = self.state
        if state.alarm is not None and (state.alarm.doorbell in in_hand or (woken and not state.alarm.doorbell)):
            state.alarm = None
            self.changed = True
        earliest = state.earliest
        if earliest is None:
            self.changed = self.changed or state.alarm is not None or state.arming is not None
            self._silence()
            state.arming = state.alarm = None
        elif state.alarm is not None and self.now - ALARM_GRACE < state.alarm.due <= earliest:
            state.arming = None
        elif guard is not None and earliest > self.now and not self._is_armed(earliest, in_hand, woken=woken):
            state.arming = Arming(guard, earliest)
            self.changed = True

    def _is_armed(self, earliest: datetime, in_hand: Collection[str], *, woken: bool) -> bool:
        arming = self.state.arming
        if arming is None or arming.due > earliest:
            return False
        return arming.guard in in_hand or not (woken or self.changed)

    def _silence(self) -> None:
        if self.state.alarm is not None and self.state.alarm.handle is not None:
            self.outbox.silenced.append(self.state.alarm)

    # --- inbox -------------------------------------------------------------------------------------

    def consume(self, keys: Iterable[str], quarantined: Iterable[BlobRow] = ()) -> None:
        """Delete these inbox rows with the commit."""
        self.rows.consumed = tuple(keys)
        self.rows.quarantined = tuple(quarantined)
        self.changed = self.changed or bool(self.rows.consumed)

    # --- the commit --------------------------------------------------------------------------------

    def commit(self, *, compress: bool = True) -> tuple[Commit, list[BlobRow]]:
        """The commit, and blob rows that are to be put before it because it cannot carry them.

        :param compress: compress the state.
        :raises PayloadTooLargeError: the state does not fit the header.
        """
        state, rows = self.state, self.rows
        if rows.seen_until is not None and state.clients:
            forget_clients(state, rows.seen_until)
        rows.put(move_senders(state, self.turn_id, self.now))
        if state.marks:
            state.marks = {guard: mark for guard, mark in state.marks.items() if self.now - mark.at < MARK_MEMORY}
        before = self._header.columns
        has_outbox = bool(state.has_sends or state.activities or state.arming or state.pending)
        self.columns = before.but(
            {
                **self.described,
                # What a finished instance still has to hand over does not change when it was last at work.
                "last_updated_time": before.last_updated_time if self._header.is_terminal else self.now,
                "turn_id": self.turn_id,
                "wake_time": state.earliest,
                "has_outbox": has_outbox or self._upkeep.is_unfinished(state),
            }
        )
        put, staged = rows.sorted()
        room = MAX_COMMIT_ROWS - len(rows.consumed)
        dropped = tuple(state.garbage[: room - len(put)])
        del state.garbage[: len(dropped)]
        header = Header(self._header.instance_id, self.columns, state.encode(spare=self.spare, compress=compress))
        expected = self._header.etag or None
        return Commit(self._header.instance_id, header, expected, rows.consumed, put, dropped), staged


class OutboxChanges:
    """What a commit changes in the outbox, for whoever hands over."""

    def __init__(self) -> None:
        self.new: list[tuple[int, Outgoing]] = []
        """What was decided, by number."""
        self.gone: list[int] = []
        """Numbers of what is no longer in the header."""
        self.silenced: list[Alarm] = []
        """Doorbells of timers that nobody needs any more."""
        self.named: set[str] = set()
        """Doorbells of timers that the header names from now on."""

    @property
    def numbers(self) -> set[int]:
        """The numbers of what was decided."""
        return {number for number, _ in self.new}


class RowChanges:
    """Which rows a commit writes and deletes.

    :param spill: makes the rows of large values.
    """

    def __init__(self, spill: Spill) -> None:
        self.spill = spill
        self.consumed: tuple[str, ...] = ()
        self.quarantined: tuple[BlobRow, ...] = ()
        self.seen_until: datetime | None = None
        """When a load began whose rows are all consumed with this: what was in the inbox by then is dealt with."""

    def put(self, rows: Iterable[BlobRow]) -> None:
        """Write these rows with the commit."""
        self.spill.rows += rows

    def sorted(self) -> tuple[tuple[BlobRow, ...], list[BlobRow]]:
        """The rows to write with the commit, and those to put before it."""
        if not self.spill.rows and not self.quarantined:
            return (), []
        put = (*self.spill.rows, *self.quarantined)
        room = MAX_COMMIT_ROWS - len(self.consumed)
        if len(put) > room or sum(len(row.body) for row in put) > MAX_COMMIT_BYTES - 1_000_000:
            return (), list(put)
        return put, []


def begun_before(state: InstanceState, guard: str, rank: Rank, poisoned: bool = False) -> int:
    """How many deliveries of a message are known to have begun what it asks for, and not ended it.

    :param poisoned: it came out of the poison queue: where no delivery came to its end. Else one that was put back was
        let go of in good order, and counts anew.
    """
    known = state.marks.get(guard)
    return known.begun if known is not None and (poisoned or known.rank[:2] == rank[:2]) else 0
