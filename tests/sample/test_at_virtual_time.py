"""Every pattern of the sample app with the real engine, in memory, at virtual time.

Deadlines of days pass in no time, and `context` is the real one: this is how to test
orchestrators that wait for timers, events and one another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import urllib.error
import urllib.request
from datetime import timedelta
from email.message import Message
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

import azure_durable_py as df
from azure_durable_py.testing import VirtualHub, play, run
from function_app import app
from sample_function_app.cleanup import SINGLETON, clean_up_forever, ensure_cleanup_runs

Client = df.DurableOrchestrationClient


@pytest.mark.parametrize("name", ["hello_cities", "hello_cities_generator"])
def test_hello_cities(name: str):
    assert run(app, name).output == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]


@pytest.mark.parametrize("chunk_size", [1, 2, 100])
def test_count_words_survives_a_damaged_file(chunk_size: int):
    counted = run(app, "count_words", {"chunk_size": chunk_size}).output
    assert counted == {"files": 4, "words": 41, "failed": ["damaged.txt"]}


def test_count_words_stays_inside_the_sample():
    failure = run(app, "count_words", {"folder": ".."}).failure
    assert failure is not None
    assert "There is no folder '..'" in failure.message


def test_write_report_tells_its_chapter():
    async def scenario(hub: VirtualHub) -> Any:
        client = hub.client
        await client.start_new("write_report", "r", {"title": "Sales", "seconds": 60})
        await client.wait_for_start("r")
        first = (await client.get_status("r")).custom_status
        return first, (await client.wait_for_completion("r")).output

    first, report = play(app, scenario)
    assert first == "chapter 1 of 3"
    assert report["chapters"][2] == "Sales, chapter 3: all is well."


def decide(expense: dict[str, Any], *answers: bool) -> Any:
    async def scenario(hub: VirtualHub) -> Any:
        client = hub.client
        await client.start_new("approve_expense", "e", expense)
        for answer in answers:
            await client.raise_event("e", "Decision", {"approved": answer})
        return (await client.wait_for_completion("e", timedelta(days=10))).output

    return play(app, scenario)


def test_a_small_expense_needs_one_approval():
    assert decide({"what": "pens", "amount": 20}, True) == {"approved": True, "by": ["team lead"]}


def test_a_large_expense_needs_two_approvals():
    assert decide({"what": "desks", "amount": 2000}, True, True) == {
        "approved": True,
        "by": ["team lead", "department head"],
    }


def test_one_refusal_is_final():
    assert decide({"what": "desks", "amount": 2000}, True, False) == {
        "approved": False,
        "by": ["team lead", "department head"],
    }


def test_an_expense_that_nobody_answers_is_not_approved():
    assert decide({"what": "pens", "amount": 20, "hours_to_answer": 0.1}) == {"approved": False, "by": []}


def test_an_expense_goes_one_level_up_when_the_time_is_over():
    async def scenario(hub: VirtualHub) -> Any:
        client = hub.client
        await client.start_new("approve_expense", "e", {"what": "pens", "amount": 20, "hours_to_answer": 1})
        await until_custom_status(client, "e", {"waitingFor": "department head", "approvedBy": []})
        await client.raise_event("e", "Decision", {"approved": True})
        return (await client.wait_for_completion("e")).output

    assert play(app, scenario) == {"approved": True, "by": ["department head"]}


def website(monkeypatch: pytest.MonkeyPatch, *statuses: int) -> None:
    """A website that gives these answers, the last one over and over; 0: it does not answer."""
    answers = itertools.chain(statuses, itertools.repeat(statuses[-1]))

    def urlopen(url: str, timeout: float) -> Any:
        status = next(answers)
        if status == 0:
            raise urllib.error.URLError("refused")
        if status != 200:
            raise urllib.error.HTTPError(url, status, "", Message(), None)
        return contextlib.nullcontext(SimpleNamespace(status=200))

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)


def test_the_monitor_sees_a_website_come_up(monkeypatch: pytest.MonkeyPatch):
    website(monkeypatch, 0, 503, 200)
    assert run(app, "wait_for_website", {"url": "https://example.test"}).output == {"up": True, "looks": 3}


def test_the_monitor_gives_up_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch):
    website(monkeypatch, 503)
    # From minute 0 to minute 59, one look a minute; each look may come a moment late.
    seen = run(app, "wait_for_website", {"url": "https://example.test"}).output
    assert not seen["up"]
    assert 58 <= seen["looks"] <= 60


def test_the_monitor_opens_web_addresses_only():
    failure = run(app, "wait_for_website", {"url": "file:///etc/hostname"}).failure
    assert failure is not None
    assert "is not a web address" in failure.message


def test_a_trip_is_booked_whole_or_not_at_all():
    assert run(app, "book_trip", "Rome").output == {
        "booked": ["hotel in Rome", "flight in Rome", "car in Rome"],
        "cancelled": [],
    }
    assert run(app, "book_trip", "Atlantis").output == {
        "booked": [],
        "cancelled": ["flight in Atlantis", "hotel in Atlantis"],
        "reason": "No cars in Atlantis.",
    }


def test_the_cleanup_forgets_what_is_old_and_stops_when_told():
    async def scenario(hub: VirtualHub) -> Any:
        client = hub.client
        for number in range(3):
            await client.start_new("hello_cities", f"old-{number}")
            await client.wait_for_completion(f"old-{number}")
        await client.start_new(clean_up_forever, SINGLETON, {"older_than_days": 0.1})
        await until_custom_status(client, SINGLETON, {"forgotten": 3})
        left = await client.get_status_by(instance_id_prefix="old-")
        await client.raise_event(SINGLETON, "Stop")
        return left, (await client.wait_for_completion(SINGLETON)).output

    assert play(app, scenario) == ([], 3)


def test_the_timer_function_keeps_one_cleanup_running():
    async def scenario(hub: VirtualHub) -> Any:
        client = hub.client
        timer = func.timer.TimerRequest()
        function = ensure_cleanup_runs.build().get_user_function()
        await function(timer, client)
        await client.wait_for_start(SINGLETON)
        first = await client.get_status(SINGLETON)
        await function(timer, client)
        again = await client.get_status(SINGLETON)
        return first.runtime_status.name, first.created_time == again.created_time

    assert play(app, scenario) == ("Running", True)


def test_events_that_come_early_and_in_any_order_are_kept():
    async def scenario(hub: VirtualHub) -> Any:
        client = hub.client
        await client.start_new("ship_order", "o", {"parcels": 2})
        await client.raise_event("o", "Packed", "books")
        await client.raise_event("o", "Address", "Quay 7")
        await client.raise_event("o", "Packed", "tea")
        await client.raise_event("o", "Paid")
        return (await client.wait_for_completion("o")).output

    assert play(app, scenario) == {"to": "Quay 7", "parcels": ["books", "tea"]}


def test_devices_are_set_up_by_orchestrations_of_their_own():
    assert run(app, "set_up_devices", ["fan", "fridge"]).output == {
        "fan": "fan-1.2 works",
        "fridge": "fridge-1.2 works",
    }


async def until_custom_status(client: Client, instance_id: str, wanted: Any) -> None:
    """Let virtual time pass until an instance tells this."""
    for _ in range(10_000):
        if (await client.get_status(instance_id)).custom_status == wanted:
            return
        await asyncio.sleep(60)
    raise AssertionError(f"{instance_id!r} never told {wanted!r}")
