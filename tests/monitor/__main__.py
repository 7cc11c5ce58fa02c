"""Makes the pictures of docs/monitor.md anew: `python -m tests.monitor [FOLDER]`.

They show the scene of the tests at the moment of the tests, so that they change only when the page does.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from playwright.async_api import Browser, Page, async_playwright

from tests.monitor.conftest import executable, sandbox_arguments
from tests.monitor.fake_host import START, RunningHost, at
from tests.monitor.scene import NOW, full_hub

DOCS = Path(__file__).parents[2] / "docs" / "_static"


async def _as_it_is(page: Page) -> None:
    await page.wait_for_load_state("networkidle")


async def _with_a_step(page: Page) -> None:
    await page.get_by_role("option", name="charge").get_by_text("charge").click()
    await page.get_by_role("group", name="Input").wait_for()
    await page.mouse.move(5, 400)


async def _after_a_while(page: Page) -> None:
    for _ in range(14):
        async with page.expect_response(lambda response: "api/overview" in response.url):
            await page.clock.run_for(10_000)
    await page.wait_for_load_state("networkidle")


class Picture(NamedTuple):
    """What is shown, in a window of which size, by day or by night, and what is done before."""

    name: str
    link: str
    size: tuple[int, int]
    scheme: str = "light"
    before: Callable[[Page], Awaitable[None]] = _as_it_is


PICTURES = (
    Picture("instances", "#/instances", (1240, 760)),
    Picture("timeline", "#/instances/order-1000", (1240, 1230), before=_with_a_step),
    Picture("failure", "#/instances/order-1003", (1240, 1010)),
    Picture("approvals", "#/instances/refund-agent-7", (1240, 1000)),
    Picture("dark", "#/instances/order-1000", (1240, 1180), "dark"),
    Picture("hub", "#/hub", (1240, 900), before=_after_a_while),
    Picture("narrow", "#/instances/order-1000", (360, 1640)),
)


async def take(browser: Browser, host: RunningHost, picture: Picture, folder: Path) -> None:
    """Take one picture."""
    width, height = picture.size
    scheme = "dark" if picture.scheme == "dark" else "light"
    page = await browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB", reduced_motion="reduce"
    )
    moment = START + timedelta(seconds=NOW)
    if picture.before is _after_a_while:
        await page.clock.install(time=moment)
    else:
        await page.clock.set_fixed_time(moment)
    await page.goto(host.url + picture.link)
    await page.locator("h1").wait_for()
    await page.wait_for_load_state("networkidle")
    await picture.before(page)
    await page.screenshot(path=folder / f"monitor-{picture.name}.png", animations="disabled")
    await page.close()


def _goes_on(host: RunningHost) -> None:
    """Have more happen in the hub with each look at it, so that there are rates to draw."""
    says, looks = host.says, 0
    standing = dict(says.answer("GET", "monitor/api/overview", {}, "")[1])
    original = says.answer

    def answer(method: str, path: str, query: dict[str, str], body: str) -> tuple[int, object]:
        nonlocal looks
        if path == "monitor/api/overview":
            looks += 1
            done = looks * 9 + (looks * 7) % 5 * 2
            counts = {**standing["counts"], "Completed": 84 + done, "Failed": 17 + looks // 3}
            queues = [{**queue} for queue in standing["queues"]]
            queues[0]["messages"] = 14 + (looks * 5) % 9 - looks // 2
            told = {"counts": counts, "counted": sum(counts.values()), "queues": queues}
            says.overview = {**says.overview, **told, "takenAt": at(NOW + looks * 10)}
        return original(method, path, query, body)

    says.answer = answer  # type: ignore[method-assign]


async def main(folder: Path) -> None:
    """Take all of them."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable(playwright.chromium.executable_path), args=sandbox_arguments()
        )
        for picture in PICTURES:
            host = RunningHost()
            full_hub(host.says)
            if picture.name == "hub":
                _goes_on(host)
            try:
                await take(browser, host, picture, folder)
            finally:
                host.close()
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS))
