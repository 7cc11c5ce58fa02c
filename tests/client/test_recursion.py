"""What terminating and purging with `recurse` and `recursive` reaches, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import InstanceAlreadyExistsError
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Commit, TaskHubStore
from azure_durable_py.taskhub.wrapping import StoreWrapper
from azure_durable_py.testing import VirtualHub, play

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
async def family(context: df.DurableOrchestrationContext) -> list[str]:
    """Starts as many generations of two children each as its input says; the youngest wait for `Go`."""
    depth: int = context.get_input()
    if depth == 0:
        return [await context.wait_for_external_event("Go")]
    ids = [f"{context.instance_id}.{number}" for number in range(2)]
    results = await context.task_all([context.call_sub_orchestrator("family", depth - 1, each) for each in ids])
    return [item for result in results for item in result]


@app.orchestration_trigger(context_name="context")
async def leaves_a_child(context: df.DurableOrchestrationContext) -> str:
    child = context.call_sub_orchestrator("family", 0, "left-behind")
    ready = context.wait_for_external_event("Ready")
    await context.task_any([child, ready])
    return "did not wait"


@app.orchestration_trigger(context_name="context")
async def goes_on(context: df.DurableOrchestrationContext) -> None:
    if context.get_input() == "first":
        context.call_sub_orchestrator("family", 0, "of-the-first")
        await context.wait_for_external_event("Ready")
        context.continue_as_new("second")
        return
    await context.call_sub_orchestrator("family", 0, "of-the-second")


class ProcessDiedError(Exception):
    """It ends here."""


class DiesAfter(StoreWrapper):
    """The process dies when it is about to delete the next instance.

    :param deletions: how many instances it still deletes.
    """

    def __init__(self, inner: TaskHubStore, deletions: int) -> None:
        self._left = deletions
        super().__init__(inner)

    def around(self, name: str, call: Any) -> Any:
        if name != "commit":
            return call

        async def commit(commit: Commit) -> str:
            if commit.header is None:
                self._left -= 1
                if self._left < 0:
                    raise ProcessDiedError
            return await call(commit)

        return commit


EVERYBODY = [
    "top",
    "top.0",
    "top.0.0",
    "top.0.1",
    "top.1",
    "top.1.0",
    "top.1.1",
]


async def statuses(hub: VirtualHub) -> dict[str, Status | None]:
    return {str(status.instance_id): status.runtime_status for status in await hub.client.get_status_all()}


def test_terminating_reaches_children_and_grandchildren_that_run() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("family", "top", 2)
        await hub.at_rest()
        assert await statuses(hub) == dict.fromkeys(EVERYBODY, Status.Running)
        await hub.client.terminate("top", "enough", recurse=True)
        await hub.at_rest()
        assert {status.output for status in await hub.client.get_status_all()} == {"enough"}
        return await statuses(hub)

    assert play(app, scenario) == dict.fromkeys(EVERYBODY, Status.Terminated)


def test_terminating_leaves_children_that_have_finished_as_they_are() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("family", "top", 1)
        await hub.at_rest()
        await hub.client.raise_event("top.0", "Go", "done")
        await hub.client.wait_for_completion("top.0")
        await hub.client.terminate("top", "enough", recurse=True)
        await hub.at_rest()
        return await statuses(hub)

    assert play(app, scenario) == {
        "top": Status.Terminated,
        "top.0": Status.Completed,
        "top.1": Status.Terminated,
    }


def test_terminating_without_recursion_leaves_children_running() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("family", "top", 1)
        await hub.at_rest()
        await hub.client.terminate("top", "enough")
        await hub.at_rest()
        return await statuses(hub)

    assert play(app, scenario) == {"top": Status.Terminated, "top.0": Status.Running, "top.1": Status.Running}


def test_terminating_reaches_nobody_through_an_instance_that_has_finished() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("leaves_a_child", "top")
        await hub.at_rest()
        await hub.client.raise_event("top", "Ready")
        await hub.client.wait_for_completion("top")
        assert not await hub.client.terminate("top", "enough", recurse=True)
        await hub.at_rest()
        return await statuses(hub)

    assert play(app, scenario) == {"top": Status.Completed, "left-behind": Status.Running}


def test_terminating_reaches_children_of_the_current_generation() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("goes_on", "top", "first")
        await hub.at_rest()
        await hub.client.raise_event("top", "Ready")
        await hub.at_rest()
        await hub.client.terminate("top", "enough", recurse=True)
        await hub.at_rest()
        return await statuses(hub)

    assert play(app, scenario) == {
        "top": Status.Terminated,
        "of-the-second": Status.Terminated,
        "of-the-first": Status.Running,
    }


def test_purging_takes_finished_children_and_grandchildren_along() -> None:
    async def scenario(hub: VirtualHub) -> int:
        await hub.client.start_new("family", "top", 2)
        await hub.at_rest()
        await hub.client.terminate("top", "enough", recurse=True)
        await hub.at_rest()
        deleted = (await hub.client.purge_instance_history("top", recursive=True)).instances_deleted
        assert await statuses(hub) == {}
        return deleted

    assert play(app, scenario) == len(EVERYBODY)


def test_a_purge_that_was_broken_off_can_be_repeated() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("family", "top", 2)
        await hub.at_rest()
        await hub.client.terminate("top", "enough", recurse=True)
        await hub.at_rest()
        for deletions in range(len(EVERYBODY)):
            store = DiesAfter(hub.store, deletions)
            client = DurableOrchestrationClient(TaskHub(store, hub.clock, hub.task_hub.ids), hub.settings)
            with pytest.raises(ProcessDiedError):
                await client.purge_instance_history("top", recursive=True)
            left = await statuses(hub)
            assert "top" in left
            if len(left) < len(EVERYBODY):
                break
        await hub.client.purge_instance_history("top", recursive=True)
        return await statuses(hub)

    assert play(app, scenario) == {}


def test_purging_leaves_children_that_run() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("leaves_a_child", "top")
        await hub.at_rest()
        await hub.client.raise_event("top", "Ready")
        await hub.client.wait_for_completion("top")
        assert (await hub.client.purge_instance_history("top", recursive=True)).instances_deleted == 1
        return await statuses(hub)

    assert play(app, scenario) == {"left-behind": Status.Running}


def test_purging_an_instance_that_runs_is_refused_and_takes_nobody() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("family", "top", 1)
        await hub.at_rest()
        await hub.client.raise_event("top.0", "Go")
        await hub.client.wait_for_completion("top.0")
        try:
            await hub.client.purge_instance_history("top", recursive=True)
        except InstanceAlreadyExistsError:
            return await statuses(hub)
        raise AssertionError("it was purged")

    assert play(app, scenario) == {"top": Status.Running, "top.0": Status.Completed, "top.1": Status.Running}


def test_purging_leaves_children_of_former_generations() -> None:
    async def scenario(hub: VirtualHub) -> dict[str, Status | None]:
        await hub.client.start_new("goes_on", "top", "first")
        await hub.at_rest()
        for each, name in (("of-the-first", "Go"), ("top", "Ready"), ("of-the-second", "Go")):
            await hub.client.raise_event(each, name)
            await hub.at_rest()
        assert (await hub.client.purge_instance_history("top", recursive=True)).instances_deleted == 2
        return await statuses(hub)

    assert play(app, scenario) == {"of-the-first": Status.Completed}
