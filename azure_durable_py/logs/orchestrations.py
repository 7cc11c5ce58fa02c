"""What the log says of an orchestration: that it began, what it waits for, how it ended."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from azure_durable_py import wording
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    Answer,
    ContinuedAsNew,
    Decision,
    Event,
    EventRaised,
    ExecutionCompleted,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    TimerCreated,
)
from azure_durable_py.observer import InstanceStarted, MessageSent, TurnTaken
from azure_durable_py.status import OrchestrationRuntimeStatus as Status

logger = logging.getLogger("azure_durable_py.orchestration")
LONG_AHEAD = timedelta(minutes=10)
"""A timer that is due so late or later is told of: nothing may be seen of its instance for long."""


def tell_scheduled(started: InstanceStarted) -> None:
    """Tell of a start that comes later."""
    if started.start_at is not None:
        logger.info(
            "Instance %r of %r is to start at %s.",
            started.instance_id,
            started.name,
            wording.moment(started.start_at),
            extra={"instance_id": started.instance_id, "orchestrator": started.name},
        )


def tell_sent(sent: MessageSent) -> None:
    """Tell what a client has sent to an instance."""
    what = f"the event {sent.event.name!r}" if isinstance(sent.event, EventRaised) else type(sent.event).__name__
    logger.debug("A client sent %s to %r.", what, sent.instance_id, extra={"instance_id": sent.instance_id})


def tell_turn(taken: TurnTaken) -> None:
    """Tell what a turn has changed, except for the failures that it was told of."""
    extra = {"instance_id": taken.instance_id, "orchestrator": taken.name}
    end, is_told = taken.end, logger.isEnabledFor(logging.INFO)
    if is_told:
        _tell_beginning(taken, extra)
        _tell_control(taken, extra)
    if logger.isEnabledFor(logging.DEBUG):
        _tell_all(taken, extra)
    if end is None:
        if is_told:
            _tell_timers(taken, extra)
    elif isinstance(end, ContinuedAsNew):
        logger.debug("Instance %r of %r has continued as new.", taken.instance_id, taken.name, extra=extra)
    else:
        _tell_end(taken, end, extra)


def _tell_beginning(taken: TurnTaken, extra: dict[str, Any]) -> None:
    if taken.is_first:
        logger.info("Instance %r of %r started%s.", taken.instance_id, taken.name, _circumstances(taken), extra=extra)
    elif taken.rewinds and taken.status_before == Status.Pending.value:
        logger.info(
            "Instance %r of %r goes on from where it failed: it was rewound.",
            taken.instance_id,
            taken.name,
            extra=extra,
        )


def _circumstances(taken: TurnTaken) -> str:
    told: list[str] = []
    if taken.version is not None:
        told.append(f"version {taken.version}")
    if taken.parent is not None:
        told.append(f"called by {taken.parent.instance_id!r}")
    return f" ({', '.join(told)})" if told else ""


def _tell_control(taken: TurnTaken, extra: dict[str, Any]) -> None:
    for event in taken.events:
        if isinstance(event, ExecutionSuspended):
            logger.info(
                "Instance %r of %r is suspended%s.", taken.instance_id, taken.name, _for(event.reason), extra=extra
            )
        elif isinstance(event, ExecutionResumed):
            logger.info(
                "Instance %r of %r is resumed%s.", taken.instance_id, taken.name, _for(event.reason), extra=extra
            )


def _for(reason: str | None) -> str:
    return f": {wording.one_line(reason)}" if reason else ""


def _tell_timers(taken: TurnTaken, extra: dict[str, Any]) -> None:
    for event in taken.decided:
        if isinstance(event, TimerCreated) and event.fire_at - taken.taken_at >= LONG_AHEAD:
            logger.info(
                "Instance %r of %r has a timer for %s, in %s%s.",
                taken.instance_id,
                taken.name,
                wording.moment(event.fire_at),
                wording.duration(event.fire_at - taken.taken_at),
                f" ({event.reason})" if event.reason else "",
                extra=extra,
            )


def _tell_end(taken: TurnTaken, end: ExecutionCompleted, extra: dict[str, Any]) -> None:
    lived = wording.duration(taken.taken_at - taken.created_at)
    of, name, extra = taken.instance_id, taken.name, {**extra, "status": end.status}
    if end.failure is not None:
        _tell_failure(taken, end.failure, lived, extra)
    elif end.status != Status.Terminated.value:
        logger.info("Instance %r of %r completed after %s.", of, name, lived, extra=extra)
    else:
        terminated = next((each for each in taken.events if isinstance(each, ExecutionTerminated)), None)
        reason = _for(None if terminated is None else terminated.reason)
        logger.info("Instance %r of %r was terminated after %s%s.", of, name, lived, reason, extra=extra)


def _tell_failure(taken: TurnTaken, details: FailureDetails, lived: str, extra: dict[str, Any]) -> None:
    of, name, extra = taken.instance_id, taken.name, {**extra, "failure_type": details.error_type}
    failed = wording.failure(details)
    if taken.parent is None:
        logger.error("Instance %r of %r failed after %s: %s", of, name, lived, failed, extra=extra)
    else:
        # Its parent may well see to it.
        parent = taken.parent.instance_id
        logger.warning(
            "Instance %r of %r, called by %r, failed after %s: %s", of, name, parent, lived, failed, extra=extra
        )


def _tell_all(taken: TurnTaken, extra: dict[str, Any]) -> None:
    logger.debug(
        "A turn of instance %r took %s%s: it was told %s, and decided %s.",
        taken.instance_id,
        wording.duration(taken.seconds),
        f", of which {taken.replayed} events were replayed" if taken.replayed else "",
        _listed(taken.arrived),
        _listed(taken.decided),
        extra=extra,
    )


MOST_EVENTS = 8


def _listed(events: Sequence[Event]) -> str:
    if not events:
        return "nothing"
    named = [_event(event) for event in events[:MOST_EVENTS]]
    if len(events) > MOST_EVENTS:
        named.append(f"{len(events) - MOST_EVENTS} more")
    return ", ".join(named)


def _event(event: Event) -> str:
    kind = type(event).__name__
    name = getattr(event, "name", None) or getattr(event, "operation", None)
    about = f" {name!r}" if isinstance(name, str) else ""
    number = event.id if isinstance(event, Decision) else event.task_id if isinstance(event, Answer) else None
    return f"{kind}{about}" if number is None else f"{kind}{about} #{number}"
