"""What an activity says of further attempts by the error that it raises."""

from __future__ import annotations

import asyncio
import pickle
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import azure_durable_py as df
from azure_durable_py.errors import LONGEST_WAIT, ActivityError, TaskFailedError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_failure, encode_failure
from azure_durable_py.history.events import TaskScheduled
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.failures import task_failed
from azure_durable_py.shape import ShapeError
from azure_durable_py.testing import DurableTestEnvironment, OrchestratorPlayer
from azure_durable_py.testing import run as run_app
from tests.runtime.harness import START, run

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
NOTHING = timedelta(0)


class BusyError(ActivityError):
    """Of an app."""


class ClosedError(ActivityError):
    def __init__(self, shop: str) -> None:
        super().__init__(f"{shop} is closed", retryable=False)


def recorded(error: BaseException) -> FailureDetails:
    return FailureDetails.from_exception(error)


def delay_after(failure: FailureDetails, attempt: int = 1, **policy: Any) -> timedelta | None:
    options: dict[str, Any] = {"first_retry_interval": 10 * SECOND, "max_number_of_attempts": 5, **policy}
    return RetryPolicy(**options).next_delay(attempt, NOTHING, failure)


# --- the error ------------------------------------------------------------------------------------------


def test_it_may_be_tried_again_at_any_time_unless_it_says_otherwise() -> None:
    error = ActivityError("busy")
    assert (str(error), error.retryable, error.retry_after) == ("busy", True, None)
    assert isinstance(error, df.DurableError)


@pytest.mark.parametrize("given", [90, 90.0, 90 * SECOND])
def test_a_time_is_given_in_seconds_or_as_a_timedelta(given: Any) -> None:
    assert ActivityError("busy", retry_after=given).retry_after == 90 * SECOND


@pytest.mark.parametrize(
    "given", [-1, float("nan"), float("inf"), 1e300, LONGEST_WAIT + SECOND, -SECOND, "soon"], ids=str
)
def test_what_is_no_time_to_wait_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="retry_after is a time from 0 to 36500 days"):
        ActivityError("busy", retry_after=given)


def test_it_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(ActivityError("busy", retryable=False, retry_after=5)))
    assert (str(error), error.retryable, error.retry_after) == ("busy", False, 5 * SECOND)


# --- what is kept of it ---------------------------------------------------------------------------------


def test_what_it_says_is_recorded_of_subclasses_too() -> None:
    assert recorded(BusyError("no", retry_after=3)).retry_after == 3 * SECOND
    assert not recorded(ClosedError("the shop")).retryable


def test_other_errors_say_nothing() -> None:
    failure = recorded(ValueError("no"))
    assert (failure.retryable, failure.retry_after) == (True, None)


def test_the_outermost_error_counts() -> None:
    try:
        raise KeyError("x") from ClosedError("the shop")
    except KeyError as error:
        failure = recorded(error)
    assert failure.retryable
    assert failure.inner_failure is not None
    assert not failure.inner_failure.retryable


def test_an_error_that_broke_what_it_inherits_is_recorded_as_one_that_says_nothing() -> None:
    class CarelessError(ActivityError):
        def __init__(self) -> None:
            """Calls nobody."""

    class WildError(ActivityError):
        @property
        def retryable(self) -> bool:  # type: ignore[override]
            raise SystemExit

        @retryable.setter
        def retryable(self, value: bool) -> None:
            """Without effect."""

    odd = BusyError("x")
    odd.retry_after = -SECOND
    for error in (CarelessError(), WildError("x"), odd):
        failure = recorded(error)
        assert (failure.retryable, failure.retry_after) == (True, None)


@given(st.booleans(), st.none() | st.timedeltas(NOTHING, LONGEST_WAIT))
def test_it_is_stored_as_it_is(retryable: bool, retry_after: timedelta | None) -> None:
    failure = FailureDetails("m", "E", retryable=retryable, retry_after=retry_after)
    assert decode_failure(encode_failure(failure)) == failure


def test_a_failure_that_says_nothing_is_stored_as_before() -> None:
    assert encode_failure(FailureDetails("m", "E")) == {"message": "m", "error_type": "E"}


@pytest.mark.parametrize(
    "fields",
    [{"retryable": 1}, {"retry_after": -1}, {"retry_after": True}, {"retry_after": 1e300}, {"retry_after": ""}],
)
def test_what_nobody_wrote_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ShapeError):
        decode_failure({"message": "m", "error_type": "E", **fields})


def test_the_orchestrator_finds_it_as_the_cause() -> None:
    error = task_failed("activity 'buy'", recorded(BusyError("no", retryable=False, retry_after=3)))
    cause = error.__cause__
    assert isinstance(cause, BusyError)
    assert (str(cause), cause.retryable, cause.retry_after) == ("no", False, 3 * SECOND)
    # It wants other arguments than a message: nothing can be made of it.
    assert task_failed("activity 'buy'", recorded(ClosedError("the shop"))).__cause__ is None


