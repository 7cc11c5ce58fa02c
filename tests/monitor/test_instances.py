"""The list of instances: filters, counts, pages, and news that do not move what is being read."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.monitor.conftest import Opener
from tests.monitor.fake_host import RunningHost, at, inspection, row

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def shop(host: RunningHost) -> RunningHost:
    host.says.instances = [
        row("order-1", "Running"),
        row("order-2", "Failed", createdTime=at(60)),
        row("order-2:ship", "Completed", name="ship", parentInstanceId="order-2"),
        row("refund-1", "Completed", name="refunds"),
        row("broken-1", "", damaged="the header cannot be read"),
    ]
    return host


async def shown(page: Page) -> list[str]:
    await expect(page.get_by_role("table", name="Instances")).to_be_visible()
    return await page.locator("tbody th a").all_text_contents()


async def test_every_instance_has_its_status_in_words(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url)
    await expect(page.get_by_role("row", name="order-1")).to_contain_text("Running")
    await expect(page.get_by_role("row", name="broken-1")).to_contain_text("Damaged")
    assert len(await shown(page)) == 5


async def test_who_waits_for_a_person_says_so(host: RunningHost, open_page: Opener):
    host.says.instances = [row("agent-1", approvals=1), row("agent-2", approvals=3), row("order-1")]
    page = await open_page(host.url)
    await expect(page.get_by_role("row", name="agent-1")).to_contain_text("waits for 1 approval")
    await expect(page.get_by_role("row", name="agent-2")).to_contain_text("waits for 3 approvals")
    await expect(page.get_by_role("row", name="order-1")).not_to_contain_text("approval")


async def test_filters_by_status_can_be_joined_and_are_part_of_the_address(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url)
    filters = page.get_by_role("group", name="Filter by status")
    await filters.get_by_role("button", name="Failed").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    await filters.get_by_role("button", name="Running").click()
    await expect(page.locator("tbody tr")).to_have_count(2)
    assert "status=Failed%2CRunning" in page.url
    again = await open_page(page.url)
    assert await shown(again) == ["order-1", "order-2"]
    await expect(again.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "true")


async def test_counts_stand_beside_the_statuses(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url)
    await expect(page.get_by_role("button", name="Completed 2")).to_be_visible()
    await expect(page.get_by_role("button", name="Failed 1")).to_be_visible()


@pytest.mark.parametrize(
    ("label", "text", "found"),
    [
        ("Search", "SHIP", ["order-2:ship"]),
        ("Orchestrator", "refunds", ["refund-1"]),
        ("Id begins with", "order-2", ["order-2", "order-2:ship"]),
    ],
)
async def test_text_filters(shop: RunningHost, open_page: Opener, label: str, text: str, found: list[str]):
    page = await open_page(shop.url)
    await page.get_by_role("button", name="More filters").click()
    await page.get_by_label(label, exact=True).fill(text)
    await expect(page.locator("tbody tr")).to_have_count(len(found))
    assert await shown(page) == found


async def test_only_roots(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url)
    await page.get_by_label("Without parent only").check()
    await expect(page.locator("tbody tr")).to_have_count(4)
    assert "order-2:ship" not in await shown(page)


async def test_a_range_of_creation_is_given_in_local_time(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url)
    await page.get_by_role("button", name="More filters").click()
    # 08:00:30 in UTC.
    await page.get_by_label("Created from").fill("2026-03-01T09:00:30")
    await page.get_by_label("Created from").blur()
    await expect(page.locator("tbody tr")).to_have_count(1)
    assert await shown(page) == ["order-2"]


async def test_filters_that_match_nothing_can_be_cleared(shop: RunningHost, open_page: Opener):
    page = await open_page(f"{shop.url}#/instances?search=nobody")
    await expect(page.get_by_text("No instance matches these filters.")).to_be_visible()
    await page.get_by_role("button", name="Clear the filters").click()
    await expect(page.locator("tbody tr")).to_have_count(5)
    await expect(page.get_by_label("Search")).to_have_value("")


async def test_a_hub_without_instances_says_how_one_begins(host: RunningHost, open_page: Opener):
    page = await open_page(host.url)
    await expect(page.get_by_text("There are no instances yet.")).to_be_visible()


async def test_pages_go_forth_and_back(host: RunningHost, open_page: Opener):
    host.says.instances = [row(f"order-{number:03}") for number in range(120)]
    page = await open_page(host.url)
    await expect(page.locator("tbody tr")).to_have_count(50)
    await page.get_by_role("button", name="Next").click()
    await expect(page.get_by_role("link", name="order-050")).to_be_visible()
    await page.get_by_role("button", name="Next").click()
    await expect(page.locator("tbody tr")).to_have_count(20)
    await expect(page.get_by_role("button", name="Next")).to_be_disabled()
    await page.get_by_role("button", name="Previous").click()
    await expect(page.get_by_role("link", name="order-050")).to_be_visible()
    await page.get_by_label("Rows").select_option("200")
    await expect(page.locator("tbody tr")).to_have_count(120)


async def test_a_status_that_changes_is_shown_where_the_row_stands(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url, clock=True)
    await expect(page.get_by_role("row", name="order-1")).to_contain_text("Running")
    shop.says.instances[0] = row("order-1", "Completed")
    await page.clock.run_for(2_500)
    await expect(page.get_by_role("row", name="order-1")).to_contain_text("Completed")


async def test_new_instances_are_announced_and_move_nothing(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url, clock=True)
    before = await shown(page)
    shop.says.instances[:0] = [row("order-8"), row("order-9")]
    await page.clock.run_for(2_500)
    news = page.get_by_role("button", name="2 new instances")
    await expect(news).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="2 new instances.")).to_be_attached()
    assert await shown(page) == before
    await news.click()
    await expect(page.locator("tbody th a").first).to_have_text("order-8")
    await expect(news).to_be_hidden()


async def test_what_is_purged_goes_away(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url, clock=True)
    await expect(page.locator("tbody tr")).to_have_count(5)
    del shop.says.instances[1]
    await page.clock.run_for(2_500)
    await expect(page.locator("tbody tr")).to_have_count(4)


async def test_nothing_is_asked_while_nobody_looks_or_updates_are_stopped(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url, clock=True)
    await shown(page)
    await page.get_by_role("button", name="Live").click()
    await expect(page.get_by_role("button", name="Stopped")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    asked = len(shop.says.asked)
    await page.clock.run_for(60_000)
    assert len(shop.says.asked) == asked
    await page.get_by_role("button", name="Stopped").click()
    async with page.expect_response(lambda response: "api/instances" in response.url):
        await page.clock.run_for(2_500)

    await page.evaluate("""() => {
        Object.defineProperty(document, "hidden", { value: true, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }""")
    await page.wait_for_load_state("networkidle")
    asked = len(shop.says.asked)
    await page.clock.run_for(60_000)
    assert len(shop.says.asked) == asked
    async with page.expect_response(lambda response: "api/instances" in response.url):
        await page.evaluate("""() => {
            Object.defineProperty(document, "hidden", { value: false, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""")


async def test_what_has_not_changed_is_not_sent_again(shop: RunningHost, open_page: Opener):
    page = await open_page(shop.url, clock=True)
    await shown(page)
    async with page.expect_response(lambda response: "api/instances" in response.url) as caught:
        await page.clock.run_for(2_500)
    assert (await caught.value).status == 304


async def test_an_orchestration_is_started_with_an_id_and_an_input(shop: RunningHost, open_page: Opener):
    shop.says.details["made-anew"] = inspection("made-anew")
    page = await open_page(shop.url)
    await page.get_by_role("button", name="Start…").click()
    await page.get_by_label("Orchestrator", exact=True).last.fill("orders")
    await page.get_by_label("Instance id").fill("order-77")
    await page.get_by_label("Input").fill('{"total": 3}')
    await page.get_by_role("button", name="Start", exact=True).click()
    await expect(page.get_by_role("list", name="Messages")).to_contain_text("Started 'made-anew'.")
    assert shop.says.done == [("POST", "orchestrators/orders/order-77", '{"total": 3}')]
    assert page.url.endswith("#/instances/made-anew")


async def test_a_search_through_much_can_go_on(host: RunningHost, open_page: Opener):
    host.says.examines = 5_000
    host.says.instances = [row(f"order-{number}") for number in range(5_000)] + [row("found")]
    page = await open_page(f"{host.url}#/instances?search=found")
    await expect(page.get_by_text("Nothing found among 5,000 instances so far.")).to_be_visible()
    await page.get_by_role("button", name="Search on").click()
    await expect(page.get_by_role("link", name="found")).to_be_visible()
