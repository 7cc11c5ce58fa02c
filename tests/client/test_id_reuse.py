"""What starting on an id in use does, by policy."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.client import starter
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.id_reuse import IdReuseAction, OrchestrationIdReusePolicy
from azure_durable_py.errors import InstanceAlreadyExistsError, InvalidRequestError, StorageUnavailableError
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.wrapping import StoreWrapper
from azure_durable_py.testing import VirtualHub, play
from tests.client.playing import Playing, Wall

app = df.DFApp()
Scenario = Callable[[VirtualHub], Coroutine[Any, Any, Any]]


@app.orchestration_trigger(context_name="context")
async def wait(context: df.DurableOrchestrationContext) -> str:
    await context.wait_for_external_event("Go")
    return context.get_input()


@app.orchestration_trigger(context_name="context")
async def quick(context: df.DurableOrchestrationContext) -> str:
    return context.get_input()


async def start(
    client: DurableOrchestrationClient, input_: str, policy: OrchestrationIdReusePolicy | None, name: str = "wait"
) -> str:
    return await client.start_new(name, "one", input_, id_reuse_policy=policy)


# --- what a policy says ------------------------------------------------------------------------------


def test_a_policy_without_states_is_for_every_state() -> None:
    policy = OrchestrationIdReusePolicy("ignore")
    assert {policy.action_for(status.value) for status in Status} == {"ignore"}


def test_a_policy_says_nothing_of_states_that_it_does_not_name() -> None:
    policy = OrchestrationIdReusePolicy("error", [Status.Completed, "failed"])
    assert policy.action_for("Completed") == policy.action_for("Failed") == "error"
    assert policy.action_for("Running") is None


def test_what_is_no_action_or_state_is_refused() -> None:
    nonsense: Any = "replace"
    with pytest.raises(InvalidRequestError, match="error, ignore, terminate"):
        OrchestrationIdReusePolicy(nonsense)
    with pytest.raises(InvalidRequestError, match="'Done' is not a runtime status"):
        OrchestrationIdReusePolicy("error", ["Done"])


# --- one start after another -------------------------------------------------------------------------

ERROR, KEPT, REPLACED = "error", "kept", "replaced"


@pytest.mark.parametrize(
    ("action", "states", "running", "finished"),
    [
        (None, (), ERROR, REPLACED),
        ("error", (), ERROR, ERROR),
        ("ignore", (), KEPT, KEPT),
        ("terminate", (), REPLACED, REPLACED),
        ("error", ("Completed",), ERROR, ERROR),
        ("error", ("Failed",), ERROR, REPLACED),
        ("ignore", ("Pending", "Running", "Suspended"), KEPT, REPLACED),
        ("ignore", ("Completed",), ERROR, KEPT),
        ("terminate", ("Running",), REPLACED, REPLACED),
        ("terminate", ("Failed",), ERROR, REPLACED),
    ],
)
def test_the_policy_decides_over_host_json(
    action: IdReuseAction | None, states: tuple[str, ...], running: str, finished: str
) -> None:
    policy = None if action is None else OrchestrationIdReusePolicy(action, states)

    async def outcome(client: DurableOrchestrationClient) -> str:
        try:
            assert await start(client, "new", policy) == "one"
        except InstanceAlreadyExistsError:
            return ERROR
        return REPLACED if (await client.get_status("one", show_input=True)).input_ == "new" else KEPT

    async def on_running(hub: VirtualHub) -> str:
        await start(hub.client, "old", None)
        await hub.client.wait_for_start("one")
        return await outcome(hub.client)

    async def on_finished(hub: VirtualHub) -> str:
        await start(hub.client, "old", None, "quick")
        await hub.client.wait_for_completion("one")
        return await outcome(hub.client)

    assert (play(app, on_running), play(app, on_finished)) == (running, finished)


def test_a_policy_may_be_stricter_than_any_state() -> None:
    async def scenario(hub: VirtualHub) -> None:
        await start(hub.client, "old", None)
        with pytest.raises(InstanceAlreadyExistsError, match="id reuse policy"):
            await start(hub.client, "new", OrchestrationIdReusePolicy("error"))

    play(app, scenario, settings=Settings(hub_name="TestHub", overridable_existing_instance_states="AnyState"))


async def test_ignoring_an_instance_pending_for_long_rings_it(
    client: DurableOrchestrationClient, worker: Playing, wall: Wall
) -> None:
    await client.start_new("Hello", "one")
    await worker.take_doorbells()
    wall.forward(31)
    await client.start_new("Hello", "one", id_reuse_policy=OrchestrationIdReusePolicy("ignore"))
    assert len(await worker.take_doorbells()) == 1


# --- several at once ---------------------------------------------------------------------------------


def race(policy: OrchestrationIdReusePolicy, before: str | None, clients: int = 4) -> tuple[Counter[str], Any]:
    """Several clients start the same id at once; returns what became of their starts, and the output in the end."""

    async def scenario(hub: VirtualHub) -> tuple[Counter[str], Any]:
        if before is not None:
            await start(hub.client, before, None, "wait" if before == "running" else "quick")
            if before == "running":
                await hub.client.wait_for_start("one")
            else:
                await hub.client.wait_for_completion("one")

        async def attempt(number: int) -> str:
            client = DurableOrchestrationClient(hub.task_hub, hub.settings)
            try:
                return await start(client, f"by {number}", policy)
            except InstanceAlreadyExistsError as error:
                return type(error).__name__

        outcomes = Counter(await asyncio.gather(*(attempt(number) for number in range(clients))))
        await hub.client.raise_event("one", "Go")
        return outcomes, (await hub.client.wait_for_completion("one")).output

    return play(app, scenario)


@pytest.mark.parametrize("before", [None, "finished"])
def test_of_many_starts_that_refuse_a_taken_id_at_most_one_wins(before: str | None) -> None:
    outcomes, output = race(OrchestrationIdReusePolicy("error", ["Pending", "Running"]), before)
    assert outcomes == {"one": 1, "InstanceAlreadyExistsError": 3}
    assert output.startswith("by ")


def test_of_many_starts_that_ignore_a_taken_id_one_is_there_and_none_is_refused() -> None:
    outcomes, output = race(OrchestrationIdReusePolicy("ignore"), None)
    assert outcomes == {"one": 4}
    assert output.startswith("by ")


def test_many_starts_that_ignore_leave_a_running_instance_alone() -> None:
    assert race(OrchestrationIdReusePolicy("ignore"), "running") == ({"one": 4}, "running")


@pytest.mark.parametrize("before", [None, "running", "finished"])
def test_of_many_starts_that_terminate_the_last_one_stays_and_none_is_refused(before: str | None) -> None:
    outcomes, output = race(OrchestrationIdReusePolicy("terminate"), before)
    assert outcomes == {"one": 4}
    assert output.startswith("by ")


async def test_an_instance_that_has_come_meanwhile_is_judged_by_the_state_that_it_is_in(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start means to replace a failed instance. Just then another one takes its place, and completes."""
    await client.start_new("Hello", "one", "failed")
    await worker.fail("one", "boom")
    replace_finished = starter.replace_finished

    async def overtaken(*given: Any) -> Any:
        monkeypatch.setattr(starter, "replace_finished", replace_finished)
        await client.start_new("Hello", "one", "completed")
        await worker.set_status("one", "Completed")
        return await replace_finished(*given)

    monkeypatch.setattr(starter, "replace_finished", overtaken)
    with pytest.raises(InstanceAlreadyExistsError, match="is Completed"):
        await start(client, "new", OrchestrationIdReusePolicy("error", ["Completed"]))
    assert (await client.get_status("one", show_input=True)).input_ == "completed"


