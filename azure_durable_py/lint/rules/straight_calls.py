"""Activities that an orchestrator calls as functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.rules.examples import example

STRAIGHT_CALL = Rule(
    code="DF107",
    name="straight-call",
    why="The activity then runs inside the orchestrator, again on every replay, and the history has no result of it.",
    mend="Give it to the context: `context.call_activity(function, input)`.",
    bad=example(
        """\
@bp.activity_trigger(input_name="name")
def greet(name: str) -> str:
    return f"Hello {name}!"


@bp.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext):
    return greet("Ada")
"""
    ),
    good=example(
        """\
@bp.activity_trigger(input_name="name")
def greet(name: str) -> str:
    return f"Hello {name}!"


@bp.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext):
    return await context.call_activity(greet, "Ada")
"""
    ),
)
RULES = (STRAIGHT_CALL,)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Calls of activities that do not go by the context."""
    if function.kind != "orchestrator":
        return
    for node in function.walk():
        symbol = function.module.symbol(node.func) if isinstance(node, ast.Call) else None
        if symbol is not None and not symbol.is_instance and _is_activity(project, symbol.node):
            yield function.finding(STRAIGHT_CALL, node, f"the activity {symbol.path} is called as a function")


def _is_activity(project: Project, node: ast.AST | None) -> bool:
    if node is None or not project.is_declared(node):
        return False
    return any(function.node is node and function.kind == "activity" for function in project.functions)
