"""What can never be delivered: whoever waits for it is told, and it costs nothing that goes with it."""

from __future__ import annotations

from typing import Any

from azure_durable_py.errors import PayloadTooLargeError, TaskFailedError
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
