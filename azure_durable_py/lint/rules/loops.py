"""Loops that never end."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.calling import own_nodes
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import context_method
from azure_durable_py.lint.rules.examples import example
from azure_durable_py.lint.scopes import FUNCTIONS
from azure_durable_py.lint.trees import children

ENDLESS_LOOP = Rule(
    code="DF401",
    name="endless-loop",
    why="It goes round without a pause and without an end, and the history grows by every step of it.",
    mend="Do one round, wait for a timer or event, and end with `context.continue_as_new(...)`.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def poll(context: df.DurableOrchestrationContext):
    while True:
        await context.call_activity("look")
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def poll(context: df.DurableOrchestrationContext):
    await context.call_activity("look")
    await context.create_timer(timedelta(minutes=5))
    context.continue_as_new(context.get_input())
""",
        "from datetime import timedelta",
    ),
)
GROWING_HISTORY = Rule(
    code="DF402",
    name="growing-history",
    why="The history grows with every round of a loop that never ends, and each replay goes over all of it.",
    mend="End a round with `context.continue_as_new(...)` in place of the loop, or after some number of rounds.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def watch(context: df.DurableOrchestrationContext):
    while True:
        await context.call_activity("look")
        await context.create_timer(timedelta(hours=1))
""",
        "from datetime import timedelta",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def watch(context: df.DurableOrchestrationContext):
    for _ in range(24):
        await context.call_activity("look")
        await context.create_timer(timedelta(hours=1))
    context.continue_as_new(context.get_input())
""",
        "from datetime import timedelta",
    ),
)
RULES = (ENDLESS_LOOP, GROWING_HISTORY)

_PAUSES = frozenset({"create_timer", "wait_for_external_event"})
_LIMITS = frozenset({"asyncio.timeout", "asyncio.timeout_at"})


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Loops of the function itself; those of coroutines beside it end with the orchestration."""
    del project
    if function.kind != "orchestrator" or _runs_beside(function):
        return
    for node in own_nodes(function.node):
        if _is_for_ever(function, node) and not _ends(function, node) and not _is_limited(function, node):
            if _pauses(function, node):
                yield function.finding(
                    GROWING_HISTORY, _head(node), "this loop never ends, and the history grows with it"
                )
            else:
                yield function.finding(ENDLESS_LOOP, _head(node), "this loop never ends and never pauses")


def _runs_beside(function: LintedFunction) -> bool:
    """Whether a helper is a coroutine that is not awaited where it is called, but handed to a task."""
    via = function.via
    if via is None:
        return False
    for node in via.caller.walk():
        if isinstance(node, ast.Call) and node.lineno == via.line:
            parent = via.caller.module.scopes.parent(node)
            if isinstance(parent, ast.Await | ast.YieldFrom):
                return False
    return True


def _is_for_ever(function: LintedFunction, node: ast.AST) -> bool:
    match node:
        case ast.While(test=ast.Constant(value=value)):
            return bool(value)
        case ast.For(iter=ast.Call(func=called, args=arguments)):
            name = function.name_of(called)
            return name == "itertools.count" or (name == "itertools.repeat" and len(arguments) == 1)
        case _:
            return False


def _head(node: ast.AST) -> ast.AST:
    """What stands for a loop: its test, or what it goes over."""
    return node.test if isinstance(node, ast.While) else node.iter if isinstance(node, ast.For) else node


def _ends(function: LintedFunction, loop: ast.AST) -> bool:
    """Whether a loop is left: by itself, by an error that it raises, or as it continues as new."""
    stack: list[tuple[ast.AST, bool]] = [(child, False) for child in children(loop)]
    while stack:
        node, is_inner = stack.pop()
        match node:
            case ast.Return() | ast.Raise():
                return True
            case ast.Break() if not is_inner:
                return True
            case ast.Call() if context_method(function, node) == "continue_as_new":
                return True
            case _:
                pass
        if not isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            inner = is_inner or isinstance(node, ast.For | ast.While | ast.AsyncFor)
            stack.extend((child, inner) for child in children(node))
    return False


def _is_limited(function: LintedFunction, loop: ast.AST) -> bool:
    """Whether a timeout of asyncio around the loop ends it, or an error that is caught around it."""
    child, parent = loop, function.module.scopes.parent(loop)
    while parent is not None and child is not function.node:
        if isinstance(parent, ast.Try) and parent.handlers and child in parent.body:
            return True
        if isinstance(parent, ast.AsyncWith):
            for item in parent.items:
                if isinstance(item.context_expr, ast.Call) and function.name_of(item.context_expr.func) in _LIMITS:
                    return True
        child, parent = parent, function.module.scopes.parent(parent)
    return False


def _pauses(function: LintedFunction, loop: ast.AST) -> bool:
    for node in ast.walk(loop):
        if context_method(function, node) in _PAUSES:
            return True
        if isinstance(node, ast.Call) and function.name_of(node.func) == "asyncio.sleep":
            return True
    return False
