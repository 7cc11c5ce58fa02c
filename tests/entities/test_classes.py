"""Class entities: methods are operations, and the object is the state."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pydantic
import pytest

from azure_durable_py.app import DFApp
from azure_durable_py.errors import OrchestratorError, RegistrationError, TaskFailedError
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.classes import EntityClass
from azure_durable_py.runtime.entities.context import entity_context
from azure_durable_py.runtime.entities.proxy import operation
from tests.entities.playing import Game, play

app = DFApp()


@app.entity_trigger(entity_name="Counter")
@dataclass
class Counter:
    value: int = 0

    @operation
    def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    async def get(self) -> int:
        return self.value

    async def spread(self, keys: list[str]) -> None:
        for key in keys:
            entity_context().signal_entity(EntityId("counter", key), "add", self.value)

    def fail(self) -> None:
        self.value = 1000
        raise KeyError("no")

    def _hidden(self) -> None: ...


@dataclass
class Item:
    name: str
    price: float = 1.0


class Cart:
    """Its state is one typed attribute."""

    state: dict[str, Item]

    def __init__(self) -> None:
        self.state = {}

    def put(self, item: Item) -> float:
        assert isinstance(item, Item)
        self.state[item.name] = item
        return sum(item.price for item in self.state.values())


class Limiter(pydantic.BaseModel):
    """A pydantic model is its own state."""

    used: int = 0
    limit: int = pydantic.Field(default=3, ge=1)

    def take(self, amount: int = 1) -> bool:
        if self.used + amount > self.limit:
            return False
        self.used += amount
        return True


class Diary:
    """Its public attributes are its state."""

    items: list[Item]

    def __init__(self) -> None:
        self.items = []
        self.pages = 0
        self._cache = object()

    def write(self, item: Item) -> int:
        self.items.append(item)
        assert all(isinstance(item, Item) for item in self.items)
        self.pages += 1
        return self.pages

    def delete(self) -> str:
        self.items = []
        return "kept"


async def count(context: DurableOrchestrationContext) -> Any:
    counter = context.entity(Counter, "c1")
    context.entity_signals(Counter, "c1").add(2)
    added = await counter.add(5)
    await counter.spread(["c2", "c3"])
    return [added, await counter.get(), await context.entity(Counter, "c2").get()]


def count_in_a_generator(context: DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    added = yield context.entity(Counter, "c1").add(amount=5)
    return added


def started(game: Game, *orchestrators: Any) -> None:
    game.entity(Counter.function, "counter")
    for cls in (Cart, Limiter, Diary):
        game.entity(cls)
    for orchestrator in orchestrators:
        game.orchestrator(orchestrator)


def test_methods_are_operations_and_calls_are_typed():
    async def script(game: Game) -> None:
        started(game, count, count_in_a_generator)
        await game.start()
        assert await game.run("count") == [7, 7, 7]
        assert await game.run("count_in_a_generator") == 12
        assert await game.state("counter", "c1") == {"value": 12}
        await game.at_rest()
        assert await game.state("counter", "c3") == {"value": 7}

    play(script)


def test_states_come_back_as_their_types():
    async def shop(context: DurableOrchestrationContext) -> Any:
        cart, diary = EntityId("cart", "me"), EntityId("diary", "me")
        totals = [await context.call_entity(cart, "put", Item(name, 2.5)) for name in ("tea", "milk")]
        pages = [await context.call_entity(diary, "write", Item("note")) for _ in range(2)]
        return [*totals, *pages]

    async def script(game: Game) -> None:
        started(game, shop)
        await game.start()
        assert await game.run("shop") == [2.5, 5.0, 1, 2]
        await game.restart()
        assert await game.run("shop") == [5.0, 5.0, 3, 4]
        assert set(await game.state("diary", "me")) == {"items", "pages"}

    play(script)


def test_a_pydantic_model_is_an_entity():
    async def take(context: DurableOrchestrationContext) -> Any:
        limiter = EntityId("limiter", "api")
        taken = [await context.call_entity(limiter, "take") for _ in range(4)]
        taken.append(await context.call_entity(limiter, "TAKE", 0))
        return taken

    async def script(game: Game) -> None:
        started(game, take)
        await game.start()
        assert await game.run("take") == [True, True, True, False, True]
        assert await game.state("limiter", "api") == {"used": 3, "limit": 3}

    play(script)


def test_a_failed_method_leaves_no_trace():
    async def fail(context: DurableOrchestrationContext) -> Any:
        await context.call_entity(EntityId("counter", "x"), "add", 3)
        failures = []
        for name in ("fail", "_hidden", "ad"):
            try:
                await context.call_entity(EntityId("counter", "x"), name)
            except TaskFailedError as error:
                failures.append(error.details.message)
        return failures

    async def script(game: Game) -> None:
        started(game, fail)
        await game.start()
        first, second, third = await game.run("fail")
        assert first == "'no'"
        assert "has no operation '_hidden'" in second
        assert "Did you mean 'add'" in third
        assert await game.state("counter", "x") == {"value": 3}

    play(script)


def test_delete_is_there_unless_the_class_has_its_own():
    async def deletes(context: DurableOrchestrationContext) -> Any:
        await context.call_entity(EntityId("counter", "x"), "add", 3)
        await context.call_entity(EntityId("counter", "x"), "delete")
        await context.call_entity(EntityId("diary", "x"), "write", Item("a"))
        return await context.call_entity(EntityId("diary", "x"), "delete")

    async def script(game: Game) -> None:
        started(game, deletes)
        await game.start()
        assert await game.run("deletes") == "kept"
        assert await game.state("counter", "x") is None
        assert await game.state("diary", "x") == {"items": [], "pages": 1}

    play(script)


def test_an_operation_takes_one_value():
    class Wrong:
        def two(self, first: int, second: int) -> None: ...

    with pytest.raises(RegistrationError, match="takes 2 values"):
        EntityClass.of(Wrong)


def test_a_proxy_refuses_what_the_method_does_not_take():
    async def wrong(context: DurableOrchestrationContext) -> Any:
        counter: Any = context.entity(Counter, "x")
        with pytest.raises(OrchestratorError, match="takes 1 values, but 2"):
            counter.add(1, 2)
        with pytest.raises(OrchestratorError, match="needs an input"):
            counter.add()
        with pytest.raises(AttributeError, match="no operation 'nothing'"):
            counter.nothing()
        anything: Any = wrong
        with pytest.raises(OrchestratorError, match="not a class entity"):
            context.entity(anything, "x")
        return "refused"

    async def script(game: Game) -> None:
        started(game, wrong)
        await game.start()
        assert await game.run("wrong") == "refused"

    play(script)
