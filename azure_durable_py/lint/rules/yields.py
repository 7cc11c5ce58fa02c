"""What orchestrators yield, await and return."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise

from azure_durable_py.lint.calling import blocks_of, called_style, own_nodes, style_of
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import SENDING_METHODS, TASK_METHODS, context_method, is_task_call, values_of
from azure_durable_py.lint.rules.examples import example

NOT_A_TASK = Rule(
    code="DF202",
    name="not-a-task",
    why="An orchestrator can wait for tasks of its context only; for anything else it fails.",
    mend="Several tasks: `context.task_all([...])`. A generator helper: `yield from`. A plain value: neither.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
def total(context: df.DurableOrchestrationContext):
    prices = yield [context.call_activity("price", name) for name in context.get_input()]
    return sum(prices)
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
def total(context: df.DurableOrchestrationContext):
    prices = yield context.task_all([context.call_activity("price", name) for name in context.get_input()])
    return sum(prices)
"""
    ),
)
RETURNED_TASK = Rule(
    code="DF203",
    name="returned-task",
    why="A task is not the result of an orchestration: it fails when its function returns one.",
    mend="Wait for it first: `return await ...`, or `return (yield ...)`.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def ship(context: df.DurableOrchestrationContext):
    return context.call_activity("ship", context.get_input())
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def ship(context: df.DurableOrchestrationContext):
    return await context.call_activity("ship", context.get_input())
"""
    ),
)
MIXED_STYLES = Rule(
    code="DF204",
    name="mixed-styles",
    why="An `async def` that yields is an async generator, which the app refuses; no style can wait for the other.",
    mend="Use `await` in `async def` orchestrators and their helpers, `yield` and `yield from` in plain ones.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    yield context.call_activity("charge", context.get_input())
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    await context.call_activity("charge", context.get_input())
"""
    ),
)
RULES = (NOT_A_TASK, RETURNED_TASK, MIXED_STYLES)

_VALUES = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Set,
    ast.Dict,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Lambda,
    ast.Compare,
)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """What is waited for and is no task, what is returned and is one, and styles that do not mix."""
    del project
    if function.kind != "orchestrator":
        return
    style = style_of(function.node)
    own = list(own_nodes(function.node))
    if style == "async generator" and not function.is_helper:
        first = next(node for node in own if isinstance(node, ast.Yield))
        yield function.finding(MIXED_STYLES, first, "`yield` in an `async def` orchestrator")
        return
    if style == "generator" and (not function.is_helper or any(_is_yield_of_task(function, node) for node in own)):
        yield from _yields(function, own)
    yield from _awaits(function)
    if not function.is_helper:
        for node in own:
            if isinstance(node, ast.Return) and node.value is not None and _is_task(function, node.value, style):
                yield function.finding(RETURNED_TASK, node.value, "the orchestrator returns a task, not its result")


def _is_yield_of_task(function: LintedFunction, node: ast.AST) -> bool:
    return isinstance(node, ast.Yield) and is_task_call(function, node.value)


def _yields(function: LintedFunction, own: list[ast.AST]) -> Iterator[LintFinding]:
    for node in own:
        if isinstance(node, ast.YieldFrom):
            if called_style(function, node.value) in ("coroutine", "async generator"):
                yield function.finding(MIXED_STYLES, node, "a generator cannot `yield from` an `async def`")
            elif is_task_call(function, node.value):
                yield function.finding(NOT_A_TASK, node, "a task is yielded by `yield`, not by `yield from`")
        elif isinstance(node, ast.Yield) and not _is_never_reached(function, node):
            told = _what_is_no_task(function, node.value, "yielded")
            style = called_style(function, node.value)
            if style in ("generator", "coroutine"):
                told = f"a {style} is yielded"
            elif told is None and _is_of_asyncio(function, node.value):
                told = "only `async def` orchestrators can wait for what asyncio has"
            if told is not None:
                yield function.finding(NOT_A_TASK, node, told)


def _is_never_reached(function: LintedFunction, node: ast.Yield) -> bool:
    """Whether a bare `yield` stands behind a `return` or `raise`, where it only makes the function a generator."""
    statement = function.module.scopes.parent(node)
    return node.value is None and any(
        isinstance(before, ast.Return | ast.Raise) and after is statement
        for block in blocks_of(function.node)
        for before, after in pairwise(block)
    )


def _awaits(function: LintedFunction) -> Iterator[LintFinding]:
    for node in function.walk():
        if not isinstance(node, ast.Await):
            continue
        if called_style(function, node.value) in ("generator", "async generator"):
            yield function.finding(MIXED_STYLES, node, "a generator cannot be awaited")
        else:
            told = _what_is_no_task(function, node.value, "awaited")
            if told is not None:
                yield function.finding(NOT_A_TASK, node, told)


def _what_is_no_task(function: LintedFunction, value: ast.expr | None, done: str) -> str | None:
    if value is None:
        return f"nothing is {done}"
    if isinstance(value, _VALUES):
        return f"{_KINDS.get(type(value), 'a value')} is {done}"
    method = context_method(function, value)
    if method is None or method in TASK_METHODS | SENDING_METHODS:
        return None
    return f"context.{method} gives nothing to wait for" if method in _GIVES_NO_TASK else None


_KINDS: dict[type[ast.AST], str] = {
    ast.List: "a list",
    ast.ListComp: "a list",
    ast.Tuple: "a tuple",
    ast.Set: "a set",
    ast.SetComp: "a set",
    ast.Dict: "a dict",
    ast.DictComp: "a dict",
    ast.GeneratorExp: "a generator",
    ast.Lambda: "a function",
}
_GIVES_NO_TASK = frozenset(
    {"continue_as_new", "get_input", "new_guid", "new_uuid", "set_custom_status", "set_status_part"}
)


def _is_of_asyncio(function: LintedFunction, value: ast.expr | None) -> bool:
    return isinstance(value, ast.Call) and (function.name_of(value.func) or "").startswith("asyncio.")


def _is_task(function: LintedFunction, value: ast.expr, style: str) -> bool:
    match value:
        case ast.Name():
            values = values_of(function.module, value) or []
            return bool(values) and all(is_task_call(function, given) for given in values)
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return any(is_task_call(function, element) for element in elements)
        case ast.ListComp(elt=element):
            return is_task_call(function, element)
        case _:
            # A plain function may return the coroutine or generator that does its work.
            begun = style != "plain" and called_style(function, value) in ("coroutine", "generator")
            return begun or is_task_call(function, value)
