"""What is too large, and what storage refuses: who waits for it is told, and nothing else suffers."""

from __future__ import annotations

import asyncio
import random
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.history.codec import decode_event
from azure_durable_py.history.events import ExecutionCompleted, OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, EntityDefinition
from azure_durable_py.taskhub import limits, state
from azure_durable_py.taskhub.payloads import MAX_PAYLOAD_BYTES
from azure_durable_py.worker import worker as worker_module
from azure_durable_py.worker.instance import entity_turn
from tests.protocol.staging import Routine, Stage, play, to

HOUR = 3600.0


def raise_chained(length: int) -> None:
    """An error with a chain of causes, each as long as this."""
    try:
        try:
            try:
                raise ValueError("a" * length)
            except ValueError as error:
                raise RuntimeError("b" * length) from error
        except RuntimeError as error:
            raise LookupError("c" * length) from error
    except LookupError as error:
        raise ValueError("d" * length) from error


def staged(activity: Callable[[Any], Any] | None = None, entity: Callable[[Any], Any] | None = None, *functions: Any):
    """A stage whose app also has an activity `act` or an entity `ent`."""
    stage = Stage(*functions)
    registry = stage._registry

    def more(name: str):
        found = registry(name)
        if activity is not None:
            found.activities.add(ActivityDefinition("act", activity, "number"))
        if entity is not None:
            found.entities.add(EntityDefinition("ent", entity))
        return found

    stage._registry = more  # type: ignore[method-assign]
    return stage


# --- failures ----------------------------------------------------------------------------------------------


def test_a_parent_learns_of_a_child_that_fails_with_a_long_error() -> None:
    def child(context: Any) -> Routine:
        raise ValueError("x" * 60_000)
        yield

    def parent(context: Any) -> Routine:
        try:
            yield context.call_sub_orchestrator("child", None, "child-1")
        except TaskFailedError as error:
            return f"caught {str(error)[:20]}"

    async def scene() -> None:
        stage = Stage(parent, child)
        await stage.worker("W1")
        await stage.start("parent", "parent")
        assert str(await stage.finished("parent", within=HOUR)).startswith("caught ")

    play(scene)


@pytest.mark.parametrize("levels", [1, 3, 8])
@pytest.mark.parametrize("length", [3_000, 8_000, 40_000])
def test_a_failure_passes_through_any_number_of_levels(levels: int, length: int) -> None:
    def level(number: int) -> Callable[[Any], Routine]:
        def function(context: Any) -> Routine:
            if number == 0:
                yield context.call_activity("act", 1)
            else:
                yield context.call_sub_orchestrator(f"level{number - 1}", None, f"l{number - 1}")

        function.__name__ = f"level{number}"
        return function

    def act(number: int) -> None:
        raise_chained(length)

    async def scene() -> None:
        stage = staged(act, None, *[level(number) for number in range(levels + 1)])
        await stage.worker("W1")
        await stage.start(f"level{levels}", "top")
        assert "failed" in await stage.finished("top", within=HOUR)
        end = decode_event((await stage.state("top")).tail[-1])
        assert isinstance(end, ExecutionCompleted)
        innermost = end.failure
        while innermost is not None and innermost.inner_failure is not None:
            innermost = innermost.inner_failure
        assert innermost is not None
        assert (innermost.error_type, innermost.message[:100]) == ("ValueError", "a" * 100)

    play(scene)


def test_the_caller_of_an_entity_learns_of_a_long_chain_of_causes() -> None:
    def ent(context: Any) -> None:
        raise_chained(8_000)

    def calls(context: Any) -> Routine:
        try:
            yield context.call_entity(EntityId("ent", "a"), "op")
        except TaskFailedError as error:
            return error.details.message[:100]

    async def scene() -> None:
        stage = staged(None, ent, calls)
        await stage.worker("W1")
        await stage.start("calls", "c")
        assert await stage.finished("c", within=HOUR) == "d" * 100

    play(scene)


def test_an_activity_that_another_worker_ran_reports_a_long_chain_of_causes_and_ran_once() -> None:
    runs: list[int] = []

    def act(number: int) -> None:
        runs.append(number)
        raise_chained(8_000)

    def work(context: Any) -> Routine:
        for _ in range(2):
            context.call_activity("rest", 30.0)
        try:
            yield context.call_activity("act", 1)
        except TaskFailedError as error:
            return error.details.message[:100]

    async def scene() -> None:
        stage = staged(act, None, work)
        await stage.worker("W1", max_concurrent_activities=1)
        await stage.start("work", "w")
        await asyncio.sleep(1.0)
        await stage.worker("W2")
        assert await stage.finished("w", within=HOUR) == "d" * 100
        assert runs == [1]

    play(scene)


