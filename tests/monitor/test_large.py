"""Much of everything: what is in the document stays as much as a window shows, whatever the hub holds."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.monitor.conftest import Opener
from tests.monitor.fake_host import RunningHost, inspection, row, step
from tests.monitor.fake_host import at as moment

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOST_NODES = 2_500


async def nodes(page: Page) -> int:
    return int(await page.evaluate("document.querySelectorAll('*').length"))


async def test_a_hundred_thousand_instances(host: RunningHost, open_page: Opener):
    host.says.instances = [row(f"order-{number:06}") for number in range(100_000)]
    page = await open_page(f"{host.url}#/instances?top=200")
    await expect(page.get_by_role("button", name="Running 100,000")).to_be_visible()
    for number in range(1, 4):
        await page.get_by_role("button", name="Next").click()
        await expect(page.get_by_role("link", name=f"order-{number * 200:06}")).to_be_visible()
    await expect(page.locator("tbody tr")).to_have_count(200)
    assert await nodes(page) < 6_000
    await page.get_by_label("Search").fill("order-099999")
    await expect(page.locator("tbody tr")).to_have_count(1)


@pytest.fixture
def long(host: RunningHost) -> RunningHost:
    host.says.details["long"] = inspection("long", "Completed", completedTime=moment(2_000))
    host.says.steps["long"] = [
        step(at, f"work-{at:05}", at / 10, at / 10 + 1, outcome="failed" if at % 1000 == 7 else "completed")
        for at in range(20_000)
    ]
    host.says.events["long"] = [
        {"index": at, "type": "TaskScheduled", "timestamp": moment(at / 10), "name": f"work-{at}", "taskId": at}
        for at in range(20_000)
    ]
    return host


async def test_a_timeline_of_twenty_thousand_steps(long: RunningHost, open_page: Opener):
    page = await open_page(f"{long.url}#/instances/long")
    await expect(page.get_by_text("20,000 steps")).to_be_visible()
    await expect(page.get_by_text("still loading")).to_have_count(0)
    assert await nodes(page) < MOST_NODES
    chart = page.get_by_role("listbox")
    await chart.focus()
    await page.keyboard.press("End")
    await expect(page.get_by_role("option", name="work-19999")).to_be_visible()
    await expect(page.get_by_role("option", name="work-19999")).to_have_attribute("aria-posinset", "20000")
    assert await nodes(page) < MOST_NODES
    await page.get_by_label("Which steps").select_option("failed")
    await expect(page.get_by_text("20 of 20,000 steps")).to_be_visible()
    await page.get_by_label("Which steps").select_option("all")
    await page.get_by_role("button", name="Table").click()
    await page.get_by_role("region", name="Steps").evaluate("(element) => { element.scrollTop = 10000 * 34 }")
    await expect(page.get_by_role("button", name="work-10005")).to_be_visible()
    assert await nodes(page) < MOST_NODES


async def test_a_history_of_twenty_thousand_events_is_fetched_as_one_comes_to_it(long: RunningHost, open_page: Opener):
    page = await open_page(f"{long.url}#/instances/long?tab=history")
    await expect(page.get_by_text("20,000 events, as they are stored.")).to_be_visible()
    await page.get_by_role("region", name="Events").evaluate("(element) => { element.scrollTop = 15000 * 34 }")
    await expect(page.get_by_text("work-15005 ")).to_be_visible()
    asked = [path for path in long.says.asked if "/history" in path]
    assert len(asked) <= 4
    assert await nodes(page) < MOST_NODES


async def test_a_fan_out_of_attempts_in_one_lane_is_drawn_where_it_is_in_sight(host: RunningHost, open_page: Opener):
    host.says.details["one"] = inspection("one")
    host.says.steps["one"] = [
        step(number, "try", number, number + 0.5, outcome="failed", retryOf=0 if number else None, attempt=number + 1)
        for number in range(50)
    ]
    page = await open_page(f"{host.url}#/instances/one")
    await expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
    await expect(page.locator(".bar")).to_have_count(50)
    for _ in range(5):
        await page.get_by_role("button", name="Zoom in").click()
    assert await page.locator(".bar").count() < 50
