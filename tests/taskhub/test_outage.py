"""A storage that does not answer is told of once, and who waits for it goes on soon after it is back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest

from azure_durable_py.errors import StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.azure.answers import translate
from tests.protocol.staging import Routine, Stage, play

AWAY = 35.0


def waits(context: Any) -> Routine:
    return (yield context.wait_for_external_event("go"))


def rests(context: Any) -> Routine:
    for _ in range(3):
        yield context.call_activity("rest", 1)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.INFO]


def test_an_outage_of_half_a_minute_is_two_lines_however_many_wait(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "azure_durable_py")

    async def scene() -> None:
        stage = Stage(waits, rests)
        cast = await stage.worker("W1", max_concurrent_activities=20)
        for number in range(20):
            await stage.start("rests", f"r{number}", by=cast)
        await asyncio.sleep(0.5)
        cast.store.refuse_all(StorageUnavailableError)
        await asyncio.sleep(AWAY)
        cast.store.serve()
        await asyncio.sleep(30.0)
        for number in range(20):
            await stage.finished(f"r{number}")

    play(scene)
    begun, ended = told(caplog)
    assert begun.startswith("Storage does not answer (")
    assert begun.endswith("). What needs it waits.")
    assert ended.startswith("Storage answers again, after 3")


def test_what_came_during_an_outage_is_handled_soon_after_it() -> None:
    async def scene() -> None:
        stage = Stage(waits)
        cast = await stage.worker("W1")
        await stage.start("waits", "w", by=cast)
        await stage.waiting("w")
        cast.store.refuse_all(StorageUnavailableError)
        await asyncio.sleep(10 * AWAY)
        await stage.raise_event("w", "go", 1)
        cast.store.serve()
        back = asyncio.get_running_loop().time()
        await stage.finished("w")
        assert asyncio.get_running_loop().time() - back < 8.0

    play(scene)


async def wait_for(seconds: float, stage: Stage, name: str) -> float:
    await stage.hub.outage.wait(name, name, StorageUnavailableError("away"), seconds)
    return asyncio.get_running_loop().time()


def played(scene: Coroutine[Any, Any, Any]) -> None:
    async def main() -> None:
        await scene

    play(main)


def test_who_gets_an_answer_has_the_others_try_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "azure_durable_py")

    async def scene() -> None:
        stage = Stage()
        others = [asyncio.ensure_future(wait_for(30.0, stage, name)) for name in "abc"]
        await wait_for(1.0, stage, "first")
        stage.hub.outage.over("first")
        back = asyncio.get_running_loop().time()
        assert max(await asyncio.gather(*others)) - back < 1.0
        assert told(caplog)[1:] == []
        for name in "abc":
            stage.hub.outage.over(name)
        assert told(caplog)[1:] == ["Storage answers again, after 2 s."]

    played(scene())


def test_one_lost_answer_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "azure_durable_py")

    async def scene() -> None:
        stage = Stage()
        await wait_for(0.1, stage, "a")
        stage.hub.outage.over("a")

    played(scene())
    assert told(caplog) == []


def test_who_is_cancelled_waits_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "azure_durable_py")

    async def scene() -> None:
        stage = Stage()
        waiting = asyncio.ensure_future(wait_for(30.0, stage, "a"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await wait_for(1.0, stage, "b")
        stage.hub.outage.over("b")

    played(scene())
    assert [line.partition(" (")[0] for line in told(caplog)] == [
        "Storage does not answer",
        "Storage does not answer",
        "Storage answers again, after 1 s.",
    ]


def test_a_refusal_after_an_outage_is_told_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "azure_durable_py")

    async def scene() -> None:
        stage = Stage()
        patience = stage.hub.patience("What 'a' sends")
        await patience.wait(StorageUnavailableError("away"))
        await patience.wait(StorageRejectedError("refused (403)"))
        await patience.wait(StorageRejectedError("refused (403)"))
        patience.over()
        assert not stage.hub.outage.is_told

    played(scene())
    assert told(caplog) == [
        "Storage does not answer (away). What needs it waits.",
        "What 'a' sends is waiting for storage: refused (403)",
        "What 'a' sends is waiting no longer.",
    ]


def test_a_connection_that_fails_is_not_said_to_be_one_of_tls() -> None:
    from azure.core.exceptions import ServiceRequestError

    error = ServiceRequestError("Cannot connect to host 127.0.0.1:10001 ssl:default [Connect call failed]")
    assert str(translate(error, "get")).endswith("Cannot connect to host 127.0.0.1:10001 [Connect call failed]")
