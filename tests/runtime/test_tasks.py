"""What orchestrators get from the tasks that they await, in every style of function."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.errors import OrchestratorError, TaskCanceledError, TaskFailedError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import EventRaised, TaskCompleted, TaskFailed, TimerFired
from azure_durable_py.runtime.tasks import TaskState
from azure_durable_py.status import OrchestrationRuntimeStatus
from tests.runtime.harness import START, Run, registry_of, run

Status = OrchestrationRuntimeStatus
DOUBLE = {"double": lambda x: 2 * x}


def boom(_: Any) -> None:
    raise ValueError("no good")


def test_a_generator_function_gets_results_from_yield() -> None:
    def orchestrator(context):
        first = yield context.call_activity("double", 1)
        second = yield context.call_activity("double", first)
        return [first, second]

    assert run(orchestrator, DOUBLE).run("orchestrator").output == [2, 4]


def test_a_coroutine_function_gets_results_from_await() -> None:
    async def helper(context, x):
        return await context.call_activity("double", x)

    async def orchestrator(context):
        return [await helper(context, 1), await context.call_activity("double", 5)]

    assert run(orchestrator, DOUBLE).run("orchestrator").output == [2, 10]


def test_a_generator_function_may_delegate_to_others() -> None:
    def helper(context, x):
        try:
            result = yield context.call_activity("boom", x)
        except TaskFailedError:
            result = yield context.call_activity("double", x)
        return result

    def orchestrator(context):
        return (yield from helper(context, 4))

    assert run(orchestrator, {**DOUBLE, "boom": boom}).run("orchestrator").output == 8


def test_a_plain_function_completes_at_once() -> None:
    def orchestrator(context):
        return context.get_input() + 1

    assert run(orchestrator).run("orchestrator", 41).output == 42


@pytest.mark.parametrize("value", [0, "", False, None, [], {}])
def test_falsy_values_are_values(value: Any) -> None:
    def orchestrator(context):
        result = yield context.call_activity("same", context.get_input())
        event = yield context.wait_for_external_event("e")
        return [context.get_input(), result, event]

    started = run(orchestrator, {"same": lambda x: x}).run("orchestrator", value)
    started.raise_event("e", value)
    assert started.output == [value, value, value]


def test_task_all_gives_results_in_the_order_of_the_tasks() -> None:
    def orchestrator(context):
        return (yield context.task_all([context.call_activity("a", i) for i in range(3)]))

    started = run(orchestrator)
    started.start("orchestrator")
    for task in (2, 0, 1):
        started.complete(task, f"r{task}")
    assert started.output == ["r0", "r1", "r2"]


def test_task_all_fails_with_the_first_failure() -> None:
    def orchestrator(context):
        tasks = [context.call_activity("a", i) for i in range(3)]
        try:
            yield context.task_all(tasks)
        except TaskFailedError as error:
            return [error.details.message, [task.is_faulted for task in tasks], [t.is_completed for t in tasks]]

    started = run(orchestrator)
    started.start("orchestrator")
    started.fail(1, ValueError("second"))
    assert started.output == ["second", [False, True, False], [False, True, False]]


def test_task_all_of_nothing_is_done() -> None:
    def orchestrator(context):
        return (yield context.task_all([]))

    assert run(orchestrator).run("orchestrator").output == []


def test_task_any_gives_the_winning_task_even_a_failed_one() -> None:
    def orchestrator(context):
        tasks = [context.call_activity("a"), context.call_activity("b")]
        winner = yield context.task_any(tasks)
        return [tasks.index(winner), winner.is_faulted, winner.state.name]

    started = run(orchestrator)
    started.start("orchestrator")
    started.fail(1, ValueError("x"))
    assert started.output == [1, True, "FAILED"]


def test_task_any_leaves_the_losers_open() -> None:
    async def orchestrator(context):
        slow, fast = context.call_activity("slow"), context.call_activity("fast")
        winner = await context.task_any([slow, fast])
        return [winner is fast, await slow]

    started = run(orchestrator)
    started.start("orchestrator")
    started.complete(1, "f")
    assert started.live.is_open(0)
    started.complete(0, "s")
    assert started.output == [True, "s"]


def test_one_event_at_a_time_decides_who_wins() -> None:
    def orchestrator(context):
        tasks = [context.call_activity("a"), context.call_activity("b")]
        return tasks.index((yield context.task_any(tasks)))

    started = run(orchestrator)
    started.start("orchestrator")
    started.advance(TaskCompleted(START, 1, "1"), TaskCompleted(START, 0, "1"))
    assert started.output == 1


def test_task_any_of_nothing_goes_on_at_once_with_none() -> None:
    def orchestrator(context):
        winner = yield context.task_any([])
        nested = yield context.task_all([context.task_any([]), context.task_all([])])
        return [winner, nested]

    ended = run(orchestrator).run("orchestrator")
    assert ended.output == [None, [None, []]]
    assert ended.decisions == []


def test_composites_nest_and_share_tasks() -> None:
    def orchestrator(context):
        a, b, c = (context.call_activity(name) for name in "abc")
        yield context.task_all([context.task_any([a, b]), context.task_any([a, c]), a, a])
        return [task.is_completed for task in (a, b, c)]

    started = run(orchestrator)
    started.start("orchestrator")
    started.complete(0)
    assert started.output == [True, False, False]


def test_a_failed_activity_raises_with_its_details_and_its_python_type() -> None:
    def orchestrator(context):
        try:
            yield context.call_activity("boom", 1)
        except TaskFailedError as error:
            return [
                str(error),
                error.details.error_type,
                error.details.is_caused_by(ValueError),
                error.details.is_caused_by(KeyError),
                type(error.__cause__).__name__,
                str(error.__cause__),
            ]

    assert run(orchestrator, {"boom": boom}).run("orchestrator").output == [
        "activity 'boom' failed: ValueError: no good",
        "ValueError",
        True,
        False,
        "ValueError",
        "no good",
    ]


@pytest.mark.parametrize(
    ("error_type", "cause"),
    [
        ("not.imported.Error", None),
        ("os.system", None),
        ("builtins.eval", None),
        ("builtins.KeyboardInterrupt", None),
        ("UnicodeDecodeError", None),
        ("json.decoder.JSONDecodeError", None),
        ("KeyError", KeyError),
        ("configparser.Error", None),
        ("zipfile.BadZipFile", __import__("zipfile").BadZipFile),
    ],
)
def test_the_original_exception_is_rebuilt_only_when_that_runs_nothing(error_type: str, cause: Any) -> None:
    def orchestrator(context):
        try:
            yield context.call_activity("a")
        except TaskFailedError as error:
            caught.append(error.__cause__)

    caught: list[Any] = []
    started = run(orchestrator)
    started.check_cold = False
    started.start("orchestrator")
    started.advance(TaskFailed(START, 0, FailureDetails("m", error_type)))
    assert caught == [None] if cause is None else type(caught[0]) is cause


def test_an_uncaught_failure_fails_the_instance_with_the_failure_inside() -> None:
    def orchestrator(context):
        yield context.call_activity("boom")

    turn = run(orchestrator, {"boom": boom}).run("orchestrator").turn
    assert turn.status is Status.Failed
    assert turn.failure is not None
    assert turn.failure.error_type.endswith("TaskFailedError")
    assert turn.failure.is_caused_by(ValueError)
    assert "in orchestrator" in (turn.failure.stack_trace or "")
    assert "driver.py" not in (turn.failure.stack_trace or "")


def test_a_result_of_the_wrong_type_is_raised_where_it_is_awaited() -> None:
    async def orchestrator(context):
        await context.call_activity("double", 1, list[str])

    failure = run(orchestrator, DOUBLE).run("orchestrator").turn.failure
    assert failure is not None
    assert "$: expected list" in failure.message


def test_tasks_tell_their_state_and_their_result_so_far() -> None:
    def orchestrator(context):
        task = context.call_activity("double", 1)
        states = [task.state, task.is_completed, task.is_faulted, task.result]
        with pytest.raises(OrchestratorError, match="yield or await it first"):
            task.get_result()
        yield task
        assert states == [TaskState.RUNNING, False, False, None]
        return [task.result, task.get_result(), task.is_completed, task.state is TaskState.SUCCEEDED]

    assert run(orchestrator, DOUBLE).run("orchestrator").output == [2, 2, True, True]


def test_the_result_of_a_failed_task_is_its_failure_and_get_result_raises_it() -> None:
    def orchestrator(context):
        task = context.call_activity("boom")
        winner = yield context.task_any([task])
        with pytest.raises(TaskFailedError) as raised:
            task.get_result()
        assert raised.value is task.result
        return [winner is task, task.is_faulted, isinstance(task.result, TaskFailedError)]

    assert run(orchestrator, {"boom": boom}).run("orchestrator").output == [True, True, True]


def test_tasks_tell_the_same_under_the_names_of_durabletask() -> None:
    def orchestrator(context):
        good, bad = context.call_activity("double", 1), context.call_activity("boom")
        before = [good.is_complete, good.is_failed]
        yield good
        yield context.task_any([bad])
        with pytest.raises(OrchestratorError, match="has not failed"):
            good.get_exception()
        return [before, good.is_complete, bad.is_failed, bad.get_exception() is bad.result]

    output = run(orchestrator, {**DOUBLE, "boom": boom}).run("orchestrator").output
    assert output == [[False, False], True, True, True]


def test_the_result_of_a_failed_composite_is_the_first_failure() -> None:
    def orchestrator(context):
        both = context.task_all([context.call_activity("double", 1), context.call_activity("boom")])
        yield context.task_any([both])
        return isinstance(both.result, TaskFailedError)

    assert run(orchestrator, {**DOUBLE, "boom": boom}).run("orchestrator").output is True


def test_a_cancelled_task_has_no_result() -> None:
    def orchestrator(context):
        timer = context.create_timer(timedelta(seconds=10))
        timer.cancel()
        with pytest.raises(TaskCanceledError):
            timer.get_result()
        yield context.call_activity("double", 1)
        return [timer.result, timer.is_cancelled, timer.is_faulted]

    assert run(orchestrator, DOUBLE).run("orchestrator").output == [None, True, False]


def test_code_that_looks_at_the_result_of_a_losing_event_takes_the_event() -> None:
    def orchestrator(context):
        event, task = context.wait_for_external_event("e"), context.call_activity("double", 1)
        yield context.task_any([event, task])
        before = event.result
        yield context.call_activity("double", 2)
        return [before, event.result]

    started = run(orchestrator)
    started.start("orchestrator")
    started.complete(0, 2)
    started.raise_event("e", "data")
    started.complete(1, 4)
    assert started.output == [None, "data"]


def test_a_timer_fires_and_a_cancelled_one_is_gone() -> None:
    def orchestrator(context):
        first = context.create_timer(timedelta(seconds=10))
        second = context.create_timer(context.current_utc_datetime + timedelta(seconds=20))
        winner = yield context.task_any([first, second])
        cancelled = [second.cancel(), second.cancel(), first.cancel()]
        yield context.create_timer(timedelta(seconds=60))
        with pytest.raises(TaskCanceledError):
            yield second
        return [winner is first, cancelled, second.is_cancelled, str(context.current_utc_datetime - START)]

    started = run(orchestrator)
    turn = started.start("orchestrator")
    assert dict(turn.timers) == {0: START + timedelta(seconds=10), 1: START + timedelta(seconds=20)}
    turn = started.wait(timedelta(seconds=11))
    assert set(turn.timers) == {2}
    assert not started.live.is_open(1)
    assert started.advance(TimerFired(started.now, 1, START)).events == ()
    started.wait(timedelta(seconds=60))
    assert started.output == [True, [True, False, False], True, "0:01:11"]


def test_a_naive_fire_time_is_utc() -> None:
    def orchestrator(context):
        yield context.create_timer(context.current_utc_datetime.replace(tzinfo=None) + timedelta(seconds=1))

    assert dict(run(orchestrator).start("orchestrator").timers) == {0: START + timedelta(seconds=1)}


def test_answers_nobody_waits_for_are_left_out_of_the_history() -> None:
    def orchestrator(context):
        yield context.call_activity("a")
        yield context.call_activity("b")

    started = run(orchestrator)
    started.start("orchestrator")
    started.complete(0)
    assert started.complete(0).events == ()
    assert started.complete(99).events == ()
    assert started.advance(TimerFired(START, 1, START)).events == ()
    assert started.advance().events == ()


def test_a_10_000_fold_fan_out_is_linear() -> None:
    def orchestrator(context):
        return len((yield context.task_all([context.call_activity("a", i) for i in range(10_000)])))

    started = run(orchestrator)
    started.check_cold = False
    started.start("orchestrator")
    for task in range(9_999):
        assert not started.live.decided_by([task])
        started.complete(task)
    assert started.live.decided_by([9_999])
    started.complete(9_999)
    assert started.output == 10_000


def test_sub_orchestrations_return_their_output_and_raise_their_failure() -> None:
    def child(context):
        if context.get_input() < 0:
            raise KeyError("negative")
        return [context.get_input(), context.instance_id]

    def parent(context):
        good = yield context.call_sub_orchestrator("child", 1, instance_id="mine")
        try:
            yield context.call_sub_orchestrator("child", -1)
        except TaskFailedError as error:
            return [good, error.details.is_caused_by(KeyError)]

    assert Run(registry_of(parent, child)).run("parent").output == [[1, "mine"], True]


def test_default_child_ids_differ_by_parent_generation_and_task() -> None:
    def parent(context):
        tasks = [context.call_sub_orchestrator("child") for _ in range(2)]
        if not context.get_input():
            context.continue_as_new(True)
        yield context.task_all(tasks)

    one, two = Run(registry_of(parent), instance_id="p1"), Run(registry_of(parent), instance_id="p2")
    for started in (one, two):
        started.start("parent")
    ids = [event.instance_id for started in (one, two) for event in started.decisions]
    assert len(ids) == len(set(ids)) == 8
    assert all(len(child) == 32 for child in ids)


def test_a_bad_child_id_is_refused_in_user_code() -> None:
    def orchestrator(context):
        yield context.call_sub_orchestrator("child", instance_id="a/b")

    failure = run(orchestrator).run("orchestrator").turn.failure
    assert failure is not None
    assert "'/'" in failure.message


def test_suspended_instances_buffer_and_go_on_when_resumed() -> None:
    from azure_durable_py.history.events import ExecutionResumed, ExecutionSuspended

    def orchestrator(context):
        first = yield context.call_activity("a")
        second = yield context.wait_for_external_event("e")
        return [first, second]

    started = run(orchestrator)
    started.start("orchestrator")
    assert started.advance(ExecutionSuspended(START)).status is Status.Suspended
    assert not started.live.decided_by([0])
    turn = started.advance(TaskCompleted(START, 0, "1"), EventRaised(START, "E", "2"))
    assert turn.status is Status.Suspended
    assert not started.live.is_open(0)
    assert started.complete(0, "again").events == ()
    started.advance(ExecutionResumed(START))
    assert started.output == [1, 2]


def test_terminate_ends_even_a_suspended_instance_and_runs_no_user_code() -> None:
    from azure_durable_py.history.events import ExecutionSuspended, ExecutionTerminated

    def orchestrator(context):
        while True:
            seen.append((yield context.wait_for_external_event("e")))

    seen: list[Any] = []
    started = run(orchestrator)
    started.start("orchestrator")
    started.advance(ExecutionSuspended(START))
    turn = started.advance(EventRaised(START, "e", "1"), ExecutionTerminated(START, "enough"))
    assert (turn.status, turn.output, seen) == (Status.Terminated, '"enough"', [])
    assert started.raise_event("e").events == ()


def test_an_instance_terminated_before_its_first_turn_never_runs() -> None:
    from azure_durable_py.history.events import ExecutionTerminated

    def orchestrator(context):
        raise AssertionError

    assert run(orchestrator).start("orchestrator", None, ExecutionTerminated(START)).status is Status.Terminated