class LosesAnswers(StoreWrapper):
    """Every commit takes effect, and its first answer is lost."""

    def around(self, name: str, call: Any) -> Any:
        if name != "commit":
            return call
        seen: set[str] = set()

        async def commit(commit: Any) -> str:
            etag = await call(commit)
            what = str(commit.header and commit.header.columns.turn_id)
            if what in seen:
                return etag
            seen.add(what)
            raise StorageUnavailableError("the answer was lost")

        return commit


@pytest.mark.parametrize("action", ["error", "ignore", "terminate"])
def test_a_start_whose_answer_is_lost_does_not_take_itself_for_another(action: IdReuseAction) -> None:
    async def scenario(hub: VirtualHub) -> str:
        faulty = TaskHub(LosesAnswers(hub.store), hub.clock, hub.task_hub.ids)
        await faulty.open()
        client = DurableOrchestrationClient(faulty, hub.settings)
        assert await start(client, "mine", OrchestrationIdReusePolicy(action)) == "one"
        await hub.client.raise_event("one", "Go")
        return (await hub.client.wait_for_completion("one")).output

    assert play(app, scenario) == "mine"


@pytest.mark.parametrize("before", ["wait", "quick"])
def test_a_replacement_whose_answer_is_lost_is_there_once(before: str) -> None:
    async def scenario(hub: VirtualHub) -> str:
        await start(hub.client, "old", None, before)
        await (hub.client.wait_for_start("one") if before == "wait" else hub.client.wait_for_completion("one"))
        faulty = TaskHub(LosesAnswers(hub.store), hub.clock, hub.task_hub.ids)
        await faulty.open()
        client = DurableOrchestrationClient(faulty, hub.settings)
        assert await start(client, "mine", OrchestrationIdReusePolicy("terminate")) == "one"
        await hub.client.raise_event("one", "Go")
        return (await hub.client.wait_for_completion("one")).output

    assert play(app, scenario) == "mine"
