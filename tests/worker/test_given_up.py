"""Work that kills its process is tried as often as host.json says, and then fails with the reason."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.history.events import EventRaised, OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, EntityDefinition
from azure_durable_py.taskhub.messages import Doorbell
from tests.protocol.staging import Cast, Routine, Stage, play

REASON = "as often as maxDequeueCount in host.json allows: no delivery of it came to its end"


@pytest.fixture(autouse=True)
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)


class Mortal:
    """One process at a time on a stage; user code may end it, as `os._exit` would. Another is started then."""

    def __init__(self, stage: Stage, **settings: Any) -> None:
        self.stage = stage
        self.deaths = 0
        self.entities: list[EntityDefinition] = []
        self._settings = settings
        self._cast: Cast | None = None
        self._dead: list[Cast] = []

    def die(self) -> None:
        assert self._cast is not None
        if self._cast.store._running.is_set():
            self._cast.store.freeze()
            self.deaths += 1

    async def live(self) -> None:
        """Start process after process, each when the one before it has died."""
        while True:
            self._cast = await self.stage.worker(f"W{self.deaths}", start=False, **self._settings)
            registry = self._cast.worker._context.registry
            registry.activities.add(ActivityDefinition("kill", lambda name: self.die(), "name"))
            for entity in self.entities:
                registry.entities.add(entity)
            await self._cast.worker.start()
            before = self.deaths
            await self.stage.until(lambda before=before: self.deaths > before, within=1e9)
            self._dead.append(self._cast)

    async def bury(self) -> None:
        """Let what is left of the dead end."""
        for cast in self._dead:
            cast.store.thaw()
            await cast.worker.stop(0.0)


def test_an_orchestrator_that_kills_its_process_fails() -> None:
    mortal: Mortal

    def kills(context: Any) -> None:
        mortal.die()

    async def scene() -> None:
        nonlocal mortal
        mortal = Mortal(Stage(kills))
        await mortal.stage.hub.open()
        living = asyncio.ensure_future(mortal.live())
        await mortal.stage.start("kills", "one")
        output = await mortal.stage.finished("one")
        assert output.startswith(f"The message for instance 'one' was taken up 5 times, {REASON}")
        assert (await mortal.stage.header("one")).columns.runtime_status == "Failed"
        assert mortal.deaths == 5
        await mortal.stage.quiet()
        living.cancel()
        await mortal.bury()

    play(scene)


@pytest.mark.parametrize("limit", [2, 5])
def test_an_orchestrator_that_kills_its_process_takes_no_other_with_it(limit: int) -> None:
    mortal: Mortal

    def kills(context: Any) -> None:
        mortal.die()

    def asks(context: Any) -> Routine:
        result = yield context.call_activity("rest", 1)
        return result

    async def scene() -> None:
        nonlocal mortal
        mortal = Mortal(Stage(kills, asks), max_dequeue_count=limit)
        await mortal.stage.hub.open()
        # All come at once, time and again, and the first ends the process before any other is done.
        await mortal.stage.start("kills", "bad")
        for number in range(10):
            await mortal.stage.start("asks", f"good-{number}")
        living = asyncio.ensure_future(mortal.live())
        assert [await mortal.stage.finished(f"good-{number}") for number in range(10)] == [1] * 10
        assert "taken up" in await mortal.stage.finished("bad")
        assert mortal.deaths == limit
        living.cancel()
        await mortal.bury()

    play(scene)


def test_the_limit_is_the_settings() -> None:
    mortal: Mortal

    def kills(context: Any) -> None:
        mortal.die()

    async def scene() -> None:
        nonlocal mortal
        mortal = Mortal(Stage(kills), max_dequeue_count=2)
        await mortal.stage.hub.open()
        living = asyncio.ensure_future(mortal.live())
        await mortal.stage.start("kills", "one")
        assert "taken up 2 times" in await mortal.stage.finished("one")
        assert mortal.deaths == 2
        living.cancel()
        await mortal.bury()

    play(scene)


def test_an_activity_that_kills_its_process_fails_and_its_orchestrator_goes_on() -> None:
    def asks(context: Any) -> Routine:
        try:
            yield context.call_activity("kill", "me")
        except TaskFailedError as error:
            result = yield context.call_activity("rest", 1)
            return [str(error), error.details.is_caused_by("WorkGivenUpError"), result]
        return "not reached"

    async def scene() -> None:
        mortal = Mortal(Stage(asks))
        await mortal.stage.hub.open()
        living = asyncio.ensure_future(mortal.live())
        await mortal.stage.start("asks", "one")
        told, given_up, result = await mortal.stage.finished("one")
        assert REASON in told
        assert (given_up, result) == (True, 1)
        assert mortal.deaths == 5
        await mortal.stage.quiet()
        living.cancel()
        await mortal.bury()

    play(scene)


def test_an_orchestrator_that_kills_its_process_when_an_activity_fails_fails_next() -> None:
    mortal: Mortal

    def kills(context: Any) -> Routine:
        try:
            yield context.call_activity("rest", 1)
        finally:
            mortal.die()

    async def scene() -> None:
        nonlocal mortal
        mortal = Mortal(Stage(kills))
        await mortal.stage.hub.open()
        living = asyncio.ensure_future(mortal.live())
        await mortal.stage.start("kills", "one")
        assert REASON in await mortal.stage.finished("one")
        assert mortal.deaths == 6
        living.cancel()
        await mortal.bury()

    play(scene)


def test_an_entity_operation_that_kills_its_process_fails_and_its_neighbours_do_not() -> None:
    mortal: Mortal

    def counter(context: Any) -> None:
        if context.operation_name == "kill":
            mortal.die()
        context.set_state(context.get_state(lambda: 0) + 1)

    async def scene() -> None:
        nonlocal mortal
        mortal = Mortal(Stage())
        mortal.entities = [EntityDefinition("counter", counter)]
        stage, entity = mortal.stage, str(EntityId("counter", "x"))
        await stage.hub.open()
        signals = [
            stage.message(OperationArrived(stage.clock.now(), name, None))
            for name in ("add", "add", "kill", "add", "kill", "add")
        ]
        await stage.hub.deliver(entity, signals, "six at once")
        living = asyncio.ensure_future(mortal.live())
        await stage.quiet()
        assert json.loads((await stage.header(entity)).columns.output or "") == 4
        assert not (await stage.store.load(entity)).inbox
        # Once the first is known, each further one costs a process of its own.
        assert mortal.deaths == 6
        living.cancel()
        await mortal.bury()

    play(scene)


def test_whoever_stops_in_good_order_counts_as_no_delivery() -> None:
    async def scene() -> None:
        stage = Stage(rests_long)
        await stage.hub.open()
        await stage.start("rests_long", "one")
        for number in range(12):
            cast = await stage.worker(f"W{number}", max_dequeue_count=2)
            await stage.until(lambda number=number: len(stage.runs) > number)
            await cast.worker.stop(0.0)
        await stage.worker("last", max_dequeue_count=2)
        assert await stage.finished("one") == 300

    play(scene)


def rests_long(context: Any) -> Routine:
    result = yield context.call_activity("rest", 300)
    return result


def test_a_message_is_let_go_of_as_if_it_was_never_delivered() -> None:
    async def scene() -> None:
        stage = Stage(rests_long)
        cast = await stage.worker("W1")
        await stage.start("rests_long", "one")
        await stage.until(lambda: bool(stage.runs))
        await cast.worker.stop(0.0)
        [message] = await stage.store.receive_messages(stage.store.instance_queue("one"), 32, 60.0)
        assert message.dequeue_count == 1
        assert Doorbell.decode(message.body).again == 1

    play(scene)


def test_a_message_that_cannot_be_put_anew_is_made_visible() -> None:
    async def scene() -> None:
        stage = Stage(rests_long)
        cast = await stage.worker("W1", instance_visibility_timeout=600.0)
        await stage.start("rests_long", "one")
        await stage.until(lambda: bool(stage.runs))
        cast.store.refuse("put_message", times=100)
        await cast.worker.stop(0.0)
        [message] = await stage.store.receive_messages(stage.store.instance_queue("one"), 32, 60.0)
        assert message.dequeue_count == 2

    play(scene)


def test_a_doorbell_that_nobody_could_delete_fails_nothing() -> None:
    def waits(context: Any) -> Routine:
        found = yield context.wait_for_external_event("go")
        return found

    async def scene() -> None:
        stage = Stage(waits)
        cast = await stage.worker("W1", max_dequeue_count=2)
        deletes = cast.store.refuse("delete_message", times=10**6)
        await stage.start("waits", "one")
        await stage.waiting("one")
        await asyncio.sleep(300.0)
        deletes.times = 0
        await stage.raise_event("one", "go", "went")
        assert await stage.finished("one") == "went"

    play(scene)


def test_turns_that_came_to_their_end_are_not_counted_however_often_their_process_dies_afterwards() -> None:
    def collects(context: Any) -> Routine:
        found = yield context.task_all([context.wait_for_external_event("item") for _ in range(8)])
        return found

    async def scene() -> None:
        stage = Stage(collects)
        processes = [await stage.worker("W0")]
        try:
            died = processes[0].store.last("commit")
            await stage.start("collects", "one")
            # One doorbell is never deleted; each process takes one more event with it, and dies after its commit.
            for number in range(7):
                await stage.until(died.reached.is_set)
                await stage.hub.insert("one", [stage.message(EventRaised(stage.clock.now(), "item", str(number)))])
                processes.append(await stage.worker(f"W{number + 1}"))
                died = processes[-1].store.last("commit", lambda commit: commit.consumed)
            await stage.until(died.reached.is_set)
            await stage.worker("W8")
            await stage.raise_event("one", "item", 7)
            assert await stage.finished("one") == list(range(8))
        finally:
            for process in processes:
                process.store.thaw()
                await process.worker.stop(0.0)

    play(scene)
