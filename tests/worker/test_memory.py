"""What is in memory: instances that have something to do, and for a while those that had."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.driver import Driver
from azure_durable_py.runtime.event_loop import OrchestrationLoop
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.taskhub.protocol import Header
from azure_durable_py.worker.instance.actor import Actor
from azure_durable_py.worker.instance.instance import Instance
from azure_durable_py.worker.instance.known import Known
from azure_durable_py.worker.instance.sessions import Sessions
from azure_durable_py.worker.intake.delivery import Delivery
from tests.protocol.staging import Routine, Stage, play


def naps(context: Any) -> Routine:
    yield context.create_timer(context.current_utc_datetime + timedelta(hours=10))


def waits(context: Any) -> Routine:
    yield context.wait_for_external_event("go")
    yield context.wait_for_external_event("go")


def ends(context: Any) -> Routine:
    yield context.call_activity("rest", 0.1)


def calls(context: Any) -> Routine:
    yield context.call_sub_orchestrator("waits")


@pytest.mark.parametrize("name", ["naps", "waits", "calls"])
def test_what_waits_leaves_memory_after_the_idle_timeout(name: str) -> None:
    async def scene() -> None:
        stage = Stage(naps, waits, calls)
        cast = await stage.worker("W1", extended_session_idle_timeout=5.0)
        for number in range(20):
            await stage.start(name, f"one-{number}")
        await asyncio.sleep(4.0)
        assert len(cast.worker._actors) >= 20
        await asyncio.sleep(8.0)
        assert not cast.worker._actors

    play(scene)


def test_what_has_finished_leaves_memory_at_once() -> None:
    async def scene() -> None:
        stage = Stage(ends)
        cast = await stage.worker("W1", extended_session_idle_timeout=300.0)
        for number in range(20):
            await stage.start("ends", f"one-{number}")
        for number in range(20):
            await stage.finished(f"one-{number}")
        await stage.quiet()
        assert not cast.worker._actors

    play(scene)


def test_without_extended_sessions_every_turn_replays() -> None:
    runs: list[str] = []

    def counted(context: Any) -> Routine:
        runs.append(context.instance_id)
        for _ in range(2):
            yield context.create_timer(context.current_utc_datetime + timedelta(seconds=3))
        for _ in range(2):
            # Its result is there before the instance has a moment to leave.
            yield context.call_activity("rest", 0.1)

    async def scene(*, kept: bool) -> None:
        stage = Stage(counted)
        await stage.worker("W1", extended_sessions=kept)
        await stage.start("counted", "one")
        await stage.finished("one")

    play(lambda: scene(kept=True))
    assert len(runs) == 1
    runs.clear()
    play(lambda: scene(kept=False))
    assert len(runs) == 5


def test_of_too_many_idle_instances_the_least_recently_used_leaves() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        cast = await stage.worker("W1", extended_session_idle_timeout=3600.0, max_extended_sessions=3)
        for number in range(5):
            await stage.start("waits", f"one-{number}")
            await asyncio.sleep(10.0)
        assert sorted(cast.worker._actors) == ["one-2", "one-3", "one-4"]
        await stage.raise_event("one-2", "go")
        await asyncio.sleep(10.0)
        await stage.start("waits", "one-5")
        await asyncio.sleep(10.0)
        assert sorted(cast.worker._actors) == ["one-2", "one-4", "one-5"]
        for number in range(6):
            await stage.raise_event(f"one-{number}", "go")
            await stage.raise_event(f"one-{number}", "go")
        for number in range(6):
            await stage.finished(f"one-{number}")

    play(scene)


def test_a_session_that_is_busy_again_is_not_ended() -> None:
    class Busy:
        ended = 0

        def end(self) -> None:
            self.ended += 1

    sessions, busy = Sessions(1), Busy()
    sessions.idle(busy)
    sessions.leave(busy)
    sessions.idle(Busy())
    assert busy.ended == 0
    assert len(sessions) == 1


def test_a_thousand_instances_that_sleep_leave_no_object_behind() -> None:
    kinds = (Actor, Instance, Known, Orchestration, Delivery, Header)

    def alive() -> dict[str, int]:
        gc.collect()
        found = Counter(type(each) for each in gc.get_objects())
        frames = sum(inspect.isgenerator(each) and each.gi_code is naps.__code__ for each in gc.get_objects())
        return {**{kind.__name__: found[kind] for kind in kinds}, "naps": frames}

    async def scene() -> None:
        stage = Stage(naps)
        await stage.worker("W1", extended_session_idle_timeout=5.0)
        await stage.start("naps", "first")
        await asyncio.sleep(20.0)
        before = alive()
        for number in range(1_000):
            await stage.start("naps", f"one-{number}")
        await asyncio.sleep(3.0)
        assert alive()["naps"] > 900
        await asyncio.sleep(20.0)
        assert alive() == before

    play(scene)


async def rests_and_fans(context: Any) -> Any:
    await context.call_activity("rest", 1)
    return await context.task_all([context.call_activity("rest", number) for number in range(3)])


async def waits_by_asyncio(context: Any) -> Any:
    return await asyncio.gather(asyncio.wait_for(context.call_activity("rest", 2), 60), asyncio.sleep(1))


async def fails(context: Any) -> None:
    await context.call_activity("rest", 1)
    raise ValueError("no")


async def begins_anew(context: Any) -> None:
    await context.call_activity("rest", 1)
    if context.get_input() < 3:
        context.continue_as_new(context.get_input() + 1)


async def counts(context: Any) -> Any:
    return await context.call_entity(EntityId("tally", "a"), "add", 1)


def tally(context: Any) -> None:
    context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state())


@pytest.mark.parametrize(
    "orchestrator",
    [naps, waits, rests_and_fans, waits_by_asyncio, fails, begins_anew, counts],
    ids=lambda orchestrator: orchestrator.__name__,
)
def test_what_leaves_memory_is_gone_without_the_collector_of_garbage(orchestrator: Any) -> None:
    """So what it held is free at once, and the collector has nothing to look for, however many instances there are."""
    ours = (Actor, Instance, Known, Orchestration, OrchestrationLoop, Driver, DurableOrchestrationContext, Header)

    def alive() -> Counter[str]:
        return Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, ours))

    async def scene() -> None:
        stage = Stage(orchestrator)
        stage.entities = [tally]
        cast = await stage.worker("W1", extended_session_idle_timeout=5.0)
        await asyncio.sleep(1.0)
        gc.collect()
        before = alive()
        await stage.start(orchestrator.__name__, "one", 1, by=cast)
        for _ in range(2 if orchestrator is waits else 0):
            await stage.raise_event("one", "go")
        await stage.finished("one", within=86_400.0)
        await stage.quiet()
        await asyncio.sleep(20.0)
        assert alive() == before

    gc.disable()
    try:
        play(scene)
    finally:
        gc.enable()
