"""The members of the context, and what orchestrator code must not do."""

from __future__ import annotations

import asyncio
import gc
import logging
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Any
from uuid import NAMESPACE_OID, NAMESPACE_URL, UUID, uuid5

import pytest

from azure_durable_py.errors import OrchestratorError, PayloadTooLargeError, SerializationError
from azure_durable_py.history.events import (
    EntityOperationCalled,
    EntityOperationSignaled,
    EventSent,
    ExecutionStarted,
    ParentInstance,
    SubOrchestrationCreated,
    TaskCompleted,
)
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.names import durable_name
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from tests.runtime.harness import CONVERTER, START, Run, registry_of, run

Status = OrchestrationRuntimeStatus


@dataclass
class Order:
    item: str
    count: int = 1


class Named:
    """Stands for what a durable decorator returns."""

    def __init__(self, name: str, kind: str, function: Any = None) -> None:
        self.durable_name = name
        self.durable_kind = kind
        self.function = function

    def __call__(self, *args: Any) -> Any:
        return self.function(*args)


def failure_of(function: Any) -> str:
    failure = run(function).run("orchestrator").turn.failure
    assert failure is not None
    return failure.message


def test_the_context_tells_about_its_instance() -> None:
    def orchestrator(context):
        assert context.is_replaying is False
        assert context.current_utc_datetime.tzinfo is timezone.utc
        assert not context.will_continue_as_new
        context.function_context.mine = 1
        return [
            context.instance_id,
            context.parent_instance_id,
            context.name,
            context.version,
            context.function_context.mine,
            [type(event).__name__ for event in context.histories],
        ]

    started = run(orchestrator)
    started.check_cold = False
    parent = ParentInstance("mum", "e", 0, 0, 3, "parent", START)
    started.start("orchestrator", None, version="1.1", parent=parent)
    assert started.output == ["instance", "mum", "orchestrator", "1.1", 1, []]


def test_ids_follow_the_formulas_and_share_one_counter() -> None:
    def orchestrator(context):
        yield context.call_activity("a")
        return [context.new_uuid(), str(context.new_guid()), context.new_uuid(), isinstance(context.new_guid(), UUID)]

    started = run(orchestrator)
    started.start("orchestrator")
    started.complete(0)
    namespace = uuid5(NAMESPACE_OID, "9e952958-5e33-4daf-827f-2fa12937b875")
    assert started.output == [
        str(uuid5(namespace, "instance_2026-01-02T03:04:05.000000Z_0")),
        str(uuid5(NAMESPACE_URL, "instance_2026-01-02 03:04:05+00:00_1")),
        str(uuid5(namespace, "instance_2026-01-02T03:04:05.000000Z_2")),
        True,
    ]


def test_time_stands_still_within_a_turn_and_never_goes_back() -> None:
    def orchestrator(context):
        first = context.current_utc_datetime
        yield context.call_activity("a")
        return context.current_utc_datetime == first

    started = run(orchestrator)
    started.start("orchestrator")
    turn = started.live.advance((TaskCompleted(START, 0, "1"),), START - timedelta(hours=1))
    assert turn.output == "true"
    assert turn.events[0].timestamp == START


def test_replay_is_told_to_the_code_and_mutes_its_logger(caplog: pytest.LogCaptureFixture) -> None:
    def orchestrator(context):
        log = context.create_replay_safe_logger(logging.getLogger("mine"))
        replaying.append(context.is_replaying)
        log.warning("first", extra={"more": 1})
        yield context.call_activity("a")
        replaying.append(context.is_replaying)
        context.logger.warning("second")

    replaying: list[bool] = []
    started = run(orchestrator)
    started.check_cold = False
    started.start("orchestrator")
    started.live.close()
    started.live = started.load(started.history)
    started.complete(0)
    assert replaying == [False, True, False]
    assert [(record.message, record.instance_id, record.orchestrator) for record in caplog.records] == [  # type: ignore[attr-defined]
        ("first", "instance", "orchestrator"),
        ("second", "instance", "orchestrator"),
    ]
    assert caplog.records[1].name == "azure_durable_py.orchestrator.orchestrator"


def test_the_input_is_built_as_the_type_asked_for_or_declared() -> None:
    def orchestrator(context):
        return [repr(context.get_input()), repr(context.get_input(Order)), context.get_input(dict)]

    registry = Registry()
    registry.orchestrators.add(OrchestratorDefinition("orchestrator", orchestrator, input_type=Order))
    started = Run(registry).run("orchestrator", {"item": "x", "count": 2})
    assert started.output == ["Order(item='x', count=2)"] * 2 + [{"item": "x", "count": 2}]
    failure = Run(registry).run("orchestrator", {"count": "2"}).turn.failure
    assert failure is not None
    assert "$: Order needs the field 'item'" in failure.message


