"""Work that is given up: each time that it was begun, its process ended before it did.

Owns how often that may happen and the reason that is told. What is given up - an activity, an
operation, an instance - is decided where the delivery is served.
"""

from __future__ import annotations

from azure_durable_py.errors import WorkGivenUpError
from azure_durable_py.failures import FailureDetails, qualified_name


def after_attempts(what: str, attempt: int, limit: int) -> FailureDetails | None:
    """Why to give up what a message asks for; None: it may be tried.

    What only waited in a process that died was not begun, and a message that its worker let go of in good order
    counts from the start.

    :param what: names it for people.
    :param attempt: which beginning of it this would be.
    :param limit: how often host.json allows.
    """
    if attempt <= limit:
        return None
    return _reason(
        f"The message for {what} was taken up {attempt - 1} times, as often as maxDequeueCount in host.json allows",
        "the process stood still for longer than the message's visibility timeout",
    )


def after_rounds(what: str, rounds: int, limit: int) -> FailureDetails | None:
    """Why to give up what a message asks for that a Functions host moved to its poison queue; None: it may be tried.

    :param what: names it for people.
    :param rounds: how often the host moved it.
    :param limit: how often it may.
    """
    if rounds < limit:
        return None
    return _reason(f"The host gave up the message for {what} {rounds} times", "functionTimeout in host.json passed")


def _reason(tried: str, otherwise: str) -> FailureDetails:
    return FailureDetails(
        message=f"{tried}: no delivery of it came to its end. Either the process died (out of memory, a crash in "
        f"native code, os._exit), or {otherwise}.",
        error_type=qualified_name(WorkGivenUpError),
    )
