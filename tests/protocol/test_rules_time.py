"""PROTOCOL R16 to R20: time, deletion, size."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from azure_durable_py.clock import Clock
from azure_durable_py.errors import TaskFailedError
from azure_durable_py.history.events import (
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    TaskCompleted,
)
from azure_durable_py.taskhub import handing_over, naming, state
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.messages import Target
from azure_durable_py.taskhub.protocol import BlobRow, Commit, QueueMessage
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.context import TaskResult
from azure_durable_py.worker.instance import header_draft, known, orchestration_draft, steps
from azure_durable_py.worker.instance.commits import Commits
from azure_durable_py.worker.instance.header_draft import HeaderDraft
from azure_durable_py.worker.instance.orchestration_reader import OrchestrationReader
from azure_durable_py.worker.intake.delivery import Delivery
from tests.protocol.staging import EPOCH, Routine, Settled, Stage, commit_of, play


def collects(context: Any) -> Routine:
    found = yield context.task_all([context.wait_for_external_event("item") for _ in range(context.get_input())])
    return found


def waits(context: Any) -> Routine:
    found = yield context.wait_for_external_event("item")
    return found


def calls(context: Any) -> Routine:
    try:
        answer = yield context.call_sub_orchestrator("waits", None, "child")
    except TaskFailedError as error:
        return str(error)
    return answer


def alarm(context: Any) -> Routine:
    begun = context.current_utc_datetime
    yield context.create_timer(begun + timedelta(seconds=100))
    return (context.current_utc_datetime - begun).total_seconds()


def clocks(context: Any) -> Routine:
    times = [context.current_utc_datetime]
    for _ in range(2):
        yield context.wait_for_external_event("item")
        times.append(context.current_utc_datetime)
    return [time.isoformat() for time in times]


# --- R16 -------------------------------------------------------------------------------------------------


def test_r16_a_timer_doorbell_that_comes_early_is_put_anew_until_it_is_due() -> None:
    play(_only_doorbell_is_early)


async def _only_doorbell_is_early() -> None:
    stage = Stage(alarm)
    # Of two workers, the one that is ahead puts the timer's doorbell; the other gets it, and is behind.
    first = await stage.worker("W1", ahead=40.0)
    await stage.start("alarm", "one")
    await stage.waiting("one")
    await stage.until(lambda: first.store.calls["delete_message"] > 0)
    first.store.freeze()
    await stage.worker("W2", ahead=-40.0)
    assert await stage.finished("one") >= 100.0


def test_without_r16_the_timer_never_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    real = HeaderDraft.see_to_timers

    def once(self: HeaderDraft, guard: str | None, in_hand: Any, *, woken: bool) -> None:
        if not woken:
            real(self, guard, in_hand, woken=woken)

    monkeypatch.setattr(HeaderDraft, "see_to_timers", once)
    monkeypatch.setattr(InstanceState, "names", lambda self, guard: self.arming is not None or self.has_sends)
    with pytest.raises(AssertionError, match="one is stuck"):
        play(_only_doorbell_is_early)


@pytest.mark.parametrize(("behind", "load"), [(0.15, 0.3), (0.5, 0.6), (0.5, 0.0), (0.0, 0.3)])
def test_r16_a_timer_that_falls_due_while_a_turn_is_under_way_fires(
    monkeypatch: pytest.MonkeyPatch, behind: float, load: float
) -> None:
    real = OrchestrationReader.load

    async def slow(self: OrchestrationReader, state: InstanceState) -> None:
        await asyncio.sleep(load)
        await real(self, state)

    async def scene() -> None:
        stage = Stage(alarm)
        first = await stage.worker("W1")
        await stage.start("alarm", "one")
        await stage.waiting("one")
        await asyncio.sleep(5.0)
        first.store.freeze()
        await stage.worker("W2", ahead=-behind, max_queue_polling_interval=0.1)
        monkeypatch.setattr(OrchestrationReader, "load", slow)
        assert await stage.finished("one") >= 100.0
        await stage.quiet()

    play(scene)


def short_alarm(context: Any) -> Routine:
    begun = context.current_utc_datetime
    yield context.create_timer(begun + timedelta(seconds=4))
    return (context.current_utc_datetime - begun).total_seconds()


def test_r16_a_doorbell_that_comes_far_too_early_to_the_worker_that_put_it_is_put_anew_and_named_once() -> None:
    async def scene() -> None:
        stage, behind = Stage(short_alarm), [0.0]
        cast = await stage.worker("W1", start=False)

        def now() -> datetime:
            assert cast.store.calls["commit"] < 20, "it commits for ever"
            return stage.clock.now() - timedelta(seconds=behind[0])

        cast.hub.clock = Clock(now)
        # Long enough for the doorbell to come before any commit has named it.
        cast.worker._context.drop_after = 5.0
        await cast.worker.start()
        await stage.start("short_alarm", "one")
        await stage.until(lambda: cast.store.calls["put_message"] > 0)
        behind[0] = 30.0
        assert await stage.finished("one", within=60.0) >= 4.0
        assert cast.store.calls["commit"] < 8
        await stage.quiet()

    play(scene)


def many_timers(context: Any) -> Routine:
    begun = context.current_utc_datetime
    yield context.task_all([context.create_timer(begun + timedelta(seconds=60 + number)) for number in range(100)])
    return (context.current_utc_datetime - begun).total_seconds()


def test_r16_an_instance_has_one_doorbell_for_all_its_timers() -> None:
    async def scene() -> None:
        stage = Stage(many_timers)
        first = await stage.worker("W1")
        await stage.start("many_timers", "one")
        await stage.waiting("one")
        await asyncio.sleep(30.0)
        assert first.store.calls["put_message"] == 1
        assert sum((await stage.store.message_counts()).values()) == 1
        assert await stage.finished("one") >= 159.0
        await stage.quiet()

    play(scene)


def waits_for_nothing(context: Any) -> Routine:
    yield context.create_timer(context.current_utc_datetime - timedelta(seconds=context.get_input()))
    return "went on"


@pytest.mark.parametrize("ago", [0, 60])
def test_r16_a_timer_that_is_due_when_it_is_made_fires(ago: int) -> None:
    async def scene() -> None:
        stage = Stage(waits_for_nothing)
        await stage.worker("W1")
        await stage.start("waits_for_nothing", "one", ago)
        assert await stage.finished("one", within=10.0) == "went on"
        await stage.quiet()

    play(scene)


def test_r16_a_delayed_start_is_not_begun_before_its_time_by_what_it_is_sent() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        await stage.worker("W1")
        await stage.start("waits", "one", start_at=EPOCH + timedelta(seconds=100))
        await stage.raise_event("one", "item", "early")
        await asyncio.sleep(60.0)
        assert (await stage.header("one")).columns.runtime_status == "Pending"
        assert await stage.finished("one", within=60.0) == "early"
        await stage.quiet()

    play(scene)


def two_alarms(context: Any) -> Routine:
    """Two timers, after the seconds given; the second one is made when told to."""
    first, second = context.get_input()
    begun = context.current_utc_datetime
    timers = [context.create_timer(begun + timedelta(seconds=first))]
    yield context.wait_for_external_event("go")
    timers.append(context.create_timer(begun + timedelta(seconds=second)))
    yield context.task_any(timers)
    woken = (context.current_utc_datetime - begun).total_seconds()
    yield context.task_all(timers)
    return [woken, (context.current_utc_datetime - begun).total_seconds()]


def test_r16_a_doorbell_that_comes_too_late_for_a_new_timer_is_not_counted_on() -> None:
    async def scene() -> None:
        stage = Stage(two_alarms)
        await stage.worker("W1")
        await stage.start("two_alarms", "one", [600, 100])
        await stage.waiting("one")
        await asyncio.sleep(10.0)
        await stage.raise_event("one", "go")
        early, late = await stage.finished("one")
        assert 100.0 <= early < 110.0
        assert 600.0 <= late < 610.0
        await stage.quiet()

    play(scene)


def test_r16_a_doorbell_that_was_lost_is_not_counted_on_for_the_next_timer() -> None:
    async def scene() -> None:
        stage = Stage(two_alarms)
        await stage.worker("W1")
        await stage.start("two_alarms", "one", [100, 600])
        await stage.waiting("one")
        await stage.raise_event("one", "go")
        await asyncio.sleep(10.0)
        alarm = (await stage.state("one")).alarm
        assert alarm is not None
        assert alarm.handle is not None
        queue = stage.store.instance_queue("one")
        await stage.store.delete_message(QueueMessage(queue, "", 0, alarm.handle))
        await asyncio.sleep(190.0)
        await stage.hub.ring("one", "anything")
        early, late = await stage.finished("one")
        assert 190.0 <= early < 220.0
        assert 600.0 <= late < 610.0

    play(scene)


def test_r16_a_doorbell_that_is_put_too_late_to_be_needed_does_not_stay() -> None:
    async def scene() -> None:
        stage = Stage(two_alarms)
        first = await stage.worker("W1")
        put = first.store.hold("put_message", lambda queue, body, *_: "timer" in body)
        await stage.start("two_alarms", "one", [600, 100])
        await stage.until(put.reached.is_set)
        await stage.raise_event("one", "go")
        await asyncio.sleep(10.0)
        put.go.set()
        await asyncio.sleep(30.0)
        assert sum((await stage.store.message_counts()).values()) == 1
        early, late = await stage.finished("one")
        assert (int(early), int(late)) == (100, 600)
        await stage.quiet()

    play(scene)


def test_r16_who_dies_before_it_puts_the_doorbell_of_a_timer_leaves_that_to_the_next() -> None:
    async def scene() -> None:
        stage = Stage(alarm)
        first = await stage.worker("W1")
        first.store.hold("put_message", lambda queue, body, *_: "timer" in body)
        await stage.start("alarm", "one")
        await stage.waiting("one")
        await asyncio.sleep(5.0)
        first.store.freeze()
        await stage.worker("W2")
        assert 100.0 <= await stage.finished("one") < 110.0

    play(scene)


def reminded(context: Any) -> Routine:
    """Waits for an event, or for the time given in seconds."""
    timer = context.create_timer(context.current_utc_datetime + timedelta(seconds=context.get_input()))
    answer = context.wait_for_external_event("item")
    winner = yield context.task_any([answer, timer])
    if winner is timer:
        return "late"
    timer.cancel()
    yield context.wait_for_external_event("item")
    return "in time"


def test_r16_a_timer_is_as_long_as_it_needs_to_be() -> None:
    async def scene() -> None:
        stage = Stage(reminded)
        await stage.worker("W1", max_queue_polling_interval=600.0)
        await stage.start("reminded", "one", 40 * 86_400)
        await asyncio.sleep(40 * 86_400 + 3600)
        assert await stage.finished("one") == "late"
        header = await stage.header("one")
        assert header.columns.completed_time is not None
        assert timedelta(0) <= header.columns.completed_time - EPOCH - timedelta(days=40) < timedelta(hours=1)
        await stage.quiet()

    play(scene)


@pytest.mark.parametrize("ending", ["cancelled", "terminated", "cancelled by another worker"])
def test_r16_nothing_is_left_of_a_timer_that_nobody_waits_for(ending: str) -> None:
    async def scene() -> None:
        stage = Stage(reminded)
        first = await stage.worker("W1")
        await stage.start("reminded", "one", 5 * 86_400)
        await stage.waiting("one")
        await asyncio.sleep(20.0)
        assert sum((await stage.store.message_counts()).values()) == 1
        if ending == "cancelled by another worker":
            await first.worker.stop()
            await stage.worker("W2")
        if ending == "terminated":
            target = Target((await stage.header("one")).columns.execution_id)
            stop = ExecutionTerminated(stage.clock.now(), "enough", recurse=False)
            await stage.hub.deliver("one", [stage.message(stop, target, control=True)], "")
        else:
            await stage.raise_event("one", "item")
        await asyncio.sleep(20.0)
        assert not any((await stage.store.message_counts()).values())

    play(scene)


def test_r16_a_suspended_instance_whose_timer_has_fired_rests() -> None:
    async def scene() -> None:
        stage = Stage(alarm)
        first = await stage.worker("W1")
        await stage.start("alarm", "one")
        await stage.waiting("one")
        target = Target((await stage.header("one")).columns.execution_id)
        suspend = stage.message(ExecutionSuspended(stage.clock.now()), target, control=True)
        await stage.hub.deliver("one", [suspend], "")
        await asyncio.sleep(300.0)
        await stage.quiet()
        commits = first.store.calls["commit"]
        await asyncio.sleep(300.0)
        assert first.store.calls["commit"] == commits
        resume = stage.message(ExecutionResumed(stage.clock.now()), target, control=True)
        await stage.hub.deliver("one", [resume], "")
        assert await stage.finished("one") >= 100.0

    play(scene)


def naps_after_work(context: Any) -> Routine:
    yield context.call_activity("rest", 0.1)
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=20))
    return "woke"


def test_r16_a_late_result_does_not_take_a_due_timer_its_doorbell() -> None:
    async def scene() -> None:
        stage = Stage(naps_after_work)
        first = await stage.worker("W1")
        await stage.start("naps_after_work", "one")
        await stage.waiting("one")
        await asyncio.sleep(10.0)
        load = first.store.hold("load", lambda instance_id: instance_id == "one")
        await load.reached.wait()
        # The doorbell is here. The result of an activity that ran a second time arrives, and the worker dies.
        actor = first.worker._actors["one"]
        late = TaskCompleted(stage.clock.now(), 0, "0.1")
        item = Delivery("item", (0, "", 1), Settled())
        actor.finish(TaskResult(actor.sender.target, 0, late, item))
        first.store.hold("commit", commit_of("one"))
        load.go.set()
        await asyncio.sleep(2.0)
        first.store.freeze()
        await stage.worker("W2")
        assert await stage.finished("one") == "woke"

    play(scene)


def test_r16_every_turn_fires_all_timers_that_are_due() -> None:
    async def scene() -> None:
        stage = Stage(alarm)
        first = await stage.worker("W1")
        first.store.refuse("put_message", lambda queue, body, *_: "timer" in body, times=10_000)
        await stage.start("alarm", "one")
        await stage.waiting("one")
        await asyncio.sleep(101.0)
        await stage.hub.ring("one", "anything")
        assert await stage.finished("one", within=30.0) >= 100.0

    play(scene)


async def clock_goes_back() -> None:
    stage = Stage(clocks)
    first = await stage.worker("W1", ahead=3600.0)
    await stage.start("clocks", "one")
    await stage.waiting("one")
    await stage.quiet()
    first.store.freeze()
    last = (await stage.state("one")).turn_time
    await stage.worker("W2")
    for _ in range(2):
        await stage.raise_event("one", "item")
        await asyncio.sleep(10.0)
        assert (await stage.state("one")).turn_time > last, "the turn's time went back"
        last = (await stage.state("one")).turn_time
    times = [datetime.fromisoformat(text) for text in await stage.finished("one")]
    assert times == sorted(times)
    assert times[0] >= EPOCH + timedelta(seconds=3600)


def test_r16_the_time_of_turns_never_goes_back() -> None:
    play(clock_goes_back)


# --- R17 -------------------------------------------------------------------------------------------------


async def dying_child_is_purged() -> None:
    stage = Stage(calls, waits)
    first = await stage.worker("W1")
    await stage.start("calls", "parent")
    await stage.until(lambda: first.store.calls["delete_message"] >= 2)
    await stage.waiting("child")
    # The child is terminated, and its worker dies before it tells the parent; then all messages are lost.
    header = await stage.header("child")
    first.store.last("commit", commit_of("child"))
    stop = ExecutionTerminated(stage.clock.now(), "enough", recurse=False)
    control = stage.message(stop, Target(header.columns.execution_id), control=True)
    await stage.hub.deliver("child", [control], "")
    await stage.finished("child")
    await asyncio.sleep(60.0)
    for message in await stage.store.receive_messages(stage.store.instance_queue("child"), 32, 1.0):
        await stage.store.delete_message(message)
    await stage.worker("W2")
    assert await purge(stage.hub, "child")
    assert "terminated" in await stage.finished("parent")


def test_r17_a_child_that_is_purged_still_tells_its_parent() -> None:
    play(dying_child_is_purged)


def test_without_r17_the_parent_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        return None

    monkeypatch.setattr(handing_over, "hand_over_rest", nothing)
    with pytest.raises(AssertionError, match="parent is stuck"):
        play(dying_child_is_purged)


def test_r17_a_purge_that_died_half_way_is_finished_by_the_next() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        worker = await stage.worker("W1")
        await stage.start("waits", "one", "x" * 30_000)
        await stage.raise_event("one", "item", "y" * 30_000)
        await stage.finished("one")
        await stage.quiet()
        await stage.store.put_blobs("one", [BlobRow(f"30-left-{n}", b"x") for n in range(150)])
        worker.store.last("commit")
        half = asyncio.ensure_future(purge(worker.hub, "one"))
        await asyncio.sleep(30.0)
        half.cancel()
        assert not (await stage.state("one")).tail, "it is marked"
        assert await purge(stage.hub, "one")
        assert await stage.store.load_header("one") is None
        assert not await stage.store.blob_keys("one")
        await stage.start("waits", "one", "again")

    play(scene)


# --- R18 -------------------------------------------------------------------------------------------------


async def staged_rows_of_a_lost_commit() -> None:
    stage = Stage(collects)
    first = await stage.worker("W1")
    await stage.start("collects", "one", 4)
    await stage.waiting("one")
    await stage.quiet()
    # Another worker's commit comes between the staging of rows and the commit that would name them.
    pause = first.store.hold("commit", commit_of("one"))
    for number in range(3):
        await stage.raise_event("one", "item", number)
    await pause.reached.wait()
    header = await stage.header("one")
    await stage.store.commit(Commit("one", header, header.etag))
    pause.go.set()
    await asyncio.sleep(10.0)
    await stage.raise_event("one", "item", 3)
    assert await stage.finished("one") == [0, 1, 2, 3]
    await stage.hub.ring("one")
    await stage.quiet()
    state = await stage.state("one")
    known = {name for page in state.pages for name in naming.chunk_keys(page.key, page.chunks)}
    left = {row.key for row in await stage.store.list_blobs("one", "20-")} - known - set(state.garbage)
    assert not left, f"orphans: {left}"


def _stage_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seal and stage after every turn, as only large turns do."""
    monkeypatch.setattr(orchestration_draft, "SEAL_CHARS", 10)
    monkeypatch.setattr(header_draft, "MAX_COMMIT_BYTES", 0)


