"""What was decided stays to be handed over: over continue-as-new, over the end, and over the death of the worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.protocol.staging import Routine, Stage, commit_of, play, to


def collects(context: Any) -> Routine:
    found = yield context.task_all([context.wait_for_external_event("item") for _ in range(context.get_input())])
    return found


def tells_and_begins_anew(context: Any) -> Routine:
    """Its first generation says something in a turn, and something in the turn that ends it."""
    if context.get_input() == "second":
        yield context.wait_for_external_event("never")
    context.send_event("hears", "item", "early")
    yield context.wait_for_external_event("go")
    context.send_event("hears", "item", "late")
    context.continue_as_new("second")


def tells_and_ends(context: Any) -> Routine:
    context.send_event("hears", "item", "early")
    yield context.wait_for_external_event("go")
    context.send_event("hears", "item", "late")


def sits(context: Any) -> Routine:
    yield context.wait_for_external_event("never")


def has_child(context: Any) -> Routine:
    yield context.call_sub_orchestrator("sits", None, "child")


@pytest.mark.parametrize("recurse", [True, False])
def test_a_termination_ends_the_children_if_it_says_so(recurse: bool) -> None:
    async def scene() -> None:
        stage = Stage(has_child, sits)
        await stage.worker("W1")
        await stage.start("has_child", "parent")
        await stage.until_there("child")
        await stage.waiting("child")
        await stage.terminate("parent", recurse=recurse)
        await stage.finished("parent")
        await stage.quiet()
        assert (await stage.header("child")).columns.runtime_status == ("Terminated" if recurse else "Running")

    play(scene)


@pytest.mark.parametrize("name", ["tells_and_begins_anew", "tells_and_ends"])
def test_what_was_not_handed_over_when_a_generation_ends_is_handed_over_by_the_next_worker(name: str) -> None:
    async def scene() -> None:
        stage = Stage(tells_and_begins_anew, tells_and_ends, collects)
        first = await stage.worker("W1")
        await stage.start("collects", "hears", 2)
        await stage.waiting("hears")
        first.store.hold("insert_inbox", to("hears"))
        await stage.start(name, "says")
        await stage.waiting("says")
        first.store.last("commit", commit_of("says"))
        await stage.raise_event("says", "go")
        await asyncio.sleep(5.0)
        await stage.worker("W2")
        assert await stage.finished("hears") == ["early", "late"]

    play(scene)
