"""What a type checker knows of entities. Checked by pyright, never run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from typing_extensions import assert_type

import azure_durable_py as df

app = df.DFApp()


@app.entity_trigger()
@dataclass
class Counter:
    value: int = 0

    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @df.operation
    def get(self) -> int:
        return self.value


class Plain:
    async def name(self) -> str:
        return "x"


async def orchestrator(context: df.DurableOrchestrationContext) -> None:
    counter = context.entity(Counter, "c1")
    assert_type(await counter.add(5), int)
    assert_type(await counter.get(), int)
    assert_type(await context.entity(Plain, "p").name(), str)
    await counter.add("five")  # pyright: ignore[reportArgumentType]
    await counter.subtract(5)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert_type(await context.call_entity(df.EntityId("counter", "c1"), "add", 1), Any)
    async with context.lock([df.EntityId("counter", "c1")]) as section:
        section.release()


def generator(context: df.DurableOrchestrationContext) -> Generator[Any, Any, None]:
    with (yield context.lock([df.EntityId("counter", "c1")])):
        yield context.entity(Counter, "c1").add(1)


def entity(context: df.DurableEntityContext) -> None:
    assert_type(context.entity_name, str)
    assert_type(context.operation_name, str)
    assert_type(context.is_newly_constructed, bool)
    context.set_state(context.get_state(lambda: 0) + 1)
    assert_type(context.schedule_new_orchestration("name"), str)


async def client(client: df.DurableOrchestrationClient) -> None:
    entity_id = df.EntityId("counter", "c1")
    await client.signal_entity(entity_id, "add", 1)
    assert_type((await client.read_entity_state(entity_id)).entity_exists, bool)
    assert_type((await client.get_entity(entity_id)).locked_by, str | None)
    assert_type((await client.clean_entity_storage()).orphaned_locks_released, int)
    async for found in client.list_entities():
        assert_type(found, df.EntityMetadata)
