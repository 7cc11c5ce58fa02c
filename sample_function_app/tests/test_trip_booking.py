"""Saga: all bookings or none, retries, and that what is undone stays undone when a process dies."""

from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer
from sample_function_app.trip_booking import SoldOutError, book, book_trip, cancel_booking


def test_a_trip_is_booked_whole(durable_sync_env: DurableTestSyncEnvironment) -> None:
    trip = durable_sync_env.start(book_trip, "Rome").result()
    assert trip == {"booked": ["hotel in Rome", "flight in Rome", "car in Rome"], "cancelled": []}


def test_what_was_booked_is_cancelled_backwards_when_a_booking_is_sold_out() -> None:
    step = OrchestratorPlayer(book_trip, "Rome")
    step.complete(book, "a room")
    step.complete(book, "a seat")
    step.fail(book, SoldOutError("No cars."))
    assert [(call.name, call.input) for call in step.pending] == [("cancel_booking", "a seat")]
    step.complete(cancel_booking)
    step.complete(cancel_booking)
    assert step.output == {"booked": [], "cancelled": ["a seat", "a room"], "reason": "No cars."}


def test_a_hotel_that_fails_for_a_moment_is_tried_again_after_ever_longer_pauses(
    durable_sync_env: DurableTestSyncEnvironment,
) -> None:
    hotel = durable_sync_env.activity(book).when(lambda wish: wish["kind"] == "hotel")
    hotel.raises(ConnectionError("busy"), times=2)
    trip = durable_sync_env.start(book_trip, "Rome")
    assert trip.result()["booked"][0] == "hotel in Rome"
    first, second, third = (each.began for each in hotel.received)
    assert 1 <= (second - first).total_seconds() < 2 <= (third - second).total_seconds() < 3


def test_a_hotel_that_is_sold_out_is_not_tried_again(durable_sync_env: DurableTestSyncEnvironment) -> None:
    hotel = durable_sync_env.activity(book).raises(SoldOutError("No rooms."))
    trip = durable_sync_env.start(book_trip, "Rome")
    assert trip.result() == {"booked": [], "cancelled": [], "reason": "No rooms."}
    assert len(hotel.received) == 1


def test_a_process_that_dies_while_it_cancels_leaves_nothing_booked(
    durable_sync_env: DurableTestSyncEnvironment,
) -> None:
    durable_sync_env.crash_after(cancel_booking)
    trip = durable_sync_env.start(book_trip, "Atlantis")
    assert trip.result()["cancelled"] == ["flight in Atlantis", "hotel in Atlantis"]
    assert trip.calls(cancel_booking).inputs == ["flight in Atlantis", "hotel in Atlantis"]
