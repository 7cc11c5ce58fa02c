"""The entities of the sample app, on virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import azure_durable_py as df
from function_app import app
from tests.entities.playing import SOON, Game, play


async def started(game: Game) -> None:
    for name in ("counter", "limiter", "account"):
        game.registry.entities.add(app.registry.entities.get(name))
    for name in ("transfer", "limited"):
        game.registry.orchestrators.add(app.registry.orchestrators.get(name))
    await game.start()


def test_a_counter_counts():
    async def script(game: Game) -> None:
        await started(game)
        for _ in range(3):
            await game.client.signal_entity(df.EntityId("counter", "visits"), "add", 2)
        await game.at_rest()
        assert await game.state("counter", "visits") == 6

    play(script)


def test_a_limiter_opens_again_after_a_minute():
    async def script(game: Game) -> None:
        await started(game)
        assert [await game.run("limited", "me") for _ in range(4)] == [True, True, True, False]
        await asyncio.sleep(61)
        assert await game.run("limited", "me") is True

    play(script)


@pytest.mark.parametrize(("amount", "moved"), [(30, 30), (130, 0)])
def test_a_transfer_moves_what_is_there(amount: int, moved: int):
    async def script(game: Game) -> None:
        await started(game)
        outcome: Any = await game.run("transfer", {"from": "alice", "to": "bob", "amount": amount})
        assert outcome["moved"] == moved
        await game.at_rest()
        assert await game.state("account", "alice") == (70 if moved else None)

    play(script)


def test_transfers_in_both_directions_at_once_end():
    async def script(game: Game) -> None:
        await started(game)
        orders = [{"from": a, "to": b, "amount": 1} for a, b in (("alice", "bob"), ("bob", "alice")) * 5]
        ids = [await game.client.start_new("transfer", None, order) for order in orders]
        for instance_id in ids:
            await game.client.wait_for_completion(instance_id, SOON, raise_if_failed=True)
        await game.at_rest()
        assert [await game.state("account", key) for key in ("alice", "bob")] == [100, 100]

    play(script)
