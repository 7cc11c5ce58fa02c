"""A browser without a window, and a host that says what a test wants it to say.

Nothing may go wrong unseen: an error in the console, an exception, a breach of the page's policy or a request to any
other place fails the test that caused it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright, expect

from tests.monitor.fake_host import RunningHost

WAIT = 15_000
"""Milliseconds that anything may take on a machine that has a lot else to do."""


def executable(playwrights_own: str) -> str:
    """The browser to drive; where there is none, the test is skipped."""
    named = [os.environ.get("CHROMIUM"), *map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))]
    found = next((path for path in (*named, playwrights_own) if path and Path(path).exists()), None)
    if found is None:
        pytest.skip("there is no Chromium: install it (apt install chromium), or set CHROMIUM to its command")
    return found


def sandbox_arguments() -> list[str]:
    """What Chromium must be told where root starts it."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for the whole run."""
    expect.set_options(timeout=WAIT)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable(playwright.chromium.executable_path), args=sandbox_arguments()
        )
        yield browser
        await browser.close()


@pytest.fixture
def host() -> Iterator[RunningHost]:
    """A host of the test's own."""
    running = RunningHost()
    yield running
    running.close()


class Opener:
    """Opens the page in windows of all kinds, and remembers what goes wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: list[BrowserContext] = []
        self.wrong: list[str] = []
        self.allowed: list[str] = []

    async def __call__(
        self,
        url: str,
        *,
        size: tuple[int, int] = (1280, 800),
        scheme: str = "light",
        clock: bool = False,
        headers: dict[str, str] | None = None,
    ) -> Page:
        """The page behind a URL.

        :param size: of the window.
        :param scheme: the system's: `light` or `dark`.
        :param clock: its timers wait until the test lets time pass.
        :param headers: what each request has beside its own.
        """
        context = await self._browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if scheme == "dark" else "light",
            locale="en-GB",
            timezone_id="Europe/Berlin",
            extra_http_headers=headers or {},
            permissions=["clipboard-read", "clipboard-write"],
        )
        self._contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(WAIT)
        home = urlsplit(url).netloc

        def request(request: Request) -> None:
            if request.url.startswith("http") and urlsplit(request.url).netloc != home:
                self.wrong.append(f"asked another server: {request.url}")

        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                self.wrong.append(message.text)

        page.on("request", request)
        page.on("console", console)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        if clock:
            await page.clock.install()
        await page.goto(url)
        return page

    async def close(self) -> None:
        """Close all windows."""
        for context in self._contexts:
            await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(browser: Browser) -> AsyncIterator[Opener]:
    """Opens the page; at the end nothing must have gone wrong but what the test allows."""
    opener = Opener(browser)
    yield opener
    await opener.close()
    wrong = [text for text in opener.wrong if not any(piece in text for piece in opener.allowed)]
    assert wrong == []


async def until(condition: object, what: str) -> None:
    """Waits until a function without arguments gives something true.

    :param what: what is waited for, for the error.
    """
    assert callable(condition)
    for _ in range(WAIT // 20):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")
