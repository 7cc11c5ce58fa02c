"""Timelines: what an orchestration did and when, and what a rewind made of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.inspection.timeline import Step, StepKind, StepOutcome, Timeline, read_timeline
from azure_durable_py.testing import VirtualHub, play
from tests.inspection.showing import app, calls

Scene = Callable[[VirtualHub], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def fresh_calls() -> None:
    calls.clear()


def on_stage(scene: Scene) -> None:
    play(app, scene)


async def look(hub: VirtualHub, instance_id: str, **options: Any) -> Timeline:
    found = await read_timeline(hub.task_hub, instance_id, **options)
    assert found is not None
    return found


def told(steps: tuple[Step, ...]) -> list[tuple[str, str, str]]:
    return [(step.kind.value, step.name, step.outcome.value) for step in steps]


def seconds(step: Step) -> float:
    assert step.ended is not None
    return round((step.ended - step.began).total_seconds(), 3)


def test_activities_have_their_values_and_their_length():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("wait_long", "x", 2)
        await hub.client.wait_for_completion("x")
        found = await look(hub, "x")
        [step] = found.steps
        assert (step.kind, step.name, step.outcome) == (StepKind.activity, "slow", StepOutcome.completed)
        assert (step.task_id, step.input, step.result, seconds(step)) == (0, "2", '"late"', 120.0)
        assert (found.name, found.runtime_status, found.generation, found.problem) == (
            "wait_long",
            "Completed",
            0,
            None,
        )
        assert found.began <= step.began
        assert step.ended is not None
        assert found.ended is not None
        assert found.ended >= step.ended

    on_stage(scene)


def test_attempts_of_one_call_and_the_pauses_between_them_belong_together():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("try_again", "x", ["a", "bad"])
        await hub.client.wait_for_completion("x")
        found = await look(hub, "x")
        assert found.runtime_status == "Failed"
        assert found.failure is not None
        assert found.failure.is_caused_by(ValueError)
        for key, first in (("a", 0), ("bad", 1)):
            attempts = [step for step in found.steps if step.input == json.dumps(key)]
            assert [step.attempt for step in attempts] == [1, 2, 3]
            assert [step.retry_of for step in attempts] == [None, first, first]
            assert attempts[1].failure is not None
            assert attempts[1].failure.message == f"{key}: no luck in attempt 2"
            pauses = [step for step in found.steps if step.kind is StepKind.retry_delay and step.retry_of == first]
            assert [(step.name, step.attempt, seconds(step)) for step in pauses] == [("flaky", 2, 60), ("flaky", 3, 60)]
        assert [step.outcome.value for step in found.steps if step.attempt == 3 and step.kind is StepKind.activity] == [
            "completed",
            "failed",
        ]

    on_stage(scene)


def test_a_timer_that_was_cancelled_is_not_open():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("approve", "x")
        await hub.client.wait_for_start("x")
        open_one, *_ = (await look(hub, "x")).steps
        assert (open_one.kind, open_one.outcome, open_one.ended) == (StepKind.timer, StepOutcome.open, None)
        assert open_one.due == open_one.began + timedelta(hours=1)
        await hub.client.raise_event("x", "Approval", True)
        await hub.client.wait_for_completion("x")
        assert told((await look(hub, "x")).steps) == [
            ("timer", "timer", "cancelled"),
            ("event", "Approval", "completed"),
        ]

    on_stage(scene)


def test_entities_locks_and_signals_are_steps():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("use_entities", "x", 1)
        await hub.client.wait_for_completion("x")
        steps = (await look(hub, "x")).steps
        assert told(steps) == [
            ("entity_signal", "add", "completed"),
            ("lock", "lock", "completed"),
            ("entity_call", "add", "completed"),
            ("activity", "slow", "completed"),
            ("lock", "release", "completed"),
        ]
        assert {step.target for step in steps} == {"@counter@a", None}
        assert (steps[2].input, steps[2].result) == ("2", "3")

    on_stage(scene)


def test_suspending_resuming_and_terminating_are_told_with_their_reasons():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("ask", "x")
        await hub.client.wait_for_start("x")
        await hub.client.suspend("x", "lunch")
        await hub.at_rest()
        await hub.client.resume("x", "back")
        await hub.at_rest()
        await hub.client.terminate("x", "enough")
        await hub.client.wait_for_completion("x")
        steps = [step for step in (await look(hub, "x")).steps if step.kind is StepKind.control]
        assert [(step.name, step.detail) for step in steps] == [
            ("suspend", "lunch"),
            ("resume", "back"),
            ("terminate", "enough"),
        ]

    on_stage(scene)


def test_what_was_open_at_the_end_is_cancelled():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("wait_long", "x", 60)
        await hub.client.wait_for_start("x")
        await hub.client.terminate("x", "enough")
        await hub.client.wait_for_completion("x")
        found = await look(hub, "x")
        [activity] = [step for step in found.steps if step.kind is StepKind.activity]
        assert (activity.outcome, activity.ended) == (StepOutcome.cancelled, found.ended)

    on_stage(scene)


def test_a_rewind_makes_the_failure_void_and_opens_its_task_again():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("break_down", "x")
        await hub.client.wait_for_completion("x")
        await hub.client.rewind("x", "mended")
        await hub.client.wait_for_completion("x")
        found = await look(hub, "x")
        assert found.runtime_status == "Failed"
        assert told(found.steps) == [
            ("activity", "say", "completed"),
            ("activity", "flaky", "void"),
            ("control", "rewind", "completed"),
            ("activity", "flaky", "failed"),
        ]
        first, second = (step for step in found.steps if step.name == "flaky")
        assert first.task_id == second.task_id == 1
        assert first.failure is not None
        assert second.failure is not None
        assert (first.failure.message, second.failure.message) == (
            "bad: no luck in attempt 1",
            "bad: no luck in attempt 2",
        )
        assert second.began >= found.steps[2].began

    on_stage(scene)


def test_only_the_part_that_was_asked_for_is_given():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "x", [str(number) for number in range(10)])
        await hub.client.wait_for_completion("x")
        found = await look(hub, "x", skip=3, limit=4)
        assert [step.input for step in found.steps] == [f'"{number}"' for number in (3, 4, 5, 6)]
        assert found.left_out == 6

    on_stage(scene)


def test_a_child_names_its_instance():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("parent", "x")
        await hub.client.wait_for_start("x")
        [step] = (await look(hub, "x")).steps
        assert (step.kind, step.name, step.target) == (StepKind.sub_orchestration, "approve", "the-child")

    on_stage(scene)


def test_an_http_call_shows_neither_headers_nor_query():
    from azure_durable_py import DFApp, DurableHttpResponse

    secret = DFApp()

    @secret.orchestration_trigger(context_name="context")
    async def fetch(context: Any) -> Any:
        answer = await context.call_http("GET", "https://example.org/x?sig=hidden", headers={"Authorization": "hidden"})
        return answer.status_code

    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("fetch", "x")
        await hub.client.wait_for_completion("x")
        [step] = (await look(hub, "x")).steps
        assert (step.kind, step.name) == (StepKind.http, "GET https://example.org/x?...")
        assert "hidden" not in str(step)

    play(secret, scene, http=lambda request: DurableHttpResponse(200, {}, "done"))


def test_none_is_none():
    async def scene(hub: VirtualHub) -> None:
        assert await read_timeline(hub.task_hub, "nobody") is None

    on_stage(scene)
