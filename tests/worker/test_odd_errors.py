"""Exceptions that are not as one expects: whatever user code raises fails its task or instance, nothing else."""

from __future__ import annotations

import asyncio
import builtins
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

import pytest

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.failures import MAX_FAILURE_CHAIN, MAX_FAILURE_CHARS, FailureDetails
from azure_durable_py.history.events import TaskFailed
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, Definitions
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.worker.activities.runner import ActivityRunner
from tests.entities import playing
from tests.protocol.staging import Routine, Stage, play


@pytest.fixture(autouse=True)
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)


class UnspeakableError(Exception):
    """Nothing about it can be looked at."""

    def __str__(self) -> NoReturn:
        raise KeyboardInterrupt

    __repr__ = __str__

    @property
    def details(self) -> NoReturn:
        raise SystemExit


class UnspeakableRuntimeError(RuntimeError):
    def __str__(self) -> NoReturn:
        raise ValueError("no text")


def cyclic() -> ValueError:
    first, second = ValueError("first"), KeyError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def group() -> BaseException:
    kind = getattr(builtins, "BaseExceptionGroup", None)  # from Python 3.11 on
    return ValueError("several") if kind is None else kind("several", [SystemExit(1), ValueError("x")])


ODD: list[Any] = [
    (UnspeakableError, "its __str__ raised KeyboardInterrupt"),
    (UnspeakableRuntimeError, "its __str__ raised ValueError"),
    (lambda: ValueError("x" * 3_000_000), "xxx"),
    (lambda: ValueError("half of a pair: \ud800"), "half of a pair"),
    (GeneratorExit, "GeneratorExit"),
    (KeyboardInterrupt, "KeyboardInterrupt"),
    (lambda: SystemExit(3), "SystemExit"),
    (lambda: StopIteration("StopIteration"), "StopIteration"),
    (lambda: StopAsyncIteration("StopAsyncIteration"), "StopAsyncIteration"),
    (asyncio.CancelledError, "CancelledError"),
    (cyclic, "first"),
    (group, "several"),
]
odd_errors = pytest.mark.parametrize(("make", "says"), ODD, ids=[str(number) for number in range(len(ODD))])
Make = Callable[[], BaseException]


@odd_errors
@pytest.mark.parametrize("kind", ["plain", "generator", "generator, later", "async", "async, later"])
def test_whatever_an_orchestrator_raises_fails_the_instance(kind: str, make: Make, says: str) -> None:
    def orchestrator(context: Any) -> Any:
        def plain() -> NoReturn:
            raise make()

        def generator() -> Routine:
            if "later" in kind:
                yield context.call_activity("rest", 1)
            raise make()
            yield

        async def coroutine() -> NoReturn:
            if "later" in kind:
                await context.call_activity("rest", 1)
            raise make()

        return plain() if kind == "plain" else generator() if "generator" in kind else coroutine()

    async def scene() -> None:
        stage = Stage(orchestrator)
        await stage.worker("W1")
        await stage.start("orchestrator", "one")
        assert says in await stage.finished("one")
        assert (await stage.header("one")).columns.runtime_status == "Failed"
        await stage.quiet()

    play(scene)


class Impossible:
    @staticmethod
    def to_json(value: Any) -> NoReturn:
        raise KeyboardInterrupt

    @staticmethod
    def from_json(text: Any) -> NoReturn:
        raise KeyboardInterrupt


def returns_the_impossible(context: Any) -> Any:
    return Impossible()


def retries_with_a_bad_predicate(context: Any) -> Routine:
    def handle(failure: FailureDetails) -> NoReturn:
        raise SystemExit(5)

    policy = RetryPolicy(timedelta(seconds=1), 3, handle=handle)
    yield context.call_activity_with_retry("rest", policy, "not a number")


def yields_the_unspeakable(context: Any) -> Routine:
    yield UnspeakableError()


@pytest.mark.parametrize(
    ("orchestrator", "says"),
    [
        (returns_the_impossible, "KeyboardInterrupt"),
        (retries_with_a_bad_predicate, "5"),
        (yields_the_unspeakable, "UnspeakableError"),
    ],
)
def test_user_code_beside_the_function_fails_the_instance_as_well(orchestrator: Any, says: str) -> None:
    async def scene() -> None:
        stage = Stage(orchestrator)
        await stage.worker("W1")
        await stage.start(orchestrator.__name__, "one")
        assert says in await stage.finished("one")
        assert (await stage.header("one")).columns.runtime_status == "Failed"

    play(scene)


@odd_errors
@pytest.mark.parametrize("kind", ["function", "async function", "class", "async class"])
def test_whatever_an_entity_operation_raises_fails_the_operation(kind: str, make: Make, says: str) -> None:
    def function(context: Any) -> None:
        raise make()

    async def async_function(context: Any) -> None:
        raise make()

    class Plain:
        def act(self) -> None:
            raise make()

    class Async:
        async def act(self) -> None:
            raise make()

    entity = {"function": function, "async function": async_function, "class": Plain, "async class": Async}[kind]

    def asks(context: Any) -> Routine:
        try:
            yield context.call_entity(EntityId("odd", "key"), "act")
        except TaskFailedError as error:
            return str(error)
        return "nothing was raised"

    async def script(game: playing.Game) -> None:
        game.entity(entity, "odd")
        game.orchestrator(asks)
        await game.start()
        assert says in await game.run("asks")

    playing.play(script)


@odd_errors
@pytest.mark.parametrize("kind", ["in a thread", "async", "async, later"])
async def test_whatever_an_activity_raises_fails_its_task(kind: str, make: Make, says: str) -> None:
    def plain(value: Any) -> None:
        raise make()

    async def coroutine(value: Any) -> None:
        if "later" in kind:
            await asyncio.sleep(0)
        raise make()

    activities: Definitions[ActivityDefinition] = Definitions("activity")
    activities.add(ActivityDefinition("odd", plain if kind == "in a thread" else coroutine, "value"))
    runner = ActivityRunner(activities, JsonDataConverter(), lambda: datetime.now(timezone.utc))
    # A task of its own, as in the worker: what closes a coroutine from outside would otherwise go unseen.
    event = await asyncio.wait_for(asyncio.ensure_future(runner.run("odd", 7, None)), 20)
    assert isinstance(event, TaskFailed)
    assert says in event.failure.message or says in event.failure.error_type


def test_a_failure_has_bounds() -> None:
    error: BaseException = ValueError("the root")
    for number in range(50):
        outer = ValueError("x" * MAX_FAILURE_CHARS + str(number))
        outer.__cause__ = error
        error = outer
    links: list[FailureDetails] = []
    failure: FailureDetails | None = FailureDetails.from_exception(error)
    while failure is not None:
        links.append(failure)
        failure = failure.inner_failure
    assert len(links) == MAX_FAILURE_CHAIN + 1
    assert max(len(link.message) for link in links) <= MAX_FAILURE_CHARS + 4
    assert max(len(link.stack_trace or "") for link in links) <= MAX_FAILURE_CHARS + 4


def test_a_cycle_of_causes_is_told_once() -> None:
    failure = FailureDetails.from_exception(cyclic())
    assert failure.message == "first"
    assert failure.inner_failure is not None
    assert failure.inner_failure.error_type == "KeyError"
    assert failure.inner_failure.inner_failure is None
