"""What scenarios cost in storage operations: the budgets of the design, held.

Counted from the client's start until the hub is at rest, polls that find nothing excluded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import TypeVar

import pytest

from azure_durable_py.clock import Clock, loop_clock
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES, TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.testing.virtual.time import run_virtual
from tests.budgets.measuring import Cost, Measured
from tests.conftest import StoreFactory

T = TypeVar("T")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def settings(slots: int) -> Settings:
    return Settings(hub_name="Budgets", max_concurrent_activities=slots)


def at_virtual_time(
    slots: int, scenario: Callable[[Measured], Awaitable[T]], work_seconds: float = 0.0, *, cancellable: bool = False
) -> T:
    """Run a scenario on SQLite in memory, where neither threads nor the machine's speed matter."""

    async def main() -> T:
        clock = loop_clock(START)
        store = SqliteStore(None, hub_name="Budgets", now=clock.now)
        try:
            measuring = Measured(store, settings(slots), clock, work_seconds, cancellable=cancellable)
            async with measuring.working() as measured:
                return await scenario(measured)
        finally:
            await store.close()

    return run_virtual(main())


async def cost(store: TaskHubStore, slots: int, name: str, size: int) -> Cost:
    async with Measured(store, settings(slots), Clock()).working() as measured:
        return await measured.cost(name, size)


async def test_three_activities_in_sequence(store: TaskHubStore):
    spent = await cost(store, 20, "chain", 3)
    # The process that starts it is the one that runs it: it knows what it has inserted.
    assert (spent.queue, spent.table) == (3, 5), spent.calls


async def test_a_fan_out_of_100_on_free_slots(store: TaskHubStore):
    spent = await cost(store, 100, "fan_out", 100)
    assert spent.output == 4950
    assert spent.queue <= 3, spent.calls
    assert spent.table <= 10, spent.calls


async def test_one_signal_from_a_client(store: TaskHubStore):
    async with Measured(store, settings(20), Clock()).working() as measured:
        spent = await measured.cost_of_signals(1, 1)
    assert (spent.queue, spent.table) == (3, 3), spent.calls


def test_signals_that_come_at_once_share_their_insert_their_doorbell_and_their_turn():
    spent = at_virtual_time(20, lambda measured: measured.cost_of_signals(2_000, 32))
    batches = 63
    # The entity is new: of the message that came first it is asked once whether it is still in hand.
    assert spent.queue <= 3 * batches + 1, spent.calls
    assert spent.table <= 3 * batches, spent.calls


def test_a_fan_out_of_100_through_the_queue():
    spent = at_virtual_time(10, lambda measured: measured.cost("fan_out", 100), work_seconds=0.5)
    assert spent.calls["put_message"] > 80
    assert spent.output == 4950
    assert spent.queue <= 215, spent.calls
    assert spent.table <= 30, spent.calls


@pytest.mark.parametrize(("seconds", "looks"), [(1.0, 0), (35.0, 3)])
def test_activities_that_may_be_cancelled_cost_one_look_in_ten_seconds_for_each_instance(seconds: float, looks: int):
    def spent(*, cancellable: bool) -> Cost:
        return at_virtual_time(
            20, lambda measured: measured.cost("fan_out", 20), work_seconds=seconds, cancellable=cancellable
        )

    plain, cancellable = spent(cancellable=False), spent(cancellable=True)
    assert cancellable.queue == plain.queue
    assert cancellable.table == plain.table + looks, cancellable.calls


def test_activities_of_the_queue_that_may_be_cancelled_cost_one_look_each():
    def spent(*, cancellable: bool) -> Cost:
        return at_virtual_time(
            10, lambda measured: measured.cost("fan_out", 100), work_seconds=0.5, cancellable=cancellable
        )

    plain, cancellable = spent(cancellable=False), spent(cancellable=True)
    assert cancellable.queue == plain.queue
    assert cancellable.table == plain.table + plain.calls["put_message"] - 1, cancellable.calls


def test_a_worker_with_nothing_to_do():
    minutes = 10

    async def scenario(measured: Measured) -> tuple[int, int]:
        await asyncio.sleep(300)
        before = measured.store.polls
        await asyncio.sleep(60 * minutes)
        return measured.store.polls - before, measured.store.table_operations

    polls, table = at_virtual_time(20, scenario)
    assert polls / minutes <= 5
    assert table == 0


class SilentStore(SqliteStore):
    """Tells of nothing, as Azure does, and says how often it may be asked."""

    def __init__(self, longest_pause: float, now: Callable[[], datetime]) -> None:
        super().__init__(None, hub_name="Budgets", now=now)
        self._longest_pause = longest_pause

    @property
    def longest_pause(self) -> float:
        return self._longest_pause

    async def next_visible(self, queue: str) -> None:
        del queue


@pytest.mark.parametrize(
    ("store_says", "setting", "expected"),
    [(30.0, None, 30.0), (1.0, None, 1.0), (1.0, 20.0, 20.0), (30.0, 5.0, 5.0)],
    ids=["azure", "emulator", "emulator, with a setting", "azure, with a setting"],
)
def test_a_start_from_another_process_waits_no_longer_than_an_idle_queue_is_left_alone(
    store_says: float, setting: float | None, expected: float
):
    async def main() -> tuple[int, float]:
        clock = loop_clock(START)
        store = SilentStore(store_says, clock.now)
        chosen = replace(settings(20), max_queue_polling_interval=setting)
        try:
            async with Measured(store, chosen, clock).working() as measured:
                await asyncio.sleep(600)
                before = measured.store.polls
                await asyncio.sleep(600)
                polls = measured.store.polls - before
                # By a hub of its own: nothing in the worker's process hears of it.
                other = TaskHub(store, clock)
                began = clock.monotonic()
                await other.start(StartRequest("x", "e", "chain", clock.now(), "0"))
                while not (await measured.is_at_rest("x")):
                    await asyncio.sleep(0.02)
                return polls, clock.monotonic() - began
        finally:
            await store.close()

    polls, waited = run_virtual(main())
    assert waited <= 1.1 * expected + 0.1
    # Of two queues.
    assert polls == pytest.approx(2 * 600 / expected, rel=0.15)


def test_a_chain_costs_as_much_per_activity_at_its_end_as_at_its_start():
    length = 3000
    at = at_virtual_time(20, lambda measured: measured.cost("chain", length)).operations_at
    assert len(at) == length
    part = length // 6
    first, last = at[2 * part] - at[part], at[-1] - at[-1 - part]
    # A sealed page now and then belongs to both.
    assert abs(last - first) <= part * 0.02
    assert last <= part * 1.05


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_a_fan_out_of_10_000_completes(store_factory: StoreFactory):
    store = await store_factory()
    async with Measured(store, settings(100), Clock()).working() as measured:
        spent = await measured.cost("fan_out", 10_000)
    assert spent.output == sum(range(10_000))
    assert measured.store.largest_body <= MAX_BODY_BYTES


@pytest.mark.slow
def test_a_fan_out_of_10_000_through_the_queue_completes():
    async def scenario(measured: Measured) -> tuple[Cost, int]:
        return await measured.cost("fan_out", 10_000), measured.store.largest_body

    spent, largest_body = at_virtual_time(100, scenario, work_seconds=1.0)
    assert spent.output == sum(range(10_000))
    assert spent.calls["put_message"] > 9_000
    assert largest_body <= MAX_BODY_BYTES
    assert spent.queue <= 2.15 * 10_000, spent.calls
