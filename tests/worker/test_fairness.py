"""Work is served in the order in which it became ready, wherever it waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance import dispatcher
from azure_durable_py.worker.instance.claims import entries_of
from tests.protocol.staging import Routine, Stage, play


def three_rests(context: Any) -> Routine:
    for _ in range(3):
        yield context.call_activity("rest", 1.0)
    return "done"


def many_rests(context: Any) -> Routine:
    yield context.task_all([context.call_activity("rest", 1.0) for _ in range(context.get_input())])


def three_short_rests(context: Any) -> Routine:
    for _ in range(3):
        yield context.call_activity("rest", 0.1)
    return "done"


async def latencies(slots: int, at_once: int, in_all: int) -> list[float]:
    """How long each of many instances took, while always so many were under way."""
    stage = Stage(three_short_rests)
    cast = await stage.worker("W1", max_concurrent_activities=slots, max_concurrent_orchestrators=50)
    # Less can be put into the queue in a second than is decided.
    cast.store.seconds["put_message"] = 0.25
    took: list[float] = []
    numbers = iter(range(in_all))

    async def keep_one_under_way() -> None:
        for number in numbers:
            begun = stage.clock.monotonic()
            await stage.start("three_short_rests", f"one-{number}")
            while (await stage.header(f"one-{number}")).columns.completed_time is None:
                await asyncio.sleep(0.5)
            took.append(stage.clock.monotonic() - begun)

    await asyncio.gather(*(keep_one_under_way() for _ in range(at_once)))
    return sorted(took)


def test_under_a_load_above_the_slots_none_waits_much_longer_than_the_others() -> None:
    async def scene() -> None:
        took = await latencies(slots=10, at_once=100, in_all=600)
        median, late = took[len(took) // 2], took[int(len(took) * 0.99)]
        assert late <= 2 * median, f"p50 {median:.1f} s, p99 {late:.1f} s, longest {took[-1]:.1f} s"
        assert took[-1] <= 2 * median, f"p50 {median:.1f} s, longest {took[-1]:.1f} s"

    play(scene)


def test_a_flood_of_one_instance_does_not_hold_up_what_was_ready_before_it() -> None:
    async def scene() -> None:
        stage = Stage(three_rests, many_rests)
        await stage.worker("W1", max_concurrent_activities=4)
        await stage.start("many_rests", "flood", 200)
        await stage.start("three_rests", "small")
        # Each of its three activities waits behind what was ready then, and not behind what came later.
        await stage.start("many_rests", "later", 400)
        begun = stage.clock.monotonic()
        await stage.finished("small", within=600.0)
        assert stage.clock.monotonic() - begun <= 200 / 4 + 400 / 4 + 10

    play(scene)


def test_a_flood_of_events_to_one_instance_does_not_hold_up_another() -> None:
    def collects(context: Any) -> Routine:
        items = yield context.task_all([context.wait_for_external_event("item") for _ in range(2000)])
        return len(items)

    async def scene() -> None:
        stage = Stage(collects, three_rests)
        await stage.worker("W1")
        await stage.start("collects", "flooded")
        await stage.waiting("flooded")
        for number in range(2000):
            await stage.raise_event("flooded", "item", number)
        begun = stage.clock.monotonic()
        await stage.start("three_rests", "other")
        await stage.finished("other", within=60.0)
        assert stage.clock.monotonic() - begun <= 10.0
        assert await stage.finished("flooded") == 2000

    play(scene)


def test_what_is_put_into_the_queue_is_not_looked_for_among_all_that_is_open_each_time() -> None:
    async def looks(width: int) -> int:
        """How many outbox entries are looked at for a fan-out that goes through the queue."""
        stage = Stage(many_rests)
        cast = await stage.worker("W1", max_concurrent_activities=50)
        cast.store.seconds["put_message"] = 0.05
        await stage.start("many_rests", "one", width)
        seen = 0

        def counted(state: InstanceState) -> Iterator[tuple[str, int]]:
            nonlocal seen
            for entry in entries_of(state):
                seen += 1
                yield entry

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(dispatcher, "entries_of", counted)
            await stage.finished("one")
        return seen

    async def scene() -> None:
        # Each commit looks at all that is open, some times; nothing does at each put in between.
        assert await looks(400) < 20 * 400

    play(scene)
