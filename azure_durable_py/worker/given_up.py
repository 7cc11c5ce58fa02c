"""Work that is given up: every delivery of its message ended with its process.

Owns how often that may happen and the reason that is told. What is given up - an activity, an
operation, an instance - is decided where the delivery is served.
"""

from __future__ import annotations

from azure_durable_py.errors import WorkGivenUpError
from azure_durable_py.models import FailureDetails, qualified_name


def after_deliveries(what: str, deliveries: int, limit: int) -> FailureDetails | None:
    """Why to give up what a message asks for; None: it may be tried.

    A message that its worker let go of in good order is put anew and counts from the start.

    :param what: names it for people.
    :param deliveries: how often the message was delivered, this delivery included.
    :param limit: how often host.json allows.
    """
    if deliveries <= limit:
        return None
    return _reason(
        f"The message for {what} was delivered {deliveries - 1} times, as often as maxDequeueCount in host.json allows",
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
