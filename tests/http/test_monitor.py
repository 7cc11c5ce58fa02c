"""The monitor's routes: who may call them, what they answer, and that nothing of it is unbounded."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import pytest

import azure_durable_py as df
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.monitor import assets as page
from azure_durable_py.http.monitor.assets import Asset
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.wire import Request
from azure_durable_py.taskhub.keyring import KeyName
from azure_durable_py.testing import VirtualHub, play
from tests.inspection.showing import app, calls
from tests.monitor.fake_host import FakeHost, at, inspection, row, step
from tests.taskhub.spoiling import spoil_body, spoil_columns

BASE = "http://localhost:7071/runtime/webhooks/durabletask"
DATA = (
    "overview",
    "instances",
    "instances/x",
    "instances/x/timeline",
    "instances/x/history",
    "instances/x/values/input",
    "instances/x/family",
    "entities",
    "entities/counter/a",
    "entities/counter/a/state",
    "schedules",
)


@pytest.fixture(autouse=True)
def fresh(caplog: pytest.LogCaptureFixture) -> None:
    calls.clear()
    caplog.set_level(logging.CRITICAL)


class Browser:
    """Calls the monitor as a browser would."""

    def __init__(self, hub: VirtualHub, *, trusted: bool = True) -> None:
        self.hub = hub
        self.trusted = trusted
        self.signer = UrlSigner(lambda: hub.task_hub.keys.known, "TestHub", now=hub.clock.now, lifetime=86_400.0)
        self.api = ManagementApi(hub.client, self.signer, registry=hub.registry)

    async def __call__(
        self, path: str, *, method: str = "GET", trusted: bool | None = None, **headers: str
    ) -> HttpAnswer:
        parts = urlsplit(path)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, f"/monitor{parts.path}", BASE, parse_qs(parts.query), named)
        return await self.api.handle(request, trusted=self.trusted if trusted is None else trusted)

    async def data(self, path: str) -> Any:
        """What a data route answers."""
        answer = await self(f"/api/{path}")
        assert answer.status_code == 200, answer.body
        assert answer.headers["Content-Type"] == "application/json"
        return json.loads(answer.body)


Scene = Callable[[Browser], Coroutine[Any, Any, None]]


def in_browser(scene: Scene) -> None:
    async def scenario(hub: VirtualHub) -> None:
        await scene(Browser(hub))

    play(app, scenario)


async def make_all(browser: Browser) -> None:
    """An instance `x` that is done, and an entity."""
    client = browser.hub.client
    await client.start_new("greet", "x", ["a", "b"], tags={"shop": "north"}, version="1.0")
    await client.signal_entity(df.EntityId("counter", "a"), "add", 5)
    await client.wait_for_completion("x")
    await browser.hub.at_rest()


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of two files."""
    files = {
        "index.html": Asset(b"<!doctype html>", "text/html; charset=utf-8", '"page"'),
        "monitor.js": Asset(b"run()", "text/javascript; charset=utf-8", '"script"'),
    }
    monkeypatch.setattr(page, "assets", lambda: files)


# --- who may call ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DATA)
def test_data_is_for_who_may_call_the_management_api_without_a_signature(path: str):
    async def scene(browser: Browser) -> None:
        await make_all(browser)
        url = f"/api/{path}"
        refused = await browser(url, trusted=False)
        assert refused.status_code == 401
        assert "system key" in json.loads(refused.body)["Message"]
        assert "north" not in refused.body.decode()
        ring = await browser.hub.task_hub.keys.current()
        key = ring.key(KeyName.parse("system/durabletask_extension")).value
        assert (await browser(url, trusted=False, x_functions_key="wrong")).status_code == 401
        assert (await browser(url, trusted=False, x_functions_key=key)).status_code == 200
        assert (await browser(f"{url}?code={quote(key)}", trusted=False)).status_code == 200

    in_browser(scene)


@pytest.mark.parametrize("operation", ["status", "raise_event", "terminate", "purge", "rewind", "restart", "suspend"])
def test_no_signature_of_an_instance_opens_the_monitor(operation: str):
    from azure_durable_py.http.signing import SignedOperation

    async def scene(browser: Browser) -> None:
        await make_all(browser)
        await browser.hub.task_hub.keys.current()
        signed = browser.signer.sign("x", SignedOperation[operation])
        for path in DATA:
            assert (await browser(f"/api/{path}?{signed}", trusted=False)).status_code == 401

    in_browser(scene)