def test_an_instance_started_without_input_gets_none() -> None:
    def orchestrator(context):
        return context.get_input()

    started = run(orchestrator)
    started.advance(ExecutionStarted(START, "orchestrator"))
    assert started.turn.output == "null"


def test_apps_that_read_the_input_as_text_and_the_id_by_their_private_names_find_them() -> None:
    def orchestrator(context):
        return [context._input, context._instance_id]

    assert run(orchestrator).run("orchestrator", {"url": "a", "sizes": [1, 2]}).output == [
        '{"url":"a","sizes":[1,2]}',
        "instance",
    ]
    started = run(orchestrator)
    started.advance(ExecutionStarted(START, "orchestrator"))
    assert started.output == [None, "instance"]


def test_results_are_built_by_annotation_when_an_activity_is_called_by_reference() -> None:
    def activity(order: Order) -> list[Order]:
        return [order]

    def orchestrator(context):
        by_reference = yield context.call_activity(Named("activity", "activity"), Order("x"))
        by_name = yield context.call_activity("activity", Order("x"))
        by_type = yield context.call_activity("activity", Order("x"), list[Order])
        assert by_reference == by_type == [Order("x")]
        return by_name

    registry = registry_of(orchestrator)
    registry.activities.add(ActivityDefinition("activity", activity, "order"))
    started = Run(registry, {"activity": lambda value: [value]})
    assert started.run("orchestrator").output == [{"item": "x", "count": 1}]


def test_names_come_from_text_or_decorated_functions_of_the_right_kind() -> None:
    assert durable_name("x", "activity") == "x"
    assert durable_name(Named("x", "entity"), "entity") == "x"
    with pytest.raises(OrchestratorError, match="call_sub_orchestrator"):
        durable_name(Named("x", "orchestrator"), "activity")
    with pytest.raises(OrchestratorError, match="activity_trigger"):
        durable_name(print, "activity")
    with pytest.raises(OrchestratorError, match="empty"):
        durable_name("", "activity")


def test_sub_orchestrations_may_be_given_an_id_and_a_version() -> None:
    def orchestrator(context):
        yield context.call_sub_orchestrator(Named("child", "orchestrator"), 1, "my-id", "2.0")

    turn = run(orchestrator).start("orchestrator")
    created = turn.events[-1]
    assert isinstance(created, SubOrchestrationCreated)
    assert (created.name, created.input, created.instance_id, created.version) == ("child", "1", "my-id", "2.0")
    assert dict(turn.children) == {0: created}


def test_custom_status_is_published_and_limited() -> None:
    def orchestrator(context):
        assert context.custom_status is None
        context.set_custom_status({"step": 1})
        with pytest.raises(PayloadTooLargeError, match="16384"):
            context.set_custom_status("x" * 16_384)
        with pytest.raises(SerializationError):
            context.set_custom_status(object())
        assert context.custom_status == {"step": 1}
        yield context.call_activity("a")
        context.set_custom_status(None)

    started = run(orchestrator)
    assert started.start("orchestrator").custom_status == '{"step":1}'
    assert started.complete(0).custom_status == "null"


def test_events_are_sent_to_other_instances() -> None:
    def orchestrator(context):
        yield context.send_event("other", "hello", [1])
        context.send_event("other", "again")

    turn = run(orchestrator).start("orchestrator")
    assert turn.status is Status.Completed
    assert turn.events[2:4] == (
        EventSent(START, 0, "other", "hello", "[1]"),
        EventSent(START, 1, "other", "again", "null"),
    )


def test_entities_are_called_and_signalled() -> None:
    def orchestrator(context):
        counter = EntityId("Counter", "k")
        context.signal_entity(counter, "add", 1)
        context.signal_entity(counter, "add", 2, signal_time=timedelta(minutes=1))
        yield context.signal_entity(counter, "add", 3, START)
        return (yield context.call_entity(counter, "get"))

    started = run(orchestrator).run("orchestrator")
    assert started.output == ["get", None]
    assert started.decisions == [
        EntityOperationSignaled(START, 0, "@counter@k", "add", "1"),
        EntityOperationSignaled(START, 1, "@counter@k", "add", "2", START + timedelta(minutes=1)),
        EntityOperationSignaled(START, 2, "@counter@k", "add", "3", START),
        EntityOperationCalled(START, 3, "@counter@k", "get", "null"),
    ]


def test_random_numbers_are_the_same_on_every_replay_and_others_in_every_instance() -> None:
    def orchestrator(context):
        first = context.random.random()
        yield context.call_activity("a")
        return [first, context.random.randrange(10**9), context.random.sample(range(100), 3)]

    one = Run(registry_of(orchestrator), {"a": lambda _: 1}).run("orchestrator").output
    again = Run(registry_of(orchestrator), {"a": lambda _: 1}).run("orchestrator").output
    other = Run(registry_of(orchestrator), {"a": lambda _: 1}, instance_id="other").run("orchestrator").output
    assert one == again
    assert other[0] != one[0]


