"""State outside of the orchestration: variables that live as long as the process, and not as long as the instance."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.changes import (
    Change,
    changed_variable,
    changes_of,
    changes_of_variables,
    is_container,
)
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import functions_around, home_of, is_within, values_of
from azure_durable_py.lint.rules.examples import example
from azure_durable_py.lint.scopes import FUNCTIONS, FunctionNode
from azure_durable_py.lint.variables import Variable, variable_of

GLOBAL_STATE = Rule(
    code="DF005",
    name="global-state",
    why="All instances of a process share the variable, each process has its own, and a replay finds it changed.",
    mend="Keep it in a local variable, an entity, or the input of the next generation; read it in an activity.",
    bad=example(
        """\
rate = 1.0


@bp.activity_trigger(input_name="value")
def set_rate(value: float) -> None:
    global rate
    rate = value


@bp.orchestration_trigger(context_name="context")
async def convert(context: df.DurableOrchestrationContext):
    return context.get_input() * rate
"""
    ),
    good=example(
        """\
@bp.entity_trigger(entity_name="rate")
class Rate:
    value: float = 1.0

    def set(self, value: float) -> None:
        self.value = value

    def get(self) -> float:
        return self.value


@bp.orchestration_trigger(context_name="context")
async def convert(context: df.DurableOrchestrationContext):
    return context.get_input() * await context.call_entity(df.EntityId("rate", "euro"), "get")
"""
    ),
)
OUTER_STATE = Rule(
    code="DF006",
    name="outer-state",
    why="What is changed there outlives the turn: other instances see it, and a replay changes it once more.",
    mend="Make the value in the orchestrator, and hand it to helpers as an argument (`found=None`, not `found=[]`).",
    bad=example(
        """\
def collect(value, found=[]):
    found.append(value)
    return found


@bp.orchestration_trigger(context_name="context")
async def gather(context: df.DurableOrchestrationContext):
    return collect(await context.call_activity("look"))
"""
    ),
    good=example(
        """\
def collect(value, found=None):
    return [*(found or []), value]


@bp.orchestration_trigger(context_name="context")
async def gather(context: df.DurableOrchestrationContext):
    return collect(await context.call_activity("look"))
"""
    ),
)
RULES = (GLOBAL_STATE, OUTER_STATE)

_CHANGES_IN_USE = frozenset(
    {
        "asyncio.Barrier()",
        "asyncio.BoundedSemaphore()",
        "asyncio.Condition()",
        "asyncio.Event()",
        "asyncio.LifoQueue()",
        "asyncio.Lock()",
        "asyncio.PriorityQueue()",
        "asyncio.Queue()",
        "asyncio.Semaphore()",
        "builtins.iter()",
        "itertools.count()",
        "itertools.cycle()",
    }
)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Changes of what is outside, and reads of what others change."""
    if function.kind == "activity":
        return
    yield from _defaults(function)
    if function.kind != "orchestrator":
        return
    told: set[Variable] = set()
    for change in changes_of(function):
        variable = changed_variable(function.module, change)
        name = ast.unparse(change.target)
        if variable is not None and variable not in told:
            told.add(variable)
            yield function.finding(
                GLOBAL_STATE, change.place, f"{name!r} is one for all instances, and is changed here"
            )
        elif change.name is not None and _is_outer(function, project, change, change.name):
            yield function.finding(OUTER_STATE, change.place, f"{name!r} belongs to a function that has long returned")
        elif change.kind == "attribute" and _is_outer_definition(function, change.target):
            yield function.finding(OUTER_STATE, change.place, f"an attribute of {name} is one for all instances")
    yield from _reads(function, project, told)


def _reads(function: LintedFunction, project: Project, told: set[Variable]) -> Iterator[LintFinding]:
    changed = changes_of_variables(project)
    for node in function.walk():
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        variable = variable_of(function.module, node)
        if variable is None or variable in told:
            continue
        if variable in changed:
            told.add(variable)
            module, change = changed[variable]
            where = next(functions_around(module, change.target)).name
            place = f"{module.path.name}:{change.target.lineno}"
            yield function.finding(GLOBAL_STATE, node, f"{variable.name!r} is changed by {where} at {place}")
        elif any(variable.module.name(value) in _CHANGES_IN_USE for value in variable.values):
            told.add(variable)
            yield function.finding(
                GLOBAL_STATE, node, f"{variable.name!r} is one for all instances, and changes in use"
            )


def _is_outer(function: LintedFunction, project: Project, change: Change, name: ast.Name) -> bool:
    """Whether what is changed belongs to a function around the orchestrator, which has long returned."""
    module = function.module
    home = home_of(module, name)
    if not isinstance(home, FUNCTIONS) or is_within(module, home, function.node):
        return False
    replayed = {other.node for other in project.functions if other.kind == "orchestrator" and other.module is module}
    if home in replayed or replayed.intersection(functions_around(module, home)):
        return False
    values = values_of(module, name) or []
    return change.kind != "content" or any(is_container(module, value) for value in values)


def _is_outer_definition(function: LintedFunction, node: ast.expr) -> bool:
    """Whether it is a function or class that is not defined within the orchestrator."""
    symbol = function.module.symbol(node)
    if symbol is None or symbol.node is None or symbol.is_instance:
        return False
    is_own = symbol.module is function.module and is_within(function.module, symbol.node, function.node)
    return symbol.node is function.node or not is_own


def _defaults(function: LintedFunction) -> Iterator[LintFinding]:
    """Default values that are made once, and changed by every call."""
    functions = [function.node, *(node for node in function.walk() if isinstance(node, FUNCTIONS))]
    shared = {
        (name, node)
        for node in functions
        if isinstance(node, FUNCTIONS)
        for name, value in _with_default(node)
        if is_container(function.module, value)
    }
    for change in changes_of(function) if shared else ():
        home = None if change.name is None else home_of(function.module, change.name)
        if change.kind != "content" or change.name is None or home is None or (change.name.id, home) not in shared:
            continue
        is_only_given = len(function.module.scopes.bindings(home).names[change.name.id]) == 1
        if is_only_given:
            message = f"the default of {change.name.id!r} is one for all calls"
            yield function.finding(OUTER_STATE, change.place, message)


def _with_default(node: FunctionNode) -> Iterator[tuple[str, ast.expr]]:
    given = node.args
    positional = [*given.posonlyargs, *given.args]
    for parameter, value in zip(positional[len(positional) - len(given.defaults) :], given.defaults, strict=True):
        yield parameter.arg, value
    for parameter, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        if default is not None:
            yield parameter.arg, default
