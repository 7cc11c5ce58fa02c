"""What an instance can be: an orchestration or an entity. What differs between the two is here, and only here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Protocol

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Event
from azure_durable_py.record import record
from azure_durable_py.taskhub.entity_state import is_entity, is_runnable, is_vain, new_entity_header
from azure_durable_py.taskhub.outgoing import Sender
from azure_durable_py.taskhub.protocol import Header, InboxRow
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.attention import Crowd
from azure_durable_py.worker.instance.entity_draft import EntityUpkeep
from azure_durable_py.worker.instance.entity_reader import EntityReader
from azure_durable_py.worker.instance.entity_turn import EntityTurn
from azure_durable_py.worker.instance.guards import Guards
from azure_durable_py.worker.instance.header_draft import HeaderDraft, Upkeep
from azure_durable_py.worker.instance.orchestration_draft import (
    OrchestrationDraft,
    OrchestrationUpkeep,
    is_next_at_hand,
)
from azure_durable_py.worker.instance.orchestration_reader import OrchestrationReader
from azure_durable_py.worker.instance.orchestration_turn import OrchestrationTurn, failed_turn, read_decisions
from azure_durable_py.worker.instance.results import Results
from azure_durable_py.worker.instance.turn_clock import TurnClock

MOST_GENERATIONS = 100
"""Generations in one commit."""
MOST_SECONDS = 0.02
"""After this time others have their turn."""


@record
class Hand:
    """What a turn has to work with.

    `header` is the one that the turn goes on from, `rows` what it may take of the inbox, `guard` the message under
    which it puts what it decides. `clock` is the time as the instance has it. `at_most`: turns in the commit; None: as
    many as there may be.
    """

    header: Header
    clock: TurnClock
    sender: Sender
    guard: str
    guards: Guards
    rows: Sequence[InboxRow]
    results: Results
    at_most: int | None


class InstanceReader(Protocol):
    """The live function behind an instance, and what is read for it."""

    def forget(self) -> None:
        """The header was changed by another, or a turn came to nothing: begin from storage next time."""
        ...

    def decided_by(self, task_ids: Collection[int]) -> bool:
        """Whether these answers would let the function go on."""
        ...

    async def load_decisions(self, state: InstanceState) -> None:
        """Read what was decided, without running user code.

        :raises CorruptRowError: it cannot be read.
        """
        ...

    def decision(self, task_id: int) -> Event:
        """What was decided under this id.

        :raises CorruptRowError: the history does not say.
        """
        ...


class InstanceKind(Protocol):
    """What differs between orchestrations and entities."""

    @property
    def reader(self) -> InstanceReader:
        """Reads what a turn goes on from."""
        ...

    @property
    def slots(self) -> asyncio.Semaphore:
        """How many of the kind may take a step at once."""
        ...

    @property
    def crowd(self) -> Crowd:
        """Those of the kind that wait for theirs."""
        ...

    @property
    def upkeep(self) -> Upkeep:
        """How their headers are kept."""
        ...

    @property
    def can_fail(self) -> bool:
        """Whether the instance may be ended where it cannot go on."""
        ...

    def first_header(self) -> tuple[Header, InstanceState] | None:
        """What an instance that is not there begins with when it is sent something; None: it has to be started."""
        ...

    def is_unfinished(self, state: InstanceState, now: Callable[[], datetime]) -> bool:
        """Whether it has something to do without being told more."""
        ...

    def is_vain(self, header: Header, state: InstanceState) -> bool:
        """Whether nothing of it is to be left: it can do nothing, so nothing can be done twice."""
        ...

    async def take_turn(self, draft: HeaderDraft, hand: Hand) -> None:
        """Run what there is to run, and write it into a draft.

        :raises PayloadTooLargeError: it cannot be stored.
        """
        ...

    async def fail(self, draft: HeaderDraft, hand: Hand, error: Exception) -> None:
        """Write into a draft that the instance has failed; what it had decided to send before, it still sends.

        :raises Exception: `error`, where the instance cannot fail.
        """
        ...


class OrchestrationKind:
    """An orchestration: begun by a start, goes on as its function says, and ends."""

    upkeep = OrchestrationUpkeep()
    can_fail = True

    def __init__(self, context: WorkerContext, instance_id: str) -> None:
        self._context = context
        self.reader = OrchestrationReader(context, instance_id)
        self.slots, self.crowd = context.turns, context.crowd

    def first_header(self) -> None:
        return None

    def is_unfinished(self, state: InstanceState, now: Callable[[], datetime]) -> bool:
        del now
        return self.upkeep.is_unfinished(state)

    def is_vain(self, header: Header, state: InstanceState) -> bool:
        del header, state
        return False

    async def take_turn(self, draft: HeaderDraft, hand: Hand) -> None:
        turn = OrchestrationTurn(self._context, self.reader, draft, hand.sender)
        if not await turn.run(hand.header, hand.rows, hand.results, hand.guards.failure):
            return
        turn.record(hand.guard)
        if not hand.guards.are_last:
            await self._go_on_as_new(draft, hand, hand.at_most or MOST_GENERATIONS)

    async def _go_on_as_new(self, draft: HeaderDraft, hand: Hand, at_most: int) -> None:
        """Run the generations that follow at once, for as long as one asks nothing of anybody: they are one commit."""
        monotonic = self._context.hub.clock.monotonic
        enough = monotonic() + MOST_SECONDS
        for _ in range(at_most - 1):
            if not is_next_at_hand(draft, hand.header) or monotonic() > enough:
                return
            self.reader.forget()
            draft.now = hand.clock.after(draft.now)
            sender = Sender.of(hand.header.instance_id, hand.header.columns.name, draft.state)
            turn = OrchestrationTurn(self._context, self.reader, draft, sender)
            await turn.run(hand.header)
            turn.record(hand.guard)

    async def fail(self, draft: HeaderDraft, hand: Hand, error: Exception) -> None:
        await read_decisions(self.reader, hand.header.instance_id, draft.state)
        turn = failed_turn(FailureDetails.from_exception(error), draft.now)
        made = OrchestrationDraft(draft, hand.sender, hand.guard, self.reader.decider())
        made.record(turn, replayed=self.reader.replayed)


class EntityKind:
    """An entity: there as soon as somebody says something to it, and never ends."""

    upkeep = EntityUpkeep()
    can_fail = False

    def __init__(self, context: WorkerContext, instance_id: str) -> None:
        self._context = context
        self._instance_id = instance_id
        self.reader = EntityReader(context, instance_id)
        self.slots, self.crowd = context.entity_turns, context.entity_crowd

    def first_header(self) -> tuple[Header, InstanceState]:
        hub = self._context.hub
        return new_entity_header(self._instance_id, hub.ids.new(), hub.clock.now())

    def is_unfinished(self, state: InstanceState, now: Callable[[], datetime]) -> bool:
        return is_runnable(state) or (bool(state.timers) and min(state.timers.values()) <= now())

    def is_vain(self, header: Header, state: InstanceState) -> bool:
        return (
            header.columns.name not in self._context.registry.entities and bool(header.etag) and is_vain(header, state)
        )

    async def take_turn(self, draft: HeaderDraft, hand: Hand) -> None:
        turn = EntityTurn(
            self._context,
            self.reader,
            draft,
            hand.sender,
            given_up=hand.guards.take_failure(),
            one_by_one=hand.guards.are_last,
        )
        if await turn.run(hand.rows):
            turn.record(hand.guard)

    async def fail(self, draft: HeaderDraft, hand: Hand, error: Exception) -> None:
        del draft, hand
        raise error


def kind_of(context: WorkerContext, instance_id: str) -> InstanceKind:
    """What the instance with this id is."""
    return EntityKind(context, instance_id) if is_entity(instance_id) else OrchestrationKind(context, instance_id)
