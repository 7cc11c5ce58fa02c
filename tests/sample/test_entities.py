"""The entities of the sample app, on virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.testing import VirtualHub, play
from function_app import app


async def output(hub: VirtualHub, name: str, value: Any) -> Any:
    instance_id = await hub.client.start_new(name, client_input=value)
    return (await hub.client.wait_for_completion(instance_id, raise_if_failed=True)).output


async def state(hub: VirtualHub, name: str, key: str) -> Any:
    return (await hub.client.read_entity_state(df.EntityId(name, key))).entity_state


def test_a_counter_counts():
    async def scenario(hub: VirtualHub) -> None:
        for _ in range(3):
            await hub.client.signal_entity(df.EntityId("counter", "visits"), "add", 2)
        await hub.at_rest()
        assert await state(hub, "counter", "visits") == 6

    play(app, scenario)


def test_a_limiter_opens_again_after_a_minute():
    async def scenario(hub: VirtualHub) -> None:
        assert [await output(hub, "limited", "me") for _ in range(4)] == [True, True, True, False]
        await asyncio.sleep(61)
        assert await output(hub, "limited", "me") is True

    play(app, scenario)


@pytest.mark.parametrize(("amount", "moved"), [(30, 30), (130, 0)])
def test_a_transfer_moves_what_is_there(amount: int, moved: int):
    async def scenario(hub: VirtualHub) -> None:
        outcome = await output(hub, "transfer", {"from": "alice", "to": "bob", "amount": amount})
        assert outcome["moved"] == moved
        await hub.at_rest()
        assert await state(hub, "account", "alice") == (70 if moved else None)

    play(app, scenario)


def test_transfers_in_both_directions_at_once_end():
    async def scenario(hub: VirtualHub) -> None:
        orders = [{"from": a, "to": b, "amount": 1} for a, b in (("alice", "bob"), ("bob", "alice")) * 5]
        await asyncio.gather(*(output(hub, "transfer", order) for order in orders))
        await hub.at_rest()
        assert [await state(hub, "account", key) for key in ("alice", "bob")] == [100, 100]

    play(app, scenario)
