"""The tree of an instance in a test environment."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

import azure_durable_py as df
from azure_durable_py.testing import DurableTestEnvironment, DurableTestSyncEnvironment
from sample_function_app import approval, trip_booking


async def test_a_handle_shows_what_its_instance_did_and_what_it_waits_for():
    async with DurableTestEnvironment(approval.bp) as env:
        handle = await env.start(approval.approve_expense, {"what": "pens", "amount": 20}, instance_id="pens")
        await env.skip(timedelta(hours=20))
        assert (await handle.tree()).splitlines() == [
            "approve_expense Running  pens  2026-01-01 00:00:00  since 20 h",
            '├── input {"what":"pens","amount":20}',
            '├── custom status {"waitingFor":"team lead","approvedBy":[]}',
            '├── ✓ activity ask({"to":"team lead","about":"pens for 20"})',
            "├── … timer  since 20 h  due 2026-01-02 00:00:00 (in 4 h)",
            "└── … event Decision  since 20 h",
        ]


def test_a_sync_handle_does_as_well():
    with DurableTestSyncEnvironment(trip_booking.bp) as env:
        handle = env.start("book_trip", "Rome")
        handle.result()
        assert handle.tree().splitlines()[-1] == (
            '└── output {"booked":["hotel in Rome","flight in Rome","car in Rome"],"cancelled":[]}'
        )
        with pytest.raises(df.InstanceNotFoundError, match="no instance 'nobody'"):
            env.handle("nobody").tree()


def test_an_engine_goes_on_for_a_thread_after_an_event_loop_that_asked_it_has_ended():
    env = DurableTestEnvironment(trip_booking.bp)
    env.enter_and_wait()
    try:

        async def start_and_fail() -> None:
            await env.start("book_trip", "Rome", instance_id="trip")
            raise ValueError("as a test fails")

        with pytest.raises(ValueError, match="as a test fails"):
            asyncio.run(start_and_fail())
        assert env.thread.run_and_wait(env.hub.client.get_status("trip")).name == "book_trip"
    finally:
        env.exit_and_wait()