def test_r18_rows_staged_for_a_commit_that_lost_go_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    _stage_everything(monkeypatch)
    play(staged_rows_of_a_lost_commit)


def test_without_r18_they_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    _stage_everything(monkeypatch)
    monkeypatch.setattr(Commits, "orphans", lambda *_: [])
    with pytest.raises(AssertionError, match="orphans"):
        play(staged_rows_of_a_lost_commit)


async def staged_rows_of_a_commit_that_landed() -> None:
    stage = Stage(collects)
    first = await stage.worker("W1")
    await stage.start("collects", "one", 4)
    await stage.waiting("one")
    await stage.quiet()
    # It lands, its answer is lost, and another worker commits on top before the first one looks.
    lost = first.store.lose_answer("commit", commit_of("one"))
    await stage.raise_event("one", "item", 0)
    await lost.reached.wait()
    first.store.freeze()
    second = await stage.worker("W2")
    await stage.raise_event("one", "item", 1)
    await asyncio.sleep(5.0)
    second.store.freeze()
    first.store.thaw()
    await asyncio.sleep(5.0)
    await stage.raise_event("one", "item", 2)
    await asyncio.sleep(15.0)
    first.store.freeze()
    await stage.worker("W3")
    await stage.raise_event("one", "item", 3)
    assert await stage.finished("one") == [0, 1, 2, 3]


