"""What code changes in place: variables of modules and functions, attributes, the values of containers.

Owns finding such changes, and which functions make theirs while the app is imported only, so that nothing changes any
more once orchestrations run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from weakref import WeakKeyDictionary

from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import functions_around, home_of, values_of
from azure_durable_py.lint.scopes import FUNCTIONS, Assigned, FunctionNode

CHANGING_METHODS = frozenset(
    {
        "add",
        "append",
        "appendleft",
        "clear",
        "difference_update",
        "discard",
        "extend",
        "extendleft",
        "insert",
        "intersection_update",
        "pop",
        "popitem",
        "popleft",
        "remove",
        "reverse",
        "rotate",
        "setdefault",
        "sort",
        "subtract",
        "symmetric_difference_update",
        "update",
    }
)
"""Methods that change a container in place."""
_CONTAINERS = frozenset(
    {
        "builtins.list",
        "builtins.dict",
        "builtins.set",
        "builtins.bytearray",
        "collections.defaultdict",
        "collections.OrderedDict",
        "collections.Counter",
        "collections.deque",
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of what a name stands for.

    :param kind: the name itself is given another value, or its value is changed: as a container, or an attribute of it.
    """

    kind: Literal["rebound", "content", "attribute"]
    name: ast.Name
    place: ast.AST


def is_container(module: Module, node: ast.expr) -> bool:
    """Whether an expression makes a list, dict, set or the like."""
    match node:
        case ast.List() | ast.Dict() | ast.Set() | ast.ListComp() | ast.DictComp() | ast.SetComp():
            return True
        case ast.Call(func=called):
            return module.name(called) in _CONTAINERS
        case _:
            return False


def change_in(node: ast.AST) -> Iterator[Change]:
    """The changes that one node makes."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name() as name, attr=method)) if method in CHANGING_METHODS:
            yield Change("content", name, node)
        case ast.Name(ctx=ast.Store() | ast.Del()):
            yield Change("rebound", node, node)
        case ast.Subscript(ctx=ast.Store() | ast.Del()) | ast.Attribute(ctx=ast.Store() | ast.Del()):
            kind = "attribute" if isinstance(node, ast.Attribute) else "content"
            if isinstance(node.value, ast.Name):
                yield Change(kind, node.value, node)
        case _:
            pass


def changed_globals(project: Project, module: Module) -> dict[str, Change]:
    """The variables of a module that functions of it change, once they run, with one place of each."""
    known = _KNOWN.setdefault(project, {})
    if module not in known:
        found: dict[str, Change] = {}
        for node in ast.walk(module.tree):
            for change in change_in(node):
                around = list(functions_around(module, change.name))
                if not around or change.name.id in found or not is_global_change(module, change):
                    continue
                if not any(_runs_at_import(project, function) for function in around):
                    found[change.name.id] = change
        known[module] = found
    return known[module]


_KNOWN: WeakKeyDictionary[Project, dict[Module, dict[str, Change]]] = WeakKeyDictionary()
_EARLY: WeakKeyDictionary[Module, frozenset[ast.AST]] = WeakKeyDictionary()


def is_global_change(module: Module, change: Change) -> bool:
    """Whether what is changed is a variable of the module."""
    if home_of(module, change.name) is not module.tree:
        return False
    if change.kind == "content":
        values = values_of(module, change.name) or []
        return any(is_container(module, value) for value in values)
    bound = module.scopes.bindings(module.tree).names[change.name.id]
    return any(isinstance(binding, Assigned) for binding in bound)


def _runs_at_import(project: Project, function: FunctionNode) -> bool:
    """Whether a function is called while modules are imported: as a decorator, or by code outside of functions."""
    for module in project.modules:
        if function.name not in module.text:
            continue
        if module not in _EARLY:
            _EARLY[module] = frozenset(_called_at_import(module))
        if function in _EARLY[module]:
            return True
    return False


def _called_at_import(module: Module) -> Iterator[ast.AST]:
    stack: list[ast.AST] = [module.tree]
    while stack:
        node = stack.pop()
        # What stands in a function runs later; its decorators and defaults run where it is defined.
        inside = node.body if isinstance(node, FUNCTIONS) else []
        stack.extend(child for child in ast.iter_child_nodes(node) if child not in inside)
        called: list[ast.expr] = [node.func] if isinstance(node, ast.Call) else []
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            called = [part for part in node.decorator_list if not isinstance(part, ast.Call)]
        for expression in called:
            symbol = module.symbol(expression)
            if symbol is not None and symbol.node is not None:
                yield symbol.node


def changes_of(function: LintedFunction) -> Iterator[Change]:
    """All changes that a function makes, in order."""
    for node in function.walk():
        yield from change_in(node)
