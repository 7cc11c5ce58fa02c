"""No task of a worker ends unseen: what fails in a way that nobody foresaw is told, and goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from azure_durable_py.testing.virtual.time import run_virtual
from azure_durable_py.worker.instance import mailroom
from azure_durable_py.worker.instance.actor import Actor
from azure_durable_py.worker.instance.orchestration_reader import OrchestrationReader
from azure_durable_py.worker.supervision import LONGEST_PAUSE, SETTLED_AFTER
from azure_durable_py.worker.taskset import TaskSet
from tests.protocol.staging import Cast, Cue, Matches, Routine, Stage, always, play


class UnforeseenError(Exception):
    """What no code expects."""


@pytest.fixture(autouse=True)
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)


def break_down(cast: Cast, method: str, matches: Matches = always, *, times: int = 1) -> Cue:
    """The next such calls of a worker's store fail in a way that no store is allowed to."""

    async def fail(cue: Cue, real: Callable[[], Awaitable[Any]]) -> None:
        raise UnforeseenError(f"{method} broke down")

    return cast.store._add(method, matches, fail, times)


def told_with_stack(caplog: pytest.LogCaptureFixture) -> list[str]:
    records = [record for record in caplog.records if record.exc_info and record.exc_info[0] is UnforeseenError]
    return [record.getMessage() for record in records]


def rests(context: Any) -> Routine:
    result = yield context.call_activity("rest", context.get_input())
    return result


def sends(context: Any) -> Routine:
    yield context.send_event("target", "item", 5)
    yield context.wait_for_external_event("never")


def hears(context: Any) -> Routine:
    item = yield context.wait_for_external_event("item")
    return item


# --- what must run for as long as the worker does --------------------------------------------------------


