"""The page on a real host: what is wrong with an instance is found out by looking, and mended by what is offered."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.host import MANAGEMENT, ROOT, Host
from tests.monitor.conftest import Opener

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = """
import datetime

import azure.functions as func
import azure_durable_py as df
from azure_durable_py.agents import request_approval

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


class CardDeclined(Exception):
    pass


@app.activity_trigger(input_name="order")
def charge(order):
    raise CardDeclined(f"the card of {order} was declined")


@app.activity_trigger(input_name="number")
def double(number):
    return 2 * number


@app.orchestration_trigger(context_name="context")
def failing(context):
    yield context.call_activity("double", 4)
    yield context.call_activity_with_retry("charge", df.RetryOptions(50, 2), "Ada")


@app.orchestration_trigger(context_name="context")
def retried(context):
    yield context.call_activity_with_retry("charge", df.RetryOptions(3_600_000, 5), "Grace")


@app.orchestration_trigger(context_name="context")
def approval(context):
    context.set_custom_status("waiting for a decision")
    late = context.create_timer(context.current_utc_datetime + datetime.timedelta(days=3))
    decision = context.wait_for_external_event("decision")
    yield context.task_any([decision, late])
    late.cancel()
    return {"decision": decision.result, "long": "x" * 3_000}


@app.orchestration_trigger(context_name="context")
def nested(context):
    counter = df.EntityId("counter", "sales")
    context.signal_entity(counter, "add", 3)
    total = yield context.call_entity(counter, "get")
    return (yield context.call_sub_orchestrator("approval", total, f"{context.instance_id}:child"))


@app.orchestration_trigger(context_name="context")
def lost(context):
    yield context.call_activity("no_such_activity", 1)


@app.orchestration_trigger(context_name="context")
async def agent(context):
    decision = await request_approval("refund", {"order": 7}, approval_id="r7")
    return {"approved": decision.approved, "arguments": decision.arguments, "by": decision.by}


@app.entity_trigger(context_name="context")
def counter(context):
    state = context.get_state(lambda: 0)
    if context.operation_name == "add":
        context.set_state(state + context.get_input())
    context.set_result(state)
