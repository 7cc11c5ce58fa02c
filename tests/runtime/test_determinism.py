"""Replay that differs from its history fails the instance with a diff."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.history.events import Event, EventRaised, ExecutionTerminated, TaskCompleted
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.runtime.orchestration import Orchestration, Turn
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from tests.runtime.harness import CONVERTER, START, registry_of, run

Status = OrchestrationRuntimeStatus


def history_of(function: Callable[[Any], Any], *answers: Event) -> list[Event]:
    started = run(function)
    started.start(function.__name__)
    for answer in answers:
        started.advance(answer)
    return started.history


def replay(history: list[Event], function: Callable[[Any], Any], name: str = "recorded") -> Orchestration:
    registry = Registry()
    registry.orchestrators.add(OrchestratorDefinition(name, function))
    return Orchestration("instance", "execution", registry, Settings(), CONVERTER, history)


def recorded(context):
    yield context.call_activity("A")
    yield context.call_activity("B")
    yield context.call_activity("C")


ANSWER = TaskCompleted(START, 0, "1")


def outcome(function: Callable[[Any], Any], history: list[Event] | None = None) -> Turn:
    broken = replay(history_of(recorded, ANSWER) if history is None else history, function)
    assert not broken.is_finished
    assert broken.decided_by([1])
    return broken.advance((TaskCompleted(START, 1, "1"),), START)


def assert_diff(turn: Turn, *parts: str) -> None:
    assert turn.status is Status.Failed
    assert turn.failure is not None
    assert turn.failure.error_type.endswith("NonDeterminismError")
    for part in parts:
        assert part in turn.failure.message


def test_another_name() -> None:
    def changed(context):
        yield context.call_activity("A")
        yield context.call_activity("X")

    assert_diff(
        outcome(changed),
        "history event 5: TaskScheduled(id 1) 'B'",
        "the code did: TaskScheduled(id 1) 'X'",
        "test_determinism.py:",
        "changed",
    )


def test_another_kind() -> None:
    def changed(context):
        yield context.call_activity("A")
        yield context.create_timer(timedelta(seconds=1))

    assert_diff(outcome(changed), "TaskScheduled(id 1) 'B'", "TimerCreated(id 1)")


def test_a_step_too_many() -> None:
    def changed(context):
        yield context.call_activity("A")
        context.call_activity("B")
        yield context.call_activity("extra")

    assert_diff(outcome(changed), "history event 6: nothing more in this turn", "TaskScheduled(id 2) 'extra'")


def test_a_step_too_few() -> None:
    def changed(context):
        yield context.call_activity("A")
        yield context.wait_for_external_event("e")

    assert_diff(outcome(changed), "TaskScheduled(id 1) 'B'", "the code did: nothing more in this turn", "changed")


def test_an_early_return() -> None:
    def changed(context):
        yield context.call_activity("A")
        return 1

    assert_diff(outcome(changed), "TaskScheduled(id 1) 'B'", "the code did: it returned", "test_determinism.py")


def test_a_return_where_the_history_went_on() -> None:
    def waits(context):
        yield context.wait_for_external_event("e")

    def changed(context):
        return 1

    history = [
        event if not hasattr(event, "name") else event.__class__(START, "recorded") for event in history_of(waits)
    ]
    assert_diff(outcome(changed, history), "nothing more in this turn", "it returned", "test_determinism.py")


def test_an_error_where_the_history_went_on() -> None:
    def changed(context):
        yield context.call_activity("A")
        raise ValueError("new bug")

    line = changed.__code__.co_firstlineno + 2
    did = "the code did: it ended (ValueError: new bug)"
    assert_diff(outcome(changed), "TaskScheduled(id 1) 'B'", did, f"test_determinism.py:{line} in ")


def test_the_place_is_in_the_innermost_user_frame_of_coroutines() -> None:
    async def innermost_helper(context):
        await context.wait_for_external_event("e")

    async def changed(context):
        await context.call_activity("A")
        await innermost_helper(context)

    assert_diff(outcome(changed), "innermost_helper")


def test_the_place_of_a_call_is_where_it_stands() -> None:
    async def calling_helper(context):
        await context.call_activity("X")

    async def changed(context):
        await calling_helper(context)

    assert_diff(outcome(changed), "calling_helper")


def test_user_code_cannot_swallow_the_difference() -> None:
    def changed(context):
        while True:
            try:
                yield context.call_activity("X")
            except Exception:  # noqa: BLE001 - what users write
                swallowed.append(1)

    swallowed: list[int] = []
    assert_diff(outcome(changed))
    assert swallowed == []


def test_even_code_that_catches_everything_ends() -> None:
    def changed(context):
        try:
            yield context.call_activity("X")
        except BaseException:  # noqa: BLE001 - what users write
            return "fine"

    assert_diff(outcome(changed))


def test_a_broken_instance_can_still_be_terminated() -> None:
    def changed(context):
        yield context.call_activity("X")

    broken = replay(history_of(recorded, ANSWER), changed)
    turn = broken.advance((EventRaised(START, "e"), ExecutionTerminated(START, "give up")), START)
    assert (turn.status, turn.output) == (Status.Terminated, '"give up"')


def test_the_failure_it_led_to_replays_as_what_it_was() -> None:
    def changed(context):
        yield context.call_activity("X")

    history = history_of(recorded, ANSWER)
    turn = replay(history, changed).advance((), START)
    again = replay([*history, *turn.events], changed)
    assert again.is_finished
    assert again.advance((), START).failure == turn.failure


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            lambda c: c.call_sub_orchestrator("S", instance_id="a"),
            lambda c: c.call_sub_orchestrator("S", instance_id="b"),
        ),
        (lambda c: c.call_sub_orchestrator("S"), lambda c: c.call_sub_orchestrator("T")),
        (lambda c: c.send_event("a", "e"), lambda c: c.send_event("b", "e")),
        (lambda c: c.call_entity(EntityId("n", "k"), "op"), lambda c: c.call_entity(EntityId("n", "k"), "other")),
        (lambda c: c.signal_entity(EntityId("n", "k"), "op"), lambda c: c.signal_entity(EntityId("n", "j"), "op")),
        (lambda c: c.signal_entity(EntityId("n", "k"), "op"), lambda c: c.call_entity(EntityId("n", "k"), "op")),
    ],
)
def test_the_target_is_part_of_a_decision(before: Callable[[Any], Any], after: Callable[[Any], Any]) -> None:
    def decides(step: Callable[[Any], Any]):
        def recorded(context):
            step(context)
            yield context.wait_for_external_event("e")

        return recorded

    assert_diff(outcome(decides(after), history_of(decides(before))))


def test_inputs_and_fire_times_may_change_and_the_recorded_ones_stay() -> None:
    def waits(seconds: int, value: str):
        def recorded(context):
            context.call_activity("A", value)
            yield context.create_timer(timedelta(seconds=seconds))

        return recorded

    again = replay(history_of(waits(60, "old")), waits(5, "new"))
    turn = again.advance((EventRaised(START, "e"),), START)
    assert dict(turn.timers) == {1: START + timedelta(seconds=60)}
    assert again.decision(0).input == '"old"'  # type: ignore[attr-defined]


def test_an_orchestrator_that_is_gone_fails_the_instance() -> None:
    broken = Orchestration("i", "e", registry_of(), Settings(), CONVERTER, history_of(recorded))
    failure = broken.advance((ANSWER,), START).failure
    assert failure is not None
    assert "No orchestrator named 'recorded'" in failure.message


def test_too_many_steps_without_waiting_fail_the_instance_and_nothing_leaves() -> None:
    def orchestrator(context):
        try:
            while True:
                context.signal_entity(EntityId("n", "k"), "op")
        except Exception:  # noqa: BLE001 - what users write
            pytest.fail("swallowed")

    started = run(orchestrator)
    started.settings = Settings(max_orchestration_actions=10)
    started.live = started.load([])
    turn = started.start("orchestrator")
    assert turn.failure is not None
    assert "more than 10 steps" in turn.failure.message
    assert "test_determinism.py" in turn.failure.message
    assert not started.decisions
