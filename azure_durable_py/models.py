"""Plain values that users and every layer share: statuses, failures, retry options, ids.

Owns data only. It never reads storage, never runs user code.
"""

from __future__ import annotations

import math
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from enum import Enum

from azure_durable_py.errors import InvalidInstanceIdError

UTC = timezone.utc


class OrchestrationRuntimeStatus(Enum):
    """The state of an orchestration instance, with the names of the management API."""

    Running = "Running"
    Completed = "Completed"
    ContinuedAsNew = "ContinuedAsNew"
    Failed = "Failed"
    Canceled = "Canceled"
    Terminated = "Terminated"
    Pending = "Pending"
    Suspended = "Suspended"

    @property
    def is_terminal(self) -> bool:
        """Whether an instance in this state is finished for good."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        OrchestrationRuntimeStatus.Completed,
        OrchestrationRuntimeStatus.Failed,
        OrchestrationRuntimeStatus.Canceled,
        OrchestrationRuntimeStatus.Terminated,
    }
)


@dataclass(frozen=True, slots=True)
class FailureDetails:
    """What is kept of an exception: enough to show it and to match it by type.

    `error_type` is the qualified name of the exception's class (`module.Class`; builtins
    without a module). `base_types` are the qualified names of its base classes, so that an
    orchestrator can match a failure by a base class without importing anything.
    """

    message: str
    error_type: str
    stack_trace: str | None = None
    inner_failure: FailureDetails | None = None
    base_types: tuple[str, ...] = ()

    @classmethod
    def from_exception(cls, error: BaseException) -> FailureDetails:
        """Record an exception with its traceback and its chain of causes.

        Never raises, whatever the exception does when it is looked at. At most `MAX_FAILURE_CHAIN` inner
        failures are kept, each once, and `MAX_FAILURE_CHARS` characters of each text.
        """
        chain: list[BaseException] = []
        seen: set[int] = set()
        current: BaseException | None = error
        inner: FailureDetails | None = None
        while current is not None and inner is None and id(current) not in seen and len(chain) <= MAX_FAILURE_CHAIN:
            chain.append(current)
            seen.add(id(current))
            inner, current = _cause_of(current)
        for link in reversed(chain):
            inner = cls._of_link(link, inner)
        assert inner is not None
        return inner

    @classmethod
    def _of_link(cls, error: BaseException, inner: FailureDetails | None) -> FailureDetails:
        text = _text_of(error)
        return cls(
            message=cut_text(text),
            error_type=qualified_name(type(error)),
            stack_trace=cut_text(_said_once(_stack_of(error), text), keep_end=True),
            inner_failure=inner,
            base_types=tuple(
                qualified_name(base) for base in type(error).__mro__[1:] if base not in (object, BaseException)
            ),
        )

    def is_caused_by(self, error_type: type[BaseException] | str) -> bool:
        """Whether this failure, or one that it wraps, is of the given exception type.

        A class matches itself and its subclasses; a string matches the qualified or the
        plain name of the recorded class.
        """
        return self._matches(error_type) or (
            self.inner_failure is not None and self.inner_failure.is_caused_by(error_type)
        )

    def _matches(self, error_type: type[BaseException] | str) -> bool:
        names = (self.error_type, *self.base_types)
        if isinstance(error_type, str):
            return any(error_type in (name, name.rpartition(".")[2]) for name in names)
        return qualified_name(error_type) in names


MAX_FAILURE_CHARS = 16_000
"""Characters kept of a failure's message and of its stack trace when it is recorded."""
MAX_MESSAGE_IN_STACK = 1_000
"""Characters kept of a message where a stack trace repeats it."""
MAX_FAILURE_CHAIN = 10
"""Inner failures kept of one failure when it is recorded."""


def cut_text(text: str, limit: int = MAX_FAILURE_CHARS, *, keep_end: bool = False) -> str:
    """The text, or its first (`keep_end`: last) `limit` characters and dots for the rest."""
    if len(text) <= limit:
        return text
    return "... " + text[-limit:] if keep_end else text[:limit] + " ..."


def _cause_of(error: BaseException) -> tuple[FailureDetails | None, BaseException | None]:
    """What is behind an exception: a failure that it carries, else the exception that led to it."""
    try:
        carried: object = getattr(error, "details", None)
        if isinstance(carried, FailureDetails):
            return carried, None
        return None, error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    except BaseException:  # noqa: BLE001 - attributes of user classes may be code that raises anything
        return None, None


