"""Calls that are gathered while another is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from azure_durable_py.client.gathering import GatheredCall, Gathering


class Rounds:
    """Makes calls as the test says, and keeps which went together."""

    def __init__(self, most: int = 100) -> None:
        self.made: list[tuple[str, list[int]]] = []
        self.cancelled = 0
        self.gate = asyncio.Event()
        self._most = most
        self.calls: Gathering[int, str] = Gathering(self._make)

    async def _make(self, key: str, calls: Sequence[GatheredCall[int, str]]) -> None:
        taken = calls[: self._most]
        self.made.append((key, [call.item for call in taken]))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if any(call.item < 0 for call in taken):
            raise ValueError("a negative number")
        for call in taken:
            call.answer(f"{key}{call.item}")

    def ask(self, key: str, *items: int) -> list[asyncio.Task[str]]:
        return [asyncio.ensure_future(self.calls.ask(key, item)) for item in items]


async def _step() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_lone_call_is_made_at_once():
    rounds = Rounds()
    (call,) = rounds.ask("a", 1)
    await _step()
    assert rounds.made == [("a", [1])]
    rounds.gate.set()
    assert await call == "a1"


async def test_what_comes_meanwhile_goes_together_in_order():
    rounds = Rounds()
    calls = rounds.ask("a", 1)
    await _step()
    calls += rounds.ask("a", 2, 3)
    await _step()
    calls += rounds.ask("a", 4)
    await _step()
    rounds.gate.set()
    assert await asyncio.gather(*calls) == ["a1", "a2", "a3", "a4"]
    assert rounds.made == [("a", [1]), ("a", [2, 3, 4])]


async def test_keys_do_not_wait_for_each_other():
    rounds = Rounds()
    calls = rounds.ask("a", 1) + rounds.ask("b", 1)
    await _step()
    assert rounds.made == [("a", [1]), ("b", [1])]
    rounds.gate.set()
    await asyncio.gather(*calls)


async def test_what_a_round_leaves_is_first_in_the_next():
    rounds = Rounds(most=2)
    calls = rounds.ask("a", 1)
    await _step()
    calls += rounds.ask("a", 2, 3, 4)
    await _step()
    rounds.gate.set()
    await calls[0]
    rounds.gate.clear()
    await _step()
    calls += rounds.ask("a", 5)
    await _step()
    rounds.gate.set()
    await asyncio.gather(*calls)
    assert rounds.made == [("a", [1]), ("a", [2, 3]), ("a", [4, 5])]


async def test_the_failure_of_a_round_is_that_of_all_its_calls_and_of_no_other():
    rounds = Rounds()
    calls = rounds.ask("a", 1)
    await _step()
    calls += rounds.ask("a", 2, -3)
    await _step()
    rounds.gate.set()
    first, *others = await asyncio.gather(*calls, return_exceptions=True)
    assert first == "a1"
    assert [type(each) for each in others] == [ValueError, ValueError]
    assert await rounds.ask("a", 4)[0] == "a4"


async def test_who_is_cancelled_takes_nobody_along():
    rounds = Rounds()
    calls = rounds.ask("a", 1)
    await _step()
    calls += rounds.ask("a", 2, 3, 4)
    await _step()
    calls[2].cancel()
    await _step()
    rounds.gate.set()
    await _step()
    assert [call.cancelled() or call.result() for call in calls] == ["a1", "a2", True, "a4"]
    assert rounds.made == [("a", [1]), ("a", [2, 4])]


async def test_one_of_several_under_way_leaves_the_others():
    rounds = Rounds()
    calls = rounds.ask("a", 1)
    await _step()
    calls += rounds.ask("a", 2, 3)
    await _step()
    rounds.gate.set()
    await calls[0]
    rounds.gate.clear()
    await _step()
    calls[1].cancel()
    await _step()
    assert not rounds.cancelled
    rounds.gate.set()
    assert await calls[2] == "a3"


async def test_a_round_that_nobody_waits_for_is_given_up_and_the_next_begins():
    rounds = Rounds()
    (lone,) = rounds.ask("a", 1)
    await _step()
    (behind,) = rounds.ask("a", 2)
    await _step()
    lone.cancel()
    await _step()
    assert (rounds.cancelled, rounds.made) == (1, [("a", [1]), ("a", [2])])
    rounds.gate.set()
    assert await behind == "a2"


@pytest.mark.parametrize("ending", ["answered", "cancelled", "failed"])
async def test_a_key_without_calls_is_forgotten(ending: str):
    rounds = Rounds()
    (call,) = rounds.ask("a", -1 if ending == "failed" else 1)
    await _step()
    assert len(rounds.calls) == 1
    if ending == "cancelled":
        call.cancel()
    rounds.gate.set()
    await asyncio.gather(call, return_exceptions=True)
    await _step()
    assert len(rounds.calls) == 0
