"""Messages that a host delivers, at virtual time: how invocations end, and what becomes of poison."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import StorageUnavailableError, TaskFailedError
from azure_durable_py.history.events import TaskCompleted
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.messages import Cause, Doorbell, WorkItem
from azure_durable_py.taskhub.protocol import QueueMessage
from azure_durable_py.taskhub.upgrades import VERSIONS, Record
from azure_durable_py.testing import VirtualHub, run_virtual
from azure_durable_py.worker.activities.local_runs import LocalRuns
from azure_durable_py.worker.intake.invocations import MOST_ROUNDS, SHORT_PATIENCE, HostLimits, Invocation, Invocations
from azure_durable_py.worker.worker import Worker

Routine = Generator[Any, Any, Any]
SETTINGS = Settings(hub_name="Invoked", instance_visibility_timeout=90.0, activity_visibility_timeout=90.0)
LIMITS = HostLimits(held_at_most=2, patience=5.0, give_up_after=60.0, local_bound=20.0)


def slow(context: DurableOrchestrationContext) -> Routine:
    first = yield context.call_activity("rest", context.get_input())
    second = yield context.call_activity("rest", context.get_input())
    return [first, second]


def muses(context: DurableOrchestrationContext) -> Routine:
    yield context.call_activity("muse", 30)
    yield context.call_activity("muse", 3600)


def caught(context: DurableOrchestrationContext) -> Routine:
    try:
        yield context.call_activity("rest", 0)
    except TaskFailedError as error:
        return str(error)
    return None


async def rest(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"rested {seconds}"


async def _nothing(self: Invocation) -> None:
    """What a process does that is gone."""


@dataclass
class Scene:
    """A worker without pumps, on a hub that only what a test does takes messages from."""

    hub: TaskHub
    client: DurableOrchestrationClient
    worker: Worker
    invocations: Invocations

    @property
    def instances(self) -> str:
        return self.hub.store.instance_queues[0]

    @property
    def activities(self) -> str:
        return self.hub.store.activity_queue

    async def receive(self, queue: str) -> QueueMessage:
        """The next message; none but this test takes it."""
        while not (found := await self.hub.store.receive_messages(queue, 1, 3600.0)):
            await asyncio.sleep(0.1)
        return found[0]

    async def invoke(self, message: QueueMessage, dequeue_count: int = 1) -> float:
        """Deliver a message as a host does; gives how long the invocation took."""
        begun = self.hub.clock.monotonic()
        doorbell = message.queue == self.instances
        deliver = self.invocations.deliver_doorbell if doorbell else self.invocations.run_work_item
        await deliver(message.body, dequeue_count)
        await self.hub.store.delete_message(message)
        return self.hub.clock.monotonic() - begun

    async def left(self, queue: str) -> int:
        return (await self.hub.store.message_counts())[queue]

    async def output(self, instance_id: str) -> Any:
        """Deliver doorbells until an instance is finished; gives its output."""
        while not (status := await self.client.get_status(instance_id)).is_finished:
            for message in await self.hub.store.receive_messages(self.instances, 1, 3600.0):
                await self.invoke(message)
            await asyncio.sleep(0.5)
        for message in await self.hub.store.receive_messages(self.instances, 32, 3600.0):
            await self.invoke(message)
        await asyncio.sleep(1.0)  # What the last turn had in hand is settled.
        return status.output


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a scenario at virtual time."""

    async def main() -> None:
        registry = Registry()
        for function in (slow, muses, caught):
            registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))
        registry.activities.add(ActivityDefinition("rest", rest, "seconds"))
        registry.activities.add(ActivityDefinition("muse", rest, "seconds", cancellable=True))
        async with VirtualHub(registry, SETTINGS, workers=0) as virtual:
            invocations = Invocations(LIMITS)
            made = await virtual.start_worker(intake=invocations)
            await scenario(Scene(made.hub, virtual.client, made.worker, invocations))

    run_virtual(main())


def test_an_invocation_lasts_until_its_doorbell_is_served():
    async def scenario(scene: Scene) -> None:
        instance_id = await scene.client.start_new("slow", client_input=1)
        took = await scene.invoke(await scene.receive(scene.instances))
        assert 2.0 <= took < 3.0
        assert await scene.output(instance_id) == ["rested 1", "rested 1"]
        assert await scene.left(scene.instances) == 0

    play(scenario)


def test_an_invocation_ends_before_a_slow_activity_and_leaves_a_guard_behind():
    async def scenario(scene: Scene) -> None:
        instance_id = await scene.client.start_new("slow", client_input=200)
        message = await scene.receive(scene.instances)
        took = await scene.invoke(message)
        assert LIMITS.patience <= took < LIMITS.patience + 1
        assert await scene.left(scene.instances) == 1
        # Kept longer than its visibility: nobody else gets it while this process lives.
        await asyncio.sleep(150)
        assert await scene.hub.store.receive_messages(scene.instances, 1, 1.0) == []
        item = await scene.receive(scene.activities)
        await scene.invoke(item)
        assert await scene.output(instance_id) == ["rested 200", "rested 200"]
        assert await scene.left(scene.instances) == 0

    play(scenario)


