"""Code that does not let go of the event loop: told of, interrupted past the limit, and nothing else is hit.

Real time, as that is what it is about: the thread looks often here, and limits are short.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timezone
from types import FrameType
from typing import Any

import pytest

from azure_durable_py.errors import TurnTimeoutError
from azure_durable_py.history.events import OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.logs.log import Log
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.messages import InboxEvent
from azure_durable_py.taskhub.protocol import Header
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.testing.virtual.time import run_virtual
from azure_durable_py.worker import watchdog as module
from azure_durable_py.worker.watchdog import Watchdog
from azure_durable_py.worker.worker import Worker

HERE = "test_watchdog.py"


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "PERIOD", 0.02)
    monkeypatch.setattr(module, "NOTICE_AFTER", 0.1)
    caplog.set_level(logging.WARNING)


@asynccontextmanager
async def watching(limit: float) -> AsyncIterator[Watchdog]:
    watchdog = Watchdog(limit)
    watchdog.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()


def spin(seconds: float = 60.0) -> str:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    return "ended"


async def until(holds: Callable[[], Any], what: str, within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {within} s"
        await asyncio.sleep(0.02)


# --- stretches -------------------------------------------------------------------------------------------


async def test_a_stretch_past_the_limit_is_interrupted_and_told_with_its_place() -> None:
    async with watching(0.2) as watchdog:
        with pytest.raises(TurnTimeoutError, match=rf"^Somebody kept the event loop for more than 0\.2 s .*{HERE}:"):
            watchdog.run(spin, lambda: "somebody")
        assert watchdog.run(lambda: "next", lambda: "another") == "next"


async def test_code_that_swallows_every_exception_is_interrupted_all_the_same() -> None:
    def swallows() -> str:
        try:
            spin()
        except Exception:  # noqa: BLE001 - that is what is tested
            return "swallowed"
        return "ended"

    def swallows_all() -> str:
        for _ in range(3):
            try:
                spin()
            except BaseException:  # noqa: BLE001 - that is what is tested
                continue
        return "it went on"

    async with watching(0.2) as watchdog:
        for code in (swallows, swallows_all):
            begun = time.monotonic()
            with pytest.raises(TurnTimeoutError):
                watchdog.run(code, lambda: "somebody")
            assert time.monotonic() - begun < 10.0


INTERRUPTED = """
import sys, time
from azure_durable_py.errors import TurnTimeoutError
from azure_durable_py.worker import watchdog

watchdog.PERIOD = 0.02

def spin():
    while True:
        try:
            time.sleep(0)
        except BaseException:
            if catches:
                return
            raise

for catches in (False, True):
    dog = watchdog.Watchdog(0.05)
    dog.start_beside()
    try:
        dog.run(spin, lambda: "it")
    except TurnTimeoutError:
        print("interrupted")
    dog.stop()

def traced():
    return "goes on"

