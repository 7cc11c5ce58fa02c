"""The newest events of a history are compressed bit by bit, and can be read after every commit."""

from __future__ import annotations

from typing import Any

import pytest

from azure_durable_py.history.events import Event
from azure_durable_py.taskhub.reading import read_history
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.instance import orchestration_draft
from tests.protocol.staging import Stage, play

SEALED_AT = 12_000
"""Characters: the newest events come to that a few times."""


def test_what_is_written_of_a_history_is_what_was_written_before_and_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orchestration_draft, "SEAL_CHARS", SEALED_AT)
    known: list[Event] = []
    packed: list[int] = []

    async def many(context: Any) -> None:
        for number in range(150):
            await context.call_activity("rest", number % 2 / 10)
            if number == 70:
                context.send_event("nobody", "news", "é" * 3_000)

    async def seen(stage: Stage) -> None:
        header = await stage.header("one")
        state = InstanceState.decode(header.body)
        history = await read_history(stage.store, "one", state)
        assert history[: len(known)] == known
        known[:] = history
        packed.append(len(header.body))

    async def scene() -> None:
        stage = Stage(many)
        commit = stage.store.commit

        async def watched(what: Any) -> str:
            etag = await commit(what)
            await seen(stage)
            return etag

        monkeypatch.setattr(stage.store, "commit", watched)
        first = await stage.worker("W1")
        await stage.start("many", "one")
        await stage.until(lambda: len(known) > 200)
        # What the other goes on from, it has from storage.
        await first.worker.stop(1.0)
        await stage.worker("W2")
        await stage.finished("one", within=3600.0)

    play(scene)
    assert len([event for event in known if type(event).__name__ == "TaskCompleted"]) == 150
    # With its newest events as they are, a header would come to twelve thousand bytes.
    assert max(packed) < 6_000