@pytest.mark.parametrize("name", ["doorbells 1", "work items"])
def test_a_pump_that_fails_is_told_of_and_starts_again(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1", start=False)
        queue = stage.store.activity_queue if name == "work items" else stage.store.instance_queues[0]
        break_down(cast, "receive_messages", lambda which, *_: which == queue, times=3)
        health = cast.worker.health
        await cast.worker.start()
        await stage.until(lambda: health.tasks[name].restarts == 1)
        assert not health.is_healthy
        assert health.tasks[name].is_failing
        assert health.tasks[name].last_error == "UnforeseenError: receive_messages broke down"
        failing_since = health.tasks[name].since
        await stage.start("rests", "one", 1)
        assert await stage.finished("one") == 1
        await stage.until(lambda: health.tasks[name].restarts == 3)
        # It runs again, but who knows for how long.
        await asyncio.sleep(20.0)
        assert not health.is_healthy
        await stage.until(lambda: health.is_healthy)
        assert health.tasks[name].restarts == 3
        assert health.tasks[name].since - failing_since > SETTLED_AFTER

    play(scene)
    assert len(told_with_stack(caplog)) == 3


def test_pauses_between_starts_grow_and_are_bounded() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1", start=False)
        break_down(cast, "receive_messages", times=10**9)
        await cast.worker.start()
        await asyncio.sleep(3600.0)
        for name in ("doorbells 1", "work items"):
            assert 3600 / LONGEST_PAUSE < cast.worker.health.tasks[name].restarts < 1.5 * 3600 / LONGEST_PAUSE

    play(scene)


def test_a_hold_whose_renewal_fails_is_renewed_later(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        break_down(cast, "extend_message")
        await stage.start("rests", "one", 60)
        await stage.start("rests", "two", 60)
        assert [await stage.finished("one"), await stage.finished("two")] == [60, 60]
        # Nobody else could have had them.
        assert len(stage.runs) == 2

    play(scene)
    assert len(told_with_stack(caplog)) == 1


def test_a_renewal_that_hangs_keeps_no_other_from_being_renewed() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        await stage.start("rests", "one", 100)
        await stage.start("rests", "two", 100)
        await stage.until(lambda: len(stage.runs) == 2)
        hanging = cast.store.hold("extend_message")
        await hanging.reached.wait()
        other = await stage.worker("W2")
        await asyncio.sleep(60.0)
        # One message became visible meanwhile, and W2 has it; the other is still held.
        assert other.store.calls["load"] == 1
        hanging.go.set()
        assert [await stage.finished("one"), await stage.finished("two")] == [100, 100]

    play(scene)


def test_a_scan_for_life_that_fails_does_not_make_the_worker_unhealthy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def breaks(*_: Any, **__: Any) -> int:
        raise UnforeseenError("no scan")

    monkeypatch.setattr("azure_durable_py.worker.caretaker.ring_lifeless", breaks)

    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1", start=False)
        cast.worker._repairs = True
        await cast.worker.start()
        await asyncio.sleep(10.0)
        assert cast.worker.health.tasks["repair"].is_failing
        assert cast.worker.health.is_healthy

    play(scene)
    assert told_with_stack(caplog)


# --- one message, one instance, one task -----------------------------------------------------------------


@pytest.mark.parametrize("body", ['{"instanceId":"@","id":"x"}', '{"instanceId":"x","id":"y","again":1e999}'])
def test_a_doorbell_that_cannot_be_taken_is_set_aside_and_stops_no_other(body: str) -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        queue = stage.store.instance_queues[0]
        await stage.store.put_message(queue, body)
        await stage.start("rests", "one", 1)
        assert await stage.finished("one") == 1
        await stage.quiet()
        assert not cast.worker._holder._held
        [message] = await stage.store.receive_messages(f"{queue}-poison", 32, 1.0)
        assert message.body == body
        assert cast.worker.health.is_healthy

    play(scene)


def test_an_instance_whose_actor_fails_is_served_by_another(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times = 2

    async def load(self: OrchestrationReader, state: Any) -> None:
        nonlocal times
        if times:
            times -= 1
            raise UnforeseenError("it cannot be loaded")
        await real_load(self, state)

    async def defer(self: Actor) -> None:
        raise UnforeseenError("nor can it be put off")

    real_load = OrchestrationReader.load
    monkeypatch.setattr(OrchestrationReader, "load", load)
    monkeypatch.setattr(Actor, "_defer", defer)

    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        begun = stage.clock.monotonic()
        await stage.start("rests", "one", 1)
        assert await stage.finished("one") == 1
        # Put back for one second, then for two.
        assert stage.clock.monotonic() - begun > 3.0
        assert cast.worker.health.tasks["instances"].restarts == 2
        assert cast.worker.health.is_healthy
        await stage.quiet()

    play(scene)
    assert sum("'one' are put back" in line for line in told_with_stack(caplog)) == 2


def test_what_could_not_be_sent_for_an_unforeseen_reason_is_sent_by_another_actor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times = 1

    async def hand_over(*args: Any) -> None:
        nonlocal times
        if times:
            times -= 1
            raise UnforeseenError("it cannot be sent")
        await real(*args)

    real = mailroom.hand_over
    monkeypatch.setattr(mailroom, "hand_over", hand_over)

    async def scene() -> None:
        stage = Stage(sends, hears)
        await stage.worker("W1")
        await stage.start("hears", "target")
        await stage.waiting("target")
        await stage.start("sends", "one")
        assert await stage.finished("target") == 5

    play(scene)
    assert told_with_stack(caplog)


def test_an_activity_that_cannot_be_run_for_an_unforeseen_reason_is_run_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    times = 2

    async def read(*args: Any) -> Any:
        nonlocal times
        if times:
            times -= 1
            raise UnforeseenError("its input cannot be read")
        return await real(*args)

    from azure_durable_py.worker.activities.local_runs import LocalRuns

    real = LocalRuns._read
    monkeypatch.setattr(LocalRuns, "_read", read)

    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        await stage.start("rests", "one", 1)
        assert await stage.finished("one") == 1
        assert cast.worker.health.tasks["activities"].restarts == 2
        await stage.quiet()

    play(scene)
    assert len(told_with_stack(caplog)) == 2


def test_a_settlement_that_fails_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await stage.worker("W1")
        break_down(cast, "delete_message")
        await stage.start("rests", "one", 1)
        assert await stage.finished("one") == 1
        # The message comes again, and is deleted then.
        await stage.quiet()
        assert cast.worker.health.tasks["settlements"].restarts == 1

    play(scene)
    assert len(told_with_stack(caplog)) == 1


def test_a_task_that_nobody_ended_and_that_ends_as_cancelled_has_failed() -> None:
    told: list[tuple[str, type[BaseException]]] = []

    async def cancels_itself() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        tasks = TaskSet(on_failure=lambda name, error: told.append((name, type(error))))
        tasks.start(cancels_itself(), "odd")
        tasks.start(asyncio.sleep(100.0), "ended")
        await asyncio.sleep(1.0)
        await tasks.cancel()

    run_virtual(main())
    assert told == [("odd", asyncio.CancelledError)]
