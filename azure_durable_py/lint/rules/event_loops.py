"""Event loops of others: an orchestrator runs on one of its own."""

from __future__ import annotations

from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import shown, uses
from azure_durable_py.lint.rules.examples import example

FOREIGN_WAIT = Rule(
    code="DF104",
    name="foreign-wait",
    why="Tasks of the context go on by the history alone: another loop, or a wait that blocks, never sees them end.",
    mend="`await` in an `async def` orchestrator, where `asyncio.gather`, `wait_for`, `timeout` and task groups work.",
    bad=example(
        """\
async def work(context: df.DurableOrchestrationContext):
    return await context.call_activity("work")


@bp.orchestration_trigger(context_name="context")
def nested(context: df.DurableOrchestrationContext):
    result = asyncio.run(work(context))
    yield context.call_activity("keep", result)
""",
        "import asyncio",
    ),
    good=example(
        """\
async def work(context: df.DurableOrchestrationContext):
    return await context.call_activity("work")


@bp.orchestration_trigger(context_name="context")
async def nested(context: df.DurableOrchestrationContext):
    result = await work(context)
    await context.call_activity("keep", result)
"""
    ),
)
RULES = (FOREIGN_WAIT,)

_FOREIGN = Names(
    "asyncio*.run_forever",
    "asyncio*.run_until_complete",
    "asyncio.run",
    "asyncio.Runner",
    "asyncio.new_event_loop",
    "asyncio.set_event_loop",
    "asyncio.run_coroutine_threadsafe",
    "anyio.run",
    "anyio.from_thread.*",
    "concurrent.futures.as_completed",
    "concurrent.futures.wait",
    "curio.*",
    "gevent.*",
    "nest_asyncio.apply",
    "trio.*",
    "uvloop.*",
)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Uses of other loops, and of waits that block."""
    del project
    if function.kind != "orchestrator":
        return
    for node, name in uses(function, _FOREIGN, of_its_own=True):
        yield function.finding(FOREIGN_WAIT, node, f"{shown(node, name)} waits on another loop, or blocks this one")
