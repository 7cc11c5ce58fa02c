"""Doubles: stand-ins for activities, orchestrators and entities of an app that is run in memory."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest

import azure_durable_py as df
from azure_durable_py.inspection.steps import StepOutcome
from azure_durable_py.testing import Execution, VirtualHub, play
from azure_durable_py.testing.virtual.hub import EPOCH

Context = df.DurableOrchestrationContext
app = df.DFApp()
POLICY = df.RetryPolicy(timedelta(minutes=1), max_number_of_attempts=3)


class SoldOutError(Exception):
    """There is no room."""


@dataclass
class Wish:
    city: str
    nights: int = 1


@dataclass
class Booking:
    what: str


@app.orchestration_trigger(context_name="context")
async def travel(context: Context) -> Any:
    booking = await context.call_activity(book_hotel, Wish(context.get_input()))
    return [type(booking).__name__, booking.what]


@app.orchestration_trigger(context_name="context")
async def travel_stubbornly(context: Context) -> Any:
    booking = await context.call_activity_with_retry(book_hotel, POLICY, Wish(context.get_input()))
    return booking.what


@app.orchestration_trigger(context_name="context")
async def travel_by_name(context: Context) -> Any:
    return await context.call_activity("Pay", context.get_input())


@app.activity_trigger(input_name="wish")
def book_hotel(wish: Wish) -> Booking:
    return Booking(f"real room in {wish.city}")


@app.orchestration_trigger(context_name="context")
async def work(context: Context) -> Any:
    return await context.call_activity(do, context.get_input())


@app.activity_trigger(input_name="what")
async def do(what: str) -> str:
    await asyncio.sleep(60)
    return f"{what} done"


@app.orchestration_trigger(context_name="context")
async def parent(context: Context) -> Any:
    try:
        return await context.call_sub_orchestrator(child, context.get_input())
    except df.TaskFailedError as error:
        return [error.details.error_type, error.details.message, type(error.__cause__).__name__]


@app.orchestration_trigger(context_name="context")
async def stubborn_parent(context: Context) -> Any:
    return await context.call_sub_orchestrator_with_retry(child, POLICY, context.get_input())


@app.orchestration_trigger(context_name="context", input_type=Wish)
async def child(context: Context) -> Booking:
    wish: Wish = context.get_input()
    await context.create_timer(timedelta(hours=1))
    return Booking(f"real trip to {wish.city}")


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    if context.operation_name == "add":
        context.set_state(context.get_state(lambda: 0) + context.get_input())
    context.set_result(context.get_state(lambda: 0))


@app.entity_trigger(entity_name="hotel")
@dataclass
class Hotel:
    rooms: int = 5

    async def take(self, wish: Wish) -> int:
        if wish.nights > 7:
            raise SoldOutError("too long")
        self.rooms -= 1
        return self.rooms

    def left(self) -> int:
        return self.rooms


@app.orchestration_trigger(context_name="context")
async def count(context: Context) -> Any:
    found = []
    for name, operation, value in context.get_input():
        try:
            found.append(await context.call_entity(df.EntityId(*name), operation, value))
        except df.TaskFailedError as error:
            found.append(f"{error.details.error_type}: {error.details.message}")
    return found


Given = Callable[[VirtualHub], Any]


def outcome(name: str | Callable[..., Any], input: Any = None, *, given: Given, **options: Any) -> Any:
    """What an orchestration comes to where something was given before; the double that `given` returned."""

    async def scenario(hub: VirtualHub) -> Any:
        double = given(hub)
        started = await hub.client.start_new(name, "it", input)
        status = await hub.client.wait_for_completion(started)
        return status.output if status.failure is None else status.failure, double

    return play(app, scenario, **options)


# --- activities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [book_hotel, "book_hotel", "BOOK_HOTEL"])
def test_an_activity_returns_what_it_is_told(reference: Any):
    output, hotel = outcome(
        travel, "Oslo", given=lambda hub: hub.doubles.activity(reference).returns(Booking("room 1"))
    )
    assert output == ["Booking", "room 1"]
    assert hotel.inputs == [Wish("Oslo")]


def test_the_real_activity_runs_until_there_is_a_behaviour_and_is_recorded():
    output, hotel = outcome(travel, "Oslo", given=lambda hub: hub.doubles.activity(book_hotel))
    assert output == ["Booking", "real room in Oslo"]
    assert [(each.input, each.is_real, each.result) for each in hotel.received] == [
        (Wish("Oslo"), True, {"what": "real room in Oslo"})
    ]


def test_an_execution_has_when_and_for_whom_and_what_came_of_it():
    _, hotel = outcome(travel, "Oslo", given=lambda hub: hub.doubles.activity(book_hotel).raises(OSError("no line")))
    [execution] = hotel.received
    assert (execution.name, execution.instance_id, execution.attempt) == ("book_hotel", "it", 1)
    assert execution.outcome is StepOutcome.failed
    assert execution.failure.error_type == "OSError"
    assert timedelta() < execution.began - EPOCH < timedelta(seconds=1)
    assert execution.ended >= execution.began


def test_an_execution_reads_as_a_line():
    def given(hub: VirtualHub) -> Any:
        return hub.doubles.activity(book_hotel).raises(OSError("no line"), times=1).returns(Booking("room 1"))

    _, hotel = outcome(travel_stubbornly, "Oslo", given=given)
    assert [repr(each) for each in hotel.received] == [
        "<book_hotel(Wish(city='Oslo', nights=1)) for it failed: OSError: no line>",
        "<book_hotel(Wish(city='Oslo', nights=1)) for it = {'what': 'room 1'} in attempt 2>",
    ]


def test_failures_are_tried_again_as_the_policy_says():
    def given(hub: VirtualHub) -> Any:
        return hub.doubles.activity(book_hotel).raises(OSError("no line"), times=2).returns(Booking("room 1"))

    output, hotel = outcome(travel_stubbornly, "Oslo", given=given)
    assert output == "room 1"
    assert [each.attempt for each in hotel.received] == [1, 2, 3]
    assert [each.outcome.value for each in hotel.received] == ["failed", "failed", "completed"]
    pauses = [later.began - earlier.began for earlier, later in itertools.pairwise(hotel.received)]
    assert all(timedelta(minutes=1) <= pause < timedelta(minutes=1, seconds=1) for pause in pauses)


def test_attempts_are_those_of_each_call_where_several_run_side_by_side():
    blueprint = df.Blueprint()

    @blueprint.orchestration_trigger(context_name="context")
    async def both(context: Context) -> Any:
        calls = [context.call_activity_with_retry("do", POLICY, what) for what in ("a", "b", "a")]
        return await context.task_all(calls)

    @blueprint.activity_trigger(input_name="what")
    def do(what: str) -> str:
        raise NotImplementedError

    async def scenario(hub: VirtualHub) -> Any:
        double = hub.doubles.activity("do").raises(OSError, times=4).returns("done")
        await hub.client.wait_for_completion(await hub.client.start_new("both"))
        return sorted((each.input, each.attempt) for each in double.received)

    assert play(blueprint, scenario) == [
        *(("a", 1), ("a", 1), ("a", 2), ("a", 2), ("a", 3)),
        *(("b", 1), ("b", 2)),
    ]


def test_a_failure_that_no_policy_repeats_fails_at_once():
    blueprint = df.Blueprint()

    @blueprint.orchestration_trigger(context_name="context")
    async def buy(context: Context) -> Any:
        policy = df.RetryPolicy(timedelta(minutes=1), 3, handle=lambda failure: not failure.is_caused_by(SoldOutError))
        return await context.call_activity_with_retry("take", policy, 1)

    @blueprint.activity_trigger(input_name="what")
    def take(what: int) -> str:
        return "real"

    async def scenario(hub: VirtualHub) -> Any:
        double = hub.doubles.activity(take).raises(SoldOutError("no room"))
        status = await hub.client.wait_for_completion(await hub.client.start_new("buy"))
        return status.failure, double.received

    failure, received = play(blueprint, scenario)
    assert failure.is_caused_by(SoldOutError)
    assert len(received) == 1


def test_what_is_kept_of_a_failure_is_as_if_the_activity_raised_it():
    error = SoldOutError("no room")
    error.__cause__ = KeyError("room 1")
    failure, _ = outcome(travel, "Oslo", given=lambda hub: hub.doubles.activity(book_hotel).raises(error))
    inner = failure.inner_failure
    assert failure.error_type == "azure_durable_py.errors.TaskFailedError"
    assert (inner.error_type, inner.message) == (f"{SoldOutError.__module__}.SoldOutError", "no room")
    assert inner.is_caused_by(KeyError)


def test_an_exception_that_is_raised_twice_does_not_gather_traces():
    error = OSError("no line")
    _, hotel = outcome(travel_stubbornly, "Oslo", given=lambda hub: hub.doubles.activity(book_hotel).raises(error))
    traces = [each.failure.stack_trace for each in hotel.received]
    assert len(traces) == 3
    assert len(set(traces)) == 1


def test_behaviours_take_turns_and_then_the_real_activity_runs():
    async def scenario(hub: VirtualHub) -> Any:
        hotel = (
            hub.doubles.activity(book_hotel)
            .returns(Booking("a"), times=2)
            .really(times=1)
            .returns(Booking("b"), times=1)
        )
        outputs = []
        for _ in range(5):
            status = await hub.client.wait_for_completion(await hub.client.start_new(travel, client_input="Oslo"))
            outputs.append(status.output[1])
        return outputs, [each.is_real for each in hotel.received]

    real = "real room in Oslo"
    assert play(app, scenario) == (["a", "a", real, "b", real], [False, False, True, False, True])


def test_a_behaviour_without_number_lasts_until_another_is_given():
    async def scenario(hub: VirtualHub) -> Any:
        async def go() -> str:
            status = await hub.client.wait_for_completion(await hub.client.start_new(travel, client_input="Oslo"))
            return status.output[1]

        hotel = hub.doubles.activity(book_hotel)
        first = await go()
        hotel.returns(Booking("a"))
        second = [await go(), await go()]
        hotel.returns(Booking("b"), times=1)
        return [first, *second, await go(), await go()]

    real = "real room in Oslo"
    assert play(app, scenario) == [real, "a", "a", "b", real]


def test_some_inputs_may_have_a_double_of_their_own():
    async def scenario(hub: VirtualHub) -> Any:
        hotel = hub.doubles.activity(book_hotel).returns(Booking("any"))
        rome = hotel.when(lambda wish: wish.city == "Rome").returns(Booking("Roman"), times=1)
        long = rome.when(lambda wish: wish.nights > 7).raises(SoldOutError("too long"))
        cities = ["Oslo", "Rome", "Rome"]
        ids = [await hub.client.start_new(travel, client_input=city) for city in cities]
        outputs = [(await hub.client.wait_for_completion(each)).output[1] for each in ids]
        return outputs, len(hotel.inputs), rome.inputs, long.inputs

    assert play(app, scenario) == (["any", "Roman", "any"], 3, [Wish("Rome")] * 2, [])


def test_a_condition_that_fails_fails_the_run():
    def given(hub: VirtualHub) -> Any:
        hub.doubles.activity(book_hotel).when(lambda wish: wish.country == "Norway").returns(Booking("x"))

    with pytest.raises(AttributeError, match="country") as raised:
        outcome(travel, "Oslo", given=given)
    assert "wish.country" in str(raised.traceback[-1].statement)


async def _fake_async(wish: Wish, execution: Execution[Wish]) -> Booking:
    await asyncio.sleep(3600)
    return Booking(f"{wish.city} for {execution.instance_id}, attempt {execution.attempt}, {execution.name}")


def _fake_sync(wish: Wish) -> Booking:
    return Booking(f"fake room in {wish.city}")


@pytest.mark.parametrize(
    ("fake", "expected"),
    [
        (_fake_sync, "fake room in Oslo"),
        (_fake_async, "Oslo for it, attempt 1, book_hotel"),
        (lambda wish: Booking(wish.city), "Oslo"),
        (lambda wish, more=None: Booking(f"{wish.city} {more}"), "Oslo None"),
        (Mock(return_value=Booking("mocked")), "mocked"),
        (AsyncMock(return_value=Booking("mocked")), "mocked"),
        (book_hotel, "real room in Oslo"),
    ],
)
def test_a_fake_may_be_sync_or_async_and_gets_the_input_and_what_it_is_run_for(fake: Any, expected: str):
    output, hotel = outcome(travel, "Oslo", given=lambda hub: hub.doubles.activity(book_hotel).calls(fake))
    assert output == ["Booking", expected]
    assert [each.is_real for each in hotel.received] == [False]


def test_a_sync_activity_may_be_replaced_by_an_async_fake_and_the_other_way_round():
    async def slow(wish: Wish) -> Booking:
        await asyncio.sleep(3600)
        return Booking("slow")

    output, hotel = outcome(travel, "Oslo", given=lambda hub: hub.doubles.activity(book_hotel).calls(slow))
    assert output == ["Booking", "slow"]
    assert hotel.received[0].ended - hotel.received[0].began >= timedelta(hours=1)
    output, _ = outcome(work, "x", given=lambda hub: hub.doubles.activity(do).calls(lambda what: f"quick {what}"))
    assert output == "quick x"


def test_what_a_fake_returns_is_read_as_the_annotation_of_the_real_one():
    output, _ = outcome(travel, "Oslo", given=lambda hub: hub.doubles.activity("book_hotel").returns({"what": "plain"}))
    assert output == ["Booking", "plain"]
    failure, _ = outcome(travel, "Oslo", given=lambda hub: hub.doubles.activity("book_hotel").returns({"wot": 1}))
    assert "book_hotel" in failure.message
    assert failure.error_type == "azure_durable_py.errors.SerializationError"


def test_what_a_fake_returns_must_be_json_as_it_must_of_the_real_one():
    failure, hotel = outcome(travel, "Oslo", given=lambda hub: hub.doubles.activity("book_hotel").returns(object()))
    assert "result of activity 'book_hotel'" in failure.message
    assert hotel.received[0].outcome is StepOutcome.failed


def test_an_input_that_does_not_fit_reaches_no_fake():
    blueprint = df.Blueprint()

    @blueprint.orchestration_trigger(context_name="context")
    async def go(context: Context) -> Any:
        return await context.call_activity("take", {"nights": 3})

    @blueprint.activity_trigger(input_name="wish")
    def take(wish: Wish) -> str:
        return "real"

    async def scenario(hub: VirtualHub) -> Any:
        double = hub.doubles.activity(take).returns("fake")
        status = await hub.client.wait_for_completion(await hub.client.start_new("go"))
        return status.failure, double.received

    failure, received = play(blueprint, scenario)
    assert "parameter 'wish' of activity 'take'" in failure.message
    assert received == []


# --- what cannot have a double -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda doubles: doubles.activity("book_hotell"), df.FunctionNotFoundError, "Did you mean 'book_hotel'"),
        (lambda doubles: doubles.activity("book_hotell"), df.FunctionNotFoundError, "create=True"),
        (lambda doubles: doubles.orchestrator("childd"), df.FunctionNotFoundError, "Did you mean 'child'"),
        (lambda doubles: doubles.entity("countr"), df.FunctionNotFoundError, "Did you mean 'counter'"),
        (lambda doubles: doubles.activity(child), TypeError, "is no activity"),
        (lambda doubles: doubles.activity(len), TypeError, "is no activity"),
        (lambda doubles: doubles.activity("BuiltIn::HttpActivity"), ValueError, "of the engine"),
        (lambda doubles: doubles.activity(do).returns("x", times=0), ValueError, "1 or more"),
        (lambda doubles: doubles.activity(do).raises("no"), TypeError, "takes an exception"),
        (lambda doubles: doubles.activity(do).raises(UnicodeDecodeError), TypeError, "cannot be made"),
        (lambda doubles: doubles.activity(do).calls("say"), TypeError, "takes a function"),
        (lambda doubles: doubles.activity(do).calls(lambda: "x"), TypeError, "takes one value"),
        (lambda doubles: doubles.activity(do).calls(lambda a, b, c: "x"), TypeError, "takes one value"),
        (lambda doubles: doubles.activity("do", create=True), ValueError, "leave out create=True"),
        (lambda doubles: doubles.entity(Hotel).operation("tke"), df.FunctionNotFoundError, "Did you mean 'take'"),
    ],
)
def test_what_makes_no_sense_is_refused(ask: Callable[[Any], Any], error: type[Exception], said: str):
    async def scenario(hub: VirtualHub) -> None:
        with pytest.raises(error, match=said):
            ask(hub.doubles)

    play(app, scenario)


def test_a_double_may_stand_in_for_what_is_still_to_be_written():
    async def scenario(hub: VirtualHub) -> Any:
        pay = hub.doubles.activity("pay", create=True).returns("paid", times=1)
        assert hub.doubles.activity("Pay") is pay
        first = await hub.client.wait_for_completion(await hub.client.start_new(travel_by_name, client_input=5))
        second = await hub.client.wait_for_completion(await hub.client.start_new(travel_by_name, client_input=6))
        return first.output, second.failure, pay.inputs

    output, failure, inputs = play(app, scenario)
    assert (output, inputs) == ("paid", [5, 6])
    assert "No activity named 'pay'" in failure.message


def test_an_orchestrator_and_an_entity_that_are_still_to_be_written():
    async def scenario(hub: VirtualHub) -> Any:
        hub.doubles.orchestrator("ship", create=True).returns("shipped")
        hub.doubles.entity("stock", create=True).operation("take").returns(3)
        shipped = await hub.client.wait_for_completion(await hub.client.start_new("ship"))
        counted = await hub.client.wait_for_completion(
            await hub.client.start_new(count, client_input=[(("stock", "a"), "take", 1), (("stock", "a"), "put", 1)])
        )
        return shipped.output, counted.output

    shipped, counted = play(app, scenario)
    assert shipped == "shipped"
    assert counted[0] == 3
    assert "No entity named 'stock'" in counted[1]


# --- orchestrators -----------------------------------------------------------------------------------------


def test_a_sub_orchestration_returns_what_it_is_told():
    def given(hub: VirtualHub) -> Any:
        return hub.doubles.orchestrator(child).returns(Booking("trip"))

    output, trip = outcome(parent, Wish("Oslo"), given=given)
    assert output == {"what": "trip"}
    [execution] = trip.received
    assert execution.input == Wish("Oslo")
    assert (execution.is_real, execution.result, execution.outcome) == (False, {"what": "trip"}, StepOutcome.completed)


def test_a_sub_orchestration_fails_as_if_it_raised_that_itself():
    output, _ = outcome(parent, Wish("Oslo"), given=lambda hub: hub.doubles.orchestrator("child").raises(KeyError("x")))
    assert output == ["KeyError", "'x'", "KeyError"]


def _yielding(context: Context) -> Generator[Any, Any, Any]:
    done = yield context.call_activity("do", context.get_input().city)
    return Booking(done)


async def _awaiting(context: Context) -> Booking:
    await context.create_timer(timedelta(minutes=1))
    return Booking(await context.call_activity("do", context.get_input().city))


def _plain(context: Context) -> Booking:
    return Booking(f"{context.get_input().city} done")


@pytest.mark.parametrize("orchestrator", [_yielding, _awaiting, _plain])
def test_another_orchestrator_may_run_in_place_of_one(orchestrator: Any):
    output, _ = outcome(parent, Wish("Oslo"), given=lambda hub: hub.doubles.orchestrator(child).calls(orchestrator))
    assert output == {"what": "Oslo done"}


def test_attempts_of_a_sub_orchestration_are_counted():
    def given(hub: VirtualHub) -> Any:
        return hub.doubles.orchestrator(child).raises(OSError("no line"), times=2)

    output, trip = outcome(stubborn_parent, Wish("Oslo"), given=given)
    assert output == {"what": "real trip to Oslo"}
    assert [(each.attempt, each.is_real) for each in trip.received] == [(1, False), (2, False), (3, True)]
    assert len({each.instance_id for each in trip.received}) == 3


@pytest.mark.parametrize("orchestrator", [_yielding, _awaiting, _plain])
def test_a_replaced_orchestrator_may_be_replayed_every_turn(orchestrator: Any):
    def given(hub: VirtualHub) -> Any:
        return hub.doubles.orchestrator(child).raises(OSError("no line"), times=1).calls(orchestrator, times=1)

    output, trip = outcome(stubborn_parent, Wish("Oslo"), given=given, replay="every-turn")
    assert output == {"what": "Oslo done"}
    assert [each.outcome.value for each in trip.received] == ["failed", "completed"]


def test_a_stand_in_that_is_not_deterministic_is_found_by_replaying_every_turn():
    chance = itertools.count()

    async def odd(context: Context) -> Any:
        return await context.call_activity("do", next(chance))

    def given(hub: VirtualHub) -> Any:
        return hub.doubles.orchestrator(child).calls(odd)

    failure, _ = outcome(child, Wish("Oslo"), given=given, replay="every-turn")
    assert failure.error_type == "azure_durable_py.errors.NonDeterminismError"


def test_an_orchestration_stays_what_it_is_when_it_is_replayed():
    async def scenario(hub: VirtualHub) -> Any:
        trip = hub.doubles.orchestrator(child).calls(_awaiting, times=1)
        started = await hub.client.start_new(parent, client_input=Wish("Oslo"))
        await hub.client.wait_for_start(started)
        await asyncio.sleep(70)
        hub.workers[0].kill()
        await hub.start_worker()
        return (await hub.client.wait_for_completion(started)).output, [each.is_real for each in trip.received]

    assert play(app, scenario) == ({"what": "Oslo done"}, [False])


def test_a_double_does_not_change_what_had_begun_before():
    async def scenario(hub: VirtualHub) -> Any:
        started = await hub.client.start_new(child, "c", Wish("Oslo"))
        await hub.client.wait_for_start(started)
        trip = hub.doubles.orchestrator(child).returns(Booking("trip"))
        hub.workers[0].kill()
        await hub.start_worker()
        return (await hub.client.wait_for_completion(started)).output, [each.is_real for each in trip.received]

    assert play(app, scenario) == ({"what": "real trip to Oslo"}, [True])


def test_a_double_that_is_asked_for_at_the_end_tells_what_ran_before():
    async def scenario(hub: VirtualHub) -> Any:
        await hub.client.wait_for_completion(await hub.client.start_new(child, "c", Wish("Oslo" * 100_000)))
        late = hub.doubles.orchestrator(child)
        return late.inputs, [each.outcome for each in late.received]

    assert play(app, scenario) == ([Wish("Oslo" * 100_000)], ["completed"])


def test_a_replaced_orchestrator_stays_so_in_all_generations():
    async def again(context: Context) -> Any:
        if context.get_input().nights < 3:
            await context.create_timer(timedelta(days=1))
            context.continue_as_new(Wish("Oslo", context.get_input().nights + 1))
        return Booking(f"{context.get_input().nights} nights")

    def given(hub: VirtualHub) -> Any:
        return hub.doubles.orchestrator(child).calls(again, times=1)

    output, trip = outcome(parent, Wish("Oslo"), given=given)
    assert output == {"what": "3 nights"}
    assert [each.result for each in trip.received] == [{"what": "3 nights"}]


def test_a_rewound_failure_of_a_double_asks_it_again():
    async def scenario(hub: VirtualHub) -> Any:
        trip = hub.doubles.orchestrator(child).raises(OSError("no line"), times=1)
        await hub.client.start_new(child, "c", Wish("Oslo"))
        failed = await hub.client.wait_for_completion("c")
        await hub.client.rewind("c", "again")
        done = await hub.client.wait_for_completion("c")
        return failed.runtime_status.value, done.output, [each.is_real for each in trip.received]

    assert play(app, scenario) == ("Failed", {"what": "real trip to Oslo"}, [False, True])


def test_an_input_that_does_not_fit_fails_a_replaced_orchestrator():
    failure, _ = outcome(child, {"nights": 1}, given=lambda hub: hub.doubles.orchestrator(child).returns(Booking("x")))
    assert "input of orchestrator 'child'" in failure.message


def test_one_that_is_terminated_is_recorded_as_cancelled():
    async def scenario(hub: VirtualHub) -> Any:
        trip = hub.doubles.orchestrator(child)
        await hub.client.start_new(child, "c", Wish("Oslo"))
        await hub.client.wait_for_start("c")
        await hub.client.terminate("c", "enough")
        await hub.client.wait_for_completion("c")
        return [each.outcome for each in trip.received]

    assert play(app, scenario) == [StepOutcome.cancelled]


# --- entities ----------------------------------------------------------------------------------------------

A, B = ("counter", "a"), ("counter", "b")


def test_an_operation_returns_what_it_is_told_and_leaves_the_state():
    def given(hub: VirtualHub) -> Any:
        counters = hub.doubles.entity(counter)
        counters.operation("add").returns(100, times=1)
        return counters

    output, counters = outcome(count, [(A, "add", 1), (A, "add", 2), (A, "get", None)], given=given)
    assert output == [100, 2, 2]
    assert [(each.name, each.input, each.is_real) for each in counters.received] == [
        ("add", 1, False),
        ("add", 2, True),
        ("get", None, True),
    ]
    assert counters.operation("ADD").inputs == [1, 2]
    assert {each.instance_id for each in counters.received} == {"@counter@a"}


def test_an_entity_with_a_key_is_asked_before_the_others():
    def given(hub: VirtualHub) -> Any:
        every, one = hub.doubles.entity("Counter"), hub.doubles.entity(counter, "a")
        every.operation("add").returns("all")
        one.operation("add").returns("one", times=1)
        return every, one

    output, (every, one) = outcome(count, [(A, "add", 1), (B, "add", 1), (A, "add", 1)], given=given)
    assert output == ["one", "all", "all"]
    assert (len(every.received), len(one.received)) == (3, 2)


def test_a_fake_operation_reaches_the_state():
    async def double_it(amount: int) -> int:
        context = df.entity_context()
        await asyncio.sleep(1)
        context.set_state(context.get_state(lambda: 0) + 2 * amount)
        return context.get_state()

    def given(hub: VirtualHub) -> Any:
        return hub.doubles.entity(counter).operation("add").calls(double_it)

    assert outcome(count, [(A, "add", 1), (A, "add", 2), (A, "get", None)], given=given)[0] == [2, 6, 6]


def test_operations_and_orchestrations_with_some_inputs_may_be_replaced():
    def operations(hub: VirtualHub) -> Any:
        hub.doubles.entity(counter).operation("add").when(lambda amount: amount > 10).raises(ValueError("too much"))

    output, _ = outcome(count, [(A, "add", 1), (A, "add", 20), (A, "get", None)], given=operations)
    assert output == [1, "ValueError: too much", 1]

    def trips(hub: VirtualHub) -> Any:
        return hub.doubles.orchestrator(child).when(lambda wish: wish.city == "Oslo").returns(Booking("trip"))

    assert outcome(parent, Wish("Oslo"), given=trips)[0] == {"what": "trip"}
    assert outcome(parent, Wish("Rome"), given=trips)[0] == {"what": "real trip to Rome"}


def test_operations_of_a_class_get_the_input_as_its_method_does():
    def given(hub: VirtualHub) -> Any:
        hotel = hub.doubles.entity(Hotel)
        hotel.operation("take").calls(lambda wish: f"{type(wish).__name__} {wish.city}", times=1)
        return hotel

    hotel_a = ("hotel", "a")
    output, hotel = outcome(
        count,
        [(hotel_a, "take", {"city": "Oslo"}), (hotel_a, "take", {"city": "Rome"}), (hotel_a, "left", None)],
        given=given,
    )
    assert output == ["Wish Oslo", 4, 4]
    assert hotel.operation("take").inputs == [Wish("Oslo"), Wish("Rome")]


def test_an_operation_fails_as_if_the_entity_raised_that():
    def given(hub: VirtualHub) -> Any:
        return hub.doubles.entity(Hotel).operation("take").raises(SoldOutError("no room"))

    output, take = outcome(count, [(("hotel", "a"), "take", {"city": "Oslo"})], given=given)
    assert output == [f"{SoldOutError.__module__}.SoldOutError: no room"]
    assert take.received[0].outcome is StepOutcome.failed


def test_an_operation_with_an_input_that_does_not_fit_fails_as_the_real_one_does():
    def given(hub: VirtualHub) -> Any:
        return hub.doubles.entity(Hotel).operation("take").returns(1)

    output, take = outcome(count, [(("hotel", "a"), "take", {"nights": 1})], given=given)
    assert "input of operation 'take'" in output[0]
    assert take.received == []


def test_an_entity_that_is_in_memory_gets_a_double_in_the_middle_of_a_test():
    async def scenario(hub: VirtualHub) -> Any:
        a = df.EntityId(*A)
        await hub.client.signal_entity(a, "add", 1)
        await hub.at_rest()
        add = hub.doubles.entity(counter).operation("add").returns(None)
        await hub.client.signal_entity(a, "add", 5)
        await hub.at_rest()
        return (await hub.client.read_entity_state(a)).entity_state, add.inputs

    assert play(app, scenario) == (1, [1, 5])


# --- workers -----------------------------------------------------------------------------------------------


def test_an_execution_that_a_dead_worker_leaves_behind_is_recorded_and_so_is_the_next():
    async def scenario(hub: VirtualHub) -> Any:
        double = hub.doubles.activity(do)
        started = await hub.client.start_new(work, client_input="x")
        await hub.client.wait_for_start(started)
        await asyncio.sleep(30)
        hub.workers[0].kill()
        await hub.start_worker()
        await hub.client.wait_for_completion(started)
        return [(each.outcome.value, each.attempt) for each in double.received]

    assert play(app, scenario) == [("open", 1), ("completed", 1)]


@pytest.mark.parametrize("workers", [1, 3])
def test_all_workers_ask_the_same_double(workers: int):
    async def scenario(hub: VirtualHub) -> Any:
        double = hub.doubles.activity(do).returns("first", times=1).returns("later")
        ids = [await hub.client.start_new(work, client_input=number) for number in range(20)]
        done = [await hub.client.wait_for_completion(each) for each in ids]
        return sorted(each.output for each in done), sorted(double.inputs)

    assert play(app, scenario, workers=workers) == (["first"] + ["later"] * 19, list(range(20)))


def test_a_worker_with_another_app_has_the_same_doubles():
    async def scenario(hub: VirtualHub) -> Any:
        hub.doubles.activity(do).returns("fake")
        await hub.workers[0].stop()
        await hub.start_worker(app=app)
        done = await hub.client.wait_for_completion(await hub.client.start_new(work, client_input="x"))
        return done.output

    assert play(app, scenario) == "fake"


def test_without_a_double_the_functions_of_the_app_are_untouched():
    async def scenario(hub: VirtualHub) -> None:
        assert hub.registry.activities.get("do") is app.registry.activities.get("do")
        hub.doubles.activity(book_hotel).returns(Booking("x"))
        assert hub.registry.activities.get("do") is app.registry.activities.get("do")
        assert (
            app.registry.activities.get("book_hotel").function is not hub.registry.activities.get("book_hotel").function
        )

    play(app, scenario)
