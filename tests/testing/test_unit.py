"""`OrchestratorPlayer` and `play_entity`: orchestrators step by step, and entities operation by operation."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.history.events import OrchestratorStarted, TaskCompleted
from azure_durable_py.testing import (
    OrchestratorPlayer,
    SentSignal,
    StartedOrchestration,
    StepError,
    failure_reports,
    play_entity,
)
from azure_durable_py.testing.virtual.hub import EPOCH
from sample_function_app.approval import approve_expense, ask
from sample_function_app.entities import Limiter, counter, transfer
from sample_function_app.trip_booking import SoldOutError, book, book_trip, cancel_booking

Context = df.DurableOrchestrationContext
Status = df.OrchestrationRuntimeStatus


def waits(step: OrchestratorPlayer) -> list[tuple[str, str]]:
    return [(call.kind, call.name) for call in step.pending]


# --- activities --------------------------------------------------------------------------------------


def test_a_generator_is_played_call_by_call():
    step = OrchestratorPlayer(book_trip, "Rome")
    for kind in ("hotel", "flight", "car"):
        [call] = step.pending
        assert (call.kind, call.name, call.input) == ("activity", "book", {"kind": kind, "city": "Rome"})
        assert step.status is Status.Running
        step.complete(call, f"{kind} booked")
    assert step.status is Status.Completed
    assert step.pending == []
    assert step.output == {"booked": ["hotel booked", "flight booked", "car booked"], "cancelled": []}


def test_a_call_that_fails_is_caught_where_it_was_yielded():
    step = OrchestratorPlayer(book_trip, "Atlantis")
    step.complete(book, "a hotel")
    step.fail(book, SoldOutError("No flights."))
    assert waits(step) == [("activity", "cancel_booking")]
    assert step.calls.of(book).results == ["a hotel", None]
    step.complete("Cancel_Booking")
    assert step.calls.names == ["book", "book", "cancel_booking"]
    assert step.output == {"booked": [], "cancelled": ["a hotel"], "reason": "No flights."}


def test_a_retry_waits_for_its_timer():
    step = OrchestratorPlayer(book_trip, "Rome")
    step.fail(book, ConnectionError("no line"))
    [pause] = step.pending
    assert (pause.kind, pause.reason, pause.due) == ("timer", "retry 1 of 2", EPOCH + timedelta(seconds=1))
    step.fire_timer()
    assert step.now == EPOCH + timedelta(seconds=1)
    assert waits(step) == [("activity", "book")]


def test_a_coroutine_that_waits_for_several_is_given_them_in_any_order():
    async def fan_out(context: Context) -> list[int]:
        return await context.task_all([context.call_activity("square", number) for number in (1, 2, 3)])

    step = OrchestratorPlayer(fan_out)
    first, second, third = step.pending
    step.complete(third, 9)
    step.complete(first, 1)
    assert step.pending == [second]
    step.complete(second, 4)
    assert step.output == [1, 4, 9]


def test_coroutines_beside_the_function_run_as_well():
    async def twice(context: Context, number: int) -> int:
        return await context.call_activity("double", number) + await context.call_activity("double", number + 1)

    async def beside(context: Context) -> list[int]:
        return await asyncio.gather(twice(context, 1), twice(context, 10))

    step = OrchestratorPlayer(beside)
    while step.pending:
        call = step.pending[-1]
        step.complete(call, 2 * call.input)
    assert step.output == [6, 42]


def test_a_plain_function_is_over_at_once():
    assert OrchestratorPlayer(lambda context: context.get_input() + 1, 4).output == 5


def test_the_name_of_an_orchestrator_is_looked_up_in_its_app():
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context", orchestration="Greet")
    def greet(context: Context) -> str:
        return f"{context.name} {context.get_input()}"

    assert OrchestratorPlayer("greet", "Ada", app=app).output == "Greet Ada"
    assert OrchestratorPlayer(df.Orchestrator.create(lambda context: context.name)).output == "<lambda>"
    with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'Greet'"):
        OrchestratorPlayer("grete", app=app)
    with pytest.raises(StepError, match="say in which app"):
        OrchestratorPlayer("greet")
    with pytest.raises(df.OrchestratorError, match="registered as activity"):
        OrchestratorPlayer(ask)


@dataclass
class Point:
    x: int
    y: int


def test_results_are_built_as_in_production():
    blueprint = df.Blueprint()

    @blueprint.activity_trigger(input_name="point")
    def mirror(point: Point) -> Point:
        raise AssertionError("no activity runs")

    @blueprint.orchestration_trigger(context_name="context", input_type=Point)
    async def reflect(context: Context) -> Point:
        point = context.get_input()
        assert isinstance(point, Point)
        mirrored = await context.call_activity(mirror, point)
        assert isinstance(mirrored, Point)
        return mirrored

    step = OrchestratorPlayer(reflect, Point(1, 2))
    assert step.pending[0].input == {"x": 1, "y": 2}
    step.complete(mirror, Point(2, 1))
    assert step.output == {"x": 2, "y": 1}
    assert step.get_output(Point) == Point(2, 1)


class Parcel:
    """Writes itself, and is equal to nothing else."""

    def __init__(self, weight: int) -> None:
        self.weight = weight

    @staticmethod
    def to_json(parcel: Parcel) -> dict[str, int]:
        return {"weight": parcel.weight}

    @staticmethod
    def from_json(plain: dict[str, int]) -> Parcel:
        return Parcel(plain["weight"])


def test_a_call_is_known_again_whatever_its_input_is():
    def send(context: Context) -> Generator[Any, Any, Any]:
        return (yield context.call_activity("weigh", Parcel(5)))

    step = OrchestratorPlayer(send)
    [call] = step.pending
    assert call.input.weight == 5
    step.complete(call, call.input)
    assert step.output.weight == 5


# --- time and events ---------------------------------------------------------------------------------


def test_an_event_wins_over_a_timer():
    step = OrchestratorPlayer(approve_expense, {"what": "pens", "amount": 20})
    step.complete(ask)
    assert step.custom_status == {"waitingFor": "team lead", "approvedBy": []}
    timer, event = step.pending
    assert timer.due == EPOCH + timedelta(hours=24)
    assert (event.kind, event.name) == ("event", "Decision")
    step.raise_event("Decision", {"approved": True})
    assert step.output == {"approved": True, "by": ["team lead"]}


def test_time_moves_on_to_each_timer_in_turn():
    fired: list[datetime] = []

    async def remind(context: Context) -> None:
        while True:
            await context.create_timer(timedelta(hours=10))
            fired.append(context.current_utc_datetime)

    step = OrchestratorPlayer(remind)
    step.skip(timedelta(days=1))
    assert fired == [EPOCH + timedelta(hours=10), EPOCH + timedelta(hours=20)]
    assert step.now == EPOCH + timedelta(days=1)
    step.fire_timer(step.pending[0])
    assert fired[-1] == EPOCH + timedelta(hours=30)


def test_timers_before_the_one_that_is_to_fire_do_so_on_the_way():
    async def in_order(context: Context) -> list[int]:
        timers = [context.create_timer(timedelta(hours=hours)) for hours in (3, 1, 2)]
        order: list[int] = []
        while len(order) < 3:
            done = await context.task_any([timer for at, timer in enumerate(timers) if at not in order])
            order.append(timers.index(done))
        return order

    step = OrchestratorPlayer(in_order)
    step.fire_timer(step.pending[0])
    assert step.output == [1, 2, 0]


def test_an_event_that_nothing_waits_for_yet_is_kept():
    async def later(context: Context) -> Any:
        await context.call_activity("prepare")
        return await context.wait_for_external_event("Go")

    step = OrchestratorPlayer(later)
    step.raise_event("go", 7)
    assert waits(step) == [("activity", "prepare")]
    step.complete("prepare")
    assert step.output == 7


# --- other calls -------------------------------------------------------------------------------------


def test_locks_and_entity_calls_are_answered_one_by_one():
    step = OrchestratorPlayer(transfer, {"from": "ann", "to": "bob", "amount": 30})
    for target in ("@account@ann", "@account@bob"):
        [lock] = step.pending
        assert (lock.kind, lock.target) == ("lock", target)
        step.complete(lock)
    balance = step.pending[0]
    assert (balance.kind, balance.name, balance.target) == ("entity_call", "balance", "@account@ann")
    step.complete(balance, 100)
    step.complete("deposit", 70)
    step.fail("deposit", ValueError("closed"))
    assert step.failure is not None
    assert step.failure.is_caused_by(ValueError)


def test_a_sub_orchestration_returns_or_fails():
    def parent(context: Context) -> Generator[Any, Any, Any]:
        first = yield context.call_sub_orchestrator("child", 1, "child-1")
        try:
            yield context.call_sub_orchestrator("child", 2)
        except df.TaskFailedError as error:
            return [first, error.details.error_type]

    step = OrchestratorPlayer(parent)
    [child] = step.pending
    assert (child.kind, child.name, child.input, child.target) == ("sub_orchestration", "child", 1, "child-1")
    step.complete(child, "one")
    step.fail("child", KeyError("two"))
    assert step.output == ["one", "KeyError"]


async def fetch(context: Context) -> str:
    again = df.HttpRetryOptions(timedelta(seconds=1), 3)
    answer = await context.call_http("GET", "https://shop.test/prices", retry_options=again)
    return answer.content


def test_an_http_call_is_answered_with_a_response():
    step = OrchestratorPlayer(fetch)
    [call] = step.pending
    assert (call.kind, call.name) == ("http", "GET https://shop.test/prices")
    assert isinstance(call.input, df.DurableHttpRequest)
    step.complete(call, df.DurableHttpResponse(200, content="7"))
    assert step.output == "7"


@pytest.mark.parametrize(
    "answer",
    [
        lambda step: step.complete(step.pending[0], df.DurableHttpResponse(503)),
        lambda step: step.fail(step.pending[0], df.HttpRequestError("no line")),
    ],
)
def test_an_http_call_is_tried_again_as_its_options_say(answer: Callable[[OrchestratorPlayer], None]):
    step = OrchestratorPlayer(fetch)
    answer(step)
    assert waits(step) == [("timer", "timer")]
    step.fire_timer()
    assert waits(step) == [("http", "GET https://shop.test/prices")]


def test_an_http_call_that_was_accepted_is_looked_after():
    step = OrchestratorPlayer(fetch)
    step.complete(step.pending[0], df.DurableHttpResponse(202, {"Location": "/status", "Retry-After": "60"}))
    step.fire_timer()
    assert step.now == EPOCH + timedelta(minutes=1)
    assert waits(step) == [("http", "GET https://shop.test/status")]


async def test_http_calls_are_answered_while_an_event_loop_runs():
    step = OrchestratorPlayer(fetch)
    step.complete(step.pending[0], df.DurableHttpResponse(404, content="gone"))
    assert waits(step) == [("timer", "timer")]


# --- ends --------------------------------------------------------------------------------------------


def test_a_failure_is_told_when_the_output_is_asked_for():
    def broken(context: Context) -> Generator[Any, Any, Any]:
        yield context.call_activity("prepare")
        raise LookupError("nothing there")

    step = OrchestratorPlayer(broken)
    assert step.failure is None
    step.complete("prepare")
    assert step.status is Status.Failed
    assert step.failure is not None
    assert step.failure.message == "nothing there"
    with pytest.raises(df.TaskFailedError, match="'broken' failed: nothing there"):
        _ = step.output


def eternal(context: Context) -> Generator[Any, Any, Any]:
    count = context.get_input()
    event = yield context.wait_for_external_event("Tick")
    if event == "stop":
        return count
    context.continue_as_new(count + event)


def test_a_new_generation_is_played_on():
    step = OrchestratorPlayer(eternal, 1)
    step.raise_event("Tick", 2)
    assert step.status is Status.ContinuedAsNew
    assert step.next_input == 3
    step = step.next_generation()
    step.raise_event("Tick", 10)
    assert step.next_input == 13
    step = step.next_generation()
    step.raise_event("Tick", "stop")
    assert step.output == 13


def test_events_that_came_too_early_are_carried_into_the_next_generation():
    async def one_at_a_time(context: Context) -> None:
        await context.call_activity("work")
        context.continue_as_new(context.get_input())

    step = OrchestratorPlayer(one_at_a_time, "x")
    step.raise_event("Kept", 5)
    step.complete("work")
    assert [event.name for event in step.next_generation().history if hasattr(event, "data")] == ["Kept"]


def test_the_history_is_that_of_a_task_hub():
    step = OrchestratorPlayer(book_trip, "Rome")
    step.skip(timedelta(hours=1))
    step.complete(book, "a hotel")
    turn = step.history[-3:]
    assert turn[0] == OrchestratorStarted(EPOCH + timedelta(hours=1))
    assert turn[1] == TaskCompleted(EPOCH + timedelta(hours=1), 0, '"a hotel"')


def test_what_is_left_standing_is_closed_quietly():
    ended: list[str] = []

    def careful(context: Context) -> Generator[Any, Any, Any]:
        try:
            yield context.call_activity("work")
        finally:
            ended.append("closed")
            yield context.call_activity("never decided")

    step = OrchestratorPlayer(careful)
    del step
    # The newest few are kept for the report of a test that fails.
    for _ in range(failure_reports.MOST_HUBS):
        OrchestratorPlayer(book_trip, "Rome")
    gc.collect()
    assert ended == ["closed"]


def test_what_is_not_deterministic_fails_where_every_turn_is_replayed():
    runs = iter(range(10))

    def careless(context: Context) -> Generator[Any, Any, Any]:
        yield context.call_activity("work", next(runs))

    assert OrchestratorPlayer(careless).failure is None
    failure = OrchestratorPlayer(careless, replay="every-turn").failure
    assert failure is not None
    assert failure.is_caused_by(df.NonDeterminismError)


def test_replaying_every_turn_changes_nothing_else():
    step = OrchestratorPlayer(transfer, {"from": "ann", "to": "bob", "amount": 30}, replay="every-turn")
    for result in (None, None, 100, 70, 130):
        step.complete(step.pending[0], result)
    assert step.output == {"moved": 30, "ann": 70, "bob": 130}


# --- mistakes ----------------------------------------------------------------------------------------


def test_what_is_not_pending_cannot_be_completed():
    step = OrchestratorPlayer(book_trip, "Rome")
    [call] = step.pending
    step.complete(call, "a hotel")
    with pytest.raises(StepError, match=r"activity 'book' is not pending\. It waits for activity 'book'\."):
        step.complete(call, "again")
    with pytest.raises(StepError, match="'cancel_booking' is not pending"):
        step.fail(cancel_booking, ValueError())
    with pytest.raises(StepError, match="No timer is pending"):
        step.fire_timer()
    with pytest.raises(StepError, match="activity 'book' is no timer"):
        step.fire_timer(step.pending[0])


def test_a_result_that_is_not_json_is_refused_and_changes_nothing():
    step = OrchestratorPlayer(book_trip, "Rome")
    with pytest.raises(df.SerializationError, match=r"the result of activity 'book': .*object"):
        step.complete(book, object())
    with pytest.raises(df.SerializationError, match="the data of event 'Stop'"):
        step.raise_event("Stop", object())
    with pytest.raises(df.SerializationError, match="the input of orchestrator 'book_trip'"):
        OrchestratorPlayer(book_trip, object())
    assert waits(step) == [("activity", "book")]


def test_each_kind_of_wait_has_its_own_step():
    step = OrchestratorPlayer(approve_expense, {"what": "pens", "amount": 20})
    step.complete(ask)
    with pytest.raises(StepError, match=r"a timer at 2026-01-02 00:00:00 is no call: fire_timer\(\)"):
        step.complete(step.pending[0])
    with pytest.raises(StepError, match=r"event 'Decision' is no call: raise_event\('Decision', data\)"):
        step.complete("Decision", True)
    with pytest.raises(StepError, match="time does not go back"):
        step.skip_to(datetime(2020, 1, 1, tzinfo=timezone.utc))
    with pytest.raises(TypeError, match="completed with a DurableHttpResponse"):
        OrchestratorPlayer(fetch).complete("GET https://shop.test/prices", "7")
    with pytest.raises(StepError, match="the lock of entity @account@ann cannot fail"):
        OrchestratorPlayer(transfer, {"from": "ann", "to": "bob"}).fail("lock", ValueError())


def test_what_has_not_come_yet_is_named():
    step = OrchestratorPlayer(eternal, 1)
    with pytest.raises(StepError, match=r"has not returned\. It waits for event 'Tick'"):
        _ = step.output
    with pytest.raises(StepError, match="has not continued as new"):
        _ = step.next_input
    step.raise_event("Tick", 2)
    with pytest.raises(StepError, match=r"has not returned\. It continued as new: next_generation\(\) plays on"):
        _ = step.output
    done = OrchestratorPlayer(lambda _: 5)
    with pytest.raises(StepError, match=r"has ended\. It returned 5\."):
        done.raise_event("Tick")
    assert repr(done) == "<OrchestratorPlayer of '<lambda>', Completed: It returned 5.>"


# --- entities ----------------------------------------------------------------------------------------


def test_an_entity_function_performs_an_operation_on_a_state():
    done = play_entity(counter, "add", 5, state=1)
    assert (done.result, done.state, done.exists) == (6, 6, True)
    assert play_entity(counter, "add", 5).state == 5
    assert not play_entity(counter, "reset", state=3).exists


def test_a_class_entity_shows_what_it_signals():
    done = play_entity(Limiter, "take", key="ann")
    assert (done.result, done.state) == (True, {"allowed": 3, "used": 1})
    assert done.signals == [
        SentSignal(df.EntityId("limiter", "ann"), "clear", signal_time=EPOCH + timedelta(minutes=1))
    ]
    assert play_entity(Limiter, "take", state={"allowed": 1, "used": 1}).result is False


def test_an_entity_shows_what_it_starts():
    def starter(context: df.DurableEntityContext) -> None:
        context.schedule_new_orchestration("book_trip", context.get_input(), "trip-1")

    assert play_entity(starter, "go", "Rome").started == [StartedOrchestration("book_trip", "trip-1", "Rome")]


def test_an_operation_raises_what_it_raises():
    def strict(context: df.DurableEntityContext) -> None:
        raise ValueError(f"not {context.operation_name}")

    with pytest.raises(ValueError, match="not this"):
        play_entity(strict, "this")
    with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'take'"):
        play_entity(Limiter, "tak")
    with pytest.raises(df.SerializationError, match="the state of entity 'counter'"):
        play_entity(counter, "add", 1, state=object())
    with pytest.raises(StepError, match="'counter' is the name of an entity"):
        play_entity("counter", "add", 1)


class Sleepy:
    def __init__(self) -> None:
        self.days = 0

    async def nap(self, days: int) -> int:
        await asyncio.sleep(days * 24 * 3600)
        self.days += days
        return self.days

    async def fall(self) -> None:
        await asyncio.sleep(1)
        raise RuntimeError("out of bed")


def test_an_async_operation_may_sleep():
    assert play_entity(Sleepy, "nap", 30, state={"days": 1}).result == 31


async def test_an_async_operation_may_be_played_in_an_async_test():
    assert play_entity(Sleepy, "nap", 30).state == {"days": 30}
    with pytest.raises(RuntimeError, match="out of bed"):
        play_entity(Sleepy, "fall")


# --- the tree ----------------------------------------------------------------------------------------


def test_the_tree_shows_how_it_came_so_far():
    step = OrchestratorPlayer(approve_expense, {"what": "pens", "amount": 20})
    step.complete(ask)
    step.skip(timedelta(hours=2))
    assert step.tree().splitlines() == [
        "approve_expense Running  played  2026-01-01 00:00:00  since 2 h",
        '├── input {"what":"pens","amount":20}',
        '├── custom status {"waitingFor":"team lead","approvedBy":[]}',
        '├── ✓ activity ask({"to":"team lead","about":"pens for 20"})',
        "├── … timer  since 2 h  due 2026-01-02 00:00:00 (in 22 h)",
        "└── … event Decision  since 2 h",
    ]


def test_what_is_pending_has_the_words_of_a_list_of_calls():
    def both(context: df.DurableOrchestrationContext) -> Any:
        yield context.task_all([context.call_activity("pack", 1), context.call_activity("ship", 2)])

    step = OrchestratorPlayer(both)
    assert step.pending.with_inputs == [("pack", 1), ("ship", 2)]
    assert (step.pending.names, step.pending.inputs) == (["pack", "ship"], [1, 2])


def test_time_may_be_skipped_in_seconds():
    def wait(context: df.DurableOrchestrationContext) -> Any:
        yield context.create_timer(timedelta(minutes=1))

    step = OrchestratorPlayer(wait)
    step.skip(59.5)
    assert step.pending.names == ["timer"]
    step.skip(1)
    assert step.pending == []
    with pytest.raises(TypeError, match="takes a timedelta"):
        step.skip("1")  # type: ignore[arg-type]