def test_a_failure_with_halves_of_characters_ends_its_orchestration() -> None:
    def bad(context: Any) -> Routine:
        raise ValueError("half \ud800 of a character")
        yield

    async def scene() -> None:
        stage = Stage(bad)
        await stage.worker("W1")
        await stage.start("bad", "bad")
        assert await stage.finished("bad", within=HOUR) == "half \\ud800 of a character"

    play(scene)


# --- batches ---------------------------------------------------------------------------------------------------


def collects(context: Any) -> Routine:
    """Returns the numbers of the events that it is sent, until none has come for two minutes."""
    found: list[int] = []
    while True:
        timer = context.create_timer(context.current_utc_datetime + timedelta(minutes=2))
        item = context.wait_for_external_event("item")
        if (yield context.task_any([item, timer])) is timer:
            return found
        timer.cancel()
        found.append(item.result[0])


def test_ninety_nine_messages_that_are_too_much_for_one_transaction_all_arrive_in_order() -> None:
    def tells(context: Any) -> Routine:
        for number in range(99):
            # JSON in JSON doubles quotes.
            context.send_event("hears", "item", [number, '"' * 8_100])
        yield context.wait_for_external_event("never")

    async def scene() -> None:
        stage = Stage(tells, collects)
        await stage.worker("W1")
        await stage.start("collects", "hears")
        await stage.waiting("hears")
        await stage.start("tells", "tells")
        assert await stage.finished("hears", within=HOUR) == list(range(99))

    play(scene)


@pytest.mark.parametrize("at", [0, 4, 9])
def test_one_message_that_no_store_takes_costs_no_other_message(at: int) -> None:
    def tells(context: Any) -> Routine:
        for number in range(10):
            context.send_event("hears", "n" * 60_000 if number == at else "item", [number])
        yield context.wait_for_external_event("never")

    async def scene() -> None:
        stage = Stage(tells, collects)
        await stage.worker("W1")
        await stage.start("collects", "hears")
        await stage.waiting("hears")
        await stage.start("tells", "tells")
        assert await stage.finished("hears", within=HOUR) == [number for number in range(10) if number != at]

    play(scene)


def test_a_child_that_no_store_takes_fails_its_task() -> None:
    def parent(context: Any) -> Routine:
        try:
            yield context.call_sub_orchestrator("collects", None, "half \ud800")
        except TaskFailedError as error:
            return f"caught {error}"

    async def scene() -> None:
        stage = Stage(parent, collects)
        await stage.worker("W1")
        await stage.start("parent", "parent")
        assert "caught" in await stage.finished("parent", within=HOUR)

    play(scene)


# --- headers ---------------------------------------------------------------------------------------------------


def test_a_header_over_the_limit_of_a_row_fails_its_instance(monkeypatch: pytest.MonkeyPatch) -> None:
    def status(context: Any) -> Routine:
        yield context.wait_for_external_event("go")
        context.set_custom_status("x" * 16_000)
        yield context.wait_for_external_event("never")

    async def scene() -> None:
        stage = Stage(status)
        await stage.worker("W1")
        await stage.start("status", "one")
        await stage.waiting("one")
        # What leaves the room for the status of a row that is full otherwise.
        monkeypatch.setattr(limits, "_MAX_ENTITY_BYTES", 12_000)
        await stage.raise_event("one", "go")
        assert "a row has at most" in await stage.finished("one", within=HOUR)
        assert (await stage.header("one")).columns.runtime_status == "Failed"

    play(scene)


def test_a_header_that_is_full_to_the_last_byte_has_room_to_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def piles_up(context: Any) -> None:
        context.send_event("far", "item", str(context.new_guid()))
        context.continue_as_new(None)

    async def scene() -> None:
        monkeypatch.setattr(state, "MAX_BODY_BYTES", 40_000)
        stage = Stage(piles_up)
        cast = await stage.worker("W1")
        # Nobody takes what it sends, and each turn adds a little to what its header has to hold.
        blocked = cast.store.hold("insert_inbox", to("far"))
        await stage.start("piles_up", "one")
        assert "a header holds" in await stage.finished("one", within=HOUR)
        assert (await stage.header("one")).columns.runtime_status == "Failed"
        blocked.go.set()
        await stage.quiet()

    play(scene)


