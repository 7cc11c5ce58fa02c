"""The wall clock: a replay reads another time than the first run did."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import call_of, shown, uses
from azure_durable_py.lint.rules.examples import example

WALL_CLOCK = Rule(
    code="DF001",
    name="wall-clock",
    why="An orchestrator is replayed, and each replay reads a later time. What it decides by it differs then.",
    mend="Take the time from `context.current_utc_datetime`, or from an activity.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
def remind(context: df.DurableOrchestrationContext):
    if datetime.now().hour < 12:
        yield context.call_activity("send_reminder")
""",
        "from datetime import datetime",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
def remind(context: df.DurableOrchestrationContext):
    if context.current_utc_datetime.hour < 12:
        yield context.call_activity("send_reminder")
"""
    ),
)
RULES = (WALL_CLOCK,)

_CLOCKS = Names(
    "arrow.now",
    "arrow.utcnow",
    "arrow.Arrow.now",
    "arrow.Arrow.utcnow",
    "datetime.date.today",
    "datetime.datetime.now",
    "datetime.datetime.today",
    "datetime.datetime.utcnow",
    "django.utils.timezone.localdate",
    "django.utils.timezone.now",
    "email.utils.localtime",
    "pandas.Timestamp.now",
    "pandas.Timestamp.today",
    "pandas.Timestamp.utcnow",
    "pendulum.now",
    "pendulum.today",
    "pendulum.tomorrow",
    "pendulum.yesterday",
    "time.clock_gettime",
    "time.clock_gettime_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.process_time",
    "time.process_time_ns",
    "time.thread_time",
    "time.thread_time_ns",
    "time.time",
    "time.time_ns",
    "whenever.Instant.now",
    "whenever.ZonedDateTime.now",
)
# They take a moment, and the present one where none is given: at which place among the arguments.
_MOMENT_AT = {
    "time.asctime": 0,
    "time.ctime": 0,
    "time.gmtime": 0,
    "time.localtime": 0,
    "time.strftime": 1,
    "email.utils.formatdate": 0,
    "django.utils.timezone.localtime": 0,
}
_ALL = Names(*_MOMENT_AT)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Uses of the clock of the machine."""
    del project
    if function.kind != "orchestrator":
        return
    for names in (_CLOCKS, _ALL):
        for node, name in uses(function, names):
            if not _is_told_when(call_of(function, node), name):
                yield function.finding(WALL_CLOCK, node, f"{shown(node, name)} reads the clock of the machine")


def _is_told_when(call: ast.Call | None, name: str) -> bool:
    return call is not None and name in _MOMENT_AT and (bool(call.keywords) or len(call.args) > _MOMENT_AT[name])
