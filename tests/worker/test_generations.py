"""The end of a generation and the beginning of the next are one commit, and nobody can tell but by what it costs."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest

from azure_durable_py.clock import Clock
from azure_durable_py.taskhub import payloads, state
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.worker.instance.kinds import MOST_GENERATIONS
from tests.protocol.staging import Cast, Routine, Stage, commit_of, play

HOUR = 3600.0
LARGE = "x" * 50_000


def test_generations_that_ask_nothing_of_anybody_are_one_commit() -> None:
    ids: list[str] = []

    def counts(context: Any) -> int:
        number = context.get_input()
        ids.append(context.new_uuid())
        if number < 1000:
            context.continue_as_new(number + 1)
        return number

    async def scene() -> None:
        stage = Stage(counts)
        cast = await stage.worker("W1")
        await stage.start("counts", "one", 0)
        assert await stage.finished("one") == 1000
        # They are made from the time of the turn: each has its own.
        assert len(set(ids)) == len(ids) == 1001
        assert cast.store.calls["commit"] == 1001 // MOST_GENERATIONS + 1
        assert (await stage.header("one")).columns.generation == 1000

    play(scene)


def test_one_that_goes_on_for_ever_can_be_ended_and_lets_others_go_on() -> None:
    def spins(context: Any) -> None:
        context.continue_as_new(None)

    def says(context: Any) -> str:
        return "hello"

    async def scene() -> None:
        stage = Stage(spins, says)
        cast = await stage.worker("W1")
        cast.store.seconds["commit"] = 0.1
        await stage.start("spins", "one")
        await stage.start("says", "two")
        assert await stage.finished("two") == "hello"
        await stage.terminate("one")
        await stage.finished("one")
        assert (await stage.header("one")).columns.runtime_status == "Terminated"

    play(scene)


def test_others_have_their_turn_after_twenty_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = [0.0]

    def counts(context: Any) -> None:
        spent[0] += 0.006
        if context.get_input() < 49:
            context.continue_as_new(context.get_input() + 1)

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(Clock, "monotonic", staticmethod(lambda: loop.time() + spent[0]))
        stage = Stage(counts)
        cast = await stage.worker("W1")
        await stage.start("counts", "one", 0)
        await stage.finished("one")
        # The first of a commit, and as many more as it takes to pass them.
        assert cast.store.calls["commit"] == 50 // (1 + 4)

    play(scene)


def test_events_that_wait_are_taken_by_generations_of_one_commit() -> None:
    def takes(context: Any) -> Routine:
        taken = context.get_input()
        if len(taken) == 40:
            return taken
        taken.append((yield context.wait_for_external_event("item")))
        context.continue_as_new(taken, save_events=True)

    async def scene() -> None:
        stage = Stage(takes)
        cast = await stage.worker("W1")
        held = cast.store.hold("receive_messages")
        await held.reached.wait()
        await stage.start("takes", "one", [], by=cast)
        for number in range(40):
            await stage.raise_event("one", "item", number)
        held.go.set()
        assert await stage.finished("one") == list(range(40))
        assert cast.store.calls["commit"] <= 2

    play(scene)


def test_what_a_generation_asks_of_others_is_committed_before_the_next_begins() -> None:
    def tells(context: Any) -> None:
        number = context.get_input()
        context.send_event("hears", "item", number)
        if number < 5:
            context.continue_as_new(number + 1)

    def hears(context: Any) -> Routine:
        return (yield context.task_all([context.wait_for_external_event("item") for _ in range(6)]))

    async def scene() -> None:
        stage = Stage(tells, hears)
        cast = await stage.worker("W1")
        await stage.start("hears", "hears")
        await stage.waiting("hears")
        before = cast.store.calls["commit"]
        await stage.start("tells", "tells", 0)
        assert await stage.finished("hears") == [0, 1, 2, 3, 4, 5]
        assert cast.store.calls["commit"] - before >= 6

    play(scene)


def test_large_inputs_leave_nothing_behind_when_generations_of_one_commit_follow() -> None:
    def shrinks(context: Any) -> str:
        number, _ = context.get_input()
        if number < 8:
            context.continue_as_new([number + 1, LARGE if number == 4 else ""])
        return "done"

    async def scene() -> None:
        stage = Stage(shrinks)
        cast = await stage.worker("W1")
        commits: list[Commit] = []
        cast.store.refuse("commit", lambda made: commits.append(made) is not None)
        await stage.start("shrinks", "one", [0, LARGE])
        assert await stage.finished("one") == "done"
        await stage.quiet()
        assert any(made.dropped for made in commits)
        for made in commits:
            assert len(set(made.dropped)) == len(made.dropped)
        assert await stage.store.list_blobs("one", "") == ()

    play(scene)


def test_a_large_value_that_a_generation_left_behind_is_put_for_the_next_that_has_it() -> None:
    def echoes(context: Any) -> Routine:
        if context.get_input() == "second":
            return (yield context.call_sub_orchestrator("measures", LARGE))
        yield context.wait_for_external_event("value")
        context.continue_as_new("second")

    def measures(context: Any) -> int:
        return len(context.get_input())

    async def scene() -> None:
        stage = Stage(echoes, measures)
        first = await stage.worker("W1")
        await stage.start("echoes", "one", "first")
        await stage.waiting("one")
        # Who commits it has the value in memory; another one has what is in storage.
        first.store.last("commit", commit_of("one"))
        await stage.raise_event("one", "value", LARGE)
        await asyncio.sleep(5.0)
        await stage.worker("W2")
        assert await stage.finished("one") == len(LARGE)

    play(scene)


def test_a_generation_that_does_not_fit_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said of the generation that did it, not of the one before, which goes into a commit of its own."""

    def grows(context: Any) -> Routine:
        if context.get_input() == "first":
            context.continue_as_new("second")
            return
        bulk = random.Random(1)
        yield context.task_all([context.call_activity("rest", f"{bulk.getrandbits(4000):x}") for _ in range(50)])

    async def scene() -> None:
        monkeypatch.setattr(state, "MAX_BODY_BYTES", 40_000)
        stage = Stage(grows)
        await stage.worker("W1")
        await stage.start("grows", "one", "first")
        await stage.finished("one", within=HOUR)
        columns = (await stage.header("one")).columns
        assert (columns.runtime_status, columns.generation, columns.input) == ("Failed", 1, '"second"')

    play(scene)