@pytest.mark.usefixtures("built")
def test_the_page_is_for_everybody_and_says_nothing():
    async def scene(browser: Browser) -> None:
        for path, kind in (("", "text/html; charset=utf-8"), ("/assets/monitor.js", "text/javascript; charset=utf-8")):
            answer = await browser(path, trusted=False)
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
            again = await browser(path, trusted=False, If_None_Match=answer.headers["ETag"])
            assert (again.status_code, again.body) == (304, b"")
        assert (await browser("/assets/nothing.js", trusted=False)).status_code == 404
        assert (await browser("/assets/..%2Froutes.py", trusted=False)).status_code == 404
        moved = await browser("/", trusted=False)
        assert (moved.status_code, moved.headers["Location"]) == (308, "../monitor")

    in_browser(scene)


def test_a_package_without_the_page_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "assets", dict)

    async def scene(browser: Browser) -> None:
        answer = await browser("")
        assert answer.status_code == 501
        assert "has no monitor page" in json.loads(answer.body)["Message"]
        assert (await browser("/api/overview")).status_code == 200

    in_browser(scene)


@pytest.mark.usefixtures("built")
@pytest.mark.parametrize("path", ["", "/assets/monitor.js", "/assets/nothing", "/api/overview", "/api/instances/no"])
@pytest.mark.parametrize("trusted", [True, False])
def test_every_answer_keeps_the_browser_on_a_short_leash(path: str, trusted: bool):
    async def scene(browser: Browser) -> None:
        answer = await browser(path, trusted=trusted)
        policy = answer.headers["Content-Security-Policy"].split("; ")
        assert {"default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(
            policy
        )
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"

    in_browser(scene)


def test_nothing_of_it_can_be_changed():
    async def scene(browser: Browser) -> None:
        for path in DATA:
            for method in ("POST", "PUT", "DELETE"):
                assert (await browser(f"/api/{path}", method=method)).status_code == 404

    in_browser(scene)


# --- what is answered --------------------------------------------------------------------------------


def test_the_overview_names_the_hub_and_the_app():
    async def scene(browser: Browser) -> None:
        await make_all(browser)
        found = await browser.data("overview")
        assert found["name"] == "TestHub"
        assert (found["counts"], found["counted"], found["complete"], found["entities"]) == (
            {"Completed": 1},
            1,
            True,
            1,
        )
        assert found["rates"] == {"seconds": 300.0, "created": 1, "completed": 1, "failed": 0}
        assert {queue["role"] for queue in found["queues"]} == {"instances", "activities", "poison"}
        assert "greet" in found["app"]["orchestrators"]
        assert found["app"]["entities"] == ["counter"]
        assert found["takenAt"].endswith("Z")

    in_browser(scene)


def test_an_instance_is_told_with_what_can_be_done():
    async def scene(browser: Browser) -> None:
        await make_all(browser)
        found = await browser.data("instances/x")
        assert (found["name"], found["runtimeStatus"], found["version"], found["tags"], found["registered"]) == (
            "greet",
            "Completed",
            "1.0",
            {"shop": "north"},
            True,
        )
        assert found["input"] == {"size": 9, "text": '["a","b"]'}
        assert json.loads(found["output"]["text"]) == ["a!", "b!"]
        assert found["customStatus"] is None
        assert [name for name, can in found["can"].items() if can] == ["restart", "purge"]
        await browser.hub.client.start_new("approve", "y")
        await browser.hub.client.wait_for_start("y")
        found = await browser.data("instances/y")
        assert found["customStatus"]["text"] == '"waiting for approval"'
        assert {wait["name"] for wait in found["waits"]} == {"timer", "Approval"}
        assert [name for name, can in found["can"].items() if can] == ["raiseEvent", "terminate", "suspend", "restart"]
        await browser.hub.client.start_new("break_down", "z")
        await browser.hub.client.wait_for_completion("z")
        found = await browser.data("instances/z")
        assert found["failure"]["innerFailure"]["errorType"] == "ValueError"
        stack = found["failure"]["innerFailure"]["stackTrace"]
        frames = [line for line in stack.splitlines() if line.startswith('  File "')]
        assert frames, stack
        assert all("tests/inspection/showing.py" in frame for frame in frames), "the frames of the engine are left out"
        assert found["findings"][0]["level"] == "error"
        assert found["can"]["rewind"] is True
        assert (await browser("/api/instances/nobody")).status_code == 404
        assert (await browser("/api/instances/%01")).status_code == 404

    in_browser(scene)


