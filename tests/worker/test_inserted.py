"""An instance that the worker's own process has inserted is not read before its first turn, and nothing comes of that
knowledge being old."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from azure_durable_py.taskhub.messages import Cause
from tests.protocol.staging import Routine, Stage, play


def rests(context: Any) -> Routine:
    return (yield context.call_activity("rest", context.get_input()))


def waits(context: Any) -> Routine:
    return (yield context.wait_for_external_event("go"))


def test_an_instance_that_this_process_inserted_is_not_read() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        await stage.start("rests", "one", 1, by=cast)
        assert await stage.finished("one") == 1
        assert cast.store.calls["load"] == 0

    play(scene)


def test_one_that_another_process_inserted_is_read() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        await stage.start("rests", "one", 1)
        assert await stage.finished("one") == 1
        assert cast.store.calls["load"] == 1

    play(scene)


def test_if_another_worker_has_gone_on_with_it_that_is_found_by_the_commit() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        first = await stage.worker("W1")
        # The doorbell reaches the first worker only after the second has run it on a doorbell of its own.
        held = first.store.hold("receive_messages")
        await held.reached.wait()
        await stage.start("rests", "one", 1, by=first)
        second = await stage.worker("W2")
        assert await stage.finished("one") == 1
        await stage.hub.ring("one", "again", Cause.started)
        await second.worker.stop()
        conflicts = first.store.calls["load"]
        held.go.set()
        await stage.quiet()
        assert await stage.finished("one") == 1
        assert stage.runs == [("W2", 1)]
        assert first.store.calls["load"] > conflicts

    play(scene)


def test_an_event_that_came_before_its_first_turn_is_not_overlooked() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        cast = await stage.worker("W1")
        held = cast.store.hold("receive_messages")
        await held.reached.wait()
        await stage.start("waits", "one", by=cast)
        await stage.raise_event("one", "go", "now")
        held.go.set()
        assert await stage.finished("one", within=30.0) == "now"
        await stage.quiet()

    play(scene)


def test_a_delayed_start_is_read_when_it_is_due() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        await stage.start("rests", "one", 1, by=cast, start_at=stage.clock.now() + timedelta(minutes=5))
        assert await stage.finished("one") == 1
        assert cast.store.calls["load"] >= 1

    play(scene)
