"""PROTOCOL R25: runs whose result nobody wants are cancelled, and nothing is lost by that."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.history.events import TaskFailed
from azure_durable_py.taskhub.messages import WorkItem
from azure_durable_py.taskhub.reading import read_history
from azure_durable_py.worker.activities import cancelling
from azure_durable_py.worker.activities.cancelling import LOOK_EVERY, CancellableRun, Fate
from azure_durable_py.worker.intake.delivery import Delivery
from tests.protocol.staging import Cast, Routine, Settled, Stage, play, to

LONG = 3600.0


def rests(context: Any) -> Routine:
    result = yield context.call_activity("rest", context.get_input())
    return result


def muses(context: Any) -> Routine:
    result = yield context.call_activity("muse", context.get_input())
    return result


def muses_anew(context: Any) -> Routine:
    """Muses until it is told to go on as new, to muse for as long as it was told."""
    musing, told = context.call_activity("muse", context.get_input()), context.wait_for_external_event("go")
    winner = yield context.task_any([musing, told])
    if winner is told:
        context.continue_as_new(told.result)
        return None
    return musing.result


def muses_when_told(context: Any) -> Routine:
    """Goes on as new when it is told for how long to muse, and muses."""
    if context.get_input() is None:
        context.continue_as_new((yield context.wait_for_external_event("go")))
        return None
    return (yield context.call_activity("muse", context.get_input()))


async def gives_up_many(context: Any) -> str:
    """Has patience for five seconds with ten at once."""
    musing = [context.call_activity("muse", number) for number in range(10)]
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(context.task_all(musing), 5)
    await asyncio.sleep(100)
    return "gave up"


async def gives_up(context: Any) -> Any:
    """Has patience for five seconds; waits once more if it is told to."""
    musing = context.call_activity("muse", context.get_input())
    try:
        return await asyncio.wait_for(musing, 5)
    except asyncio.TimeoutError:
        pass
    await context.wait_for_external_event("go")
    try:
        return await musing
    except TaskFailedError as error:
        return error.details.message


ABANDONED = "The activity was cancelled: the orchestrator no longer waits for it."


async def _elsewhere(stage: Stage, name: str, seconds: float) -> tuple[Cast, Cast]:
    """Instance "one", which the first worker has decided what by, and the second runs: it came by the queue."""
    first = await stage.worker("W1", max_concurrent_activities=1)
    await stage.start("rests", "keeps W1 busy", LONG, by=first)
    await stage.until(lambda: ("W1", LONG) in stage.runs)
    await stage.start(name, "one", seconds, by=first)
    await stage.waiting("one")
    await asyncio.sleep(1.0)
    second = await stage.worker("W2")
    await stage.until(lambda: ("W2", seconds) in stage.runs)
    return first, second


async def _begun(stage: Stage, name: str, seconds: float, *, here: bool) -> Cast:
    """The worker that has instance "one", whose activity runs there or elsewhere."""
    if not here:
        return (await _elsewhere(stage, name, seconds))[0]
    first = await stage.worker("W1")
    await stage.start(name, "one", seconds, by=first)
    await stage.until(lambda: ("W1", seconds) in stage.runs)
    return first


# --- superseded ---------------------------------------------------------------------------------------------


def test_r25_a_run_of_an_instance_that_was_terminated_is_cancelled_at_once_where_the_instance_is() -> None:
    async def scene() -> None:
        stage = Stage(muses)
        first = await _begun(stage, "muses", LONG, here=True)
        await stage.terminate("one", by=first)
        await stage.finished("one")
        assert stage.cancelled == [("W1", LONG)]
        await stage.quiet()

    play(scene)


def test_r25_a_run_elsewhere_is_cancelled_within_seconds_and_leaves_nothing_behind() -> None:
    async def scene() -> None:
        stage = Stage(rests, muses)
        first, _ = await _elsewhere(stage, "muses", LONG + 1)
        await stage.terminate("one", by=first)
        await stage.until(lambda: bool(stage.cancelled), within=LOOK_EVERY + 2)
        assert stage.cancelled == [("W2", LONG + 1)]
        await stage.quiet_but(1)
        assert not (await stage.store.load("one")).inbox

    play(scene)


def test_r25_a_run_is_cancelled_whose_instance_another_worker_has_terminated() -> None:
    async def scene() -> None:
        stage = Stage(muses)
        first = await _begun(stage, "muses", LONG, here=True)
        # Nobody tells the first worker: what it has in hand is the message that guards the run.
        cue = first.store.hold("receive_messages", lambda queue, *_: queue == stage.store.instance_queue("one"))
        await stage.until(cue.reached.is_set)
        second = await stage.worker("W2")
        await stage.terminate("one", by=second)
        await stage.finished("one")
        await stage.until(lambda: bool(stage.cancelled), within=LOOK_EVERY + 2)
        cue.go.set()
        await stage.quiet()
        assert stage.runs == [("W1", LONG)]

    play(scene)


@pytest.mark.parametrize("here", [True, False], ids=["here", "elsewhere"])
def test_r25_a_run_of_a_generation_that_is_over_is_cancelled_and_the_next_goes_on(here: bool) -> None:
    async def scene() -> None:
        stage = Stage(rests, muses_anew)
        first = await _begun(stage, "muses_anew", LONG + 1, here=here)
        await stage.raise_event("one", "go", 30, by=first)
        assert await stage.finished("one") == 30
        assert [number for _, number in stage.cancelled] == [LONG + 1]

    play(scene)


def test_r25_what_waits_in_the_queue_for_an_instance_that_has_ended_is_not_run() -> None:
    async def scene() -> None:
        stage = Stage(rests, muses)
        first = await stage.worker("W1", max_concurrent_activities=1)
        await stage.start("rests", "keeps W1 busy", 60.0, by=first)
        await stage.start("muses", "one", 7.0, by=first)
        await stage.waiting("one")
        await asyncio.sleep(5.0)
        await stage.terminate("one", by=first)
        await stage.finished("one")
        await stage.quiet()
        assert stage.runs == [("W1", 60.0)]

    play(scene)


def _answered_after(cast: Cast, method: str, instance_id: str) -> tuple[asyncio.Event, asyncio.Event]:
    """The next such call for an instance is answered late. Returns what tells that it was made, and what ends it."""
    made, answered = asyncio.Event(), asyncio.Event()
    call = getattr(cast.hub.store, method)

    async def slow(asked: str) -> Any:
        found = await call(asked)
        if asked == instance_id and not made.is_set():
            made.set()
            await answered.wait()
        return found

    setattr(cast.hub.store, method, slow)
    return made, answered


async def _answered_late() -> tuple[Stage, Any]:
    """A header of the generation before arrives when a run of the next one is under way; what that one comes to."""
    stage = Stage(rests, muses_anew)
    first, second = await _elsewhere(stage, "muses_anew", LONG + 1)
    made, answered = _answered_after(second, "load_header", "one")
    await stage.until(made.is_set)
    await stage.raise_event("one", "go", 30, by=first)
    await stage.until(lambda: ("W2", 30) in stage.runs)
    answered.set()
    return stage, await stage.finished("one", within=120.0)


def test_r25_a_header_that_is_older_than_a_run_says_nothing_of_it() -> None:
    async def scene() -> None:
        stage, found = await _answered_late()
        assert found == 30
        assert stage.runs.count(("W2", 30)) == 1

    play(scene)


def test_r25_a_load_of_the_instance_that_is_answered_late_says_nothing_of_what_came_meanwhile() -> None:
    async def scene() -> None:
        stage = Stage(rests, muses_when_told)
        second = await stage.worker("W2", max_concurrent_activities=1)
        await stage.start("rests", "keeps W2 busy", LONG, by=second)
        await stage.until(lambda: ("W2", LONG) in stage.runs)
        await stage.start("muses_when_told", "one", by=second)
        await stage.waiting("one")
        await stage.quiet_but(1)
        first = await stage.worker("W1")
        made, answered = _answered_after(first, "load", "one")
        second.store.freeze()
        await stage.hub.ring("one", "anything")
        await stage.until(made.is_set)
        # What the first worker is about to see is over: the second goes on as new, and its activity runs at the first.
        second.store.thaw()
        await stage.raise_event("one", "go", 20, by=second)
        await stage.until(lambda: ("W1", 20) in stage.runs)
        answered.set()
        assert await stage.finished("one") == 20
        assert stage.runs.count(("W1", 20)) == 1

    play(scene)


def test_without_regard_to_the_age_of_a_header_a_run_is_cancelled_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ageless(int):
        def __le__(self, other: object) -> bool:
            return True

    begin = CancellableRun.__init__

    def ageless(self: CancellableRun, sender: Any, task_id: int, number: int, *, local: bool) -> None:
        begin(self, sender, task_id, Ageless(number), local=local)

    monkeypatch.setattr(CancellableRun, "__init__", ageless)

    async def scene() -> None:
        with pytest.raises(AssertionError, match="stuck"):
            await _answered_late()

    play(scene)


# --- abandoned ----------------------------------------------------------------------------------------------


async def _abandoned(*, here: bool) -> tuple[Stage, Cast]:
    stage = Stage(rests, gives_up)
    first = await _begun(stage, "gives_up", LONG + 1, here=here)
    await stage.until(lambda: bool(stage.cancelled), within=5 + LOOK_EVERY + 2)
    return stage, first


@pytest.mark.parametrize("here", [True, False], ids=["here", "elsewhere"])
def test_r25_a_run_that_code_no_longer_waits_for_is_cancelled_and_has_failed(here: bool) -> None:
    async def scene() -> None:
        stage, first = await _abandoned(here=here)
        await asyncio.sleep(2.0)
        history = await read_history(stage.store, "one", await stage.state("one"))
        assert [event.failure.message for event in history if isinstance(event, TaskFailed)] == [ABANDONED]
        assert not (await stage.state("one")).abandoned
        await stage.raise_event("one", "go", by=first)
        assert await stage.finished("one") == ABANDONED

    play(scene)


def test_without_the_answer_of_an_abandoned_run_code_that_waits_once_more_waits_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cancelling, "_judge", lambda run, *_: run.cancel(Fate.superseded))

    async def scene() -> None:
        stage, first = await _abandoned(here=True)
        await stage.raise_event("one", "go", by=first)
        with pytest.raises(AssertionError, match="stuck"):
            await stage.finished("one")

    play(scene)


def test_r25_an_abandoned_run_whose_process_died_before_it_could_answer_is_not_begun_again() -> None:
    async def scene() -> None:
        stage = Stage(gives_up)
        first = await _begun(stage, "gives_up", LONG, here=True)
        # The next commit abandons it. The answer is in the one after that.
        await stage.until(lambda: bool(stage.cancelled), within=30.0)
        first.store.freeze()
        second = await stage.worker("W2")
        await stage.raise_event("one", "go", by=second)
        assert await stage.finished("one") == ABANDONED
        assert stage.runs == [("W1", LONG)]
        await stage.quiet()

    play(scene)


def test_r25_what_waits_for_a_slot_here_and_is_abandoned_is_not_run() -> None:
    async def scene() -> None:
        stage = Stage(rests, gives_up_many)
        first = await stage.worker("W1", max_concurrent_activities=1)
        await stage.start("rests", "keeps W1 busy", 60, by=first)
        await stage.until(lambda: ("W1", 60) in stage.runs)
        # As many are on their way to the queue as may be; two wait here.
        for _ in range(8):
            first.store.hold("put_message", lambda queue, *_: queue == stage.store.activity_queue)
        await stage.start("gives_up_many", "one", by=first)
        assert await stage.finished("one") == "gave up"
        assert stage.runs == [("W1", 60)]

    play(scene)


def test_r25_a_work_item_that_guards_something_is_not_deleted() -> None:
    async def scene() -> None:
        stage = Stage(muses)
        first = await _begun(stage, "muses", LONG, here=True)
        [group] = (await stage.state("one")).activities
        settled = {}
        for guard in (group.guard, "another"):
            item = WorkItem(guard, "one", "e", 0, 0, 0, "muse", "1", stage.clock.now())
            settlement = Settled()
            await first.worker._slots._items._leave(item, Delivery(guard, (0, "", 1), settlement, item=True), "it")
            settled[guard] = settlement.how
        assert settled == {group.guard: ["put back for 1.0"], "another": ["deleted"]}

    play(scene)


def test_r25_a_result_that_came_before_the_cancelling_counts() -> None:
    async def scene() -> None:
        stage = Stage(gives_up)
        first = await stage.worker("W1")
        await stage.start("gives_up", "one", 4.0, by=first)
        assert await stage.finished("one") == 4.0
        assert not stage.cancelled

    play(scene)


# --- and whoever else ends a run ------------------------------------------------------------------------------


def test_r25_a_worker_that_stops_lets_go_of_a_run_and_cancels_nothing() -> None:
    async def scene() -> None:
        stage = Stage(rests, muses)
        _, second = await _elsewhere(stage, "muses", 40.0)
        await second.worker.stop(grace=0.0)
        await stage.worker("W3")
        assert await stage.finished("one") == 40.0
        assert stage.runs.count(("W3", 40.0)) == 1

    play(scene)


def test_r25_storage_that_does_not_answer_cancels_nothing() -> None:
    async def scene() -> None:
        stage = Stage(rests, muses)
        _, second = await _elsewhere(stage, "muses", 40.0)
        refused = second.store.refuse("load_header", to("one"), times=2)
        assert await stage.finished("one") == 40.0
        assert refused.reached.is_set()
        assert not stage.cancelled

    play(scene)