def test_a_timeline_is_given_in_parts_with_and_without_values():
    async def scene(browser: Browser) -> None:
        await browser.hub.client.start_new("greet", "x", [str(number) for number in range(10)])
        await browser.hub.client.wait_for_completion("x")
        found = await browser.data("instances/x/timeline?skip=4&limit=3")
        assert [step["index"] for step in found["steps"]] == [4, 5, 6]
        assert (found["total"], found["skip"], found["leftOut"], found["problem"]) == (10, 4, 7, None)
        assert found["steps"][0] | {"kind": "activity", "name": "say", "outcome": "completed"} == found["steps"][0]
        assert (found["steps"][0]["input"]["text"], found["steps"][0]["result"]["text"]) == ('"4"', '"4!"')
        bare = await browser.data("instances/x/timeline?values=false")
        assert {step["input"] for step in bare["steps"]} == {None}
        for wrong in ("skip=-1", "skip=x", "skip=1.5", "limit=0", "limit=-3"):
            assert (await browser(f"/api/instances/x/timeline?{wrong}")).status_code == 400
        assert (await browser.data("instances/x/timeline?skip=99999"))["steps"] == []

    in_browser(scene)


def test_a_history_is_given_in_parts():
    async def scene(browser: Browser) -> None:
        await make_all(browser)
        found = await browser.data("instances/x/history")
        assert [event["type"] for event in found["events"]][:3] == [
            "OrchestratorStarted",
            "ExecutionStarted",
            "TaskScheduled",
        ]
        assert found["events"][1]["input"]["text"] == '["a","b"]'
        part = await browser.data("instances/x/history?skip=2&limit=1")
        assert part["events"] == found["events"][2:3]
        assert (part["total"], part["skip"]) == (found["total"], 2)

    in_browser(scene)


def test_large_values_are_fetched_on_their_own():
    async def scene(browser: Browser) -> None:
        small, large, huge = "s" * 2046, "l" * 3_000, "h" * 300_000
        await browser.hub.client.start_new("greet", "x", [small, large, huge])
        await browser.hub.client.wait_for_completion("x")
        found = await browser.data("instances/x")
        assert found["input"] == {"size": 305_056, "large": True}
        steps = (await browser.data("instances/x/timeline"))["steps"]
        assert [("text" in step["input"], step["input"]["size"]) for step in steps] == [
            (True, 2_048),
            (False, 3_002),
            (False, 300_002),
        ]
        assert await browser.data("instances/x/values/input") == [small, large, huge]
        assert await browser.data("instances/x/values/output") == [f"{each}!" for each in (small, large, huge)]
        assert await browser.data("instances/x/values/step-1.result") == f"{large}!"
        assert await browser.data("instances/x/values/2.input") == huge
        events = (await browser.data("instances/x/history"))["events"]
        at = next(event["index"] for event in events if event["type"] == "TaskScheduled" and event["id"] == 2)
        assert await browser.data(f"instances/x/values/event-{at}.input") == huge
        for none in ("customStatus", "9.input", "step-9.input", "event-0.input", "event-999.data", "1.data"):
            assert (await browser(f"/api/instances/x/values/{none}")).status_code == 404, none
        for wrong in ("nonsense", "step-x.input", "failure", "0.failure", "..%2Finput"):
            answer = await browser(f"/api/instances/x/values/{wrong}")
            assert answer.status_code == 404
            assert "There is no value" in json.loads(answer.body)["Message"]

    in_browser(scene)


def test_a_family_is_a_tree():
    async def scene(browser: Browser) -> None:
        await browser.hub.client.start_new("parent", "x")
        await asyncio.sleep(5)
        found = await browser.data("instances/x/family")
        assert (found["ancestors"], found["leftOut"]) == ([], 0)
        assert [child["instanceId"] for child in found["me"]["children"]] == ["the-child"]
        found = await browser.data("instances/the-child/family")
        assert [each["instanceId"] for each in found["ancestors"]] == ["x"]
        assert found["me"]["runtimeStatus"] == "Running"
        assert (await browser("/api/instances/nobody/family")).status_code == 404

    in_browser(scene)


