"""Entities of which something in storage is lost or damaged: what hangs on it fails, and they go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from azure_durable_py.history.events import OperationArrived, PayloadRef
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.taskhub.entity_state import EntityState
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.payloads import encode_ref
from azure_durable_py.taskhub.protocol import BlobRow, Commit
from azure_durable_py.taskhub.state import InstanceState, PageRef, SenderPage
from tests.entities.playing import Game, play

X = EntityId("tally", "x")
LOST = PayloadRef("30-payload-lost-0000", 20_000, 1)


@pytest.fixture(autouse=True)
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def tally(context: DurableEntityContext) -> None:
    total = context.get_state(lambda: 0) + (context.get_input() or 0)
    context.set_state(total)
    context.set_result(total)


async def adds(context: DurableOrchestrationContext) -> Any:
    try:
        return await context.call_entity(X, "add", context.get_input())
    except Exception as error:  # noqa: BLE001 - the test looks at it
        return f"failed: {error}"


async def changed(
    game: Game, change: Callable[[EntityState], None], pages: Sequence[SenderPage] = (), **columns: Any
) -> None:
    """Write something else into the header of the entity, while no worker runs."""
    header = await game.store.inner.load_header(str(X))
    assert header is not None
    state = InstanceState.decode(header.body)
    entity = EntityState.of(state)
    change(entity)
    state.entity = entity.to_json()
    state.sender_pages += pages
    new = replace(header, columns=replace(header.columns, **columns), body=state.encode(), etag="")
    await game.store.inner.commit(Commit(str(X), new, header.etag))


def nothing(_: EntityState) -> None:
    pass


def playing(script: Callable[[Game], Awaitable[None]]) -> None:
    async def with_app(game: Game) -> None:
        game.entity(tally)
        game.orchestrator(adds)
        await game.start()
        assert await game.run("adds", 5) == 5
        await script(game)

    play(with_app)


def test_an_operation_whose_input_is_lost_fails_and_the_next_runs():
    async def script(game: Game) -> None:
        event = OperationArrived(game.hub.clock.now(), "add", LOST)
        row = InboxEvent(event, "client:x", 1, event.timestamp).row()
        await game.store.inner.insert_inbox(str(X), [row])
        await game.client.signal_entity(X, "add", 2)
        await game.at_rest()
        assert await game.state("tally", "x") == 7

    playing(script)


def test_an_entity_whose_state_is_lost_fails_its_operations_until_it_is_deleted():
    async def script(game: Game) -> None:
        await game.stop()
        await changed(game, nothing, output=None, output_payload=encode_ref(LOST))
        await game.start()
        assert "is missing" in await game.run("adds", 1)
        found = await game.client.get_entity(X)
        assert (found.exists, found.damaged) == (True, "row '30-payload-lost-0000-0000' is missing")
        await game.client.delete_entity(X)
        await game.at_rest()
        assert not await game.client.get_entity(X)
        assert await game.run("adds", 3) == 3

    playing(script)


def test_requests_held_back_that_cannot_be_read_are_kept_aside():
    def spoil(entity: EntityState) -> None:
        entity.front = ["?", '{"type":"OperationArrived"}']
        entity.pages = [PageRef("60-backlog-lost", 1, 7), PageRef("60-backlog-bad", 1, 7)]

    async def script(game: Game) -> None:
        await game.stop()
        await changed(game, spoil)
        await game.store.inner.put_blobs(str(X), [BlobRow("60-backlog-bad-0000", b"?")])
        await game.start()
        assert await game.run("adds", 1) == 6
        assert (await game.memory("tally", "x")).is_idle
        kept = await game.store.inner.list_blobs(str(X), "40-quarantine-")
        assert [row.body for row in kept] == [b"?", b'{"type":"OperationArrived"}']
        # What could not be opened stays where it is.
        assert [row.body for row in await game.store.inner.list_blobs(str(X), "60-")] == [b"?"]

    playing(script)


def test_a_scheduled_signal_that_cannot_be_read_is_kept_aside():
    def spoil(entity: EntityState) -> None:
        entity.scheduled = dict.fromkeys(entity.scheduled, "?")

    async def script(game: Game) -> None:
        now = game.hub.clock.now()
        await game.client.signal_entity(X, "add", 9, signal_time=now.replace(minute=now.minute + 5))
        while not (await game.memory("tally", "x")).scheduled:
            await asyncio.sleep(0.5)
        await game.stop()
        await changed(game, spoil)
        await game.start()
        await asyncio.sleep(400)
        await game.at_rest()
        assert await game.run("adds", 1) == 6
        assert [row.body for row in await game.store.inner.list_blobs(str(X), "40-quarantine-")] == [b"?"]

    playing(script)


@pytest.mark.parametrize("body", [None, b"?", b"D\x01p[1]", b'D\x01p{"client:x": "1"}'])
def test_a_memory_of_senders_that_cannot_be_read_holds_up_nobody(body: bytes | None):
    async def script(game: Game) -> None:
        now = game.hub.clock.now()
        await game.stop()
        await changed(game, nothing, [SenderPage("50-senders-x", 1, now.replace(year=2027), now)])
        if body is not None:
            await game.store.inner.put_blobs(str(X), [BlobRow("50-senders-x-0000", body)])
        await game.start()
        assert await game.run("adds", 1) == 6

    playing(script)