def test_an_entity_whose_sends_fill_its_header_goes_on_when_they_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    bulk = random.Random(1)

    def relay(context: Any) -> None:
        context.signal_entity(EntityId("sink", "x"), "add", f"{bulk.getrandbits(20_000):x}")

    def sink(context: Any) -> None:
        context.set_state(context.get_state(lambda: 0) + 1)

    async def scene() -> None:
        monkeypatch.setattr(state, "MAX_BODY_BYTES", 60_000)
        monkeypatch.setattr(entity_turn, "SEND_BYTES_PER_TURN", 20_000)
        stage = Stage()
        stage.entities = [relay, sink]
        cast = await stage.worker("W1")
        cut_off = cast.store.refuse("insert_inbox", to("@sink@x"), times=1_000_000)
        for _ in range(40):
            await stage.hub.deliver("@relay@x", [stage.message(OperationArrived(stage.clock.now(), "go", None))], "")
            await asyncio.sleep(2.0)
        assert len((await stage.store.load("@relay@x")).inbox) > 10
        cut_off.times = 0
        await stage.quiet()
        assert (await stage.header("@sink@x")).columns.output == "40"

    play(scene)


# --- values ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that stores values of up to 100,000 characters."""
    monkeypatch.setattr(worker_module, "MAX_PAYLOAD_BYTES", 100_000)


@pytest.mark.usefixtures("small_hub")
@pytest.mark.parametrize("result", ["x" * 100_001, ["x" * 50_000, "y" * 50_000]], ids=["text", "list"])
def test_a_result_over_the_limit_fails_its_activity_with_that_reason(result: Any) -> None:
    runs: list[int] = []

    def act(number: int) -> Any:
        runs.append(number)
        return result

    def calls(context: Any) -> Routine:
        try:
            yield context.call_activity("act", 1)
        except TaskFailedError as error:
            return [error.details.error_type, "over the limit of 100000" in error.details.message]

    async def scene() -> None:
        stage = staged(act, None, calls)
        await stage.worker("W1")
        await stage.start("calls", "one")
        assert await stage.finished("one", within=HOUR) == ["azure_durable_py.errors.PayloadTooLargeError", True]
        assert runs == [1]

    play(scene)


@pytest.mark.usefixtures("small_hub")
@pytest.mark.parametrize("what", ["output", "activity", "child", "event", "continue", "status", "signal"])
def test_a_value_over_the_limit_fails_its_orchestration_where_it_is_made(what: str) -> None:
    def makes(context: Any) -> Routine:
        large = ["x" * 100_000]
        if what == "activity":
            yield context.call_activity("act", large)
        elif what == "child":
            yield context.call_sub_orchestrator("makes", large, "child")
        elif what == "event":
            context.send_event("another", "item", large)
        elif what == "continue":
            context.continue_as_new(large)
        elif what == "status":
            context.set_custom_status(large)
        elif what == "signal":
            context.signal_entity(EntityId("ent", "a"), "op", large)
        return large

    async def scene() -> None:
        stage = Stage(makes)
        await stage.worker("W1")
        await stage.start("makes", "one")
        message = await stage.finished("one", within=HOUR)
        assert (await stage.header("one")).columns.runtime_status == "Failed"
        assert "limit" in message or "at most" in message

    play(scene)


@pytest.mark.usefixtures("small_hub")
def test_a_state_over_the_limit_fails_the_operation_and_leaves_the_entity_as_it_was() -> None:
    def ent(context: Any) -> None:
        if context.operation_name == "grow":
            context.set_state("x" * 100_001)
        else:
            context.set_result(context.get_state(lambda: "small"))

    def calls(context: Any) -> Routine:
        try:
            yield context.call_entity(EntityId("ent", "a"), "grow")
        except TaskFailedError as error:
            return [error.details.error_type, (yield context.call_entity(EntityId("ent", "a"), "read"))]

    async def scene() -> None:
        stage = staged(None, ent, calls)
        await stage.worker("W1")
        await stage.start("calls", "one")
        expected = ["azure_durable_py.errors.PayloadTooLargeError", "small"]
        assert await stage.finished("one", within=HOUR) == expected

    play(scene)


def test_a_result_of_hundreds_of_megabytes_costs_little_more_than_itself() -> None:
    text = "x" * (MAX_PAYLOAD_BYTES + 1)

    async def scene() -> None:
        stage = staged(lambda number: text, None, one_call)
        await stage.worker("W1")
        await stage.start("one_call", "one")
        tracemalloc.start()
        try:
            assert "over the limit" in await stage.finished("one", within=HOUR)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 20_000_000

    play(scene)


def one_call(context: Any) -> Routine:
    return (yield context.call_activity("act", 1))
