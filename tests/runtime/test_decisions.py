"""Decisions get ids in the order in which they are made, replay must repeat them, and answers find their tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_durable_py.errors import NonDeterminismError, OrchestratorError, TaskFailedError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    ANSWERED,
    Answer,
    Decision,
    EntityLockGranted,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    EntityOperationSignaled,
    Event,
    EventSent,
    OrchestratorStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from azure_durable_py.history.rewinding import RecordedTurn
from azure_durable_py.runtime.decisions import Decisions, Halt
from azure_durable_py.runtime.determinism import same_decision
from azure_durable_py.runtime.tasks import DecisionTask
from tests.generating import KINDS, records
from tests.taskhub.building import T0

UNHURRIED = settings(deadline=None)
LIMIT = 8
Build = Callable[[int], Event]

BUILDS: tuple[Build, ...] = (
    lambda number: TaskScheduled(T0, number, "a", "1"),
    lambda number: TaskScheduled(T0, number, "b", "1"),
    lambda number: TimerCreated(T0, number, T0 + timedelta(seconds=number)),
    lambda number: SubOrchestrationCreated(T0, number, "child", f"child-{number}"),
    lambda number: EventSent(T0, number, "other", "go"),
    lambda number: EntityOperationCalled(T0, number, "@counter@a", "add"),
    lambda number: EntityOperationSignaled(T0, number, "@counter@a", "add"),
)
TURN = st.lists(st.sampled_from(BUILDS), max_size=LIMIT)
TURNS = st.lists(TURN, max_size=4)
FAILURE = FailureDetails("no", "ValueError")


def new(place: str | None = "flow.py:3 in flow") -> Decisions:
    return Decisions(LIMIT, lambda: place)


def task(subject: str = "activity 'a'") -> DecisionTask[Any]:
    return DecisionTask(subject, lambda text: text)


def live(decisions: Decisions, builds: Iterable[Build]) -> list[Event]:
    """A turn that goes on where the history ends."""
    decisions.begin(T0)
    for build in builds:
        decisions.make(build, task())
    return decisions.made()


def replayed(decisions: Decisions, recorded: list[Event], builds: Iterable[Build]) -> None:
    """A turn that the history holds; ended by `Halt` where the code does something else."""
    decisions.begin(T0, RecordedTurn(9, [OrchestratorStarted(T0), *recorded]))
    try:
        for build in builds:
            decisions.make(build, task())
    except Halt:
        pass
    decisions.end(lambda: ("nothing more in this turn", "flow.py:3 in flow"))


@UNHURRIED
@given(TURNS)
def test_ids_count_up_over_turns_and_each_turn_tells_its_own_decisions(turns: list[list[Build]]):
    decisions = new()
    made = [event for turn in turns for event in live(decisions, turn)]
    assert [event.id for event in made] == list(range(sum(map(len, turns))))  # type: ignore[attr-defined]
    assert [decisions.get(number) for number in range(len(made))] == made
    assert decisions.timers == {event.id: event.fire_at for event in made if isinstance(event, TimerCreated)}
    children = [event for event in made if isinstance(event, SubOrchestrationCreated)]
    assert decisions.children == {event.id: event for event in children}
    with pytest.raises(KeyError, match="No decision has the id"):
        decisions.get(len(made))


@UNHURRIED
@given(TURNS)
def test_a_replay_that_does_the_same_comes_to_the_same(turns: list[list[Build]]):
    first, second = new(), new()
    for turn in turns:
        recorded = live(first, turn)
        replayed(second, recorded, turn)
        assert second.made() == recorded
    assert second.error is None
    assert (second.timers, second.children) == (first.timers, first.children)
    assert second.replaying is bool(turns)
    # What is live again begins where the history ends.
    assert live(second, [BUILDS[0]]) == live(first, [BUILDS[0]])
    assert not second.replaying


@UNHURRIED
@given(TURN, TURN, TURN)
def test_a_replay_that_does_anything_else_is_refused_with_the_place_of_the_difference(
    common: list[Build], then: list[Build], now: list[Build]
):
    recorded, made = (common + then)[:LIMIT], (common + now)[:LIMIT]
    events = live(new(), recorded)
    decisions = new()
    replayed(decisions, events, made)
    if recorded == made:
        assert decisions.error is None
        return
    differing = next(
        (at for at, (one, other) in enumerate(zip(recorded, made, strict=False)) if one is not other), None
    )
    differs_at = min(len(recorded), len(made)) if differing is None else differing
    assert isinstance(decisions.error, NonDeterminismError)
    assert f"history event {10 + differs_at}:" in str(decisions.error)
    assert "flow.py:3 in flow" in str(decisions.error)
    with pytest.raises(Halt):
        decisions.make(BUILDS[0])


def test_inputs_and_times_of_the_history_stay_in_force_where_the_code_gives_others():
    recorded: list[Event] = [TaskScheduled(T0, 0, "a", '"old"'), TimerCreated(T0, 1, T0)]
    decisions = new()
    replayed(
        decisions,
        recorded,
        [lambda n: TaskScheduled(T0, n, "a", '"new"'), lambda n: TimerCreated(T0, n, T0 + timedelta(days=1))],
    )
    assert decisions.error is None
    assert decisions.made() == recorded
    assert decisions.timers == {1: T0}


@given(st.sampled_from([kind for kind in KINDS if "id" in kind.__dataclass_fields__]).flatmap(records))
def test_a_decision_is_itself_and_never_another(event: Any):
    assert isinstance(event, Decision)
    assert same_decision(event, replace(event))
    assert not same_decision(event, replace(event, id=event.id ^ 1))


@UNHURRIED
@given(st.lists(st.sampled_from(BUILDS[:2]), max_size=LIMIT), st.permutations(range(LIMIT)))
def test_each_answer_completes_its_task_in_whatever_order_they_come_and_once(builds: list[Build], order: list[int]):
    decisions, tasks = new(), [task() for _ in builds]
    decisions.begin(T0)
    for build, waiting in zip(builds, tasks, strict=True):
        decisions.make(build, waiting)
    for number in [number for number in order if number < len(builds)]:
        assert decisions.task(number) is tasks[number]
        assert decisions.answer(TaskCompleted(T0, number, str(number)))
        assert not decisions.answer(TaskFailed(T0, number, FAILURE))
        assert decisions.task(number) is None
    assert [waiting.result for waiting in tasks] == [str(number) for number in range(len(builds))]
    assert not decisions.timers
    assert not decisions.children


ANSWERS_TO_0: tuple[Any, ...] = (
    TaskCompleted(T0, 0, "1"),
    TaskFailed(T0, 0, FAILURE),
    TimerFired(T0, 0, T0),
    SubOrchestrationCompleted(T0, 0, "1"),
    SubOrchestrationFailed(T0, 0, FAILURE),
    EntityOperationCompleted(T0, 0, "1"),
    EntityOperationFailed(T0, 0, FAILURE),
    EntityLockGranted(T0, 0),
)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("answer", ANSWERS_TO_0, ids=lambda answer: type(answer).__name__)
def test_an_answer_is_expected_by_an_open_task_of_its_kind_only(build: Build, answer: Any):
    decisions = new()
    [decision] = live(decisions, [build])
    assert decisions.expects(answer) is (type(decision) is ANSWERED[type(answer)])
    assert not decisions.expects(replace(answer, task_id=1))
    decisions.answer(answer)
    assert not decisions.expects(answer)


def test_every_kind_of_answer_belongs_to_a_kind_of_decision():
    answers = {kind for kind in KINDS if issubclass(kind, Answer)}
    assert set(ANSWERED) == answers == set(map(type, ANSWERS_TO_0))
    assert all(issubclass(kind, Decision) for kind in ANSWERED.values())


def test_a_failure_is_raised_where_its_task_is_awaited():
    decisions, waiting = new(), task("activity 'a'")
    decisions.begin(T0)
    decisions.make(BUILDS[0], waiting)
    decisions.answer(TaskFailed(T0, 0, FAILURE))
    with pytest.raises(TaskFailedError, match="activity 'a' failed: ValueError: no"):
        waiting.get_result()


def test_a_turn_that_is_taken_back_leaves_no_decision_and_no_task():
    decisions = new()
    live(decisions, BUILDS[:3])
    live(decisions, BUILDS[:4])
    decisions.forget_turn()
    assert decisions.made() == []
    assert [decisions.task(number) is not None for number in range(7)] == [True] * 3 + [False] * 4
    assert (list(decisions.timers), decisions.children) == ([2], {})


def test_a_timer_that_is_cancelled_is_no_longer_open():
    decisions = new()
    decisions.begin(T0)
    timer = decisions.timer(lambda number: TimerCreated(T0, number, T0))
    assert list(decisions.timers) == [0]
    assert timer.cancel()
    assert not decisions.timers
    assert not timer.cancel()


def test_a_turn_that_never_waits_is_ended_at_its_limit_and_a_replay_of_many_steps_is_not():
    decisions = new()
    with pytest.raises(Halt):
        live(decisions, [BUILDS[0]] * (LIMIT + 1))
    assert isinstance(decisions.error, OrchestratorError)
    assert f"more than {LIMIT} steps" in str(decisions.error)
    long = [BUILDS[0]] * (3 * LIMIT)
    again = new()
    replayed(again, [build(number) for number, build in enumerate(long)], long)
    assert again.error is None


def test_nothing_is_decided_once_it_is_closed():
    decisions = new()
    decisions.begin(T0)
    decisions.closed = True
    assert decisions.replaying
    with pytest.raises(Halt):
        decisions.make(BUILDS[0])
    assert decisions.made() == []
