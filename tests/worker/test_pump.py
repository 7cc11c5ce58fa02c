"""The pace of a pump: soon where something is due, seldom where nothing is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import TypeVar

import pytest

from azure_durable_py.clock import Ids, loop_clock
from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.testing.virtual.time import run_virtual
from azure_durable_py.worker.intake.pump import Pump

T = TypeVar("T")
QUEUE = "q"
LONGEST_PAUSE = 30.0
IDLE = 300.0


class Told(SqliteStore):
    """A store in memory that tells of others what the test has it tell, and counts polls."""

    polls = 0
    cannot_tell: BaseException | bool = False
    changed: Callable[[], None] | None = None

    async def receive_messages(self, queue: str, limit: int, visibility: float) -> list[QueueMessage]:
        self.polls += 1
        return await super().receive_messages(queue, limit, visibility)

    async def next_visible(self, queue: str) -> float | None:
        if isinstance(self.cannot_tell, BaseException):
            raise self.cannot_tell
        return None if self.cannot_tell else await super().next_visible(queue)

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        self.changed = changed

        def stop() -> None:
            self.changed = None

        return stop


class Pumped:
    """A pump at work. What is put into `store` itself was put by another process: nobody tells the pump of it."""

    def __init__(self, store: Told, hub: TaskHub) -> None:
        self.store = store
        self.hub = hub
        self.room = 10
        self.taken: dict[str, float] = {}
        self.pump = Pump(hub, QUEUE, self._take, lambda: self.room, visibility=30.0, max_pause=LONGEST_PAUSE, batch=32)

    def _take(self, message: QueueMessage, asked_at: float) -> None:
        assert asked_at <= self.now
        if message.body == "bad":
            raise OverflowError("cannot convert float infinity to integer")
        # Nobody settles them: they come again and again.
        self.taken.setdefault(message.body, self.now)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()


def pumped(scenario: Callable[[Pumped], Awaitable[T]]) -> T:
    """Play a scenario at virtual time, with a pump that has long been idle."""

    async def main() -> T:
        clock = loop_clock(datetime(2026, 1, 1, tzinfo=timezone.utc))
        store = Told(None, hub_name="Pumped", now=clock.now)
        await store.open()
        # By chance a pause would end in the middle of what a test looks at.
        pumped = Pumped(store, TaskHub(store, clock, Ids(random.Random(7))))
        running = asyncio.ensure_future(pumped.pump.run())
        await asyncio.sleep(IDLE)
        try:
            return await scenario(pumped)
        finally:
            assert not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert store.changed is None
            await store.close()

    return run_virtual(main())


def soon(moment: float) -> object:
    return pytest.approx(moment, abs=0.01)


def test_what_another_process_put_for_later_is_taken_when_it_is_due():
    async def scenario(pumped: Pumped) -> None:
        await pumped.store.put_message(QUEUE, "timer", delay=100.0)
        await asyncio.sleep(150.0)
        assert pumped.taken == {"timer": soon(IDLE + 100.0)}

    pumped(scenario)


def test_what_another_process_let_lapse_is_taken_when_its_visibility_ends():
    async def scenario(pumped: Pumped) -> None:
        pumped.room = 0
        await pumped.store.put_message(QUEUE, "held")
        await pumped.store.receive_messages(QUEUE, 1, 47.0)
        pumped.room = 1
        pumped.pump.more_room()
        await asyncio.sleep(100.0)
        assert pumped.taken == {"held": soon(IDLE + 47.0)}

    pumped(scenario)


def test_what_this_process_puts_is_taken_when_it_is_due():
    async def scenario(pumped: Pumped) -> None:
        pumped.hub.listen(pumped.pump.announce)
        await pumped.hub.put(QUEUE, "now")
        await pumped.hub.put(QUEUE, "later", 3.3)
        await asyncio.sleep(50.0)
        assert pumped.taken == {"now": soon(IDLE), "later": soon(IDLE + 3.3)}

    pumped(scenario)


def test_what_the_store_tells_of_is_taken_at_once():
    async def scenario(pumped: Pumped) -> None:
        # Wherever in its pause the pump is.
        await asyncio.sleep(1.0)
        await pumped.store.put_message(QUEUE, "x")
        assert pumped.store.changed is not None
        pumped.store.changed()
        await asyncio.sleep(0.1)
        assert pumped.taken == {"x": soon(IDLE + 1.0)}

    pumped(scenario)


def test_news_of_other_queues_cost_no_poll():
    async def scenario(pumped: Pumped) -> None:
        await asyncio.sleep(1.0)
        polls = pumped.store.polls
        for _ in range(20):
            assert pumped.store.changed is not None
            pumped.store.changed()
            await asyncio.sleep(0.01)
        assert pumped.store.polls == polls

    pumped(scenario)


def test_news_wait_until_there_is_room():
    async def scenario(pumped: Pumped) -> None:
        pumped.room = 0
        await pumped.store.put_message(QUEUE, "x")
        assert pumped.store.changed is not None
        pumped.store.changed()
        await asyncio.sleep(100.0)
        assert pumped.taken == {}
        pumped.room = 1
        pumped.pump.more_room()
        await asyncio.sleep(1.0)
        assert pumped.taken == {"x": soon(IDLE + 100.0)}

    pumped(scenario)


@pytest.mark.parametrize("cannot_tell", [True, StorageUnavailableError("no answer")], ids=["silent", "away"])
def test_where_the_store_cannot_tell_the_queue_is_polled(cannot_tell: BaseException | bool):
    async def scenario(pumped: Pumped) -> None:
        await pumped.store.put_message(QUEUE, "x", delay=1.0)
        pumped.store.cannot_tell = cannot_tell
        await asyncio.sleep(1.2 * LONGEST_PAUSE)
        assert "x" in pumped.taken

    pumped(scenario)


@pytest.mark.parametrize("waiting", [0, 50])
def test_an_idle_queue_is_polled_seldom_whatever_waits_in_it(waiting: int):
    async def scenario(pumped: Pumped) -> None:
        for number in range(waiting):
            await pumped.store.put_message(QUEUE, "for days", delay=86_400.0 + number)
        polls = pumped.store.polls
        await asyncio.sleep(600.0)
        assert 10 <= pumped.store.polls - polls <= 2.5 * 10

    pumped(scenario)


def test_a_message_that_cannot_be_taken_does_not_keep_the_others_from_it(caplog: pytest.LogCaptureFixture):
    async def scenario(pumped: Pumped) -> None:
        for body in ("bad", "good"):
            await pumped.store.put_message(QUEUE, body)
        await asyncio.sleep(LONGEST_PAUSE * 1.2)
        assert "good" in pumped.taken

    pumped(scenario)
    assert "could not be taken and will be delivered again" in caplog.text
    assert "OverflowError" in caplog.text
