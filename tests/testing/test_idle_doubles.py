"""A double that is given nothing to do changes nothing: neither what a run comes to, nor how, nor when."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import azure_durable_py
from azure_durable_py.history.codec import encode_event
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.testing import VirtualHub, play, read_calls
from azure_durable_py.testing.virtual.hub import EPOCH
from function_app import app

PACKAGE = str(Path(azure_durable_py.__file__).parent)
CITIES = st.sampled_from(["Oslo", "Atlantis", "Rome"])


@dataclass(frozen=True)
class Start:
    """An orchestration of the sample app, and the decisions that it is sent, each so many seconds after its start."""

    name: str
    input: Any = None
    decisions: tuple[tuple[int, bool], ...] = ()


def _counting(folder: str, size: int) -> Start:
    return Start("count_words", {"folder": folder, "chunk_size": size})


def _transfer(source: str, target: str, amount: int) -> Start:
    return Start("transfer", {"from": source, "to": target, "amount": amount})


def _expense(amount: int, decisions: list[tuple[int, bool]]) -> Start:
    return Start("approve_expense", {"what": "chairs", "amount": amount, "hours_to_answer": 1}, tuple(decisions))


STARTS = st.one_of(
    st.sampled_from([Start("hello_cities"), Start("hello_cities_generator"), Start("limited", "Ada")]),
    st.just(Start("wait_for_website", {"url": "no address"})),
    st.builds(lambda city: Start("book_trip", city), CITIES),
    st.builds(_counting, st.sampled_from(["texts", ".."]), st.integers(1, 5)),
    st.builds(lambda seconds: Start("write_report", {"title": "Sales", "seconds": seconds}), st.integers(0, 600)),
    st.builds(lambda names: Start("set_up_devices", names), st.lists(CITIES, max_size=4)),
    st.builds(_transfer, CITIES, CITIES, st.integers(1, 200)),
    st.builds(_expense, st.integers(1, 2000), st.lists(st.tuples(st.integers(0, 10_000), st.booleans()), max_size=3)),
)


async def go(hub: VirtualHub, starts: list[Start]) -> None:
    """Have everything happen, until all have ended."""
    for number, start in enumerate(starts):
        await hub.client.start_new(start.name, str(number), start.input)
    decisions = [(at, number, said) for number, start in enumerate(starts) for at, said in start.decisions]
    for at, number, said in sorted(decisions):
        await asyncio.sleep(max(0.0, at - (hub.now - EPOCH).total_seconds()))
        status = await hub.client.get_status(str(number))
        if not status.is_finished:
            await hub.client.raise_event(str(number), "Decision", {"approved": said})
    for number in range(len(starts)):
        await hub.client.wait_for_completion(str(number))


async def told(hub: VirtualHub) -> list[Any]:
    """All that can be told of a run: statuses, histories with their times, states of entities."""
    found: list[Any] = [
        (entity.entity_id.key, entity.state)
        for name in app.registry.entities.names()
        async for entity in hub.client.list_entities(name=name, include_state=True)
    ]
    for status in await hub.client.get_status_all():
        assert status.instance_id is not None
        history = await hub.client.get_history(status.instance_id)
        events = [_plain(json.loads(encode_event(event))) for event in history]
        found.append((status.instance_id, status.output, status.custom_status, status.completed_time, events))
    return found


def _plain(value: Any) -> Any:
    """A record whose stack traces have the frames of the app alone: those of the engine are its own business."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value.startswith("Traceback"):
        return [frame for frame in re.findall(r'File "(.+?)", line (\d+)', value) if not frame[0].startswith(PACKAGE)]
    return value


def double_all(hub: VirtualHub) -> list[Any]:
    """A double for everything, with nothing to do."""
    activities = [hub.doubles.activity(name) for name in app.registry.activities.names()]
    orchestrators = [hub.doubles.orchestrator(name) for name in app.registry.orchestrators.names()]
    return [*activities, *orchestrators, *map(hub.doubles.entity, app.registry.entities.names())]


@given(
    st.lists(STARTS, min_size=1, max_size=4),
    st.integers(0, 3),
    st.integers(1, 3),
    st.sampled_from(["when-needed", "every-turn"]),
)
@settings(max_examples=40, deadline=None)
def test_a_double_without_behaviours_changes_nothing(starts: list[Start], seed: int, workers: int, replay: Replay):
    def run(prepare: Callable[[VirtualHub], object]) -> list[Any]:
        async def scenario(hub: VirtualHub) -> list[Any]:
            prepare(hub)
            await go(hub, starts)
            return await told(hub)

        return play(app, scenario, seed=seed, workers=workers, replay=replay)

    assert run(double_all) == run(id)


@given(st.lists(STARTS, min_size=1, max_size=4), st.integers(1, 3), st.booleans())
@settings(max_examples=20, deadline=None)
def test_a_double_tells_the_same_whenever_it_is_asked_for(starts: list[Start], workers: int, in_the_middle: bool):
    def told_of(first: bool) -> list[Any]:
        async def scenario(hub: VirtualHub) -> list[Any]:
            early = double_all(hub) if first else []
            await go(hub, starts[:1])
            if in_the_middle:
                early = double_all(hub)
            for number, start in enumerate(starts[1:]):
                await hub.client.start_new(start.name, f"later {number}", start.input)
            await asyncio.sleep(86400)
            # Without stack traces: with a double from the beginning they have frames of it.
            return [
                [replace(each, failure=repr(each)) for each in double.received] for double in early or double_all(hub)
            ]

        return play(app, scenario, workers=workers)

    assert told_of(first=True) == told_of(first=False)


@given(st.lists(STARTS, min_size=1, max_size=4), st.integers(1, 3), st.integers(0, 4))
@settings(max_examples=20, deadline=None)
def test_what_doubles_received_is_what_histories_tell(starts: list[Start], workers: int, failures: int):
    async def scenario(hub: VirtualHub) -> None:
        names = app.registry.activities.names()
        doubles = {name: hub.doubles.activity(name) for name in names}
        if failures:
            doubles["book"].raises(OSError("no line"), times=failures)
        await go(hub, starts)
        for status in await hub.client.get_status_all():
            assert status.instance_id is not None
            calls = await read_calls(hub.client, status.instance_id)
            for name in names:
                received = [each for each in doubles[name].received if each.instance_id == status.instance_id]
                of_it = calls.of(name)
                assert sorted(each.attempt for each in received) == sorted(
                    number for call in of_it for number in range(1, call.attempts + 1)
                )
                assert [each.result for each in received if each.failure is None] == [
                    call.result for call in of_it if call.failure is None
                ]
                assert sum(each.failure is not None for each in received) == sum(len(call.failures) for call in of_it)

    play(app, scenario, workers=workers)
