"""`replay="every-turn"`: what an orchestrator does otherwise the second time fails its first run."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.testing import VirtualHub, play, run

Context = df.DurableOrchestrationContext
app = df.DFApp()
chance = itertools.count()
"""What an orchestrator must not ask: it answers otherwise each time."""
calls: list[str] = []


@app.activity_trigger(input_name="word")
def say(word: Any) -> Any:
    calls.append(word)
    return word


@app.orchestration_trigger(context_name="context")
async def another_activity(context: Context) -> Any:
    name = "say" if next(chance) % 2 else "shout"
    return await context.call_activity(name, 1)


@app.orchestration_trigger(context_name="context")
async def another_input(context: Context) -> Any:
    return await context.call_activity(say, next(chance))


@app.orchestration_trigger(context_name="context")
async def another_time(context: Context) -> Any:
    await context.create_timer(context.current_utc_datetime + timedelta(seconds=next(chance) + 1))


@app.orchestration_trigger(context_name="context")
async def another_output(context: Context) -> Any:
    await context.call_activity(say, 1)
    return next(chance)


@app.orchestration_trigger(context_name="context")
async def another_custom_status(context: Context) -> Any:
    context.set_custom_status(next(chance))
    return await context.call_activity(say, 1)


@app.orchestration_trigger(context_name="context")
async def another_failure(context: Context) -> Any:
    await context.call_activity(say, 1)
    raise ValueError(f"try {next(chance)}")


@app.orchestration_trigger(context_name="context")
def another_generation(context: Context) -> Generator[Any, Any, Any]:
    yield context.call_activity(say, 1)
    context.continue_as_new(next(chance))


@app.orchestration_trigger(context_name="context")
async def only_when_live(context: Context) -> Any:
    if not context.is_replaying:
        await context.call_activity(say, 1)


@app.orchestration_trigger(context_name="context")
async def raises_on_replay(context: Context) -> Any:
    if context.is_replaying:
        raise LookupError("gone")
    await context.call_activity(say, 1)


@app.orchestration_trigger(context_name="context")
async def chain(context: Context) -> Any:
    context.create_replay_safe_logger(logging.getLogger("chain")).warning("begun")
    context.set_custom_status("on my way")
    for word in range(5):
        await context.call_activity(say, f"word {word}")
        await context.create_timer(timedelta(days=1))
    return context.random.random() < 2 and str(context.new_uuid())[:0]


DIFFERENT: dict[Callable[..., Any], tuple[str, str]] = {
    another_activity: ("TaskScheduled(id 0) 'shout'", "TaskScheduled(id 0) 'say'"),
    another_input: ("TaskScheduled(id 0) 'say' with input 0", "TaskScheduled(id 0) 'say' with input 1"),
    another_time: ("TimerCreated(id 0) with fire_at 2026-01-01 00:00:01", "TimerCreated(id 0) with fire_at"),
    another_output: ("it returned 0", "it returned 1"),
    another_custom_status: ("custom status 0", "custom status 1"),
    another_failure: ("it ended (ValueError: try 0)", "it ended (ValueError: try 1)"),
    another_generation: ("it continued as new with 0", "it continued as new with 1"),
    only_when_live: ("TaskScheduled(id 0) 'say'", "it returned"),
    raises_on_replay: ("TaskScheduled(id 0) 'say'", "it ended (LookupError: gone)"),
}


@pytest.fixture(autouse=True)
def first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "chance", itertools.count())
    calls.clear()


def _name(function: Any) -> str:
    return str(function.build().get_function_name())


@pytest.mark.parametrize("orchestrator", DIFFERENT, ids=_name)
def test_what_is_done_otherwise_is_told_with_its_place_in_the_first_run(orchestrator: Any) -> None:
    status = run(app, orchestrator, replay="every-turn")
    assert status.runtime_status is Status.Failed
    assert status.failure is not None
    assert status.failure.error_type == "azure_durable_py.errors.NonDeterminismError"
    recorded, made = DIFFERENT[orchestrator]
    message = status.failure.message
    assert f": {recorded}" in message
    assert f"the code did: {made}" in message
    assert f"{Path(__file__).name}:" in message
    assert _name(orchestrator) in message
    assert 'replay="every-turn"' in message
    assert "--strict" in message


def test_nothing_of_a_turn_that_is_not_the_same_again_leaves() -> None:
    run(app, another_input, replay="every-turn")
    assert calls == []


def test_without_it_the_same_code_goes_unnoticed() -> None:
    assert run(app, another_input).output == 0
    assert run(app, another_output).runtime_status is Status.Completed


def test_who_does_the_same_each_time_ends_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        status = run(app, chain, replay="every-turn")
    assert status.runtime_status is Status.Completed, status.failure
    assert status.custom_status == "on my way"
    assert calls == [f"word {number}" for number in range(5)]
    assert [record.message for record in caplog.records] == ["begun"]


def test_an_instance_that_was_found_out_can_be_rewound_and_goes_on_with_better_luck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario(hub: VirtualHub) -> Any:
        instance_id = await hub.client.start_new("another_output")
        failed = await hub.client.wait_for_completion(instance_id)
        assert failed.runtime_status is Status.Failed
        monkeypatch.setitem(globals(), "chance", itertools.repeat(7))
        await hub.client.rewind(instance_id, "mended")
        return (await hub.client.wait_for_completion(instance_id)).output

    assert play(app, scenario, replay="every-turn") == 7
    assert calls == [1]


def test_a_worker_may_be_the_only_one_to_look() -> None:
    async def scenario(hub: VirtualHub) -> Status | None:
        await hub.start_worker(replay="every-turn")
        status = await hub.client.wait_for_completion(await hub.client.start_new("another_input"))
        return status.runtime_status

    assert play(app, scenario, workers=0) is Status.Failed
