"""The live orchestration behind an actor: built from history when cold, kept between turns.

Owns the reading of history and the joining of header and pure runtime. It commits nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from azure_durable_py.history.codec import decode_events
from azure_durable_py.history.events import Event, ExecutionStarted, PayloadRef
from azure_durable_py.history.rewinding import standing
from azure_durable_py.observer import UNOBSERVED, Observation
from azure_durable_py.runtime.cold import verified
from azure_durable_py.runtime.orchestration import Orchestration, Turn, Verify
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.payloads import payload_rows
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.reading import read_events, read_history, read_parts, read_value
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.trace_context import TraceContext
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.sender_memory import SenderMemory


class Pending(NamedTuple):
    """The events that begin a generation, and the rows that are of no use any more once these are in the history."""

    events: list[Event]
    spent: list[str]


class OrchestrationReader:
    """One generation of one orchestration, as far as this process knows it."""

    def __init__(self, context: WorkerContext, instance_id: str) -> None:
        self._context = context
        self._instance_id = instance_id
        self._live: Orchestration | None = None
        self._decisions: dict[int, Event] | None = None
        self._history: list[Event] = []
        """All events of the generation; kept only where each turn is replayed."""
        self._place: TraceContext | None = None
        self.replayed = 0
        """How many events the last `load` ran again."""
        self.senders = SenderMemory(context.hub.store, instance_id)

    def forget(self) -> None:
        """The header was changed by another, or a turn came to nothing: begin from history next time."""
        if self._live is not None:
            self._live.close()
        self._live = None
        self._decisions = None
        self._history = []

    async def load(self, state: InstanceState) -> None:
        """Replay the history, unless the live orchestration is at hand.

        :raises CorruptRowError: the history cannot be read.
        """
        self.replayed = 0
        if self._live is not None:
            return
        context = self._context
        self._place = state.trace and state.trace.orchestration(state.execution_id, state.generation, state.attempt)
        load = partial(
            Orchestration,
            self._instance_id,
            state.execution_id,
            context.registry,
            context.settings,
            context.converter,
            generation=state.generation,
            attempt=state.attempt,
            run_code=context.watchdog.runner(self._what),
        )
        if context.replay == "every-turn":
            load = partial(load, verify=self._verifier(load))
        live = load()
        try:
            if state.tail or state.pages:
                await self._replay(live, state)
        except BaseException:
            live.close()
            raise
        self._live = live

    async def _replay(self, live: Orchestration, state: InstanceState) -> None:
        """Run the history again, part by part: a long one is never in memory as a whole."""
        store, all_at_once = self._context.hub.store, list[Event]()
        async for part in read_parts(store, self._instance_id, state):
            if self.replayed:
                await asyncio.sleep(0)  # Others have their turn between two parts.
            events = await read_events(store, self._instance_id, part.events())
            self.replayed += len(events)
            if self._context.replay == "every-turn":
                self._history += events
            if state.attempt:
                all_at_once += events  # Only the end of a history tells what of it counts after a rewind.
                continue
            with self._within():
                live.replay(events, part)
        if all_at_once:
            with self._within():
                live.replay(all_at_once)

    def _verifier(self, load: Callable[..., Orchestration]) -> Verify:
        """What tells whether a turn comes to the same when all turns are replayed."""

        def verify(events: Sequence[Event], custom_status: str | None) -> BaseException | None:
            exact = partial(load, exact_from=len(self._history))
            return verified(lambda history: exact(history=history), [*self._history, *events], custom_status)

        return verify

    def _within(self) -> Observation:
        """What the code of the orchestrator runs in."""
        return UNOBSERVED if self._place is None else self._context.hub.observer.within(self._place)

    def _what(self) -> str:
        name = f" {self._live.name!r}" if self._live is not None else ""
        return f"orchestrator{name} of instance {self._instance_id!r}"

    async def load_decisions(self, state: InstanceState) -> None:
        """Read what was decided, without running user code."""
        if self._live is None and self._decisions is None:
            events = await read_history(self._context.hub.store, self._instance_id, state)
            self._decisions = {**standing(events).decisions}

    async def pending(self, state: InstanceState) -> Pending:
        """Events that the function has not seen yet: those that begin a generation.

        :raises CorruptRowError: they cannot be read.
        """
        texts, own = state.pending, list[str]()
        if not texts:
            return Pending([], own)
        if isinstance(texts, PayloadRef):
            own = chunk_keys(texts.key, texts.chunks)
            joined = await read_value(self._context.hub.store, self._instance_id, texts)
            texts = (joined or "").split("\n")
        try:
            events = decode_events(texts)
        except ValueError as error:
            raise CorruptRowError(f"the start of {self._instance_id!r} cannot be read: {error}") from error
        # The input of a generation is shown for as long as that lasts.
        carried = payload_rows(event for event in events if not isinstance(event, ExecutionStarted))
        filled = await read_events(self._context.hub.store, self._instance_id, events)
        return Pending(filled, [*own, *carried])

    async def filled(self, events: Sequence[Event]) -> list[Event | CorruptRowError]:
        """Events from the inbox with the values that the function will read; for each that is damaged, how."""
        try:
            return list(await read_events(self._context.hub.store, self._instance_id, events))
        except CorruptRowError:
            return [await self._filled_alone(event) for event in events]

    async def _filled_alone(self, event: Event) -> Event | CorruptRowError:
        try:
            return (await read_events(self._context.hub.store, self._instance_id, [event]))[0]
        except CorruptRowError as error:
            return error

    def is_open(self, task_id: int) -> bool:
        """Whether a task still waits for its answer."""
        return self._live is not None and self._live.is_open(task_id)

    def decided_by(self, task_ids: Collection[int]) -> bool:
        """Whether these answers would let the function go on."""
        return self._live is None or self._live.decided_by(task_ids)

    def decision(self, task_id: int) -> Event:
        """What was decided under this id.

        :raises CorruptRowError: the history does not say.
        """
        return self.decider()(task_id)

    def decider(self) -> Callable[[int], Event]:
        """What tells the decisions of this generation (see `decision`), also when the reader has forgotten it."""
        live, decisions = self._live, self._decisions

        def decision(task_id: int) -> Event:
            try:
                return live.decision(task_id) if live is not None else (decisions or {})[task_id]
            except KeyError as error:
                raise CorruptRowError(f"the history of {self._instance_id!r} has no decision {task_id}") from error

        return decision

    def advance(self, events: Sequence[Event], now: datetime) -> Turn:
        """Take a turn."""
        assert self._live is not None
        with self._within():
            turn = self._live.advance(events, now)
        if self._context.replay == "every-turn":
            self._history += turn.events
        return turn
