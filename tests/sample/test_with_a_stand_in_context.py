"""Unit tests of generator orchestrators with a stand-in for the context: no hub, no worker.

An orchestrator is a plain function. A test plays the engine: it sends results in and looks at
what the orchestrator asked for.
"""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock, call

import pytest

import azure_durable_py as df
from sample_function_app.hello_cities import hello_cities_generator, say_hello
from sample_function_app.trip_booking import RETRY, SoldOutError, book, book_trip


def failed(error: Exception) -> df.TaskFailedError:
    return df.TaskFailedError(str(error), df.FailureDetails.from_exception(error))


def test_an_activity_is_called_like_any_function():
    assert say_hello("Oslo") == "Hello Oslo!"
    with pytest.raises(SoldOutError, match="No cars in Atlantis"):
        book({"kind": "car", "city": "Atlantis"})


def test_hello_cities_greets_three_cities_in_order():
    context = Mock(df.DurableOrchestrationContext)
    steps = hello_cities_generator(context)
    next(steps)
    steps.send("one")
    steps.send("two")
    with pytest.raises(StopIteration) as end:
        steps.send("three")
    assert end.value.value == ["one", "two", "three"]
    assert context.call_activity.call_args_list == [
        call("say_hello", "Tokyo"),
        call("say_hello", "Seattle"),
        call("say_hello", "London"),
    ]


def test_a_trip_that_cannot_be_booked_whole_is_undone_backwards():
    context = Mock(df.DurableOrchestrationContext)
    context.get_input.return_value = "Rome"
    steps = book_trip(context)
    next(steps)
    steps.send("hotel")
    steps.send("flight")
    steps.throw(failed(SoldOutError("no cars")))
    steps.send(None)
    with pytest.raises(StopIteration) as end:
        steps.send(None)
    assert end.value.value == {"booked": [], "cancelled": ["flight", "hotel"], "reason": "no cars"}
    assert context.call_activity_with_retry.call_args_list[-2:] == [
        call("cancel_booking", RETRY, "flight"),
        call("cancel_booking", RETRY, "hotel"),
    ]


def test_what_is_sold_out_is_not_tried_again():
    sold_out, busy = (df.FailureDetails.from_exception(error) for error in (SoldOutError(), ConnectionError()))
    assert RETRY.next_delay(1, timedelta(0), sold_out) is None
    assert RETRY.next_delay(1, timedelta(0), busy) == timedelta(seconds=1)
