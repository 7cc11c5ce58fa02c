"""What can never be delivered: whoever waits for it is told, and it costs nothing that goes with it."""

from __future__ import annotations

from typing import Any

import pytest

from azure_durable_py.errors import PayloadTooLargeError, TaskFailedError
from azure_durable_py.taskhub.messages import Doorbell
from azure_durable_py.taskhub.naming import chunk_keys
from tests.protocol.staging import Matches, Routine, Stage, commit_of, play


def collects(context: Any) -> Routine:
    found = yield context.task_all([context.wait_for_external_event("item") for _ in range(context.get_input())])
    return found


def tells_all(context: Any) -> Routine:
    for value in context.get_input():
        context.send_event("hears", "item", value)
    yield context.wait_for_external_event("never")


def returns_poison(context: Any) -> str:
    return "poison"


def calls(context: Any) -> Routine:
    try:
        answer = yield context.call_sub_orchestrator("returns_poison", None, "child")
    except TaskFailedError as error:
        return str(error)
    return answer


def _with_poison(target: str) -> Matches:
    """Insertions of which storage could never take one row."""
    return lambda instance_id, rows: instance_id == target and any(b"poison" in row.body for row in rows)


def test_one_message_that_nobody_can_take_costs_none_that_goes_with_it() -> None:
    async def scene() -> None:
        stage = Stage(tells_all, collects)
        first = await stage.worker("W1")
        await stage.start("collects", "hears", 4)
        await stage.waiting("hears")
        first.store.refuse("insert_inbox", _with_poison("hears"), times=100, error=PayloadTooLargeError)
        await stage.start("tells_all", "says", ["a", "b", "poison", "c", "d"])
        assert await stage.finished("hears") == ["a", "b", "c", "d"]
        await stage.quiet()

    play(scene)


def test_who_waits_for_an_answer_that_nobody_can_take_is_told_so() -> None:
    async def scene() -> None:
        stage = Stage(calls, returns_poison)
        first = await stage.worker("W1")
        first.store.refuse("insert_inbox", _with_poison("one"), times=100, error=PayloadTooLargeError)
        await stage.start("calls", "one")
        assert "PayloadTooLargeError" in await stage.finished("one")
        await stage.quiet()

    play(scene)


def test_the_task_of_a_child_that_nobody_can_take_fails() -> None:
    async def scene() -> None:
        stage = Stage(calls, returns_poison)
        first = await stage.worker("W1")
        first.store.refuse("commit", commit_of("child"), times=100, error=PayloadTooLargeError)
        await stage.start("calls", "one")
        assert "PayloadTooLargeError" in await stage.finished("one")
        await stage.quiet()

    play(scene)


@pytest.mark.parametrize("name", ["x" * 2_000, "half \ud800"], ids=["long", "no Unicode"])
def test_an_instance_is_rung_whatever_the_names_that_the_ring_tells(name: str) -> None:
    async def scene() -> None:
        stage = Stage()
        await stage.hub.open()
        await stage.hub.ring("one", f"result of {name}")
        [message] = await stage.store.receive_messages(stage.store.instance_queue("one"), 1, 1.0)
        assert Doorbell.decode(message.body).why.startswith(f"result of {name[:5]}")

    play(scene)


def test_a_parent_learns_of_a_child_whose_name_is_long() -> None:
    def parent(context: Any) -> Routine:
        try:
            yield context.call_sub_orchestrator("x" * 2_000, None, "child")
        except TaskFailedError:
            return "told"

    async def scene() -> None:
        stage = Stage(parent)
        await stage.worker("W1")
        await stage.start("parent", "one")
        assert await stage.finished("one") == "told"

    play(scene)


def test_an_activity_that_no_queue_takes_fails_its_task() -> None:
    def surplus(context: Any) -> Routine:
        busy = [context.call_activity("rest", 5) for _ in range(4)]
        try:
            yield context.task_all([*busy, context.call_activity("x" * 50_000, None)])
        except TaskFailedError as error:
            return error.details.error_type

    async def scene() -> None:
        stage = Stage(surplus)
        await stage.worker("W1")
        await stage.start("surplus", "one")
        assert await stage.finished("one") == "azure_durable_py.errors.PayloadTooLargeError"
        await stage.quiet()

    play(scene)


def test_a_child_that_no_store_takes_stays_in_no_outbox_when_its_parent_does_not_wait() -> None:
    def leaves(context: Any) -> str:
        context.call_sub_orchestrator("returns_poison", None, "half \ud800")
        return "left"

    async def scene() -> None:
        stage = Stage(leaves, returns_poison)
        await stage.worker("W1")
        await stage.start("leaves", "one")
        assert await stage.finished("one") == "left"
        await stage.quiet()
        assert not (await stage.state("one")).has_sends

    play(scene)


@pytest.mark.parametrize("ends", [True, False], ids=["finished", "running"])
def test_what_is_to_be_sent_and_cannot_be_read_keeps_no_message_for_ever(ends: bool) -> None:
    def tells_much(context: Any) -> Routine:
        for _ in range(300):
            context.send_event("hears", "item", "x" * 400)
        if not ends:
            yield context.wait_for_external_event("never")

    async def scene() -> None:
        stage = Stage(tells_much)
        first = await stage.worker("W1")
        first.store.last("commit", commit_of("one"))
        await stage.start("tells_much", "one")
        await stage.until(lambda: not first.store._running.is_set())
        [page] = (await stage.state("one")).pages
        await stage.store.delete_blobs("one", chunk_keys(page.key, page.chunks))
        await stage.worker("W2")
        await stage.quiet()
        assert (await stage.header("one")).columns.runtime_status == ("Completed" if ends else "Failed")
        assert not (await stage.state("one")).has_sends

    play(scene)
