"""The HTTP functions and the timer function of the sample app, called as their callers do, without a host."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest

import azure_durable_py as df
from azure_durable_py.testing import DurableTestEnvironment
from function_app import app
from sample_function_app.cleanup import SINGLETON, clean_up_forever, ensure_cleanup_runs


def json_of(response: func.HttpResponse) -> Any:
    return json.loads(response.get_body())


async def test_an_orchestration_is_started_by_name_and_its_status_followed():
    async with DurableTestEnvironment(app) as env:
        started = await env.request("POST", "/api/orchestrators/hello_cities/demo")
        assert (started.status_code, json_of(started)["id"]) == (202, "demo")
        status = json_of(await env.request("GET", started.headers["Location"]))
    assert (status["runtimeStatus"], status["output"][0]) == ("Completed", "Hello Tokyo!")


@pytest.mark.parametrize(
    ("path", "body", "status", "why"),
    [
        ("hello_cities", "{", 400, "The body is not JSON"),
        ("hello", "", 400, "No orchestrator named 'hello'"),
        ("hello_cities/a%23b", "", 400, "a#b"),
        ("hello_cities/taken", "", 409, "'taken' exists"),
    ],
)
async def test_what_cannot_be_started_is_refused(path: str, body: str, status: int, why: str):
    async with DurableTestEnvironment(app) as env:
        await env.start("approve_expense", {"what": "pens", "amount": 20}, instance_id="taken")
        answer = await env.request("POST", f"/api/orchestrators/{path}", body=body)
    assert (answer.status_code, why in answer.get_body().decode()) == (status, True)


async def test_a_decision_is_sent_to_the_url_that_the_start_gave():
    async with DurableTestEnvironment(app) as env:
        order = {"what": "chairs", "amount": 300}
        links = json_of(await env.request("POST", "/api/orchestrators/approve_expense/chairs", json=order))
        send = links["sendEventPostUri"].replace("{eventName}", "Decision")
        assert (await env.request("POST", send, json={"approved": True})).status_code == 202
        assert await env.handle("chairs").result() == {"approved": True, "by": ["team lead"]}


async def test_a_report_that_is_quick_is_the_answer():
    async with DurableTestEnvironment(app) as env:
        report = await env.request("POST", "/api/reports", json={"title": "Sales"})
        assert (report.status_code, len(json_of(report)["chapters"])) == (200, 3)
        assert (await env.request("POST", "/api/reports", body="Sales")).status_code == 400


async def test_a_report_that_takes_its_time_says_where_to_ask():
    async with DurableTestEnvironment(app) as env:
        ordered = await env.request("POST", "/api/reports", json={"title": "Sales", "seconds": 60})
        assert (ordered.status_code, ordered.headers["Retry-After"]) == (202, "10")
        looked = await env.request("GET", ordered.headers["Location"])
        assert (looked.status_code, json_of(looked)["customStatus"]) == (202, "chapter 1 of 3")
        await env.skip(timedelta(minutes=3))
        looked = await env.request("GET", ordered.headers["Location"])
    assert (looked.status_code, json_of(looked)["output"]["title"]) == (200, "Sales")


async def test_a_counter_is_counted_up_and_read():
    async with DurableTestEnvironment(app) as env:
        assert (await env.request("GET", "/api/counters/visits")).status_code == 404
        await env.request("POST", "/api/counters/visits/add", body="5")
        await env.request("POST", "/api/counters/visits/add")
        assert json_of(await env.request("GET", "/api/counters/visits")) == 6


async def test_money_is_moved_once():
    async with DurableTestEnvironment(app) as env:
        moved = await env.request("POST", "/api/transfer?from=alice&to=bob&amount=30")
        refused = await env.request("POST", "/api/transfer", params={"from": "alice", "to": "bob", "amount": 80})
    assert json_of(moved) == {"moved": 30, "alice": 70, "bob": 130}
    assert json_of(refused) == {"moved": 0, "reason": "alice has only 70"}


async def test_an_amount_that_is_none_raises_in_the_function():
    async with DurableTestEnvironment(app) as env:
        with pytest.raises(KeyError, match="amount"):
            await env.request("POST", "/api/transfer?from=alice&to=bob")


async def test_the_timer_keeps_one_cleanup_alive_and_forgets_what_is_old():
    async with DurableTestEnvironment(app) as env:
        old = await env.start("hello_cities")
        await env.run_timers()
        await env.skip(timedelta(hours=2, minutes=30))
        cleanup = env.handle(SINGLETON)
        assert f"{(await cleanup.status()).created_time:%H:%M}" == "01:00"
        await env.skip(timedelta(days=31))
        assert (await cleanup.status()).custom_status == {"forgotten": 1}
        assert not await env.client.get_status(old.instance_id)


async def test_the_timer_starts_no_second_cleanup():
    async with DurableTestEnvironment(app) as env:
        await env.fire(ensure_cleanup_runs)
        first = await env.handle(SINGLETON).status()
        await env.fire(ensure_cleanup_runs, past_due=True)
        assert (await env.handle(SINGLETON).status()).execution_id == first.execution_id
        assert first.name == clean_up_forever.durable_name
        await env.handle(SINGLETON).raise_event("Stop")
        assert (await env.handle(SINGLETON).status()).runtime_status is df.OrchestrationRuntimeStatus.Completed
