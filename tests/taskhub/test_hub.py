"""The operations of a hub that clients and workers share: waiting for storage, and delivering."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable

import pytest

from azure_durable_py.errors import (
    ConcurrencyConflictError,
    DurableError,
    PayloadTooLargeError,
    StorageRejectedError,
    StorageUnavailableError,
    UnstorableError,
)
from azure_durable_py.history.events import EventRaised
from azure_durable_py.taskhub.patience import LONGEST_PAUSE
from azure_durable_py.taskhub.protocol import CorruptRowError
from tests.counting import CountingStore
from tests.protocol.staging import Stage, TaskHub, play

REFUSED = StorageRejectedError("refused (403 AuthorizationFailure)")
AWAY = StorageUnavailableError("no answer")


def failing(*errors: DurableError) -> tuple[Callable[[], Awaitable[str]], list[float]]:
    """A call that fails with these errors before it succeeds, and the times at which it was made."""
    left, times = list(errors), list[float]()

    async def call() -> str:
        times.append(asyncio.get_running_loop().time())
        if left:
            raise left.pop(0)
        return "done"

    return call, times


def test_who_waits_patiently_outlasts_any_refusal_and_any_outage() -> None:
    async def scene() -> None:
        stage = Stage()
        call, times = failing(*[REFUSED, AWAY] * 200)
        assert await stage.hub.patiently(call, "It") == "done"
        pauses = [after - before for before, after in itertools.pairwise(times)]
        assert len(pauses) == 400
        assert pauses[0] < 0.2
        assert max(pauses) <= 1.2 * LONGEST_PAUSE
        assert times[-1] > 3 * 3600.0

    play(scene)


def test_waiting_is_told_when_it_begins_and_when_it_ends(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stage = Stage()
        call, _ = failing(*[REFUSED] * 5)
        with caplog.at_level(logging.INFO, "azure_durable_py"):
            await stage.hub.patiently(call, "The input of 'act'")
            await stage.hub.patiently(failing()[0], "Another")

    play(scene)
    begin, end = (record.getMessage() for record in caplog.records)
    assert begin == "The input of 'act' is waiting for storage: refused (403 AuthorizationFailure)"
    assert end == "The input of 'act' is waiting no longer."


@pytest.mark.parametrize(
    "error", [CorruptRowError("gone"), PayloadTooLargeError("large"), ConcurrencyConflictError("changed")]
)
def test_an_error_about_the_thing_itself_is_not_waited_for(error: DurableError) -> None:
    async def scene() -> None:
        stage = Stage()
        call, times = failing(AWAY, error)
        with pytest.raises(type(error)):
            await stage.hub.patiently(call, "It")
        assert len(times) == 2

    play(scene)


# --- delivering --------------------------------------------------------------------------------------------


def test_events_are_inserted_as_many_at_once_as_rows_and_bytes_allow() -> None:
    async def requests(count: int, size: int) -> int:
        stage = Stage()
        await stage.hub.open()
        counting = CountingStore(stage.store)
        hub = TaskHub(counting, stage.clock)
        now = stage.clock.now()
        events = [stage.message(EventRaised(now, "item", '"' * size)) for _ in range(count)]
        await hub.deliver("x", events, "")
        assert len((await stage.store.load("x")).inbox) == count
        assert counting.queue_operations == 1
        return counting.calls["insert_inbox"]

    async def scene() -> None:
        assert await requests(99, 10) == 1
        assert await requests(100, 10) == 2
        # A quote takes two bytes: 2,800,000 bytes hold 86 of these.
        assert await requests(99, 16_200) == 2

    play(scene)


def test_of_events_with_one_that_no_store_takes_none_is_inserted() -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.hub.open()
        now = stage.clock.now()
        good = stage.message(EventRaised(now, "item"))
        bad = stage.message(EventRaised(now, "n" * 50_000))
        with pytest.raises(UnstorableError):
            await stage.hub.deliver("x", [good, bad], "")
        assert not (await stage.store.load("x")).inbox

    play(scene)