# --- what a policy makes of it --------------------------------------------------------------------------


def test_there_is_no_attempt_after_one_that_is_not_worth_it() -> None:
    assert delay_after(recorded(ClosedError("the shop"))) is None


@pytest.mark.parametrize(
    ("asked", "policy", "delay"),
    [
        (NOTHING, {}, 10 * SECOND),
        (5 * SECOND, {}, 10 * SECOND),
        (20 * SECOND, {}, 20 * SECOND),
        (HOUR, {"max_retry_interval": 30 * SECOND}, HOUR),
        (HOUR, {"retry_timeout": HOUR}, HOUR),
        (HOUR, {"retry_timeout": HOUR - SECOND}, None),
        (SECOND, {"max_number_of_attempts": 1}, None),
        (SECOND, {"handle": lambda _: False}, None),
    ],
)
def test_the_longer_delay_counts_within_what_bounds_the_attempts(asked: timedelta, policy: Any, delay: Any) -> None:
    assert delay_after(recorded(BusyError("no", retry_after=asked)), **policy) == delay


# --- in orchestrators ---------------------------------------------------------------------------------------


POLICY = RetryPolicy(SECOND, 10, backoff_coefficient=2.0, max_retry_interval=timedelta(minutes=1))


def test_the_next_attempt_comes_when_it_was_asked_for() -> None:
    def orchestrator(context):
        result = yield context.call_activity_with_retry("buy", POLICY, None)
        return [result, str(context.current_utc_datetime - START)]

    answers: list[Any] = [BusyError("no", retry_after=600), BusyError("no", retry_after=0.25), BusyError("no")]

    def buy(_: Any) -> str:
        if answers:
            raise answers.pop(0)
        return "tea"

    assert run(orchestrator, {"buy": buy}).run("orchestrator").output == ["tea", str(timedelta(seconds=600 + 2 + 4))]


def test_one_that_is_not_worth_it_is_raised_at_once() -> None:
    def orchestrator(context):
        with pytest.raises(TaskFailedError) as raised:
            yield context.call_activity_with_retry("buy", POLICY, None)
        return raised.value.details.retryable

    def buy(_: Any) -> str:
        raise ClosedError("the shop")

    ended = run(orchestrator, {"buy": buy}).run("orchestrator")
    assert ended.output is False
    assert sum(isinstance(event, TaskScheduled) for event in ended.decisions) == 1


# --- with the engine, and with the kit --------------------------------------------------------------------


app = df.DFApp()


@app.activity_trigger(input_name="shop")
async def buy(shop: str) -> str:
    raise ClosedError(shop)


@app.orchestration_trigger(context_name="context")
async def child(context: df.DurableOrchestrationContext) -> None:
    raise BusyError("the child is, too", retry_after=HOUR)


@app.orchestration_trigger(context_name="context")
async def shopping(context: df.DurableOrchestrationContext) -> str:
    return await context.call_activity_with_retry(buy, POLICY, "the shop")


@app.orchestration_trigger(context_name="context")
async def parent(context: df.DurableOrchestrationContext) -> float:
    began = context.current_utc_datetime
    try:
        await context.call_sub_orchestrator_with_retry(child, RetryPolicy(SECOND, 2))
    except df.TaskFailedError:
        return (context.current_utc_datetime - began) // HOUR
    return -1


def test_it_ends_an_orchestration_with_its_reason() -> None:
    ended = run_app(app, shopping, replay="every-turn")
    assert ended.failure is not None
    assert "the shop is closed" in ended.failure.message
    assert ended.failure.inner_failure is not None
    assert not ended.failure.inner_failure.retryable


def test_a_sub_orchestration_may_raise_it() -> None:
    assert run_app(app, parent, replay="every-turn").output == 1


def test_doubles_may_raise_it() -> None:
    async def test() -> None:
        async with DurableTestEnvironment(app) as env:
            double = env.activity(buy)
            double.raises(BusyError("not now", retry_after=HOUR), times=2)
            double.returns("tea")
            handle = await env.start(shopping)
            began = env.now
            assert await handle.result() == "tea"
            assert env.now - began >= 2 * HOUR
            assert len(double.received) == 3

    asyncio.run(test())


def test_a_player_makes_an_activity_fail_with_it() -> None:
    step = OrchestratorPlayer(shopping)
    step.fail(buy, BusyError("not now", retry_after=HOUR))
    assert step.pending[0].due is not None
    step.skip(HOUR)
    step.fail(buy, ClosedError("the shop"))
    assert step.failure is not None


def test_it_may_be_raised_without_an_engine() -> None:
    with pytest.raises(ClosedError):
        asyncio.run(buy.function("the shop"))
