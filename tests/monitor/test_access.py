"""For everybody: screen readers, keys alone, dark rooms, narrow windows, and who does not want things to move."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.monitor.conftest import Opener
from tests.monitor.fake_host import RunningHost
from tests.monitor.scene import full_hub

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
VIEWS = {
    "instances": "#/instances",
    "instance": "#/instances/order-1000",
    "failed instance": "#/instances/order-1003",
    "approvals": "#/instances/refund-agent-7",
    "values": "#/instances/order-1000?tab=data",
    "family": "#/instances/order-1000?tab=family",
    "history": "#/instances/order-1000?tab=history",
    "stored": "#/instances/order-1000?tab=storage",
    "entities": "#/entities",
    "entity": "#/entities/counter/k2",
    "schedules": "#/schedules",
    "hub": "#/hub",
}
HANGING_OVER = """() => {
    const over = [...document.querySelectorAll("main *, header *")].filter((element) => {
        const box = element.getBoundingClientRect();
        if (box.width === 0 || box.right <= innerWidth + 1) return false;
        // What can be scrolled to, or is cut off by what it is in, hangs over nothing.
        for (let at = element.parentElement; at; at = at.parentElement) {
            if (getComputedStyle(at).overflowX !== "visible") return false;
        }
        return true;
    });
    return over.map((element) => element.outerHTML.slice(0, 120));
}"""
FOCUSED = """() => {
    const element = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    return { html: element.outerHTML.slice(0, 80), seen: outlineStyle !== "none" && parseFloat(outlineWidth) > 0 };
}"""


@pytest.fixture
def hub(host: RunningHost) -> RunningHost:
    full_hub(host.says)
    return host


async def settled(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await expect(page.get_by_text("Loading…")).to_have_count(0)


async def violations(page: Page, *rules: str) -> list[str]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run `npm ci`")
    if await page.evaluate("typeof axe") == "undefined":
        await page.evaluate(AXE.read_text(encoding="utf-8"))
    options = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
    run = "(options) => axe.run(options).then((result) => result.violations)"
    found: list[dict[str, Any]] = await page.evaluate(run, options)
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:160]} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


async def test_a_checker_of_accessibility_finds_nothing(hub: RunningHost, open_page: Opener):
    page = await open_page(hub.url)
    for view, link in VIEWS.items():
        await page.goto(hub.url + link)
        await settled(page)
        assert await violations(page) == [], view
        await page.emulate_media(color_scheme="dark")
        await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
        assert await violations(page, "color-contrast") == [], f"{view} in the dark"
        await page.emulate_media(color_scheme="light")


async def test_a_checker_finds_nothing_in_the_parts_that_open(hub: RunningHost, open_page: Opener):
    page = await open_page(hub.url + VIEWS["instance"])
    await page.get_by_role("option", name="Activity charge").click()
    await expect(page.get_by_role("complementary", name="Step")).to_contain_text("Attempt 1")
    assert await violations(page) == []
    await page.get_by_role("button", name="Table").click()
    assert await violations(page) == []
    await page.get_by_role("button", name="Raise event").click()
    await page.get_by_label("Data").fill("no json")
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    assert await violations(page) == []


async def test_nothing_hangs_over_the_edge_of_a_narrow_window(hub: RunningHost, open_page: Opener):
    page = await open_page(hub.url, size=(360, 740))
    for view, link in VIEWS.items():
        await page.goto(hub.url + link)
        await settled(page)
        assert await page.evaluate(HANGING_OVER) == [], view
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), view


async def test_all_of_it_is_reached_by_keys_and_the_focus_is_seen(hub: RunningHost, open_page: Opener):
    page = await open_page(hub.url + VIEWS["instance"])
    await settled(page)
    await expect(page.get_by_role("option", name="reserve")).to_be_visible()
    wanted = await page.evaluate("""() => [...document.querySelectorAll(
        "a[href], button:not(:disabled):not([tabindex='-1']), input, select, textarea, [tabindex='0']"
    )].filter((element) => element.checkVisibility()).length""")
    seen: list[str] = []
    for _ in range(wanted):
        await page.keyboard.press("Tab")
        found = await page.evaluate(FOCUSED)
        assert found["seen"], f"the focus is not seen on {found['html']}"
        seen.append(found["html"])
    assert len(set(seen)) > 20
    assert "Skip to the content" in await page.locator("a.skip").inner_text()
    assert any('role="listbox"' in html or "gantt-lanes" in html for html in seen)


async def test_the_tabs_are_walked_with_arrows(hub: RunningHost, open_page: Opener):
    page = await open_page(hub.url + VIEWS["instance"])
    await page.get_by_role("tab", name="Timeline").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Input and output")).to_be_focused()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await expect(page.get_by_role("tab", name="Stored")).to_have_attribute("aria-selected", "true")


async def test_single_keys_are_short_cuts_until_they_are_switched_off(hub: RunningHost, open_page: Opener):
    page = await open_page(hub.url)
    await settled(page)
    await page.keyboard.press("/")
    await expect(page.get_by_label("Search")).to_be_focused()
    await page.keyboard.type("gh")
    await expect(page.get_by_label("Search")).to_have_value("gh")
    await page.get_by_role("heading", name="Instances").click()
    await page.keyboard.press("g")
    await page.keyboard.press("h")
    await expect(page.get_by_role("heading", name="ShopHub")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("i")
    await expect(page.locator("tbody tr").nth(10)).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await expect(page.locator("tbody th a").nth(1)).to_be_focused()
    await page.keyboard.press("p")
    await expect(page.get_by_role("button", name="Stopped")).to_be_visible()
    await page.keyboard.press("?")
    await page.get_by_label("Single keys are short cuts").uncheck()
    await page.keyboard.press("Escape")
    await page.keyboard.press("p")
    await expect(page.get_by_role("button", name="Stopped")).to_be_visible()


async def test_the_theme_is_that_of_the_system_until_another_is_chosen(hub: RunningHost, open_page: Opener):
    async def ground() -> str:
        return str(await page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page = await open_page(hub.url, scheme="dark")
    assert await ground() == "rgb(15, 20, 27)"
    await page.emulate_media(color_scheme="light")
    await expect(page.locator("html")).to_have_attribute("data-theme", "light")
    await page.get_by_role("button", name="Theme: that of the system").click()
    await page.get_by_role("button", name="Theme: light").click()
    assert await ground() == "rgb(15, 20, 27)"
    await page.reload()
    assert await ground() == "rgb(15, 20, 27)"
    await expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()


async def test_nothing_moves_for_who_does_not_want_it(hub: RunningHost, open_page: Opener):
    page = await open_page(hub.url + VIEWS["instance"])
    await expect(page.get_by_role("option", name="ship")).to_be_visible()
    running = "document.getAnimations().filter((one) => one.playState === 'running').length"
    assert await page.evaluate(running) > 0
    await page.emulate_media(reduced_motion="reduce")
    assert await page.evaluate(running) == 0


async def test_outcomes_are_told_by_words_too(hub: RunningHost, open_page: Opener):
    page = await open_page(hub.url + VIEWS["instance"])
    lanes = page.get_by_role("listbox").get_by_role("option")
    await expect(lanes.first).to_be_visible()
    for number in range(await lanes.count()):
        await expect(lanes.nth(number)).to_have_accessible_name(re.compile(r"\b(open|completed|failed|void)\b"))