def test_entities_are_listed_and_told_with_their_state():
    async def scene(browser: Browser) -> None:
        for key in ("a", "b", "c/d"):
            await browser.hub.client.signal_entity(df.EntityId("counter", key), "add", 5)
        await browser.hub.at_rest()
        found = await browser.data("entities?top=2")
        assert [(item["name"], item["key"], item["lockedBy"], item["backlog"]) for item in found["items"]] == [
            ("counter", "a", None, 0),
            ("counter", "b", None, 0),
        ]
        found = await browser.data(f"entities?top=2&token={found['continuationToken']}")
        assert [item["key"] for item in found["items"]] == ["c/d"]
        assert found["continuationToken"] is None
        assert [item["key"] for item in (await browser.data("entities?search=D"))["items"]] == ["c/d"]
        assert [item["key"] for item in (await browser.data("entities?name=counter&prefix=b"))["items"]] == ["b"]
        assert (await browser("/api/entities?prefix=b")).status_code == 400
        told = await browser.data("entities/counter/c%2Fd")
        assert (told["instanceId"], told["state"]["text"], told["backlog"], told["backlogEntries"]) == (
            "@counter@c/d",
            "5",
            0,
            [],
        )
        assert told["registered"] is True
        assert await browser.data("entities/counter/a/state") == 5
        assert (await browser("/api/entities/counter/nobody")).status_code == 404

    in_browser(scene)


def test_schedules_are_told_and_one_that_is_damaged_hides_no_other():
    async def scene(browser: Browser) -> None:
        schedules = browser.hub.client.schedules
        await schedules.create("a", "greet", [], every=timedelta(minutes=90))
        await schedules.create("b", "greet", [], cron="0 0 3 * * *", time_zone="UTC", paused=True)
        await schedules.create("c", "greet", [], every=timedelta(days=1))
        await browser.hub.client.signal_entity(df.EntityId("counter", "a"), "add", 1)
        found = await browser.data("schedules")
        assert [(item["scheduleId"], item["status"], item["recurrence"]) for item in found["items"]] == [
            ("a", "active", "every 1 h 30 min"),
            ("b", "paused", "0 0 3 * * * (UTC)"),
            ("c", "active", "every 1 d"),
        ]
        first = await browser.data("schedules?top=1")
        rest = await browser.data(f"schedules?token={first['continuationToken']}")
        assert [item["scheduleId"] for item in (*first["items"], *rest["items"])] == ["a", "b", "c"]
        ids = [item["instanceId"] for item in (await browser.data("entities"))["items"]]
        damaged = next(each for each in ids if each.endswith("@b"))
        await spoil_columns(browser.hub.store, damaged, output="[1]")
        found = (await browser.data("schedules"))["items"]
        assert [item["damaged"] is None for item in found] == [True, False, True]

    in_browser(scene)


# --- listings ----------------------------------------------------------------------------------------


async def make_many(browser: Browser, count: int) -> list[str]:
    """Instances a minute apart, whose ids say nothing of their age; returns them oldest first."""
    ids = [f"{number * 7919 % 1009:04d}" for number in range(count)]
    for number, instance_id in enumerate(ids):
        await browser.hub.client.start_new("greet" if number % 3 else "ask", instance_id, [])
        await asyncio.sleep(60)
    return ids


async def walk(browser: Browser, query: str) -> list[list[str]]:
    """The ids on all pages of a listing."""
    pages: list[list[str]] = []
    token = ""
    while True:
        found = await browser.data(f"instances?{query}{f'&token={quote(token)}' if token else ''}")
        pages.append([item["instanceId"] for item in found["items"]])
        token = found["continuationToken"]
        if token is None:
            return pages
        assert len(pages) < 1_000


