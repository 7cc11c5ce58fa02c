"""Values that cannot be written as JSON."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.context_calls import payloads_of
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.public_names import CLIENTS, CONTEXT, ENTITY_CONTEXT
from azure_durable_py.lint.reading import is_task_call, values_of
from azure_durable_py.lint.rules.examples import example
from azure_durable_py.lint.scopes import parameters_of

NOT_JSON = Rule(
    code="DF303",
    name="not-json",
    why="Inputs, results, events and statuses are kept as JSON, which has no functions, files, locks and iterators.",
    mend="Pass plain data, a dataclass, a pydantic model or a class with `to_json` and `from_json`.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def work(context: df.DurableOrchestrationContext):
    rows = (row.strip() for row in context.get_input())
    await context.call_activity("keep", rows)
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def work(context: df.DurableOrchestrationContext):
    rows = [row.strip() for row in context.get_input()]
    await context.call_activity("keep", rows)
"""
    ),
)
RULES = (NOT_JSON,)

_ITERATORS = frozenset(
    f"builtins.{name}" for name in ("enumerate", "filter", "iter", "map", "object", "range", "reversed", "slice", "zip")
)
_MADE = Names(
    *_ITERATORS,
    "builtins.open",
    "builtins.complex",
    "functools.partial",
    "io.BytesIO",
    "io.StringIO",
    "itertools.*",
    "re.compile",
    "threading.*",
    "queue.*",
)
_TYPES = Names(
    "azure.functions.HttpRequest",
    "azure.functions.HttpResponse",
    "azure.functions.Context",
    "builtins.complex",
    "builtins.range",
    "collections.abc.AsyncGenerator",
    "collections.abc.AsyncIterator",
    "collections.abc.Awaitable",
    "collections.abc.Callable",
    "collections.abc.Coroutine",
    "collections.abc.Generator",
    "collections.abc.Iterator",
    "concurrent.futures.*",
    "io.*",
    "logging.Logger",
    "queue.*",
    "re.Pattern",
    "socket.socket",
    "sqlite3.*",
    "threading.*",
    "typing.AsyncGenerator",
    "typing.AsyncIterator",
    "typing.Awaitable",
    "typing.BinaryIO",
    "typing.Callable",
    "typing.Coroutine",
    "typing.Generator",
    "typing.IO",
    "typing.Iterator",
    "typing.TextIO",
)
_CONTEXTS = frozenset({CONTEXT, ENTITY_CONTEXT, *CLIENTS})


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """What is passed on, and the annotations of activities."""
    del project
    if function.kind == "activity":
        yield from _annotations(function)
        return
    for node in function.walk():
        for payload in payloads_of(function, node):
            for part, told in _parts(function, payload):
                yield function.finding(NOT_JSON, part, f"{told} cannot be written as JSON")


def _parts(function: LintedFunction, value: ast.expr) -> Iterator[tuple[ast.expr, str]]:
    """The parts of a value that are not JSON, and what they are."""
    match value:
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            for element in elements:
                yield from _parts(function, element)
        case ast.Dict(values=values):
            for inner in values:
                yield from _parts(function, inner)
        case ast.Name():
            values = values_of(function.module, value)
            told = None if values is None or len(values) != 1 else _what(function, values[0])
            told = told or _by_name(function, value)
            if told is not None:
                yield value, told
        case _:
            told = _what(function, value)
            if told is not None:
                yield value, told


def _what(function: LintedFunction, value: ast.expr) -> str | None:
    match value:
        case ast.Lambda():
            return "a function"
        case ast.GeneratorExp():
            return "a generator"
        case ast.Constant(value=complex()):
            return "a complex number"
        case ast.Call(func=ast.Attribute(value=owner, attr="values"), args=[]) if _is_dict(function, owner):
            return "values() of a dict"
        case ast.Call(func=called):
            name = function.name_of(called)
            if is_task_call(function, value):
                return "a task that nobody has waited for"
            return f"{name.removeprefix('builtins.')}(...)" if name is not None and name in _MADE else None
        case _:
            return None


def _is_dict(function: LintedFunction, node: ast.expr) -> bool:
    values = (values_of(function.module, node) or []) if isinstance(node, ast.Name) else [node]
    return bool(values) and all(
        isinstance(value, ast.Dict | ast.DictComp) or function.name_of(value) == "builtins.dict()" for value in values
    )


def _by_name(function: LintedFunction, value: ast.Name) -> str | None:
    if function.name_of(value) in _CONTEXTS:
        return "a context or client"
    symbol = function.module.symbol(value)
    if symbol is None or symbol.node is None or symbol.is_instance:
        return None
    return "a class" if isinstance(symbol.node, ast.ClassDef) else "a function"


def _annotations(function: LintedFunction) -> Iterator[LintFinding]:
    """The annotations of the input and of the result."""
    node = function.node
    if isinstance(node, ast.Lambda):
        return
    annotations = [parameter.annotation for parameter in parameters_of(node) if parameter.arg == function.context_name]
    for annotation in (*annotations, node.returns):
        told = None if annotation is None else _type_in(function, annotation)
        if annotation is not None and told is not None:
            yield function.finding(NOT_JSON, annotation, f"no JSON becomes {told}, nor the other way round")


def _type_in(function: LintedFunction, annotation: ast.expr) -> str | None:
    """The type in an annotation that no JSON becomes."""
    match annotation:
        case ast.Constant(value=str(text)):
            try:
                return _quoted(function, ast.parse(text.strip(), mode="eval").body)
            except SyntaxError:
                return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type_in(function, left) or _type_in(function, right)
        case ast.Subscript(value=cls, slice=inner):
            own = _type_in(function, cls)
            return own or (_type_in(function, inner) if function.name_of(cls) != "typing.Literal" else None)
        case ast.Tuple(elts=elements):
            return next((told for told in (_type_in(function, element) for element in elements) if told), None)
        case ast.Name() | ast.Attribute():
            name = function.name_of(annotation)
            return name if name is not None and name in _TYPES else None
        case _:
            return None


def _quoted(function: LintedFunction, annotation: ast.expr) -> str | None:
    """The same for what stands in quotes, which is no part of the tree: by names of the module."""
    for node in ast.walk(annotation):
        symbol = function.module.attribute(node.id) if isinstance(node, ast.Name) else None
        if symbol is not None and symbol.dotted in _TYPES:
            return symbol.dotted
    return None
