"""What the log says of the tasks of orchestrations: each attempt that failed, and what comes next."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from types import TracebackType

from azure_durable_py import wording
from azure_durable_py.durable_http import HTTP_ACTIVITY
from azure_durable_py.errors import DurableError
from azure_durable_py.failures import FailureDetails, is_cancellation
from azure_durable_py.history.events import (
    Answer,
    EntityOperationCalled,
    EntityOperationFailed,
    Event,
    ExecutionCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskFailed,
    TaskScheduled,
)
from azure_durable_py.observer import ActivityRun, Observation, TurnTaken
from azure_durable_py.retry_policy import FailedAttempt
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.telling import GoingOn

logger = logging.getLogger("azure_durable_py.task")
MOST_NAMED = 10
"""How many of what was never awaited a line names."""


def tell_failed_attempts(taken: TurnTaken) -> None:
    """Tell of each task that the turn was told has failed."""
    for event in taken.events:
        if isinstance(event, (TaskFailed, SubOrchestrationFailed, EntityOperationFailed)):
            _tell_failed(taken, event, event.failure)


def _tell_failed(taken: TurnTaken, event: Answer, failure: FailureDetails) -> None:
    if isinstance(event, TaskFailed) and is_cancellation(failure):
        return  # It was told when that was done.
    decision = _decision(taken, event.task_id)
    attempt = taken.failed_attempts.get(event.task_id)
    logger.warning(
        "%s of instance %r failed%s: %s %s",
        _subject(decision),
        taken.instance_id,
        "" if attempt is None else f" in attempt {attempt.number} of {attempt.most}",
        _sentence(wording.failure(failure)),
        _next(taken, attempt, failure),
        extra={
            "instance_id": taken.instance_id,
            "orchestrator": taken.name,
            "task_id": event.task_id,
            "failure_type": failure.error_type,
            **_names(decision),
            **({} if attempt is None else {"attempt": attempt.number}),
        },
    )


def _sentence(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _next(taken: TurnTaken, attempt: FailedAttempt | None, failure: FailureDetails) -> str:
    if attempt is not None and attempt.delay is not None:
        return f"It is tried again in {wording.duration(attempt.delay)}."
    if attempt is not None and not failure.retryable:
        return "It is not tried again: it says that this is of no use."
    if attempt is not None and attempt.number < attempt.most:
        return "It is not tried again: its retry policy says so."
    if attempt is not None:
        return "No attempt is left."
    end = taken.end
    if isinstance(end, ExecutionCompleted) and end.status == OrchestrationRuntimeStatus.Failed.value:
        return "It is not tried again: it has no retry policy."
    return "The orchestrator decides what comes of it."


def _decision(taken: TurnTaken, task_id: int) -> Event | None:
    try:
        return taken.decision(task_id)
    except (KeyError, DurableError):
        return None


def _subject(decision: Event | None) -> str:
    match decision:
        case TaskScheduled(name=name):
            return "An HTTP request" if name == HTTP_ACTIVITY else f"Activity {name!r}"
        case SubOrchestrationCreated(name=name, instance_id=instance_id):
            return f"Sub-orchestration {name!r} ({instance_id!r})"
        case EntityOperationCalled(operation=operation, instance_id=instance_id):
            return f"Operation {operation!r} of entity {instance_id!r}, called for a task"
        case _:
            return "A task"


def _names(decision: Event | None) -> dict[str, str]:
    match decision:
        case TaskScheduled(name=name):
            return {"activity": name}
        case SubOrchestrationCreated(name=name, instance_id=instance_id):
            return {"sub_orchestrator": name, "sub_instance_id": instance_id}
        case EntityOperationCalled(operation=operation, instance_id=instance_id):
            return {"operation": operation, "entity": instance_id}
        case _:
            return {}


def tell_never_awaited(taken: TurnTaken) -> None:
    """Tell of what was called and never awaited, when the orchestrator has come to its end without it."""
    called = ", ".join(_called(taken.never_awaited))
    if called:
        logger.warning(
            "Instance %r of %r ended without awaiting what it called: %s. What comes of it is lost; await or yield it.",
            taken.instance_id,
            taken.name,
            called,
            extra={"instance_id": taken.instance_id, "orchestrator": taken.name},
        )


def _called(decisions: Sequence[Event]) -> Iterator[str]:
    for decision in decisions[:MOST_NAMED]:
        subject = _subject(decision)
        yield subject[0].lower() + subject[1:]
    if len(decisions) > MOST_NAMED:
        yield f"and {len(decisions) - MOST_NAMED} more"


class ActivityLine(Observation):
    """Tells of an activity that runs for long, ever more seldom, and then of its end; at DEBUG of every end."""

    def __init__(self, run: ActivityRun) -> None:
        self._run = run
        self._lasting = GoingOn(self._still_running)

    def __enter__(self) -> Observation:
        if self._run.tries:
            logger.warning(
                "%s begins again: it was begun %s before, and did not end. The process may have died with it.",
                self._what,
                "once" if self._run.tries == 1 else f"{self._run.tries} times",
                extra=self._names,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del kind, error, trace
        self._lasting.stop()

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        """It has come to its end."""
        del result
        is_cancelled = failure is not None and is_cancellation(failure)
        level = logging.INFO if self._lasting.is_told or is_cancelled else logging.DEBUG
        if not logger.isEnabledFor(level):
            return
        how = "completed" if failure is None else "was cancelled" if is_cancelled else "failed"
        logger.log(
            level,
            "%s %s after %s%s.",
            self._what,
            how,
            wording.duration(self._lasting.passed),
            ": nobody waits for it any more" if is_cancelled else "",
            extra=self._names,
        )

    def _still_running(self, passed: float) -> None:
        logger.info("%s has been running for %s.", self._what, wording.duration(passed), extra=self._names)

    @property
    def _what(self) -> str:
        return f"Activity {self._run.name!r} of instance {self._run.instance_id!r}"

    @property
    def _names(self) -> dict[str, object]:
        return {"instance_id": self._run.instance_id, "activity": self._run.name, "task_id": self._run.task_id}