def test_r18_rows_of_a_commit_that_landed_without_an_answer_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    _stage_everything(monkeypatch)
    play(staged_rows_of_a_commit_that_landed)


def test_without_looking_whether_it_landed_its_history_is_destroyed(monkeypatch: pytest.MonkeyPatch) -> None:
    _stage_everything(monkeypatch)
    monkeypatch.setattr(Commits, "orphans", lambda self, _: [key for keys in self._staged.values() for key in keys])
    with pytest.raises(AssertionError):
        play(staged_rows_of_a_commit_that_landed)


def test_r18_pages_are_named_by_the_turn_that_wrote_them() -> None:
    assert naming.page_key(3, "turn", 0) != naming.page_key(3, "other", 0)
    assert naming.payload_key("turn", 0) != naming.payload_key("other", 0)


# --- R19 -------------------------------------------------------------------------------------------------


def test_r19_a_turn_that_cannot_be_stored_fails_the_instance_and_not_its_doorbell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state, "MAX_BODY_BYTES", 3_000)

    async def scene() -> None:
        stage = Stage(grows_little)
        await stage.worker("W1")
        await stage.start("grows_little", "one")
        assert "a header holds" in await stage.finished("one")
        await stage.quiet()

    play(scene)


def grows_little(context: Any) -> Routine:
    begin = context.current_utc_datetime
    yield context.task_all([context.create_timer(begin + timedelta(days=1, seconds=n * n)) for n in range(1_000)])


