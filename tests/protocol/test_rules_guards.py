"""PROTOCOL R1 to R8: what guards unfinished work, and who may delete it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.ids import EntityId
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.messages import Doorbell
from azure_durable_py.taskhub.protocol import MAX_COMMIT_ROWS, Columns, Commit, Header, Kind
from azure_durable_py.taskhub.state import InstanceState, Mark
from azure_durable_py.worker.activities.work_items import WorkItems
from azure_durable_py.worker.instance.dispatcher import Dispatcher
from azure_durable_py.worker.instance.guards import Guards
from azure_durable_py.worker.instance.header_draft import HeaderDraft
from azure_durable_py.worker.instance.instance import Instance
from azure_durable_py.worker.instance.orchestration_draft import OrchestrationUpkeep
from azure_durable_py.worker.instance.steps import Steps
from azure_durable_py.worker.intake.delivery import Delivery
from azure_durable_py.worker.lifeless import ring_lifeless
from azure_durable_py.worker.taskset import TaskSet
from tests.protocol.staging import EPOCH, Routine, Settled, Stage, commit_of, play, to


def two_rests(context: Any) -> Routine:
    first = yield context.call_activity("rest", 1)
    second = yield context.call_activity("rest", 2)
    return first + second


def one_rest(context: Any) -> Routine:
    result = yield context.call_activity("rest", context.get_input())
    return result


def collects(context: Any) -> Routine:
    found = yield context.task_all([context.wait_for_external_event("item") for _ in range(context.get_input())])
    return found


def tells(context: Any) -> Routine:
    """Tells `to` something at once and at each event "go", and ends with the event "end"."""
    told = context.get_input()
    for number, target in enumerate(told):
        context.send_event(target, "item", number)
        yield context.wait_for_external_event("go")
    return len(told)


def tells_many(context: Any) -> Routine:
    for number in range(60):
        context.send_event(f"nobody-{number}", "item", number)
    yield context.wait_for_external_event("go")
    yield context.wait_for_external_event("go")


# --- R1 --------------------------------------------------------------------------------------------------


async def stalled_worker_names_a_guard_of_another() -> None:
    stage = Stage(two_rests, one_rest)
    second = await stage.worker("W2", max_concurrent_activities=1, instance_visibility_timeout=3600.0)
    await stage.start("one_rest", "busy", 300)
    await stage.until(lambda: ("W2", 300) in stage.runs)
    second.store.freeze()
    first = await stage.worker("W1")
    await stage.start("two_rests", "one")
    await stage.until(lambda: ("W1", 1) in stage.runs)
    pause = first.store.hold("commit", commit_of("one"))
    # The result of the first activity is about to be committed, when the worker stalls.
    await pause.reached.wait()
    first.store.freeze()
    # The other gets the doorbell again, and has no slot: what it guards goes to the queue, and it is deleted.
    second.store.thaw()
    await stage.until(lambda: second.store.calls["delete_message"] > 0, within=60.0)
    # The stalled commit arrives; it is the last thing that its worker did.
    pause.go.set()
    assert await stage.finished("one") == 3


def test_r1_a_stalled_worker_cannot_name_a_guard_that_another_has_fenced() -> None:
    play(stalled_worker_names_a_guard_of_another)


def _delivery(rank: tuple[int, str, int], settlement: Any) -> Delivery:
    return Delivery("D", rank, settlement)


@pytest.mark.parametrize(
    ("older", "newer"),
    [((0, "", 1), (0, "", 2)), ((0, "", 9), (1, "a", 1)), ((1, "a", 1), (1, "b", 1))],
    ids=["delivered again", "put back", "put back twice at once"],
)
def test_r1_the_older_of_two_deliveries_is_deleted_and_neither_released(older: Any, newer: Any) -> None:
    async def scene() -> None:
        for first, second in ((older, newer), (newer, older)):
            settling = TaskSet()
            guards = Guards(settling)
            told = {rank: Settled() for rank in (older, newer)}
            guards.hold(_delivery(first, told[first]))
            guards.hold(_delivery(second, told[second]))
            await asyncio.wait(list(settling))
            assert (told[older].how, told[newer].how) == (["deleted"], [])
            # A mark of the newer one in a header does the same to who has only the older.
            alone, guards = Settled(), Guards(settling)
            guards.hold(_delivery(older, alone))
            guards.outrank({"D": Mark(newer, EPOCH)})
            assert not len(guards)
            await asyncio.wait(list(settling))
            assert alone.how == ["deleted"]

    play(scene)


def test_r1_a_mark_is_never_overwritten_by_that_of_an_older_delivery() -> None:
    state = InstanceState("execution", EPOCH)
    header = Header("one", Columns(Kind.orchestration, "one", "Running", EPOCH, EPOCH, "execution", "turn"), b"")
    for rank in ((0, "", 2), (1, "a", 1), (0, "", 7)):
        HeaderDraft(header, state, "turn", EPOCH, OrchestrationUpkeep()).mark("D", rank)
    assert state.marks["D"].rank == (1, "a", 1)


def test_r1_a_mark_is_remembered_for_as_long_as_a_worker_may_go_on_with_a_message_that_it_lost() -> None:
    state = InstanceState("execution", EPOCH, marks={"D": Mark((0, "", 2), EPOCH)})
    header = Header("one", Columns(Kind.orchestration, "one", "Running", EPOCH, EPOCH, "execution", "turn"), b"")
    for later, known in ((timedelta(hours=23), ["D"]), (timedelta(hours=25), [])):
        draft = HeaderDraft(header, state.copy(), "turn", EPOCH + later, OrchestrationUpkeep())
        draft.commit()
        assert list(draft.state.marks) == known


def test_r1_who_learns_that_its_message_is_another_s_does_nothing_of_what_it_guards() -> None:
    async def scene() -> None:
        stage = Stage(one_rest)
        first = await stage.worker("W1")
        answered = asyncio.Event()
        commit = first.hub.store.commit

        async def answer_late(change: Commit) -> str:
            etag = await commit(change)
            await answered.wait()
            return etag

        first.hub.store.commit = answer_late
        # Its commit has landed, but before it hears of that, its doorbell goes to another worker.
        renewals = first.store.refuse("extend_message", times=1000)
        await stage.start("one_rest", "one", 30)
        await stage.waiting("one")
        # What another may have begun goes to the queue, for anybody.
        first.store.refuse("receive_messages", times=1000)
        await stage.worker("W2")
        await stage.until(lambda: stage.runs == [("W2", 30)])
        renewals.times = 0
        await asyncio.sleep(10.0)
        answered.set()
        assert await stage.finished("one") == 30
        assert stage.runs == [("W2", 30)]

    play(scene)


def test_r1_a_hold_whose_renewal_is_refused_once_stays_ours() -> None:
    async def scene() -> None:
        stage = Stage(one_rest)
        first = await stage.worker("W1")
        first.store.refuse("extend_message")
        await stage.start("one_rest", "one", 60)
        await stage.until(lambda: ("W1", 60) in stage.runs)
        second = await stage.worker("W2")
        assert await stage.finished("one") == 60
        assert stage.runs == [("W1", 60)]
        # Nobody was given the message once more, who would have had to say so.
        assert (first.store.calls["commit"], second.store.calls["commit"]) == (2, 0)

    play(scene)


def test_r1_a_message_of_an_execution_before_counts_only_once_storage_has_said_that_it_is_ours() -> None:
    class Lost(Settled):
        asked = 0

        async def confirm(self) -> bool:
            self.asked += 1
            if self.asked == 1:
                raise StorageUnavailableError("no answer")
            return False

    async def scene() -> None:
        stage, told = Stage(one_rest), Lost()
        cast = await stage.worker("W1", start=False)
        await stage.start("one_rest", "one", 300)
        cast.worker._ring("one", Delivery("D", (0, "", 1), told))
        await stage.until(lambda: bool(stage.runs))
        # Another execution takes the place, and with the header go the marks by which D is known as another's.
        await stage.store.commit(Commit("one", None, (await stage.header("one")).etag))
        await stage.start("one_rest", "one", 1)
        cast.worker._look_again("one")
        await stage.until(lambda: told.asked > 1)
        await asyncio.sleep(10.0)
        assert (await stage.header("one")).columns.runtime_status == "Pending"
        await cast.worker.stop(0.0)

    play(scene)


def test_r1_a_message_that_waited_too_long_for_its_first_load_counts_only_if_storage_says_that_it_is_ours() -> None:
    class Overdue(Settled):
        overdue = True

        async def confirm(self) -> bool:
            self.how.append("asked")
            return False

    async def scene() -> None:
        stage, told = Stage(one_rest), Overdue()
        cast = await stage.worker("W1", start=False)
        await stage.start("one_rest", "one", 1)
        cast.worker._ring("one", Delivery("D", (0, "", 1), told))
        await asyncio.sleep(10.0)
        assert (told.how, stage.runs) == (["asked"], [])
        assert (await stage.header("one")).columns.runtime_status == "Pending"
        await cast.worker.stop(0.0)

    play(scene)


def test_r1_a_hold_is_overdue_once_it_was_not_renewed_in_time_and_no_longer_when_storage_says_it_is_ours() -> None:
    async def scene() -> None:
        stage = Stage(one_rest)
        store, clock = stage.store, stage.clock
        cast = await stage.worker("W1", start=False)
        await stage.start("one_rest", "one", 1)
        asked_at = clock.monotonic()
        (message,) = await store.receive_messages(store.instance_queue("one"), 1, 30.0)
        held = cast.worker._holder.hold(message, asked_at, 30.0, lambda: message.body, "one")
        await asyncio.sleep(29.0)
        assert not held.overdue
        await asyncio.sleep(2.0)
        assert held.overdue
        assert await held.confirm()
        assert not held.overdue
        await cast.worker.stop(0.0)

    play(scene)


# --- R2 --------------------------------------------------------------------------------------------------


async def hand_over_dies() -> None:
    stage = Stage(tells, collects)
    first = await stage.worker("W1")
    await stage.start("collects", "hears", 1)
    await stage.waiting("hears")
    await stage.quiet()
    blocked = first.store.hold("insert_inbox", to("hears"))
    await stage.start("tells", "says", ["hears"])
    await stage.until(blocked.reached.is_set)
    await asyncio.sleep(5.0)
    first.store.freeze()
    await stage.worker("W2")
    assert await stage.finished("hears") == [0]


def test_r2_a_doorbell_stays_until_what_it_guards_is_handed_over() -> None:
    play(hand_over_dies)


def test_without_waiting_for_the_hand_over_what_was_sent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(InstanceState, "names", lambda *_: False)
    with pytest.raises(AssertionError, match="stuck"):
        play(hand_over_dies)


def test_without_handing_over_what_another_committed_it_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def claim(*_: Any) -> None:
        return

    monkeypatch.setattr(Dispatcher, "claim", claim)
    with pytest.raises(AssertionError, match="hears is stuck"):
        play(hand_over_dies)


async def late_commit() -> None:
    stage = Stage(one_rest)
    first = await stage.worker("W1")
    late = first.store.delay("commit", commit_of("one"))
    silent = first.store.refuse("load_header", to("one"), times=10)
    await stage.start("one_rest", "one", 1)
    await silent.reached.wait()
    await asyncio.sleep(20.0)
    assert first.store.calls["commit"] == 1, "nothing is decided while it is not known what is true"
    assert first.store.calls["delete_message"] == 0
    late.go.set()
    assert await stage.finished("one") == 1
    assert stage.runs == [("W1", 1)]
    await stage.quiet()


def test_i2_after_a_lost_answer_nothing_is_done_before_the_header_is_read_and_a_late_commit_is_known_as_ours() -> None:
    play(late_commit)


def test_i2_a_commit_that_never_landed_is_decided_again() -> None:
    async def scene() -> None:
        stage = Stage(one_rest)
        first = await stage.worker("W1")
        first.store.refuse("commit", commit_of("one"))
        await stage.start("one_rest", "one", 1)
        assert await stage.finished("one") == 1
        assert stage.runs == [("W1", 1)]
        await stage.quiet()

    play(scene)


def test_i2_after_a_lost_answer_the_commit_of_another_is_not_taken_for_ours() -> None:
    async def scene() -> None:
        stage = Stage(collects)
        first = await stage.worker("W1")
        await stage.start("collects", "one", 1)
        await stage.waiting("one")
        await stage.quiet()
        lost = first.store.refuse("commit", commit_of("one"))
        await stage.raise_event("one", "item", 0)
        await lost.reached.wait()
        # Before it looks, another has made a commit, which must not be undone.
        header, state = await stage.header("one"), await stage.state("one")
        state.senders["another"] = 7
        await stage.store.commit(Commit("one", replace(header, body=state.encode()), header.etag))
        assert await stage.finished("one") == [0]
        assert (await stage.state("one")).senders["another"] == 7

    play(scene)


# --- R3 --------------------------------------------------------------------------------------------------


async def deferrals() -> list[tuple[Doorbell, float]]:
    stage = Stage(one_rest)
    first = await stage.worker("W1")
    put: list[tuple[Doorbell, float]] = []

    def note(queue: str, body: str, delay: float = 0.0) -> bool:
        put.append((Doorbell.decode(body), delay))
        return False

    first.store.hold("put_message", note)
    await stage.start("one_rest", "one", 1)
    header = await stage.header("one")
    await stage.store.commit(Commit("one", replace(header, body=b"broken"), header.etag))
    await asyncio.sleep(1200.0)
    return put


def test_r3_a_message_put_back_keeps_its_id_says_again_and_waits_ever_longer() -> None:
    put: list[tuple[Doorbell, float]] = []

    async def scene() -> None:
        put.extend(await deferrals())

    play(scene)
    assert len(put) > 5
    assert len({doorbell.id for doorbell, _ in put}) == 1
    assert [doorbell.again for doorbell, _ in put] == list(range(1, len(put) + 1))
    delays = [delay for _, delay in put]
    assert delays == sorted(delays)
    assert delays[-1] >= 60.0


# --- R4 --------------------------------------------------------------------------------------------------


def tells_after_work(context: Any) -> Routine:
    yield context.task_all([context.call_activity("rest", 5), context.call_activity("rest", 1)])
    yield context.call_activity("rest", 3)
    context.send_event("hears", "item", "told")
    yield context.wait_for_external_event("never")


async def work_item_guards() -> None:
    stage = Stage(tells_after_work, collects)
    first = await stage.worker("W1", max_concurrent_activities=1)
    await stage.start("collects", "hears", 1)
    await stage.waiting("hears")
    # The result of a work item, given to the live instance in memory, lets it go on: its message is the only guard.
    await stage.start("tells_after_work", "says")
    first.store.last("commit", lambda commit: commit.instance_id == "says" and _sends(commit))
    await asyncio.sleep(60.0)
    await stage.worker("W2", extended_sessions=False)
    assert await stage.finished("hears") == ["told"]


def _sends(commit: Commit) -> bool:
    assert commit.header is not None
    return any('"EventSent"' in text for text in InstanceState.decode(commit.header.body).tail)


def test_r4_what_a_work_item_guards_is_handed_over_by_who_gets_it_again() -> None:
    play(work_item_guards)


def test_without_r4_what_it_guarded_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_adoption(*_: Any) -> bool:
        return False

    monkeypatch.setattr(WorkItems, "_may_run_again", no_adoption)
    with pytest.raises(AssertionError, match="hears is stuck"):
        play(work_item_guards)


# --- R5 --------------------------------------------------------------------------------------------------


def relays(context: Any) -> Routine:
    """Passes what it is told on to "hears"."""
    for _ in range(context.get_input()):
        value = yield context.wait_for_external_event("go")
        context.send_event("hears", "item", value)
    yield context.wait_for_external_event("never")


async def second_guard_comes_back_first() -> None:
    stage = Stage(relays, collects)
    first = await stage.worker("W1")
    await stage.start("collects", "hears", 2)
    await stage.start("relays", "says", 2)
    await stage.waiting("hears")
    await stage.waiting("says")
    await stage.quiet()
    # Two doorbells are in hand, each of which decided a send, when the worker dies; the first was renewed last.
    blocked = first.store.hold("insert_inbox", to("hears"))
    await stage.raise_event("says", "go", 1)
    await blocked.reached.wait()
    await asyncio.sleep(2.0)
    await stage.raise_event("says", "go", 2)
    await asyncio.sleep(3.2)
    state = await stage.state("says")
    assert sum(len(group.ids) for group in state.sends) == 2
    first.store.freeze()
    await stage.worker("W2", max_queue_polling_interval=0.2)
    assert await stage.finished("hears") == [1, 2]
    await stage.quiet()


def test_r5_what_was_decided_under_two_messages_is_handed_over_in_order_whichever_comes_back_first() -> None:
    play(second_guard_comes_back_first)


def starts_and_tells(context: Any) -> Routine:
    yield context.wait_for_external_event("go")
    child = context.call_sub_orchestrator("collects", 1, "child")
    yield context.wait_for_external_event("go")
    context.send_event("child", "item", "hello")
    return (yield child)


@pytest.mark.parametrize("terminated", [False, True], ids=["told", "terminated"])
def test_r5_the_start_of_a_child_goes_before_what_a_later_message_has_for_it(terminated: bool) -> None:
    async def scene() -> None:
        stage = Stage(starts_and_tells, collects)
        first = await stage.worker("W1")
        await stage.start("starts_and_tells", "parent")
        await stage.waiting("parent")
        await stage.quiet()
        blocked = first.store.hold("commit", commit_of("child"))
        await stage.raise_event("parent", "go")
        await blocked.reached.wait()
        await asyncio.sleep(2.0)
        if terminated:
            await stage.terminate("parent", recurse=True)
        else:
            await stage.raise_event("parent", "go")
        await asyncio.sleep(3.2)
        first.store.freeze()
        await stage.worker("W2", max_queue_polling_interval=0.2)
        told = await stage.finished("parent")
        await stage.quiet()
        child = await stage.store.load_header("child")
        if terminated:
            assert child is None or child.columns.runtime_status == "Terminated"
        else:
            assert told == ["hello"]

    play(scene)


def locks_and_signals(context: Any) -> Routine:
    entity = EntityId("till", "x")
    with (yield context.lock([entity])):
        yield context.wait_for_external_event("go")
    yield context.wait_for_external_event("go")
    context.signal_entity(entity, "add")


def test_r5_a_lock_is_released_before_what_a_later_message_has_for_its_entity() -> None:
    def till(context: Any) -> None:
        context.set_state(context.get_state(lambda: 0) + 1)

    async def scene() -> None:
        stage = Stage(locks_and_signals)
        stage.entities = [till]
        first = await stage.worker("W1")
        await stage.start("locks_and_signals", "one")
        await stage.waiting("one")
        await stage.quiet()
        blocked = first.store.hold("insert_inbox", to("@till@x"))
        await stage.raise_event("one", "go")
        await blocked.reached.wait()
        await asyncio.sleep(2.0)
        await stage.raise_event("one", "go")
        await asyncio.sleep(3.2)
        first.store.freeze()
        await stage.worker("W2", max_queue_polling_interval=0.2)
        await stage.finished("one")
        await stage.quiet()
        entity = EntityState.of(await stage.state("@till@x"))
        assert (entity.holder, entity.backlog_size) == (None, 0)
        assert (await stage.header("@till@x")).columns.output == "1"

    play(scene)


def test_r2_what_is_handed_over_when_the_hands_are_empty_already_leads_to_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    steps = 0
    real = Steps.take

    async def counted(self: Steps, arrived: list[Delivery]) -> None:
        nonlocal steps
        steps += 1
        if steps > 1_000:
            pytest.fail("it takes steps without end, and nothing else runs")
        await real(self, arrived)

    monkeypatch.setattr(Steps, "take", counted)

    async def scene() -> None:
        stage = Stage(tells, collects)
        first = await stage.worker("W1")
        await stage.start("collects", "hears", 1)
        await stage.waiting("hears")
        blocked = first.store.hold("insert_inbox", to("hears"))
        await stage.start("tells", "says", ["hears"])
        await blocked.reached.wait()
        actor = first.worker._actors["says"]
        for delivery in actor._instance.guards:
            delivery.outranked = True
            monkeypatch.setattr(delivery.settlement, "lost", True)
        first.worker._look_again("says")
        await stage.until(lambda: not actor.is_busy)
        blocked.go.set()
        await stage.finished("hears")
        await asyncio.sleep(6.0)
        first.worker._look_again("says")
        await asyncio.sleep(1.0)
        assert steps < 100

    play(scene)


async def second_message_does_not_overtake_the_first() -> None:
    stage = Stage(tells, collects)
    first = await stage.worker("W1", instance_visibility_timeout=100.0)
    await stage.start("collects", "hears", 2)
    await stage.waiting("hears")
    await stage.quiet()
    first.store.last("commit", commit_of("says"))
    await stage.start("tells", "says", ["hears", "hears"])
    await asyncio.sleep(5.0)
    # The first message waits under the doorbell of a dead worker, for another 100 seconds.
    second = await stage.worker("W2")
    await stage.raise_event("says", "go")
    await asyncio.sleep(60.0)
    assert second.store.calls["insert_inbox"] == 0, "the dead one may be alive"
    assert await stage.finished("hears") == [0, 1]


def test_r5_who_adds_to_a_queue_that_another_guards_leaves_it_to_the_other() -> None:
    play(second_message_does_not_overtake_the_first)


def rests_until_told(context: Any) -> Routine:
    rest = context.call_activity("rest", context.get_input())
    yield context.wait_for_external_event("go")
    result = yield rest
    return result


def test_r5_an_activity_that_another_worker_runs_is_not_run_by_who_takes_the_next_turn() -> None:
    async def scene() -> None:
        stage = Stage(rests_until_told)
        first = await stage.worker("W1")
        await stage.start("rests_until_told", "one", 60)
        await stage.until(lambda: ("W1", 60) in stage.runs)
        second = await stage.worker("W2")
        await stage.raise_event("one", "go", by=second)
        assert await stage.finished("one") == 60
        assert second.store.calls["commit"] > 0
        assert stage.runs == [("W1", 60)]
        assert first.store.calls["commit"] > 0

    play(scene)


# --- R6 --------------------------------------------------------------------------------------------------


async def dies_between_row_and_ring() -> None:
    stage = Stage(tells, collects)
    first = await stage.worker("W1")
    await stage.start("collects", "hears", 1)
    await stage.waiting("hears")
    await stage.quiet()
    first.store.last("insert_inbox", to("hears"))
    await stage.start("tells", "says", ["hears"])
    await asyncio.sleep(5.0)
    await stage.worker("W2")
    assert await stage.finished("hears") == [0]


def test_r6_a_row_that_is_there_already_is_still_rung_for() -> None:
    play(dies_between_row_and_ring)


def test_without_r6_nobody_reads_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    async def deliver(self: TaskHub, target: str, events: Any, why: str) -> None:
        rows = [event.row() for event in events][:MAX_COMMIT_ROWS]
        if len(await self.store.insert_inbox(target, rows)) < len(rows):
            await self.ring(target, why)

    monkeypatch.setattr(TaskHub, "deliver", deliver)
    with pytest.raises(AssertionError, match="hears is stuck"):
        play(dies_between_row_and_ring)


# --- R7 --------------------------------------------------------------------------------------------------


async def handed_over_long_ago() -> None:
    stage = Stage(tells, collects)
    first = await stage.worker("W1")
    await stage.start("collects", "hears", 1)
    await stage.waiting("hears")
    await stage.start("tells", "says", ["hears", "nobody"])
    assert await stage.finished("hears") == [0]
    await stage.quiet()
    assert not (await stage.state("says")).has_sends
    await first.worker.stop()
    await stage.worker("W2")
    await asyncio.sleep(180.0)
    # Another execution takes the place of the one that was told; the teller goes on later.
    assert await purge(stage.hub, "hears")
    await stage.start("collects", "hears", 1)
    await stage.waiting("hears")
    await stage.raise_event("says", "go")
    await asyncio.sleep(60.0)
    assert (await stage.header("hears")).columns.runtime_status == "Running", "it was told what another was told"


def test_r7_what_was_handed_over_is_in_no_header_where_it_could_be_taken_up_again() -> None:
    play(handed_over_long_ago)


def test_without_r7_what_it_guarded_keeps_a_message_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Dispatcher, "_droppable", lambda *_: set())
    with pytest.raises(AssertionError, match="queues are stuck"):
        play(handed_over_long_ago)


@pytest.mark.parametrize("knows", [False, True])
def test_r7_a_worker_without_a_message_forgets_and_its_results_go_by_the_inbox(knows: bool) -> None:
    async def scene() -> None:
        stage = Stage(one_rest)
        first = await stage.worker("W1")
        await stage.start("one_rest", "one", 60)
        await stage.until(lambda: ("W1", 60) in stage.runs)
        # Its doorbell goes to another worker, which is too busy to run the activity before the first has ended.
        renewals = first.store.refuse("extend_message", times=1000)
        second = await stage.worker("W2", max_concurrent_activities=1)
        await stage.until(lambda: second.store.calls["commit"] > 0, within=30.0)
        if knows:
            renewals.times = 0
        assert await stage.finished("one", within=70.0) == 60
        assert first.store.calls["insert_inbox"] == 1
        await stage.quiet()

    play(scene)


# --- R8 --------------------------------------------------------------------------------------------------


async def lost_message(name: str, value: Any) -> Stage:
    """An instance whose every message was lost when its worker died."""
    stage = Stage(tells, collects, one_rest, says_once)
    first = await stage.worker("W1")
    await stage.start("collects", "hears", 1)
    await stage.waiting("hears")
    await stage.quiet()
    first.store.last("commit", commit_of("one"))
    await stage.start(name, "one", value)
    await asyncio.sleep(30.0)
    for queue in (stage.store.instance_queue("one"), stage.store.activity_queue):
        for message in await stage.store.receive_messages(queue, 32, 1.0):
            await stage.store.delete_message(message)
    return stage


def test_r8_the_scan_rings_an_instance_whose_start_was_never_rung() -> None:
    async def scene() -> None:
        stage = Stage(one_rest)
        stage_client = await stage.worker("client", start=False)
        stage_client.store.hold("put_message")
        starting = asyncio.ensure_future(_start(stage, stage_client.hub))
        await asyncio.sleep(700.0)
        starting.cancel()
        await stage.worker("W1")
        assert await ring_lifeless(stage.hub) == 1
        assert await stage.finished("one") == 1

    play(scene)


async def _start(stage: Stage, hub: TaskHub) -> None:
    await hub.start(StartRequest("one", hub.ids.new(), "one_rest", stage.clock.now(), json.dumps(1)))


async def repaired() -> None:
    stage = await lost_message("tells", ["hears"])
    await asyncio.sleep(700.0)
    await stage.worker("W2")
    assert await ring_lifeless(stage.hub) == 1
    assert await stage.finished("hears") == [0]


def test_r8_what_a_lost_message_guarded_is_handed_over_after_a_repair() -> None:
    play(repaired)


def test_without_r8_it_is_never_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Instance, "is_being_repaired", False)
    with pytest.raises(AssertionError, match="hears is stuck"):
        play(repaired)


def says_once(context: Any) -> None:
    context.send_event(context.get_input(), "item", "bye")


def test_r8_what_a_finished_instance_had_to_say_is_handed_over_after_a_repair_and_once_only() -> None:
    async def scene() -> None:
        stage = await lost_message("says_once", "hears")
        await asyncio.sleep(700.0)
        await stage.worker("W2")
        await ring_lifeless(stage.hub)
        assert await stage.finished("hears") == ["bye"]
        await stage.quiet()
        await asyncio.sleep(700.0)
        assert not (await stage.header("one")).columns.has_outbox
        assert await ring_lifeless(stage.hub) == 0

    play(scene)


def test_r8_sends_under_a_lost_message_are_taken_over_by_the_next_commit_after_two_minutes() -> None:
    async def scene() -> None:
        stage = await lost_message("tells", ["hears", "nobody"])
        await stage.worker("W2")
        await asyncio.sleep(150.0)
        await stage.raise_event("one", "go")
        assert await stage.finished("hears") == [0]

    play(scene)


def test_r8_an_activity_whose_message_was_lost_runs_again_a_day_later() -> None:
    async def scene() -> None:
        stage = await lost_message("one_rest", 2)
        await stage.worker("W2", max_queue_polling_interval=600.0)
        await asyncio.sleep(700.0)
        await ring_lifeless(stage.hub)
        await asyncio.sleep(700.0)
        assert ("W2", 2) not in stage.runs, "it may still be running where it was begun"
        await asyncio.sleep(86_400.0)
        await ring_lifeless(stage.hub)
        assert await stage.finished("one") == 2

    play(scene)


def test_r8_an_instance_that_waits_for_a_timer_is_left_alone() -> None:
    def waits(context: Any) -> Routine:
        yield context.wait_for_external_event("go")
        yield context.create_timer(context.current_utc_datetime + timedelta(hours=1))

    async def scene() -> None:
        stage = Stage(waits)
        await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        await stage.raise_event("one", "go")
        await asyncio.sleep(1200.0)
        assert (await stage.state("one")).timers
        assert await ring_lifeless(stage.hub) == 0

    play(scene)


def test_r7_the_guard_of_a_queue_that_was_empty_is_the_message_that_filled_it() -> None:
    async def scene() -> None:
        stage = Stage(relays, collects)
        await stage.worker("W1")
        await stage.start("collects", "hears", 2)
        await stage.start("relays", "says", 2)
        await stage.waiting("hears")
        await stage.waiting("says")
        for number in (1, 2):
            await stage.quiet()
            await stage.raise_event("says", "go", number)
        assert await stage.finished("hears", within=20.0) == [1, 2]

    play(scene)


def test_r7_what_an_execution_has_under_way_is_not_what_the_next_one_under_its_id_sends() -> None:
    async def scene() -> None:
        stage = Stage(tells, collects)
        first = await stage.worker("W1")
        await stage.start("collects", "hears", 2)
        await stage.waiting("hears")
        await stage.quiet()
        blocked = first.store.hold("insert_inbox", to("hears"))
        await stage.start("tells", "says", ["hears"])
        await stage.until(blocked.reached.is_set)
        await stage.terminate("says")
        await stage.finished("says")
        assert await purge(stage.hub, "says")
        await stage.start("tells", "says", ["hears"])
        await stage.waiting("says")
        blocked.go.set()
        assert await stage.finished("hears", within=60.0) == [0, 0]

    play(scene)


def test_r7_what_an_instance_still_had_to_say_when_it_failed_is_handed_over() -> None:
    async def scene() -> None:
        stage = Stage(tells, collects)
        first = await stage.worker("W1")
        await stage.start("collects", "hears", 1)
        await stage.waiting("hears")
        sending = first.store.hold("insert_inbox", to("hears"))
        await stage.start("tells", "says", ["hears", "nobody"])
        await stage.until(sending.reached.is_set)
        first.store.freeze()
        # A worker that must fail it, as it may not run its version, does not swallow what it had decided.
        await stage.worker("W2", default_version="1", version_match_strategy="Strict", version_failure_strategy="Fail")
        await stage.raise_event("says", "go")
        assert "version" in str(await stage.finished("says")).lower()
        await stage.worker("W3")
        assert await stage.finished("hears") == [0]

    play(scene)


def test_r8_an_activity_whose_work_item_was_lost_runs_again_a_day_later() -> None:
    async def scene() -> None:
        stage = Stage(one_rest)
        first = await stage.worker("W1", max_concurrent_activities=1, max_queue_polling_interval=600.0)
        await stage.start("one_rest", "busy", 50_000)
        await stage.until(lambda: ("W1", 50_000) in stage.runs)
        await stage.start("one_rest", "one", 2)
        await stage.until(lambda: first.store.calls["put_message"] > 0)
        await asyncio.sleep(10.0)
        for message in await stage.store.receive_messages(stage.store.activity_queue, 32, 1.0):
            await stage.store.delete_message(message)
        await asyncio.sleep(60_000.0)
        assert await ring_lifeless(stage.hub) == 1
        await asyncio.sleep(600.0)
        assert ("W1", 2) not in stage.runs, "it may still be under way somewhere"
        await asyncio.sleep(40_000.0)
        await ring_lifeless(stage.hub)
        assert await stage.finished("one") == 2

    play(scene)
