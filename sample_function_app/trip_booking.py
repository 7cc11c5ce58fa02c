"""Saga: several bookings that must all succeed, or else be undone in reverse order.

A transaction over services that know nothing of each other. In generator style; with `async def`
it would be the same with `await` in place of `yield`.
"""

import logging
from datetime import timedelta

import azure_durable_py as df

bp = df.Blueprint()
logger = logging.getLogger(__name__)
# A booking that fails may succeed a second later. Delays grow: 1 s, 2 s.
RETRY = df.RetryPolicy(
    first_retry_interval=timedelta(seconds=1),
    max_number_of_attempts=3,
    backoff_coefficient=2,
    # "Sold out" stays sold out: no use trying again.
    handle=lambda failure: not failure.is_caused_by(SoldOutError),
)


class SoldOutError(Exception):
    """There is nothing left to book."""


@bp.orchestration_trigger(context_name="context")
def book_trip(context: df.DurableOrchestrationContext):
    """Book hotel, flight and car to the city that is the input."""
    city = context.get_input()
    booked = []
    try:
        for kind in ("hotel", "flight", "car"):
            booking = yield context.call_activity_with_retry("book", RETRY, {"kind": kind, "city": city})
            booked.append(booking)
    except df.TaskFailedError as error:
        for booking in reversed(booked):
            yield context.call_activity_with_retry("cancel_booking", RETRY, booking)
        return {"booked": [], "cancelled": booked[::-1], "reason": error.details.message}
    return {"booked": booked, "cancelled": []}


@bp.activity_trigger(input_name="wish")
def book(wish: dict[str, str]) -> str:
    """Book one thing. Atlantis has hotels and flights, but no roads."""
    if wish["city"] == "Atlantis" and wish["kind"] == "car":
        raise SoldOutError("No cars in Atlantis.")
    return f"{wish['kind']} in {wish['city']}"


# Activities run at least once: cancelling what is already cancelled must do no harm.
@bp.activity_trigger(input_name="booking")
def cancel_booking(booking: str) -> None:
    """Undo one booking."""
    logger.info("Cancelled: %s.", booking)
