"""The hub as a whole, its entities and its schedules."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.monitor.conftest import Opener
from tests.monitor.fake_host import RunningHost, at, inspection, row, value

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_hub_shows_backlog_counts_and_what_is_stuck(host: RunningHost, open_page: Opener):
    host.says.instances = [row("order-1"), row("order-2", "Failed"), row("order-3", "Failed")]
    host.says.overview = {
        "stuck": ["order-1"],
        "findings": [
            {"level": "error", "text": "No worker takes messages.", "mend": "Start one.", "instanceId": "order-1"}
        ],
    }
    page = await open_page(f"{host.url}#/hub")
    await expect(page.get_by_role("heading", name="ShopHub")).to_be_visible()
    await expect(page.get_by_text("Something is wrong")).to_be_visible()
    await expect(page.get_by_role("list", name="Findings")).to_contain_text("Start one.")
    await expect(page.locator(".card").filter(has_text="Turns of instances")).to_contain_text("7")
    await expect(page.locator(".card").filter(has_text="Created")).to_contain_text("12")
    await expect(page.get_by_role("region", name="No sign of life").get_by_role("link")).to_have_text("order-1")
    await page.get_by_role("region", name="Instances by status").get_by_role("link", name="Failed").click()
    await expect(page.locator("tbody tr")).to_have_count(2)


async def test_a_hub_that_is_well_says_so(host: RunningHost, open_page: Opener):
    page = await open_page(f"{host.url}#/hub")
    await expect(page.get_by_text("All is well")).to_be_visible()
    await expect(page.get_by_text("None: whatever is to go on, does.")).to_be_visible()


async def test_rates_are_drawn_from_what_comes_in(host: RunningHost, open_page: Opener):
    host.says.instances = [row(f"order-{number}", "Completed") for number in range(10)]
    page = await open_page(f"{host.url}#/hub", clock=True)
    ended = page.get_by_role("img", name="Ended")
    await expect(ended).to_be_visible()
    for number in range(3):
        host.says.instances += [row(f"more-{number}-{each}", "Completed") for each in range(5)]
        async with page.expect_response(lambda response: "api/overview" in response.url):
            await page.clock.run_for(10_000)
    await expect(ended).to_have_attribute("aria-label", re.compile(r"Ended: [\d.]+ a minute now, at most [1-9]"))
    await expect(ended.locator("path")).to_have_count(2)


async def test_of_a_hub_that_is_too_large_to_count_only_a_part_is_claimed(host: RunningHost, open_page: Opener):
    host.says.overview = {"complete": False, "counted": 10_000, "counts": {"Completed": 10_000}}
    page = await open_page(host.url)
    await expect(page.get_by_role("button", name="Completed 10,000+")).to_be_visible()
    await expect(page.get_by_text("of the first 10,000 that were counted")).to_be_visible()


async def test_entities_are_listed_with_lock_and_backlog(host: RunningHost, open_page: Opener):
    entity = {"name": "counter", "lastUpdatedTime": at(), "damaged": None}
    host.says.entities = [
        {**entity, "key": "free", "instanceId": "@counter@free", "lockedBy": None, "backlog": 0},
        {**entity, "key": "held", "instanceId": "@counter@held", "lockedBy": "order-1", "backlog": 3},
    ]
    shown = inspection("@counter@held", kind="entity", name="counter", lock="order-1")
    backlog = [{"what": "signal", "name": "add", "sender": "order-2"}]
    host.says.entity_details["counter/held"] = {
        **shown,
        "state": value([4, 2]),
        "backlog": 3,
        "backlogEntries": backlog,
    }
    page = await open_page(f"{host.url}#/entities")
    held = page.get_by_role("row", name="counter held")
    await expect(held.get_by_role("link", name="order-1")).to_be_visible()
    await expect(held).to_contain_text("3")
    await held.get_by_role("link", name="held").click()
    await expect(page.get_by_role("group", name="State")).to_contain_text("4,")
    await expect(page.get_by_role("region", name="Operations held back")).to_contain_text("add")
    await expect(page.locator(".head")).to_contain_text("order-1")


async def test_schedules_are_listed_with_their_next_and_last_run(host: RunningHost, open_page: Opener):
    schedule = {"orchestrationName": "report", "createdAt": at(), "pausedReason": None}
    host.says.schedules = [
        {**schedule, "scheduleId": "nightly", "status": "active", "recurrence": "0 0 3 * * *"}
        | {
            "nextRunAt": at(60),
            "lastRunAt": at(),
            "lastInstanceId": "nightly-1",
            "runs": 12,
            "missed": 1,
            "skipped": 0,
        },
        {**schedule, "scheduleId": "hourly", "status": "paused", "recurrence": "every hour", "pausedReason": "we move"}
        | {"nextRunAt": None, "lastRunAt": None, "lastInstanceId": None, "runs": 0, "missed": 0},
    ]
    page = await open_page(f"{host.url}#/schedules")
    nightly = page.get_by_role("row", name="nightly")
    await expect(nightly).to_contain_text("Active")
    await expect(nightly).to_contain_text("1 missed")
    await expect(nightly.get_by_role("link")).to_have_attribute("href", "#/instances/nightly-1")
    await expect(page.get_by_role("row", name="hourly")).to_contain_text("Paused")
    await expect(page.get_by_role("row", name="hourly")).to_contain_text("we move")


async def test_an_address_that_leads_nowhere_says_so(host: RunningHost, open_page: Opener):
    page = await open_page(f"{host.url}#/nowhere")
    await page.get_by_role("link", name="To the instances").click()
    await expect(page.get_by_role("heading", name="Instances")).to_be_visible()
