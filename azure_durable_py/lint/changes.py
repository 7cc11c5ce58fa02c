"""What code changes in place: variables of modules and functions, attributes, the values of containers.

Owns finding such changes, and which functions make theirs while the app is imported only, so that nothing changes any
more once orchestrations run.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import functions_around
from azure_durable_py.lint.scopes import FUNCTIONS, FunctionNode
from azure_durable_py.lint.trees import children
from azure_durable_py.lint.variables import Variable, variable_of

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
    """A change of what a name, or an attribute, stands for.

    :param kind: it is given another value, or its value is changed: as a container, or an attribute of it.
    """

    kind: Literal["rebound", "content", "attribute"]
    target: ast.Name | ast.Attribute
    place: ast.AST

    @property
    def name(self) -> ast.Name | None:
        """The target, if it is a plain name."""
        return self.target if isinstance(self.target, ast.Name) else None


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
        case ast.Call(func=ast.Attribute(value=ast.Name() | ast.Attribute() as target, attr=method)):
            if method in CHANGING_METHODS:
                yield Change("content", target, node)
        case ast.Name(ctx=ast.Store() | ast.Del()):
            yield Change("rebound", node, node)
        case ast.Subscript(value=ast.Name() | ast.Attribute() as target, ctx=ast.Store() | ast.Del()):
            yield Change("content", target, node)
        case ast.Attribute(value=value, ctx=ast.Store() | ast.Del()):
            yield Change("rebound", node, node)
            if isinstance(value, ast.Name | ast.Attribute):
                yield Change("attribute", value, node)
        case _:
            pass


def changed_variable(module: Module, change: Change) -> Variable | None:
    """The variable of a module that is changed, if it is one."""
    variable = variable_of(module, change.target)
    if variable is None or (change.kind == "content" and not _holds_container(variable)):
        return None
    return variable


def _holds_container(variable: Variable) -> bool:
    return any(is_container(variable.module, value) for value in variable.values)


def changes_of_variables(project: Project) -> dict[Variable, tuple[Module, Change]]:
    """The variables of modules that functions change, once they run, with one place of each."""
    known = _KNOWN.get(project)
    if known is None:
        known = _KNOWN[project] = {}
        # What tests change is not changed where orchestrations run.
        for module in (module for module in project.modules if not _is_of_tests(module.path)):
            for change in (change for node in module.nodes for change in change_in(node)):
                around = list(functions_around(module, change.target))
                variable = changed_variable(module, change) if around else None
                if variable is None or variable in known:
                    continue
                if not any(_runs_at_import(project, function) for function in around):
                    known[variable] = (module, change)
    return known


def _is_of_tests(path: Path) -> bool:
    name = path.name
    in_tests = not {"test", "tests"}.isdisjoint(path.parts)
    return in_tests or name == "conftest.py" or name.startswith("test_") or name.endswith("_test.py")


_KNOWN: WeakKeyDictionary[Project, dict[Variable, tuple[Module, Change]]] = WeakKeyDictionary()
_EARLY: WeakKeyDictionary[Module, frozenset[ast.AST]] = WeakKeyDictionary()


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
        stack.extend(child for child in children(node) if child not in inside)
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
