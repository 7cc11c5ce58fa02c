"""Activity slots and the activities queue: what is taken, in which order, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from azure_durable_py.errors import StorageError, StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.messages import WorkItem
from azure_durable_py.taskhub.protocol import QueueMessage
from tests.protocol.staging import Cast, Routine, Stage, always, play

FOR_LONG = 3600


def rests(context: Any) -> Routine:
    result = yield context.call_activity("rest", context.get_input())
    return result


def rests_at_once(context: Any) -> Routine:
    results = yield context.task_all([context.call_activity("rest", number) for number in context.get_input()])
    return results


def rests_until_told(context: Any) -> Routine:
    rest = context.call_activity("rest", context.get_input())
    yield context.wait_for_external_event("tick")
    result = yield rest
    return result


def passes_much(context: Any) -> Routine:
    # More than goes into a message: it is read before the activity runs, and then is no number.
    yield context.call_activity("rest", "x" * 20_000)


async def _busy(stage: Stage, name: str = "W1", seconds: float = FOR_LONG, **more: Any) -> Cast:
    """A worker whose only slot is taken."""
    cast = await stage.worker(name, max_concurrent_activities=1, **more)
    await stage.start("rests", f"keeps {name} busy", seconds, by=cast)
    await stage.until(lambda: (name, seconds) in stage.runs)
    return cast


async def _received(stage: Stage) -> QueueMessage:
    """The one work item in the queue, in hand for long."""
    while True:
        found = await stage.store.receive_messages(stage.store.activity_queue, 1, float(FOR_LONG))
        if found:
            return found[0]
        await asyncio.sleep(0.1)


def test_it_is_told_when_no_slot_becomes_free_for_long(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stage = Stage(rests)
        cast = await _busy(stage, seconds=300)
        await asyncio.sleep(310)
        await stage.start("rests", "short", 59, by=cast)
        await asyncio.sleep(120)

    with caplog.at_level("INFO", "azure_durable_py.worker"):
        play(scene)
    assert [line for line in caplog.messages if "places" in line] == [
        f"All 1 places for activities are taken, and none has become free for {passed}: those that wait in the queue "
        "are not begun here (maxConcurrentActivityFunctions)."
        for passed in ("1 min", "2 min", "4 min")
    ]


def test_a_worker_takes_no_work_for_which_it_has_no_slot() -> None:
    async def scene() -> None:
        stage = Stage(rests, rests_at_once)
        first = await _busy(stage)
        await stage.start("rests_at_once", "one", [1, 2, 3], by=first)
        await asyncio.sleep(30.0)
        await stage.worker("W2", max_concurrent_activities=3)
        assert await stage.finished("one", within=30.0) == [1, 2, 3]

    play(scene)


def test_no_more_activities_run_at_once_than_there_are_slots() -> None:
    async def scene() -> None:
        stage = Stage(rests_at_once)
        await stage.worker("W1", max_concurrent_activities=2)
        await stage.start("rests_at_once", "one", [100, 101, 102, 103])
        await asyncio.sleep(90.0)
        assert len(stage.runs) == 2

    play(scene)


def test_what_is_in_the_queue_needs_no_other_message_and_keeps_no_doorbell() -> None:
    async def scene() -> None:
        stage = Stage(rests)
        first = await _busy(stage)
        await stage.start("rests", "one", 1, by=first)
        await asyncio.sleep(10.0)
        assert not any(group.guard for group in (await stage.state("one")).activities)
        # The work item, and the doorbell of the activity that runs here.
        assert sum((await stage.store.message_counts()).values()) == 2

    play(scene)


def test_what_was_ready_first_runs_first_even_if_it_waits_here_and_the_other_was_taken_from_the_queue() -> None:
    async def scene() -> None:
        stage = Stage(rests, rests_at_once)
        first = await _busy(stage, seconds=30)
        # As many are on their way to the queue as may be; two wait here.
        for _ in range(8):
            first.store.hold("put_message", lambda queue, *_: queue == stage.store.activity_queue)
        await stage.start("rests_at_once", "early", [1.0 + number / 100 for number in range(10)], by=first)
        await stage.waiting("early")
        await asyncio.sleep(5.0)
        late = WorkItem("late", "early", "x", 0, 0, 99, "rest", "77", stage.clock.now())
        await stage.hub.put(stage.store.activity_queue, late.encode())
        await stage.until(lambda: len(stage.runs) == 4)
        assert [number for _, number in stage.runs] == [30, 1.0, 1.01, 77]

    play(scene)


@pytest.mark.parametrize("began", [True, False], ids=["that it has begun", "that waits for a slot"])
def test_a_worker_that_stops_lets_go_of_work(began: bool) -> None:
    async def scene() -> None:
        stage = Stage(rests)
        first = await stage.worker("W1", max_concurrent_activities=1, activity_visibility_timeout=float(FOR_LONG))
        await stage.start("rests", "keeps W1 busy", 20, by=first)
        await stage.until(lambda: ("W1", 20) in stage.runs)
        await stage.start("rests", "one", 60, by=first)
        message = await _received(stage)
        if began:
            await asyncio.sleep(30.0)
        first.worker._slots.take(message, stage.clock.monotonic())
        await asyncio.sleep(1.0)
        assert (("W1", 60) in stage.runs) is began
        await first.worker.stop(grace=0.0)
        await stage.worker("W2")
        assert await stage.finished("one", within=90.0) == 60

    play(scene)


def test_a_work_item_is_in_the_queue_until_its_result_is_committed() -> None:
    async def scene() -> None:
        stage = Stage(rests, rests_until_told)
        first = await _busy(stage, seconds=20)
        await stage.start("rests_until_told", "one", 5, by=first)
        # The result of the work item comes while another turn is being committed.
        await stage.until(lambda: ("W1", 5) in stage.runs)
        turn = first.store.hold("commit", lambda commit: commit.instance_id == "one" and commit.consumed)
        await stage.raise_event("one", "tick", by=first)
        await stage.until(turn.reached.is_set)
        await asyncio.sleep(10.0)
        dies = first.store.last("delete_message", lambda message: message.queue == stage.store.activity_queue)
        turn.go.set()
        await asyncio.sleep(10.0)
        assert dies.reached.is_set()
        await stage.worker("W2")
        assert await stage.finished("one") == 5

    play(scene)


@pytest.mark.parametrize("error", [StorageRejectedError, StorageUnavailableError])
def test_an_activity_whose_input_cannot_be_read_for_a_while_has_not_failed(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(rests, passes_much)
        first = await _busy(stage, seconds=20)
        refused = first.store.refuse("get_blobs", always, times=20, error=error)
        await stage.start("passes_much", "one", by=first)
        await stage.finished("one", within=3600.0)
        assert refused.reached.is_set()
        assert len(stage.runs) == 2

    play(scene)


def test_an_activity_of_an_instance_that_has_ended_while_it_waited_does_not_run() -> None:
    async def scene() -> None:
        stage = Stage(rests, rests_at_once)
        first = await _busy(stage, seconds=30)
        for _ in range(8):
            first.store.hold("put_message", lambda queue, *_: queue == stage.store.activity_queue)
        await stage.start("rests_at_once", "one", [1.0 + number / 100 for number in range(10)], by=first)
        await stage.waiting("one")
        # As many as may be are on their way to the queue; two wait here.
        await asyncio.sleep(1.0)
        await stage.terminate("one", by=first)
        await stage.finished("one")
        await asyncio.sleep(60.0)
        assert stage.runs == [("W1", 30)]

    play(scene)


def _work_items(cast: Cast) -> list[str]:
    """What a worker puts into the activities queue, from now on."""
    put: list[str] = []
    cast.store.hold("put_message", lambda queue, body, *_: queue == cast.store.activity_queue and put.append(body))
    return put


def test_activities_that_will_have_a_slot_in_no_time_stay_off_the_queue() -> None:
    async def scene() -> None:
        stage = Stage(rests_at_once)
        cast = await stage.worker("W1", max_concurrent_activities=4)
        put = _work_items(cast)
        # 100 a second find a slot.
        await stage.start("rests_at_once", "one", [0.04] * 60, by=cast)
        await stage.finished("one")
        assert len(stage.runs) == 60
        assert not put

    play(scene)


def test_of_more_than_a_second_s_worth_the_newest_go_to_the_queue() -> None:
    async def scene() -> None:
        stage = Stage(rests_at_once)
        cast = await stage.worker("W1", max_concurrent_activities=4)
        put = _work_items(cast)
        await stage.start("rests_at_once", "one", [0.04 + number / 1e6 for number in range(300)], by=cast)
        await stage.finished("one")
        assert 100 <= len(put) <= 250
        assert min(WorkItem.decode(body).task_id for body in put) > 40

    play(scene)


def test_activities_wait_but_a_moment_for_slots_that_do_not_become_free() -> None:
    async def scene() -> None:
        stage = Stage(rests, rests_at_once)
        first = await _busy(stage)
        put = _work_items(first)
        await stage.start("rests_at_once", "one", [1, 2, 3], by=first)
        await stage.until(lambda: len(put) == 3, within=1.0)

    play(scene)


def rests_twice(context: Any) -> Routine:
    yield context.call_activity("rest", 1)
    yield context.call_activity("rest", 30)


def test_an_activity_whose_result_is_known_does_not_run_again_when_its_work_item_comes_back() -> None:
    async def scene() -> None:
        stage = Stage(rests_twice)
        first = await stage.worker("W1")
        await stage.start("rests_twice", "one", by=first)
        await stage.until(lambda: ("W1", 1) in stage.runs)
        first.store.freeze()
        # Begun by a process that died, the first activity goes through the queue; then its work item guards the second.
        second = await stage.worker("W2")
        await stage.until(lambda: ("W2", 30) in stage.runs)
        await asyncio.sleep(5.0)
        second.store.freeze()
        await stage.worker("W3")
        await stage.finished("one")
        await stage.quiet()
        assert [run for run in stage.runs if run[1] == 1] == [("W1", 1), ("W2", 1)]

    play(scene)


def test_an_activity_that_was_put_twice_after_a_crash_does_not_run_when_its_result_is_known() -> None:
    async def scene() -> None:
        stage = Stage(rests_twice)
        first = await stage.worker("W1")
        await stage.start("rests_twice", "one", by=first)
        await stage.until(lambda: ("W1", 30) in stage.runs)
        execution = (await stage.state("one")).execution_id
        for task_id, text in ((0, "1"), (1, "30")):
            again = WorkItem(
                f"again{task_id}", "one", execution, 0, 0, task_id, "rest", text, stage.clock.now(), tries=1
            )
            await stage.hub.put(stage.store.activity_queue, again.encode(), 0.0)
        await stage.finished("one")
        await stage.quiet()
        # The second has no result yet: whoever puts an activity again may be right.
        assert sorted(stage.runs) == [("W1", 1), ("W1", 30), ("W1", 30)]

    play(scene)
