"""How rules read a function: what it calls, what it uses, what its names were given.

Owns the questions that several rules ask of code. It never judges what it reads.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.public_names import CONTEXT
from azure_durable_py.lint.scopes import FUNCTIONS, Annotated, Assigned, FunctionNode
from azure_durable_py.lint.trees import children

TASK_METHODS = frozenset(
    {
        "call_activity",
        "call_activity_with_retry",
        "call_entity",
        "call_http",
        "call_sub_orchestrator",
        "call_sub_orchestrator_with_retry",
        "create_timer",
        "lock",
        "lock_entities",
        "task_all",
        "task_any",
        "wait_for_external_event",
    }
)
"""Methods of the context that return something to wait for."""
SENDING_METHODS = frozenset({"send_event", "signal_entity"})
"""Methods of the context that return a task that is done."""
STARTS_TASK = frozenset({"asyncio.create_task", "asyncio.ensure_future"})
_METHOD_OF_ENTITY = f"{CONTEXT}.entity()."


def uses(
    function: LintedFunction, names: Names, *, of_its_own: bool = False
) -> Iterator[tuple[ast.Name | ast.Attribute, str]]:
    """Every use of something by one of these full names, called or not; of `a.b.c` the longest only.

    :param of_its_own: what is asked of objects that the function has made itself is among them.
    """
    inner: set[ast.AST] = set()
    for node in function.walk():
        if node in inner or not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            continue
        symbol = function.module.symbol(node)
        # A module of the project may be called like one of others.
        name = None if symbol is None or symbol.module is not None else symbol.dotted
        if name is None or name not in names:
            continue
        inner.update(ast.walk(node))
        is_object = "()" in name and (isinstance(node, ast.Name) or _is_of_its_own(function, node))
        if of_its_own or not is_object:
            yield node, name


def shown(node: ast.AST, name: str) -> str:
    """Something as it is told: by its full name, or by the code where it is asked of an object."""
    return name.removeprefix("builtins.") if "()" not in name else " ".join(ast.unparse(node).split())[:60]


def call_of(function: LintedFunction, node: ast.AST) -> ast.Call | None:
    """The call that a node is what is called of."""
    parent = function.module.scopes.parent(node)
    return parent if isinstance(parent, ast.Call) and parent.func is node else None


def context_method(function: LintedFunction, node: ast.AST) -> str | None:
    """The method of the orchestration context that a call calls."""
    name = function.name_of(node.func) if isinstance(node, ast.Call) else None
    method = name.removeprefix(f"{CONTEXT}.") if name is not None and name.startswith(f"{CONTEXT}.") else None
    return None if method is None or "." in method else method


def is_task_call(function: LintedFunction, node: ast.AST | None) -> bool:
    """Whether a call gives a task of the context that takes time."""
    if not isinstance(node, ast.Call):
        return False
    name = function.name_of(node.func) or ""
    return context_method(function, node) in TASK_METHODS or (
        name.startswith(_METHOD_OF_ENTITY) and name.count(".") == _METHOD_OF_ENTITY.count(".")
    )


def values_of(module: Module, node: ast.Name) -> list[ast.expr] | None:
    """All that a name is assigned in the scope that binds it; None: it has values of which nothing is known."""
    for scope in module.scopes.around(node):
        bindings = module.scopes.bindings(scope)
        bound = [] if node.id in bindings.elsewhere else bindings.names.get(node.id, [])
        if bound:
            values = [binding.value for binding in bound if isinstance(binding, Assigned)]
            return values if len(values) == len(bound) else None
    return None


def annotation_of(module: Module, node: ast.Name) -> ast.expr | None:
    """The annotation of the parameter or variable that a name is, if that is all that it is bound by."""
    scope = home_of(module, node)
    bound = [] if scope is None else module.scopes.bindings(scope).names[node.id]
    return bound[0].annotation if len(bound) == 1 and isinstance(bound[0], Annotated) else None


def home_of(module: Module, node: ast.Name) -> ast.AST | None:
    """The scope that binds a name: a function, class, comprehension or the module; None: none of this module."""
    for scope in module.scopes.around(node):
        bindings = module.scopes.bindings(scope)
        if node.id not in bindings.elsewhere and node.id in bindings.names:
            return scope
    return None


def functions_around(module: Module, node: ast.AST) -> Iterator[FunctionNode]:
    """The functions that a node stands in, the innermost first."""
    parent = module.scopes.parent(node)
    while parent is not None:
        if isinstance(parent, FUNCTIONS):
            yield parent
        parent = module.scopes.parent(parent)


def is_within(module: Module, node: ast.AST, outer: ast.AST) -> bool:
    """Whether a node is another or a part of it."""
    current: ast.AST | None = node
    while current is not None:
        if current is outer:
            return True
        current = module.scopes.parent(current)
    return False


def root_name(node: ast.AST) -> ast.Name | None:
    """The name that a chain of attributes, calls and subscripts begins with."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript | ast.Await):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node if isinstance(node, ast.Name) else None


def waits(node: ast.AST) -> bool:
    """Whether code waits in a node, apart from functions that are defined in it."""
    stack: list[ast.AST] = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, ast.Await | ast.Yield | ast.YieldFrom | ast.AsyncFor | ast.AsyncWith):
            return True
        if not isinstance(current, (*FUNCTIONS, ast.Lambda)) or current is node:
            stack.extend(children(current))
    return False


def _is_of_its_own(function: LintedFunction, node: ast.AST) -> bool:
    """Whether something is of an object that the function itself has made, where that is told."""
    root = root_name(node)
    home = None if root is None else home_of(function.module, root)
    if root is None or home is None or not is_within(function.module, home, function.node):
        return False
    bound = function.module.scopes.bindings(home).names[root.id]
    return not any(isinstance(binding, Annotated) and binding.parameter is not None for binding in bound)
