"""Rewinding (R24): one conditional commit, and what the turn after it names; nothing of before is taken for after."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from azure_durable_py.errors import InstanceNotFailedError, InstanceNotFoundError
from azure_durable_py.ids import EntityId
from azure_durable_py.taskhub import outgoing, rewinding
from azure_durable_py.taskhub.clearing import purge
from azure_durable_py.taskhub.handing_over import replace_finished
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.rewinding import rewind
from azure_durable_py.worker.instance import claims, header_draft, inbox, results
from azure_durable_py.worker.instance.orchestration_draft import OrchestrationDraft
from tests.protocol.staging import Routine, ScriptedStore, Stage, commit_of, doorbell_for, play, to

broken: set[str] = set()
"""The instances whose code has a bug that is still to be mended."""


@pytest.fixture(autouse=True)
def one_bug() -> None:
    broken.clear()
    broken.add("brittle")


def brittle(context: Any) -> Routine:
    yield context.call_activity("rest", 0)
    if context.instance_id in broken:
        raise RuntimeError("a bug")
    return "mended"


def sits(context: Any) -> Routine:
    return (yield context.wait_for_external_event("go"))


def collects(context: Any) -> Routine:
    return (yield context.task_all([context.wait_for_external_event("item") for _ in range(3)]))


def tells(context: Any) -> Routine:
    context.send_event("hears", "item", "begun")
    try:
        yield context.call_sub_orchestrator("brittle", None, "brittle")
    except Exception:
        context.send_event("hears", "item", "failed")
        raise
    context.send_event("hears", "item", "done")


def rests_after_a_failure(context: Any) -> Routine:
    """Its task 1 is another one, as the child fails or not."""
    try:
        yield context.call_sub_orchestrator("brittle", None, "brittle")
    except Exception:
        context.call_activity("rest", 60.0)
        yield context.create_timer(context.current_utc_datetime)
        raise
    return (yield context.call_activity("rest", 20.0))


def hasty(context: Any) -> Routine:
    children = [context.call_sub_orchestrator(name, None, name) for name in ("sits", "brittle")]
    return (yield context.task_all(children))


def has_child(context: Any) -> Routine:
    return (yield context.call_sub_orchestrator("brittle", None, "brittle"))


async def _failed(stage: Stage, name: str) -> None:
    await stage.start(name, name)
    await stage.finished(name)
    assert (await stage.header(name)).columns.runtime_status == "Failed"


async def _mend(stage: Stage, name: str) -> None:
    broken.clear()
    await rewind(stage.hub, name, "mended")


async def _said(stage: Stage) -> Any:
    await stage.worker("W1")
    await stage.start("collects", "hears")
    await _failed(stage, "tells")
    await _mend(stage, "tells")
    return await stage.finished("hears")


def test_r24_what_is_sent_after_a_rewind_is_no_repetition_of_what_was_sent_before() -> None:
    async def scene() -> None:
        assert await _said(Stage(tells, collects, brittle)) == ["begun", "failed", "done"]

    play(scene)


def test_without_attempts_in_the_numbers_it_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (outgoing, claims, header_draft):
        monkeypatch.setattr(module, "number_of", lambda generation, attempt, decision: (generation << 32) | decision)

    async def scene() -> None:
        with pytest.raises(AssertionError, match="hears is stuck"):
            await _said(Stage(tells, collects, brittle))

    play(scene)


async def _rested(stage: Stage) -> Any:
    await stage.worker("W1")
    await _failed(stage, "rests_after_a_failure")
    await asyncio.sleep(50.0)
    await _mend(stage, "rests_after_a_failure")
    return await stage.finished("rests_after_a_failure")


def test_r24_an_answer_to_what_counts_no_more_is_not_taken_for_another_task() -> None:
    async def scene() -> None:
        assert await _rested(Stage(rests_after_a_failure, brittle)) == 20.0

    play(scene)


def test_without_attempts_in_targets_a_task_gets_the_answer_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (inbox, results):
        monkeypatch.setattr(module, "matches", lambda target, state: target.execution_id == state.execution_id)

    async def scene() -> None:
        assert await _rested(Stage(rests_after_a_failure, brittle)) == 60.0

    play(scene)


# --- children ------------------------------------------------------------------------------------------


async def _both(stage: Stage) -> Any:
    await stage.worker("W1")
    await _failed(stage, "hasty")
    await _mend(stage, "hasty")
    await asyncio.sleep(30.0)
    await stage.raise_event("sits", "go", "told")
    return await stage.finished("hasty")


def test_r24_a_child_that_goes_on_answers_the_attempt_that_waits_for_it_now() -> None:
    async def scene() -> None:
        assert await _both(Stage(hasty, sits, brittle)) == ["told", "mended"]

    play(scene)


def test_without_a_new_address_it_answers_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leave(*_: Any) -> None:
        pass

    monkeypatch.setattr(rewinding, "_readdress", leave)

    async def scene() -> None:
        with pytest.raises(AssertionError, match="hasty is stuck"):
            await _both(Stage(hasty, sits, brittle))

    play(scene)


def test_r24_a_child_that_ends_while_it_gets_its_new_address_answers_once_more() -> None:
    async def scene() -> None:
        stage = Stage(hasty, sits, brittle)
        first = await stage.worker("W1")
        await _failed(stage, "hasty")
        await stage.quiet()
        address = first.store.hold("commit", commit_of("sits"))
        await _mend(stage, "hasty")
        await address.reached.wait()
        await stage.raise_event("sits", "go", "told")
        assert await stage.finished("sits") == "told"
        address.go.set()
        assert await stage.finished("hasty") == ["told", "mended"]

    play(scene)


def test_r24_a_worker_that_dies_when_it_has_rewound_a_child_is_followed_by_one_that_rings_it() -> None:
    async def scene() -> None:
        stage = Stage(has_child, brittle)
        first = await stage.worker("W1")
        await _failed(stage, "has_child")
        await stage.quiet()
        died = first.store.last("commit", commit_of("brittle"))
        await _mend(stage, "has_child")
        await died.reached.wait()
        assert (await stage.header("brittle")).columns.runtime_status == "Pending"
        await stage.worker("W2")
        assert await stage.finished("has_child") == "mended"
        assert (await stage.state("brittle")).attempt == 1

    play(scene)


# --- entities ------------------------------------------------------------------------------------------


def counter(context: Any) -> None:
    context.set_state(context.get_state(lambda: 0) + 1)
    context.set_result(context.get_state())


def counts(context: Any) -> Routine:
    call = context.call_entity(EntityId("counter", "k"), "add")
    found = yield context.task_all([call, context.call_sub_orchestrator("brittle", None, "brittle")])
    return found[0]


async def _counted(stage: Stage) -> Any:
    stage.entities.append(counter)
    first = await stage.worker("W1")
    first.store.refuse("insert_inbox", to("@counter@k"), times=1_000_000)
    await _failed(stage, "counts")
    assert (await stage.state("counts")).has_sends
    first.store.freeze()
    await _mend(stage, "counts")
    await stage.worker("W2")
    return await stage.finished("counts")


def test_r24_a_call_that_was_not_handed_over_before_the_rewind_is_handed_over_once() -> None:
    async def scene() -> None:
        assert await _counted(Stage(counts, brittle)) == 1

    play(scene)


def test_without_superseding_it_is_handed_over_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OrchestrationDraft, "_supersede", lambda self, reopened: None)

    async def scene() -> None:
        assert await _counted(Stage(counts, brittle)) == 2

    play(scene)


# --- who rewinds -----------------------------------------------------------------------------------------


async def _client(stage: Stage) -> tuple[TaskHub, ScriptedStore]:
    store = ScriptedStore(stage.store)
    hub = TaskHub(store, stage.clock)
    await hub.open()
    return hub, store


def test_r24_a_client_that_dies_before_it_rings_is_followed_by_one_that_only_rings() -> None:
    async def scene() -> None:
        stage = Stage(brittle)
        await stage.worker("W1")
        await _failed(stage, "brittle")
        broken.clear()
        hub, store = await _client(stage)
        died = store.last("commit")
        dead = asyncio.ensure_future(rewind(hub, "brittle", "mended"))
        await died.reached.wait()
        await asyncio.sleep(60.0)
        assert (await stage.header("brittle")).columns.runtime_status == "Pending"
        await rewind(stage.hub, "brittle", "mended")
        assert await stage.finished("brittle") == "mended"
        assert (await stage.state("brittle")).attempt == 1
        dead.cancel()

    play(scene)


@pytest.mark.parametrize("lost", ["commit", "put_message"])
def test_r24_a_lost_answer_rewinds_once(lost: str) -> None:
    async def scene() -> None:
        stage = Stage(brittle)
        await stage.worker("W1")
        await _failed(stage, "brittle")
        broken.clear()
        hub, store = await _client(stage)
        store.lose_answer(lost, commit_of("brittle") if lost == "commit" else doorbell_for("brittle"))
        await rewind(hub, "brittle", "mended")
        assert await stage.finished("brittle") == "mended"
        assert (await stage.state("brittle")).attempt == 1

    play(scene)


def test_r24_an_instance_that_was_replaced_or_purged_meanwhile_is_not_rewound() -> None:
    async def scene() -> None:
        stage = Stage(brittle, sits)
        await stage.worker("W1")
        for end in ("replaced", "purged"):
            broken.add("one")
            await stage.start("brittle", "one")
            await stage.finished("one")
            hub, store = await _client(stage)
            commit = store.hold("commit")
            rewinding_ = asyncio.ensure_future(rewind(hub, "one", "mended"))
            await commit.reached.wait()
            if end == "purged":
                await purge(stage.hub, "one")
                expected: type[Exception] = InstanceNotFoundError
            else:
                await replace_finished(stage.hub, StartRequest("one", "e-new", "sits", stage.clock.now(), "null"))
                expected = InstanceNotFailedError
            commit.go.set()
            with pytest.raises(expected):
                await rewinding_
            if end == "replaced":
                assert (await stage.state("one")).attempt == 0
                await stage.terminate("one")
                await stage.finished("one")
                await purge(stage.hub, "one")

    play(scene)
