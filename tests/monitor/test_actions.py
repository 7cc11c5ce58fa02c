"""What can be done: each is said beforehand, done once, and its outcome told; what was typed is never lost."""

from __future__ import annotations

import pytest
from playwright.async_api import Locator, Page, expect

from tests.monitor.conftest import Opener, until
from tests.monitor.fake_host import RunningHost, at, inspection, value
from tests.monitor.scene import full_hub

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def order(host: RunningHost) -> RunningHost:
    host.says.details["order-1"] = inspection(
        "order-1",
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
            }
        ],
    )
    return host


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="Actions").get_by_role("button", name=name)


def confirm(page: Page, name: str) -> Locator:
    return page.get_by_role("dialog").get_by_role("button", name=name, exact=True)


def messages(page: Page) -> Locator:
    return page.get_by_role("list", name="Messages")


@pytest.mark.parametrize(
    ("name", "warning", "asked", "outcome"),
    [
        ("Suspend", "takes no further step until it is resumed", "suspend reason=tired", "is asked to suspend"),
        ("Resume", "goes on where it stopped", "resume reason=tired", "is asked to resume"),
        ("Rewind", "what succeeded is kept", "rewind reason=tired", "is being rewound"),
        ("Terminate", "ends at once as terminated", "terminate reason=tired", "is asked to end"),
    ],
)
async def test_steering(order: RunningHost, open_page: Opener, name: str, warning: str, asked: str, outcome: str):
    page = await open_page(f"{order.url}#/instances/order-1")
    await button(page, name).click()
    await expect(page.get_by_role("dialog")).to_contain_text(warning)
    assert order.says.done == []
    await page.get_by_label("Reason").fill("tired")
    await confirm(page, name).click()
    await expect(messages(page)).to_contain_text(f"'order-1' {outcome}.")
    assert order.says.done == [("POST", f"instances/order-1/{asked}", "")]
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_terminating_with_children(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await button(page, "Terminate").click()
    await page.get_by_label("Its sub-orchestrations too").check()
    await confirm(page, "Terminate").click()
    await expect(messages(page)).to_contain_text("is asked to end")
    assert order.says.done == [("POST", "instances/order-1/terminate recursive=true", "")]


async def test_an_event_that_is_waited_for_is_raised_with_data(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await page.get_by_role("button", name="Raise…").click()
    await expect(page.get_by_label("Name of the event")).to_have_value("approval")
    await page.get_by_label("Data").fill('{"approved": true}')
    await confirm(page, "Raise event").click()
    await expect(messages(page)).to_contain_text("Event 'approval' is on its way to 'order-1'.")
    assert order.says.done == [("POST", "instances/order-1/raiseEvent/approval", '{"approved": true}')]


async def test_data_that_is_no_json_is_told_while_it_is_typed_and_never_sent(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await button(page, "Raise event").click()
    await page.get_by_label("Data").fill("yes")
    await expect(page.get_by_role("dialog")).to_contain_text("This is not JSON")
    await expect(page.get_by_role("dialog")).to_contain_text("A text needs double quotes.")
    await confirm(page, "Raise event").click()
    await expect(page.get_by_label("Data")).to_be_focused()
    await page.get_by_label("Name of the event").fill(" ")
    await confirm(page, "Raise event").click()
    await expect(page.get_by_label("Name of the event")).to_be_focused()
    assert order.says.done == []


async def test_restarting_goes_to_the_new_instance(order: RunningHost, open_page: Opener):
    order.says.details["made-anew"] = inspection("made-anew")
    page = await open_page(f"{order.url}#/instances/order-1")
    await button(page, "Restart").click()
    await confirm(page, "Restart").click()
    await expect(messages(page)).to_contain_text("Started as 'made-anew'.")
    await expect(page.get_by_role("heading", name="made-anew")).to_be_visible()
    assert order.says.done == [("POST", "instances/order-1/restart restartWithNewInstanceId=true", "")]


async def test_restarting_under_the_same_id_is_asked_for_by_name(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await button(page, "Restart").click()
    await page.get_by_label("With a new instance id").uncheck()
    await confirm(page, "Restart").click()
    await expect(messages(page)).to_be_visible()
    assert order.says.done == [("POST", "instances/order-1/restart restartWithNewInstanceId=false", "")]


async def test_purging_goes_back_to_the_list(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await button(page, "Purge").click()
    await expect(page.get_by_role("dialog")).to_contain_text("This cannot be taken back.")
    await confirm(page, "Purge").click()
    await expect(messages(page)).to_contain_text("'order-1' is purged.")
    await expect(page.get_by_role("heading", name="Instances")).to_be_visible()
    assert order.says.done == [("DELETE", "instances/order-1", "")]


async def test_nothing_is_asked_of_an_instance_that_is_being_purged(order: RunningHost, open_page: Opener):
    order.says.may_purge.clear()
    page = await open_page(f"{order.url}#/instances/order-1", clock=True)
    await button(page, "Purge").click()
    await page.wait_for_load_state("networkidle")
    await confirm(page, "Purge").click()
    await until(lambda: order.says.done, "the purge")
    asked = len(order.says.asked)
    await page.clock.run_for(30_000)
    assert len(order.says.asked) == asked
    order.says.may_purge.set()
    await expect(page.get_by_role("heading", name="Instances")).to_be_visible()
    await page.clock.run_for(30_000)
    await until(lambda: len(order.says.asked) > asked, "the list to be asked for again")
    assert not any("order-1" in path for path in order.says.asked[asked:])


async def test_only_what_is_possible_is_offered(order: RunningHost, open_page: Opener):
    order.says.details["order-1"]["can"] |= {"resume": False, "rewind": False}
    page = await open_page(f"{order.url}#/instances/order-1")
    await expect(button(page, "Suspend")).to_be_visible()
    offered = await page.get_by_role("group", name="Actions").get_by_role("button").all_text_contents()
    assert offered == ["Raise event", "Suspend", "Restart", "Terminate", "Purge"]


async def test_a_refusal_leaves_what_was_typed(order: RunningHost, open_page: Opener):
    open_page.allowed.append("410")
    order.says.refusals["raiseEvent"] = (410, "Instance 'order-1' is finished and takes no more messages.")
    page = await open_page(f"{order.url}#/instances/order-1")
    await button(page, "Raise event").click()
    await page.get_by_label("Data").fill("[1, 2]")
    await confirm(page, "Raise event").click()
    await expect(page.get_by_role("alert")).to_contain_text("is finished and takes no more messages")
    await expect(page.get_by_label("Data")).to_have_value("[1, 2]")
    order.says.refusals.clear()
    await confirm(page, "Raise event").click()
    await expect(messages(page)).to_contain_text("on its way")


async def test_cancel_and_escape_do_nothing_and_give_the_focus_back(order: RunningHost, open_page: Opener):
    page = await open_page(f"{order.url}#/instances/order-1")
    await button(page, "Purge").click()
    await confirm(page, "Cancel").click()
    await expect(button(page, "Purge")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()
    await expect(button(page, "Purge")).to_be_focused()
    assert order.says.done == []


async def test_an_entity_is_signalled_and_deleted(host: RunningHost, open_page: Opener):
    shown = inspection("@counter@a/b", kind="entity", name="counter")
    host.says.entity_details["counter/a/b"] = {**shown, "state": value(42), "backlog": 0, "backlogEntries": []}
    page = await open_page(f"{host.url}#/entities/counter/a%2Fb")
    await button(page, "Signal").click()
    await page.get_by_label("Operation").fill("add")
    await page.get_by_label("Input").fill("3")
    await confirm(page, "Signal").click()
    await expect(messages(page)).to_contain_text("Operation 'add' is on its way to 'counter' 'a/b'.")
    await button(page, "Delete").click()
    await confirm(page, "Delete").click()
    await expect(messages(page)).to_contain_text("is asked to delete itself")
    assert host.says.done == [("POST", "entities/counter/a%2Fb op=add", "3"), ("DELETE", "entities/counter/a%2Fb", "")]


# --- approvals -----------------------------------------------------------------------------------------------


@pytest.fixture
def asking(host: RunningHost) -> RunningHost:
    full_hub(host.says)
    return host


def approvals(page: Page) -> Locator:
    return page.get_by_role("region", name="Waits for approval")


def of_refund(page: Page, name: str) -> Locator:
    return page.get_by_role("group", name="Decide on the call of refund").get_by_role("button", name=name)


async def test_what_a_person_decides_on_is_shown_with_its_arguments(asking: RunningHost, open_page: Opener):
    page = await open_page(f"{asking.url}#/instances/refund-agent-7")
    await expect(approvals(page)).to_contain_text("2 calls")
    await expect(approvals(page)).to_contain_text("The agent wants to call refund")
    await expect(page.get_by_role("group", name="Arguments of refund")).to_contain_text('"amount": 740.0')
    await expect(approvals(page)).to_contain_text("counts as denied")
    await expect(approvals(page)).to_contain_text("An answer could not be used: approved: the field is missing")
    await expect(page.get_by_role("region", name="Waits for", exact=True)).to_have_count(0)


async def test_a_call_is_approved_with_a_reason(asking: RunningHost, open_page: Opener):
    page = await open_page(f"{asking.url}#/instances/refund-agent-7")
    await of_refund(page, "Approve").click()
    await expect(page.get_by_role("dialog")).to_contain_text("goes on and calls 'refund'")
    await page.get_by_label("Reason").fill("seen the photos")
    await page.get_by_label("Decided by").fill("Ada")
    await confirm(page, "Approve").click()
    await expect(messages(page)).to_contain_text("The call of 'refund' is approved.")
    assert asking.says.done == [
        (
            "POST",
            "instances/refund-agent-7/raiseEvent/approval%3Ar-1003",
            '{"approved":true,"reason":"seen the photos","by":"Ada"}',
        )
    ]


async def test_a_call_is_approved_with_other_arguments_as_they_were_typed(asking: RunningHost, open_page: Opener):
    page = await open_page(f"{asking.url}#/instances/refund-agent-7")
    await of_refund(page, "Approve").click()
    await page.get_by_label("Other arguments").fill("{amount: 5}")
    await expect(page.get_by_role("dialog")).to_contain_text("This is not JSON")
    await page.get_by_label("Other arguments").fill('{"amount": 12345678901234567890}')
    await confirm(page, "Approve").click()
    await expect(messages(page)).to_contain_text("is approved")
    assert [body for _, _, body in asking.says.done] == [
        '{"approved":true,"arguments":{"amount": 12345678901234567890}}'
    ]


async def test_a_call_is_denied(asking: RunningHost, open_page: Opener):
    page = await open_page(f"{asking.url}#/instances/refund-agent-7")
    await of_refund(page, "Deny").click()
    await expect(page.get_by_label("Other arguments")).to_have_count(0)
    await page.get_by_label("Reason").fill("too much")
    await confirm(page, "Deny").click()
    await expect(messages(page)).to_contain_text("The call of 'refund' is denied.")
    assert [body for _, _, body in asking.says.done] == ['{"approved":false,"reason":"too much"}']


async def test_who_may_raise_no_event_is_offered_no_decision(asking: RunningHost, open_page: Opener):
    asking.says.details["refund-agent-7"]["can"] = {}
    page = await open_page(f"{asking.url}#/instances/refund-agent-7")
    await expect(approvals(page)).to_be_visible()
    await expect(approvals(page).get_by_role("button", name="Approve")).to_have_count(0)
