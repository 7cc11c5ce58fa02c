"""`testing.replay` compares what decisions say: inputs, times, data - and tells what of it is dangerous."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.history.events import PayloadRef, TaskScheduled
from azure_durable_py.testing import DivergenceError, Replayed, Verdict, VirtualHub, play, replay

Context = df.DurableOrchestrationContext
Orchestrator = Callable[[Context], Any]


def app_of(function: Orchestrator) -> df.DFApp:
    app = df.DFApp()

    @app.activity_trigger(input_name="wish")
    def book(wish: Any) -> Any:
        return wish

    @app.orchestration_trigger(context_name="context")
    def child(context: Context) -> Any:
        return context.get_input()

    @app.entity_trigger(context_name="context")
    def counter(context: df.DurableEntityContext) -> None:
        context.set_result(context.get_input())

    app.function_name("trip")(app.orchestration_trigger(context_name="context")(function))
    return app


def exported(function: Orchestrator, value: Any = None) -> ExportedInstance:
    """What an export has of an instance that has come as far as it gets by itself."""

    async def scenario(hub: VirtualHub) -> ExportedInstance:
        await hub.client.start_new("trip", "t-1", value)
        await hub.at_rest()
        found = hub.client.export_history(
            runtime_status=list(df.OrchestrationRuntimeStatus), instance_id_prefix="t-1", names=["trip"]
        )
        [instance] = [one async for one in found]
        return instance

    return play(app_of(function), scenario)


def replayed(function: Orchestrator, instance: ExportedInstance, **options: Any) -> Replayed | None:
    """What is not the same; None: all is. By way of a line, as histories are kept."""
    report = replay(app_of(function), instance.to_line(), **options)
    return report.others[0] if report.others else None


async def stays(context: Context) -> None:
    """Nothing is told of the end of an instance that has none."""
    await context.wait_for_external_event("Never")


def books(*wishes: Any) -> Orchestrator:
    """An orchestrator that books one after the other, and then waits."""

    async def trip(context: Context) -> None:
        for wish in wishes:
            await context.call_activity("book", wish)
        await stays(context)

    return trip


HOTEL, FLIGHT = {"kind": "hotel", "city": "Rome"}, {"kind": "flight", "city": "Rome"}


def test_calls_of_one_activity_in_another_order_diverge_and_both_inputs_are_told_with_the_line() -> None:
    other = replayed(books(FLIGHT, HOTEL), exported(books(HOTEL, FLIGHT)))
    assert other is not None
    assert (other.verdict, other.is_failure) == (Verdict.diverged, True)
    _, recorded, made, place, more, advice = other.message.splitlines()
    assert recorded == """  history event 2: TaskScheduled(id 0) 'book' with input {"kind":"hotel","city":"Rome"}"""
    assert made == """  the code did: TaskScheduled(id 0) 'book' with input {"kind":"flight","city":"Rome"}"""
    assert place.startswith(f"  at {__file__}:{books.__code__.co_firstlineno + 5} in ")
    assert more == "and 1 more that says something else."
    assert "the answer to what was recorded for that to what the code asks" in advice


def test_a_reordered_call_that_has_no_answer_yet_diverges_as_well() -> None:
    def both(*wishes: Any) -> Orchestrator:
        async def trip(context: Context) -> None:
            await context.task_all([context.call_activity("book", wish) for wish in wishes])
            await stays(context)

        return trip

    instance = exported(both(HOTEL, FLIGHT))
    events = list(instance.events or ())
    first = next(at for at, event in enumerate(events) if isinstance(event, TaskScheduled))
    in_flight = dataclasses.replace(instance, events=events[: first + 2])
    assert replayed(both(HOTEL, FLIGHT), in_flight) is None
    other = replayed(both(FLIGHT, HOTEL), in_flight)
    assert other is not None
    assert other.verdict is Verdict.diverged


def test_changed_inputs_can_be_allowed_and_are_a_change_then() -> None:
    instance = exported(books("Rome"))
    with pytest.raises(DivergenceError, match=r'with input "Rome"\n.*with input "Oslo"'):
        replay(app_of(books("Oslo")), instance).raise_for_divergence()
    report = replay(app_of(books("Oslo")), instance, allow_changed_inputs=True)
    report.raise_for_divergence()
    with pytest.raises(DivergenceError, match="1 changed"):
        report.raise_for_divergence(changes=True)


@pytest.mark.parametrize(
    ("before", "now", "verdict"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, Verdict.changed),
        ([{"a": [1]}], [{"a": [1], "b": None}], Verdict.changed),
        ({"a": 1, "b": 2}, {"a": 1}, Verdict.diverged),
        ({"a": None}, {"a": 1}, Verdict.diverged),
        ([1, 2], [1, 2, 3], Verdict.diverged),
        ([1, 2], [2, 1], Verdict.diverged),
        (1, True, Verdict.diverged),
        (0.1, 0.2, Verdict.diverged),
        (None, "x", Verdict.diverged),
        (
            datetime(2026, 1, 31, tzinfo=timezone.utc),
            datetime(2026, 2, 1, tzinfo=timezone.utc),
            Verdict.diverged,
        ),
        ({"a": 1, "b": {"c": 2}}, {"b": {"c": 2}, "a": 1}, None),
        ({"tea", "milk", "bread"}, {"bread", "tea", "milk"}, None),
        (0.1 + 0.2, 0.30000000000000004, None),
        (1, 1.0, None),
        (datetime(2026, 1, 31, tzinfo=timezone.utc), datetime(2026, 1, 31, tzinfo=timezone.utc), None),
        ("\u00e9\u2028\U0001f600", "\u00e9\u2028\U0001f600", None),
    ],
)
def test_what_an_input_says_is_compared_and_not_how_it_is_written(
    before: Any, now: Any, verdict: Verdict | None
) -> None:
    other = replayed(books(now), exported(books(before)))
    assert (None if other is None else other.verdict) == verdict
    assert other is None or other.is_failure == (verdict is Verdict.diverged)


async def other_timer(context: Context) -> None:
    await context.create_timer(timedelta(hours=2))
    await stays(context)


async def timer(context: Context) -> None:
    await context.create_timer(timedelta(hours=1))
    await stays(context)


async def event(context: Context) -> None:
    context.send_event("t-2", "Go", 1)
    await stays(context)


async def other_event(context: Context) -> None:
    context.send_event("t-2", "Go", 2)
    await stays(context)


def entity(signal: bool, value: int) -> Orchestrator:
    async def trip(context: Context) -> None:
        key = df.EntityId("counter", "a")
        if signal:
            context.signal_entity(key, "add", value)
        else:
            await context.call_entity(key, "add", value)
        await stays(context)

    return trip


def sub(value: int, instance_id: str = "c-1") -> Orchestrator:
    async def trip(context: Context) -> None:
        await context.call_sub_orchestrator("child", value, instance_id)
        await stays(context)

    return trip


@pytest.mark.parametrize(
    ("before", "now", "verdict", "part"),
    [
        (timer, other_timer, Verdict.changed, "with fire_at 20"),
        (event, other_event, Verdict.changed, "'Go' to 't-2' with data 2"),
        (entity(signal=True, value=1), entity(signal=True, value=2), Verdict.changed, "with input 2"),
        (entity(signal=False, value=1), entity(signal=False, value=2), Verdict.diverged, "with input 2"),
        (sub(1), sub(2), Verdict.diverged, "'child' as 'c-1' with input 2"),
        (sub(1), sub(1, "c-2"), Verdict.diverged, "the code did: SubOrchestrationCreated(id 0) 'child' as 'c-2'"),
    ],
)
def test_only_what_has_an_answer_can_have_the_wrong_one(
    before: Orchestrator, now: Orchestrator, verdict: Verdict, part: str
) -> None:
    other = replayed(now, exported(before))
    assert other is not None
    assert (other.verdict, part in other.message) == (verdict, True)
    assert f"at {__file__}:" in other.message
    assert replayed(before, exported(before)) is None


def test_a_call_of_the_last_turn_is_a_change_for_nobody_reads_its_answer() -> None:
    def leaves(wish: str) -> Orchestrator:
        def trip(context: Context) -> str:
            context.call_activity("book", wish)
            return "left"

        return trip

    other = replayed(leaves("Oslo"), exported(leaves("Rome")))
    assert other is not None
    assert other.verdict is Verdict.changed


def test_a_changed_input_and_another_end_are_both_told() -> None:
    def ends(wish: dict[str, int], result: str) -> Orchestrator:
        async def trip(context: Context) -> str:
            await context.call_activity("book", wish)
            return result

        return trip

    other = replayed(ends({"a": 1, "b": 2}, "two"), exported(ends({"a": 1}, "one")))
    assert other is not None
    assert other.verdict is Verdict.changed
    for part in ('with input {"a":1}\n', 'with input {"a":1,"b":2}\n', 'it returned "one"\n', 'it returned "two"\n'):
        assert part in other.message


def test_long_inputs_are_shown_where_they_part() -> None:
    other = replayed(books("x" * 5_000 + "tea"), exported(books("x" * 5_000 + "milk")))
    assert other is not None
    assert 'xtea" (5005 characters)' in other.message
    assert len(other.message) < 1_500


def test_large_values_that_are_kept_apart_are_compared_in_full() -> None:
    size = 300_000
    instance = exported(books("x" * size + "tea"))
    assert replayed(books("x" * size + "tea"), instance) is None
    other = replayed(books("x" * size + "bun"), instance)
    assert other is not None
    assert other.verdict is Verdict.diverged


def test_a_value_that_is_not_at_hand_is_compared_with_nothing() -> None:
    instance = exported(books("tea"))
    events = [
        dataclasses.replace(event, input=PayloadRef("p", 5, 1)) if isinstance(event, TaskScheduled) else event
        for event in instance.events or ()
    ]
    report = replay(app_of(books("milk")), dataclasses.replace(instance, events=events))
    assert report.tally.verdicts == {Verdict.same: 1}


def test_another_spacing_or_escaping_of_recorded_json_is_the_same() -> None:
    line = json.loads(exported(books({"city": "Zürich", "n": [1, 2]})).to_line())
    for event in line["history"]:
        if event["type"] == "TaskScheduled":
            event["input"] = json.dumps({"n": [1, 2], "city": "Zürich"}, indent=1, ensure_ascii=True)
    report = replay(app_of(books({"city": "Zürich", "n": [1, 2]})), json.dumps(line))
    assert report.tally.verdicts == {Verdict.same: 1}


async def pays(context: Context) -> None:
    given = context.get_input()
    owner, card, price = given["owner"], given["card"], given["price"]
    await context.call_activity("book", {"kind": "hotel", "to": owner.upper(), "last": card[-4:], "sum": price * 3})
    await context.create_timer(datetime.fromisoformat(given["at"]))
    await context.call_activity("book", {"body": json.dumps({"card": card, "price": price}, indent=1)})
    await context.call_activity("book", f"{owner} owes {price}")
    await stays(context)


ORDER = {"owner": "Ada Byron", "card": "4929-1234-5678", "price": 4711, "at": "2020-05-17T10:00:00+00:00"}
SECRETS = ["owner", "card", "price", "at"]


def test_a_redacted_history_is_the_same_and_says_that_it_is_redacted() -> None:
    instance = exported(pays, ORDER)
    hidden = instance.redacted(SECRETS)
    assert (json.loads(instance.to_line()).get("redacted"), json.loads(hidden.to_line())["redacted"]) == (None, True)
    assert ExportedInstance.from_line(hidden.to_line()) == hidden
    other = replayed(pays, hidden)
    assert other is None, other


def test_what_the_code_says_by_itself_under_a_name_that_was_redacted_is_the_same() -> None:
    hidden = exported(books({"owner": "The shop 7"})).redacted(["owner"])
    assert replayed(books({"owner": "The shop 7"}), hidden) is None
    longer = replayed(books({"owner": "The shop 17"}), hidden)
    assert longer is not None
    assert longer.verdict is Verdict.diverged


def test_what_was_not_redacted_is_compared_in_a_redacted_history_and_no_secret_is_told() -> None:
    async def other(context: Context) -> None:
        given = context.get_input()
        await context.call_activity("book", {"kind": "train", "to": given["owner"], "last": "", "sum": 1})

    found = replayed(other, exported(pays, ORDER).redacted(SECRETS))
    assert found is not None
    assert found.verdict is Verdict.diverged
    bus = replayed(books("bus"), exported(books("tea")).redacted(["owner"]))
    assert bus is not None
    assert 'with input "tea"\n  the code did: ' in bus.message
    assert "Ada" not in found.message


def test_what_many_histories_show_is_told_once_whatever_their_inputs_were() -> None:
    async def trip(context: Context) -> None:
        await context.call_activity("book", context.get_input())
        await stays(context)

    async def shouts(context: Context) -> None:
        await context.call_activity("book", context.get_input().upper())
        await stays(context)

    report = replay(app_of(shouts), [exported(trip, wish).to_line() for wish in ("tea", "milk", "bread")])
    with pytest.raises(DivergenceError) as told:
        report.raise_for_divergence()
    assert str(told.value).count("the code did") == 1
    assert "3 histories in all are diverged like t-1, in this very way." in str(told.value)


def test_production_goes_on_with_the_recorded_input() -> None:
    """The twin of the first test: nothing of what a worker refuses has changed."""
    wishes: list[Any] = []

    def app(*order: Any) -> df.DFApp:
        made = df.DFApp()

        @made.activity_trigger(input_name="wish")
        def book(wish: Any) -> Any:
            wishes.append(wish["kind"])
            return wish["kind"]

        @made.orchestration_trigger(context_name="context")
        async def trip(context: Context) -> Any:
            got = [await context.call_activity(book, order[0])]
            await context.wait_for_external_event("Go")
            return [*got, await context.call_activity(book, order[1])]

        return made

    async def scenario(hub: VirtualHub) -> Any:
        await hub.client.start_new("trip", "t-1")
        await hub.at_rest()
        hub.workers[0].kill()
        await hub.start_worker(app=app(FLIGHT, HOTEL))
        await hub.client.raise_event("t-1", "Go")
        return (await hub.client.wait_for_completion("t-1")).output

    assert play(app(HOTEL, FLIGHT), scenario) == ["hotel", "hotel"]
    assert wishes == ["hotel", "hotel"]
