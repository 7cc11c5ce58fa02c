"""The world: what only activities may touch, since a replay touches it again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.known import BLOCKING, FILE_METHODS, FILES, SERVICES, THREADS
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import call_of, shown, uses
from azure_durable_py.lint.rules.examples import example

INPUT_OUTPUT = Rule(
    code="DF101",
    name="io",
    why="A replay does it again, and may get another answer; meanwhile every orchestration of the process waits.",
    mend="Move it to an activity and await `context.call_activity(...)`; for HTTP there is `context.call_http(...)`.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def check(context: df.DurableOrchestrationContext):
    return requests.get(context.get_input()).status_code
""",
        "import requests",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def check(context: df.DurableOrchestrationContext):
    answer = await context.call_http("GET", context.get_input())
    return answer["statusCode"]
"""
    ),
)
SLEEP = Rule(
    code="DF102",
    name="sleep",
    why="It keeps the event loop of the process, all of whose orchestrations wait, and sleeps again on every replay.",
    mend="Wait for `context.create_timer(timedelta(...))`; in an `async def`, `asyncio.sleep` is a durable timer, too.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def remind(context: df.DurableOrchestrationContext):
    time.sleep(60)
    await context.call_activity("remind", context.get_input())
""",
        "import time",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def remind(context: df.DurableOrchestrationContext):
    await context.create_timer(timedelta(minutes=1))
    await context.call_activity("remind", context.get_input())
""",
        "from datetime import timedelta",
    ),
)
THREAD = Rule(
    code="DF103",
    name="thread",
    why="What runs in a thread or process ends at another moment on every replay, and its result is in no history.",
    mend="Call activities: those of one `context.task_all([...])` or `asyncio.gather(...)` run at the same time.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def total(context: df.DurableOrchestrationContext):
    return await asyncio.to_thread(sum, context.get_input())
""",
        "import asyncio",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def total(context: df.DurableOrchestrationContext):
    return await context.call_activity(add, context.get_input())


@bp.activity_trigger(input_name="numbers")
def add(numbers: list[int]) -> int:
    return sum(numbers)
"""
    ),
)
RULES = (INPUT_OUTPUT, SLEEP, THREAD)

_SLEEPS = Names("time.sleep", "gevent.sleep", "eventlet.sleep")
_NO_INPUT_OUTPUT = re.compile(r"(Error|Exception|Warning|Timeout|Type|Config|Settings|Request|Retry)$")
_OUTSIDE = FILES | SERVICES | BLOCKING


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Uses of files, services, clocks that stop the process, threads and processes."""
    del project
    if function.kind != "orchestrator":
        return
    for node, name in uses(function, _SLEEPS):
        yield function.finding(SLEEP, node, f"{shown(node, name)} stops the process, not the orchestration")
    for node, name in uses(function, THREADS):
        yield function.finding(THREAD, node, f"{shown(node, name)} is of threads or processes")
    for node, name in uses(function, _OUTSIDE):
        if _touches(function, node, name):
            yield function.finding(INPUT_OUTPUT, node, f"{shown(node, name)} reaches out of the orchestration")
    yield from _paths(function)


def _touches(function: LintedFunction, node: ast.Name | ast.Attribute, name: str) -> bool:
    call = call_of(function, node)
    if call is not None and _is_in_memory(function, call):
        return False
    # Of services, what is not called is a class to catch, a constant or a model.
    return name in FILES or (call is not None and _NO_INPUT_OUTPUT.search(name) is None)


def _is_in_memory(function: LintedFunction, call: ast.Call) -> bool:
    """Whether what is read is a text or bytes, which only look like a file."""
    return bool(call.args) and function.name_of(call.args[0]) in ("io.StringIO()", "io.BytesIO()")


def _paths(function: LintedFunction) -> Iterator[LintFinding]:
    """Methods of paths that look at the disk; `Path("a") / "b"` is a path as well."""
    for node in function.walk():
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in FILE_METHODS:
                while isinstance(owner, ast.BinOp) and isinstance(owner.op, ast.Div):
                    owner = owner.left
                if (function.name_of(owner) or "").startswith("pathlib.Path()"):
                    yield function.finding(INPUT_OUTPUT, node.func, f"Path.{method} reaches out of the orchestration")
            case _:
                pass
