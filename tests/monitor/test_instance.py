"""One instance: what it is, what is wrong with it, what it waits for, and all that it did."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.async_api import expect

from tests.monitor.conftest import Opener
from tests.monitor.fake_host import RunningHost, at, inspection, row, step, value

pytestmark = pytest.mark.asyncio(loop_scope="session")

DECLINED: dict[str, Any] = {
    "message": "Card declined",
    "errorType": "shop.payments.CardDeclined",
    "stackTrace": 'Traceback (most recent call last):\n  File "/app/payments.py", line 31, in charge\n',
    "innerFailure": None,
}
FAILED: dict[str, Any] = {
    "message": "Activity 'charge' failed after 2 attempts",
    "errorType": "azure_durable_py.errors.TaskFailedError",
    "stackTrace": "Traceback of the orchestrator",
    "innerFailure": DECLINED,
}
STEPS = [
    step(0, "reserve", 0, 2),
    step(1, "charge", 2, 3, outcome="failed", failure=DECLINED, input=value({"total": 12}), taskId=1),
    step(2, "charge", 3, 8, kind="retry_delay", taskId=2, retryOf=1, attempt=1),
    step(3, "charge", 8, 9, outcome="failed", failure=DECLINED, taskId=3, retryOf=1, attempt=2),
    step(4, "ship", 9, None, kind="sub_orchestration", target="order-1:ship"),
    step(5, "paid", 9, 9, kind="event", result=value({"by": "Ada"})),
]


@pytest.fixture
def order(host: RunningHost) -> RunningHost:
    host.says.details["order-1"] = inspection(
        "order-1",
        input=value({"total": 12, "big": 12345678901234567890}),
        version="2.1.0",
        tags={"region": "north"},
        parentInstanceId="day-1",
        customStatus=value("waiting for Ada"),
        findings=[{"level": "warning", "text": "It waits for a long time.", "mend": "Raise event 'approval'."}],
        waits=[
            {
                "kind": "event",
                "name": "approval",
                "since": at(10),
                "due": None,
                "taskId": 7,
                "target": None,
                "attempt": 1,
                "lastFailure": None,
                "detail": None,
            },
            {
                "kind": "activity",
                "name": "charge",
                "since": at(12),
                "due": None,
                "taskId": 9,
                "target": None,
                "attempt": 2,
                "lastFailure": DECLINED,
                "detail": None,
            },
        ],
    )
    host.says.steps["order-1"] = STEPS
    return host


async def test_the_head_tells_what_it_is(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await expect(page.get_by_role("heading", name="order-1")).to_be_visible()
    head = page.locator(".head")
    for text in ("Running", "orders", "2.1.0", "region: north", '"waiting for Ada"'):
        await expect(head).to_contain_text(text)
    await expect(head.get_by_role("link", name="day-1")).to_have_attribute("href", "#/instances/day-1")
    assert await page.title() == "order-1 · ShopHub"


async def test_times_are_local_and_their_tips_are_utc(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    created = page.locator(".head time").first
    await expect(created).to_contain_text("1 Mar 2026, 09:00:00")
    assert "2026-03-01 08:00:00.000000 UTC" in (await created.get_attribute("title") or "")


async def test_what_is_wrong_stands_on_top_with_its_mend(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    finding = page.get_by_role("list", name="Findings").get_by_role("listitem")
    await expect(finding).to_contain_text("Warning: It waits for a long time.")
    await expect(finding).to_contain_text("Raise event 'approval'.")


async def test_what_it_waits_for_is_told_with_the_failure_of_the_last_attempt(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    waits = page.get_by_role("region", name="Waits for").get_by_role("listitem")
    await expect(waits.nth(0)).to_contain_text("Event approval")
    await expect(waits.nth(1)).to_contain_text("attempt 2")
    await expect(waits.nth(1)).to_contain_text("Failed before: CardDeclined: Card declined")


async def test_attempts_of_one_call_share_a_lane(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    lanes = page.get_by_role("listbox", name=re.compile("Timeline")).get_by_role("option")
    await expect(lanes).to_have_count(4)
    await expect(lanes.nth(1)).to_have_accessible_name(re.compile("^Activity charge .2 attempts failed 7.0 s$"))
    await expect(lanes.nth(1).locator(".bar")).to_have_count(3)
    await expect(page.get_by_text("4 steps")).to_be_visible()


async def test_a_step_tells_its_attempts_values_and_failure(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await page.get_by_role("option", name="Activity charge").click()
    about = page.get_by_role("complementary", name="Step")
    await expect(about).to_contain_text("Activity, attempt 2")
    await about.get_by_role("button", name="Attempt 1").click()
    await expect(about.get_by_role("group", name="Input")).to_contain_text('"total": 12')
    await expect(about).to_contain_text("CardDeclined")
    await about.get_by_role("button", name="Close the step").click()
    await expect(about).to_be_hidden()


async def test_the_timeline_is_walked_by_keys(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    chart = page.get_by_role("listbox")
    await chart.focus()
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("option", name="reserve")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_role("complementary", name="Step")).to_contain_text("order-1:ship")
    assert await chart.get_attribute("aria-activedescendant") == "lane-2"
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("complementary", name="Step")).to_be_hidden()


async def test_time_is_zoomed_and_moved_by_keys_buttons_and_mouse(order: RunningHost, open_page: Opener):
    order.says.details["order-1"] |= {"completedTime": at(100)}
    order.says.steps["order-1"] = [step(0, "long", 0, 100), step(1, "late", 90, 100)]
    page = await open_page(f"{order.url}#/instances/order-1")
    await expect(page.locator(".gantt-span")).to_have_text("1 min 50 s in sight")
    await page.get_by_role("button", name="Zoom in").click()
    await expect(page.locator(".gantt-span")).to_have_text("1 min 6 s in sight")
    await page.get_by_role("listbox").focus()
    await page.keyboard.press("+")
    await expect(page.locator(".gantt-span")).to_have_text("40 s in sight")
    late = page.get_by_role("option", name="late").locator(".bar")
    await expect(late).to_have_count(0)
    for _ in range(5):
        await page.keyboard.press("ArrowRight")
    await expect(late).to_have_count(1)
    await page.keyboard.press("0")
    await expect(page.get_by_role("button", name="Fit")).to_be_disabled()

    axis = await page.locator(".axis").bounding_box()
    assert axis is not None
    await page.mouse.move(axis["x"] + axis["width"] / 2, axis["y"] + 60)
    await page.keyboard.down("Control")
    await page.mouse.wheel(0, -300)
    await page.keyboard.up("Control")
    await expect(page.locator(".gantt-span")).to_have_text("41 s in sight")
    await page.mouse.down()
    await page.mouse.move(axis["x"] + 20, axis["y"] + 60, steps=4)
    await page.mouse.up()
    await expect(page.get_by_role("complementary", name="Step")).to_be_hidden()
    await page.get_by_role("button", name="Fit").click()

    await page.mouse.move(axis["x"] + axis["width"] * 0.8, axis["y"] + 10)
    await page.mouse.down()
    await page.mouse.move(axis["x"] + axis["width"] * 0.9, axis["y"] + 10, steps=4)
    await page.mouse.up()
    await expect(page.locator(".gantt-span")).to_have_text("11 s in sight")
    await expect(late).to_have_count(1)


async def test_open_steps_grow_while_one_looks(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1", clock=True)
    lane = page.get_by_role("option", name="ship")
    await page.get_by_role("button", name="Live").click()
    before = await lane.inner_text()
    await page.clock.fast_forward(7_200_000)
    await expect(lane).not_to_have_text(before)


async def test_a_step_that_ends_is_renewed_alone(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1", clock=True)
    await expect(page.get_by_role("option", name="ship")).to_have_accessible_name(re.compile("open"))
    order.says.steps["order-1"] = [*STEPS[:4], {**STEPS[4], "ended": at(30), "outcome": "completed"}, STEPS[5]]
    order.says.asked.clear()
    await page.clock.run_for(3_000)
    await expect(page.get_by_role("option", name="ship")).to_have_accessible_name(re.compile("completed 21 s"))
    asked = [path for path in order.says.asked if "/timeline" in path]
    assert asked
    assert all("skip=4" in path or "skip=6" in path for path in asked)


async def test_a_rewind_begins_the_timeline_anew(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1", clock=True)
    await expect(page.get_by_role("option", name=re.compile("charge .2 attempts failed"))).to_be_visible()
    order.says.details["order-1"] |= {"attempt": 1}
    order.says.steps["order-1"] = [{**one, "outcome": "void"} if one["outcome"] == "failed" else one for one in STEPS]
    await page.clock.run_for(3_000)
    await expect(page.get_by_role("option", name=re.compile("charge .2 attempts made void"))).to_be_visible()


async def test_the_same_steps_are_there_as_a_table(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await page.get_by_role("button", name="Table").click()
    table = page.get_by_role("table", name="Steps")
    await expect(table.locator("tbody tr")).to_have_count(6)
    await expect(table.get_by_role("row", name="charge (attempt 2)")).to_contain_text("Failed")
    await expect(table.get_by_role("row", name="reserve")).to_contain_text("2.0 s")
    await table.get_by_role("button", name="paid").click()
    about = page.get_by_role("complementary", name="Step")
    await expect(about.get_by_role("group", name="Data")).to_contain_text('"by": "Ada"')


async def test_steps_are_found_by_name_and_by_outcome(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await page.get_by_label("Which steps").select_option("failed")
    await expect(page.get_by_role("option", name="Activity")).to_have_count(1)
    await expect(page.get_by_text("1 of 4 steps")).to_be_visible()
    await page.get_by_label("Which steps").select_option("all")
    await page.get_by_label("Find a step").fill("SHIP")
    await expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
    await page.get_by_label("Find a step").fill("nothing of the kind")
    await expect(page.get_by_text("No step matches.")).to_be_visible()


async def test_values_are_readable_and_numbers_stay_as_they_are(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await page.get_by_role("tab", name="Input and output").click()
    assert page.url.endswith("?tab=data")
    shown = await page.get_by_role("group", name="Input").inner_text()
    assert json.loads(shown) == {"total": 12, "big": 12345678901234567890}
    assert "\n  " in shown
    await expect(page.get_by_text("Not yet: it has not ended.")).to_be_visible()
    await page.get_by_role("button", name="Copy Input").click()
    assert json.loads(await page.evaluate("navigator.clipboard.readText()")) == json.loads(shown)


async def test_a_large_value_is_fetched_when_it_is_asked_for(order: RunningHost, open_page: Opener):
    order.says.details["order-1"]["output"] = {"size": 400_022, "large": True}
    order.says.values["order-1/output"] = json.dumps("x" * 400_000)
    page = await open_page(f"{order.url}#/instances/order-1?tab=data")
    show = page.get_by_role("button", name="Show output (400.0 KB)")
    await expect(show).to_be_visible()
    assert not [path for path in order.says.asked if "/values/" in path]
    await show.click()
    output = page.get_by_role("group", name="Output")
    await expect(output).to_contain_text("xxx")
    assert len(await output.inner_text()) == 200_000
    await page.get_by_role("button", name="Show all of it").click()
    await expect(page.get_by_role("button", name="Show all of it")).to_be_hidden()
    assert len(await output.inner_text()) == 400_002
    async with page.expect_download() as saved:
        await page.get_by_role("button", name="Save").click()
    download = await saved.value
    assert download.suggested_filename == "output.json"
    assert (await download.path()).stat().st_size == 400_002


async def test_a_failure_is_told_down_to_its_cause(host: RunningHost, open_page: Opener):
    host.says.details["order-2"] = inspection("order-2", "Failed", failure=FAILED, completedTime=at(5))
    page = await open_page(f"{host.url}#/instances/order-2")
    failure = page.get_by_role("region", name="Failure")
    await expect(failure).to_contain_text("TaskFailedError")
    await expect(failure).to_contain_text("Caused by CardDeclined")
    await expect(failure.get_by_text("payments.py")).to_be_visible()
    await expect(failure.get_by_text("Traceback of the orchestrator")).to_be_hidden()
    await failure.get_by_text("Stack trace").first.click()
    await expect(failure.get_by_text("Traceback of the orchestrator")).to_be_visible()


async def test_the_family_is_a_tree_that_leads_everywhere(order: RunningHost, open_page: Opener):
    child = {**row("order-1:ship", name="ship"), "children": [{**row("order-1:pack", name="pack"), "children": []}]}
    order.says.families["order-1"] = {
        "ancestors": [{**row("day-1", name="day"), "children": []}],
        "me": {**row("order-1"), "children": [child, {**row("lost"), "runtimeStatus": None, "children": []}]},
        "leftOut": 3,
    }
    page = await open_page(f"{order.url}#/instances/order-1?tab=family")
    tree = page.get_by_role("list", name="Family").first
    await expect(tree).to_contain_text("this one")
    await expect(tree).to_contain_text("Not there")
    await expect(page.get_by_text("3 more sub-orchestrations not shown.")).to_be_visible()
    await tree.get_by_role("button", name="Children of order-1:ship").click()
    await expect(tree.get_by_role("link", name="order-1:pack")).to_be_hidden()
    order.says.details["order-1:ship"] = inspection("order-1:ship", parentInstanceId="order-1")
    await tree.get_by_role("link", name="order-1:ship").click()
    await expect(page.get_by_role("heading", name="order-1:ship")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("tab", name="Family")).to_have_attribute("aria-selected", "true")


async def test_the_history_is_shown_event_by_event(order: RunningHost, open_page: Opener):
    order.says.events["order-1"] = [
        {"index": 0, "type": "ExecutionStarted", "timestamp": at(), "name": "orders", "input": value({"total": 12})},
        {"index": 1, "type": "TaskScheduled", "timestamp": at(0.25), "name": "charge", "taskId": 1, "input": None},
        {"index": 2, "type": "TaskFailed", "timestamp": at(2), "taskId": 1, "failure": DECLINED},
    ]
    page = await open_page(f"{order.url}#/instances/order-1?tab=history")
    table = page.get_by_role("table", name="Events")
    await expect(table.get_by_role("row", name="TaskScheduled")).to_contain_text("charge · task 1")
    await expect(table.get_by_role("row", name="TaskScheduled")).to_contain_text("250 ms")
    await table.get_by_role("button", name="TaskFailed").click()
    await expect(page.get_by_role("complementary", name="Event")).to_contain_text("CardDeclined")
    await table.get_by_role("button", name="ExecutionStarted").click()
    await expect(page.get_by_role("complementary", name="Event")).to_contain_text('"total": 12')


async def test_what_is_stored_beside_the_history_is_shown(order: RunningHost, open_page: Opener):
    order.says.details["order-1"] |= {
        "inbox": [{"key": "k", "what": "event", "name": "approval", "sender": "a client", "sentAt": at(3)}],
        "outbox": [{"what": "activity", "name": "charge", "target": None, "since": at(2), "guard": "g"}],
        "damaged": [{"key": "row-7", "reason": "it is cut off"}],
    }
    page = await open_page(f"{order.url}#/instances/order-1?tab=storage")
    await expect(page.get_by_role("region", name="Arrived, not yet taken up")).to_contain_text("approval")
    await expect(page.get_by_role("region", name="Decided, not yet handed over")).to_contain_text("charge")
    await expect(page.get_by_role("region", name="Damaged rows")).to_contain_text("row-7: it is cut off")


async def test_an_instance_that_is_not_there_is_no_dead_end(host: RunningHost, open_page: Opener):
    open_page.allowed.append("404")
    page = await open_page(f"{host.url}#/instances/nobody")
    await expect(page.get_by_text("There is no instance nobody in this task hub.")).to_be_visible()
    await page.get_by_role("link", name="Search for it").click()
    await expect(page.get_by_label("Search")).to_have_value("nobody")


async def test_ids_of_all_kinds_are_addresses(host: RunningHost, open_page: Opener):
    name = "a b/c?d#e%f&g=ä'\""
    host.says.instances = [row(name)]
    host.says.details[name] = inspection(name)
    page = await open_page(host.url)
    await page.get_by_role("link", name=name).click()
    await expect(page.get_by_role("heading", name=name)).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name=name)).to_be_visible()


async def test_a_step_that_is_looked_at_stays_so_when_places_change(order: RunningHost, open_page: Opener):
    awaited = step(6, "approval", 10, None, kind="event", taskId=None)
    order.says.steps["order-1"] = [*STEPS, awaited]
    page = await open_page(f"{order.url}#/instances/order-1", clock=True)
    await page.get_by_role("option", name="approval").click()
    about = page.get_by_role("complementary", name="Step")
    await expect(about.get_by_role("heading")).to_have_text("approval")
    order.says.steps["order-1"] = [*STEPS, step(6, "pack", 20, 21), {**awaited, "index": 7}]
    await page.clock.run_for(3_000)
    await expect(page.get_by_role("option", name="pack")).to_be_visible()
    await expect(about.get_by_role("heading")).to_have_text("approval")
    await expect(page.get_by_role("option", name="approval")).to_have_attribute("aria-selected", "true")


async def test_what_nobody_waits_for_any_more_is_told_apart(order: RunningHost, open_page: Opener):
    order.says.steps["order-1"] = [step(0, "timer", 0, 4, kind="timer", outcome="cancelled")]
    page = await open_page(f"{order.url}#/instances/order-1")
    await expect(page.get_by_role("listbox").get_by_role("option")).to_have_accessible_name("Timer cancelled 4.0 s")


async def test_kinds_and_outcomes_of_a_newer_host_are_shown_by_their_own_names(order: RunningHost, open_page: Opener):
    order.says.steps["order-1"] = [step(0, "work", 0, 4, kind="teleport", outcome="doubled")]
    page = await open_page(f"{order.url}#/instances/order-1")
    await expect(page.get_by_role("listbox").get_by_role("option")).to_have_accessible_name(
        "teleport work doubled 4.0 s"
    )
