"""Inputs that activities cannot be called with."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.calling import loads
from azure_durable_py.lint.context_calls import ContextCall, context_call
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.rules.examples import example
from azure_durable_py.lint.scopes import parameters_of

WRONG_INPUT = Rule(
    code="DF302",
    name="wrong-input",
    why="An activity takes one input, in the place of the call that is for it, and its code counts on the annotation.",
    mend="Pass several values as one (a dict, list or dataclass), and what the annotation of the activity says.",
    bad=example(
        """\
@bp.activity_trigger(input_name="numbers")
def add(numbers: list[int]) -> int:
    return sum(numbers)


@bp.orchestration_trigger(context_name="context")
async def total(context: df.DurableOrchestrationContext):
    return await context.call_activity(add, 1, 2)
"""
    ),
    good=example(
        """\
@bp.activity_trigger(input_name="numbers")
def add(numbers: list[int]) -> int:
    return sum(numbers)


@bp.orchestration_trigger(context_name="context")
async def total(context: df.DurableOrchestrationContext):
    return await context.call_activity(add, [1, 2])
"""
    ),
)
RULES = (WRONG_INPUT,)

# What JSON carries of literals, and which of the annotations that it carries as they are take that.
_TAKEN_BY: dict[str, frozenset[str]] = {
    "str": frozenset({"str"}),
    "bool": frozenset({"bool", "int", "float"}),
    "int": frozenset({"int", "float"}),
    "float": frozenset({"float"}),
    "list": frozenset({"list"}),
    "dict": frozenset({"dict"}),
}
_CARRIED = frozenset({"str", "int", "float", "bool", "list", "dict"})
_CANONICAL = {"typing.List": "list", "typing.Dict": "dict"}
_LITERALS = (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.JoinedStr)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Calls that give too much, too little, or something else."""
    if function.kind != "orchestrator":
        return
    for node in function.walk():
        asked = context_call(function, node)
        if asked is None:
            continue
        misplaced = list(_misplaced(function, asked))
        yield from misplaced
        activity = _activity(function, project, asked)
        told = None if misplaced or activity is None or asked.is_open else _unfit(activity, asked)
        if told is not None:
            yield function.finding(WRONG_INPUT, asked.input or asked.call, told)


def _misplaced(function: LintedFunction, asked: ContextCall) -> Iterator[LintFinding]:
    """Arguments that no parameter takes, or one that is for something else."""
    for stray in asked.strays:
        if isinstance(stray, ast.keyword):
            near = [name for name in asked.parameters if name.strip("_") == (stray.arg or "").strip("_")]
            hint = f"; it is {near[0]}" if near else ""
            yield function.finding(WRONG_INPUT, stray, f"{asked.method} has no parameter {stray.arg!r}{hint}")
        else:
            yield function.finding(WRONG_INPUT, stray, f"{asked.method} takes {len(asked.parameters)} arguments")
            return
    for name, taken in (("expected_type", "the type of the result"), ("retry_options", "the retry options")):
        value = asked.given.get(name)
        if isinstance(value, _LITERALS) and not _is_none(value):
            yield function.finding(WRONG_INPUT, value, f"this argument of {asked.method} is {taken}, and no input")
            return


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _activity(function: LintedFunction, project: Project, asked: ContextCall) -> LintedFunction | None:
    """The activity that is called, if it is known and only one can be it."""
    if asked.kind != "activity" or asked.target is None:
        return None
    symbol = function.module.symbol(asked.target)
    if symbol is not None and symbol.node is not None:
        found = [other for other in project.functions if other.node is symbol.node and other.kind == "activity"]
    else:
        name = (function.module.constant(asked.target) or "").lower()
        activities = project.app_of(function.module).activities
        found = [other for known, others in activities.items() if known.lower() == name for other in others]
    return found[0] if len(found) == 1 else None


def _unfit(activity: LintedFunction, asked: ContextCall) -> str | None:
    node, module = activity.node, activity.module
    by_name = {parameter.arg: parameter for parameter in parameters_of(node)}
    parameter = by_name.get(activity.context_name or "")
    kinds = None if parameter is None else _kinds(module, parameter.annotation)
    # Templates annotate inputs of all kinds as `str`. One that is not read is there for the decorator only.
    if parameter is None or kinds is None or "str" in kinds or not loads(node, parameter.arg):
        return None
    given = "None" if asked.input is None else _literal(asked.input)
    if given is None or given in kinds or _TAKEN_BY.get(given, frozenset()) & kinds:
        return None
    shown = ast.unparse(parameter.annotation) if parameter.annotation is not None else ""
    if asked.input is None:
        return f"{activity.name} is called without an input, and takes {parameter.arg}: {shown}"
    return f"{activity.name} takes {parameter.arg}: {shown}, not {'a' if given != 'int' else 'an'} {given}"


def _kinds(module: Module, annotation: ast.expr | None) -> frozenset[str] | None:
    """The plain types that an annotation names; None: it names others, or nothing is known of it."""
    match annotation:
        case ast.Constant(value=str(text)):
            try:
                return _kinds(module, ast.parse(text, mode="eval").body) if text.isidentifier() else None
            except SyntaxError:
                return None
        case ast.Constant(value=None):
            return frozenset({"None"})
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            both = (_kinds(module, left), _kinds(module, right))
            return None if both[0] is None or both[1] is None else both[0] | both[1]
        case ast.Subscript(value=cls, slice=inner) if module.name(cls) == "typing.Optional":
            kinds = _kinds(module, inner)
            return None if kinds is None else kinds | {"None"}
        case ast.Subscript(value=cls):
            return _kinds(module, cls)
        case ast.Name() | ast.Attribute():
            name = module.name(annotation) or ""
            name = _CANONICAL.get(name, name.removeprefix("builtins."))
            return frozenset({name}) if name in _CARRIED else None
        case _:
            return None


def _literal(node: ast.expr) -> str | None:
    """The plain type of a literal; None: it is none."""
    match node:
        case ast.Constant(value=None):
            return "None"
        case ast.Constant(value=str() | bool() | int() | float() as value):
            return type(value).__name__
        case ast.JoinedStr():
            return "str"
        case ast.List() | ast.Tuple() | ast.ListComp():
            return "list"
        case ast.Dict() | ast.DictComp():
            return "dict"
        case _:
            return None
