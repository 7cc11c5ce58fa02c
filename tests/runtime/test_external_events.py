"""Which wait gets which external event."""

from __future__ import annotations

from datetime import timedelta

from azure_durable_py.history.events import EventRaised, TaskCompleted
from azure_durable_py.status import OrchestrationRuntimeStatus
from tests.runtime.harness import START, run


def test_events_are_buffered_until_somebody_waits_and_names_ignore_case() -> None:
    def orchestrator(context):
        yield context.call_activity("a")
        first = yield context.wait_for_external_event("Go")
        second = yield context.wait_for_external_event("Go")
        return [first, second]

    started = run(orchestrator)
    started.start("orchestrator")
    started.raise_event("GO", 1)
    started.raise_event("other", "x")
    started.raise_event("go", 2)
    started.complete(0)
    assert started.output == [1, 2]


def test_the_oldest_wait_gets_the_oldest_event() -> None:
    def orchestrator(context):
        waits = [context.wait_for_external_event("e") for _ in range(3)]
        third = yield waits[2]
        return [waits[0].result, waits[1].result, third]

    started = run(orchestrator)
    started.start("orchestrator")
    started.advance(*(EventRaised(START, "e", str(i)) for i in range(3)))
    assert started.output == [0, 1, 2]


def test_a_wait_that_lost_to_a_timer_does_not_swallow_a_later_event() -> None:
    def orchestrator(context):
        timer = context.create_timer(timedelta(seconds=1))
        lost = context.wait_for_external_event("e")
        winner = yield context.task_any([lost, timer])
        assert winner is timer
        return (yield context.wait_for_external_event("e"))

    started = run(orchestrator)
    started.start("orchestrator")
    started.wait(timedelta(seconds=1))
    started.raise_event("e", "later")
    assert started.output == "later"


def test_a_lost_wait_may_be_awaited_again() -> None:
    def orchestrator(context):
        wait = context.wait_for_external_event("e")
        rounds = 0
        while True:
            rounds += 1
            winner = yield context.task_any([wait, context.create_timer(timedelta(seconds=1))])
            if winner is wait:
                return [rounds, wait.result]
            yield context.call_activity("a")

    started = run(orchestrator)
    started.start("orchestrator")
    started.wait(timedelta(seconds=1))
    started.raise_event("e", "while the activity ran")
    started.complete(1)
    assert started.output == [2, "while the activity ran"]


def test_a_lost_wait_takes_an_event_when_code_asks_for_it() -> None:
    def orchestrator(context):
        wait = context.wait_for_external_event("stop")
        yield context.task_any([wait, context.call_activity("a")])
        yield context.call_activity("b")
        return [wait.is_completed, wait.result]

    started = run(orchestrator)
    started.start("orchestrator")
    started.complete(0)
    started.raise_event("stop", 7)
    started.complete(1)
    assert started.output == [True, 7]


def test_waits_inside_a_lost_composite_are_lost_too() -> None:
    def orchestrator(context):
        both = context.task_all([context.wait_for_external_event("a"), context.wait_for_external_event("b")])
        yield context.task_any([both, context.create_timer(timedelta(seconds=1))])
        first = yield context.wait_for_external_event("a")
        context.call_activity("x")
        return [first, (yield both)]

    started = run(orchestrator)
    started.start("orchestrator")
    started.wait(timedelta(seconds=1))
    for name, data in (("a", 1), ("b", 2)):
        started.raise_event(name, data)
    assert started.turn.status is OrchestrationRuntimeStatus.Running
    started.raise_event("a", 3)
    assert started.output == [1, [3, 2]]


def test_a_wait_held_by_a_live_composite_keeps_waiting() -> None:
    def orchestrator(context):
        wait = context.wait_for_external_event("e")
        outer = context.task_all([wait])
        yield context.task_any([wait, context.call_activity("a")])
        yield context.call_activity("b")
        return (yield outer)

    started = run(orchestrator)
    started.start("orchestrator")
    started.complete(0)
    started.raise_event("e", 5)
    started.complete(1)
    assert started.output == [5]


def test_a_cancelled_wait_gives_its_event_to_the_next() -> None:
    def orchestrator(context):
        first, second = (context.wait_for_external_event("e") for _ in range(2))
        cancelled = [first.cancel(), first.cancel(), first.is_cancelled]
        return [cancelled, (yield second)]

    started = run(orchestrator)
    started.start("orchestrator")
    started.raise_event("e", 1)
    assert started.output == [[True, False, True], 1]


def test_data_of_the_wrong_type_fails_the_wait() -> None:
    def orchestrator(context):
        yield context.wait_for_external_event("e", int)

    started = run(orchestrator)
    started.start("orchestrator")
    failure = started.raise_event("e", "text").failure
    assert failure is not None
    assert "expected int, found str" in failure.message