"""
INSTANCES = {
    "failing-1": "failing",
    "retried-1": "retried",
    "approval-1": "approval",
    "nested-1": "nested",
    "lost-1": "lost",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app in which everything goes wrong that can."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "function_app.py").write_text(APP, encoding="utf-8")
    settings = {"version": "2.0", "extensions": {"durableTask": {"hubName": "ShopHub"}}}
    (folder / "host.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shop(folder: Path) -> Iterator[Host]:
    """A host that runs it."""
    host = Host(folder, "sqlite")
    try:
        host.start()
        for instance_id, name in INSTANCES.items():
            assert host.post(f"{MANAGEMENT}/orchestrators/{name}/{instance_id}", 1).status == 202
        host.until_status("failing-1", lambda status: status["runtimeStatus"] == "Failed")
        host.until_status("lost-1", lambda status: status["runtimeStatus"] == "Failed")
        yield host
    finally:
        host.kill()


def address(host: Host, link: str = "") -> str:
    return f"{host.origin}{MANAGEMENT}/monitor{link}"


def system_key(folder: Path) -> str:
    """The key as the command line shows it."""
    command = ("hub", "keys", "show", "system/durabletask_extension", str(folder), "--storage", "sqlite")
    done = subprocess.run(
        [sys.executable, "-m", "azure_durable_py", *command], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


async def do(page: Page, action: str) -> None:
    """Do something, and confirm it."""
    await page.get_by_role("group", name="Actions").get_by_role("button", name=action).click()
    await page.get_by_role("dialog").get_by_role("button", name=action, exact=True).click()
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def status_is(page: Page, status: str) -> None:
    await expect(page.locator(".head .status")).to_have_text(status)


async def test_the_short_address_leads_to_the_page(shop: Host, open_page: Opener):
    page = await open_page(f"{shop.origin}/monitor")
    await expect(page.get_by_role("link", name="failing-1")).to_be_visible()
    assert page.url == address(shop)


async def test_all_instances_are_listed_with_the_newest_first(shop: Host, open_page: Opener):
    page = await open_page(address(shop))
    await expect(page.get_by_role("row", name="failing-1")).to_contain_text("Failed")
    await expect(page.get_by_role("row", name="nested-1:child")).to_contain_text("child")
    links = await page.locator("tbody th a").all_text_contents()
    assert links.index("lost-1") < links.index("failing-1")
    await page.get_by_label("Search").fill("NESTED")
    await expect(page.locator("tbody tr")).to_have_count(2)


async def test_why_an_instance_failed_and_where(shop: Host, open_page: Opener):
    page = await open_page(address(shop, "#/instances/failing-1"))
    await expect(page.get_by_role("list", name="Findings")).to_contain_text("the card of Ada was declined")
    await expect(page.get_by_role("region", name="Failure")).to_contain_text("Caused by CardDeclined")
    lanes = page.get_by_role("listbox").get_by_role("option")
    await expect(lanes).to_have_count(2)
    await expect(lanes.nth(1)).to_contain_text("failed")
    await lanes.nth(1).get_by_text("charge").click()
    about = page.get_by_role("complementary", name="Step")
    await expect(about.get_by_role("button", name="Attempt 2")).to_be_visible()
    await expect(about).to_contain_text("function_app.py")


async def test_what_an_instance_tries_again_and_when(shop: Host, open_page: Opener):
    page = await open_page(address(shop, "#/instances/retried-1"))
    waits = page.get_by_role("region", name="Waits for")
    await expect(waits).to_contain_text("attempt 2")
    await expect(waits).to_contain_text("Failed before: CardDeclined: the card of Grace was declined")


async def test_what_is_not_in_the_app_is_named(shop: Host, open_page: Opener):
    page = await open_page(address(shop, "#/instances/lost-1"))
    await expect(page.get_by_role("list", name="Findings")).to_contain_text("no_such_activity")


async def test_an_event_that_is_waited_for_ends_the_waiting(shop: Host, open_page: Opener):
    page = await open_page(address(shop, "#/instances/approval-1"))
    await expect(page.locator(".head")).to_contain_text('"waiting for a decision"')
    await page.get_by_role("button", name="Raise…").click()
    await page.get_by_label("Data").fill('{"approved": true}')
    await page.get_by_role("dialog").get_by_role("button", name="Raise event").click()
    await status_is(page, "Completed")
    await page.get_by_role("tab", name="Input and output").click()
    await page.get_by_role("button", name="Show output").click()
    await expect(page.get_by_role("group", name="Output")).to_contain_text('"approved": true')
    await page.get_by_role("tab", name="History").click()
    await page.get_by_role("table", name="Events").get_by_role("button", name="EventRaised").click()
    await expect(page.get_by_role("complementary", name="Event")).to_contain_text('"approved": true')


async def test_a_call_of_a_tool_is_approved(shop: Host, open_page: Opener):
    shop.post(f"{MANAGEMENT}/orchestrators/agent/agent-1", 1)
    page = await open_page(address(shop))
    await expect(page.get_by_role("row", name="agent-1")).to_contain_text("waits for 1 approval")
    await page.get_by_role("link", name="agent-1").click()
    await expect(page.get_by_role("group", name="Arguments of refund")).to_contain_text('"order": 7')
    await page.get_by_role("button", name="Approve…").click()
    await page.get_by_label("Decided by").fill("Ada")
    await page.get_by_label("Other arguments").fill('{"order": 8}')
    await page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    await status_is(page, "Completed")
    await expect(page.get_by_role("region", name="Waits for approval")).to_have_count(0)
    await page.get_by_role("tab", name="Input and output").click()
    await expect(page.get_by_role("group", name="Output")).to_contain_text('"by": "Ada"')


async def test_an_instance_is_suspended_resumed_terminated_and_purged(shop: Host, open_page: Opener):
    shop.post(f"{MANAGEMENT}/orchestrators/approval/steered", 1)
    page = await open_page(address(shop, "#/instances/steered"))
    await status_is(page, "Running")
    await do(page, "Suspend")
    await status_is(page, "Suspended")
    await do(page, "Resume")
    await status_is(page, "Running")
    await do(page, "Terminate")
    await status_is(page, "Terminated")
    await do(page, "Purge")
    await expect(page.get_by_role("heading", name="Instances")).to_be_visible()
    assert shop.get(f"{MANAGEMENT}/instances/steered").status == 404


async def test_a_failed_instance_is_rewound_and_started_once_more(shop: Host, open_page: Opener):
    shop.post(f"{MANAGEMENT}/orchestrators/lost/again", 1)
    shop.until_status("again", lambda status: status["runtimeStatus"] == "Failed")
    page = await open_page(address(shop, "#/instances/again"))
    await do(page, "Rewind")
    await expect(page.locator(".head")).to_contain_text("1 time")
    await status_is(page, "Failed")
    await do(page, "Restart")
    await expect(page.get_by_role("list", name="Messages")).to_contain_text("Started as")
    await expect(page.get_by_role("heading", level=1)).not_to_have_text("again")


async def test_a_family_leads_from_parent_to_child_and_entity(shop: Host, open_page: Opener):
    page = await open_page(address(shop, "#/instances/nested-1"))
    await expect(page.get_by_role("region", name="Waits for").get_by_role("link")).to_have_text("nested-1:child")
    await page.get_by_role("tab", name="Family").click()
    await page.get_by_role("list", name="Family").get_by_role("link", name="nested-1:child").click()
    await expect(page.locator(".head").get_by_role("link", name="nested-1")).to_be_visible()
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Entities").click()
    await page.get_by_role("link", name="sales").click()
    await expect(page.get_by_role("group", name="State")).to_have_text("3")
    await page.get_by_role("button", name="Signal…").click()
    await page.get_by_label("Operation").fill("add")
    await page.get_by_label("Input").fill("4")
    await page.get_by_role("dialog").get_by_role("button", name="Signal").click()
    await expect(page.get_by_role("group", name="State")).to_have_text("7")


async def test_the_hub_and_its_functions(shop: Host, open_page: Opener):
    page = await open_page(address(shop, "#/hub"))
    await expect(page.get_by_role("heading", name="ShopHub")).to_be_visible()
    await expect(page.get_by_role("region", name="Functions of the app")).to_contain_text("nested")
    await expect(page.get_by_role("region", name="Instances by status")).to_contain_text("Failed")
    await page.get_by_role("navigation", name="Main").get_by_role("link", name="Schedules").click()
    await expect(page.get_by_text("There are no schedules.")).to_be_visible()


async def test_an_orchestration_that_is_started_appears(shop: Host, open_page: Opener):
    page = await open_page(address(shop))
    await page.get_by_role("button", name="Start…").click()
    await page.get_by_role("dialog").get_by_label("Orchestrator").fill("approval")
    await page.get_by_label("Instance id").fill("from-the-page")
    await page.get_by_role("dialog").get_by_role("button", name="Start").click()
    await expect(page.get_by_role("heading", name="from-the-page")).to_be_visible()
    await status_is(page, "Running")


async def test_who_comes_through_a_proxy_needs_the_key_of_the_hub(shop: Host, folder: Path, open_page: Opener):
    open_page.allowed.append("401")
    page = await open_page(address(shop), headers={"X-Forwarded-For": "203.0.113.9"})
    dialog = page.get_by_role("dialog", name="A key is needed")
    await dialog.get_by_label("System key").fill("not the key")
    await page.keyboard.press("Enter")
    await expect(dialog).to_contain_text("The host did not take this key.")
    await dialog.get_by_label("System key").fill(system_key(folder))
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="failing-1")).to_be_visible()
    shop.post(f"{MANAGEMENT}/orchestrators/approval/keyed", 1)
    await page.goto(address(shop, "#/instances/keyed"))
    await status_is(page, "Running")
    await do(page, "Suspend")
    await status_is(page, "Suspended")
