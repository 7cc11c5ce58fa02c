"""One turn of an orchestration: what arrived is shown to its function, and what that decides is written down."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from azure_durable_py.errors import ConcurrencyConflictError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestratorStarted,
    TimerFired,
)
from azure_durable_py.observer import FirstTurn
from azure_durable_py.runtime.orchestration import Turn
from azure_durable_py.shortening import shorten
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.outgoing import Sender
from azure_durable_py.taskhub.protocol import CorruptRowError, Header, InboxRow
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.header_draft import HeaderDraft
from azure_durable_py.worker.instance.inbox import accept, completed_task, without_lost
from azure_durable_py.worker.instance.known import etag_of
from azure_durable_py.worker.instance.orchestration_draft import OrchestrationDraft
from azure_durable_py.worker.instance.orchestration_reader import OrchestrationReader
from azure_durable_py.worker.instance.results import Results
from azure_durable_py.worker.instance.strays import give_locks_back
from azure_durable_py.worker.versions import may_run, refusal

logger = logging.getLogger("azure_durable_py.worker")


class OtherVersionError(Exception):
    """The instance is of a version that this worker may not run."""


class OrchestrationTurn:
    """One turn of one orchestration.

    :param reader: the live orchestration, and what is read for it.
    :param draft: the commit that the turn becomes.
    :param sender: on whose behalf it sends.
    """

    def __init__(self, context: WorkerContext, reader: OrchestrationReader, draft: HeaderDraft, sender: Sender) -> None:
        self._context = context
        self._reader = reader
        self._draft = draft
        self._sender = sender
        self._turn: Turn | None = None
        self._arrived: list[InboxEvent] = []

    async def run(
        self,
        header: Header,
        rows: Sequence[InboxRow] = (),
        results: Results | None = None,
        given_up: FailureDetails | None = None,
    ) -> bool:
        """Advance the orchestration over what there is. Tells whether anything changed.

        :param header: the one that the draft goes on from.
        :param given_up: why the instance is to fail without being run.
        :raises OtherVersionError: it is to be left to another worker.
        :raises LookAgainError: a result is to be dropped, and the header may be old.
        """
        draft = self._draft
        self._begin_trace(header)
        events, failure = await self._begin(header, given_up)
        if rows:
            events += await self._accepted(rows)
        if results:
            answered = {task_id for event in self._arrived if (task_id := completed_task(event.event)) is not None}
            usable = results.usable(draft.state, answered, self._reader.is_open)
            events += [result.event for result in usable]
        events += due_timers(draft.state, draft.now)
        draft.state.start_at = None
        if not events and failure is None and not draft.state.is_rewound:
            return False
        self._turn = failed_turn(failure, draft.now, events) if failure else self._reader.advance(events, draft.now)
        return True

    def record(self, guard: str) -> None:
        """Write the turn into the draft, under a guard."""
        assert self._turn is not None
        draft = OrchestrationDraft(self._draft, self._sender, guard, self._reader.decider())
        draft.record(self._turn, self._arrived, self._reader.replayed)

    def _begin_trace(self, header: Header) -> None:
        """Begin a trace with a start that nobody traced, if there is an observer who wants that."""
        state, columns = self._draft.state, header.columns
        if state.trace is not None or state.generation or state.attempt or not state.pending:
            return
        first = FirstTurn(header.instance_id, state.execution_id, columns.name, columns.version)
        state.trace = self._context.hub.observer.root(first)
        self._sender = replace(self._sender, trace=state.trace)

    async def _begin(
        self, header: Header, given_up: FailureDetails | None
    ) -> tuple[list[Event], FailureDetails | None]:
        """What the function has not seen yet of its start; or why the instance fails."""
        state, instance_id = self._draft.state, self._sender.instance_id
        failure = given_up or self._wrong_version(header)
        if failure is not None:
            await read_decisions(self._reader, instance_id, state)
            with suppress(CorruptRowError):
                return await self._pending(), failure
            return [], failure
        try:
            await self._reader.load(state)
            return await self._pending(), None
        except CorruptRowError as error:
            await check_unchanged(self._context, header, error)
            return [], FailureDetails.from_exception(error)

    async def _pending(self) -> list[Event]:
        pending = await self._reader.pending(self._draft.state)
        self._draft.state.garbage += pending.spent
        return pending.events

    def _wrong_version(self, header: Header) -> FailureDetails | None:
        """The failure of an instance that this worker may not run.

        :raises OtherVersionError: it is to be left to another worker.
        """
        version, settings = header.columns.version, self._context.settings
        if may_run(version, settings):
            return None
        if settings.version_failure_strategy.lower() != "fail":
            raise OtherVersionError(refusal(version, settings))
        return FailureDetails(refusal(version, settings), "azure_durable_py.errors.VersionMismatchError")

    async def _accepted(self, rows: Sequence[InboxRow]) -> list[Event]:
        """What the function is shown of the inbox."""
        draft, instance_id = self._draft, self._sender.instance_id
        await self._reader.senders.recall(draft.state, rows)
        accepted = accept(instance_id, draft.state, rows, self._reader.is_open, draft.now)
        await give_locks_back(self._context.hub, accepted.vain)
        self._arrived = accepted.events
        filled = await self._reader.filled([event.event for event in accepted.events])
        shown = without_lost(instance_id, accepted, filled)
        draft.consume(accepted.consumed, accepted.quarantined)
        draft.state.garbage += accepted.spent
        return shown


def due_timers(state: InstanceState, now: datetime) -> list[TimerFired]:
    """The firing of every open timer that is due, earliest first."""
    if not state.timers:
        return []
    due = sorted((fire_at, task_id) for task_id, fire_at in state.timers.items() if fire_at <= now)
    return [TimerFired(now, task_id, fire_at) for fire_at, task_id in due]


def failed_turn(failure: FailureDetails, now: datetime, arrived: Iterable[Event] = ()) -> Turn:
    """A turn that ends the instance without running user code.

    :param arrived: what the function would have been shown. What nobody can tell it again is kept, for a rewind.
    """
    status, failure = OrchestrationRuntimeStatus.Failed, shorten(failure)
    kept = [event for event in arrived if isinstance(event, (ExecutionStarted, EventRaised))]
    return Turn(
        events=(OrchestratorStarted(now), *kept, ExecutionCompleted(now, status.value, None, failure)),
        status=status,
        custom_status=None,
        output=None,
        failure=failure,
        timers={},
        children={},
    )


async def read_decisions(reader: OrchestrationReader, instance_id: str, state: InstanceState) -> None:
    """Read what an instance that is about to fail has decided: what it still has to send, it sends."""
    try:
        await reader.load_decisions(state)
    except CorruptRowError as error:
        logger.error("What instance %r still had to send cannot be read: %s", instance_id, error)


async def check_unchanged(context: WorkerContext, header: Header, error: CorruptRowError) -> None:
    """See whether what was read and is missing was there to be read.

    :raises ConcurrencyConflictError: another worker has just replaced it.
    """
    if etag_of(await context.hub.store.load_header(header.instance_id)) != header.etag:
        raise ConcurrencyConflictError("the header changed while its history was read") from error
