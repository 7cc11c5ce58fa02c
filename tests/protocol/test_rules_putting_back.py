"""PROTOCOL R3: a message that is put back is in the queue at every moment, whichever call is a worker's last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from azure_durable_py.taskhub.protocol import Commit
from tests.protocol.staging import Routine, Stage, play


def waits(context: Any) -> Routine:
    found = yield context.wait_for_external_event("item")
    return found


async def _damage(stage: Stage) -> Callable[[], Awaitable[None]]:
    """Make the header of "one" unreadable, so that its messages are put back; returns the way to mend it."""
    sound = await stage.header("one")
    await stage.store.commit(Commit("one", replace(sound, body=b"broken"), sound.etag))

    async def mend() -> None:
        damaged = await stage.header("one")
        await stage.store.commit(Commit("one", replace(damaged, body=sound.body), damaged.etag))

    return mend


def test_r3_who_dies_after_the_first_deletion_of_putting_back_loses_nothing() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        first = await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        await stage.quiet()
        mend = await _damage(stage)
        dies = first.store.last("delete_message")
        await stage.raise_event("one", "item", "heard")
        await stage.until(dies.reached.is_set)
        await asyncio.sleep(1.0)
        await mend()
        await stage.worker("W2")
        assert await stage.finished("one") == "heard"

    play(scene)


def test_r3_who_dies_before_it_deletes_what_it_put_back_leaves_two_messages_of_which_one_counts() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        first = await stage.worker("W1")
        await stage.start("waits", "one")
        await stage.waiting("one")
        await stage.quiet()
        mend = await _damage(stage)
        dies = first.store.last("put_message")
        await stage.raise_event("one", "item", "heard")
        await stage.until(dies.reached.is_set)
        assert sum((await stage.store.message_counts()).values()) == 2
        await mend()
        await stage.worker("W2")
        assert await stage.finished("one") == "heard"
        await stage.quiet()

    play(scene)