def _text_of(error: BaseException) -> str:
    name = qualified_name(type(error))
    try:
        text = _storable(str(error))
    except BaseException as broken:  # noqa: BLE001 - `__str__` is user code
        text = f"({name}, whose text cannot be had: its __str__ raised {type(broken).__name__})"
    if isinstance(error, Exception):
        return text
    # KeyboardInterrupt and its like have no text, and are not expected where they were raised.
    return f"{name} was raised in the function's code{': ' if text else ''}{text}"


def _stack_of(error: BaseException) -> str:
    trace = error.__traceback__
    try:
        return _storable("".join(traceback.format_exception(type(error), error, trace, chain=False)))
    except BaseException:  # noqa: BLE001 - formatting looks at attributes of user classes
        return "".join(traceback.format_tb(trace)) + qualified_name(type(error))


def _said_once(stack: str, message: str) -> str:
    """A stack trace without the whole of a long message at its end, which would leave no room for the frames."""
    stack = stack.rstrip("\n")
    if len(message) <= MAX_MESSAGE_IN_STACK or not stack.endswith(message):
        return stack + "\n"
    return stack[: -len(message)] + cut_text(message, MAX_MESSAGE_IN_STACK) + "\n"


def _storable(text: str) -> str:
    """Plain text that every store can keep: a lone surrogate is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def qualified_name(cls: type) -> str:
    """`module.Class`, without the module for builtins."""
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


class RetryPolicy:
    """When and how often a failed activity or sub-orchestration is tried again.

    Attempts count the first try. The delay before retry i (from 0) is
    `min(first_retry_interval * backoff_coefficient ** i, max_retry_interval)`; all is measured
    on replay time.

    :param first_retry_interval: delay before the first retry, > 0.
    :param max_number_of_attempts: how often it runs at most, the first try included, >= 1.
    :param backoff_coefficient: what each delay is multiplied with to get the next, >= 1.
    :param max_retry_interval: no delay is longer than this, > 0.
    :param retry_timeout: no attempt begins later than this after the first one began, > 0.
    :param handle: tells whether a failure is worth another attempt. It runs inside the
        orchestrator, so it must be deterministic.
    :raises ValueError: an argument is out of its range.
    """

    def __init__(
        self,
        first_retry_interval: timedelta,
        max_number_of_attempts: int,
        backoff_coefficient: float = 1.0,
        max_retry_interval: timedelta | None = None,
        retry_timeout: timedelta | None = None,
        handle: Callable[[FailureDetails], bool] | None = None,
    ) -> None:
        _check_positive("first_retry_interval", first_retry_interval)
        _check_positive("max_retry_interval", max_retry_interval)
        _check_positive("retry_timeout", retry_timeout)
        if max_number_of_attempts < 1:
            raise ValueError("max_number_of_attempts must be at least 1: it counts the first try.")
        if not 1 <= backoff_coefficient < math.inf:
            raise ValueError("backoff_coefficient must be a finite number of at least 1.")
        self._first_retry_interval = first_retry_interval
        self._max_number_of_attempts = max_number_of_attempts
        self._backoff_coefficient = backoff_coefficient
        self._max_retry_interval = max_retry_interval
        self._retry_timeout = retry_timeout
        self._handle = handle

    @property
    def first_retry_interval(self) -> timedelta:
        """Delay before the first retry."""
        return self._first_retry_interval

    @property
    def max_number_of_attempts(self) -> int:
        """How often it runs at most, the first try included."""
        return self._max_number_of_attempts

    @property
    def backoff_coefficient(self) -> float:
        """What each delay is multiplied with to get the next."""
        return self._backoff_coefficient

    @property
    def max_retry_interval(self) -> timedelta | None:
        """The longest delay, if there is a limit."""
        return self._max_retry_interval

    @property
    def retry_timeout(self) -> timedelta | None:
        """How long after the first attempt the last one may begin, if there is a limit."""
        return self._retry_timeout

    def next_delay(self, attempt: int, elapsed: timedelta, failure: FailureDetails) -> timedelta | None:
        """How long to wait after failed attempt number `attempt` (from 1), or None to give up.

        :param elapsed: replay time since the first attempt was scheduled.
        """
        if attempt >= self._max_number_of_attempts:
            return None
        if self._handle is not None and not self._handle(failure):
            return None
        delay = self.delay_before_retry(attempt)
        if self._retry_timeout is not None and elapsed + delay > self._retry_timeout:
            return None
        return delay

    def delay_before_retry(self, attempt: int) -> timedelta:
        """The delay after failed attempt number `attempt` (from 1)."""
        longest = self._max_retry_interval or _LONGEST_DELAY
        try:
            factor = self._backoff_coefficient ** (attempt - 1)
            return min(self._first_retry_interval * factor, longest)
        except OverflowError:
            return longest


_LONGEST_DELAY = timedelta(days=36_500)


def _check_positive(name: str, value: timedelta | None) -> None:
    if value is not None and value <= timedelta(0):
        raise ValueError(f"{name} must be greater than 0.")


class RetryOptions(RetryPolicy):
    """A retry policy with a constant delay, given in milliseconds.

    :param first_retry_interval_in_milliseconds: delay before each retry, > 0.
    :param max_number_of_attempts: how often it runs at most, the first try included, >= 1.
    :raises ValueError: an argument is out of its range.
    """

    def __init__(self, first_retry_interval_in_milliseconds: int, max_number_of_attempts: int) -> None:
        if first_retry_interval_in_milliseconds <= 0:
            raise ValueError("first_retry_interval_in_milliseconds must be greater than 0.")
        super().__init__(timedelta(milliseconds=first_retry_interval_in_milliseconds), max_number_of_attempts)
        self._first_retry_interval_in_milliseconds = first_retry_interval_in_milliseconds

    @property
    def first_retry_interval_in_milliseconds(self) -> int:
        """Delay before the first retry, in milliseconds."""
        return self._first_retry_interval_in_milliseconds


@dataclass(frozen=True, slots=True)
class EntityId:
    """Names one entity: `name` selects the function (case-insensitive), `key` the entity."""

    name: str
    key: str

    def __post_init__(self) -> None:
        if not self.name or "@" in self.name:
            raise InvalidInstanceIdError(f"Entity name {self.name!r} must be non-empty and must not contain '@'.")
        if not self.key:
            raise InvalidInstanceIdError("An entity key must be non-empty.")
        object.__setattr__(self, "name", self.name.lower())

    def __str__(self) -> str:
        return f"@{self.name}@{self.key}"

    @staticmethod
    def get_scheduler_id(entity_id: EntityId) -> str:
        """The instance id under which the hub keeps the entity."""
        return str(entity_id)

    @staticmethod
    def get_entity_id(scheduler_id: str) -> EntityId:
        """The entity id behind an instance id of the form `@name@key`."""
        match = re.fullmatch(r"@([^@]+)@(.+)", scheduler_id, re.DOTALL)
        if match is None:
            raise InvalidInstanceIdError(f"{scheduler_id!r} is not an entity's instance id (@name@key).")
        return EntityId(match[1], match[2])


@dataclass(frozen=True, slots=True)
class ManagedIdentityTokenSource:
    """Asks `call_http` to authenticate with a token of the app's managed identity.

    `resource` is what the token is for, as a URI: `https://management.core.windows.net/`.
    """

    resource: str

    def __post_init__(self) -> None:
        if not self.resource:
            raise ValueError("ManagedIdentityTokenSource needs the URI of the resource that the token is for.")


_FORBIDDEN_IN_ID = re.compile(r"[/\\#?\x00-\x1f\x7f-\x9f]")


def check_instance_id(instance_id: str) -> str:
    r"""Return the id of an orchestration if it obeys the rules, else raise.

    :raises InvalidInstanceIdError: empty, longer than 256 characters, a leading `@`, or one
        of `/ \ # ?` or a control character in it.
    """
    if not instance_id:
        raise InvalidInstanceIdError("An instance id must not be empty.")
    if len(instance_id) > 256:
        raise InvalidInstanceIdError(f"An instance id has at most 256 characters; this one has {len(instance_id)}.")
    if instance_id.startswith("@"):
        raise InvalidInstanceIdError(f"Instance id {instance_id!r} must not begin with '@': that names entities.")
    bad = _FORBIDDEN_IN_ID.search(instance_id)
    if bad is not None:
        raise InvalidInstanceIdError(
            f"Instance id {instance_id!r} contains {bad[0]!r}; "
            "'/', '\\', '#', '?' and control characters are not allowed."
        )
    return instance_id


def utc(value: datetime) -> datetime:
    """The same moment in UTC; a naive datetime is taken to be UTC already."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
