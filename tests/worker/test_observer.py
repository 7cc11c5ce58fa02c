"""What the engine tells an observer is what became true, once; and no observer can harm the engine."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable
from contextlib import nullcontext
from contextvars import ContextVar
from datetime import timedelta
from types import TracebackType
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    EventRaised,
    ExecutionSuspended,
    ExecutionTerminated,
    OperationArrived,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
)
from azure_durable_py.observer import (
    NOBODY,
    ActivityRun,
    EntityTurnTaken,
    FirstTurn,
    InstanceStarted,
    MessageSent,
    Observation,
    Observer,
    OperationRun,
    StorageCall,
    StorageRetry,
    TurnTaken,
)
from azure_durable_py.observers import joined
from azure_durable_py.retry_policy import FailedAttempt
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.outage import Outage
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.reading import read_history
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.testing import VirtualHub, run_virtual
from azure_durable_py.testing.virtual.hub import EPOCH
from azure_durable_py.trace_context import TraceContext
from tests.protocol.staging import Stage
from tests.protocol.staging import play as play_scene

Context = df.DurableOrchestrationContext
around: ContextVar[str] = ContextVar("around", default="nobody")
app = df.DFApp()
seen_around: list[str] = []
"""What user code found in its context."""


@app.orchestration_trigger(context_name="context")
async def chain(context: Context) -> list[str]:
    return [await context.call_activity("say", word) for word in ("one", "two")]


@app.activity_trigger(input_name="word")
def say(word: str) -> str:
    seen_around.append(around.get())
    return f"{word}!"


@app.orchestration_trigger(context_name="context")
async def patient(context: Context) -> Any:
    await context.create_timer(timedelta(hours=1))
    return await context.wait_for_external_event("Decision")


@app.orchestration_trigger(context_name="context")
async def stubborn(context: Context) -> None:
    options = df.RetryOptions(5000, 3)
    await context.call_activity_with_retry("explode", options, "now")


@app.activity_trigger(input_name="word")
def explode(word: str) -> None:
    raise ValueError(f"no luck {word}")


@app.orchestration_trigger(context_name="context")
async def counts(context: Context) -> int:
    return await context.call_entity(df.EntityId("counter", "a"), "add", 2)


@app.orchestration_trigger(context_name="context")
async def parent(context: Context) -> Any:
    return await context.call_sub_orchestrator("chain", instance_id="child")


@app.orchestration_trigger(context_name="context")
async def again(context: Context) -> str | None:
    if context.get_input() < 1:
        context.continue_as_new(context.get_input() + 1)
        return None
    return "done"


@app.orchestration_trigger(context_name="context")
async def rounds(context: Context) -> None:
    await context.call_activity("say", "round")
    if context.get_input() < 1:
        context.continue_as_new(context.get_input() + 1)


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    if context.operation_name == "break":
        raise ValueError("broken")
    seen_around.append(around.get())
    context.set_state(context.get_state(lambda: 0) + (context.get_input() or 0))
    context.set_result(context.get_state())


class Noting(Observer):
    """Notes what it is told, and whether a watch is left as it was entered."""

    watches_storage = True

    def __init__(self) -> None:
        self.turns: list[TurnTaken] = []
        self.entity_turns: list[EntityTurnTaken] = []
        self.runs: list[ActivityRun | OperationRun] = []
        self.outcomes: list[tuple[str | None, FailureDetails | None]] = []
        self.starts: list[InstanceStarted] = []
        self.messages: list[MessageSent] = []
        self.calls: list[StorageCall] = []
        self.retries: list[StorageRetry] = []
        self.open = 0

    def turn(self, taken: TurnTaken) -> None:
        self.turns.append(taken)

    def entity_turn(self, taken: EntityTurnTaken) -> None:
        self.entity_turns.append(taken)

    def activity(self, run: ActivityRun) -> Observation:
        return self._watch(run, run.name)

    def operation(self, run: OperationRun) -> Observation:
        return self._watch(run, run.operation)

    def _watch(self, run: ActivityRun | OperationRun, name: str) -> Observation:
        self.runs.append(run)
        return NotingWatch(self, name)

    def started(self, started: InstanceStarted) -> None:
        self.starts.append(started)

    def sent(self, sent: MessageSent) -> None:
        self.messages.append(sent)

    def storage(self, call: StorageCall) -> None:
        self.calls.append(call)

    def retry(self, retry: StorageRetry) -> None:
        self.retries.append(retry)


class NotingWatch(Observation):
    def __init__(self, noting: Noting, name: str) -> None:
        self._noting = noting
        self._name = name

    def __enter__(self) -> Observation:
        self._noting.open += 1
        self._token = around.set(self._name)
        return self

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        self._noting.outcomes.append((result, failure))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        around.reset(self._token)
        self._noting.open -= 1


def play(scenario: Callable[[VirtualHub], Any], observer: Observer, **options: Any) -> None:
    """Play a scenario, with an observer of client and worker."""

    async def main() -> None:
        async with VirtualHub(app, observer=observer, **options) as hub:
            await scenario(hub)

    run_virtual(main())


def observed(scenario: Callable[[VirtualHub], Any], **options: Any) -> Noting:
    """What an observer is told while a scenario is played to its end."""
    noting = Noting()

    async def play_it(hub: VirtualHub) -> None:
        await scenario(hub)
        await hub.at_rest()

    play(play_it, noting, **options)
    assert noting.open == 0
    return noting


async def run_chain(hub: VirtualHub) -> None:
    await hub.client.start_new("chain", "c", version="1.0", tags={"who": "me"})
    await hub.client.wait_for_completion("c")


def test_what_is_told_of_the_turns_is_the_history():
    noting = Noting()

    async def scenario(hub: VirtualHub) -> None:
        await run_chain(hub)
        await hub.at_rest()
        header = await hub.task_hub.store.load_header("c")
        assert header is not None
        history = await read_history(hub.task_hub.store, "c", InstanceState.decode(header.body))
        assert [event for turn in noting.turns for event in turn.events] == history

    play(scenario, noting)


def test_a_turn_says_of_which_instance_it_is_and_what_became_of_that():
    first, *_, last = observed(run_chain).turns
    assert (first.instance_id, first.name, first.version, first.tags) == ("c", "chain", "1.0", '{"who":"me"}')
    assert (first.status_before, first.status, first.is_first) == ("Pending", "Running", True)
    assert (last.status_before, last.status, last.is_first) == ("Running", "Completed", False)
    assert last.end is not None
    assert first.end is None
    assert first.created_at - EPOCH < timedelta(seconds=1)


def test_the_decision_that_an_answer_belongs_to_can_be_had_though_the_instance_has_ended():
    last = observed(run_chain).turns[-1]
    decided = last.decision(1)
    assert isinstance(decided, TaskScheduled)
    assert decided.name == "say"
    with pytest.raises(CorruptRowError):
        last.decision(17)


def test_a_replayed_event_is_told_once_and_the_turn_says_that_it_replayed():
    async def scenario(hub: VirtualHub) -> None:
        await run_chain(hub)

    noting = observed(scenario, settings=Settings(hub_name="Told", extended_sessions=False))
    assert len({id(event) for turn in noting.turns for event in turn.events}) == sum(
        len(turn.events) for turn in noting.turns
    )
    assert [turn.replayed for turn in noting.turns] == [0, 3, 6]


def test_a_turn_says_since_when_it_was_ready():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("chain", "late", start_at=hub.now + timedelta(hours=2))
        await hub.client.start_new("patient", "p")
        await asyncio.sleep(2 * 3600)
        await hub.client.raise_event("p", "Decision", True)
        await hub.client.wait_for_completion("late")
        await hub.client.wait_for_completion("p")

    turns = observed(scenario).turns
    [late] = [turn for turn in turns if turn.instance_id == "late" and turn.is_first]
    _, fired, raised = [turn for turn in turns if turn.instance_id == "p"]
    assert abs(late.ready_since - (EPOCH + timedelta(hours=2))) < timedelta(seconds=1)
    assert abs(fired.ready_since - (EPOCH + timedelta(hours=1))) < timedelta(seconds=1)
    assert abs(raised.ready_since - (EPOCH + timedelta(hours=2))) < timedelta(seconds=1)
    assert fired.waits_for == ("Decision",)
    assert raised.waits_for == ()


def test_the_attempts_of_a_retry_policy_are_told_with_their_failures():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("stubborn", "s")
        await hub.client.wait_for_completion("s")

    for settings in (Settings(hub_name="Told"), Settings(hub_name="Told", extended_sessions=False)):
        failing = [turn for turn in observed(scenario, settings=settings).turns if turn.failed_attempts]
        assert [list(turn.failed_attempts.values()) for turn in failing] == [
            [FailedAttempt(1, 3, timedelta(seconds=5))],
            [FailedAttempt(2, 3, timedelta(seconds=5))],
            [FailedAttempt(3, 3, None)],
        ]
        for turn in failing:
            [failed] = [event for event in turn.arrived if isinstance(event, TaskFailed)]
            assert list(turn.failed_attempts) == [failed.task_id]
        assert [type(event) for event in failing[0].decided] == [TimerCreated]


@pytest.mark.parametrize("extended_sessions", [True, False])
def test_a_turn_tells_the_attempts_that_it_began_but_the_first(extended_sessions: bool):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("stubborn", "s")
        await hub.client.wait_for_completion("s")

    settings = Settings(hub_name="Told", extended_sessions=extended_sessions)
    turns = observed(scenario, settings=settings).turns
    tried = [(event.id, turn) for turn in turns for event in turn.decided if isinstance(event, TaskScheduled)]
    assert [turn.attempts.get(task_id) for task_id, turn in tried] == [None, 2, 3]
    assert sum(len(turn.attempts) for turn in turns) == 2


def test_the_generations_of_an_instance_are_told_apart():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("again", "g", 0)
        await hub.client.wait_for_completion("g")

    turns = observed(scenario).turns
    assert [(turn.generation, turn.is_first, turn.status) for turn in turns] == [
        (0, True, "Running"),
        (1, False, "Completed"),
    ]


def test_generations_of_one_commit_each_tell_what_they_replayed():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("rounds", "g", 0)
        await hub.client.wait_for_completion("g")

    turns = observed(scenario, settings=Settings(hub_name="Told", extended_sessions=False)).turns
    assert [(turn.generation, turn.replayed) for turn in turns] == [(0, 0), (0, 3), (1, 0), (1, 3)]
    assert all(before.taken_at < after.taken_at for before, after in itertools.pairwise(turns))


def test_a_sub_orchestration_is_told_with_its_parent():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("parent", "p")
        await hub.client.wait_for_completion("p")

    noting = observed(scenario)
    [child] = [turn for turn in noting.turns if turn.instance_id == "child" and turn.is_first]
    assert child.parent is not None
    assert child.parent.instance_id == "p"
    assert [started.instance_id for started in noting.starts] == ["p"]


def test_an_activity_runs_within_what_the_observer_enters():
    seen_around.clear()
    noting = observed(run_chain)
    assert seen_around == ["say", "say"]
    assert [(run.instance_id, run.task_id, run.input) for run in noting.runs if isinstance(run, ActivityRun)] == [
        ("c", 0, '"one"'),
        ("c", 1, '"two"'),
    ]
    assert noting.outcomes == [('"one!"', None), ('"two!"', None)]


def test_an_activity_of_a_thread_runs_within_what_the_observer_enters():
    noting = Noting()
    seen_around.clear()

    async def main() -> None:
        store = SqliteStore(None, hub_name="Threads")
        hub = TaskHub(store, observer=noting)
        await hub.open()
        from azure_durable_py.client.client import DurableOrchestrationClient
        from azure_durable_py.worker.worker import Worker

        settings = Settings(hub_name="Threads")
        worker = Worker(hub, app.registry, settings)
        await worker.start()
        try:
            client = DurableOrchestrationClient(hub, settings)
            await client.start_new("chain", "c")
            await client.wait_for_completion("c", 30)
        finally:
            await worker.stop()
            await hub.close()

    asyncio.run(main())
    assert seen_around == ["say", "say"]


def test_an_activity_that_fails_tells_its_failure():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("stubborn", "s")
        await hub.client.wait_for_completion("s")

    [first, *_] = observed(scenario).outcomes
    assert first[0] is None
    assert first[1] is not None
    assert (first[1].error_type, first[1].message) == ("ValueError", "no luck now")


def test_an_operation_runs_within_what_the_observer_enters_and_its_turn_tells_how_it_ended():
    seen_around.clear()

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("counts", "o")
        await hub.client.wait_for_completion("o")
        await hub.client.signal_entity(df.EntityId("counter", "a"), "break")

    noting = observed(scenario)
    assert seen_around == ["add"]
    called, signaled = [run for run in noting.runs if isinstance(run, OperationRun)]
    assert (called.instance_id, called.operation, called.input) == ("@counter@a", "add", "2")
    assert called.caller is not None
    assert called.caller.instance_id == "o"
    assert signaled.caller is None
    done = [operation for turn in noting.entity_turns for operation in turn.operations]
    assert [(each.operation, each.failure is None) for each in done] == [("add", True), ("break", False)]
    assert all(turn.exists for turn in noting.entity_turns)


def test_what_clients_send_is_told():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("patient", "p", tags={"a": "b"})
        await hub.client.raise_event("p", "Other", 1)
        await hub.client.suspend("p", "wait")
        await hub.client.terminate("p", "enough")
        await hub.client.signal_entity(df.EntityId("counter", "a"), "add", 1)
        await hub.client.wait_for_completion("p")

    noting = observed(scenario)
    assert [(started.instance_id, started.name, started.tags) for started in noting.starts] == [
        ("p", "patient", {"a": "b"})
    ]
    assert [type(sent.event) for sent in noting.messages] == [
        EventRaised,
        ExecutionSuspended,
        ExecutionTerminated,
        OperationArrived,
    ]
    assert {sent.execution_id for sent in noting.messages[:3]} == {noting.starts[0].execution_id}


def test_a_start_that_leaves_the_instance_that_is_there_is_not_told():
    leave = df.OrchestrationIdReusePolicy("ignore")

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("patient", "p")
        await hub.client.start_new("patient", "p", id_reuse_policy=leave)
        await hub.client.terminate("p")
        await hub.client.wait_for_completion("p")

    assert len(observed(scenario).starts) == 1


def test_calls_of_storage_are_told_with_what_they_raised():
    noting = observed(run_chain)
    names = {call.name for call in noting.calls}
    assert {"commit", "load", "put_message"} <= names
    assert all(call.error is None and call.seconds >= 0 for call in noting.calls)


def test_calls_of_storage_cost_nothing_where_nobody_wants_them():
    store = SqliteStore(None, hub_name="Quiet")
    assert TaskHub(store).store.inner is store
    assert TaskHub(store, observer=Observer()).store.inner is store
    assert TaskHub(store, observer=Noting()).store.inner is not store


def test_waiting_for_storage_is_told():
    noting = Noting()

    async def scene() -> None:
        stage = Stage()
        cast = await stage.worker("W1", start=False)
        cast.hub.outage = Outage(cast.hub.ids, noting)
        cast.store.refuse("load_header")
        await cast.hub.patiently(lambda: cast.hub.store.load_header("x"), "The test")

    play_scene(scene)
    [retry] = noting.retries
    assert retry.what == "The test"
    assert retry.pause > 0


class Hostile(Observer):
    """Raises at every turn."""

    watches_storage = True

    def turn(self, taken: TurnTaken) -> None:
        raise ValueError("turn")

    def entity_turn(self, taken: EntityTurnTaken) -> None:
        raise ValueError("entity turn")

    def started(self, started: InstanceStarted) -> None:
        raise ValueError("started")

    def sent(self, sent: MessageSent) -> None:
        raise ValueError("sent")

    def storage(self, call: StorageCall) -> None:
        raise ValueError("storage")

    def operation(self, run: OperationRun) -> Observation:
        raise ValueError("operation")

    def activity(self, run: ActivityRun) -> Observation:
        return HostileWatch(run.input == '"one"')


class HostileWatch(Observation):
    def __init__(self, enters: bool) -> None:
        self._enters = enters

    def __enter__(self) -> Observation:
        if not self._enters:
            raise ValueError("enter")
        return self

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        raise ValueError("ended")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise ValueError("exit")


def test_an_observer_that_raises_harms_neither_the_engine_nor_other_observers_and_is_reported_once(
    caplog: pytest.LogCaptureFixture,
):
    noting = Noting()

    async def scenario(hub: VirtualHub) -> None:
        await run_chain(hub)
        await hub.client.start_new("counts", "o")
        assert (await hub.client.wait_for_completion("o")).output == 2
        await hub.client.raise_event(await hub.client.start_new("patient"), "Decision")

    with caplog.at_level(logging.ERROR):
        play(scenario, joined(Hostile(), noting))
    assert noting.turns
    assert len(noting.outcomes) == 3
    methods = [record.getMessage().split()[0] for record in caplog.records if "observer" in record.name]
    assert sorted(methods) == sorted(
        f"Hostile.{name}"
        for name in ("turn", "entity_turn", "started", "sent", "storage", "operation", "__enter__", "ended", "__exit__")
    )
    assert all(record.exc_info for record in caplog.records)


class Elsewhere(Observer):
    """Says what it should not, and fails where nothing is called."""

    @property
    def watches_storage(self) -> bool:  # type: ignore[override]
        raise ValueError("watches")

    @property
    def samples_every(self) -> float | None:
        raise ValueError("samples")

    def turn(self, taken: TurnTaken) -> None:
        raise asyncio.CancelledError

    def root(self, first: FirstTurn) -> TraceContext | None:
        odd: Any = "a root"
        return odd

    def activity(self, run: ActivityRun) -> Observation:
        odd: Any = nullcontext() if run.input == '"one"' else _Placeless()
        return odd

    def sending(self, sending: InstanceStarted | MessageSent) -> Observation:
        found = Observation()
        found.trace = object()  # type: ignore[assignment]
        return found


class _Placeless(Observation):
    @property
    def trace(self) -> TraceContext | None:  # type: ignore[override]
        raise ValueError("place")


def test_an_observer_that_gives_what_is_none_or_is_canceled_harms_nobody(caplog: pytest.LogCaptureFixture):
    noting = Noting()

    async def scenario(hub: VirtualHub) -> None:
        await run_chain(hub)
        await hub.client.raise_event(await hub.client.start_new("patient"), "Decision")

    with caplog.at_level(logging.ERROR):
        play(scenario, joined(Elsewhere(), noting))
    assert noting.turns
    assert {record.getMessage().split()[0] for record in caplog.records if "observer" in record.name} == {
        f"Elsewhere.{name}" for name in ("watches_storage", "samples_every", "turn", "trace")
    }


def test_joining_nobody_is_nobody():
    assert joined() is NOBODY
    assert joined(None, NOBODY) is NOBODY


def test_joining_what_is_joined_tells_each_once():
    noting = Noting()
    both = joined(joined(noting), Observer())
    both.started(InstanceStarted("a", "b", "c", None, None, EPOCH, None))
    assert len(noting.starts) == 1


def test_observing_disturbs_nothing():
    def ids_of(observer: Observer) -> list[str]:
        found: list[str] = []

        async def scenario(hub: VirtualHub) -> None:
            for name in ("chain", "stubborn", "counts"):
                found.append(await hub.client.start_new(name))
                await hub.client.wait_for_completion(found[-1])
            found.append(hub.task_hub.ids.new())
            found.append(hub.now.isoformat())

        play(scenario, observer)
        return found

    assert ids_of(NOBODY) == ids_of(Noting())
