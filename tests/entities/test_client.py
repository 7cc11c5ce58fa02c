"""What a client does with entities."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.errors import FunctionNotFoundError, InvalidRequestError, SerializationError
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.testing.virtual.hub import EPOCH
from tests.entities.playing import SOON, Game, play

COUNTER = EntityId("Counter", "one")


def counter(context: DurableEntityContext) -> None:
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        context.set_state(value + context.get_input())
    elif context.operation_name == "clear":
        context.destruct_on_exit()


async def hold(context: DurableOrchestrationContext) -> None:
    async with context.lock([COUNTER]):
        await context.wait_for_external_event("then")


@dataclass
class Cart:
    items: list[str]


def cart(context: DurableEntityContext) -> None:
    state: Cart = context.get_state(lambda: Cart([]), expected_type=Cart)
    state.items.append(context.get_input())
    context.set_state(state)


async def ready(game: Game) -> None:
    game.entity(counter)
    game.entity(cart)
    game.orchestrator(hold)
    await game.start()


def test_a_signal_takes_effect_once_and_can_be_read():
    async def script(game: Game) -> None:
        await ready(game)
        assert not (await game.client.read_entity_state(COUNTER)).entity_exists
        for _ in range(3):
            await game.client.signal_entity(COUNTER, "add", 2)
        await game.at_rest()
        found = await game.client.read_entity_state(COUNTER)
        assert (found.entity_exists, found.entity_state) == (True, 6)

    play(script)


def test_the_input_of_a_signal_has_two_names_and_one_value():
    async def script(game: Game) -> None:
        await ready(game)
        await game.client.signal_entity(COUNTER, "add", input=2)
        await game.client.signal_entity(COUNTER, "add", operation_input=3)
        with pytest.raises(InvalidRequestError, match="give one of the two"):
            await game.client.signal_entity(COUNTER, "add", 2, input=2)
        await game.at_rest()
        assert (await game.client.read_entity_state(COUNTER)).entity_state == 5

    play(script)


def test_a_signal_can_be_scheduled():
    async def script(game: Game) -> None:
        await ready(game)
        await game.client.signal_entity(COUNTER, "add", 2, signal_time=EPOCH + timedelta(hours=2))
        await asyncio.sleep(7100)
        await game.at_rest()
        assert game.hub.clock.now() >= EPOCH + timedelta(hours=2)
        assert (await game.client.read_entity_state(COUNTER)).entity_state == 2

    play(script)


def test_a_typed_state_comes_back_as_its_type():
    async def script(game: Game) -> None:
        await ready(game)
        for item in ("tea", "milk"):
            await game.client.signal_entity(EntityId("cart", "me"), "put", item)
        await game.at_rest()
        found = await game.client.read_entity_state(EntityId("cart", "me"), expected_type=Cart)
        assert found.entity_state == Cart(["tea", "milk"])
        with pytest.raises(SerializationError):
            await game.client.read_entity_state(EntityId("cart", "me"), expected_type=int)

    play(script)


def test_signals_to_unknown_entities_are_refused():
    async def script(game: Game) -> None:
        await ready(game)
        with pytest.raises(FunctionNotFoundError, match="Did you mean 'counter'"):
            await game.client.signal_entity(EntityId("count", "x"), "add", 1)

    play(script)


def test_metadata_tells_who_holds_the_lock_and_who_waits():
    async def script(game: Game) -> None:
        await ready(game)
        await game.client.signal_entity(COUNTER, "add", 2)
        await game.client.start_new("hold", "first")
        await asyncio.sleep(5)
        await game.client.start_new("hold", "second")
        await asyncio.sleep(5)
        await game.client.signal_entity(COUNTER, "add", 2)
        await asyncio.sleep(5)
        found = await game.client.get_entity(COUNTER)
        assert found
        assert (found.locked_by, found.waiting, found.backlog_size, found.state) == ("first", ("second",), 2, 2)
        assert found.last_operation_time is not None
        assert not await game.client.get_entity(EntityId("counter", "other"))
        for instance_id in ("first", "second"):
            await game.client.raise_event(instance_id, "then")
            await game.client.wait_for_completion(instance_id, SOON)

    play(script)


def test_entities_are_listed_page_by_page():
    async def script(game: Game) -> None:
        await ready(game)
        for number in range(7):
            await game.client.signal_entity(EntityId("counter", f"k/{number}"), "add", number)
        await game.client.signal_entity(EntityId("cart", "me"), "put", "tea")
        await game.client.signal_entity(EntityId("counter", "empty"), "clear")
        await game.at_rest()
        found: dict[str, Any] = {}
        token = None
        while True:
            page = await game.client.query_entities(
                name="COUNTER", include_state=True, page_size=3, continuation_token=token
            )
            assert len(page.items) <= 3
            found |= {item.entity_id.key: item.state for item in page.items}
            token = page.continuation_token
            if token is None:
                break
        assert found == {f"k/{number}": number for number in range(7)}
        assert len([item async for item in game.client.list_entities()]) == 8
        assert len([item async for item in game.client.list_entities("counter", "k/6")]) == 1
        assert len((await game.client.query_entities(include_empty=True)).items) == 9
        late = game.hub.clock.now() + timedelta(seconds=1)
        assert not (await game.client.query_entities(last_operation_from=late)).items
        with pytest.raises(InvalidRequestError):
            await game.client.query_entities(key_prefix="k")

    play(script)


def test_deleting_runs_no_code_of_the_entity():
    async def script(game: Game) -> None:
        await ready(game)
        await game.client.signal_entity(COUNTER, "add", 2)
        await game.client.delete_entity(COUNTER)
        await game.at_rest()
        assert not (await game.client.read_entity_state(COUNTER)).entity_exists

    play(script)


def test_cleaning_removes_what_is_left_of_empty_entities():
    async def script(game: Game) -> None:
        await ready(game)
        await game.client.signal_entity(COUNTER, "add", 2)
        await game.client.signal_entity(EntityId("counter", "gone"), "clear")
        await game.at_rest()
        assert (await game.client.clean_entity_storage()).empty_entities_removed == 0
        await asyncio.sleep(3600)
        assert (await game.client.clean_entity_storage()).empty_entities_removed == 1
        assert await game.store.inner.load_header("@counter@gone") is None
        assert await game.state("counter", "one") == 2
        await game.client.signal_entity(EntityId("counter", "gone"), "add", 1)
        await game.at_rest()
        assert await game.state("counter", "gone") == 1

    play(script)


def test_cleaning_releases_locks_whose_holder_is_gone():
    async def script(game: Game) -> None:
        await ready(game)
        await game.client.start_new("hold", "holder")
        await asyncio.sleep(5)
        assert (await game.client.clean_entity_storage()).orphaned_locks_released == 0
        header = await game.store.inner.load_header("holder")
        assert header is not None
        await game.restart()
        from azure_durable_py.taskhub.protocol import Commit

        await game.store.inner.commit(Commit("holder", None, header.etag))
        assert (await game.client.clean_entity_storage()).orphaned_locks_released == 1
        await game.at_rest()
        assert (await game.memory("counter", "one")).holder is None

    play(script)
