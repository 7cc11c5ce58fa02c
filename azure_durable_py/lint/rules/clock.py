"""The wall clock: a replay reads another time than the first run did."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.findings import Finding, Rule
from azure_durable_py.lint.functions import DurableFunction
from azure_durable_py.lint.project import Project

WALL_CLOCK = Rule(
    code="DF001",
    name="wall-clock",
    why="An orchestrator is replayed, and each replay reads a later time. What it decides by it differs then.",
    mend="Take the time from `context.current_utc_datetime`, or from an activity.",
    bad="""\
from datetime import datetime

import azure_durable_py as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def remind(context: df.DurableOrchestrationContext):
    if datetime.now().hour < 12:
        yield context.call_activity("send_reminder")


@app.activity_trigger(input_name="nothing")
def send_reminder(nothing: None) -> None: ...
""",
    good="""\
import azure_durable_py as df

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def remind(context: df.DurableOrchestrationContext):
    if context.current_utc_datetime.hour < 12:
        yield context.call_activity("send_reminder")


@app.activity_trigger(input_name="nothing")
def send_reminder(nothing: None) -> None: ...
""",
)
RULES = (WALL_CLOCK,)

_CLOCKS = frozenset(
    {
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.process_time",
        "time.process_time_ns",
        "time.thread_time",
        "time.thread_time_ns",
    }
)
_WITHOUT_ARGUMENT = frozenset({"time.localtime", "time.gmtime", "time.ctime", "time.strftime", "time.asctime"})
_MOMENT_AT = {"time.strftime": 1}


def check(function: DurableFunction, project: Project) -> Iterator[Finding]:
    """Calls that read the clock of the machine."""
    del project
    if function.kind != "orchestrator":
        return
    for call, name in function.calls():
        if name in _CLOCKS or (name in _WITHOUT_ARGUMENT and _reads_now(call, name)):
            yield function.finding(WALL_CLOCK, call, f"{name}() reads the clock of the machine")


def _reads_now(call: ast.Call, name: str) -> bool:
    """Whether a function that takes a moment is left to take the present one."""
    return not call.keywords and len(call.args) <= _MOMENT_AT.get(name, 0)
