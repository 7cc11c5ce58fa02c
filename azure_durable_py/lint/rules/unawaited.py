"""Tasks that nobody waits for."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.calling import blocks_of, called_style, loads
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import context_method, is_task_call
from azure_durable_py.lint.rules.examples import example

UNAWAITED = Rule(
    code="DF201",
    name="unawaited",
    why="What is called runs, but nobody learns of its failure; a coroutine or generator does not even begin.",
    mend="`await` or `yield` it (a generator helper: `yield from`), or keep it for `context.task_all([...])`.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    context.call_activity("charge", context.get_input())
    await context.call_activity("ship", context.get_input())
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    await context.call_activity("charge", context.get_input())
    await context.call_activity("ship", context.get_input())
"""
    ),
)
RULES = (UNAWAITED,)

_COROUTINES = frozenset({"asyncio.gather", "asyncio.sleep", "asyncio.wait", "asyncio.wait_for"})


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Calls whose task is left alone."""
    del project
    if function.kind != "orchestrator":
        return
    for block in blocks_of(function.node):
        for at, statement in enumerate(block):
            call = _made(statement)
            told = None if call is None else _told(function, call)
            if call is not None and told is not None and _is_left(function, statement, block[at + 1 :]):
                yield function.finding(UNAWAITED, call, told)


def _made(statement: ast.stmt) -> ast.Call | None:
    """The call whose value a statement leaves alone, or gives a name."""
    match statement:
        case ast.Expr(value=ast.ListComp(elt=value) | ast.SetComp(elt=value)):
            pass
        case ast.Expr(value=value) | ast.Assign(targets=[ast.Name()], value=value):
            pass
        case ast.AnnAssign(target=ast.Name(), value=ast.expr() as value):
            pass
        case _:
            return None
    return value if isinstance(value, ast.Call) else None


def _told(function: LintedFunction, call: ast.Call) -> str | None:
    if is_task_call(function, call):
        return f"nobody waits for {context_method(function, call) or 'this call of an entity'}"
    style = called_style(function, call)
    if style == "coroutine" or function.name_of(call.func) in _COROUTINES:
        return f"nobody awaits {ast.unparse(call.func)}"
    return f"the generator {ast.unparse(call.func)} never begins" if style == "generator" else None


def _is_left(function: LintedFunction, statement: ast.stmt, following: list[ast.stmt]) -> bool:
    """Whether nothing reads the name that the value gets, if it gets one."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            pass
        case _:
            return True
    if name.startswith("_"):
        return False
    for later in following:
        if loads(later, name):
            return False
        match later:
            case ast.Assign(targets=[ast.Name(id=again)]) if again == name:
                return True
            case _:
                pass
    outside = any(
        isinstance(part, ast.Global | ast.Nonlocal) and name in part.names for part in ast.walk(function.node)
    )
    return not outside and not loads(function.node, name)
