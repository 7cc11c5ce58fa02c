"""Code that keeps what stops it to itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import waits
from azure_durable_py.lint.rules.examples import example
from azure_durable_py.lint.scopes import FUNCTIONS
from azure_durable_py.lint.trees import children

SWALLOWED_STOP = Rule(
    code="DF205",
    name="swallowed-stop",
    why=(
        "It also takes what is no failure: a timeout of asyncio that ends, an instance that leaves memory, a replay "
        "that differs. The block then runs though nothing has failed."
    ),
    mend="Catch `Exception`, which has every failure of a task in it, or `raise` again at the end of the block.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    try:
        await context.call_activity("charge")
    except:
        await context.call_activity("apologise")
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    try:
        await context.call_activity("charge")
    except Exception:
        await context.call_activity("apologise")
"""
    ),
)
RULES = (SWALLOWED_STOP,)

_STOPS = frozenset({"builtins.BaseException", "builtins.GeneratorExit"})


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Handlers of everything, around code that waits."""
    del project
    if function.kind != "orchestrator":
        return
    for node in function.walk():
        if isinstance(node, ast.Try) and any(waits(statement) for statement in node.body):
            for handler in node.handlers:
                if _takes_stops(function, handler) and not _goes_on(handler):
                    what = "" if handler.type is None else f" {ast.unparse(handler.type)}"
                    message = f"`except{what}` takes what ends this code, too"
                    yield function.finding(SWALLOWED_STOP, handler.type or handler, message)


def _takes_stops(function: LintedFunction, handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or function.name_of(kind) in _STOPS for kind in kinds)


def _goes_on(handler: ast.ExceptHandler) -> bool:
    """Whether a block raises again."""
    stack: list[ast.AST] = list(handler.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Raise):
            return True
        if not isinstance(node, (*FUNCTIONS, ast.Lambda)):
            stack.extend(children(node))
    return False