def test_a_generation_with_a_value_that_nothing_holds_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def grows(context: Any) -> str | None:
        if context.get_input() == "second":
            return LARGE
        context.continue_as_new("second")
        return None

    async def scene() -> None:
        monkeypatch.setattr(payloads, "MAX_PAYLOAD_BYTES", len(LARGE) - 1)
        stage = Stage(grows)
        await stage.worker("W1")
        await stage.start("grows", "one", "first")
        await stage.finished("one", within=HOUR)
        columns = (await stage.header("one")).columns
        assert (columns.runtime_status, columns.generation) == ("Failed", 1)

    play(scene)


def test_what_comes_before_a_generation_that_does_not_fit_is_one_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []

    def grows(context: Any) -> Routine:
        number = context.get_input()
        begun.append(number)
        if number < 50:
            context.continue_as_new(number + 1)
            return
        bulk = random.Random(1)
        yield context.task_all([context.call_activity("rest", f"{bulk.getrandbits(4000):x}") for _ in range(50)])

    async def scene() -> None:
        monkeypatch.setattr(state, "MAX_BODY_BYTES", 40_000)
        stage = Stage(grows)
        cast = await stage.worker("W1")
        await stage.start("grows", "one", 0)
        await stage.finished("one", within=HOUR)
        columns = (await stage.header("one")).columns
        assert (columns.runtime_status, columns.generation) == ("Failed", 50)
        assert begun.count(0) == begun.count(50) == 2
        assert cast.store.calls["commit"] == 2

    play(scene)


def test_a_generation_that_ends_its_process_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    """As often as it is tried, it is given up as itself: at the last attempt those before it are committed."""
    caplog.set_level(logging.ERROR)
    casts: list[Cast] = []

    def kills(context: Any) -> None:
        if context.get_input() == 3:
            casts[-1].store.freeze()
        context.continue_as_new(context.get_input() + 1)

    async def scene() -> None:
        stage = Stage(kills)
        await stage.hub.open()
        await stage.start("kills", "one", 0)
        for attempt in range(3):
            casts.append(await stage.worker(f"W{attempt}", start=False, max_dequeue_count=2))
            await casts[-1].worker.start()
            await asyncio.sleep(60.0)
        columns = (await stage.header("one")).columns
        assert (columns.runtime_status, columns.generation) == ("Failed", 3)

    play(scene)


def test_a_worker_that_dies_over_them_leaves_them_to_the_next() -> None:
    def works(context: Any) -> Routine:
        number = yield context.call_activity("rest", context.get_input())
        if number < 3:
            context.continue_as_new(number + 1)
        return number

    async def scene() -> None:
        stage = Stage(works)
        first = await stage.worker("W1")
        await stage.start("works", "one", 1)
        await stage.waiting("one")
        # It ends the first generation, and begins the second.
        first.store.last("commit", commit_of("one"))
        await asyncio.sleep(5.0)
        await stage.worker("W2")
        assert await stage.finished("one", within=HOUR) == 3
        assert stage.runs == [("W1", 1), ("W2", 2), ("W2", 3)]
        await stage.quiet()

    play(scene)
