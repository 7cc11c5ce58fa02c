"""A message in hand stays invisible to others for as long as it is held, and is settled once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import TypeVar

import pytest

from azure_durable_py.clock import loop_clock
from azure_durable_py.errors import StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.testing.virtual.memory import MemoryStore
from azure_durable_py.testing.virtual.time import run_virtual
from azure_durable_py.worker.intake.delivery import Delivery, Held, Holder

T = TypeVar("T")
QUEUE = "q"
VISIBILITY = 30.0


class Refusing(MemoryStore):
    """A store that refuses what the test names."""

    refusal: Exception | None = None
    renewals = 0
    seconds = 0.0
    """How long it takes to delete a message or to make it visible."""

    async def extend_message(self, message: QueueMessage, visibility: float) -> QueueMessage:
        self.renewals += 1
        await asyncio.sleep(0.0 if visibility else self.seconds)
        if self.refusal is not None:
            raise self.refusal
        return await super().extend_message(message, visibility)

    async def delete_message(self, message: QueueMessage) -> None:
        await asyncio.sleep(self.seconds)
        if self.refusal is not None:
            raise self.refusal
        await super().delete_message(message)


class Hands:
    """A holder at work, on a queue that others look at, too."""

    def __init__(self, store: Refusing, hub: TaskHub) -> None:
        self.store = store
        self.hub = hub
        self.lost: list[str] = []
        self.holder = Holder(hub, self.lost.append, lambda task, error: pytest.fail(f"{task}: {error!r}"))

    async def hold(self, body: str = "x") -> Held:
        await self.hub.put(QUEUE, body)
        asked_at = self.hub.clock.monotonic()
        [message] = await self.store.receive_messages(QUEUE, 1, VISIBILITY)
        return self.holder.hold(message, asked_at, VISIBILITY, lambda: f"{body} again", "one")

    async def others_see(self) -> list[tuple[str, int]]:
        """What another worker would be given now, and how often it was delivered."""
        messages = await self.store.receive_messages(QUEUE, 32, 1.0)
        return [(message.body, message.dequeue_count) for message in messages]

    @property
    def left(self) -> int:
        return len(self.store.queue(QUEUE).messages)


def holding(scenario: Callable[[Hands], Awaitable[T]]) -> T:
    async def main() -> T:
        clock = loop_clock(datetime(2026, 1, 1, tzinfo=timezone.utc))
        store = Refusing(hub_name="Holding", now=clock.now)
        await store.open()
        hands = Hands(store, TaskHub(store, clock))
        running = asyncio.ensure_future(hands.holder.run())
        try:
            return await scenario(hands)
        finally:
            assert not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    return run_virtual(main())


def test_what_is_held_is_never_given_to_others():
    async def scenario(hands: Hands) -> None:
        held = [await hands.hold(str(number)) for number in range(3)]
        for _ in range(100):
            await asyncio.sleep(7.0)
            assert await hands.others_see() == []
        assert not any(one.lost or one.overdue for one in held)
        # Each at a third of its time.
        assert 3 * 60 <= hands.store.renewals <= 3 * 75

    holding(scenario)


def test_what_has_done_its_work_is_gone_and_not_renewed():
    async def scenario(hands: Hands) -> None:
        held = await hands.hold()
        await held.ack()
        assert hands.left == 0
        await asyncio.sleep(100.0)
        assert hands.store.renewals == 0
        assert not held.lost

    holding(scenario)


@pytest.mark.parametrize("settle", [Held.ack, Held.release], ids=["ack", "release"])
def test_what_is_being_settled_when_it_is_time_to_renew_it_is_not_taken_to_be_lost(
    settle: Callable[[Held], Awaitable[None]], caplog: pytest.LogCaptureFixture
):
    async def scenario(hands: Hands) -> None:
        held = [await hands.hold(str(number)) for number in range(20)]
        hands.store.seconds = 0.5
        # Both are begun at the same moment, in any order.
        await asyncio.sleep(VISIBILITY / 3)
        await asyncio.gather(*map(settle, held))
        await asyncio.sleep(100.0)
        assert hands.lost == []
        assert not any(one.lost for one in held)

    with caplog.at_level(logging.WARNING):
        holding(scenario)
    assert caplog.records == []


def test_what_is_put_back_comes_as_a_new_message_after_its_delay():
    async def scenario(hands: Hands) -> None:
        held = await hands.hold()
        await held.put_back(50.0)
        await asyncio.sleep(49.0)
        assert await hands.others_see() == []
        await asyncio.sleep(2.0)
        assert await hands.others_see() == [("x again", 1)]
        assert hands.left == 1

    holding(scenario)


def test_putting_back_does_not_wake_our_own_pumps():
    async def scenario(hands: Hands) -> None:
        announced: list[str] = []
        held = await hands.hold()
        hands.hub.listen(lambda queue, delay: announced.append(queue))
        await held.put_back(0.0)
        assert announced == []

    holding(scenario)


def test_what_is_let_go_of_comes_at_once_and_as_if_for_the_first_time():
    async def scenario(hands: Hands) -> None:
        held = await hands.hold()
        await held.release()
        assert await hands.others_see() == [("x again", 1)]
        assert hands.left == 1

    holding(scenario)


@pytest.mark.parametrize(
    "settle", [Held.ack, Held.release, lambda held: held.put_back(0.0)], ids=["ack", "release", "put back"]
)
def test_what_went_to_another_receiver_is_left_to_it(settle: Callable[[Held], Awaitable[None]]):
    async def scenario(hands: Hands) -> None:
        held = await hands.hold()
        held.renew_at = float("inf")
        await asyncio.sleep(VISIBILITY + 1.0)
        [other] = await hands.store.receive_messages(QUEUE, 1, 1_000.0)
        assert held.overdue
        assert not await held.confirm()
        assert held.lost
        await settle(held)
        # The other's receipt is still good.
        await hands.store.delete_message(other)

    holding(scenario)


def test_the_instance_of_a_message_that_went_elsewhere_is_told():
    async def scenario(hands: Hands) -> None:
        held = await hands.hold()
        await hands.store.delete_message(held.message)
        await asyncio.sleep(VISIBILITY)
        assert held.lost
        assert hands.lost == ["one"]
        renewals = hands.store.renewals
        await asyncio.sleep(100.0)
        assert hands.store.renewals == renewals

    holding(scenario)


def test_a_renewal_that_storage_does_not_answer_is_tried_again_before_the_time_is_up(
    caplog: pytest.LogCaptureFixture,
):
    async def scenario(hands: Hands) -> None:
        held = await hands.hold()
        hands.store.refusal = StorageUnavailableError("no answer")
        await asyncio.sleep(VISIBILITY * 0.6)
        assert hands.store.renewals >= 2
        hands.store.refusal = None
        await asyncio.sleep(VISIBILITY)
        assert not held.lost
        assert not held.overdue
        assert await hands.others_see() == []

    holding(scenario)
    assert "is not renewed" in caplog.text


def test_a_hold_that_cannot_be_renewed_is_overdue_and_said_to_be(caplog: pytest.LogCaptureFixture):
    async def scenario(hands: Hands) -> None:
        held = await hands.hold()
        hands.store.refusal = StorageRejectedError("no access")
        await asyncio.sleep(VISIBILITY + 1.0)
        # Nobody says that it is another's, so it may still be ours.
        assert (held.overdue, held.lost) == (True, False)
        with pytest.raises(StorageRejectedError):
            await held.confirm()
        hands.store.refusal = None
        assert await held.confirm()
        assert not held.overdue

    with caplog.at_level(logging.ERROR):
        holding(scenario)
    assert "cannot be renewed" in caplog.text


def test_settling_that_storage_refuses_does_no_harm(caplog: pytest.LogCaptureFixture):
    async def scenario(hands: Hands) -> None:
        held = await hands.hold()
        hands.store.refusal = StorageRejectedError("no access")
        await held.ack()
        await asyncio.sleep(VISIBILITY)
        assert await hands.others_see() == [("x", 2)]

    holding(scenario)
    assert "is not settled and will be delivered again" in caplog.text


def test_a_forgotten_message_is_renewed_no_longer():
    async def scenario(hands: Hands) -> None:
        kept, forgotten = await hands.hold("kept"), await hands.hold("forgotten")
        hands.holder.forget_message(forgotten.message)
        await asyncio.sleep(VISIBILITY + 1.0)
        assert [body for body, _ in await hands.others_see()] == ["forgotten"]
        assert not kept.overdue

    holding(scenario)


@pytest.mark.parametrize(
    ("rank", "suspect"), [((0, "", 1), False), ((0, "", 2), True), ((1, "tag", 1), True), ((0, "", 0), False)]
)
def test_only_a_first_delivery_is_above_suspicion(rank: tuple[int, str, int], suspect: bool):
    async def scenario(hands: Hands) -> None:
        delivery = Delivery("id", rank, await hands.hold())
        assert (delivery.suspect, delivery.deliveries) == (suspect, rank[2])
        assert not delivery.lost
        delivery.outranked = True
        assert delivery.lost

    holding(scenario)
