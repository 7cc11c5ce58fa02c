"""PROTOCOL I6, and what becomes of results: none is dropped by a header that may be old, none is left behind."""

from __future__ import annotations

import asyncio
from typing import Any

from azure_durable_py.taskhub.clearing import purge
from tests.protocol.staging import Cast, Routine, Stage, play, to


def rests(context: Any) -> Routine:
    result = yield context.call_activity("rest", context.get_input())
    return result


def rests_when_told(context: Any) -> Routine:
    number = yield context.wait_for_external_event("go")
    result = yield context.call_activity("rest", number)
    return result


def rests_at_once(context: Any) -> Routine:
    results = yield context.task_all([context.call_activity("rest", number) for number in context.get_input()])
    return results


async def _busy(stage: Stage, name: str) -> Cast:
    """A worker whose only slot is taken for long: what its turns decide goes to the queue."""
    cast = await stage.worker(name, max_concurrent_activities=1)
    await stage.start("rests", f"keeps {name} busy", 3600)
    await stage.until(lambda: (name, 3600) in stage.runs)
    return cast


def _answer_late(cast: Cast, instance_id: str) -> tuple[asyncio.Event, asyncio.Event]:
    """The next load of an instance is answered late. Returns what tells that it was made, and what lets it end."""
    made, answered = asyncio.Event(), asyncio.Event()
    load = cast.hub.store.load

    async def slow(asked: str) -> Any:
        loaded = await load(asked)
        if asked == instance_id and not made.is_set():
            made.set()
            await answered.wait()
        return loaded

    cast.hub.store.load = slow
    return made, answered


def test_i6_a_result_that_answers_nothing_by_an_old_header_is_kept_for_the_next() -> None:
    async def scene() -> None:
        stage = Stage(rests, rests_when_told)
        second = await _busy(stage, "W2")
        await stage.start("rests_when_told", "one")
        await stage.waiting("one")
        await stage.quiet_but(1)
        first = await stage.worker("W1")
        made, answered = _answer_late(first, "one")
        second.store.freeze()
        await stage.hub.ring("one", "anything")
        await stage.until(made.is_set)
        # What the first worker is about to see is over: the second takes a turn, and its activity runs at the first.
        second.store.thaw()
        await stage.raise_event("one", "go", 1, by=second)
        await stage.until(lambda: ("W1", 1) in stage.runs)
        await asyncio.sleep(3.0)
        answered.set()
        assert await stage.finished("one") == 1
        assert stage.runs.count(("W1", 1)) == 1

    play(scene)


def test_i6_a_result_is_not_dropped_because_an_execution_before_has_ended() -> None:
    async def scene() -> None:
        stage = Stage(rests, rests_when_told)
        second = await _busy(stage, "W2")
        await stage.start("rests_when_told", "one")
        await stage.waiting("one")
        await stage.terminate("one")
        await stage.finished("one")
        await stage.quiet_but(1)
        first = await stage.worker("W1")
        made, answered = _answer_late(first, "one")
        second.store.freeze()
        await stage.hub.ring("one", "anything")
        await stage.until(made.is_set)
        # The first worker is about to see that it has ended, when another takes its place.
        second.store.thaw()
        assert await purge(stage.hub, "one")
        await stage.start("rests", "one", 1, by=second)
        await stage.until(lambda: ("W1", 1) in stage.runs)
        await asyncio.sleep(3.0)
        answered.set()
        assert await stage.finished("one") == 1

    play(scene)


def test_i6_a_result_that_was_never_rung_for_does_not_stay_behind_when_its_instance_has_ended() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        second = await _busy(stage, "W2")
        await stage.start("rests", "one", 30, by=second)
        first = await stage.worker("W1")
        await stage.until(lambda: ("W1", 30) in stage.runs)
        await stage.terminate("one", by=second)
        await stage.finished("one")
        # The worker that ran it dies between inserting the result and ringing.
        dies = first.store.last("insert_inbox", to("one"))
        await stage.until(dies.reached.is_set)
        await asyncio.sleep(1.0)
        assert (await stage.store.load("one")).inbox
        await stage.worker("W3")
        await asyncio.sleep(60.0)
        left = (await stage.store.load("one")).inbox
        # Else the end of the scene waits for what the dead process would do at its end.
        first.store.thaw()
        assert not left
        assert ("W3", 30) not in stage.runs

    play(scene)


def test_results_that_come_soon_after_one_another_share_a_commit() -> None:
    async def scene() -> None:
        stage = Stage(rests_at_once)
        first = await stage.worker("W1", max_concurrent_activities=10)
        await stage.start("rests_at_once", "one", [1.0, 1.1, 1.2, 1.3, 600])
        await stage.until(lambda: len(stage.runs) == 5)
        await asyncio.sleep(5.0)
        assert [list(group.ids) for group in (await stage.state("one")).activities] == [[4]]
        assert first.store.calls["commit"] == 2

    play(scene)


def test_a_result_that_does_not_let_the_function_go_on_is_committed_soon() -> None:
    async def scene() -> None:
        stage = Stage(rests_at_once)
        await stage.worker("W1")
        await stage.start("rests_at_once", "one", [1, 600])
        await stage.until(lambda: len(stage.runs) == 2)
        await asyncio.sleep(3.0)
        assert [list(group.ids) for group in (await stage.state("one")).activities] == [[1]]

    play(scene)
