"""A worker takes no more messages than it can see to soon: what is left in the queue is for others."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from azure_durable_py.history.events import OperationArrived
from tests.protocol.staging import Routine, Stage, play


def rests(context: Any) -> Routine:
    yield context.call_activity("rest", 0.0)


def test_what_a_worker_cannot_see_to_soon_is_left_to_others() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        await stage.hub.open()
        for number in range(150):
            await stage.start("rests", f"one-{number}")
        first = await stage.worker("W1", max_concurrent_orchestrators=2)
        first.store.seconds["commit"] = 1.0
        await stage.until(lambda: len(stage.runs) >= 30)
        # For each turn that it may take at once, two instances wait for theirs; and some wait for their activities.
        [queue] = stage.store.instance_queues
        left = [await stage.store.receive_messages(queue, 32, 5.0) for _ in range(4)]
        assert sum(map(len, left)) >= 100
        second = await stage.worker("W2", max_concurrent_orchestrators=2)
        second.store.seconds["commit"] = 1.0
        for number in range(150):
            await stage.finished(f"one-{number}", within=600.0)
        shares = Counter(worker for worker, _ in stage.runs)
        assert sum(shares.values()) == 150
        assert shares["W2"] >= 45

    play(scene)


def test_orchestrations_do_not_wait_for_slow_entities() -> None:
    async def slow(context: Any) -> None:
        await asyncio.sleep(300.0)

    async def scene() -> None:
        stage = Stage(rests)
        stage.entities.append(slow)
        cast = await stage.worker("W1", max_concurrent_entities=1, max_concurrent_orchestrators=1)
        for number in range(50):
            signal = stage.message(OperationArrived(stage.clock.now(), "do", None))
            await cast.hub.deliver(f"@slow@{number}", [signal], "")
        await stage.start("rests", "one", by=cast)
        begun = stage.clock.monotonic()
        await stage.finished("one")
        assert stage.clock.monotonic() - begun < 10.0

    play(scene)


def test_what_a_worker_must_not_run_leaves_room_for_what_it_may() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        await stage.hub.open()
        for number in range(60):
            await stage.start("rests", f"newer-{number}", version="2.0")
        await stage.start("rests", "one", version="1.0")
        await stage.worker("W1", max_concurrent_orchestrators=1, default_version="1.0", version_match_strategy="Strict")
        await stage.finished("one", within=60.0)

    play(scene)
