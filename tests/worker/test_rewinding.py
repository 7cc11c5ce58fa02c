"""A failed orchestration goes on from where it failed: what failed runs again, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.history.codec import encode_event
from azure_durable_py.history.events import ExecutionCompleted, ExecutionRewound, ExecutionStarted, OrchestratorStarted
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub import rewinding
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.tail import Tail
from azure_durable_py.testing import VirtualHub, play

Context = df.DurableOrchestrationContext
Routine = Generator[Any, Any, Any]
Scenario = Callable[[VirtualHub], Coroutine[Any, Any, Any]]


class Shop:
    """An app whose work fails as often as it is told to, and counts how often it ran."""

    def __init__(self) -> None:
        self.app = df.DFApp()
        self.ran: Counter[str] = Counter()
        self.to_fail: Counter[str] = Counter()
        app, shop = self.app, self

        @app.activity_trigger(input_name="name")
        def work(name: str) -> str:
            return shop.run(name)

        @app.activity_trigger(input_name="name")
        async def slow(name: str) -> str:
            await asyncio.sleep(60)
            return shop.run(name)

        @app.entity_trigger(context_name="context")
        def counter(context: df.DurableEntityContext) -> None:
            shop.run(f"entity {context.operation_name}")
            count = context.get_state(lambda: 0) + 1
            context.set_state(count)
            context.set_result(count)

        self.orchestrator(child)
        self.orchestrator(parent)

    def run(self, name: str) -> str:
        self.ran[name] += 1
        if self.ran[name] <= self.to_fail[name]:
            raise ValueError(f"{name} is broken")
        return f"{name} done"

    def orchestrator(self, function: Callable[..., Any]) -> None:
        self.app.orchestration_trigger(context_name="context")(function)

    def play(self, scenario: Scenario, **options: Any) -> Any:
        return play(self.app, scenario, **options)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def child(context: Context) -> Routine:
    first = yield context.call_activity("work", f"{context.get_input()} first")
    second = yield context.call_activity("work", f"{context.get_input()} second")
    return [first, second]


def parent(context: Context) -> Routine:
    before = yield context.call_activity("work", "before")
    inside = yield context.call_sub_orchestrator("child", "c", instance_id="the-child")
    after = yield context.call_activity("work", "after")
    return [before, inside, after]


async def finished(hub: VirtualHub, instance_id: str) -> df.DurableOrchestrationStatus:
    return await hub.client.wait_for_completion(instance_id)


async def fail(hub: VirtualHub, name: str, instance_id: str = "one", value: Any = None) -> None:
    await hub.client.start_new(name, instance_id, value)
    assert (await finished(hub, instance_id)).runtime_status is Status.Failed


async def rewound(hub: VirtualHub, instance_id: str = "one") -> df.DurableOrchestrationStatus:
    await hub.client.rewind(instance_id, "mended")
    return await finished(hub, instance_id)


# --- activities ----------------------------------------------------------------------------------------


def test_a_failed_activity_runs_again_and_what_succeeded_does_not(shop: Shop):
    shop.to_fail["x second"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "child", value="x")
        status = await rewound(hub)
        assert status.output == ["x first done", "x second done"]
        assert status.attempt == 1
        assert status.to_json()["attempt"] == 1
        assert shop.ran == {"x first": 1, "x second": 2}

    shop.play(scenario)


def test_it_may_fail_and_be_rewound_any_number_of_times(shop: Shop):
    shop.to_fail |= {"x first": 3, "x second": 2}

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "child", value="x")
        for attempt in range(1, 5):
            status = await rewound(hub)
            assert (status.attempt, status.runtime_status) == (attempt, Status.Failed)
        assert (await rewound(hub)).output == ["x first done", "x second done"]
        assert shop.ran == {"x first": 4, "x second": 3}

    shop.play(scenario)


def test_all_failures_of_a_fan_out_run_again_and_no_success(shop: Shop):
    def spread(context: Context) -> Routine:
        tasks = [context.call_activity("work", f"w{n}") for n in range(6)]
        failures = []
        for task in tasks:
            try:
                yield task
            except df.TaskFailedError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return [task.result for task in tasks]

    shop.orchestrator(spread)
    shop.to_fail |= {"w1": 1, "w4": 2, "w5": 1}

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "spread")
        assert (await rewound(hub)).runtime_status is Status.Failed
        assert (await rewound(hub)).output == [f"w{n} done" for n in range(6)]
        assert shop.ran == {"w0": 1, "w1": 2, "w2": 1, "w3": 1, "w4": 3, "w5": 2}

    shop.play(scenario)


def test_what_was_running_when_it_failed_runs_again(shop: Shop):
    def both(context: Context) -> Routine:
        return (yield context.task_all([context.call_activity("slow", "s"), context.call_activity("work", "w")]))

    shop.orchestrator(both)
    shop.to_fail["w"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "both")
        assert (await rewound(hub)).output == ["s done", "w done"]
        # What the first attempt began is not known to it: its result came to an attempt that was over.
        assert shop.ran == {"s": 2, "w": 2}

    shop.play(scenario)


def test_of_a_task_that_was_retried_on_timers_only_the_last_try_is_void(shop: Shop):
    def retrying(context: Context) -> Routine:
        policy = df.RetryOptions(1000, 3)
        return (yield context.call_activity_with_retry("work", policy, "w"))

    shop.orchestrator(retrying)
    shop.to_fail["w"] = 4

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "retrying")
        assert shop.ran["w"] == 3
        assert (await rewound(hub)).runtime_status is Status.Failed
        assert shop.ran["w"] == 4
        assert (await rewound(hub)).output == "w done"
        assert shop.ran["w"] == 5

    shop.play(scenario)


def test_a_failure_that_was_dealt_with_is_left_alone(shop: Shop):
    def with_fallback(context: Context) -> Routine:
        try:
            yield context.call_activity("work", "main")
        except df.TaskFailedError:
            yield context.call_activity("work", "fallback")
        return (yield context.call_activity("work", "end"))

    shop.orchestrator(with_fallback)
    shop.to_fail |= {"main": 9, "end": 1}

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "with_fallback")
        assert (await rewound(hub)).output == "end done"
        assert shop.ran == {"main": 1, "fallback": 1, "end": 2}

    shop.play(scenario)


def test_a_failure_that_is_raised_again_after_cleaning_up_is_the_one_to_mend(shop: Shop):
    def careful(context: Context) -> Routine:
        try:
            return (yield context.call_activity("work", "main"))
        except df.TaskFailedError:
            yield context.call_activity("work", "clean up")
            raise

    shop.orchestrator(careful)
    shop.to_fail["main"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "careful")
        assert (await rewound(hub)).output == "main done"
        assert shop.ran == {"main": 2, "clean up": 1}

    shop.play(scenario)


def test_an_orchestrator_that_was_mended_goes_on_from_its_last_turn(shop: Shop):
    broken = [True]

    def buggy(context: Context) -> Routine:
        found = yield context.call_activity("work", "w")
        if broken:
            raise RuntimeError("a bug")
        return found

    shop.orchestrator(buggy)

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "buggy")
        broken.clear()
        assert (await rewound(hub)).output == "w done"
        assert shop.ran == {"w": 1}

    shop.play(scenario)


def test_one_that_failed_before_its_first_step_begins_then(shop: Shop):
    broken = [True]

    def at_once(context: Context) -> Any:
        if broken:
            raise RuntimeError("a bug")
        return context.get_input()

    shop.orchestrator(at_once)

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "at_once", value="hello")
        broken.clear()
        assert (await rewound(hub)).output == "hello"

    shop.play(scenario)


def test_large_values_are_there_after_it(shop: Shop):
    def carrying(context: Context) -> Routine:
        found: list[Any] = yield context.task_all([context.call_activity("grow", n) for n in range(3)])
        return [len(text) for text in found]

    @shop.app.activity_trigger(input_name="n")
    def grow(n: int) -> str:
        shop.run(f"g{n}")
        return str(n) * 50_000

    shop.orchestrator(carrying)
    shop.to_fail["g2"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "carrying", value="i" * 40_000)
        status = await rewound(hub)
        assert status.output == [50_000] * 3
        assert (await hub.client.get_status("one", show_input=True)).input_ == "i" * 40_000

    shop.play(scenario)


def test_events_that_came_after_the_failure_are_kept(shop: Shop):
    def listening(context: Context) -> Routine:
        event = context.wait_for_external_event("Go")
        tasks = [context.call_activity("work", "w"), context.call_activity("slow", "s")]
        failed: Any = None
        for task in tasks:
            try:
                yield task
            except df.TaskFailedError as error:
                failed = error
        if failed:
            raise failed
        return (yield event)

    shop.orchestrator(listening)
    shop.to_fail["w"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("listening", "one")
        await asyncio.sleep(30)
        await hub.client.raise_event("one", "Go", "heard")
        assert (await finished(hub, "one")).runtime_status is Status.Failed
        assert (await rewound(hub)).output == "heard"
        assert shop.ran == {"w": 2, "s": 1}

    shop.play(scenario)


def deciding(name: str) -> Callable[[Context], Routine]:
    def changing(context: Context) -> Routine:
        yield context.call_activity("work", "w")
        if name == "bug":
            context.call_activity("work", "bug")
        return (yield context.wait_for_external_event("Go"))

    return changing


def test_an_orchestrator_that_was_changed_back_goes_on_with_what_it_was_told(shop: Shop):
    shop.orchestrator(deciding("good"))
    changed = Shop()
    changed.orchestrator(deciding("bug"))

    async def scenario(hub: VirtualHub) -> None:
        good = await hub.start_worker()
        await hub.client.start_new("changing", "one")
        await hub.at_rest()
        await good.stop()
        bad = await hub.start_worker(app=changed.app)
        await hub.client.raise_event("one", "Go", "heard")
        status = await finished(hub, "one")
        assert status.failure is not None
        assert "Non-deterministic" in status.failure.message
        await bad.stop()
        await hub.start_worker()
        assert (await rewound(hub)).output == "heard"
        assert shop.ran == {"w": 1}

    shop.play(scenario, workers=0)


def test_one_that_failed_of_its_version_goes_on_where_that_may_run(shop: Shop):
    shop.orchestrator(waiting)

    async def scenario(hub: VirtualHub) -> None:
        refusing = replace(
            hub.settings, default_version="2.0", version_match_strategy="Strict", version_failure_strategy="Fail"
        )
        other = await hub.start_worker(settings=refusing)
        large = "i" * 40_000
        await fail(hub, "child", "new", large)
        await other.stop()
        right = await hub.start_worker()
        await hub.client.start_new("waiting", "one")
        await hub.at_rest()
        await right.stop()
        other = await hub.start_worker(settings=refusing)
        await hub.client.raise_event("one", "Go", "heard")
        assert (await finished(hub, "one")).runtime_status is Status.Failed
        await other.stop()
        await hub.start_worker()
        assert (await rewound(hub)).output == "heard"
        assert (await rewound(hub, "new")).output == [f"{large} first done", f"{large} second done"]

    shop.play(scenario, workers=0)


def test_one_that_failed_before_its_start_was_written_down_begins_with_it(shop: Shop):
    """As histories of older versions have it."""

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("child", "one", "x", tags={"shop": "north"})
        header = await hub.store.load_header("one")
        assert header is not None
        state = InstanceState.decode(header.body)
        ends = (OrchestratorStarted(hub.now), ExecutionCompleted(hub.now, "Failed", None))
        state.pending, state.tail = [], Tail(map(encode_event, ends))
        columns = replace(header.columns, runtime_status="Failed", completed_time=hub.now, turn_id="t")
        await hub.store.commit(Commit("one", replace(header, columns=columns, body=state.encode()), header.etag))
        await hub.start_worker()
        assert (await rewound(hub)).output == ["x first done", "x second done"]
        [started] = [event for event in await hub.client.get_history("one") if isinstance(event, ExecutionStarted)]
        assert (started.input, started.tags) == ('"x"', {"shop": "north"})

    shop.play(scenario, workers=0)


def test_one_whose_header_is_full_is_rewound_all_the_same(shop: Shop):
    def chatty(context: Context) -> Routine:
        for n in range(context.get_input()):
            yield context.call_activity("noise", n)
        yield context.call_activity("work", "w")
        return "said"

    @shop.app.activity_trigger(input_name="n")
    def noise(n: int) -> str:
        return random.Random(n).randbytes(1_500).hex()

    shop.orchestrator(chatty)
    shop.to_fail["w"] = 1

    async def scenario(hub: VirtualHub) -> None:
        # Of so many, the end of the history has just become a page; of one less, it is long.
        for count in (39, 40):
            shop.ran.clear()
            await fail(hub, "chatty", f"says-{count}", count)
            assert (await rewound(hub, f"says-{count}")).output == "said"

    with pytest.MonkeyPatch.context() as patched:
        # Nothing more than what a header has at its end fits: what is there becomes a page.
        patched.setattr(rewinding, "SPARE_BYTES", 1_000_000)
        shop.play(scenario)


def test_one_that_is_terminated_before_it_goes_on_does_nothing_more(shop: Shop):
    shop.to_fail["x second"] = 1

    async def scenario(hub: VirtualHub) -> None:
        worker = await hub.start_worker()
        await fail(hub, "child", value="x")
        await worker.stop()
        await hub.client.rewind("one", "mended")
        await hub.client.terminate("one", "enough")
        await hub.start_worker()
        assert (await finished(hub, "one")).runtime_status is Status.Terminated
        assert shop.ran == {"x first": 1, "x second": 1}

    shop.play(scenario, workers=0)


def test_timers_that_were_set_are_set_again(shop: Shop):
    def timed(context: Context) -> Routine:
        timer = context.create_timer(timedelta(hours=1))
        yield context.call_activity("work", "w")
        yield timer
        return "rested"

    shop.orchestrator(timed)
    shop.to_fail["w"] = 1

    async def scenario(hub: VirtualHub) -> None:
        began = hub.now
        await fail(hub, "timed")
        assert (await rewound(hub)).output == "rested"
        assert timedelta(hours=1) <= hub.now - began < timedelta(hours=1, minutes=1)

    shop.play(scenario)


def test_a_later_generation_is_rewound_by_itself(shop: Shop):
    def rounds(context: Context) -> Routine:
        left: int = context.get_input()
        yield context.call_activity("work", f"r{left}")
        inside = yield context.call_sub_orchestrator("child", f"c{left}")
        if left:
            context.continue_as_new(left - 1)
        return inside

    shop.orchestrator(rounds)
    shop.to_fail |= {"c2 second": 1, "r1": 1, "c0 first": 2}

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "rounds", value=2)
        for attempt in range(1, 4):
            status = await rewound(hub)
            assert (status.attempt, status.runtime_status) == (attempt, Status.Failed)
        assert (await rewound(hub)).output == ["c0 first done", "c0 second done"]
        assert shop.ran == {
            **{f"r{n}": 1 + (n == 1) for n in range(3)},
            **{f"c{n} first": 1 + 2 * (n == 0) for n in range(3)},
            **{f"c{n} second": 1 + (n == 2) for n in range(3)},
        }

    shop.play(scenario)


# --- entities -------------------------------------------------------------------------------------------


def test_a_failed_entity_operation_is_asked_for_again(shop: Shop):
    def calling(context: Context) -> Routine:
        yield context.call_entity(df.EntityId("counter", "k"), "one")
        return (yield context.call_entity(df.EntityId("counter", "k"), "two"))

    shop.orchestrator(calling)
    shop.to_fail["entity two"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "calling")
        assert (await rewound(hub)).output == 2
        assert shop.ran == {"entity one": 1, "entity two": 2}

    shop.play(scenario)


def test_what_failed_inside_a_critical_section_is_not_rewound(shop: Shop):
    def locking(context: Context) -> Routine:
        with (yield context.lock([df.EntityId("counter", "k")])):
            yield context.call_activity("work", "w")

    shop.orchestrator(locking)
    shop.to_fail["w"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "locking")
        before = await hub.client.get_status("one", show_history=True)
        with pytest.raises(df.RewindNotPossibleError, match=r"critical section.*@counter@k.*Restart"):
            await hub.client.rewind("one", "mended")
        assert await hub.client.get_status("one", show_history=True) == before

    shop.play(scenario)


def test_a_section_is_entered_anew_if_it_was_left_before_or_not_entered(shop: Shop):
    def locking(context: Context) -> Routine:
        for n in range(3):
            with (yield context.lock([df.EntityId("counter", "k")])):
                yield context.call_entity(df.EntityId("counter", "k"), f"op{n}")
            yield context.call_activity("work", f"w{n}")
        return "left"

    shop.orchestrator(locking)
    shop.to_fail |= {"w0": 2, "w1": 1}

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "locking")
        assert (await rewound(hub)).runtime_status is Status.Failed
        assert (await rewound(hub)).runtime_status is Status.Failed
        assert (await rewound(hub)).output == "left"
        assert shop.ran == {"entity op0": 1, "entity op1": 1, "entity op2": 1, "w0": 3, "w1": 2, "w2": 1}

    shop.play(scenario)


# --- sub-orchestrations -------------------------------------------------------------------------------------


def test_a_failed_sub_orchestration_is_rewound_itself(shop: Shop):
    shop.to_fail["c second"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "parent")
        execution = (await hub.client.get_status("the-child")).execution_id
        status = await rewound(hub)
        assert status.output == ["before done", ["c first done", "c second done"], "after done"]
        assert shop.ran == {"before": 1, "c first": 1, "c second": 2, "after": 1}
        inner = await hub.client.get_status("the-child")
        assert (inner.execution_id, inner.attempt, inner.runtime_status) == (execution, 1, Status.Completed)

    shop.play(scenario)


def nested(context: Context) -> Routine:
    depth: int = context.get_input()
    if not depth:
        return (yield context.call_activity("work", "deepest"))
    tasks = [context.call_sub_orchestrator("nested", depth - 1), context.call_activity("work", f"level {depth}")]
    found: list[Any] = []
    failure: Any = None
    for task in tasks:
        try:
            found.append((yield task))
        except df.TaskFailedError as error:
            failure = error
    if failure is not None:
        raise failure
    return found


def test_a_rewind_goes_down_as_far_as_there_are_failures(shop: Shop):
    shop.orchestrator(nested)
    shop.to_fail |= {"deepest": 2, "level 2": 1}

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "nested", value=3)
        assert (await rewound(hub)).runtime_status is Status.Failed
        status = await rewound(hub)
        assert status.output == [[["deepest done", "level 1 done"], "level 2 done"], "level 3 done"]
        assert shop.ran == {"deepest": 3, "level 1": 1, "level 2": 2, "level 3": 1}
        assert len(await hub.client.get_status_all()) == 4

    shop.play(scenario)


def test_children_that_went_on_or_ended_after_their_parent_failed_answer_it_after_the_rewind(shop: Shop):
    def patient(context: Context) -> Routine:
        yield context.create_timer(timedelta(minutes=context.get_input()))
        return (yield context.call_activity("work", f"m{context.get_input()}"))

    def hasty(context: Context) -> Routine:
        children = [context.call_sub_orchestrator("patient", m, instance_id=f"m{m}") for m in (1, 30)]
        return (yield context.task_all([*children, context.call_activity("work", "w")]))

    shop.orchestrator(patient)
    shop.orchestrator(hasty)
    shop.to_fail["w"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "hasty")
        await asyncio.sleep(600)
        assert (await hub.client.get_status("m1")).runtime_status is Status.Completed
        assert (await hub.client.get_status("m30")).runtime_status is Status.Running
        assert (await rewound(hub)).output == ["m1 done", "m30 done", "w done"]
        assert shop.ran == {"m1": 1, "m30": 1, "w": 2}

    shop.play(scenario)


def test_a_child_that_was_rewound_by_itself_answers_its_parent_when_that_is_rewound(shop: Shop):
    shop.to_fail["c second"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "parent")
        assert (await rewound(hub, "the-child")).runtime_status is Status.Completed
        assert (await hub.client.get_status("one")).runtime_status is Status.Failed
        assert (await rewound(hub)).output == ["before done", ["c first done", "c second done"], "after done"]
        assert shop.ran == {"before": 1, "c first": 1, "c second": 2, "after": 1}

    shop.play(scenario)


def test_a_child_that_was_purged_is_started_anew(shop: Shop):
    shop.to_fail["c second"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "parent")
        await hub.client.purge_instance_history("the-child")
        assert (await rewound(hub)).runtime_status is Status.Completed
        assert shop.ran == {"before": 1, "c first": 2, "c second": 2, "after": 1}

    shop.play(scenario)


def test_a_stranger_that_has_the_id_of_a_child_by_now_is_not_taken_for_it(shop: Shop):
    shop.to_fail["c second"] = 1
    shop.orchestrator(waiting)

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "parent")
        await hub.client.start_new("waiting", "the-child")
        await hub.at_rest()
        status = await rewound(hub)
        assert status.failure is not None
        assert "another instance with this id is running" in status.failure.message
        await hub.client.raise_event("the-child", "Go")
        await finished(hub, "the-child")
        # A finished one is replaced, as by any start.
        assert (await rewound(hub)).output == ["before done", ["c first done", "c second done"], "after done"]

    shop.play(scenario)


def test_a_child_that_was_terminated_fails_its_parent_again(shop: Shop):
    shop.orchestrator(waiting)

    def with_child(context: Context) -> Routine:
        return (yield context.call_sub_orchestrator("waiting", instance_id="inner"))

    shop.orchestrator(with_child)

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("with_child", "one")
        await hub.at_rest()
        await hub.client.terminate("inner", "enough")
        assert (await finished(hub, "one")).runtime_status is Status.Failed
        status = await rewound(hub)
        assert status.failure is not None
        assert "terminated" in status.failure.message

    shop.play(scenario)


def waiting(context: Context) -> Routine:
    return (yield context.wait_for_external_event("Go"))


def test_a_rewound_child_is_terminated_with_its_parent_and_purged_with_it(shop: Shop):
    def until_told(context: Context) -> Routine:
        yield context.call_activity("work", "w")
        return (yield context.wait_for_external_event("Go"))

    def with_child(context: Context) -> Routine:
        return (yield context.call_sub_orchestrator("until_told", instance_id="inner"))

    shop.orchestrator(until_told)
    shop.orchestrator(with_child)
    shop.to_fail["w"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "with_child")
        await hub.client.rewind("one", "mended")
        await hub.at_rest()
        await hub.client.terminate("one", "enough", recurse=True)
        assert (await finished(hub, "inner")).runtime_status is Status.Terminated
        await hub.at_rest()
        result = await hub.client.purge_instance_history("one", recursive=True)
        assert result.instances_deleted == 2

    shop.play(scenario)


def test_children_that_are_decided_anew_get_ids_of_their_own(shop: Shop):
    def saga(context: Context) -> Routine:
        try:
            yield context.call_activity("work", "main")
        except df.TaskFailedError:
            yield context.call_sub_orchestrator("child", "undo")
            raise
        return (yield context.call_sub_orchestrator("child", "go on"))

    shop.orchestrator(saga)
    shop.to_fail["main"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "saga")
        assert (await rewound(hub)).output == ["go on first done", "go on second done"]
        assert len(await hub.client.get_status_by(names=["child"])) == 2
        await hub.at_rest()
        assert (await hub.client.purge_instance_history("one", recursive=True)).instances_deleted == 3

    shop.play(scenario)


# --- the instance ---------------------------------------------------------------------------------------------


def test_a_rewound_instance_restarts_from_its_beginning_and_as_new(shop: Shop):
    shop.to_fail["x second"] = 2

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "child", value="x")
        assert (await rewound(hub)).runtime_status is Status.Failed
        await hub.client.restart("one", restart_with_new_instance_id=False)
        status = await finished(hub, "one")
        assert (status.output, status.attempt) == (["x first done", "x second done"], 0)
        assert shop.ran == {"x first": 2, "x second": 3}

    shop.play(scenario)


def test_the_history_is_kept_and_shows_what_was_void(shop: Shop):
    shop.to_fail["x second"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "child", value="x")
        before = await hub.client.get_history("one")
        await rewound(hub)
        after = await hub.client.get_history("one")
        assert after[: len(before)] == before
        [event] = [event for event in after if isinstance(event, ExecutionRewound)]
        assert (event.reason, event.attempt) == ("mended", 1)
        status = await hub.client.get_status("one", show_history=True)
        assert [entry["EventType"] for entry in status.history or ()] == [
            "ExecutionStarted",
            "TaskCompleted",
            "TaskFailed",
            "ExecutionCompleted",
            "ExecutionRewound",
            "TaskCompleted",
            "ExecutionCompleted",
        ]

    shop.play(scenario)


def test_only_what_has_failed_is_rewound(shop: Shop):
    shop.orchestrator(waiting)

    async def scenario(hub: VirtualHub) -> None:
        with pytest.raises(df.InstanceNotFoundError, match="'none'"):
            await hub.client.rewind("none", "x")
        await hub.client.start_new("waiting", "one")
        await hub.at_rest()
        with pytest.raises(df.InstanceNotFailedError, match="'one' is Running"):
            await hub.client.rewind("one", "x")
        await hub.client.raise_event("one", "Go")
        await finished(hub, "one")
        with pytest.raises(df.InstanceNotFailedError, match="'one' is Completed"):
            await hub.client.rewind("one", "x")

    shop.play(scenario)


def test_two_who_rewind_at_once_rewind_once(shop: Shop):
    shop.to_fail["x second"] = 1

    async def scenario(hub: VirtualHub) -> None:
        await fail(hub, "child", value="x")
        await asyncio.gather(*(hub.client.rewind("one", f"by {n}") for n in range(5)))
        assert (await finished(hub, "one")).attempt == 1
        assert shop.ran == {"x first": 1, "x second": 2}

    shop.play(scenario)


def test_a_suspended_instance_stays_so_and_goes_on_when_it_is_resumed(shop: Shop):
    broken = [True]

    def buggy(context: Context) -> Routine:
        yield context.wait_for_external_event("Go")
        found = yield context.call_activity("work", "w")
        if broken:
            raise RuntimeError("a bug")
        return found

    shop.orchestrator(buggy)

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("buggy", "one")
        await hub.at_rest()
        await hub.client.suspend("one")
        await hub.client.raise_event("one", "Go")
        await hub.at_rest()
        await hub.client.resume("one")
        assert (await finished(hub, "one")).runtime_status is Status.Failed
        broken.clear()
        await hub.client.rewind("one", "mended")
        await hub.client.suspend("one")
        await hub.at_rest()
        assert (await hub.client.get_status("one")).runtime_status in (Status.Suspended, Status.Completed)
        await hub.client.resume("one")
        assert (await finished(hub, "one")).output == "w done"

    shop.play(scenario)
