"""Replay: of recorded histories, of any prefix of them, and of random runs."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_event, encode_event, event_from_json
from azure_durable_py.history.events import (
    ContinuedAsNew,
    Decision,
    Event,
    ExecutionCompleted,
    ExecutionRewound,
    OrchestratorStarted,
    TaskCompleted,
    TaskFailed,
)
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from tests.runtime.harness import CONVERTER, START, Run, registry_of
from tests.runtime.record_golden import GOLDEN, record, without_traces
from tests.runtime.samples import SAMPLES, registry

REGISTRY = registry()


def golden(name: str) -> list[list[Event]]:
    generations = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return [[event_from_json(event) for event in generation] for generation in generations]


def load(history: list[Event], generation: int) -> Orchestration:
    return Orchestration("instance", "execution", REGISTRY, Settings(), CONVERTER, history, generation=generation)


def turns_of(history: list[Event]) -> list[list[Event]]:
    turns: list[list[Event]] = []
    for event in history:
        if isinstance(event, OrchestratorStarted):
            turns.append([])
        turns[-1].append(event)
    return turns


def inputs_of(turn: list[Event]) -> list[Event]:
    return [event for event in turn[1:] if not isinstance(event, Decision | ExecutionCompleted | ContinuedAsNew)]


@pytest.mark.parametrize("name", SAMPLES)
def test_every_prefix_of_a_golden_history_leads_to_the_next_recorded_turn(name: str) -> None:
    for generation, history in enumerate(golden(name)):
        turns = turns_of(history)
        for at, turn in enumerate(turns):
            if isinstance(turn[-1], ExecutionRewound):
                continue  # No function takes it.
            before = [event for earlier in turns[:at] for event in earlier]
            orchestration = load(before, generation)
            with without_traces():
                made = orchestration.advance(inputs_of(turn), turn[0].timestamp)
            orchestration.close()
            assert made.events == tuple(turn)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_golden_history_ends_as_it_did(name: str) -> None:
    *_, last = enumerate(golden(name))
    orchestration = load(last[1], last[0])
    assert orchestration.status is OrchestrationRuntimeStatus.Completed
    turn = orchestration.advance((), START)
    assert CONVERTER.deserialize(turn.output or "") == SAMPLES[name].output


@pytest.mark.parametrize("name", SAMPLES)
def test_the_samples_still_make_the_histories_that_were_recorded(name: str) -> None:
    made = [[type(event) for event in generation] for generation in record(name)]
    assert made == [[type(event) for event in generation] for generation in golden(name)]


def test_every_golden_file_has_its_sample() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
def test_events_round_trip_through_their_encoding(name: str) -> None:
    for generation in golden(name):
        assert [decode_event(encode_event(event)) for event in generation] == generation


# --- random programs -------------------------------------------------------------------------------

step = st.deferred(
    lambda: st.one_of(
        st.just(("activity",)),
        st.just(("timer",)),
        st.just(("event",)),
        st.just(("signal",)),
        st.tuples(st.sampled_from(["all", "any"]), st.lists(step, min_size=1, max_size=3)),
    )
)
programs = st.lists(step, min_size=1, max_size=5)


def interpreter(program: list[Any]):
    """An orchestrator that awaits the program's steps one after the other and notes what it saw."""

    def task_of(context, step):
        match step:
            case ("activity",):
                return context.call_activity("a")
            case ("timer",):
                return context.create_timer(timedelta(seconds=1))
            case ("event",):
                return context.wait_for_external_event("e")
            case ("signal",):
                return context.send_event("other", "e")
            case ("all", steps):
                return context.task_all([task_of(context, inner) for inner in steps])
            case ("any", steps):
                return context.task_any([task_of(context, inner) for inner in steps])

    def orchestrator(context):
        seen = []
        for step in program:
            try:
                result = yield task_of(context, step)
                seen.append([step[0], context.new_uuid(), result if step[0] in ("activity", "event") else None])
            except Exception as error:  # noqa: BLE001 - what users write
                seen.append(str(error))
        return seen

    return orchestrator


@settings(max_examples=60, deadline=None)
@given(programs, st.lists(st.integers(0, 5), max_size=40))
def test_a_live_run_and_a_cold_one_agree_at_every_step(program: list[Any], choices: list[int]) -> None:
    run = Run(registry_of(interpreter(program)))
    run.start("orchestrator")
    for choice in choices:
        if run.live.is_finished:
            break
        answer_something(run, choice)
    assert run.turn.status in (OrchestrationRuntimeStatus.Running, OrchestrationRuntimeStatus.Completed)


def answer_something(run: Run, choice: int) -> None:
    """Drive the run one step: `choice` picks what happens (the harness compares live and cold)."""
    activities = [task for task in range(len(run.decisions)) if run.live.is_open(task) and task not in run.turn.timers]
    if choice == 0:
        run.raise_event("e", choice)
    elif choice == 1 and run.turn.timers:
        run.wait(timedelta(seconds=1))
    elif choice == 2 and activities:
        run.fail(activities[0], ValueError("x"))
    elif choice == 3 and len(activities) > 1:
        run.advance(
            TaskFailed(run.now, activities[1], FailureDetails("m", "E")), TaskCompleted(run.now, activities[0], "1")
        )
    elif activities:
        run.complete(activities[-1], choice)


@settings(max_examples=60, deadline=None)
@given(programs, st.data())
def test_decided_by_tells_exactly_whether_completions_set_code_free(program: list[Any], data: st.DataObject) -> None:
    run = Run(registry_of(interpreter(program)), check_cold=False)
    run.start("orchestrator")
    while not run.live.is_finished:
        open_tasks = [task for task in range(len(run.decisions)) if run.live.is_open(task)]
        if not open_tasks:
            break
        chosen = data.draw(st.lists(st.sampled_from(open_tasks), unique=True, min_size=1))
        expected = run.live.decided_by(chosen)
        seen_before = len(run.decisions)
        awaited_before = awaited(run)
        run.advance(*(answer(run, task) for task in chosen))
        went_on = run.live.is_finished or len(run.decisions) > seen_before or awaited(run) is not awaited_before
        assert went_on == expected


def awaited(run: Run) -> object:
    driver = run.live._driver
    return driver.awaiting if driver is not None else None


def answer(run: Run, task: int) -> Event:
    from azure_durable_py.history.events import TimerFired

    if task in run.turn.timers:
        return TimerFired(run.now, task, run.turn.timers[task])
    return TaskCompleted(run.now, task, "1")


def test_replay_of_10_000_events_is_fast() -> None:
    import time

    def orchestrator(context):
        for number in range(4000):
            yield context.call_activity("a", number)

    run = Run(registry_of(orchestrator), check_cold=False)
    run.start("orchestrator")
    for number in range(3500):
        run.complete(number)
    assert len(run.history) > 10_000
    begun = time.process_time()
    run.load(run.history).close()
    # 0.15 s on the machine this was written on; the bound only catches a change of order.
    assert time.process_time() - begun < 3
