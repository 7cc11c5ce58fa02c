"""Entities: one operation alone, state that lives on, a minute that passes, and transfers at the same time."""

import asyncio
import json
from datetime import timedelta

import pytest

from azure_durable_py.testing import DurableTestEnvironment, DurableTestSyncEnvironment, play_entity
from sample_function_app.entities import Limiter, account, counter, limited, transfer


def test_an_operation_is_played_on_a_state() -> None:
    assert play_entity(counter, "add", 5, state=1).state == 6
    assert not play_entity(counter, "reset", state=6).exists


def test_the_first_of_a_minute_sends_for_its_end() -> None:
    taken = play_entity(Limiter, "take")
    assert taken.result is True
    [clear] = taken.signals
    assert clear.operation == "clear"


def test_a_counter_counts_what_comes_by_http(durable_sync_env: DurableTestSyncEnvironment) -> None:
    assert durable_sync_env.request("GET", "/api/counters/visits").status_code == 404
    for amount in ("2", "3"):
        assert durable_sync_env.request("POST", "/api/counters/visits/add", body=amount).status_code == 202
    assert json.loads(durable_sync_env.request("GET", "/api/counters/visits").get_body()) == 5
    assert durable_sync_env.entity(counter, "visits").state() == 5


def test_a_limiter_opens_again_after_a_minute(durable_sync_env: DurableTestSyncEnvironment) -> None:
    def ask() -> bool:
        return durable_sync_env.start(limited, "me").result()

    assert [ask() for _ in range(4)] == [True, True, True, False]
    durable_sync_env.skip(timedelta(seconds=61))
    assert ask() is True


@pytest.mark.parametrize(("amount", "moved", "left"), [(30, 30, 70), (130, 0, None)])
def test_a_transfer_moves_what_is_there(
    durable_sync_env: DurableTestSyncEnvironment, amount: int, moved: int, left: int | None
) -> None:
    outcome = durable_sync_env.start(transfer, {"from": "alice", "to": "bob", "amount": amount}).result()
    assert outcome["moved"] == moved
    durable_sync_env.at_rest()
    assert durable_sync_env.entity(account, "alice").state() == left


async def test_transfers_in_both_directions_at_once_end(durable_env: DurableTestEnvironment) -> None:
    orders = [{"from": a, "to": b, "amount": 1} for a, b in (("alice", "bob"), ("bob", "alice")) * 5]
    started = [await durable_env.start(transfer, order) for order in orders]
    await asyncio.gather(*(each.result() for each in started))
    await durable_env.at_rest()
    assert [await durable_env.entity(account, key).state() for key in ("alice", "bob")] == [100, 100]


def test_signals_that_come_while_no_process_runs_are_kept(durable_sync_env: DurableTestSyncEnvironment) -> None:
    visits = durable_sync_env.entity(counter, "visits")
    visits.signal("add", 1)
    durable_sync_env.crash()
    visits.signal("add", 2)
    durable_sync_env.restart()
    durable_sync_env.at_rest()
    assert visits.state() == 3
