"""PROTOCOL I10: a refusal by storage waits, and loses nothing, however long it lasts and wherever it strikes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.errors import StorageError, StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.protocol import Commit
from tests.protocol.staging import Routine, Stage, always, commit_of, play, to


def waits(context: Any) -> Routine:
    found = yield context.wait_for_external_event("item")
    return found


def tells(context: Any) -> Routine:
    context.send_event("hears", "item", "told")
    yield context.wait_for_external_event("never")


def naps(context: Any) -> Routine:
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=20))
    return "woke"


def calls_with_much(context: Any) -> Routine:
    # More than goes into the header: it is read before the activity runs, and then is no number.
    yield context.call_activity("rest", "x" * 20_000)


ERRORS = pytest.mark.parametrize("error", [StorageRejectedError, StorageUnavailableError])
"""An access that is withdrawn, and storage out of reach."""


@ERRORS
def test_what_storage_refuses_to_take_for_a_while_arrives(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(tells, waits)
        first = await stage.worker("W1")
        await stage.start("waits", "hears")
        await stage.waiting("hears")
        first.store.refuse("insert_inbox", to("hears"), times=50, error=error)
        await stage.start("tells", "says")
        assert await stage.finished("hears", within=3600.0) == "told"

    play(scene)


@ERRORS
def test_a_timer_whose_doorbell_storage_refuses_for_a_while_fires(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(naps)
        first = await stage.worker("W1")
        first.store.refuse("put_message", lambda queue, body, *_: "timer" in body, times=3, error=error)
        await stage.start("naps", "one")
        assert await stage.finished("one") == "woke"

    play(scene)


@ERRORS
def test_an_activity_whose_input_storage_refuses_for_a_while_runs(error: type[StorageError]) -> None:
    async def scene() -> None:
        stage = Stage(calls_with_much)
        first = await stage.worker("W1")
        first.store.refuse("get_blobs", always, times=20, error=error)
        await stage.start("calls_with_much", "one")
        await stage.finished("one", within=3600.0)
        assert len(stage.runs) == 1

    play(scene)


def _breaks(stage: Stage) -> Callable[[], Any]:
    async def repair() -> None:
        header = await stage.header("one")
        await stage.store.commit(Commit("one", replace(header, body=sound), header.etag))

    sound = b""

    async def damage() -> Any:
        nonlocal sound
        header = await stage.header("one")
        sound = header.body
        await stage.store.commit(Commit("one", replace(header, body=b"broken"), header.etag))
        return repair

    return damage


def test_a_message_is_in_the_queue_whatever_call_of_putting_it_back_is_the_last() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        first = await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        await stage.quiet()
        repair = await _breaks(stage)()
        # The doorbell of an event is put back, and its worker dies after it deleted something.
        dies = first.store.last("delete_message")
        await stage.raise_event("one", "item", "heard")
        await stage.until(dies.reached.is_set)
        await asyncio.sleep(1.0)
        await repair()
        await stage.worker("W2")
        assert await stage.finished("one") == "heard"

    play(scene)


def test_who_dies_before_it_deletes_what_it_put_back_leaves_two_of_which_one_counts() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        first = await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        await stage.quiet()
        repair = await _breaks(stage)()
        dies = first.store.last("put_message")
        await stage.raise_event("one", "item", "heard")
        await stage.until(dies.reached.is_set)
        assert sum((await stage.store.message_counts()).values()) == 2
        await repair()
        await stage.worker("W2")
        assert await stage.finished("one") == "heard"
        await stage.quiet()

    play(scene)


def test_a_commit_that_storage_refuses_for_a_while_is_made(caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        stage = Stage(waits)
        first = await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        first.store.refuse("commit", commit_of("one"), times=10, error=StorageRejectedError)
        await stage.raise_event("one", "item", "heard")
        assert await stage.finished("one", within=3600.0) == "heard"
        await stage.quiet()
        # It says so once, not each time.
        assert sum("is waiting for storage" in record.message for record in caplog.records) == 1

    play(scene)