sys.settrace(lambda *_: None)
print(traced())
"""


def test_an_interruption_leaves_nothing_behind_in_the_interpreter() -> None:
    # Python 3.11 shows what is left by standing still under a tracer; hence another process.
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.splitlines() == ["interrupted", "interrupted", "goes on"], done.stderr


async def test_what_the_code_raises_or_returns_within_the_limit_is_its_own() -> None:
    async with watching(30.0) as watchdog:
        with pytest.raises(KeyError):
            watchdog.run(lambda: {}["x"], lambda: "somebody")
        assert watchdog.run(lambda: spin(0.05), lambda: "somebody") == "ended"


async def test_no_limit_means_that_it_is_told_of_only(caplog: pytest.LogCaptureFixture) -> None:
    async with watching(0.0) as watchdog:
        assert watchdog.run(lambda: spin(0.5), lambda: "somebody") == "ended"
    told = [line for line in caplog.messages if line.startswith("Somebody has kept the event loop")]
    # After 0.1, 0.2 and 0.4 seconds, not at every look.
    assert 2 <= len(told) <= 3
    assert f"{HERE}:" in told[0]


async def test_an_interruption_never_reaches_what_comes_after_its_stretch(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    # Both threads take turns as often as can be, so that they meet at every place.
    monkeypatch.setattr(module, "PERIOD", 0.0005)
    before = sys.getswitchinterval()
    request.addfinalizer(lambda: sys.setswitchinterval(before))
    sys.setswitchinterval(1e-5)
    dice, outcomes = random.Random(1), {"ended": 0, "interrupted": 0}

    def spins() -> str:
        return spin(dice.uniform(0.0, 0.01))

    async with watching(0.002) as watchdog:
        until = time.monotonic() + 20.0
        while min(outcomes.values()) < 100 and time.monotonic() < until:
            code = (lambda: watchdog.run(spins, lambda: "inner")) if dice.random() < 0.5 else spins
            try:
                outcomes[watchdog.run(code, lambda: "outer")] += 1
            except TurnTimeoutError:
                outcomes["interrupted"] += 1
            # Were one still under way, it would hit here, where nothing catches it.
            sum(range(2000))
    assert min(outcomes.values()) >= 30, outcomes


async def test_a_stretch_that_is_over_is_not_aimed_at_and_one_in_the_sights_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[int, Any]] = []
    monkeypatch.setattr(module, "_interrupt", lambda *call: calls.append(call))
    me = threading.get_ident()
    async with watching(60.0) as watchdog:

        def under_way() -> Any:
            stretch = watchdog._current
            assert stretch is not None
            assert watchdog._raise_in(stretch, me, "here")
            # As if the thread were still aiming, and done a little later.
            watchdog._aiming = True
            threading.Timer(0.2, lambda: setattr(watchdog, "_aiming", False)).start()
            over.append(stretch)

        over: list[Any] = []
        with pytest.raises(TurnTimeoutError, match="interrupted at here"):
            watchdog.run(under_way, lambda: "somebody")
        assert not watchdog._aiming
        # Raised, and taken back by another one when the stretch ended.
        assert calls == [(me, module.Interruption), (me, module.Interruption)]
        assert not watchdog._raise_in(over[0], me, "late")
        assert len(calls) == 2


async def test_code_that_may_hold_a_lock_is_spared_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(module, "_interrupt", lambda _, kind: calls.append(kind))
    monkeypatch.setattr(module, "_may_hold_a_lock", lambda _: True)
    async with watching(60.0) as watchdog:

        def in_a_lock() -> None:
            assert watchdog._current is not None
            for _ in range(module.MOST_SKIPS):
                watchdog._aim(watchdog._current)
            spared.extend(calls or ["so far"])
            watchdog._aim(watchdog._current)

        spared: list[Any] = []
        with pytest.raises(TurnTimeoutError):
            watchdog.run(in_a_lock, lambda: "somebody")
    assert spared == ["so far"]
    assert calls[0] is module.Interruption


async def test_who_catches_exceptions_and_goes_on_does_not_catch_an_interruption() -> None:
    tries = 0

    def goes_on() -> None:
        nonlocal tries
        while tries < 3:
            tries += 1
            try:
                spin()
            except Exception:  # noqa: BLE001 - that is what is tested
                continue

    async with watching(0.2) as watchdog:
        with pytest.raises(TurnTimeoutError):
            watchdog.run(goes_on, lambda: "somebody")
    assert tries == 1


async def test_who_raises_something_else_when_interrupted_has_kept_the_loop_all_the_same() -> None:
    def raises_another() -> None:
        try:
            spin()
        finally:
            raise KeyError("another")

    async with watching(0.2) as watchdog:
        with pytest.raises(TurnTimeoutError):
            watchdog.run(raises_another, lambda: "somebody")


async def test_a_thread_that_may_hold_a_lock_of_logging_is_spared_until_it_is_out_of_it() -> None:
    frames: list[FrameType] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if not frames:
                frames.append(sys._getframe())

    quiet = logging.getLogger("test_watchdog.quiet")
    quiet.propagate = False
    quiet.addHandler(Noting())
    quiet.error("once")
    [in_handler] = frames
    assert in_handler.f_back is not None
    # The library's own frame holds the lock and releases it; what it calls may be left at any time.
    assert module._may_hold_a_lock(in_handler.f_back)
    assert not module._may_hold_a_lock(in_handler)

    def logs() -> None:
        while True:
            quiet.error("again")
            sum(range(3000))

    async with watching(0.1) as watchdog:
        for _ in range(3):
            with pytest.raises(TurnTimeoutError):
                watchdog.run(logs, lambda: "somebody")


async def test_a_loop_that_is_kept_by_other_code_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    async with watching(0.1) as watchdog:
        watchdog.run(lambda: None, lambda: "somebody")
        await asyncio.sleep(0.1)
        spin(0.5)
        await until(lambda: "The event loop has not run for" in caplog.text, "it is told")
        assert f"{HERE}:" in caplog.text


async def test_while_nothing_runs_the_thread_sleeps_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DORMANT_AFTER", 0.2)
    async with watching(0.2) as watchdog:
        await until(lambda: watchdog._dormant, "it sleeps")
        with pytest.raises(TurnTimeoutError):
            watchdog.run(spin, lambda: "who wakes it")


def test_at_virtual_time_there_is_no_thread() -> None:
    async def main() -> None:
        async with watching(0.1) as watchdog:
            assert watchdog._thread is None
            assert watchdog.run(lambda: spin(0.3), lambda: "somebody") == "ended"

    run_virtual(main())


async def test_the_steps_of_a_coroutine_do_what_the_coroutine_does() -> None:
    async def work(fail: bool) -> str:
        await asyncio.sleep(0)
        done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(done.set_exception if fail else done.set_result, KeyError("x"))
        try:
            return str(await done)
        except KeyError:
            await asyncio.sleep(0)
            return "caught"

    async def cancelled() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    ended: list[bool] = []
    async with watching(0.2) as watchdog:
        assert await watchdog.steps(work(False), lambda: "somebody") == "'x'"
        assert await watchdog.steps(work(True), lambda: "somebody") == "caught"
        task = asyncio.ensure_future(_awaits(watchdog.steps(cancelled(), lambda: "somebody")))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [True]


async def _awaits(work: Awaitable[Any]) -> Any:
    return await work


# --- in a worker -----------------------------------------------------------------------------------------


class Place:
    """A worker at real time."""

    def __init__(self, hub: TaskHub) -> None:
        self.hub = hub

    async def start(self, name: str, instance_id: str) -> None:
        now = datetime.now(timezone.utc)
        assert await self.hub.start(StartRequest(instance_id, self.hub.ids.new(), name, now)) is None

    async def ended(self, instance_id: str, within: float = 30.0) -> Header:
        deadline = time.monotonic() + within
        while True:
            header = await self.hub.store.load_header(instance_id)
            if header is not None and header.columns.completed_time is not None:
                return header
            assert time.monotonic() < deadline, f"{instance_id} has not ended: {header}"
            await asyncio.sleep(0.02)


def spins(context: Any) -> Any:
    yield context.call_activity("rest", None)
    try:
        while True:
            context.set_custom_status("x")
    except Exception:  # noqa: BLE001 - that is what is tested
        return "swallowed"


async def spins_async(context: Any) -> Any:
    await context.call_activity("rest", None)
    while True:
        pass


async def spins_beside(context: Any) -> Any:
    """In a coroutine that asyncio runs, which keeps what it raises to itself."""
    await asyncio.gather(spins_async(context), asyncio.sleep(3600))


def spins_plain(context: Any) -> Any:
    while True:
        pass


def spins_in_the_end(context: Any) -> Any:
    try:
        yield context.wait_for_external_event("never")
    finally:
        spin()


def well(context: Any) -> Any:
    result = yield context.call_activity("rest", None)
    return result


async def rest(_: Any) -> str:
    await asyncio.sleep(0)
    return "rested"


async def blocks(_: Any) -> str:
    spin(0.5)
    return "blocked"


def asks_who_blocks(context: Any) -> Any:
    result = yield context.call_activity("blocks", None)
    return result


async def spinning_entity(context: Any) -> None:
    await asyncio.sleep(0)
    if context.operation_name == "spin":
        while True:
            pass
    context.set_state(context.get_state(lambda: 0) + 1)


@asynccontextmanager
async def worker_at_work(**settings: Any) -> AsyncIterator[Place]:
    registry = Registry()
    for orchestrator in (spins, spins_async, spins_beside, spins_plain, spins_in_the_end, well, asks_who_blocks):
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))
    for activity in (rest, blocks):
        registry.activities.add(ActivityDefinition(activity.__name__, activity, "_"))
    registry.entities.add(EntityDefinition("spinning", spinning_entity))
    hub = TaskHub(SqliteStore(None, hub_name="Watched"), observer=Log())
    await hub.open()
    worker = Worker(hub, registry, replace(Settings(max_turn_time=0.4), **settings), repair=False)
    await worker.start()
    try:
        yield Place(hub)
    finally:
        await worker.stop(0.0)
        await hub.close()


@pytest.mark.parametrize("name", ["spins", "spins_async", "spins_plain", "spins_beside"])
async def test_an_orchestrator_that_does_not_let_go_fails_with_its_place(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with worker_at_work() as place:
        await place.start(name, "one")
        columns = (await place.ended("one")).columns
        assert columns.runtime_status == "Failed"
        output = json.loads(columns.output or "")
        assert f"rchestrator '{name}' of instance 'one' kept the event loop for more than 0.4 s" in output
        assert f"{HERE}:" in output
        await place.start("well", "two")
        assert json.loads((await place.ended("two")).columns.output or "") == "rested"
    noticed = [line for line in caplog.messages if "has kept the event loop" in line and "nothing else runs" in line]
    assert noticed
    assert f"'{name}' of instance 'one'" in noticed[0]
    assert f"{HERE}:" in noticed[0]


async def test_code_that_is_dropped_and_does_not_let_go_is_interrupted_as_well() -> None:
    begun = time.monotonic()
    async with worker_at_work(extended_session_idle_timeout=0.2) as place:
        await place.start("spins_in_the_end", "one")
        await place.start("well", "two")
        await place.ended("two")
        await asyncio.sleep(0.3)  # The session of the first ends meanwhile.
        await place.start("well", "three")
        assert json.loads((await place.ended("three")).columns.output or "") == "rested"
    assert time.monotonic() - begun < 30.0


async def test_an_entity_operation_that_does_not_let_go_fails_and_the_next_is_run(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with worker_at_work() as place:
        entity, now = str(EntityId("spinning", "x")), datetime.now(timezone.utc)
        signals = [
            InboxEvent(OperationArrived(now, name, None), "client:test", number, now)
            for number, name in enumerate(["add", "spin", "add"], 1)
        ]
        await place.hub.deliver(entity, signals, "three")
        deadline = time.monotonic() + 30.0
        state = None
        while state != "2":
            assert time.monotonic() < deadline, state
            header = await place.hub.store.load_header(entity)
            state = None if header is None else header.columns.output
            await asyncio.sleep(0.02)
    assert f"Entity {entity} kept the event loop for more than 0.4 s" in caplog.text


async def test_an_async_activity_that_blocks_is_told_by_name_and_not_interrupted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with worker_at_work() as place:
        await place.start("asks_who_blocks", "one")
        assert json.loads((await place.ended("one")).columns.output or "") == "blocked"
    assert "`async def` activity 'blocks' has kept the event loop for" in caplog.text
