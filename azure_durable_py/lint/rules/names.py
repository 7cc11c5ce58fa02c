"""Functions that are called by names which nothing has."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from azure_durable_py.lint.context_calls import ContextCall, context_call, entity_name
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.functions import DurableKind, LintedFunction
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.project import App, Project
from azure_durable_py.lint.public_names import OURS
from azure_durable_py.lint.rules.examples import APP, example
from azure_durable_py.registry import is_built_in

UNKNOWN_FUNCTION = Rule(
    code="DF301",
    name="unknown-function",
    why="No function of the app has this name and kind, so that the call fails as soon as it is made.",
    mend="Correct the name, or give the function itself: `context.call_activity(say_hello, ...)`.",
    bad=example(
        """\
@app.activity_trigger(input_name="name")
def say_hello(name: str) -> str:
    return f"Hello {name}!"


@app.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext):
    return await context.call_activity("say_helo", "Ada")
""",
        begin=APP,
    ),
    good=example(
        """\
@app.activity_trigger(input_name="name")
def say_hello(name: str) -> str:
    return f"Hello {name}!"


@app.orchestration_trigger(context_name="context")
async def hello(context: df.DurableOrchestrationContext):
    return await context.call_activity(say_hello, "Ada")
""",
        begin=APP,
    ),
)
RULES = (UNKNOWN_FUNCTION,)

_APPS = frozenset({f"{OURS}.DFApp", "azure.functions.FunctionApp"})
_CALLED_BY = {"activity": "call_activity", "orchestrator": "call_sub_orchestrator", "entity": "call_entity"}
_OPERATION_OF_ALL = "delete"


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Names, and functions of another kind than they are called as."""
    if function.kind == "activity":
        return
    app = project.app_of(function.module)
    for node in function.walk():
        asked = context_call(function, node)
        if asked is None or asked.target is None:
            continue
        told = _other_kind(function, project, asked)
        if told is None and app.is_complete and _is_whole(project, app):
            told = _unknown(function, app, asked)
        if told is not None:
            yield function.finding(UNKNOWN_FUNCTION, asked.target, told)


def _other_kind(function: LintedFunction, project: Project, asked: ContextCall) -> str | None:
    symbol = function.module.symbol(asked.target) if asked.target is not None else None
    if symbol is None or symbol.node is None or symbol.is_instance or not project.is_declared(symbol.node):
        return None
    kinds = {other.kind for other in project.functions if symbol.node in (other.node, other.owner)}
    if not kinds or asked.kind in kinds:
        return None
    kind = next(iter(kinds))
    return f"{symbol.path} is an {kind}, to be called by {_CALLED_BY[kind]}"


def _unknown(function: LintedFunction, app: App, asked: ContextCall) -> str | None:
    if asked.kind == "entity":
        name = entity_name(function, asked.target)
        return None if name is None else _unknown_entity(function, app, name, asked)
    name = function.module.constant(asked.target)
    if name is None or is_built_in(name):
        return None
    known = _names(app, asked.kind)
    if name.lower() in known:
        return None
    return f"no {asked.kind} is named {name!r}{_hint(name, known)}{_elsewhere(name, app, asked.kind)}"


def _unknown_entity(function: LintedFunction, app: App, name: str, asked: ContextCall) -> str | None:
    known = _names(app, "entity")
    if is_built_in(name):
        return None
    if name.lower() not in known:
        return f"no entity is named {name!r}{_hint(name, known)}{_elsewhere(name, app, 'entity')}"
    operation = function.module.constant(asked.given.get("operationName"))
    functions = app.entities[name.lower()]
    if operation is None or any(other.owner is None or _inherits(other.owner) for other in functions):
        return None
    operations = {
        part.node.name.lower(): part.node.name
        for part in functions
        if isinstance(part.node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    if operation.lower() in {*operations, _OPERATION_OF_ALL}:
        return None
    return f"the entity {name!r} has no operation {operation!r}{_hint(operation, operations)}"


def _inherits(owner: ast.ClassDef) -> bool:
    return bool(owner.bases or owner.keywords)


def _names(app: App, kind: DurableKind) -> dict[str, str]:
    """The names of a kind, by themselves in small letters: case does not count."""
    by_kind = {"activity": app.activities, "orchestrator": app.orchestrators, "entity": app.entities}
    return {name.lower(): name for name in by_kind[kind]}


def _hint(name: str, known: dict[str, str]) -> str:
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {known[near[0]]!r}?" if near else ""


def _elsewhere(name: str, app: App, kind: DurableKind) -> str:
    others: tuple[DurableKind, ...] = ("activity", "orchestrator", "entity")
    other = next((other for other in others if other != kind and name.lower() in _names(app, other)), None)
    return "" if other is None else f"; there is an {other} of that name, to be called by {_CALLED_BY[other]}"


# --- whether all is known --------------------------------------------------------------------------

_WHOLE: WeakKeyDictionary[Project, dict[int, bool]] = WeakKeyDictionary()


def _is_whole(project: Project, app: App) -> bool:
    """Whether the files have the app itself, and not blueprints for one that is elsewhere."""
    known = _WHOLE.setdefault(project, {})
    if id(app) not in known:
        modules = (module for module in project.modules if project.app_of(module) is app)
        known[id(app)] = any(_makes_app(module) for module in modules)
    return known[id(app)]


def _makes_app(module: Module) -> bool:
    if (module.path.parent / "function.json").is_file():
        return True
    if "App" not in module.text:
        return False
    return any(isinstance(node, ast.Call) and module.name(node.func) in _APPS for node in module.nodes)
