"""Orchestrators in plain asyncio. The harness takes every turn hot and cold, and compares them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import threading
import warnings
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py.durable_http import HTTP_ACTIVITY, DurableHttpResponse
from azure_durable_py.errors import NonDeterminismError, OrchestratorError
from azure_durable_py.history.events import (
    EntityLockGranted,
    EntityLockReleased,
    EntityLockRequested,
    Event,
    EventRaised,
    TaskCompleted,
    TaskScheduled,
    TimerCreated,
)
from azure_durable_py.ids import EntityId
from azure_durable_py.retry_policy import RetryOptions
from azure_durable_py.runtime import driver, event_loop
from azure_durable_py.status import OrchestrationRuntimeStatus
from tests.programs import program
from tests.runtime.harness import START, Run, registry_of, run

SECOND = timedelta(seconds=1)
ACTIVITIES: dict[str, Callable[[Any], Any]] = {
    "double": lambda value: 2 * value,
    "fail": lambda value: 1 / 0,
}
has_groups = pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup and timeout came with Python 3.11")


def finished(function: Any, value: Any = None) -> Run:
    return run(function, ACTIVITIES).run(function.__name__, value)


def output_of(function: Any, value: Any = None) -> Any:
    return finished(function, value).output


def failure_of(function: Any) -> str:
    failure = finished(function).turn.failure
    assert failure is not None
    return failure.message


# --- time -------------------------------------------------------------------------------------------


def test_a_sleep_is_a_durable_timer() -> None:
    async def orchestrator(context):
        await asyncio.sleep(90 * 86400)
        return str(context.current_utc_datetime)

    ended = finished(orchestrator)
    assert ended.decisions == [TimerCreated(START, 0, START + timedelta(days=90))]
    assert ended.output == str(START + timedelta(days=90))


def test_a_sleep_of_nothing_takes_no_timer_and_lets_others_go_first() -> None:
    async def orchestrator(context):
        said: list[str] = []

        async def other() -> None:
            said.append("other")

        task = asyncio.create_task(other())
        await asyncio.sleep(0)
        said.append("main")
        await task
        return said

    ended = finished(orchestrator)
    assert ended.decisions == []
    assert ended.output == ["other", "main"]


def test_the_time_of_the_loop_is_that_of_the_orchestration() -> None:
    async def orchestrator(context):
        loop = asyncio.get_running_loop()
        before = loop.time()
        await context.call_activity("double", 1)
        await asyncio.sleep(10)
        return [before, loop.time()]

    assert output_of(orchestrator) == [START.timestamp(), START.timestamp() + 10]


def test_the_timer_of_a_sleep_that_is_cancelled_is_cancelled() -> None:
    async def orchestrator(context):
        task = asyncio.create_task(asyncio.sleep(3600))
        await context.call_activity("double", 1)
        task.cancel()
        await context.wait_for_external_event("go")

    started = run(orchestrator, ACTIVITIES)
    started.start("orchestrator")
    assert list(started.turn.timers) == [1]
    started.step()
    assert not started.turn.timers


@pytest.mark.parametrize("delay", [1e12, float("inf")])
def test_a_sleep_beyond_the_calendar_never_ends_and_takes_no_timer(delay: float) -> None:
    async def orchestrator(context):
        try:
            await asyncio.wait_for(asyncio.sleep(delay), 5)
        except asyncio.TimeoutError:
            return "late"

    ended = finished(orchestrator)
    assert ended.output == "late"
    assert len(ended.decisions) == 1


def test_a_sleep_of_no_number_is_refused() -> None:
    async def orchestrator(context):
        await asyncio.sleep(float("nan"))

    assert "nan" in failure_of(orchestrator).lower()


# --- several things at once --------------------------------------------------------------------------


def test_gather_takes_coroutines_and_tasks_of_the_context() -> None:
    async def orchestrator(context):
        async def later(seconds: int) -> int:
            await asyncio.sleep(seconds)
            return await context.call_activity("double", seconds)

        return await asyncio.gather(later(2), context.call_activity("double", 10), later(1))

    ended = finished(orchestrator)
    assert ended.output == [4, 20, 2]
    assert [type(decision) for decision in ended.decisions] == [
        TaskScheduled,
        TimerCreated,
        TimerCreated,
        TaskScheduled,
        TaskScheduled,
    ]


def test_gather_gives_errors_as_results_where_asked() -> None:
    async def orchestrator(context):
        results = await asyncio.gather(
            context.call_activity("fail"), context.call_activity("double", 1), return_exceptions=True
        )
        return [type(result).__name__ for result in results]

    assert output_of(orchestrator) == ["TaskFailedError", "int"]


def test_an_error_of_a_gathered_coroutine_is_raised_where_it_is_awaited() -> None:
    async def orchestrator(context):
        async def failing() -> None:
            await context.call_activity("fail")

        await asyncio.gather(failing(), asyncio.sleep(3600))

    ended = finished(orchestrator)
    assert ended.turn.status is OrchestrationRuntimeStatus.Failed
    assert ended.turn.failure is not None
    assert "division by zero" in ended.turn.failure.message


def test_as_completed_gives_results_in_the_order_of_their_ends_and_begins_in_the_order_given() -> None:
    async def orchestrator(context):
        begun: list[int] = []

        async def later(seconds: int) -> int:
            begun.append(seconds)
            await asyncio.sleep(seconds)
            return seconds

        ended = [await first for first in asyncio.as_completed([later(n) for n in (5, 3, 9, 1, 7, 2, 8)])]
        return [begun, ended]

    assert output_of(orchestrator) == [[5, 3, 9, 1, 7, 2, 8], [1, 2, 3, 5, 7, 8, 9]]


def test_as_completed_takes_a_timeout() -> None:
    async def orchestrator(context):
        async def later(seconds: int) -> int:
            await asyncio.sleep(seconds)
            return seconds

        done: list[Any] = []
        for first in asyncio.as_completed([later(1), later(9)], timeout=5):
            try:
                done.append(await first)
            except asyncio.TimeoutError:
                done.append("late")
        return done

    assert output_of(orchestrator) == [1, "late"]


def test_a_foreign_as_completed_is_refused_where_it_would_begin_in_no_order() -> None:
    foreign = event_loop._unordered

    async def orchestrator(context):
        for first in foreign([asyncio.sleep(1), asyncio.sleep(2)]):
            await first

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # The coroutine that was not looked at yet.
        assert "imported by name before azure_durable_py" in failure_of(orchestrator)
        gc.collect()


def test_wait_takes_tasks_of_the_context_and_tasks_of_asyncio() -> None:
    async def orchestrator(context):
        sleeping = asyncio.create_task(asyncio.sleep(5))
        called = context.call_activity("double", 4)
        done, pending = await asyncio.wait([sleeping, called], return_when=asyncio.FIRST_COMPLETED)
        result = [task.result for task in done if task is called], [task is sleeping for task in pending]
        await asyncio.wait(pending, timeout=1)
        done, pending = await asyncio.wait({sleeping, called})
        return [*result, len(done), len(pending)]

    if sys.version_info >= (3, 11):
        assert output_of(orchestrator) == [[8], [True], 2, 0]


def test_sets_of_tasks_are_walked_in_the_same_order_on_every_replay() -> None:
    async def orchestrator(context):
        tasks = {asyncio.create_task(asyncio.sleep(1)) for n in range(9)}
        await asyncio.wait(tasks)
        order = [task.get_name() for task in tasks]
        calls = {context.call_activity("double", n) for n in range(20)}
        return [*order, *[await call for call in calls]]

    ballast: list[bytearray] = []
    outputs: list[Any] = []
    for size in (10, 1000, 100000):
        ballast.append(bytearray(size))
        outputs.append(output_of(orchestrator))
    assert outputs[0] == outputs[1] == outputs[2]


def test_shield_keeps_what_it_holds_from_being_cancelled() -> None:
    async def orchestrator(context):
        work = asyncio.create_task(asyncio.sleep(10, "done"))
        outer = asyncio.ensure_future(asyncio.shield(work))
        await asyncio.sleep(1)
        outer.cancel()
        try:
            await outer
        except asyncio.CancelledError:
            return await work

    assert output_of(orchestrator) == "done"


@has_groups
def test_a_group_ends_when_all_its_tasks_have() -> None:
    async def orchestrator(context):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(asyncio.sleep(n, n)) for n in (3, 1, 2)]
        return [task.result() for task in tasks]

    assert output_of(orchestrator) == [3, 1, 2]


@has_groups
def test_a_task_of_a_group_that_fails_cancels_the_others_in_the_order_of_their_making() -> None:
    async def orchestrator(context):
        cancelled: list[int] = []

        async def wait(number: int) -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                cancelled.append(await context.call_activity("double", number))
                raise

        try:
            async with asyncio.TaskGroup() as group:
                for number in range(12):
                    group.create_task(wait(number))
                await context.call_activity("fail")
        except Exception as error:  # noqa: BLE001 - Python 3.10 has no name for a group
            group: Any = error
            return [cancelled, [type(inner).__name__ for inner in group.exceptions]]

    ended = finished(orchestrator)
    assert ended.output == [[2 * number for number in range(12)], ["TaskFailedError"]]


# --- timeouts and cancellation -----------------------------------------------------------------------


@has_groups
def test_a_timeout_ends_what_the_function_awaits() -> None:
    async def orchestrator(context):
        try:
            async with asyncio.timeout(60):
                await context.wait_for_external_event("never")
        except TimeoutError:
            return str(context.current_utc_datetime - START)

    assert output_of(orchestrator) == "0:01:00"


@has_groups
def test_an_event_whose_wait_timed_out_goes_to_the_next_wait() -> None:
    async def orchestrator(context):
        try:
            async with asyncio.timeout(60):
                await context.wait_for_external_event("go")
        except TimeoutError:
            return await context.wait_for_external_event("go")

    started = run(orchestrator)
    started.start("orchestrator")
    started.wait(60 * SECOND)
    started.raise_event("go", 5)
    assert started.output == 5


@has_groups
def test_a_timeout_in_time_leaves_no_timer() -> None:
    async def orchestrator(context):
        async with asyncio.timeout(60):
            value = await context.call_activity("double", 2)
        await context.wait_for_external_event("go")
        return value

    started = run(orchestrator, ACTIVITIES)
    started.start("orchestrator")
    started.step()
    assert not started.turn.timers


@has_groups
def test_timeouts_within_timeouts_each_end_their_own() -> None:
    async def orchestrator(context):
        told: list[str] = []
        try:
            async with asyncio.timeout(10):
                try:
                    async with asyncio.timeout(3):
                        await asyncio.sleep(100)
                except TimeoutError:
                    told.append(f"inner {context.current_utc_datetime - START}")
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            told.append(f"outer {context.current_utc_datetime - START}")
        return told

    assert output_of(orchestrator) == ["inner 0:00:03", "outer 0:00:10"]


def test_wait_for_gives_the_result_or_times_out() -> None:
    async def orchestrator(context):
        first = await asyncio.wait_for(context.call_activity("double", 3), 10)
        try:
            await asyncio.wait_for(context.wait_for_external_event("never"), 10)
        except asyncio.TimeoutError:
            return [first, str(context.current_utc_datetime - START)]

    assert output_of(orchestrator) == [6, "0:00:10"]


def test_a_task_can_be_cancelled_wherever_it_waits() -> None:
    async def orchestrator(context):
        told: list[str] = []

        async def waiting(name: str, wait: Callable[[], Any]) -> None:
            try:
                await wait()
            except asyncio.CancelledError:
                told.append(name)
                raise

        tasks = [
            asyncio.create_task(waiting("activity", lambda: context.call_activity("double", 1))),
            asyncio.create_task(waiting("event", lambda: context.wait_for_external_event("x"))),
            asyncio.create_task(waiting("timer", lambda: context.create_timer(SECOND))),
            asyncio.create_task(waiting("queue", asyncio.Queue().get)),
        ]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return [told, [type(result).__name__ for result in results]]

    assert output_of(orchestrator) == [["activity", "event", "timer", "queue"], ["CancelledError"] * 4]


def test_the_function_itself_can_be_cancelled_by_what_it_started() -> None:
    async def orchestrator(context):
        main = asyncio.current_task()
        assert main is not None
        told = []
        for wait in (
            lambda: context.wait_for_external_event("x"),
            lambda: asyncio.get_running_loop().create_future(),
            lambda: asyncio.sleep(50),
        ):
            asyncio.get_running_loop().call_later(5, main.cancel, "enough")
            try:
                await wait()
            except asyncio.CancelledError as error:
                told.append([str(error), str(context.current_utc_datetime - START)])
        return told

    assert output_of(orchestrator) == [["enough", "0:00:05"], ["enough", "0:00:10"], ["enough", "0:00:15"]]


def test_a_cancellation_while_it_runs_comes_where_it_next_waits() -> None:
    async def orchestrator(context):
        main = asyncio.current_task()
        assert main is not None
        main.cancel()
        try:
            await context.call_activity("double", 1)
        except asyncio.CancelledError:
            return "cancelled"

    assert output_of(orchestrator) == "cancelled"


def test_a_cancellation_that_nobody_handles_ends_the_instance() -> None:
    async def orchestrator(context):
        main = asyncio.current_task()
        assert main is not None
        main.cancel()
        await asyncio.sleep(1)

    ended = finished(orchestrator)
    assert ended.turn.status is OrchestrationRuntimeStatus.Failed
    assert ended.turn.failure is not None
    assert ended.turn.failure.error_type.endswith("CancelledError")


# --- what tasks share ------------------------------------------------------------------------------------


def test_queues_locks_semaphores_events_and_conditions_work() -> None:
    async def orchestrator(context):
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
        lock, gate, ready, turn = asyncio.Lock(), asyncio.Semaphore(2), asyncio.Event(), asyncio.Condition()
        told: list[Any] = []

        async def produce() -> None:
            await ready.wait()
            for number in range(5):
                await queue.put(number)

        async def consume(name: str) -> None:
            while len(told) < 5:
                async with gate, lock:
                    number = await queue.get()
                    told.append([name, await context.call_activity("double", number)])
            async with turn:
                turn.notify_all()

        tasks = [asyncio.create_task(consume("a")), asyncio.create_task(consume("b")), asyncio.create_task(produce())]
        ready.set()
        async with turn:
            await turn.wait_for(lambda: len(told) >= 5)
        for task in tasks:
            task.cancel()
        return told[:5]

    assert [number for _, number in output_of(orchestrator)] == [0, 2, 4, 6, 8]


def test_context_variables_belong_to_the_orchestration_and_its_tasks() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")

    async def orchestrator(context):
        seen = [variable.get()]
        variable.set("main")

        async def child() -> str:
            before = variable.get()
            variable.set("child")
            await asyncio.sleep(1)
            return f"{before} {variable.get()}"

        seen.append(await asyncio.create_task(child()))
        return [*seen, variable.get()]

    variable.set("outside")
    assert output_of(orchestrator) == ["outside", "main child", "main"]
    assert variable.get() == "outside"


def test_asynchronous_generators_end_with_what_uses_them() -> None:
    async def orchestrator(context):
        closed: list[str] = []

        async def numbers() -> Any:
            try:
                for number in range(10):
                    yield await context.call_activity("double", number)
            finally:
                await asyncio.sleep(1)
                closed.append("closed")

        async for number in numbers():
            if number >= 4:
                break
        await asyncio.sleep(5)
        return [number, closed]

    assert output_of(orchestrator) == [4, ["closed"]]


def test_names_of_tasks_are_the_same_on_every_replay() -> None:
    async def orchestrator(context):
        main = asyncio.current_task()
        assert main is not None
        tasks = [asyncio.create_task(asyncio.sleep(1)) for _ in range(3)]
        await asyncio.wait(tasks)
        return [main.get_name(), *(task.get_name() for task in tasks)]

    assert output_of(orchestrator) == output_of(orchestrator)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
def test_eager_tasks_begin_at_once() -> None:
    async def orchestrator(context):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        said: list[Any] = []

        async def child() -> None:
            said.append("child")
            said.append(await context.call_activity("double", 2))

        task = asyncio.create_task(child())
        said.append("main")
        await task
        return said

    assert output_of(orchestrator) == ["child", "main", 4]


async def locking(context: Any, told: list[Any]) -> None:
    async with context.lock([EntityId("Account", "a")]):
        told.append(await context.call_entity(EntityId("Account", "a"), "get"))


def granted(started: Run) -> list[Event]:
    return [
        EntityLockGranted(started.now, decision.id, decision.instance_id, decision.section)
        for decision in started.turn.events
        if isinstance(decision, EntityLockRequested)
    ]


def test_a_critical_section_binds_its_own_coroutine_and_not_those_beside_it() -> None:
    async def orchestrator(context):
        told: list[Any] = []
        await asyncio.gather(
            locking(context, told),
            context.call_sub_orchestrator("other"),
            context.call_entity(EntityId("Account", "b"), "get"),
        )
        async with context.lock([EntityId("Account", "b")]):
            try:
                await asyncio.create_task(locking(context, told))
            except OrchestratorError as error:
                told.append(str(error))
        await context.call_sub_orchestrator("other")
        return told

    async def other(context):
        return 1

    started = Run(registry_of(orchestrator, other))
    started.start("orchestrator")
    while not started.live.is_finished:
        locks = granted(started)
        if locks:
            started.advance(*locks)
        else:
            started.step()
    assert started.output == [
        ["get", None],
        "Critical sections cannot be nested. Lock all entities at once: context.lock([a, b, ...]).",
    ]


def test_a_section_that_dropped_code_asks_for_binds_nobody_else() -> None:
    def dropped(context):
        try:
            yield context.wait_for_external_event("never")
        finally:
            context.lock([EntityId("Account", "a")])

    def parent(context):
        return (yield context.call_sub_orchestrator("child"))

    def child(context):
        return "child"

    started = run(dropped)
    started.start("dropped")
    started.live.close()
    assert Run(registry_of(parent, child)).run("parent").output == "child"


def test_coroutines_that_only_let_each_other_go_first_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "MOST_CALLBACKS", 1000)

    async def orchestrator(context):
        while True:
            await asyncio.sleep(0)

    assert "took 1000 steps" in failure_of(orchestrator)


# --- cancelled, with what it waited for ------------------------------------------------------------------


async def cut_off_by_wait_for(wait: Callable[[], Awaitable[Any]], seconds: float) -> None:
    async def child() -> None:
        await wait()

    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(child(), seconds)


async def cut_off_in_a_gather(wait: Callable[[], Awaitable[Any]], seconds: float) -> None:
    gathered = asyncio.gather(wait(), asyncio.sleep(3600))
    await asyncio.sleep(seconds)
    gathered.cancel()
    with suppress(asyncio.CancelledError):
        await gathered


async def cut_off_itself(wait: Callable[[], Awaitable[Any]], seconds: float) -> None:
    main: Any = asyncio.current_task()
    asyncio.get_running_loop().call_later(seconds, main.cancel)
    with suppress(asyncio.CancelledError):
        await wait()


cut_off = pytest.mark.parametrize("cut", [cut_off_by_wait_for, cut_off_in_a_gather, cut_off_itself])


@cut_off
def test_a_call_that_is_tried_again_is_not_when_nobody_waits_any_more(cut: Any) -> None:
    async def orchestrator(context):
        await cut(lambda: context.call_activity_with_retry("fail", RetryOptions(10_000, 9)), 15)
        await context.wait_for_external_event("never")

    ended = finished(orchestrator)
    assert sum(isinstance(decision, TaskScheduled) for decision in ended.decisions) == 2
    assert not ended.turn.timers


@cut_off
def test_calls_that_are_tried_again_are_not_when_nobody_waits_for_all_of_them(cut: Any) -> None:
    async def orchestrator(context):
        options = RetryOptions(10_000, 9)
        kept = context.call_activity_with_retry("fail", RetryOptions(10_000, 3))
        both = context.task_all([kept, context.wait_for_external_event("x")])
        await cut(
            lambda: context.task_any([kept, context.task_all([context.call_activity_with_retry("fail", options)])]), 15
        )
        await both

    ended = finished(orchestrator)
    assert sum(isinstance(decision, TaskScheduled) for decision in ended.decisions) == 3 + 2


@cut_off
def test_an_http_call_is_not_looked_for_when_nobody_waits_any_more(cut: Any) -> None:
    async def orchestrator(context):
        await cut(lambda: context.call_http("POST", "http://example.com/"), 45)
        await context.wait_for_external_event("never")

    not_yet = DurableHttpResponse(202, {"Location": "https://example.com/there"})
    ended = run(orchestrator, {HTTP_ACTIVITY: lambda _: not_yet}).run("orchestrator")
    assert sum(isinstance(decision, TaskScheduled) for decision in ended.decisions) == 2
    assert not ended.turn.timers


@cut_off
def test_locks_that_nobody_waits_for_any_more_are_given_back(cut: Any) -> None:
    async def orchestrator(context):
        async def locks() -> None:
            async with context.lock([EntityId("Account", "a"), EntityId("Account", "b")]):
                raise AssertionError

        await cut(locks, 5)
        await context.call_entity(EntityId("Account", "b"), "get")
        async with context.lock([EntityId("Account", "a")]):
            return "locked"

    started = run(orchestrator, ACTIVITIES)
    started.start("orchestrator")
    started.advance(*granted(started))
    started.wait(5 * SECOND)
    asked = [decision for decision in started.decisions if isinstance(decision, EntityLockRequested)]
    released = [decision for decision in started.decisions if isinstance(decision, EntityLockReleased)]
    assert [lock.instance_id for lock in asked] == ["@account@a", "@account@b"]
    assert [(lock.instance_id, lock.section) for lock in released] == [
        (lock.instance_id, lock.section) for lock in asked
    ]
    started.step()
    started.advance(*granted(started))
    assert started.output == "locked"


@cut_off
@pytest.mark.parametrize("arrives", ["before", "after"])
@pytest.mark.parametrize("seconds", [0, 5])
def test_no_event_is_lost_with_a_wait_that_is_cancelled(cut: Any, arrives: str, seconds: int) -> None:
    async def orchestrator(context):
        await context.call_activity("double", 1)
        if seconds or arrives == "after" or cut is cut_off_by_wait_for:  # The others see it before they are cut off.
            await cut(lambda: context.wait_for_external_event("other" if seconds else "e"), seconds)
        return await context.wait_for_external_event("e")

    started = run(orchestrator, ACTIVITIES)
    started.start("orchestrator")
    if arrives == "before":
        started.raise_event("e", 1)
    started.go_on()
    if arrives == "after":
        started.raise_event("e", 1)
    assert started.output == 1


def test_a_wait_that_is_cancelled_before_it_begins_takes_no_event() -> None:
    async def orchestrator(context):
        polls = 0
        while True:
            try:
                return [polls > 0, await asyncio.wait_for(context.wait_for_external_event("e"), 0)]
            except asyncio.TimeoutError:
                polls += 1
            if polls > 2:
                return await context.wait_for_external_event("e")
            await context.call_activity("double", 1)

    started = run(orchestrator, ACTIVITIES)
    started.start("orchestrator")
    started.raise_event("e", "kept")
    started.go_on()
    assert "kept" in started.output


def test_an_event_that_is_given_back_goes_to_the_oldest_wait_and_before_later_events() -> None:
    async def orchestrator(context):
        waits = [asyncio.ensure_future(context.wait_for_external_event("e")) for _ in range(3)]
        await context.call_activity("double", 1)
        return [await wait for wait in waits]

    async def buffered(context):
        await context.call_activity("double", 1)
        cancelled = [asyncio.ensure_future(context.wait_for_external_event("e")) for _ in range(2)]
        for task in cancelled:
            task.cancel()
        third = context.wait_for_external_event("e")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return [await third, await context.wait_for_external_event("e"), await context.wait_for_external_event("e")]

    for function in (orchestrator, buffered):
        started = run(function, ACTIVITIES)
        started.start(function.__name__)
        for number in range(3):
            started.raise_event("e", number)
        started.go_on()
        assert sorted(started.output) == [0, 1, 2]


def test_what_somebody_else_waits_for_goes_on() -> None:
    async def orchestrator(context):
        call = context.call_activity_with_retry("fail", RetryOptions(10_000, 3))
        cancelled = asyncio.ensure_future(call)
        asyncio.get_running_loop().call_later(5, cancelled.cancel)
        try:
            await call
        except Exception as error:  # noqa: BLE001 - of whichever type, it is told
            return type(error).__name__

    assert output_of(orchestrator) == "TaskFailedError"


def test_a_cancellation_that_is_asked_for_twice_comes_once() -> None:
    async def orchestrator(context):
        main: Any = asyncio.current_task()

        async def cancel_twice() -> None:
            main.cancel()
            main.cancel()

        told: list[str] = []
        for wait in (lambda: context.wait_for_external_event("never"), lambda: asyncio.sleep(3600)):
            task = asyncio.create_task(cancel_twice())
            for _ in range(2):
                try:
                    await wait() if task is not None else await context.call_activity("double", 1)
                    told.append("went on")
                except asyncio.CancelledError:
                    told.append("cancelled")
                    task = None
        return told

    assert output_of(orchestrator) == ["cancelled", "went on", "cancelled", "went on"]


def test_a_task_of_the_context_may_be_made_a_task_of_asyncio() -> None:
    async def orchestrator(context):
        task: Any = asyncio.create_task(context.call_activity("double", 1))
        return [type(task).__name__, await task]

    assert output_of(orchestrator)[1] == 2


@has_groups
def test_a_group_takes_tasks_of_the_context() -> None:
    async def orchestrator(context):
        async with asyncio.TaskGroup() as group:
            tasks: Any = [group.create_task(context.call_activity("double", number)) for number in range(3)]
        return [task.result() for task in tasks]

    assert output_of(orchestrator) == [0, 2, 4]


# --- ends ----------------------------------------------------------------------------------------------------


def test_tasks_that_are_left_when_the_function_returns_are_dropped_without_a_word(
    caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    ended: list[str] = []

    async def orchestrator(context):
        async def endless() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ended.append("finally")

        left = asyncio.create_task(endless())
        await asyncio.sleep(1)
        return f"returned, done: {left.done()}"

    assert output_of(orchestrator) == "returned, done: False"
    gc.collect()
    assert ended
    assert not caplog.records
    assert not recwarn.list


def test_code_that_is_dropped_ends_in_its_own_task_and_context(monkeypatch: pytest.MonkeyPatch) -> None:
    # As libraries have it: a generator of a context, which waits in its last block and gives a variable back.
    variable = contextvars.ContextVar("variable", default="none")
    ended: list[tuple[str, str, bool]] = []
    complaints: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)

    @asynccontextmanager
    async def run_of(name: str):
        token, task = variable.set(name), asyncio.current_task()
        try:
            yield
        finally:
            try:
                await asyncio.sleep(1)
            finally:
                ended.append((name, variable.get(), asyncio.current_task() is task))
                variable.reset(token)

    async def numbers(name: str):
        async with run_of(name):
            while True:
                yield 1
                await asyncio.sleep(3600)

    async def orchestrator(context):
        async def beside(name: str) -> None:
            async for _ in numbers(name):
                await context.wait_for_external_event("never")

        async with run_of("main"):
            await asyncio.gather(beside("one"), beside("two"))

    started = run(orchestrator)
    started.start("orchestrator")
    started.live.close()
    gc.collect()
    assert set(ended) == {(name, name, True) for name in ("main", "one", "two")}
    assert complaints == []


def test_code_that_is_dropped_does_not_take_it_for_a_cancellation() -> None:
    told: list[str] = []

    async def orchestrator(context):
        try:
            await asyncio.gather(context.wait_for_external_event("never"))
        except (asyncio.CancelledError, Exception):  # noqa: BLE001 - that is what it is about
            told.append("cancelled")
        finally:
            told.append("finally")

    started = run(orchestrator)
    started.start("orchestrator")
    started.live.close()
    assert set(told) == {"finally"}


def test_what_nothing_can_end_is_told_at_once() -> None:
    async def orchestrator(context):
        await context.call_activity("double", 1)
        await asyncio.Event().wait()

    message = failure_of(orchestrator)
    assert "waits for ever" in message
    assert "test_asyncio.py" in message


def test_continue_as_new_in_a_task_ends_the_generation() -> None:
    async def orchestrator(context):
        async def child() -> None:
            await asyncio.sleep(1)
            context.continue_as_new(context.get_input() + 1)

        if context.get_input() < 3:
            await asyncio.gather(child(), asyncio.sleep(3600))
        return context.get_input()

    ended = finished(orchestrator, 0)
    assert ended.output == 3
    assert ended.now == START + 3 * SECOND


def test_an_event_behind_the_continuation_is_carried_over_though_a_coroutine_waits_for_it() -> None:
    async def orchestrator(context):
        if context.get_input() == "again":
            return await context.wait_for_external_event("e")

        async def child() -> None:
            await context.call_activity("double", 1)
            context.continue_as_new("again")

        return await asyncio.gather(child(), context.wait_for_external_event("e"))

    started = run(orchestrator, ACTIVITIES)
    started.start("orchestrator")
    started.advance(TaskCompleted(START, 0, "2"), EventRaised(START, "e", "3"))
    assert started.output == 3


@pytest.mark.parametrize(
    "make", [lambda context: asyncio.create_task(asyncio.sleep(1)), lambda context: context.call_activity("double")]
)
def test_what_was_to_be_awaited_is_no_output(make: Any) -> None:
    async def orchestrator(context):
        return make(context)

    assert "not its result: await or yield it first" in failure_of(orchestrator)


def test_an_error_that_nobody_awaits_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def orchestrator(context):
        async def failing() -> None:
            raise ValueError("lost")

        failed = [asyncio.create_task(failing())]
        await asyncio.sleep(0)
        failed.clear()
        asyncio.get_running_loop().call_soon(int, "none")
        for number in range(5):
            await context.call_activity("double", number)

    started = run(orchestrator, ACTIVITIES)
    started.check_cold = False
    with caplog.at_level(logging.ERROR):
        started.run("orchestrator")
        cold = started.load(started.history)
        cold.close()
    told = [str(record.exc_info[1]) for record in caplog.records if record.exc_info]
    assert told == ["lost", "invalid literal for int() with base 10: 'none'"]


def test_an_exception_handler_that_fails_is_logged_and_the_orchestration_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def orchestrator(context):
        def handler(_loop: Any, _context: Any) -> None:
            raise RuntimeError("the handler is broken")

        asyncio.get_running_loop().set_exception_handler(handler)
        asyncio.get_running_loop().call_soon(int, "none")
        return await context.call_activity("double", 2)

    with caplog.at_level(logging.ERROR):
        assert output_of(orchestrator) == 4
    assert "Error in the exception handler" in caplog.text


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_no_error_of_a_task_ends_the_process(error: type[BaseException]) -> None:
    async def orchestrator(context):
        async def failing() -> None:
            raise error("out")

        await asyncio.create_task(failing())

    ended = finished(orchestrator)
    assert ended.turn.status is OrchestrationRuntimeStatus.Failed


def test_a_task_that_does_something_else_on_replay_is_told_with_its_place() -> None:
    names = ["double"]

    async def orchestrator(context):
        async def child() -> None:
            await context.call_activity(names[0], 1)
            await context.call_activity(names[0], 2)

        await asyncio.gather(child(), context.wait_for_external_event("never"))

    started = run(orchestrator, {**ACTIVITIES, "other": ACTIVITIES["double"]})
    started.check_cold = False
    started.run("orchestrator")
    names[0] = "other"
    turn = started.load(started.history).advance([], started.now)
    assert turn.failure is not None
    assert turn.failure.error_type == f"{NonDeterminismError.__module__}.{NonDeterminismError.__name__}"
    assert "test_asyncio.py" in turn.failure.message
    assert "child" in turn.failure.message


# --- the world -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("touch", "named"),
    [
        (lambda: asyncio.to_thread(print), "threads"),
        (lambda: asyncio.open_connection("localhost", 80), "sockets"),
        (lambda: asyncio.start_server(print, "localhost", 0), "sockets"),
        (lambda: asyncio.create_subprocess_exec("true"), "processes"),
        (lambda: asyncio.get_running_loop().getaddrinfo("localhost", 80), "sockets"),
        (lambda: asyncio.get_running_loop().add_signal_handler(1, print), "signals"),
        (lambda: asyncio.get_running_loop().call_soon_threadsafe(print), "external event"),
        (lambda: asyncio.run_coroutine_threadsafe(asyncio.sleep(0), asyncio.get_running_loop()), "external event"),
        (lambda: asyncio.get_running_loop().run_until_complete(asyncio.sleep(0)), "await"),
        (lambda: asyncio.get_running_loop().stop(), "await"),
    ],
)
def test_what_would_touch_the_world_is_refused_with_the_mend(touch: Callable[[], Any], named: str) -> None:
    async def orchestrator(context):
        await touch()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        message = failure_of(orchestrator)
        gc.collect()
    assert named in message
    assert "activity" in message


def test_what_a_known_library_puts_into_a_thread_is_called_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    library: dict[str, Any] = {}
    source = """
