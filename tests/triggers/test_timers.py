"""Timer functions on a clock of the test's own: due times, catching up, no overlap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.functions.timer import TimerRequest

from azure_durable_py.app import DFApp
from azure_durable_py.clock import Clock
from azure_durable_py.errors import RegistrationError, SettingsError
from azure_durable_py.triggers.functions import TimerFunction, sort_functions
from azure_durable_py.triggers.timers import TimerMemory, Timers

BEGIN = datetime(2024, 5, 1, 10, 0, 30, tzinfo=timezone.utc)


class Bench:
    """Timers under test: `until(n)` lets time pass until n calls were made."""

    def __init__(self, path: Path | None = None, now: datetime = BEGIN) -> None:
        self.now = now
        self.path = path
        self.calls: list[tuple[str, str, bool]] = []
        self.enough = asyncio.Event()
        self.wanted = 0
        self.during: Callable[[], Any] = lambda: None

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)

    async def call(self, function: TimerFunction, request: TimerRequest) -> None:
        self.calls.append((function.name, f"{self.now:%H:%M:%S}", request.past_due))
        self.during()
        if len(self.calls) >= self.wanted:
            self.enough.set()
            await asyncio.sleep(0)

    async def until(self, count: int, app: DFApp) -> list[tuple[str, str, bool]]:
        self.wanted = count
        functions = sort_functions(app, "api", {"EVERY": "0 */10 * * * *"}).timers
        timers = Timers(functions, self.call, TimerMemory(self.path), Clock(lambda: self.now), self.sleep)
        timers.start()
        await self.enough.wait()
        await timers.stop(1)
        return self.calls[:count]


def app_with(schedule: str, **options: Any) -> DFApp:
    app = DFApp()

    @app.timer_trigger(arg_name="timer", schedule=schedule, **options)
    def tick(timer: func.TimerRequest) -> None: ...

    return app


async def test_a_timer_runs_when_it_is_due() -> None:
    assert await Bench().until(3, app_with("0 */5 * * * *")) == [
        ("tick", "10:05:00", False),
        ("tick", "10:10:00", False),
        ("tick", "10:15:00", False),
    ]


async def test_a_schedule_may_be_an_app_setting() -> None:
    assert await Bench().until(1, app_with("%EVERY%")) == [("tick", "10:10:00", False)]


async def test_run_on_startup_runs_at_once() -> None:
    assert (await Bench().until(2, app_with("0 */5 * * * *", run_on_startup=True)))[0] == ("tick", "10:00:30", False)


async def test_a_call_that_takes_longer_than_the_interval_is_not_overlapped() -> None:
    bench = Bench()

    def take_12_minutes() -> None:
        bench.now += timedelta(minutes=12)

    bench.during = take_12_minutes
    calls = await bench.until(2, app_with("0 */5 * * * *"))
    assert [at for _, at, _ in calls] == ["10:05:00", "10:20:00"]


async def test_what_was_missed_while_the_host_was_down_is_made_up_for_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "timers.json"
    await Bench(path).until(1, app_with("0 */5 * * * *"))
    late = Bench(path, BEGIN + timedelta(hours=2))
    calls = await late.until(2, app_with("0 */5 * * * *"))
    assert calls == [("tick", "12:00:30", True), ("tick", "12:05:00", False)]


async def test_an_unmonitored_timer_makes_up_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "timers.json"
    await Bench(path).until(1, app_with("0 */5 * * * *"))
    late = Bench(path, BEGIN + timedelta(hours=2))
    calls = await late.until(1, app_with("0 */5 * * * *", use_monitor=False))
    assert calls == [("tick", "12:05:00", False)]


@pytest.mark.parametrize("content", ["", "[]", '{"tick": 5}', '{"tick": {"next": "soon"}}'])
async def test_a_damaged_memory_counts_as_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "timers.json"
    path.write_text(content)
    assert await Bench(path).until(1, app_with("0 */5 * * * *")) == [("tick", "10:05:00", False)]


async def test_stopping_lets_a_call_end() -> None:
    entered, leave, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def call(function: TimerFunction, request: TimerRequest) -> None:
        entered.set()
        await leave.wait()
        ended.set()

    functions = sort_functions(app_with("* * * * * *", run_on_startup=True), "api", {}).timers
    timers = Timers(functions, call, TimerMemory(None), Clock())
    timers.start()
    await entered.wait()
    stopping = asyncio.create_task(timers.stop(10))
    await asyncio.sleep(0)
    leave.set()
    await stopping
    assert ended.is_set()


def test_a_wrong_schedule_is_refused_when_the_app_is_loaded() -> None:
    with pytest.raises(
        RegistrationError, match=r"The schedule 'hourly' of .*tick \(.*test_timers\.py:\d+\) cannot be used"
    ):
        sort_functions(app_with("hourly"), "api", {})
    with pytest.raises(SettingsError, match="there is no app setting 'NOPE'"):
        sort_functions(app_with("%NOPE%"), "api", {})
