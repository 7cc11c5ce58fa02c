"""What is found out about an instance: what it waits for, since when, what is wrong with it, and the mend."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.inspection.instance import Finding, Inspection, Waiting, inspect_instance
from azure_durable_py.inspection.steps import StepKind
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.taskhub.state import InstanceState, Mark
from azure_durable_py.testing import VirtualHub, play
from azure_durable_py.testing.virtual.hub import _SETTINGS
from tests.inspection.showing import app, calls
from tests.taskhub.building import receive_one
from tests.taskhub.spoiling import insert_row, spoil_body, spoil_columns

Scene = Callable[[VirtualHub], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def fresh(caplog: pytest.LogCaptureFixture) -> None:
    calls.clear()
    caplog.set_level(logging.CRITICAL)


async def look(hub: VirtualHub, instance_id: str = "x") -> Inspection:
    found = await inspect_instance(hub.task_hub, instance_id)
    assert found is not None
    return found


async def pass_by(**time: float) -> None:
    """Let (virtual) time pass."""
    await asyncio.sleep(timedelta(**time).total_seconds())


def only(found: Inspection) -> Waiting:
    [wait] = found.waits
    return wait


def worst(found: Inspection) -> Finding:
    return found.findings[0]


def test_one_that_is_done_has_nothing_to_be_found():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "x", ["a"])
        await hub.client.wait_for_completion("x")
        found = await look(hub)
        assert (found.kind, found.name, found.runtime_status) == ("orchestration", "greet", "Completed")
        assert (found.input, found.output, found.large) == ('["a"]', '["a!"]', ())
        assert (found.waits, found.outbox, found.inbox, found.damaged, found.findings) == ((), (), (), (), ())

    play(app, scene)


def test_a_failed_one_names_the_cause_and_the_place_in_its_code():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("break_down", "x")
        await hub.client.wait_for_completion("x")
        found = await look(hub)
        assert found.failure is not None
        assert worst(found).level == "error"
        assert worst(found).text.startswith(
            "It failed: activity 'flaky' failed: ValueError: bad: no luck in attempt 1 ("
        )
        assert "showing.py:" in worst(found).text
        assert worst(found).text.endswith(", in flaky)")
        assert "rewind" in (worst(found).mend or "")

    play(app, scene)


def test_a_slow_one_names_the_activity_and_since_when():
    async def scene(hub: VirtualHub) -> None:
        begun = hub.now
        await hub.client.start_new("wait_long", "x", 60)
        await pass_by(minutes=20)
        found = await look(hub)
        wait = only(found)
        assert (wait.kind, wait.name, wait.attempt, wait.task_id) == (StepKind.activity, "slow", 1, 0)
        assert wait.since - begun < timedelta(seconds=1)
        assert [(finding.level, finding.text.partition(" since ")[0]) for finding in found.findings] == [
            ("info", "It waits for activity 'slow'")
        ]

    play(app, scene)


def test_one_that_is_tried_again_tells_the_last_failure_and_when_the_next_attempt_begins():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("try_again", "x", ["bad"])
        await pass_by(seconds=90)
        found = await look(hub)
        wait = only(found)
        assert (wait.kind, wait.name, wait.attempt) == (StepKind.retry_delay, "flaky", 3)
        assert wait.due is not None
        assert timedelta() < wait.due - hub.now < timedelta(seconds=31)
        assert wait.last_failure is not None
        assert wait.last_failure.message == "bad: no luck in attempt 2"
        assert worst(found).level == "warning"
        assert worst(found).text.startswith("'flaky' failed, and attempt 3 of 3 begins at 2026-01-01T00:02:00Z: ")
        assert "no luck in attempt 2" in worst(found).text

    play(app, scene)


def test_one_that_was_tried_in_vain_tells_how_often():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("try_again", "x", ["bad"])
        await hub.client.wait_for_completion("x")
        assert worst(await look(hub)).text.startswith(
            "It failed, after 3 attempts: activity 'flaky' failed: ValueError: bad: no luck in attempt 3 ("
        )

    play(app, scene)


def test_one_that_waits_for_an_event_names_it_and_the_event_that_was_misspelled():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("approve", "x")
        await pass_by(minutes=5)
        found = await look(hub)
        assert {(wait.kind, wait.name) for wait in found.waits} == {
            (StepKind.timer, "timer"),
            (StepKind.event, "Approval"),
        }
        assert "It waits for event 'Approval' since 2026-01-01T00:00:00Z." in {
            finding.text for finding in found.findings
        }
        await hub.client.raise_event("x", "Aproval", True)
        await pass_by(seconds=1)
        assert worst(await look(hub)).text == (
            "Event 'Aproval' arrived at 2026-01-01T00:05:00Z, and 'Approval' is waited for."
        )
        await hub.client.raise_event("x", "approval", True)
        await hub.client.wait_for_completion("x")
        assert (await look(hub)).findings == ()

    play(app, scene)


def test_a_suspended_one_says_so_with_the_reason():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("ask", "x")
        await hub.client.wait_for_start("x")
        await hub.client.suspend("x", "lunch")
        await pass_by(seconds=1)
        found = await look(hub)
        assert found.suspended_since is not None
        assert worst(found).text == "It is suspended since 2026-01-01T00:00:00Z: lunch"
        assert (worst(found).mend or "").startswith("Resume it.")
        assert len(found.findings) == 2
        await hub.client.raise_event("x", "answer", 42)
        await pass_by(seconds=1)
        assert [finding.text for finding in (await look(hub)).findings] == [worst(found).text]

    play(app, scene)


def test_one_that_nobody_starts_says_that_no_worker_runs():
    async def scene(hub: VirtualHub) -> None:
        await hub.workers[0].stop()
        await hub.client.start_new("greet", "x", [], version="2.0")
        assert (await look(hub)).findings == ()
        await pass_by(minutes=5)
        finding = worst(await look(hub))
        assert finding.text == "Nobody has taken its start up since 2026-01-01T00:00:00Z."
        assert "See that a worker of this hub runs" in (finding.mend or "")
        assert "testhub-instances holds 1 message for workers" in (finding.mend or "")
        assert "It is of version '2.0'" in (finding.mend or "")
        message = await receive_one(hub.store, "testhub-instances")
        await hub.store.delete_message(message)
        assert "the message that would wake it is lost" in (worst(await look(hub)).mend or "")

    play(app, scene)


def test_one_that_is_refused_for_its_version_says_what_the_log_says():
    settings = replace(_SETTINGS, default_version="1.0", version_match_strategy="Strict")

    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "x", [], version="2.0")
        await pass_by(minutes=5)
        finding = worst(await look(hub))
        assert "is left to another" in (finding.mend or "")

    play(app, scene, settings=settings)


def test_messages_that_no_worker_takes_are_counted():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("ask", "x")
        await hub.client.wait_for_start("x")
        await hub.workers[0].stop()
        await hub.client.raise_event("x", "Answer", 42)
        await hub.client.raise_event("x", "Other", 42)
        await pass_by(minutes=2)
        found = await look(hub)
        assert [(entry.what, entry.name) for entry in found.inbox] == [("event", "Answer"), ("event", "Other")]
        assert worst(found).text == (
            "2 messages for it wait since 2026-01-01T00:00:00Z, and no turn has taken them up."
        )

    play(app, scene)


@pytest.mark.parametrize("goes", [True, False], ids=["gone", "there"])
def test_an_activity_whose_worker_is_gone_is_in_nobodys_hands(goes: bool):
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("wait_long", "x", 600)
        await hub.client.wait_for_start("x")
        await pass_by(seconds=1)
        if goes:
            hub.workers[0].kill()
        await pass_by(minutes=10)
        told = [finding.text for finding in (await look(hub)).findings]
        said = "Queue testhub-instances holds a message that is in no worker's hands."
        assert (said in told) is goes
        assert told[-1].startswith("It waits for activity 'slow' since 2026-01-01T00:00:00Z: it runs in the worker")

    play(app, scene)


def test_a_timer_that_did_not_fire_is_an_error():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("rest", "x")
        await hub.client.wait_for_start("x")
        await pass_by(seconds=10)
        await hub.workers[0].stop()
        found = await look(hub)
        assert only(found).due == found.next_wake
        assert [finding.level for finding in found.findings] == ["info"]
        await pass_by(days=1, minutes=10)
        assert worst(await look(hub)).text == "A timer was due at 2026-01-02T00:00:00Z, and has not fired."

    play(app, scene)


def test_one_with_an_outbox_that_nobody_hands_over_says_for_whom():
    async def scene(hub: VirtualHub) -> None:
        from azure_durable_py.errors import StorageUnavailableError
        from azure_durable_py.taskhub.wrapping import StoreWrapper

        class Deaf(StoreWrapper):
            """Takes nothing for the child."""

            def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
                async def refused(*args: Any, **kwargs: Any) -> Any:
                    if name == "commit" and args[0].instance_id == "the-child":
                        raise StorageUnavailableError("no answer")
                    return await call(*args, **kwargs)

                return refused

        await hub.workers[0].stop()
        await hub.start_worker(wrap=Deaf)
        await hub.client.start_new("parent", "x")
        await pass_by(minutes=5)
        found = await look(hub)
        [entry] = found.outbox
        assert (entry.what, entry.name, entry.target) == ("start", "approve", "the-child")
        assert worst(found).text.startswith("1 message for other instances is not handed over since 2026-01-01T00:00")
        assert "first start 'approve' for the-child" in worst(found).text
        assert only(found).detail == "not there"

    play(app, scene)


def test_a_parent_tells_how_its_child_stands():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("parent", "x")
        await pass_by(minutes=5)
        wait = only(await look(hub))
        assert (wait.kind, wait.target, wait.detail) == (StepKind.sub_orchestration, "the-child", "Running")

    play(app, scene)


def test_an_activity_whose_message_was_deleted_is_missed():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("wait_long", "x", 600)
        await pass_by(seconds=1)
        hub.workers[0].kill()
        await pass_by(minutes=10)
        message = await receive_one(hub.store, "testhub-instances")
        await hub.store.delete_message(message)
        assert worst(await look(hub)).text == ("Nobody has activity 'slow' in hand: queue testhub-instances is empty.")

    play(app, scene)


def test_work_that_ends_its_process_is_counted():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("ask", "x")
        await pass_by(seconds=1)
        header = await hub.store.load_header("x")
        assert header is not None
        state = InstanceState.decode(header.body)
        state.marks["doorbell"] = Mark((0, "", 3), hub.now, begun=3)
        await hub.store.commit(Commit("x", replace(header, body=state.encode()), header.etag))
        assert worst(await look(hub)).text == "Its work was begun 3 times without coming to an end."

    play(app, scene)


def test_an_entity_tells_who_locked_it_and_what_waits():
    async def scene(hub: VirtualHub) -> None:
        import azure_durable_py as df

        await hub.client.start_new("use_entities", "x", 60)
        await pass_by(minutes=5)
        await hub.client.signal_entity(df.EntityId("counter", "a"), "add", 5)
        await pass_by(minutes=5)
        found = await look(hub, "@counter@a")
        assert (found.kind, found.output, found.lock) == ("entity", "3", "x")
        assert (found.backlog_size, [(entry.what, entry.name) for entry in found.backlog]) == (
            1,
            [("operation", "add")],
        )
        assert worst(found).text == "It is locked by x since 2026-01-01T00:00:00Z; 1 requests wait."
        await hub.client.start_new("use_entities", "y", 60)
        await pass_by(minutes=5)
        wait = only(await look(hub, "y"))
        assert (wait.kind, wait.target, wait.detail) == (StepKind.lock, "@counter@a", "locked by x, 3 requests wait")

    play(app, scene)


def test_a_lock_whose_holder_is_gone_is_an_error():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("use_entities", "x", 60)
        await pass_by(minutes=5)
        await spoil_columns(hub.store, "x", runtime_status="Terminated")
        finding = worst(await look(hub, "@counter@a"))
        assert finding.level == "error"
        assert "Nobody will release this lock" in finding.text

    play(app, scene)


@pytest.mark.parametrize("columns", [{"runtime_status": "Weird"}, {"created_time": "today"}, {"tags": "{"}])
def test_a_damaged_header_is_told_and_the_rest_is_shown(columns: dict[str, Any]):
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "x", ["a"])
        await hub.client.wait_for_completion("x")
        await spoil_columns(hub.store, "x", **columns)
        found = await look(hub)
        assert found.name == "greet"
        assert found.damaged[0].key == "00-instance"
        assert next(iter(columns)) in found.damaged[0].reason
        assert worst(found).text.startswith("Its header is damaged: ")

    play(app, scene)


@pytest.mark.parametrize("body", [b"", b"garbage", b"\x00\x02{}"], ids=["empty", "garbage", "nothing"])
def test_a_damaged_body_is_told(body: bytes):
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("ask", "x")
        await hub.client.wait_for_start("x")
        await spoil_body(hub.store, "x", body)
        found = await look(hub)
        assert found.runtime_status == "Running"
        assert worst(found).text.startswith("Its header is damaged: ")

    play(app, scene)


def test_a_history_that_is_lost_is_told():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "x", ["y" * 5000] * 30)
        await hub.client.wait_for_completion("x")
        keys = [key for key in await hub.store.blob_keys("x") if key.startswith("20-history-")]
        assert keys
        await hub.store.delete_blobs("x", keys[:1])
        found = await look(hub)
        assert (found.runtime_status, found.damaged[0].key) == ("Completed", "history")
        assert worst(found).text.startswith("Its history cannot be read: ")

    play(app, scene)


def test_what_is_in_quarantine_and_what_will_be_is_told():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("ask", "x")
        await hub.client.wait_for_start("x")
        await insert_row(hub.store, "x", "1-20260101T000000000000-aaaa-00000000000000000000", b"garbage")
        found = await look(hub)
        assert [(entry.what, entry.name) for entry in found.inbox] == [("unreadable", None)]
        assert worst(found).text.startswith(
            "Row 10-inbox-1-20260101T000000000000-aaaa-00000000000000000000 of its inbox"
        )
        await hub.client.raise_event("x", "other", 1)
        await pass_by(seconds=5)
        found = await look(hub)
        assert found.inbox == ()
        [row] = found.damaged
        assert row.key == "40-quarantine-1-20260101T000000000000-aaaa-00000000000000000000"
        assert row.reason.startswith("not an inbox event of this hub")
        assert worst(found).text.startswith(f"Row {row.key} was set aside")

    play(app, scene)


def test_large_values_are_named_and_not_read():
    async def scene(hub: VirtualHub) -> None:
        await hub.client.start_new("greet", "x", ["y" * 100_000])
        await hub.client.wait_for_completion("x")
        found = await look(hub)
        assert (found.input, found.output, found.large) == (None, None, ("input", "output"))

    play(app, scene)


def test_none_is_none():
    async def scene(hub: VirtualHub) -> None:
        assert await inspect_instance(hub.task_hub, "nobody") is None
        assert await inspect_instance(hub.task_hub, "@no@body") is None

    play(app, scene)