def test_an_invocation_ends_with_the_instance_that_its_activity_was_for():
    async def scenario(scene: Scene) -> None:
        instance_id = await scene.client.start_new("muses")
        await scene.invoke(await scene.receive(scene.instances))
        # The first took longer than is borne outside of an invocation of its own: the second has one.
        running = asyncio.ensure_future(scene.invoke(await scene.receive(scene.activities)))
        await asyncio.sleep(60)
        await scene.client.terminate(instance_id, "too dear")
        await scene.invoke(await scene.receive(scene.instances))
        assert 60.0 <= await running < 62.0
        assert await scene.left(scene.instances) == await scene.left(scene.activities) == 0

    play(scenario)


def test_the_guard_that_is_left_behind_has_the_id_of_the_doorbell():
    async def scenario(scene: Scene) -> None:
        await scene.client.start_new("slow", client_input=1000)
        message = await scene.receive(scene.instances)
        await scene.invoke(message)
        await scene.worker.stop(0.0)
        kept = await scene.receive(scene.instances)
        before, after = Doorbell.decode(message.body), Doorbell.decode(kept.body)
        # Put anew by the process that kept it, and by the same when it let go.
        assert (after.id, after.again) == (before.id, before.again + 2)

    play(scenario)


def test_too_many_waiting_invocations_lose_their_patience():
    async def scenario(scene: Scene) -> None:
        for _ in range(3):
            await scene.client.start_new("slow", client_input=15)
        messages = [await scene.receive(scene.instances) for _ in range(3)]
        durations = await asyncio.gather(*(scene.invoke(message) for message in messages))
        assert [round(took) for took in durations] == [5, 5, round(SHORT_PATIENCE)]

    play(scenario)


def test_an_activity_that_proved_slow_goes_to_the_queue():
    async def scenario(scene: Scene) -> None:
        await scene.client.start_new("slow", client_input=LIMITS.local_bound + 5)
        await scene.invoke(await scene.receive(scene.instances))
        assert await scene.left(scene.activities) == 0
        await asyncio.sleep(LIMITS.local_bound + 5)
        assert WorkItem.decode((await scene.receive(scene.activities)).body).name == "rest"

    play(scenario)


def test_an_activity_whose_run_may_have_died_goes_to_the_queue():
    async def scenario(scene: Scene) -> None:
        instance_id = await scene.client.start_new("slow", client_input=1000)
        await scene.invoke(await scene.receive(scene.instances))
        kept = await scene.hub.store.load_header(instance_id)
        assert kept is not None
        scene.invocations = Invocations(LIMITS)
        registry = scene.worker._context.registry
        other = Worker(scene.hub, registry, SETTINGS, repair=False, intake=scene.invocations)
        await scene.worker.stop(0.0)
        await other.start()
        scene.worker = other
        await scene.invoke(await scene.receive(scene.instances), dequeue_count=2)
        assert WorkItem.decode((await scene.receive(scene.activities)).body).name == "rest"
        await other.stop(0.0)

    play(scenario)


def test_a_message_of_somebody_else_is_dropped_and_told_of(caplog: pytest.LogCaptureFixture):
    async def scenario(scene: Scene) -> None:
        for deliver in (
            scene.invocations.deliver_doorbell,
            scene.invocations.run_work_item,
        ):
            await deliver("hello", 1)
        await scene.invocations.put_back_doorbell("hello")
        await scene.invocations.put_back_work_item("hello")

    play(scenario)
    assert sum("not one of this task hub" in line for line in caplog.messages) == 4


