"""Whatever stands in a hub is text: nothing that a stranger wrote becomes part of the page."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.monitor.conftest import Opener
from tests.monitor.fake_host import RunningHost, at, inspection, row, step, value
from tests.monitor.scene import approval

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIL = "<img src=x onerror=window.hit=1><script>window.hit=1</script>"
BREAKS = "\" onclick='window.hit=1' javascript:window.hit=1 </script>"


@pytest.fixture
def hostile(host: RunningHost) -> RunningHost:
    failure = {"message": EVIL, "errorType": f"a.{EVIL}", "stackTrace": EVIL + BREAKS, "innerFailure": None}
    wait = {"kind": "event", "name": EVIL, "since": at(), "due": None, "taskId": 1, "target": EVIL, "attempt": 2}
    says = host.says
    says.instances = [row(EVIL, EVIL, name=EVIL, damaged=None, parentInstanceId=BREAKS), row(BREAKS)]
    says.details[EVIL] = inspection(
        EVIL,
        "Failed",
        name=EVIL,
        version=EVIL,
        tags={EVIL: EVIL},
        parentInstanceId=BREAKS,
        customStatus=value(EVIL),
        input=value({EVIL: EVIL}),
        output={"size": 9, "text": EVIL},
        failure={**failure, "innerFailure": failure},
        approvals=[
            approval(EVIL, EVIL, {EVIL: EVIL}, event=EVIL, problem=EVIL),
            approval("b", "b", EVIL, argumentsCut=True),
        ],
        waits=[{**wait, "lastFailure": failure, "detail": EVIL}],
        findings=[{"level": "error", "text": EVIL, "mend": EVIL}],
        inbox=[{"key": EVIL, "what": EVIL, "name": EVIL, "sender": EVIL, "sentAt": None}],
        outbox=[{"what": EVIL, "name": EVIL, "target": EVIL, "since": None, "guard": EVIL}],
        damaged=[{"key": EVIL, "reason": EVIL}],
    )
    says.steps[EVIL] = [
        step(0, EVIL, 0, 1, target=EVIL, failure=failure, outcome="failed", detail=EVIL, input=value(EVIL))
    ]
    says.events[EVIL] = [{"index": 0, "type": EVIL, "timestamp": EVIL, EVIL: EVIL, "name": EVIL, "failure": failure}]
    says.families[EVIL] = {
        "ancestors": [{**row(BREAKS, name=EVIL), "children": []}],
        "me": {**row(EVIL, name=EVIL), "children": []},
        "leftOut": 0,
    }
    says.entities = [
        {"name": EVIL, "key": BREAKS, "instanceId": f"@{EVIL}@{BREAKS}", "lastUpdatedTime": at(), "lockedBy": EVIL}
        | {"backlog": 1, "damaged": EVIL}
    ]
    says.schedules = [
        {"scheduleId": EVIL, "status": EVIL, "orchestrationName": EVIL, "recurrence": EVIL, "nextRunAt": None}
        | {"lastRunAt": None, "createdAt": None, "lastInstanceId": EVIL, "pausedReason": EVIL}
    ]
    says.overview = {
        "name": EVIL,
        "storage": EVIL,
        "stuck": [EVIL],
        "findings": [{"level": "error", "text": EVIL, "mend": EVIL, "instanceId": EVIL}],
        "app": {"orchestrators": [EVIL], "activities": [EVIL], "entities": [EVIL]},
    }
    return host


async def harmless(page: Page) -> None:
    await expect(page.get_by_text(EVIL).first).to_be_attached()
    assert await page.evaluate("window.hit") is None
    assert (
        await page.evaluate("document.querySelectorAll('#app img, #app script, #app [onclick], #app [onerror]').length")
        == 0
    )
    links = await page.evaluate("[...document.querySelectorAll('a[href]')].map((link) => link.protocol)")
    assert set(links) <= {"http:"}


async def test_everywhere(hostile: RunningHost, open_page: Opener):
    page = await open_page(hostile.url)
    await harmless(page)
    await page.get_by_role("main").get_by_role("link", name=EVIL, exact=True).click()
    await expect(page.get_by_role("heading", name=EVIL)).to_be_visible()
    await page.get_by_role("listbox").get_by_role("option").click()
    await expect(page.get_by_role("complementary", name="Step")).to_be_visible()
    await harmless(page)
    for tab in ("Input and output", "Family", "History", "Stored"):
        await page.get_by_role("tab", name=tab).click()
        await expect(page.get_by_text("Loading…")).to_have_count(0)
        await harmless(page)
    for view in ("Entities", "Schedules", "Hub"):
        await page.get_by_role("navigation", name="Main").get_by_role("link", name=view).click()
        await expect(page.get_by_text("Loading…")).to_have_count(0)
        await harmless(page)


async def test_answers_to_actions(hostile: RunningHost, open_page: Opener):
    open_page.allowed.append("409")
    hostile.says.refusals["suspend"] = (409, EVIL)
    page = await open_page(hostile.url)
    await page.get_by_role("main").get_by_role("link", name=EVIL, exact=True).click()
    await page.get_by_role("button", name="Suspend").click()
    await page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_have_text(EVIL)
    await harmless(page)
