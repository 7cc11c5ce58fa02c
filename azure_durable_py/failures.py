"""What is kept of an exception: in histories, in messages, and for whoever reads a status."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from datetime import timedelta

from azure_durable_py.errors import LONGEST_WAIT, ActivityError, TaskCanceledError


@dataclass(frozen=True, slots=True)
class FailureDetails:
    """What is kept of an exception: enough to show it and to match it by type.

    `error_type` is the qualified name of the exception's class (`module.Class`; builtins
    without a module). `base_types` are the qualified names of its base classes, so that an
    orchestrator can match a failure by a base class without importing anything. `retryable` and
    `retry_after` are what an `ActivityError` said of further attempts.
    """

    message: str
    error_type: str
    stack_trace: str | None = None
    inner_failure: FailureDetails | None = None
    base_types: tuple[str, ...] = ()
    retryable: bool = True
    retry_after: timedelta | None = None

    @classmethod
    def from_exception(cls, error: BaseException) -> FailureDetails:
        """Record an exception with its traceback and its chain of causes; the cause of a group is its first member.

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
        retryable, retry_after = _further_attempts(error)
        return cls(
            message=cut_text(text),
            error_type=qualified_name(type(error)),
            stack_trace=cut_text(_said_once(_stack_of(error), text), keep_end=True),
            inner_failure=inner,
            base_types=tuple(
                qualified_name(base) for base in type(error).__mro__[1:] if base not in (object, BaseException)
            ),
            retryable=retryable,
            retry_after=retry_after,
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


def sub_orchestration_terminated(name: str, instance_id: str, reason: str | None = None) -> FailureDetails:
    """What the parent of a sub-orchestration is told when that was terminated."""
    return FailureDetails(
        message=f"Sub-orchestration {name!r} ({instance_id}) was terminated{f': {reason}' if reason else '.'}",
        error_type="azure_durable_py.errors.OrchestrationTerminatedError",
        base_types=("azure_durable_py.errors.DurableError", "Exception"),
    )


def is_cancellation(failure: FailureDetails) -> bool:
    """Whether an activity has failed because nobody wanted its result any more."""
    return failure.error_type == _CANCELED


def readable(details: FailureDetails) -> str:
    """The message of a failure, after its type where it says little without it: a `KeyError` has only the key."""
    if details.message and details.error_type != "KeyError":
        return details.message
    return f"{details.error_type}: {details.message}" if details.message else details.error_type


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
        # Of a group of exceptions, the first is what set off the others.
        members: object = getattr(error, "exceptions", None)
        if isinstance(members, tuple) and members and isinstance(members[0], BaseException):
            return None, members[0]
        return None, error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    except BaseException:  # noqa: BLE001 - attributes of user classes may be code that raises anything
        return None, None


def _further_attempts(error: BaseException) -> tuple[bool, timedelta | None]:
    """What an exception says of further attempts: whether there is any use in one, and when at the earliest."""
    if not isinstance(error, ActivityError):
        return True, None
    try:
        wait: object = error.retry_after
        is_time = isinstance(wait, timedelta) and timedelta(0) <= wait <= LONGEST_WAIT
        return bool(error.retryable), wait if is_time else None
    except BaseException:  # noqa: BLE001 - a subclass may have left them out, or made code of them
        return True, None


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


_CANCELED = qualified_name(TaskCanceledError)