# --- what is forbidden ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "advice"),
    [
        (lambda c: [c.call_activity("a")], "context.task_all"),
        (lambda c: None, "tasks of its context"),
        (lambda c: 5, "int 5"),
        (lambda c: (x for x in ()), "yield from"),
        (lambda c: asyncio.sleep(0), "async def"),
    ],
)
def test_yielding_something_else_than_a_task_is_refused_with_advice(step: Any, advice: str) -> None:
    def orchestrator(context):
        yield step(context)

    assert advice in failure_of(orchestrator)


def test_a_refusal_is_raised_where_the_code_stands() -> None:
    def orchestrator(context):
        try:
            yield [1]
        except OrchestratorError:
            return (yield context.call_activity("a"))

    assert run(orchestrator, {"a": lambda _: 1}).run("orchestrator").output == 1


def test_composites_take_only_tasks() -> None:
    def orchestrator(context):
        yield context.task_all([context.call_activity("a"), "b"])

    assert "task_all takes tasks of the context, not str" in failure_of(orchestrator)


def test_sub_orchestrations_called_by_reference_return_what_they_are_annotated_with() -> None:
    async def child(context) -> Order:
        return Order("x")

    async def parent(context):
        order = await context.call_sub_orchestrator(Named("child", "orchestrator"))
        return [isinstance(order, Order), isinstance(await context.call_sub_orchestrator("child"), dict)]

    assert Run(registry_of(parent, child)).run("parent").output == [True, True]


def test_async_generators_are_refused() -> None:
    async def orchestrator(context):
        yield context.call_activity("a")

    assert "must not yield" in failure_of(orchestrator)


def test_an_output_that_is_not_json_fails_the_instance() -> None:
    def orchestrator(context):
        return object()

    assert "not JSON-serializable" in failure_of(orchestrator)


def test_an_input_that_is_not_json_is_refused_where_it_is_given() -> None:
    def orchestrator(context):
        try:
            context.call_activity("a", object())
        except SerializationError:
            return (yield context.call_activity("b"))

    assert run(orchestrator, {"b": lambda _: "b"}).run("orchestrator").output == "b"


def test_sys_exit_in_user_code_fails_the_instance_only() -> None:
    def orchestrator(context):
        yield context.call_activity("a")
        raise SystemExit(3)

    assert run(orchestrator, {"a": str}).run("orchestrator").turn.status is Status.Failed


# --- closing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["generator", "coroutine", "yielding"])
def test_closing_lets_nothing_be_decided_and_nothing_be_warned_about(style: str) -> None:
    decided: list[str] = []

    def generator(context):
        try:
            yield context.call_activity("a")
        finally:
            assert context.is_replaying
            context.call_activity("cleanup")
            decided.append("cleanup")

    async def coroutine(context):
        try:
            await context.call_activity("a")
        finally:
            await context.call_activity("cleanup")
            decided.append("cleanup")

    def yielding(context):
        task = context.call_activity("a")
        while True:
            try:
                yield task
            except GeneratorExit:
                yield task
                return

    function = {"generator": generator, "coroutine": coroutine, "yielding": yielding}[style]
    started = run(function)
    started.start(style)
    started.live.close()
    started.live.close()
    del started
    gc.collect()
    assert decided == []


def test_an_execution_that_never_started_closes_quietly() -> None:
    async def orchestrator(context):
        raise AssertionError

    from azure_durable_py.history.events import ExecutionSuspended

    started = run(orchestrator)
    assert started.start("orchestrator", None, ExecutionSuspended(START)).status is Status.Suspended
    started.live.close()


def test_what_the_worker_reads() -> None:
    def orchestrator(context):
        yield context.call_activity("a", 5)

    empty = Orchestration("i", "e", registry_of(orchestrator), Settings(), CONVERTER)
    assert (empty.status, empty.name) == (Status.Pending, "")
    started = run(orchestrator)
    started.start("orchestrator", [1])
    live = started.live
    assert (live.status, live.name) == (Status.Running, "orchestrator")
    assert live.decision(0).input == "5"  # type: ignore[attr-defined]
    assert live.decided_by([17])
    assert not live.decided_by([])
    assert live.is_open(0)
    assert not live.is_open(1)
    with pytest.raises(KeyError, match="No decision"):
        live.decision(1)
    started.complete(0)
    assert live.is_finished
    assert not live.is_open(0)
    with pytest.raises(ValueError, match="begins with OrchestratorStarted"):
        started.load(started.history[1:])
