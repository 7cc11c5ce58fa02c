"""PROTOCOL R17 and R18: rows are deleted only with the header they belong to, whoever else is at work."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.client.messenger import Messenger
from azure_durable_py.client.starter import Starter
from azure_durable_py.clock import Ids
from azure_durable_py.errors import InstanceAlreadyExistsError, StorageUnavailableError, TaskFailedError
from azure_durable_py.history.events import EventRaised, OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.taskhub import handing_over
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.handing_over import replace_finished
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.protocol import BlobRow, Commit, Header, TaskHubStore
from azure_durable_py.taskhub.wrapping import StoreWrapper
from tests.counting import CountingStore
from tests.protocol.staging import Routine, Stage, commit_of, play, to

BIG = 4_000_000
"""Characters of random text that do not go into one transaction with a header."""


def quick(context: Any) -> str:
    return "done"


def waits(context: Any) -> Routine:
    size = len(context.get_input() or "")
    found = yield context.wait_for_external_event("item")
    return [size, found]


def random_text(size: int, seed: int = 0) -> str:
    """Text that does not become smaller by compression."""
    return random.Random(seed).randbytes(size // 2).hex()[:size]


def request(stage: Stage, name: str, value: Any, hub: TaskHub | None = None) -> StartRequest:
    return StartRequest("x", (hub or stage.hub).ids.new(), name, stage.clock.now(), json.dumps(value))


async def nothing_left(stage: Stage, instance_id: str) -> None:
    loaded = await stage.store.load(instance_id)
    assert loaded.header is None
    assert not loaded.inbox
    assert not await stage.store.blob_keys(instance_id)


# --- races -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 30_000, BIG])
@pytest.mark.parametrize("method", ["blob_keys", "commit"])
def test_a_slow_purge_does_not_touch_the_instance_that_took_the_place(method: str, size: int) -> None:
    async def scene() -> None:
        stage = Stage(quick, waits)
        worker = await stage.worker("W1")
        await stage.start("quick", "x")
        await stage.finished("x")
        await stage.quiet()
        purger = await stage.worker("P", start=False)
        held = purger.store.hold(method)
        purging = asyncio.ensure_future(purge(purger.hub, "x"))
        await held.reached.wait()
        worker.store.freeze()
        assert await replace_finished(stage.hub, request(stage, "waits", random_text(size))) is None
        await stage.raise_event("x", "item", "hello")
        held.go.set()
        assert await purging, "what was to be purged is gone"
        worker.store.thaw()
        assert await stage.finished("x", within=3600.0) == [size, "hello"]

    play(scene)


class SlowStore(StoreWrapper):
    """A store whose answers take some time, and come in another order than they were asked for."""

    def __init__(self, inner: TaskHubStore, dice: random.Random) -> None:
        self._dice = dice
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def slow(*args: Any) -> Any:
            await asyncio.sleep(self._dice.uniform(0.002, 0.008))
            result = await call(*args)
            await asyncio.sleep(self._dice.uniform(0.002, 0.008))
            return result

        return slow


async def two_starts_at_once(size: int, seed: int) -> None:
    dice = random.Random(seed)
    stage = Stage(quick, waits)
    await stage.worker("W1")
    await stage.start("quick", "x")
    await stage.finished("x")
    await stage.quiet()

    async def start(delay: float) -> bool:
        hub = TaskHub(SlowStore(stage.store, dice), stage.clock, Ids(random.Random(dice.random())))
        await asyncio.sleep(delay)
        starter = Starter(hub, Messenger(hub), replace_running=False)
        try:
            await starter.start(request(stage, "waits", random_text(size, seed), hub))
        except InstanceAlreadyExistsError:
            return False
        event = stage.message(EventRaised(stage.clock.now(), "item", '"hello"'))
        await hub.deliver("x", [event], "client")
        return True

    started = await asyncio.gather(start(0.0), start(dice.uniform(0.0, 0.05)))
    assert sum(started) == 1
    assert await stage.finished("x", within=3600.0) == [size, "hello"]


@pytest.mark.parametrize(("size", "races"), [(10, 100), (20_000, 100), (BIG, 8)])
def test_of_two_clients_that_start_one_finished_id_at_once_one_wins_and_is_sound(size: int, races: int) -> None:
    for seed in range(races):
        play(lambda seed=seed: two_starts_at_once(size, seed))


def test_rows_of_a_start_that_is_not_written_yet_are_left_alone_until_they_are_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(handing_over, "STAGED_FOR", timedelta(minutes=10))

    async def scene() -> None:
        stage = Stage(quick)
        await stage.worker("W1")
        await stage.hub.open()
        for minutes, left in ((9, 2), (11, 0)):
            await stage.start("quick", "x")
            await stage.finished("x")
            await stage.store.delete_blobs("x", list(await stage.store.blob_keys("x")))
            await stage.store.put_blobs("x", [BlobRow("30-payload-start-another-0000-0000", b"x")])
            await stage.store.put_blobs("x", [BlobRow("30-payload-msg-1-key-0000-0000", b"x")])
            await asyncio.sleep(timedelta(minutes=minutes).total_seconds())
            assert await purge(stage.hub, "x")
            assert len(await stage.store.blob_keys("x")) == left

    play(scene)


# --- crashes -----------------------------------------------------------------------------------------------


def asks(context: Any) -> Routine:
    answer = yield context.call_sub_orchestrator("tells", None, "x")
    return len(answer)


def tells(context: Any) -> Routine:
    first = yield context.wait_for_external_event("item")
    return first


async def finished_with_all_kinds_of_rows(stage: Stage) -> None:
    """A finished instance `x`: a large input, a consumed large event, an answer not handed over, events, orphans."""
    worker = await stage.worker("W1")
    await stage.start("asks", "asks")
    while await stage.store.load_header("x") is None:
        await asyncio.sleep(0.05)
    await stage.waiting("x")
    await stage.quiet()
    held = worker.store.hold("insert_inbox", to("asks"))
    await stage.raise_event("x", "item", random_text(30_000))
    await held.reached.wait()
    worker.store.freeze()
    for number in range(120):
        await stage.raise_event("x", "late", [number, random_text(20_000 if number % 10 == 0 else 10, number)])
    await stage.store.put_blobs("x", [BlobRow(f"30-left-{number:03d}", b"x") for number in range(110)])


class Crash(BaseException):
    """The end of a process."""


class MortalStore(StoreWrapper):
    """A store of a process that dies at its n-th call, before or after it took effect."""

    def __init__(self, inner: TaskHubStore, dies_at: int, *, after: bool) -> None:
        self._left = dies_at
        self._after = after
        super().__init__(inner)

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def mortal(*args: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Crash
            result = await call(*args)
            if self._left == 0:
                raise Crash
            return result

        return mortal


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_purge_that_dies_at_any_call_is_finished_by_another_process(after: bool) -> None:
    died: list[bool] = []

    async def scene(at: int) -> None:
        stage = Stage(asks, tells)
        await finished_with_all_kinds_of_rows(stage)
        mortal = TaskHub(MortalStore(stage.store, at, after=after), stage.clock, Ids(random.Random(at)))
        try:
            assert await purge(mortal, "x")
            died.append(False)
        except Crash:
            died.append(True)
            await purge(stage.hub, "x")
        await nothing_left(stage, "x")
        await stage.worker("W2")
        assert await stage.finished("asks", within=3600.0) == 30_000, "the answer went before its rows"

    at = 1
    while not died or died[-1]:
        play(lambda at=at: scene(at))
        at += 1
    assert len(died) > 8


@pytest.mark.parametrize("trouble", ["lose_answer", "refuse"])
def test_a_purge_tells_the_truth_whatever_answer_is_lost(trouble: str) -> None:
    async def scene(method: str) -> None:
        stage = Stage(quick)
        await stage.worker("W1")
        await stage.start("quick", "x", "y" * 30_000)
        await stage.finished("x")
        await stage.quiet()
        await stage.store.put_blobs("x", [BlobRow(f"30-left-{number:03d}", b"x") for number in range(150)])
        client = await stage.worker("C", start=False)
        getattr(client.store, trouble)(method, times=2)
        assert await purge(client.hub, "x")
        assert not await purge(client.hub, "x")
        await nothing_left(stage, "x")

    for method in ("load", "blob_keys", "commit"):
        play(lambda method=method: scene(method))


def test_a_purge_whose_last_answer_is_lost_does_not_take_the_next_instance_for_the_last() -> None:
    async def scene() -> None:
        stage = Stage(quick, waits)
        await stage.worker("W1")
        await stage.start("quick", "x")
        await stage.finished("x")
        await stage.quiet()
        client = await stage.worker("C", start=False)
        client.store.lose_answer("commit", commit_of("x"))
        again = client.store.hold("commit", commit_of("x"))
        purging = asyncio.ensure_future(purge(client.hub, "x"))
        await again.reached.wait()
        await stage.start("waits", "x", "new")
        again.go.set()
        assert await purging
        await stage.raise_event("x", "item", 1)
        assert await stage.finished("x") == [3, 1]

    play(scene)


def test_a_finished_instance_that_cannot_be_read_is_purged_all_the_same() -> None:
    async def scene() -> None:
        stage = Stage(quick)
        await stage.worker("W1")
        await stage.start("quick", "x")
        await stage.finished("x")
        await stage.quiet()
        header = await stage.header("x")
        damaged = Header("x", header.columns, b"not a state")
        await stage.store.commit(Commit("x", damaged, header.etag))
        assert await purge(stage.hub, "x")
        await nothing_left(stage, "x")

    play(scene)


# --- cost ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "requests"), [(0, 3), (99, 3), (100, 4), (990, 12), (1_980, 22)])
def test_what_a_purge_costs_grows_with_the_rows_and_no_faster(rows: int, requests: int) -> None:
    async def scene() -> None:
        stage = Stage(quick)
        await stage.worker("W1")
        await stage.start("quick", "x")
        await stage.finished("x")
        await stage.quiet()
        await stage.store.put_blobs("x", [BlobRow(f"30-left-{number:04d}", b"x") for number in range(rows)])
        counting = CountingStore(stage.store)
        assert await purge(TaskHub(counting, stage.clock, Ids(random.Random(1))), "x")
        assert (counting.table_operations, counting.queue_operations) == (requests, 0)
        await nothing_left(stage, "x")

    play(scene)


# --- nothing grows ---------------------------------------------------------------------------------------------


def test_an_eternal_orchestration_keeps_no_rows_of_generations_that_are_over() -> None:
    def eternal(context: Any) -> Routine:
        number, _ = context.get_input()
        item = yield context.wait_for_external_event("item")
        context.continue_as_new([number + 1, random_text(30_000, number)])
        return item

    async def scene() -> None:
        stage = Stage(eternal)
        await stage.worker("W1")
        await stage.start("eternal", "x", [0, random_text(30_000)])
        counts: list[int] = []
        for number in range(12):
            # Two at a time: one is carried over to the next generation.
            for _ in range(1 + number % 2):
                await stage.raise_event("x", "item", random_text(40_000, number))
            await asyncio.sleep(10.0)
            counts.append(len(await stage.store.blob_keys("x")))
        assert max(counts[6:]) <= max(counts[:6]) <= 5

    play(scene)


def test_a_storage_that_refuses_a_purge_is_not_taken_for_its_end() -> None:
    async def scene() -> None:
        stage = Stage(quick)
        await stage.worker("W1")
        await stage.start("quick", "x")
        await stage.finished("x")
        client = await stage.worker("C", start=False)
        client.store.refuse("commit", times=20)
        with pytest.raises(StorageUnavailableError):
            await purge(client.hub, "x")
        assert (await stage.header("x")).columns.runtime_status == "Completed"

    play(scene)


@pytest.mark.parametrize("way", ["signalled", "called"])
def test_nothing_is_left_of_an_entity_that_the_app_does_not_have(way: str) -> None:
    def calls(context: Any) -> Routine:
        try:
            yield context.call_entity(EntityId("nobody", "x"), "do")
        except TaskFailedError as error:
            return str(error)
        return "not reached"

    async def scene() -> None:
        stage = Stage(calls)
        await stage.worker("W1")
        if way == "called":
            await stage.start("calls", "one")
            assert "nobody" in await stage.finished("one")
        else:
            for _ in range(3):
                signal = stage.message(OperationArrived(stage.clock.now(), "do", json.dumps("x" * 20_000)))
                await stage.hub.deliver("@nobody@x", [signal], "")
        await stage.quiet()
        assert await stage.store.load_header("@nobody@x") is None
        assert not (await stage.store.load("@nobody@x")).inbox
        assert not await stage.store.blob_keys("@nobody@x")

    play(scene)