import asyncio

def own():
    return "its own"

async def of_the_user(function, *args):
    return await asyncio.to_thread(function, *args)

async def beside():
    return await asyncio.create_task(asyncio.to_thread(own))

async def by_the_loop(function):
    return await asyncio.get_running_loop().run_in_executor(None, function)
"""
    exec(compile(source, "/libraries/pure.py", "exec"), library)

    def double(number: int) -> int:
        if number < 0:
            raise ValueError("below 0")
        return 2 * number

    async def orchestrator(context):
        found = [await library["of_the_user"](double, 4), await library["beside"]()]
        found.append(await library["by_the_loop"](lambda: "directly"))
        with pytest.raises(ValueError, match="below 0"):
            await library["of_the_user"](double, -1)
        with pytest.raises(OrchestratorError, match="threads"):
            await asyncio.to_thread(double, 4)
        return found

    assert "threads" in failure_of(orchestrator)
    monkeypatch.setattr(event_loop, "CALLED_INLINE", {"/libraries/pure.py"})
    assert output_of(orchestrator) == [8, "its own", "directly"]


def test_a_future_of_another_event_loop_is_refused() -> None:
    foreign = asyncio.new_event_loop()
    future = foreign.create_future()

    async def orchestrator(context):
        await future

    assert "may wait only for tasks of its context" in failure_of(orchestrator)
    foreign.close()


async def test_the_event_loop_around_it_goes_on_as_before() -> None:
    async def orchestrator(context):
        return await asyncio.gather(*(asyncio.sleep(n, n) for n in range(3)))

    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    hooks = sys.get_asyncgen_hooks()
    assert output_of(orchestrator) == [0, 1, 2]
    assert asyncio.get_running_loop() is loop
    assert asyncio.current_task() is task
    assert sys.get_asyncgen_hooks() == hooks
    assert await asyncio.to_thread(threading.get_ident) != threading.get_ident()


async def test_as_completed_elsewhere_is_that_of_asyncio() -> None:
    assert sorted([await first for first in asyncio.as_completed([asyncio.sleep(0, 1), asyncio.sleep(0, 2)])]) == [1, 2]
    single = asyncio.sleep(0)
    with pytest.raises(TypeError):
        list(asyncio.as_completed(single))  # type: ignore[call-overload]
    single.close()


# --- any program ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_any_program_takes_the_same_steps_hot_and_cold(seed: int) -> None:
    ended = Run(registry_of(program(seed)), {**ACTIVITIES, "double": lambda value: 2 * value}).run("orchestrator")
    assert isinstance(ended.output, list)
