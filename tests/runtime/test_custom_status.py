"""The custom status: what the user's code sets, and what libraries publish beside it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.errors import PayloadTooLargeError
from azure_durable_py.runtime.custom_status import MAX_CUSTOM_STATUS_BYTES, MAX_PARTS_BYTES, CustomStatus
from azure_durable_py.testing import DurableTestSyncEnvironment


def status(own: str | None = None, **parts: Any) -> CustomStatus:
    made = CustomStatus()
    if own is not None:
        made.set_own(own)
    for name, value in parts.items():
        made.set_part(name, json.dumps(value))
    return made


def test_nothing_that_was_set_is_no_status():
    assert status().text(with_parts=True) is None


@pytest.mark.parametrize("own", ['{"a":1}', '"text"', "null", "[1, 2]", "5"])
def test_alone_the_users_own_is_the_status(own: str):
    assert status(own).text(with_parts=True) == own


@pytest.mark.parametrize(
    ("own", "together"),
    [
        (None, {"p": 1}),
        ("null", {"p": 1}),
        ("{}", {"p": 1}),
        (' { "a" : 1 } ', {"a": 1, "p": 1}),
        ('"text"', {"status": "text", "p": 1}),
        ('{"p":2}', {"status": {"p": 2}, "p": 1}),
    ],
)
def test_parts_stand_beside_it(own: str | None, together: dict[str, Any]):
    assert json.loads(status(own, p=1).text(with_parts=True) or "") == together


def test_numbers_are_not_written_anew():
    assert status('{"a":1.10000000000000000001}', p=1).text(with_parts=True) == '{"a":1.10000000000000000001,"p":1}'


def test_a_part_that_is_taken_away_leaves_the_others_and_the_users_own():
    made = status('{"a":1}', p=1, q=2)
    made.set_part("p", None)
    made.set_part("unknown", None)
    assert made.text(with_parts=True) == '{"a":1,"q":2}'
    assert made.text(with_parts=False) == '{"a":1}'


def test_a_status_of_parts_alone_is_taken_back_as_null():
    made = status(p=1)
    assert made.text(with_parts=False) == "null"
    made.set_part("p", None)
    assert made.text(with_parts=True) == "null"


def test_the_users_own_has_its_room_whatever_the_parts_take():
    made = status(p="x" * (MAX_PARTS_BYTES - 20))
    made.set_own(json.dumps("y" * (MAX_CUSTOM_STATUS_BYTES - 2)))
    assert len(made.text(with_parts=True) or "") < 32_768


@pytest.mark.parametrize("size", [16 * 1024, 100_000])
def test_a_status_that_is_too_large_is_refused_and_the_one_before_kept(size: int):
    made = status('"before"')
    with pytest.raises(PayloadTooLargeError, match="at most 16384 bytes"):
        made.set_own(json.dumps("x" * size))
    assert made.text(with_parts=True) == '"before"'


def test_parts_that_are_too_large_together_are_refused_and_those_before_kept():
    made = status(p="x" * 8000)
    with pytest.raises(PayloadTooLargeError, match="with 'q' it would be"):
        made.set_part("q", json.dumps("x" * 8000))
    assert json.loads(made.text(with_parts=True) or "") == {"p": "x" * 8000}


# --- of an instance ------------------------------------------------------------------------------------------


async def publishes(context: df.DurableOrchestrationContext) -> str:
    """Publishes beside its status, in a generation or in none, and ends."""
    context.set_custom_status({"step": 1})
    context.set_status_part("usage", {"tokens": 5})
    await context.wait_for_external_event("go on")
    return context.get_input()


def env_of(orchestrator: Any) -> DurableTestSyncEnvironment:
    app = df.DFApp()
    app.orchestration_trigger("context")(orchestrator)
    return DurableTestSyncEnvironment(app, replay="every-turn")


def test_what_is_published_ends_with_the_instance():
    with env_of(publishes) as env:
        handle = env.start("publishes", "done")
        assert handle.status().custom_status == {"step": 1, "usage": {"tokens": 5}}
        handle.raise_event("go on")
        assert handle.result() == "done"
        assert handle.status().custom_status == {"step": 1}


def test_what_is_published_ends_with_an_instance_that_is_terminated():
    with env_of(publishes) as env:
        handle = env.start("publishes")
        handle.terminate()
        assert handle.status().custom_status == {"step": 1}


def test_the_next_generation_publishes_its_own():
    async def eternal(context: df.DurableOrchestrationContext) -> None:
        if context.get_input() is None:
            context.set_custom_status({"step": 1})
            context.set_status_part("usage", 1)
            context.continue_as_new("again")
            return
        await context.wait_for_external_event("never")

    with env_of(eternal) as env:
        assert env.start("eternal").status().custom_status == {"step": 1}


def test_an_object_of_a_library_is_there_once_for_each_execution():
    class Kept:
        pass

    async def asks(context: df.DurableOrchestrationContext) -> list[bool]:
        first = context.extension(Kept)
        await context.create_timer(timedelta(hours=1))
        return [context.extension(Kept) is first, context.extension(list) is context.extension(list)]

    with env_of(asks) as env:
        assert env.start("asks").result() == [True, True]


def test_a_part_that_is_no_json_is_named():
    async def wrong(context: df.DurableOrchestrationContext) -> None:
        context.set_status_part("usage", object())

    with env_of(wrong) as env, pytest.raises(df.OrchestrationFailedError, match="'usage' beside the custom status"):
        env.start("wrong").result()
