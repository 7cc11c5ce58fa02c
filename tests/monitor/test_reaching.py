"""Getting at the data: under every base, with a key where one is wanted, and through times without an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.monitor.conftest import Opener
from tests.monitor.fake_host import RunningHost, row

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def guarded(host: RunningHost) -> RunningHost:
    host.says.instances = [row("order-1")]
    host.says.key = "se/cr+et=="
    return host


async def test_a_key_is_asked_for_and_a_wrong_one_is_told(guarded: RunningHost, open_page: Opener):
    open_page.allowed.append("401")
    page = await open_page(guarded.url)
    dialog = page.get_by_role("dialog", name="A key is needed")
    await dialog.get_by_label("System key").fill("wrong")
    await dialog.get_by_role("button", name="Use this key").click()
    await expect(dialog).to_contain_text("The host did not take this key.")
    await dialog.get_by_label("System key").fill("se/cr+et==")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()
    await expect(dialog).to_be_hidden()


async def test_the_key_lasts_as_long_as_the_tab_and_is_never_in_an_address(guarded: RunningHost, open_page: Opener):
    open_page.allowed.append("401")
    page = await open_page(guarded.url)
    await page.get_by_label("System key").fill("se/cr+et==")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()
    assert not [path for path in guarded.says.asked if "se%2Fcr" in path or "se/cr" in path]
    assert await page.evaluate("localStorage.length") > 0
    assert "cr+et" not in await page.evaluate("JSON.stringify(localStorage) + document.cookie")
    await page.get_by_role("button", name="Forget key").click()
    await expect(page.get_by_role("dialog", name="A key is needed")).to_be_visible()
    assert "cr+et" not in await page.evaluate("JSON.stringify(sessionStorage)")


async def test_a_key_in_the_address_is_taken_and_removed(guarded: RunningHost, open_page: Opener):
    page = await open_page(f"{guarded.url}?code=se%2Fcr%2Bet%3D%3D&x=1#/instances?status=Running")
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()
    assert page.url == f"{guarded.url}?x=1#/instances?status=Running"
    assert not [path for path in guarded.says.asked if "code=" in path]


async def test_a_host_without_an_answer_is_told_calmly_and_asked_again(guarded: RunningHost, open_page: Opener):
    open_page.allowed.append("503")
    guarded.says.key = None
    page = await open_page(guarded.url, clock=True)
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()
    guarded.says.down = True
    await page.clock.run_for(6_000)
    await expect(page.get_by_text("It is asked again by itself")).to_be_visible()
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()
    guarded.says.down = False
    await page.get_by_role("button", name="Try now").click()
    await expect(page.get_by_text("It is asked again by itself")).to_be_hidden()


async def test_a_host_that_is_gone_leaves_what_was_read_and_what_was_typed(guarded: RunningHost, open_page: Opener):
    open_page.allowed.append("ERR_")
    guarded.says.key = None
    page = await open_page(guarded.url, clock=True)
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()
    await page.get_by_label("Search").fill("ord")
    await page.context.set_offline(True)
    await page.clock.run_for(12_000)
    await expect(page.get_by_text("The host does not answer.").first).to_be_visible()
    await expect(page.get_by_label("Search")).to_have_value("ord")
    await page.context.set_offline(False)
    await page.clock.run_for(35_000)
    await expect(page.get_by_text("The host does not answer.")).to_have_count(0)
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()


@pytest.fixture
def on_functions() -> Iterator[RunningHost]:
    running = RunningHost("/api/durabletask/")
    yield running
    running.close()


async def test_it_works_under_every_base(on_functions: RunningHost, open_page: Opener):
    on_functions.says.instances = [row("order-1")]
    page = await open_page(on_functions.url)
    await expect(page.get_by_role("link", name="order-1")).to_be_visible()
    assert all(path.startswith("/api/durabletask/monitor/api/") for path in on_functions.says.asked)
