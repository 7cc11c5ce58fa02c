"""A rewound history: where it is cut, what is shown again, and that every replay finds the same."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.history.events import (
    Answer,
    EntityLockGranted,
    EntityLockRequested,
    EventRaised,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    TaskCompleted,
    TaskScheduled,
)
from azure_durable_py.history.rewinding import standing, where_to_rewind
from azure_durable_py.ids import EntityId
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from tests.runtime.harness import CONVERTER, START, Run, registry_of, run

NO = ValueError("no")


def failed(run: Run) -> Run:
    assert run.turn.status is Status.Failed
    return run


# --- where it is cut ---------------------------------------------------------------------------------------


def test_it_goes_on_before_the_failure_that_ended_it() -> None:
    def orchestrator(context: Any) -> Any:
        yield context.call_activity("a", 0)
        return (yield context.call_activity("a", 1))

    it = run(orchestrator)
    it.start("orchestrator")
    it.complete(0, "first")
    it.fail(1, NO)
    turn = failed(it).rewind()
    assert [event.id for event in turn.reopened] == [1]
    assert (turn.status, len(turn.events)) == (Status.Running, 1)
    assert it.complete(1, "second").status is Status.Completed
    assert it.output == "second"


@pytest.mark.parametrize("raised", [0, -1])
def test_failures_that_were_collected_are_void_together_and_successes_beside_them_are_shown_again(raised: int) -> None:
    def orchestrator(context: Any) -> Any:
        tasks = [context.call_activity("a", n) for n in range(4)]
        failures = []
        for task in tasks:
            try:
                yield task
            except TaskFailedError as error:
                failures.append(error)
        if failures:
            raise failures[raised]
        return [task.result for task in tasks]

    it = run(orchestrator)
    it.start("orchestrator")
    it.fail(0, NO)
    it.complete(1, "one")
    it.fail(2, ValueError("neither"))
    it.complete(3, "three")
    turn = failed(it).rewind()
    assert [event.id for event in turn.reopened] == [0, 2]
    assert it.live.is_open(0)
    assert not it.live.is_open(3)
    it.complete(2, "two")
    it.complete(0, "zero")
    assert it.output == ["zero", "one", "two", "three"]


def test_of_retries_only_the_last_is_void() -> None:
    def orchestrator(context: Any) -> Any:
        return (yield context.call_activity_with_retry("a", RetryPolicy(timedelta(minutes=1), 2)))

    it = run(orchestrator)
    it.start("orchestrator")
    it.fail(0, NO)
    it.wait(timedelta(minutes=1))
    assert it.fail(2, NO).status is Status.Failed
    assert [event.id for event in it.rewind().reopened] == [2]
    assert it.complete(2, "done").status is Status.Completed


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with Python 3.11")
def test_a_failure_that_ended_a_group_is_void_though_the_group_decided_something_since() -> None:
    broken = True

    def reserve(number: int) -> int:
        if broken and number == 1:
            raise ValueError("out of stock")
        return number

    async def orchestrator(context):
        async def book(number: int) -> int:
            try:
                reserved = await context.call_activity("reserve", number)
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await context.call_activity("release", number)
                raise
            return reserved

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(book(number)) for number in range(3)]
        return [task.result() for task in tasks]

    ended = run(orchestrator, {"reserve": reserve, "release": lambda _: None}).run("orchestrator")
    assert ended.turn.failure is not None
    assert ended.turn.failure.is_caused_by(ValueError)
    assert ended.turn.failure.is_caused_by(TaskFailedError)
    broken = False
    ended.rewind()
    assert ended.go_on().output == [0, 1, 2]


def test_what_was_caught_and_followed_by_something_else_stays() -> None:
    def orchestrator(context: Any) -> Any:
        try:
            yield context.call_activity("a")
        except TaskFailedError:
            return (yield context.call_activity("instead"))

    it = run(orchestrator)
    it.start("orchestrator")
    it.fail(0, NO)
    assert it.fail(1, ValueError("nor this")).status is Status.Failed
    assert [event.id for event in it.rewind().reopened] == [1]


@pytest.mark.parametrize("raises_it_again", [True, False])
def test_what_was_followed_by_something_else_is_void_only_if_it_ended_the_orchestration(raises_it_again: bool) -> None:
    def orchestrator(context: Any) -> Any:
        try:
            yield context.call_activity("a")
        except TaskFailedError:
            yield context.call_activity("clean up")
            if raises_it_again:
                raise
        raise RuntimeError("a bug")

    it = run(orchestrator)
    it.start("orchestrator")
    it.fail(0, NO)
    assert it.complete(1).status is Status.Failed
    turn = it.rewind()
    # Else its last turn is taken again, and ends in the same way.
    assert [event.id for event in turn.reopened] == ([0] if raises_it_again else [])
    assert turn.status is (Status.Running if raises_it_again else Status.Failed)


def test_what_ended_by_no_failure_of_a_task_takes_its_last_turn_again() -> None:
    broken = [True]

    def orchestrator(context: Any) -> Any:
        found = yield context.call_activity("a", context.get_input())
        if broken:
            raise RuntimeError("a bug")
        return found

    it = run(orchestrator)
    it.start("orchestrator", 5)
    assert it.complete(0, "found").status is Status.Failed
    broken.clear()
    assert it.rewind().status is Status.Completed
    assert it.output == "found"


def test_a_first_turn_is_taken_again_with_its_start() -> None:
    broken = [True]

    def orchestrator(context: Any) -> Any:
        if broken:
            raise RuntimeError("a bug")
        return context.get_input()

    it = run(orchestrator)
    assert it.start("orchestrator", 5).status is Status.Failed
    broken.clear()
    it.rewind()
    assert it.output == 5


def test_an_end_without_a_start_says_so() -> None:
    def orchestrator(context: Any) -> Any:
        raise RuntimeError

    it = run(orchestrator)
    it.start("orchestrator")
    cut = where_to_rewind([it.history[0], it.history[-1]])
    assert cut is not None
    assert (cut.position, cut.is_started, cut.locks) == (0, False, frozenset())
    assert where_to_rewind([]) is None


# --- what is shown again -------------------------------------------------------------------------------------


def test_events_and_timers_that_came_behind_the_cut_are_not_lost() -> None:
    def orchestrator(context: Any) -> Any:
        timer = context.create_timer(START + timedelta(hours=1))
        event = context.wait_for_external_event("e")
        both = [context.call_activity("a"), context.call_activity("b")]
        try:
            yield both[0]
        except TaskFailedError as error:
            try:
                yield both[1]
            finally:
                raise error
        yield context.task_all([timer, event])
        return event.result

    it = run(orchestrator)
    it.start("orchestrator")
    it.fail(1, NO)
    it.raise_event("e", "heard")
    it.wait(timedelta(hours=1))
    assert it.complete(2).status is Status.Failed
    turn = it.rewind()
    assert ([event.id for event in turn.reopened], dict(turn.timers)) == ([1], {})
    assert it.complete(1).status is Status.Completed
    assert it.output == "heard"


def test_ids_of_what_was_decided_behind_the_cut_are_free_and_those_of_children_are_their_own() -> None:
    def orchestrator(context: Any) -> Any:
        try:
            yield context.call_activity("a")
        except TaskFailedError:
            yield context.call_sub_orchestrator("undo")
            raise
        yield context.call_sub_orchestrator("go on")

    it = run(orchestrator)
    it.start("orchestrator")
    it.fail(0, NO)
    [undo] = [event for event in it.decisions if isinstance(event, SubOrchestrationCreated)]
    it.advance(SubOrchestrationCompleted(it.now, undo.id, CONVERTER.serialize(None)))
    failed(it).rewind()
    [go_on] = [event for event in it.complete(0).events if isinstance(event, SubOrchestrationCreated)]
    assert (undo.id, undo.attempt, go_on.id, go_on.attempt) == (1, 0, 1, 1)
    assert undo.instance_id != go_on.instance_id


def test_a_critical_section_that_is_entered_anew_has_a_name_of_its_own() -> None:
    def orchestrator(context: Any) -> Any:
        try:
            yield context.call_activity("a")
        finally:
            with (yield context.lock([EntityId("e", "k")])):
                yield context.call_activity("inside")

    it = run(orchestrator)
    it.start("orchestrator")
    it.fail(0, NO)
    it.advance(EntityLockGranted(it.now, 1))
    assert it.complete(2).status is Status.Failed
    it.rewind()
    it.complete(0)
    first, second = [event for event in it.decisions if isinstance(event, EntityLockRequested)]
    assert first.id == second.id
    assert first.section != second.section


def test_a_failure_says_where_it_is_in_the_whole_history() -> None:
    def decides(name: str) -> Any:
        def orchestrator(context: Any) -> Any:
            yield context.call_activity("a")
            yield context.call_activity(name)

        return orchestrator

    it = run(decides("b"))
    it.start("orchestrator")
    it.fail(0, NO)
    it.rewind()
    it.complete(0)
    assert isinstance(it.history[-1], TaskScheduled)
    cold = Orchestration(
        "instance", "execution", registry_of(decides("c")), it.settings, CONVERTER, it.history, attempt=1
    )
    failure = cold.advance([TaskCompleted(it.now, 1)], it.now).failure
    assert failure is not None
    assert f"history event {len(it.history) - 1}: TaskScheduled(id 1) 'b'" in failure.message


# --- any program ---------------------------------------------------------------------------------------------

step = st.deferred(
    lambda: st.one_of(
        st.sampled_from([("activity",), ("timer",), ("event",), ("signal",), ("collect",), ("retry",)]),
        st.tuples(st.sampled_from(["all", "any"]), st.lists(step, min_size=1, max_size=3)),
    )
)


def _task_of(context: Any, step: Any) -> Any:
    match step:
        case ("timer",):
            return context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        case ("event",):
            return context.wait_for_external_event("e")
        case ("signal",):
            return context.send_event("other", "e")
        case ("retry",):
            return context.call_activity_with_retry("a", RetryPolicy(timedelta(seconds=1), 2))
        case ("all", steps):
            return context.task_all([_task_of(context, inner) for inner in steps])
        case ("any", steps):
            return context.task_any([_task_of(context, inner) for inner in steps])
        case _:
            return context.call_activity("a")


def _collect(context: Any) -> Any:
    """Waits for all, and cleans up before it fails."""
    failures = []
    for task in [context.call_activity("a") for _ in range(3)]:
        try:
            yield task
        except TaskFailedError as error:
            failures.append(error)
    if failures:
        yield context.call_activity("clean up")
        raise failures[0]


def interpreter(program: list[Any]) -> Any:
    def orchestrator(context: Any) -> Any:
        seen = []
        for at, step in enumerate(program):
            if step == ("collect",):
                yield from _collect(context)
            else:
                yield _task_of(context, step)
            seen.append(at)
        return seen

    return orchestrator


@settings(max_examples=150, deadline=None)
@given(st.lists(step, min_size=1, max_size=5), st.lists(st.integers(0, 11), max_size=60), st.integers(0, 8))
def test_any_program_that_is_rewound_comes_to_its_end_and_every_replay_agrees(
    program: list[Any], choices: list[int], failures: int
) -> None:
    it = run(interpreter(program))
    it.start("orchestrator")
    left, script = failures, list(choices)
    for _ in range(500):
        if it.turn.status is Status.Completed:
            break
        if it.turn.status is Status.Failed:
            it.rewind()
            continue
        choice = script.pop() if script else 0
        activities = [event for event in it.pending if isinstance(event, TaskScheduled)]
        if choice % 4 == 3:
            it.raise_event("e", choice)
        elif activities:
            chosen = activities[choice % len(activities)]
            it.pending.remove(chosen)
            if left and choice % 3 == 0 and chosen.name == "a":
                left -= 1
                it.fail(chosen.id, NO)
            else:
                it.complete(chosen.id, choice)
        elif it.turn.timers:
            it.wait(min(it.turn.timers.values()) - it.now)
        else:
            it.raise_event("e", choice)
    assert it.output == list(range(len(program)))
    found = standing(it.history)
    decided = list(found.decisions)
    assert decided == list(range(len(decided)))
    answered = [event.task_id for turn in found.turns for event in turn.inputs if isinstance(event, Answer)]
    assert len(set(answered)) == len(answered)
    assert set(answered) <= set(decided)
    shown = [event for turn in found.turns for event in turn.inputs if isinstance(event, EventRaised)]
    assert shown == [event for event in it.history if isinstance(event, EventRaised)], "an event was lost"
