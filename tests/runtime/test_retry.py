"""Retries of activities and sub-orchestrations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import SubOrchestrationCreated, TaskScheduled, TimerCreated
from azure_durable_py.retry_policy import RetryOptions, RetryPolicy
from azure_durable_py.status import OrchestrationRuntimeStatus
from tests.runtime.harness import START, Run, registry_of, run

FAILURE = FailureDetails("m", "ValueError")


def flaky(failures: int):
    calls: list[Any] = []

    def activity(value: Any) -> Any:
        calls.append(value)
        if len(calls) <= failures:
            raise ValueError(f"attempt {len(calls)}")
        return value

    return activity


def retrying(policy: RetryPolicy):
    def orchestrator(context):
        result = yield context.call_activity_with_retry("flaky", policy, context.get_input())
        return [result, str(context.current_utc_datetime - START)]

    return orchestrator


def test_every_attempt_and_delay_is_a_decision_of_its_own() -> None:
    started = run(retrying(RetryOptions(5000, 3)), {"flaky": flaky(2)}).run("orchestrator", "x")
    assert started.output == ["x", "0:00:10"]
    assert [(type(event), getattr(event, "id", None)) for event in started.decisions] == [
        (TaskScheduled, 0),
        (TimerCreated, 1),
        (TaskScheduled, 2),
        (TimerCreated, 3),
        (TaskScheduled, 4),
    ]
    assert started.decisions[1].reason == "retry 1 of 2"  # type: ignore[attr-defined]


def test_attempts_count_the_first_try_and_the_last_failure_is_raised() -> None:
    started = run(retrying(RetryOptions(1, 2)), {"flaky": flaky(9)}).run("orchestrator")
    assert started.turn.failure is not None
    assert started.turn.failure.inner_failure is not None
    assert started.turn.failure.inner_failure.message == "attempt 2"
    assert sum(isinstance(event, TaskScheduled) for event in started.decisions) == 2


def test_delays_grow_up_to_the_longest() -> None:
    policy = RetryPolicy(timedelta(seconds=1), 5, backoff_coefficient=3, max_retry_interval=timedelta(seconds=10))
    started = run(retrying(policy), {"flaky": flaky(4)}).run("orchestrator", 1)
    assert started.output[1] == str(timedelta(seconds=1 + 3 + 9 + 10))


def test_no_attempt_begins_after_the_timeout() -> None:
    policy = RetryPolicy(timedelta(seconds=10), 99, retry_timeout=timedelta(seconds=25))
    started = run(retrying(policy), {"flaky": flaky(99)}).run("orchestrator")
    assert sum(isinstance(event, TaskScheduled) for event in started.decisions) == 3


def test_a_predicate_decides_what_is_worth_a_retry() -> None:
    def orchestrator(context):
        policy = RetryPolicy(timedelta(seconds=1), 9, handle=lambda failure: not failure.is_caused_by(KeyError))
        yield context.call_activity_with_retry("a", policy)

    started = run(orchestrator)
    started.start("orchestrator")
    started.fail(0, ValueError("try again"))
    started.wait(timedelta(seconds=1))
    assert started.fail(2, KeyError("hopeless")).status is OrchestrationRuntimeStatus.Failed


def test_a_broken_predicate_is_raised_where_the_task_is_awaited() -> None:
    def orchestrator(context):
        policy = RetryPolicy(timedelta(seconds=1), 9, handle=lambda failure: 1 / 0 > 0)
        try:
            yield context.call_activity_with_retry("a", policy)
        except ZeroDivisionError:
            return "caught"

    started = run(orchestrator)
    started.start("orchestrator")
    started.fail(0, ValueError("x"))
    assert started.output == "caught"


def test_sub_orchestrations_are_retried_under_new_ids_unless_one_is_given() -> None:
    def child(context):
        raise ValueError(context.instance_id)

    def parent(context):
        for instance_id in (None, "fixed"):
            with pytest.raises(TaskFailedError):
                yield context.call_sub_orchestrator_with_retry("child", RetryOptions(1, 2), None, instance_id)

    started = Run(registry_of(parent, child)).run("parent")
    ids = [event.instance_id for event in started.decisions if isinstance(event, SubOrchestrationCreated)]
    assert len(set(ids[:2])) == 2
    assert ids[2:] == ["fixed", "fixed"]


def test_retries_run_side_by_side_in_a_composite() -> None:
    def orchestrator(context):
        tasks = [context.call_activity_with_retry("a", RetryOptions(1000, 2), i) for i in range(2)]
        return (yield context.task_all(tasks))

    started = run(orchestrator)
    started.start("orchestrator")
    assert not started.live.decided_by([0])
    started.fail(0, ValueError("x"))
    assert started.live.decided_by([2]), "the end of a delay makes the engine schedule an attempt"
    started.wait(timedelta(seconds=1))
    started.complete(1, "b")
    assert started.live.decided_by([3])
    started.complete(3, "a")
    assert started.output == ["a", "b"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"max_number_of_attempts": 0},
        {"first_retry_interval": timedelta(0)},
        {"backoff_coefficient": 0.5},
        {"backoff_coefficient": float("nan")},
        {"max_retry_interval": timedelta(0)},
        {"retry_timeout": timedelta(seconds=-1)},
    ],
)
def test_policies_out_of_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        RetryPolicy(**{"first_retry_interval": timedelta(seconds=1), "max_number_of_attempts": 3, **arguments})


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="in_milliseconds"):
        RetryOptions(0, 1)
    options = RetryOptions(1500, 2)
    assert (options.first_retry_interval_in_milliseconds, options.max_number_of_attempts) == (1500, 2)


def test_something_else_than_a_policy_is_refused() -> None:
    def orchestrator(context):
        yield context.call_activity_with_retry("a", 5)

    failure = run(orchestrator).run("orchestrator").turn.failure
    assert failure is not None
    assert "not int" in failure.message


@given(st.integers(1, 10_000), st.floats(1, 100), st.integers(1, 10**9))
def test_no_delay_overflows_or_passes_the_longest(attempt: int, coefficient: float, seconds: int) -> None:
    longest = timedelta(days=1)
    policy = RetryPolicy(timedelta(seconds=seconds), 99_999, coefficient, longest)
    assert timedelta(0) < policy.delay_before_retry(attempt) <= longest
    assert RetryPolicy(timedelta(seconds=seconds), 99_999, coefficient).next_delay(attempt, timedelta(0), FAILURE)
