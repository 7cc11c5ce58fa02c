"""The helpers that orchestrators and entities reach.

Owns following calls through the project: functions, methods and properties, what is made an instance of, and
functions that are passed on. What the engine calls by name - activities, other orchestrators - is not followed, since
it does not run as a part of the caller.
"""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from azure_durable_py.lint.functions import CallSite, LintedFunction
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.public_names import CLIENTS, CONTEXT, ENTITY_CONTEXT
from azure_durable_py.lint.reading import values_of
from azure_durable_py.lint.scopes import FUNCTIONS, DefinitionNode, FunctionNode, parameters_of
from azure_durable_py.lint.symbols import Symbol

_PROPERTIES = frozenset({"builtins.property", "functools.cached_property"})
_MAKING = ("__init__", "__post_init__", "__new__")
_CALLING = ("__call__",)
_ENGINE = (CONTEXT, ENTITY_CONTEXT, *CLIENTS)


def helpers_of(roots: Iterable[LintedFunction], declared: set[DefinitionNode]) -> list[LintedFunction]:
    """The helpers that orchestrators and entities call, directly or by others, the nearest first.

    :param declared: the functions that the engine calls, which are no helpers of anybody.
    """
    found: list[LintedFunction] = []
    queue = deque(root for root in roots if root.kind != "activity")
    seen = {(function.kind, function.node) for function in queue}
    while queue:
        function = queue.popleft()
        seen.update((function.kind, node) for node in function.walk() if isinstance(node, FUNCTIONS))
        for place, symbol, bound in _reached(function):
            node, module = symbol.node, symbol.module
            if module is None or not isinstance(node, FUNCTIONS) or node in declared or not module.is_linted:
                continue
            if isinstance(place, ast.Call):
                _pass_context(function.module, place, module, node, bound=bound)
            if (function.kind, node) in seen:
                continue
            seen.add((function.kind, node))
            call = CallSite(function, function.module.path, place.lineno)
            helper = LintedFunction(function.kind, module.scopes.qualified_name(node), node, module, via=call)
            queue.append(helper)
            found.append(helper)
    return [replace(helper, context_name=_context_name(helper)) for helper in found]


def _reached(function: LintedFunction) -> Iterator[tuple[ast.expr, Symbol, bool]]:
    """What a function runs: the place, the function there, and whether its first parameter is the instance."""
    if not function.is_helper and not isinstance(function.node, ast.Lambda):
        yield from _wrappers(function.module, function.node)
    for node in function.walk():
        if isinstance(node, ast.Call):
            yield from _by_call(function.module, node)
        elif isinstance(node, ast.Attribute):
            symbol = function.module.symbol(node)
            if symbol is not None and _is_property(symbol):
                yield node, symbol, True


def _wrappers(module: Module, node: FunctionNode) -> Iterator[tuple[ast.expr, Symbol, bool]]:
    """What decorators of the project put around a function: the innermost functions in them."""
    for decorator in node.decorator_list:
        symbol = module.symbol(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if symbol is None or symbol.module is None or not isinstance(symbol.node, FUNCTIONS):
            continue
        for inner in symbol.module.code_of(symbol.node):
            if isinstance(inner, FUNCTIONS) and not any(
                isinstance(part, FUNCTIONS) for part in symbol.module.code_of(inner)
            ):
                yield decorator, Symbol(symbol.module, symbol.module.scopes.qualified_name(inner), inner), False


def _by_call(module: Module, call: ast.Call) -> Iterator[tuple[ast.expr, Symbol, bool]]:
    called = module.symbol(call.func)
    if called is not None and isinstance(called.node, ast.ClassDef):
        for name in _CALLING if called.is_instance else _MAKING:
            made = module.member(called, name)
            if made is not None:
                yield call, made, True
    elif called is not None and called.module is not None:
        yield call, called, isinstance(call.func, ast.Attribute) and _is_method(called)
    elif called is not None and called.dotted.startswith(_ENGINE):
        return
    for item in _in_table(module, call.func):
        symbol = _function(module, item)
        if symbol is not None:
            yield call, symbol, False
    for given in [*call.args, *(keyword.value for keyword in call.keywords)]:
        symbol = _function(module, given)
        if symbol is not None:
            yield given, symbol, False


def _function(module: Module, named: ast.expr) -> Symbol | None:
    """The function that an expression names; None: it names none of the project."""
    symbol = module.symbol(named) if isinstance(named, (ast.Name, ast.Attribute)) else None
    return symbol if symbol is not None and isinstance(symbol.node, FUNCTIONS) else None


def _in_table(module: Module, called: ast.expr) -> list[ast.expr]:
    """The functions of a table out of which one is called: `STEPS[kind](...)`, `STEPS.get(kind)(...)`."""
    match called:
        case ast.Subscript(value=ast.Name() as table):
            pass
        case ast.Call(func=ast.Attribute(value=ast.Name() as table, attr="get")):
            pass
        case _:
            return []
    found: list[ast.expr] = []
    for value in values_of(module, table) or []:
        match value:
            case ast.Dict(values=items) | ast.List(elts=items) | ast.Tuple(elts=items):
                found += items
            case _:
                pass
    return found


def _is_method(symbol: Symbol) -> bool:
    node, module = symbol.node, symbol.module
    if module is None or not isinstance(node, FUNCTIONS):
        return False
    decorators = {module.name(decorator) for decorator in node.decorator_list}
    return isinstance(module.scopes.parent(node), ast.ClassDef) and "builtins.staticmethod" not in decorators


def _is_property(symbol: Symbol) -> bool:
    node, module = symbol.node, symbol.module
    if module is None or not isinstance(node, FUNCTIONS):
        return False
    return any(module.name(decorator) in _PROPERTIES for decorator in node.decorator_list)


def _pass_context(module: Module, call: ast.Call, home: Module, node: FunctionNode, *, bound: bool) -> None:
    """Have the parameter of a helper that is given the context known as such."""
    positional = [*node.args.posonlyargs, *node.args.args][1 if bound else 0 :]
    given = list(zip(positional, call.args))  # noqa: B905 - a call may give fewer, or by stars
    by_name = {parameter.arg: parameter for parameter in parameters_of(node)}
    given += [(by_name[keyword.arg], keyword.value) for keyword in call.keywords if keyword.arg in by_name]
    for parameter, value in given:
        if module.name(value) in (CONTEXT, ENTITY_CONTEXT):
            symbol = module.symbol(value)
            assert symbol is not None
            home.know_parameter(parameter, symbol)


def _context_name(function: LintedFunction) -> str | None:
    assert not isinstance(function.node, ast.Lambda)
    for parameter in parameters_of(function.node):
        if function.module.parameter(parameter) in (CONTEXT, ENTITY_CONTEXT):
            return parameter.arg
    return None