@pytest.mark.parametrize("sorted_at_once", [3, 10, 2_000])
def test_the_newest_come_first_page_by_page(monkeypatch: pytest.MonkeyPatch, sorted_at_once: int):
    monkeypatch.setattr("azure_durable_py.inspection.listing.MOST_SORTED", sorted_at_once)
    monkeypatch.setattr("azure_durable_py.inspection.listing._PAGE", 2)

    async def scene(browser: Browser) -> None:
        ids = await make_many(browser, 30)
        pages = await walk(browser, "top=7")
        assert [each for page in pages for each in page] == ids[::-1]
        assert max(map(len, pages)) == 7
        assert [each for page in await walk(browser, "top=4&name=ask") for each in page] == ids[::3][::-1]
        since = quote((browser.hub.now - timedelta(minutes=10, seconds=30)).isoformat())
        assert [each for page in await walk(browser, f"top=4&createdFrom={since}") for each in page] == ids[:-11:-1]

    in_browser(scene)


def test_instances_made_at_the_same_moment_are_all_listed_once():
    async def scene(browser: Browser) -> None:
        moment = browser.hub.now
        for number in range(9):
            await browser.hub.client.start_new("ask", f"x{number}")
        for number in range(9):
            await spoil_columns(browser.hub.store, f"x{number}", created_time=_micros(moment))
        pages = await walk(browser, "top=2")
        assert sorted(each for page in pages for each in page) == [f"x{number}" for number in range(9)]

    in_browser(scene)


def _micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def test_instances_are_filtered_and_searched():
    async def scene(browser: Browser) -> None:
        ids = await make_many(browser, 12)
        await browser.hub.client.start_new("parent", "family")
        await asyncio.sleep(5)

        async def listed(query: str) -> list[str]:
            return sorted(each for page in await walk(browser, query) for each in page)

        for order in ("newest", "id"):
            asked = f"order={order}&top=2&"
            assert await listed(f"{asked}status=Running") == sorted([*ids[::3], "family", "the-child"])
            assert await listed(f"{asked}status=Completed,Failed") == sorted(set(ids) - set(ids[::3]))
            assert await listed(f"{asked}prefix=fam") == ["family"]
            assert await listed(f"{asked}search=CHILD") == ["the-child"]
            assert await listed(f"{asked}search=pAr") == ["family"]
            assert await listed(f"{asked}parent=family") == ["the-child"]
            assert await listed(f"{asked}roots=true&status=Running") == sorted([*ids[::3], "family"])
            assert await listed(f"{asked}search=nothing-like-it") == []
        assert await listed("order=id&top=5") == sorted([*ids, "family", "the-child"])
        for wrong in ("status=Weird", "order=oldest", "createdFrom=x", "top=0", "token=x", "roots=perhaps"):
            assert (await browser(f"/api/instances?{wrong}")).status_code == 400, wrong
        [item] = (await browser.data("instances?search=the-child"))["items"]
        assert item["customStatus"]["text"] == '"waiting for approval"'
        assert (item["parentInstanceId"], item["approvals"]) == ("family", 0)

    in_browser(scene)


