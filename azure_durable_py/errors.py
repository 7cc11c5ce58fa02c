"""The one tree of errors that this package raises.

Owns every exception class that users may catch. It never imports the rest of the
package, except the plain data that an error carries.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure_durable_py.failures import FailureDetails


class DurableError(Exception):
    """Root of every error that the package raises."""


class DurableFunctionsCompatibilityWarning(UserWarning):
    """Says that an app is made in a way which a later release may not run. Nothing here is: it is never issued."""


class SettingsError(DurableError):
    """A setting in host.json, local.settings.json or the environment cannot be used."""


class RegistrationError(DurableError):
    """A function app is declared wrongly; raised while the app loads."""


class FunctionNotFoundError(DurableError):
    """No orchestrator, activity or entity of that name is registered."""


class SerializationError(DurableError):
    """A value cannot be turned into JSON, or JSON cannot be turned into the wanted type."""


class UnstorableError(DurableError, ValueError):
    """No task hub can keep it, however often it is tried: it is too large or malformed.

    The one kind of error on the way to storage that is final. All others (`StorageError`) may pass.
    """


class PayloadTooLargeError(UnstorableError):
    """A value is larger than the task hub stores."""


class InvalidInstanceIdError(UnstorableError):
    """An instance id or entity id breaks the rules for ids."""


class InvalidRequestError(DurableError, ValueError):
    """A request to the client or to the management API cannot be understood."""


class BatchError(DurableError):
    """Of many things asked for in one call, some have failed.

    :param outcomes: what came of each, in the order in which they were given: what the call for one alone returns, or
        the error that it raises.
    """

    def __init__(self, message: str, outcomes: tuple[Any, ...]) -> None:
        super().__init__(message)
        self.outcomes = outcomes


class InstanceNotFoundError(DurableError, LookupError):
    """There is no such instance in the task hub."""


class InstanceAlreadyExistsError(DurableError):
    """An instance with this id exists and its state does not allow replacing it."""


class ScheduleNotFoundError(DurableError, LookupError):
    """There is no such schedule in the task hub."""


class ScheduleAlreadyExistsError(DurableError):
    """A schedule with this id exists."""


class InstanceCompletedError(DurableError):
    """The instance has reached a terminal state and takes no more messages."""


class InstanceNotFailedError(DurableError):
    """Only an instance that has failed can be rewound, and this one has not."""


class KeyNotFoundError(DurableError):
    """The task hub has no key of this name."""


class RewindNotPossibleError(DurableError):
    """The instance failed where it cannot go on from: inside a critical section, whose locks are gone."""


class OrchestratorError(DurableError):
    """Orchestrator code broke a rule of orchestrators (a forbidden await, a bad call ...)."""


class NonDeterminismError(OrchestratorError):
    """On replay the orchestrator did something else than its history recorded."""


class TaskFailedError(DurableError):
    """An activity, sub-orchestration or entity operation failed.

    `details` holds the type, message, stack trace and inner failure as the worker that ran
    it recorded them.
    """

    def __init__(self, message: str, details: FailureDetails) -> None:
        super().__init__(message)
        self.details = details


class ActivityError(DurableError):
    """What an activity raises to say how it is to be tried again, where it is called with a retry policy.

    It holds for subclasses. An exception that was raised because of one says nothing of it: the outermost counts.
    What a sub-orchestration raises is looked at in the same way.

    :param message: what went wrong.
    :param retryable: False: another attempt would fail like this one, so there is none, whatever the policy has left.
    :param retry_after: for how long no attempt can succeed, in seconds or as a timedelta; 36,500 days at most. The next
        one comes after this time, or after the policy's own delay if that is longer; `max_retry_interval` does not
        shorten it. The number of attempts and `retry_timeout` hold as ever.
    :raises ValueError: `retry_after` is negative, too long, or no time at all.
    """

    def __init__(self, message: str, *, retryable: bool = True, retry_after: timedelta | float | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after = None if retry_after is None else _wait(retry_after)


LONGEST_WAIT = timedelta(days=36_500)
"""The longest time from one attempt to the next."""


def _wait(given: timedelta | float) -> timedelta:
    try:
        wait = given if isinstance(given, timedelta) else timedelta(seconds=given)
    except (TypeError, ValueError, OverflowError):
        wait = None
    if wait is None or not timedelta(0) <= wait <= LONGEST_WAIT:
        raise ValueError(
            f"retry_after is a time from 0 to {LONGEST_WAIT.days} days, in seconds or as a timedelta, not {given!r}. "
            "Leave it out if another attempt may be made at any time."
        )
    return wait


class HttpRequestError(DurableError):
    """A request of `call_http` got no answer that can be used; another attempt may."""


class HttpTimeoutError(HttpRequestError, TimeoutError):
    """A request of `call_http` was not answered in time."""


class HttpStatusError(HttpRequestError):
    """A request of `call_http` was answered with a status code that its retry options ask to try again."""


class HttpRefusedError(HttpRequestError):
    """A request of `call_http` cannot be made, or its answer cannot be kept, however often it is tried."""


class WorkGivenUpError(DurableError):
    """An activity, operation or instance was given up: no delivery of its message came to an end.

    Its process died each time, as often as `extensions.queues.maxDequeueCount` in host.json allows.
    """


class TurnTimeoutError(DurableError):
    """An orchestrator or entity operation kept the event loop for longer than `maxOrchestratorTurnTime`."""


class BudgetExceededError(DurableError):
    """A budget of an agent is used up.

    :param limit: which: `tokens`, `calls`, `cost` or `time`.
    :param allowed: how much of it there was; time in seconds.
    :param used: how much was used up.
    """

    def __init__(self, message: str, limit: str, allowed: float, used: float) -> None:
        super().__init__(message)
        self.limit = limit
        self.allowed = allowed
        self.used = used


class TaskCanceledError(OrchestratorError):
    """The task was cancelled by the orchestrator itself, so it has no result."""


class OrchestrationFailedError(TaskFailedError):
    """Raised by a client that asked to be told when the orchestration it waits for fails."""


class StorageError(DurableError):
    """Root of the errors that a task hub store raises."""


class StorageUnavailableError(StorageError):
    """Storage gave no usable answer; the call may or may not have taken effect.

    Transient by nature: callers retry, and resolve a lost answer by reading.
    """


class StorageRejectedError(StorageError):
    """Storage refused the call (credentials, a firewall, a disk that is full or read-only); nothing took effect.

    It says nothing about what was to be stored: once people have mended the cause, the same call succeeds.
    """


class ConcurrencyConflictError(StorageError):
    """The header changed, appeared or disappeared since it was read; nothing took effect."""


class MessageLostError(StorageError):
    """The queue message is no longer ours: deleted, or delivered to another receiver."""


class HubFormatError(StorageError):
    """The task hub was created by a version or with settings that this worker cannot use."""
