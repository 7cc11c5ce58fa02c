"""Approvals: what is waited for, what stands in the custom status, and what counts as an answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.agents import ApprovalDecision, request_approval
from azure_durable_py.pending_approvals import pending_approvals
from azure_durable_py.testing import DurableTestSyncEnvironment, InstanceSyncHandle

Context = df.DurableOrchestrationContext
Code = Callable[[Context], Awaitable[Any]]
YES = {"approved": True}


@contextmanager
def started(code: Code, input_: Any = None) -> Iterator[tuple[DurableTestSyncEnvironment, InstanceSyncHandle]]:
    """An orchestrator under way, that is run again from its history at each turn."""
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    async def agent(context: df.DurableOrchestrationContext) -> Any:
        return await code(context)

    with DurableTestSyncEnvironment(app, replay="every-turn", within=timedelta(days=400)) as env:
        yield env, env.start(agent, input_)


def pending(handle: InstanceSyncHandle) -> list[dict[str, Any]]:
    status = handle.status().custom_status
    return status.get("approvals", []) if isinstance(status, dict) else []


async def refund(context: Context) -> ApprovalDecision:
    del context
    return await request_approval("refund", {"order": 7, "amount": 12.5}, approval_id="r7")


def test_an_answer_after_thirty_days_decides():
    with started(refund) as (env, handle):
        env.skip(timedelta(days=30))
        handle.raise_event("approval:r7", {"approved": True, "reason": "long overdue", "by": "ada"})
        assert handle.result() == {"approved": True, "reason": "long overdue", "by": "ada", "arguments": None}


def test_a_worker_that_was_restarted_waits_on():
    with started(refund) as (env, handle):
        env.crash()
        env.restart()
        handle.raise_event("approval:r7", {"approved": False, "reason": "no"})
        assert handle.result()["approved"] is False


def test_meanwhile_the_request_stands_in_the_custom_status():
    async def asks(context: Context) -> Any:
        del context
        return await request_approval("refund", {"order": 7}, approval_id="r7", timeout=timedelta(days=3))

    with started(asks) as (_, handle):
        (found,) = pending(handle)
        assert {name: found[name] for name in ("id", "tool", "arguments", "event")} == {
            "id": "r7",
            "tool": "refund",
            "arguments": {"order": 7},
            "event": "approval:r7",
        }
        (read,) = pending_approvals(handle.status().custom_status_json)
        assert read.expires_at is not None
        assert read.expires_at - read.requested_at == timedelta(days=3)
        handle.raise_event("approval:r7", YES)
        handle.wait()
        assert handle.status().custom_status is None


def test_a_person_may_change_the_arguments():
    with started(refund) as (_, handle):
        handle.raise_event("approval:r7", {"approved": True, "arguments": {"order": 7, "amount": 10}})
        assert handle.result()["arguments"] == {"order": 7, "amount": 10}


def test_a_request_that_nobody_answers_in_time_is_denied():
    async def asks(context: Context) -> Any:
        del context
        return await request_approval("refund", timeout=timedelta(days=2))

    with started(asks) as (_, handle):
        assert handle.result() == {
            "approved": False,
            "reason": "Nobody answered within 2 d.",
            "by": None,
            "arguments": None,
        }


def test_an_answer_that_came_before_the_request_counts():
    async def asks(context: Context) -> Any:
        await context.create_timer(timedelta(hours=1))
        return await refund(context)

    with started(asks) as (_, handle):
        handle.raise_event("approval:r7", YES)
        assert handle.result()["approved"] is True


def test_an_answer_in_time_stops_the_clock():
    async def asks(context: Context) -> str:
        await request_approval("refund", timeout=timedelta(days=365), approval_id="x")
        return context.current_utc_datetime.isoformat()

    with started(asks) as (env, handle):
        handle.raise_event("approval:x", YES)
        assert handle.result()[:16] == env.now.isoformat()[:16]


def test_an_answer_in_time_leaves_no_timer():
    async def asks(context: Context) -> None:
        await request_approval("refund", timeout=timedelta(days=365), approval_id="x")
        await context.wait_for_external_event("never")

    with started(asks) as (_, handle):
        handle.raise_event("approval:x", YES)
        assert [timer.outcome for timer in handle.calls().of_kind("timer")] == ["cancelled"]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "expected an object, found null"),
        ("yes", "expected an object, found 'yes'"),
        ({}, "approved: the field is missing"),
        ({"approved": "true"}, "approved: expected true or false, found 'true'"),
        ({"approved": True, "argument": {}}, "argument: an answer has no such field; it has approved, reason"),
        ({"approved": True, "reason": 5}, "reason: expected a text, found 5"),
        ({"approved": True, "arguments": [5]}, "arguments: the tool takes its arguments by name: give an object"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told_and_waited_on(
    answer: Any, problem: str, caplog: pytest.LogCaptureFixture
):
    with started(refund) as (_, handle), caplog.at_level(logging.WARNING):
        handle.raise_event("approval:r7", answer)
        assert problem in pending(handle)[0]["problem"]
        told = [record.getMessage() for record in caplog.records if "cannot be used" in record.getMessage()]
        assert len(told) == 1
        handle.raise_event("approval:r7", YES)
        assert handle.result()["approved"] is True


def test_each_of_several_has_its_own_answer():
    async def asks(context: Context) -> list[bool]:
        del context
        came = await asyncio.gather(*(request_approval("tool", each, approval_id=f"a{each}") for each in range(3)))
        return [decision.approved for decision in came]

    with started(asks) as (_, handle):
        assert [each["id"] for each in pending(handle)] == ["a0", "a1", "a2"]
        handle.raise_event("approval:a1", {"approved": False})
        assert [each["id"] for each in pending(handle)] == ["a0", "a2"]
        handle.raise_event("approval:a2", YES)
        handle.raise_event("approval:A0", YES)
        assert handle.result() == [True, False, True]


def test_requests_without_ids_get_some_that_no_replay_changes():
    async def asks(context: Context) -> list[Any]:
        first = asyncio.ensure_future(request_approval("one"))
        await context.create_timer(timedelta(minutes=1))
        return [await request_approval("two"), await first]

    with started(asks) as (env, handle):
        env.skip(timedelta(minutes=2))
        one, two = pending(handle)
        assert one["id"] != two["id"]
        env.crash()
        env.restart()
        assert pending(handle) == [one, two]
        handle.raise_event(one["event"], YES)
        handle.raise_event(two["event"], YES)
        assert [each["approved"] for each in handle.result()] == [True, True]


@pytest.mark.parametrize("again", ["r7", "R7"])
def test_an_id_that_is_waited_for_is_refused(again: str):
    async def asks(context: Context) -> str:
        first = asyncio.ensure_future(refund(context))
        await context.create_timer(timedelta(minutes=1))
        try:
            await request_approval("refund", approval_id=again)
        except df.OrchestratorError as error:
            first.cancel()
            return str(error)
        return "nothing"

    with started(asks) as (_, handle):
        assert "is waited for already" in handle.result()


def test_outside_of_an_orchestrator_it_is_refused():
    with pytest.raises(df.OrchestratorError, match="inside an orchestrator"):
        asyncio.run(request_approval("refund"))


def test_a_long_id_is_refused():
    async def asks(context: Context) -> Any:
        del context
        return await request_approval("refund", approval_id="x" * 101)

    with started(asks) as (_, handle), pytest.raises(df.OrchestrationFailedError, match="at most 100 characters"):
        handle.result()


def test_a_rewound_instance_asks_nobody_again():
    failures = [True, False]

    async def asks(context: Context) -> Any:
        approved = (await refund(context)).approved
        await context.call_activity("pay", approved)
        return approved

    def pay(approved: bool) -> None:
        del approved
        if failures.pop(0):
            raise RuntimeError("the bank is closed")

    app = df.DFApp()
    app.activity_trigger("approved")(pay)

    @app.orchestration_trigger(context_name="context")
    async def agent(context: df.DurableOrchestrationContext) -> Any:
        return await asks(context)

    with DurableTestSyncEnvironment(app) as env:
        handle = env.start(agent)
        handle.raise_event("approval:r7", YES)
        assert handle.wait().runtime_status is df.OrchestrationRuntimeStatus.Failed
        handle.rewind("it is open again")
        assert handle.result() is True


def test_a_failed_instance_that_is_rewound_while_it_asked_asks_again():
    failures = [True, False]

    async def asks(context: Context) -> Any:
        asked = asyncio.ensure_future(refund(context))
        await context.call_activity("pay", None)
        return (await asked).approved

    app = df.DFApp()

    @app.activity_trigger(input_name="nothing")
    def pay(nothing: None) -> None:
        del nothing
        if failures.pop(0):
            raise RuntimeError("the bank is closed")

    @app.orchestration_trigger(context_name="context")
    async def agent(context: df.DurableOrchestrationContext) -> Any:
        return await asks(context)

    with DurableTestSyncEnvironment(app) as env:
        handle = env.start(agent)
        assert handle.wait().runtime_status is df.OrchestrationRuntimeStatus.Failed
        assert pending(handle) == []
        handle.rewind("it is open again")
        assert [each["id"] for each in pending(handle)] == ["r7"]
        handle.raise_event("approval:r7", YES)
        assert handle.result() is True


def test_a_suspended_instance_takes_the_answer_when_it_is_resumed():
    with started(refund) as (env, handle):
        handle.suspend()
        handle.raise_event("approval:r7", YES)
        env.skip(timedelta(days=1))
        assert handle.status().runtime_status is df.OrchestrationRuntimeStatus.Suspended
        handle.resume()
        assert handle.result()["approved"] is True


# --- beside the user's own status --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "meanwhile"),
    [
        ({"step": 3}, {"step": 3}),
        ({}, {}),
        ("waiting", {"status": "waiting"}),
        (["a"], {"status": ["a"]}),
        ({"approvals": "mine"}, {"status": {"approvals": "mine"}}),
        (None, {}),
    ],
)
def test_the_users_own_status_is_kept_beside_it(own: Any, meanwhile: dict[str, Any]):
    async def asks(context: Context) -> Any:
        context.set_custom_status(own)
        await refund(context)
        await context.create_timer(timedelta(days=1))

    with started(asks) as (_, handle):
        status = handle.status().custom_status
        assert [each["id"] for each in status.pop("approvals")] == ["r7"]
        assert status == meanwhile
        handle.raise_event("approval:r7", YES)
        assert handle.status().custom_status == own


def test_a_status_that_is_set_meanwhile_loses_no_request():
    async def asks(context: Context) -> list[Any]:
        asked = asyncio.ensure_future(refund(context))
        await context.create_timer(timedelta(hours=1))
        context.set_custom_status({"step": 2})
        await context.create_timer(timedelta(hours=1))
        own = context.custom_status
        return [own, (await asked).approved]

    with started(asks) as (env, handle):
        env.skip(timedelta(hours=1, minutes=30))
        status = handle.status().custom_status
        assert (status["step"], len(status["approvals"])) == (2, 1)
        env.skip(timedelta(hours=1))
        handle.raise_event("approval:r7", YES)
        assert handle.result() == [{"step": 2}, True]


def test_a_terminated_instance_waits_for_nobody():
    with started(refund) as (_, handle):
        assert pending(handle)
        handle.terminate("enough")
        assert handle.status().custom_status is None


def test_a_cancelled_request_is_waited_for_no_longer():
    async def asks(context: Context) -> str:
        try:
            await asyncio.wait_for(request_approval("refund", timeout=timedelta(days=9)), 60)
        except asyncio.TimeoutError:
            await context.create_timer(timedelta(hours=1))
            return context.current_utc_datetime.isoformat()
        return "answered"

    with started(asks) as (env, handle):
        assert pending(handle)
        env.skip(timedelta(minutes=2))
        assert pending(handle) == []
        assert handle.result()[:10] == "2026-01-01"


def test_the_next_generation_takes_an_answer_under_the_same_id():
    async def asks(context: Context) -> Any:
        asked = asyncio.ensure_future(refund(context))
        if context.get_input() is None:
            await context.create_timer(timedelta(hours=1))
            context.continue_as_new("again")
            return None
        return (await asked).approved

    with started(asks) as (env, handle):
        env.skip(timedelta(hours=2))
        assert len(pending(handle)) == 1
        handle.raise_event("approval:r7", YES)
        assert handle.result() is True


def test_a_generation_that_asks_nobody_shows_no_request_of_the_one_before():
    async def asks(context: Context) -> Any:
        if context.get_input() is None:
            asked = asyncio.ensure_future(refund(context))
            await context.create_timer(timedelta(hours=1))
            asked.cancel()
            context.continue_as_new("again")
            return
        await context.create_timer(timedelta(hours=1))

    with started(asks) as (env, handle):
        env.skip(timedelta(minutes=90))
        assert pending(handle) == []
        handle.result()


# --- sizes -----------------------------------------------------------------------------------------------


def test_large_arguments_are_cut_in_the_status_and_nowhere_else():
    async def asks(context: Context) -> Any:
        del context
        return await request_approval("send", {"body": "x" * 50_000}, approval_id="m")

    with started(asks) as (_, handle):
        (found,) = pending(handle)
        assert found["argumentsCut"] is True
        assert found["arguments"].startswith('{"body":"xxx')
        assert len(found["arguments"]) < 5000
        handle.raise_event("approval:m", YES)
        assert handle.result()["arguments"] is None


def test_many_requests_fit_beside_a_large_status():
    async def asks(context: Context) -> int:
        context.set_custom_status("s" * 16_000)
        came = await asyncio.gather(*(request_approval("t" * 500, "ä" * 900, approval_id=f"{n}") for n in range(100)))
        return sum(decision.approved for decision in came)

    with started(asks) as (_, handle):
        seen = set[str]()
        while found := pending(handle):
            seen.update(each["id"] for each in found)
            assert len(handle.status().custom_status_json or "") < 32_000
            for each in found:
                handle.raise_event(each["event"], YES)
        assert handle.result() == 100
        assert seen == {f"{n}" for n in range(100)}


@pytest.mark.parametrize(("taken", "shown"), [(10_000, 5), (15_900, 0)])
def test_requests_take_the_room_that_others_leave(taken: int, shown: int):
    async def asks(context: Context) -> int:
        context.set_status_part("other", "x" * taken)
        came = await asyncio.gather(*(request_approval("t", "a" * 900, approval_id=f"{n}") for n in range(5)))
        return sum(decision.approved for decision in came)

    with started(asks) as (_, handle):
        assert len(pending(handle)) == shown
        for n in range(5):
            handle.raise_event(f"approval:{n}", YES)
        assert handle.result() == 5


def test_arguments_that_are_no_json_are_refused():
    async def asks(context: Context) -> Any:
        del context
        return await request_approval("send", {"what": object()})

    with started(asks) as (_, handle), pytest.raises(df.OrchestrationFailedError, match="object"):
        handle.result()


# --- reading -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "status",
    [
        None,
        "not json",
        '"approvals"',
        '{"approvals":5}',
        '{"approvals":[5,{"id":"a"},{"id":1,"tool":"t","event":"e","requestedAt":"2026-01-01T00:00:00.000000Z"}]}',
        '{"approvals":[{"id":"a","tool":"t","event":"e","requestedAt":"yesterday"}]}',
    ],
)
def test_a_status_without_requests_has_none(status: str | None):
    assert pending_approvals(status) == []


def test_a_status_of_the_users_own_cannot_have_another_event_raised_by_who_approves():
    asked = {"id": "r7", "tool": "look", "arguments": {}, "requestedAt": "2026-01-01T00:00:00.000000Z"}
    assert len(pending_approvals(json.dumps({"approvals": [{**asked, "event": "approval:r7"}]}))) == 1
    assert pending_approvals(json.dumps({"approvals": [{**asked, "event": "Decision"}]})) == []