@pytest.mark.parametrize("poisoned", [False, True])
def test_a_message_of_a_newer_version_is_put_back_as_it_is_ever_later(
    poisoned: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    async def scenario(scene: Scene) -> None:
        with monkeypatch.context() as newer:
            newer.setitem(VERSIONS, Record.doorbell, 2)
            body = Doorbell("x", "d1", Cause.repair, "because").encode()
        before = json.loads(body)
        for pause in (1, 2, 4):
            begun = scene.hub.clock.monotonic()
            if poisoned:
                await scene.invocations.put_back_doorbell(body)
            else:
                await scene.invocations.deliver_doorbell(body, 1)
            message = await scene.receive(scene.instances)
            assert round(scene.hub.clock.monotonic() - begun) == pause
            body = message.body
        after = json.loads(body)
        rank = {name: after.pop(name, 0) for name in ("again", "tag", "poisoned")}
        assert (after, rank["again"], rank["poisoned"]) == (before, 3, 3 * poisoned)

    play(scenario)
    assert sum("is left for another worker" in line for line in caplog.messages) == 3


def test_a_doorbell_comes_back_from_the_poison_queue_ever_later_by_the_same_id():
    async def scenario(scene: Scene) -> None:
        body = Doorbell("x", "d1", Cause.started, "new").encode()
        pauses: list[float] = []
        for _ in range(3):
            begun = scene.hub.clock.monotonic()
            await scene.invocations.put_back_doorbell(body)
            message = await scene.receive(scene.instances)
            pauses.append(round(scene.hub.clock.monotonic() - begun))
            body = message.body
        assert pauses == [30, 60, 120]
        again = Doorbell.decode(body)
        assert again == Doorbell("x", "d1", Cause.started, "new", again=3, tag=again.tag, poisoned=3)

    play(scenario)


def test_an_instance_whose_doorbell_is_given_up_too_often_fails_with_the_reason():
    async def scenario(scene: Scene) -> None:
        instance_id = await scene.client.start_new("slow", client_input=1)
        body = (await scene.receive(scene.instances)).body
        for _ in range(MOST_ROUNDS):
            await scene.invocations.put_back_doorbell(body)
            body = (await scene.receive(scene.instances)).body
        await scene.invocations.deliver_doorbell(body, 1)
        status = await scene.client.get_status(instance_id)
        assert status.runtime_status is not None
        assert status.runtime_status.value == "Failed"
        assert f"gave up the message for instance {instance_id!r} {MOST_ROUNDS} times" in str(status.output)

    play(scenario)


def test_an_activity_whose_message_is_given_up_too_often_fails_for_its_orchestrator():
    async def scenario(scene: Scene) -> None:
        scene.worker._slots._runs._slow.add("rest")
        instance_id = await scene.client.start_new("caught")
        await scene.invoke(await scene.receive(scene.instances))
        body = (await scene.receive(scene.activities)).body
        for _ in range(MOST_ROUNDS):
            await scene.invocations.put_back_work_item(body)
            body = (await scene.receive(scene.activities)).body
        serving = asyncio.ensure_future(scene.invocations.run_work_item(body, 1))
        output = await scene.output(instance_id)
        await serving
        assert f"gave up the message for activity 'rest' of instance {instance_id!r}" in output

    play(scenario)


def test_an_activity_that_ends_its_process_is_begun_no_more_when_the_host_gives_up_its_message():
    async def scenario(scene: Scene) -> None:
        scene.worker._slots._runs._slow.add("rest")
        begun = 0

        async def dies(self: LocalRuns, *_: object) -> TaskCompleted:
            nonlocal begun
            begun += 1
            raise asyncio.CancelledError  # The process is gone, and settles nothing.

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(LocalRuns, "run", dies)
            patch.setattr(Invocation, "release", _nothing)
            instance_id = await scene.client.start_new("caught")
            await scene.invoke(await scene.receive(scene.instances))
            body = (await scene.receive(scene.activities)).body
            for count in range(1, 6):
                serving = asyncio.ensure_future(scene.invocations.run_work_item(body, count))
                await asyncio.sleep(1.0)
                serving.cancel()
            await scene.invocations.put_back_work_item(body)
            message = await scene.receive(scene.activities)
            serving = asyncio.ensure_future(scene.invocations.run_work_item(message.body, 1))
            assert "taken up 5 times" in await asyncio.wait_for(scene.output(instance_id), 600.0)
            await serving
        assert begun == 5

    play(scenario)


def test_an_invocation_outlasts_storage_for_a_while_before_it_fails(monkeypatch: pytest.MonkeyPatch):
    async def scenario(scene: Scene) -> None:
        await scene.client.start_new("slow", client_input=1000)
        message = await scene.receive(scene.instances)

        async def unreachable(*_: Any) -> QueueMessage:
            raise StorageUnavailableError("nobody answers")

        monkeypatch.setattr(scene.hub.store, "put_message", unreachable)
        begun = scene.hub.clock.monotonic()
        with pytest.raises(StorageUnavailableError):
            await scene.invoke(message)
        assert scene.hub.clock.monotonic() - begun >= LIMITS.give_up_after

    play(scenario)


def test_an_invocation_returns_when_storage_is_back(monkeypatch: pytest.MonkeyPatch):
    async def scenario(scene: Scene) -> None:
        await scene.client.start_new("slow", client_input=1000)
        message = await scene.receive(scene.instances)
        put = scene.hub.store.put_message
        back_at = scene.hub.clock.monotonic() + 30

        async def sometimes(*args: Any) -> QueueMessage:
            if scene.hub.clock.monotonic() < back_at:
                raise StorageUnavailableError("nobody answers")
            return await put(*args)

        monkeypatch.setattr(scene.hub.store, "put_message", sometimes)
        assert 30 <= await scene.invoke(message) < 40
        monkeypatch.undo()
        assert await scene.left(scene.instances) == 1

    play(scenario)
