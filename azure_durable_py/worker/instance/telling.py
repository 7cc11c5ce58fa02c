"""What observers are told of a turn, once its commit is true."""

from __future__ import annotations

from azure_durable_py.observer import NOBODY, EntityTurnTaken, TurnTaken
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Header
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance.header_draft import HeaderDraft, OperationsRecord, TurnRecord


def tell(hub: TaskHub, before: Header, state: InstanceState, draft: HeaderDraft, begun: float) -> None:
    """Tell of the turns that a draft recorded.

    :param before: the header that the first of them went on from, with its `state`.
    :param begun: when that began, by the monotonic clock.
    """
    if not draft.taken or hub.observer is NOBODY:
        return
    # Those of one commit share its time.
    seconds = (hub.clock.monotonic() - begun) / len(draft.taken)
    previous: TurnRecord | None = None
    for taken in draft.taken:
        if isinstance(taken, TurnRecord):
            hub.observer.turn(_turn_taken(taken, previous, before, state, draft, seconds))
            previous = taken
        else:
            hub.observer.entity_turn(_entity_turn_taken(taken, before, draft, seconds))


def _turn_taken(
    taken: TurnRecord,
    previous: TurnRecord | None,
    before: Header,
    state: InstanceState,
    draft: HeaderDraft,
    seconds: float,
) -> TurnTaken:
    columns, turn = before.columns, taken.turn
    return TurnTaken(
        instance_id=before.instance_id,
        execution_id=state.execution_id,
        name=columns.name,
        version=columns.version,
        generation=taken.generation,
        rewinds=state.attempt,
        parent=state.parent,
        tags=columns.tags,
        created_at=columns.created_time,
        start_at=None if previous else state.start_at,
        status_before=previous.status if previous else columns.runtime_status,
        status=taken.status,
        taken_at=taken.taken_at,
        seconds=seconds,
        replayed=taken.replayed,
        events=turn.events,
        decision=taken.decision,
        failed_attempts=turn.failed_attempts,
        attempts=turn.attempts,
        waits_for=tuple(turn.awaited),
        trace=draft.state.trace,
        began_at=turn.began_at or columns.created_time,
        raised=taken.raised,
        unanswered=turn.unanswered,
        never_awaited=turn.never_awaited,
    )


def _entity_turn_taken(taken: OperationsRecord, before: Header, draft: HeaderDraft, seconds: float) -> EntityTurnTaken:
    return EntityTurnTaken(before.instance_id, before.columns.name, draft.now, seconds, taken.exists, taken.operations)