def test_an_event_raised_with_the_start_is_there() -> None:
    def orchestrator(context):
        return (yield context.wait_for_external_event("e"))

    started = run(orchestrator)
    started.advance(EventRaised(START, "e", "1"), *_start("orchestrator"))
    assert started.output == 1


def _start(name: str):
    from azure_durable_py.history.events import ExecutionStarted

    return (ExecutionStarted(START, name),)


# --- continue as new -----------------------------------------------------------------------------


def counter(context):
    state = context.get_input()
    seen = yield context.wait_for_external_event("n")
    if seen == "stop":
        return state
    context.continue_as_new([*state, seen])
    yield context.call_activity("never awaited to the end")


def test_continue_as_new_carries_unconsumed_events_over() -> None:
    started = run(counter)
    started.start("counter", [])
    started.advance(*(EventRaised(START, "n", data) for data in ("1", "2", '"stop"', "4")))
    assert started.output == [1, 2]
    assert started.generation == 2


def test_events_can_be_left_behind() -> None:
    def orchestrator(context):
        if context.get_input() == "again":
            return (yield context.wait_for_external_event("e"))
        yield context.call_activity("a")
        context.continue_as_new("again", save_events=False)

    started = run(orchestrator)
    started.start("orchestrator")
    started.raise_event("e", "old")
    started.complete(0)
    started.raise_event("e", "new")
    assert started.output == "new"


def test_an_event_that_code_never_looked_at_is_carried_over() -> None:
    def orchestrator(context):
        wait = context.wait_for_external_event("e")
        if context.get_input() == "again":
            return (yield wait)
        yield context.call_activity("a")
        context.continue_as_new("again")

    started = run(orchestrator)
    started.start("orchestrator")
    started.raise_event("e", 1)
    started.complete(0)
    assert started.output == 1


def test_an_event_behind_the_continuation_is_carried_over_though_a_composite_waits_for_it() -> None:
    def orchestrator(context):
        wait = context.wait_for_external_event("e")
        if context.get_input() == "again":
            return (yield wait)
        either = context.task_any([wait, context.wait_for_external_event("other")])
        yield context.call_activity("a")
        context.continue_as_new("again")
        yield either

    started = run(orchestrator)
    started.start("orchestrator")
    started.advance(TaskCompleted(START, 0, "1"), EventRaised(START, "e", "2"))
    assert started.output == 2


def test_continue_as_new_takes_effect_at_the_next_await_and_changes_the_version() -> None:
    async def orchestrator(context):
        if context.get_input() == 1:
            return [context.version, context.will_continue_as_new]
        context.continue_as_new(1, new_version="2.0")
        assert context.will_continue_as_new
        context.call_activity("decided before the end")
        await context.create_timer(timedelta(days=1))
        raise AssertionError

    started = run(orchestrator)
    started.start("orchestrator", 0)
    assert started.output == ["2.0", False]
    assert [type(event).__name__ for event in started.turns[0].events] == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "TimerCreated",
        "ContinuedAsNew",
    ]
    assert not started.turns[0].timers


def test_an_error_after_continue_as_new_fails_the_instance() -> None:
    def orchestrator(context):
        context.continue_as_new(1)
        raise ValueError("after all")

    assert run(orchestrator).start("orchestrator").status is OrchestrationRuntimeStatus.Failed


def test_events_behind_the_completion_in_one_turn_are_dropped_but_answers_too() -> None:
    def orchestrator(context):
        other = context.call_activity("b")
        yield context.call_activity("a")
        return other.is_completed

    started = run(orchestrator)
    started.start("orchestrator")
    turn = started.advance(TaskCompleted(START, 1, "1"), TaskCompleted(START, 0, "1"), EventRaised(START, "e"))
    assert not any(isinstance(event, EventRaised) for event in turn.events)
    late = started.live.advance((TaskCompleted(START, 0, "1"),), START)
    assert late.events == ()


def test_what_is_waited_for_is_told_by_its_name_and_since_when() -> None:
    def orchestrator(context):
        yield context.wait_for_external_event("First")
        timer = context.create_timer(timedelta(seconds=1))
        lost = context.wait_for_external_event("Lost")
        again = [context.wait_for_external_event(name) for name in ("Second", "second")]
        yield context.task_any([lost, timer])
        yield context.task_all(again)

    started = run(orchestrator)
    assert dict(started.start("orchestrator").awaited) == {"First": START}
    later = started.raise_event("first")
    assert list(later.awaited) == ["Lost", "Second"]
    assert list(started.wait(timedelta(seconds=1)).awaited) == ["Second"]
    assert list(started.raise_event("second").awaited) == ["second"]
    assert dict(started.raise_event("second").awaited) == {}
