"""PROTOCOL R9 to R15: in which order things arrive, and what must not take effect twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from azure_durable_py.history.events import EventRaised, ExecutionTerminated, TaskCompleted
from azure_durable_py.taskhub import hub as hubs
from azure_durable_py.taskhub import messages
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.messages import InboxEvent, Target
from azure_durable_py.taskhub.outgoing import Send, Sender
from azure_durable_py.taskhub.protocol import Commit, InboxRow, Loaded
from azure_durable_py.worker.instance import inbox, turns
from azure_durable_py.worker.instance.mailroom import Item, Mailroom
from tests.protocol.staging import Routine, Stage, commit_of, play


def collects(context: Any) -> Routine:
    found = yield context.task_all([context.wait_for_external_event("item") for _ in range(context.get_input())])
    return found


def waits(context: Any) -> Routine:
    found = yield context.wait_for_external_event("item")
    return found


def parent(context: Any) -> Routine:
    child = context.call_sub_orchestrator("waits", None, "child")
    context.send_event("child", "item", "hello")
    answer = yield child
    return answer


def calls(context: Any) -> Routine:
    answer = yield context.call_sub_orchestrator("waits", None, "child")
    return answer


def tells_and_waits(context: Any) -> Routine:
    context.send_event("hears", "item", context.get_input())
    yield context.wait_for_external_event("go")


def tells_by_generations(context: Any) -> Routine:
    number = context.get_input()
    context.send_event("hears", "item", number)
    if number < 3:
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=1))
        context.continue_as_new(number + 1)


def rests(context: Any) -> Routine:
    result = yield context.call_activity("rest", context.get_input())
    return result


# --- R9 --------------------------------------------------------------------------------------------------


async def event_behind_a_slow_start() -> None:
    stage = Stage(parent, waits)
    first = await stage.worker("W1")
    first.store.refuse("commit", commit_of("child"), times=4)
    await stage.start("parent", "parent")
    assert await stage.finished("parent") == "hello"


def test_r9_an_event_does_not_overtake_the_start_of_its_target() -> None:
    play(event_behind_a_slow_start)


def test_without_r9_the_event_finds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(self: Mailroom, sender: Sender, entry: int, send: Send) -> None:
        place = f"{send.target} {entry}"
        self._waiting[place] = alone = {(sender, entry): Item(sender, entry, send)}
        self._tasks.start(self._deliver(place, alone), "alone")

    monkeypatch.setattr(Mailroom, "send", send)
    with pytest.raises(AssertionError, match="is stuck"):
        play(event_behind_a_slow_start)


# --- R10 -------------------------------------------------------------------------------------------------


async def same_event_sent_again() -> Any:
    stage = Stage(tells_and_waits, collects)
    first = await stage.worker("W1")
    await stage.start("collects", "hears", 2)
    await stage.waiting("hears")
    # The event is consumed by its receiver before the sender's worker dies; another hands it over again.
    first.store.lose_answer("put_message", lambda queue, body, *_: "from tells" in body)
    pause = first.store.hold("put_message", lambda queue, body, *_: "from tells" in body)
    await stage.start("tells_and_waits", "says", "once")
    await pause.reached.wait()
    await stage.hub.ring("hears")
    await asyncio.sleep(5.0)
    first.store.freeze()
    await stage.worker("W2")
    await asyncio.sleep(60.0)
    await stage.raise_event("hears", "item", "other")
    found = await stage.finished("hears")
    assert found == ["once", "other"], f"taken twice: {found}"


def test_r10_what_is_sent_again_is_not_taken_again() -> None:
    play(same_event_sent_again)


def test_without_r10_it_is_taken_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "_takes_effect", lambda *_: True)
    with pytest.raises(AssertionError, match="taken twice"):
        play(same_event_sent_again)


async def numbers_over_generations() -> None:
    stage = Stage(tells_by_generations, collects)
    await stage.worker("W1")
    await stage.start("collects", "hears", 4)
    await stage.waiting("hears")
    await stage.start("tells_by_generations", "says", 0)
    assert await stage.finished("hears") == [0, 1, 2, 3]


def test_r10_a_sender_goes_on_counting_over_continue_as_new() -> None:
    play(numbers_over_generations)


def test_without_r10_the_second_generation_is_taken_for_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sender, "number", lambda _, decision: decision)
    with pytest.raises(AssertionError, match="is stuck"):
        play(numbers_over_generations)


async def restarted_sender() -> None:
    stage = Stage(tells_and_waits, collects)
    await stage.worker("W1")
    await stage.start("collects", "hears", 2)
    await stage.waiting("hears")
    for value in ("first", "second"):
        await stage.start("tells_and_waits", "says", value)
        await stage.waiting("says")
        await stage.raise_event("says", "go")
        await stage.finished("says")
        await stage.quiet()
        await purge(stage.hub, "says")
    assert await stage.finished("hears") == ["first", "second"]


def test_r10_a_restart_under_the_same_id_is_a_new_sender() -> None:
    play(restarted_sender)


def test_without_r10_the_restarted_sender_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sender, "incarnation", property(lambda sender: sender.instance_id))
    with pytest.raises(AssertionError, match="hears is stuck"):
        play(restarted_sender)


# --- R11 -------------------------------------------------------------------------------------------------


async def rows_come_between_pages(load: Callable[[Stage, list[InboxRow]], Awaitable[Loaded]]) -> None:
    """Storage answers with three rows at a time; between two answers, two rows of one sender arrive.

    The first of them sorts into the page that was read before, the second into the next.
    """
    stage = Stage(collects)
    first = await stage.worker("W1")
    await stage.start("collects", "hears", 8)
    await stage.waiting("hears")
    await stage.quiet()
    begin = stage.clock.now()
    between = [_item("says:1", number, begin, 1.5 + 5 * number).row() for number in range(2)]
    first.hub.store.load = lambda _: load(stage, between)
    await stage.hub.deliver("hears", [_item(f"other-{number}:1", 0, begin, number) for number in range(6)], "")
    await stage.finished("hears")


def _item(sender: str, sequence: int, begin: datetime, after: float) -> InboxEvent:
    at = begin + timedelta(seconds=after)
    return InboxEvent(EventRaised(at, "item", "0"), sender, sequence, at)


async def one_response(stage: Stage, between: list[InboxRow]) -> Loaded:
    loaded = await stage.store.load("hears")
    if loaded.inbox:
        await stage.store.insert_inbox("hears", between)
        between.clear()
    return Loaded(loaded.header, loaded.inbox[:3], more=len(loaded.inbox) > 3)


async def two_responses(stage: Stage, between: list[InboxRow]) -> Loaded:
    page = await one_response(stage, between)
    if not page.inbox:
        return page
    rest = await stage.store.load("hears")
    return Loaded(page.header, page.inbox + tuple(row for row in rest.inbox if row.key > page.inbox[-1].key))


def test_r11_a_turn_takes_rows_of_one_response() -> None:
    play(lambda: rows_come_between_pages(one_response))


def test_without_r11_an_event_is_skipped_and_then_taken_for_a_duplicate() -> None:
    with pytest.raises(AssertionError, match="hears is stuck"):
        play(lambda: rows_come_between_pages(two_responses))


# --- R12 -------------------------------------------------------------------------------------------------


async def first_insert_lands_late() -> None:
    stage = Stage(collects)
    await stage.worker("W1")
    await stage.start("collects", "hears", 2)
    await stage.waiting("hears")
    message = stage.message(EventRaised(stage.clock.now(), "item", '"once"'))
    await stage.hub.deliver("hears", [message], "")
    await asyncio.sleep(300.0)
    await stage.hub.deliver("hears", [stage.message(EventRaised(stage.clock.now(), "other", "0"))], "")
    await asyncio.sleep(240.0)
    await stage.hub.deliver("hears", [message], "late")
    await asyncio.sleep(60.0)
    await stage.raise_event("hears", "item", "other")
    found = await stage.finished("hears")
    assert found == ["once", "other"], f"taken twice: {found}"


def test_r12_a_client_s_event_is_remembered_for_ten_minutes() -> None:
    play(first_insert_lands_late)


def test_without_r12_it_is_taken_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "CLIENT_MEMORY", timedelta(0))
    with pytest.raises(AssertionError, match="taken twice"):
        play(first_insert_lands_late)


def test_r12_a_client_is_forgotten_after_ten_minutes() -> None:
    async def scene() -> None:
        stage = Stage(collects)
        await stage.worker("W1")
        await stage.start("collects", "hears", 3)
        await stage.raise_event("hears", "item", 1)
        await asyncio.sleep(30.0)
        assert (await stage.state("hears")).clients
        await asyncio.sleep(700.0)
        message = InboxEvent(EventRaised(stage.clock.now(), "item", "2"), "client:other", 0, stage.clock.now())
        await stage.hub.deliver("hears", [message], "")
        await asyncio.sleep(30.0)
        assert list((await stage.state("hears")).clients) == ["client:other"]

    play(scene)


# --- R13 -------------------------------------------------------------------------------------------------


async def stale_answer() -> None:
    stage = Stage(rests)
    await stage.worker("W1")
    await stage.start("rests", "one", 60)
    await stage.until(lambda: bool(stage.runs))
    state = await stage.state("one")
    now = stage.clock.now()
    for target in (
        Target("another", state.generation, state.attempt),
        Target(state.execution_id, state.generation + 1, state.attempt),
        Target(state.execution_id, state.generation, state.attempt + 1),
    ):
        stale = InboxEvent(TaskCompleted(now, 0, '"stale"'), f"work:{target}", 0, now, target)
        await stage.hub.deliver("one", [stale], "")
    answer = await stage.finished("one")
    assert answer == 60, f"took {answer}"


def test_r13_an_answer_to_another_execution_generation_or_attempt_is_dropped() -> None:
    play(stale_answer)


async def stale_termination() -> None:
    stage = Stage(rests)
    await stage.worker("W1")
    await stage.start("rests", "one", 60)
    await stage.until(lambda: bool(stage.runs))
    stop = ExecutionTerminated(stage.clock.now(), "the one before", recurse=False)
    await stage.hub.deliver("one", [stage.message(stop, Target("the one before"), control=True)], "")
    answer = await stage.finished("one")
    assert answer == 60, f"took {answer}"


def test_r13_a_termination_meant_for_the_execution_before_is_dropped() -> None:
    play(stale_termination)


@pytest.mark.parametrize("scene", [stale_answer, stale_termination])
def test_without_r13_they_take_effect(monkeypatch: pytest.MonkeyPatch, scene: Any) -> None:
    monkeypatch.setattr(inbox, "matches", lambda *_: True)
    with pytest.raises(AssertionError, match="took"):
        play(scene)


# --- R14 -------------------------------------------------------------------------------------------------


async def start_is_repeated() -> None:
    stage = Stage(calls, waits)
    first = await stage.worker("W1")
    # The child is started, then the parent's worker dies before it knows.
    first.store.last("commit", commit_of("child"))
    await stage.start("calls", "parent")
    await asyncio.sleep(5.0)
    await stage.worker("W2")
    await asyncio.sleep(60.0)
    await stage.raise_event("child", "item", "hello")
    assert await stage.finished("parent") == "hello"


def test_r14_a_child_that_the_parent_started_itself_is_not_a_stranger() -> None:
    play(start_is_repeated)


def test_without_r14_the_parent_takes_its_child_for_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "_same_start", lambda *_: False)
    with pytest.raises(AssertionError):
        play(start_is_repeated)


def test_r14_a_start_whose_answer_was_lost_is_known_as_ours() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        client = await stage.worker("client", start=False)
        client.store.lose_answer("commit", commit_of("one"))
        await stage.start("waits", "one", by=client)
        await stage.worker("W1")
        await stage.raise_event("one", "item", "heard")
        assert await stage.finished("one") == "heard"

    play(scene)


def test_r14_a_running_stranger_fails_the_task() -> None:
    async def scene() -> None:
        stage = Stage(calls, waits)
        await stage.worker("W1")
        await stage.start("waits", "child")
        await stage.waiting("child")
        await stage.start("calls", "parent")
        assert "another instance with this id is running" in await stage.finished("parent")
        assert (await stage.header("child")).columns.runtime_status == "Running"

    play(scene)


def test_r14_a_finished_stranger_is_replaced() -> None:
    async def scene() -> None:
        stage = Stage(calls, waits)
        await stage.worker("W1")
        await stage.start("waits", "child")
        await stage.raise_event("child", "item", "stranger")
        await stage.finished("child")
        await stage.start("calls", "parent")
        await asyncio.sleep(30.0)
        await stage.raise_event("child", "item", "own")
        assert await stage.finished("parent") == "own"

    play(scene)


async def late_second_start() -> None:
    stage = Stage(calls, waits)
    first = await stage.worker("W1")
    late = first.store.delay("commit", commit_of("child"))
    await stage.start("calls", "parent")
    await late.reached.wait()
    await asyncio.sleep(5.0)
    await stage.raise_event("child", "item", "hello")
    assert await stage.finished("parent") == "hello"
    await stage.finished("child")
    await stage.quiet()
    await purge(stage.hub, "child")
    await asyncio.sleep(600.0)
    # The first insert of the child's header lands at last, and somebody rings.
    late.go.set()
    await asyncio.sleep(1.0)
    assert (await stage.header("child")).columns.runtime_status == "Pending"
    await stage.hub.ring("child")
    await asyncio.sleep(60.0)
    assert await stage.store.load_header("child") is None, "it ran again"


def test_r14_a_child_that_begins_late_asks_whether_it_is_still_wanted() -> None:
    play(late_second_start)


def test_without_r14_it_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LATE_START", timedelta(days=1))
    with pytest.raises(AssertionError, match="it ran again"):
        play(late_second_start)


# --- R15 -------------------------------------------------------------------------------------------------


async def termination_behind_a_backlog() -> None:
    stage = Stage(collects)
    await stage.hub.open()
    await stage.start("collects", "hears", 1000)
    header = await stage.header("hears")
    now = stage.clock.now()
    backlog = [stage.message(EventRaised(now, "item", str(number))) for number in range(500)]
    await stage.hub.deliver("hears", backlog, "")
    stop = ExecutionTerminated(now + timedelta(seconds=1), "enough", recurse=False)
    control = stage.message(stop, Target(header.columns.execution_id), control=True)
    await stage.hub.deliver("hears", [control], "")
    first = await stage.worker("W1")
    before_the_end: list[Commit] = []

    def note(commit: Commit) -> bool:
        if commit.header is not None and commit.header.columns.completed_time is None:
            before_the_end.append(commit)
        return False

    first.store.hold("commit", note)
    await stage.finished("hears")
    assert len(before_the_end) <= 1, f"{len(before_the_end)} commits before the end"


def test_r15_a_termination_does_not_wait_behind_a_backlog() -> None:
    play(termination_behind_a_backlog)


def test_without_r15_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    key = messages.InboxEvent.key.fget
    assert key is not None
    monkeypatch.setattr(messages.InboxEvent, "key", property(lambda event: key(replace(event, control=False))))
    with pytest.raises(AssertionError, match="commits before the end"):
        play(termination_behind_a_backlog)
