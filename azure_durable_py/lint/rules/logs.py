"""Log lines, which a replay would write again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.flow import is_behind_last_wait
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.public_names import CONTEXT
from azure_durable_py.lint.reading import call_of, shown, uses
from azure_durable_py.lint.rules.examples import example

LOGGING = Rule(
    code="DF106",
    name="logging",
    why="Every replay writes the line again, so that the log tells of things that did not happen again.",
    mend="Use `context.logger`, or `context.create_replay_safe_logger(logger)`: both are silent in replays.",
    bad=example(
        """\
logger = logging.getLogger(__name__)


@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    logger.info("Order %s", context.get_input())
    await context.call_activity("charge", context.get_input())
""",
        "import logging",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    context.logger.info("Order %s", context.get_input())
    await context.call_activity("charge", context.get_input())
"""
    ),
)
RULES = (LOGGING,)

_LEVELS = ("critical", "debug", "error", "exception", "fatal", "info", "log", "success", "warn", "warning")
_LOGGERS = ("logging", "logging.getLogger()*", "loguru.logger*", "structlog.get_logger()*", "structlog.getLogger()*")
_LINES = Names(
    *(f"{logger}.{level}" for logger in _LOGGERS for level in _LEVELS),
    "builtins.print",
    "pprint.pprint",
    "rich.print",
    "sys.stderr.write",
    "sys.stdout.write",
    "traceback.print_exc",
    "traceback.print_stack",
)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Lines that are written whether or not the code is replayed."""
    del project
    if function.kind != "orchestrator" or _is_called_live_only(function):
        return
    for node, name in uses(function, _LINES, of_its_own=True):
        call = call_of(function, node)
        if call is not None and not (is_live_only(function, call) or is_behind_last_wait(function, call)):
            yield function.finding(LOGGING, node, f"{shown(node, name)} writes the line again on every replay")


def _is_called_live_only(function: LintedFunction) -> bool:
    via = function.via
    if via is None:
        return False
    places = [node for node in via.caller.walk() if isinstance(node, ast.Call) and node.lineno == via.line]
    return bool(places) and all(is_live_only(via.caller, place) for place in places)


def is_live_only(function: LintedFunction, node: ast.AST) -> bool:
    """Whether code runs only where `context.is_replaying` is false."""
    child, parent = node, function.module.scopes.parent(node)
    while parent is not None and child is not function.node:
        match parent:
            case ast.If(test=test, body=body) if child is not test:
                then = child in body
            case ast.IfExp(test=test, body=body) if child is not test:
                then = child is body
            case ast.BoolOp(op=ast.And(), values=values):
                if any(_tells(function, value, met=True) for value in values[: values.index(_expr(child))]):
                    return True
                child, parent = parent, function.module.scopes.parent(parent)
                continue
            case _:
                child, parent = parent, function.module.scopes.parent(parent)
                continue
        if _tells(function, test, met=then):
            return True
        child, parent = parent, function.module.scopes.parent(parent)
    return False


def _expr(node: ast.AST) -> ast.expr:
    assert isinstance(node, ast.expr)
    return node


def _tells(function: LintedFunction, test: ast.expr, *, met: bool) -> bool:
    """Whether a test that is met (or is not) tells that the code is not replayed."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _tells(function, operand, met=not met)
        case ast.BoolOp(op=ast.And(), values=values) if met:
            return any(_tells(function, value, met=True) for value in values)
        case ast.BoolOp(op=ast.Or(), values=values) if not met:
            return any(_tells(function, value, met=False) for value in values)
        case ast.Compare(left=left, ops=[ast.Is() | ast.Eq()], comparators=[ast.Constant(value=bool(value))]):
            return _tells(function, left, met=met == value)
        case _:
            return not met and function.name_of(test) == f"{CONTEXT}.is_replaying"