# --- R20 -------------------------------------------------------------------------------------------------


def drains(context: Any) -> Routine:
    count = 0
    while count < context.get_input():
        yield context.wait_for_external_event("item")
        count += 1
    return count


def test_r20_a_backlog_is_loaded_once_and_not_at_every_turn() -> None:
    async def scene() -> None:
        stage = Stage(drains)
        await stage.hub.open()
        await stage.start("drains", "one", 900)
        now = stage.clock.now()
        await stage.hub.deliver("one", [stage.message(EventRaised(now, "item", "1")) for _ in range(900)], "")
        first = await stage.worker("W1")
        assert await stage.finished("one") == 900
        assert first.store.calls["load"] <= 3
        assert first.store.calls["commit"] <= 12

    play(scene)


async def constant_stream() -> None:
    stage = Stage(drains)
    first = await stage.worker("W1")
    await stage.start("drains", "one", 100_000)
    await stage.waiting("one")
    await stage.quiet()
    commit = first.hub.store.commit

    async def slow_commit(change: Commit) -> str:
        await asyncio.sleep(6.0)
        return await commit(change)

    first.hub.store.commit = slow_commit
    stream = asyncio.ensure_future(_stream(stage))
    await asyncio.sleep(100.0)
    deleted = first.store.calls["delete_message"]
    await asyncio.sleep(600.0)
    assert not stream.done()
    assert (await stage.store.load("one")).inbox
    assert first.store.calls["delete_message"] > deleted, "the doorbell is held for ever"
    stream.cancel()


async def _stream(stage: Stage) -> None:
    """Events come faster than they can be taken, each with its doorbell."""
    while True:
        await stage.raise_event("one", "item", 1)
        await asyncio.sleep(4.0)


def test_r20_a_constant_stream_does_not_hold_a_doorbell_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "ROWS_PER_TURN", 1)
    play(constant_stream)


def test_without_r20_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "ROWS_PER_TURN", 1)
    monkeypatch.setattr(steps, "horizon", lambda loaded, now: f"1-{now + timedelta(days=1):%Y%m%dT%H%M%S%f}")
    with pytest.raises(AssertionError, match="held for ever"):
        play(constant_stream)