def test_a_search_ends_after_a_while_and_goes_on_by_its_token(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("azure_durable_py.inspection.listing.MOST_EXAMINED", 10)
    monkeypatch.setattr("azure_durable_py.inspection.listing.MOST_SORTED", 4)
    monkeypatch.setattr("azure_durable_py.inspection.listing._PAGE", 2)

    async def scene(browser: Browser) -> None:
        ids = await make_many(browser, 40)
        for order in ("newest", "id"):
            found = await browser.data(f"instances?search={ids[0]}&order={order}")
            assert found["examined"] < 40
            pages = await walk(browser, f"search={ids[0]}&order={order}")
            assert [each for page in pages for each in page] == [ids[0]]
            assert len(pages) > 2

    in_browser(scene)


def test_a_damaged_instance_is_listed_and_told():
    async def scene(browser: Browser) -> None:
        await make_many(browser, 3)
        await browser.hub.client.start_new("greet", "bad", [])
        await asyncio.sleep(5)
        await spoil_columns(browser.hub.store, "bad", runtime_status="Weird", tags="{")
        await spoil_body(browser.hub.store, "bad", b"garbage")
        listed = {item["instanceId"]: item for item in (await browser.data("instances"))["items"]}
        assert "runtime_status" in listed["bad"]["damaged"]
        assert (listed["bad"]["runtimeStatus"], listed["bad"]["tags"]) == ("", {})
        found = await browser.data("instances/bad")
        assert found["damaged"][0]["key"] == "00-instance"
        assert found["can"]["terminate"] is True
        timeline = await browser.data("instances/bad/timeline")
        assert timeline["steps"] == []
        assert "runtime_status" in timeline["problem"]
        assert (await browser.data("instances/bad/history"))["problem"]
        assert (await browser.data("instances/bad/family"))["me"]["runtimeStatus"] == "Damaged"

    in_browser(scene)


# --- looking again -----------------------------------------------------------------------------------


def test_who_has_it_already_is_told_so():
    async def scene(browser: Browser) -> None:
        await make_all(browser)
        overview = (await browser("/api/overview")).headers["ETag"]
        for path in (each for each in DATA if "values" not in each and "state" not in each):
            first = await browser(f"/api/{path}")
            assert (first.status_code, first.headers["Cache-Control"]) == (200, "no-store"), path
            await asyncio.sleep(1)
            again = await browser(f"/api/{path}", If_None_Match=f'"other", {first.headers["ETag"]}')
            assert (again.status_code, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"]), path
        tag = (await browser("/api/instances/x/timeline")).headers["ETag"]
        assert (await browser("/api/instances/x/timeline?limit=7", If_None_Match=tag)).status_code == 200
        await browser.hub.client.start_new("greet", "y", [])
        await asyncio.sleep(10)
        assert (await browser("/api/overview", If_None_Match=overview)).status_code == 200

    in_browser(scene)


def test_looking_again_costs_one_read_while_nothing_changes():
    from tests.counting import CountingStore

    async def scenario() -> None:
        async with VirtualHub(app, wrap=CountingStore) as hub:
            browser = Browser(hub)
            await hub.client.start_new("greet", "x", ["y" * 3_000] * 100)
            await hub.client.wait_for_completion("x")
            await hub.at_rest()
            counting = hub.store
            assert isinstance(counting, CountingStore)
            await browser.data("instances/x/timeline")
            for path, reads in (("timeline", 1), ("history", 1)):
                tag = (await browser(f"/api/instances/x/{path}")).headers["ETag"]
                counting.reset()
                assert (await browser(f"/api/instances/x/{path}", If_None_Match=tag)).status_code == 304
                assert counting.table_operations == reads, path
            counting.reset()
            await browser.data("instances/x")
            # Header with inbox, and what is in quarantine.
            assert counting.table_operations == 2
            counting.reset()
            for _ in range(5):
                await browser.data("overview")
            assert counting.table_operations == 3
            await asyncio.sleep(6)
            await browser.data("overview")
            assert counting.table_operations == 6

    from azure_durable_py.testing import run_virtual

    run_virtual(scenario())


def test_the_first_overview_of_a_large_hub_is_there_soon_and_the_next_counts_all(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("azure_durable_py.http.monitor.keeping.FIRST_COUNT", 2)

    async def scene(browser: Browser) -> None:
        for number in range(5):
            await browser.hub.client.start_new("greet", f"x{number}", [])
        await browser.hub.at_rest()
        for counted, complete in ((2, False), (2, False), (5, True)):
            found = await browser.data("overview")
            assert (found["counted"], found["complete"]) == (counted, complete)
            await asyncio.sleep(3)

    in_browser(scene)


# --- what the tests of the page think -----------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["overview", "instances", "instances/x", "instances/x/timeline", "instances/x/history"]
)
def test_the_host_that_the_page_is_tested_with_answers_by_the_same_names(path: str):
    async def scene(browser: Browser) -> None:
        await make_all(browser)
        fake = FakeHost(
            instances=[row("x")],
            details={"x": inspection("x")},
            steps={"x": [step(0, "say", 0, 1)]},
            events={"x": [{"index": 0, "type": "OrchestratorStarted", "timestamp": at()}]},
        )
        status, pretended = fake.answer("GET", f"monitor/api/{path}", {}, "")
        assert status == 200
        _check_names(pretended, await browser.data(path), path)

    in_browser(scene)


def _check_names(pretended: Any, real: Any, where: str) -> None:
    """All that is pretended is real, however deep."""
    if isinstance(pretended, dict) and isinstance(real, dict):
        names = cast("dict[str, Any]", pretended)
        if where.rpartition(".")[2] in ("counts", "tags"):
            return
        assert set(names) <= set(cast("dict[str, Any]", real)), where
        for name in names:
            _check_names(names[name], real[name], f"{where}.{name}")
    elif isinstance(pretended, list) and isinstance(real, list) and pretended and real:
        _check_names(pretended[0], real[0], f"{where}.first")
