"""Which names the scopes of a module bind, and to what.

Owns the reading of one syntax tree as Python itself looks names up: innermost scope first, class bodies only from
within themselves. What a binding leads to is the business of `names`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from azure_durable_py.lint.trees import children

FunctionNode: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
DefinitionNode: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (ast.Module, *DEFINITIONS, ast.Lambda, *_COMPREHENSIONS)


@dataclass(frozen=True, slots=True)
class Imported:
    """A name by an import: of a module, or of an attribute of one. `level` counts the dots in front."""

    module: str
    attribute: str | None
    level: int


@dataclass(frozen=True, slots=True)
class Assigned:
    """A name that an expression is assigned to, or that `with` gives to what it enters."""

    value: ast.expr


@dataclass(frozen=True, slots=True)
class Annotated:
    """A parameter or variable of which the annotation, if any, is all that is known."""

    annotation: ast.expr | None
    parameter: ast.arg | None = None


@dataclass(frozen=True, slots=True)
class Defined:
    """A function or class."""

    node: DefinitionNode


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that is bound in a way that says nothing of its value: by a loop, an unpacking, an exception."""


Binding: TypeAlias = "Imported | Assigned | Annotated | Defined | Unknown"
_UNKNOWN = Unknown()


class Bindings:
    """The names that one scope binds.

    :param names: each name with its bindings, in the order of the code.
    :param stars: the modules that all names are imported from.
    :param elsewhere: names that `global` or `nonlocal` gives to a scope around it.
    """

    def __init__(self) -> None:
        self.names: dict[str, list[Binding]] = {}
        self.stars: list[Imported] = []
        self.elsewhere: set[str] = set()

    def add(self, name: str, binding: Binding) -> None:
        """Bind a name, once more if it is bound already."""
        self.names.setdefault(name, []).append(binding)


class Scopes:
    """The scopes of a module, each read when it is first asked for."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._bindings: dict[ast.AST, Bindings] = {}

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node that a node is a part of; None for the module."""
        return self._index[1].get(node)

    @property
    def nodes(self) -> list[ast.AST]:
        """Every node of the module, in order."""
        return self._index[0]

    @cached_property
    def _index(self) -> tuple[list[ast.AST], dict[ast.AST, ast.AST]]:
        nodes: list[ast.AST] = []
        parents: dict[ast.AST, ast.AST] = {}
        stack: list[ast.AST] = [self._tree]
        while stack:
            node = stack.pop()
            nodes.append(node)
            parts = children(node)
            for part in parts:
                parents[part] = node
            stack += parts[::-1]
        return nodes, parents

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """The scopes in which a name at this node is looked up, the innermost first."""
        child, parent = node, self.parent(node)
        innermost = True
        while parent is not None:
            if isinstance(parent, _SCOPES) and _is_inside(parent, child):
                if innermost or not isinstance(parent, ast.ClassDef):
                    yield parent
                innermost = False
            child, parent = parent, self.parent(parent)

    def bindings(self, scope: ast.AST) -> Bindings:
        """What a scope binds."""
        known = self._bindings.get(scope)
        if known is None:
            known = self._bindings[scope] = _read(scope)
        return known

    def qualified_name(self, definition: DefinitionNode) -> str:
        """The name of a function or class within the module, as `__qualname__` has it."""
        parts = [definition.name]
        parent = self.parent(definition)
        while parent is not None:
            if isinstance(parent, FUNCTIONS):
                parts += ["<locals>", parent.name]
            elif isinstance(parent, ast.ClassDef):
                parts.append(parent.name)
            parent = self.parent(parent)
        return ".".join(reversed(parts))


def _is_inside(scope: ast.AST, child: ast.AST) -> bool:
    """Whether a part of a definition is evaluated within it, and not where it stands."""
    match scope:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return child is not scope.args and child is not scope.returns and child not in scope.decorator_list
        case ast.ClassDef():
            return child not in scope.bases and child not in scope.decorator_list and child not in scope.keywords
        case ast.Lambda():
            return child is scope.body
        case _:
            return True


def parameters_of(node: FunctionNode | ast.Lambda) -> list[ast.arg]:
    """All parameters of a function, those with stars included."""
    given = node.args
    stars = [star for star in (given.vararg, given.kwarg) if star is not None]
    return [*given.posonlyargs, *given.args, *given.kwonlyargs, *stars]


def _read(scope: ast.AST) -> Bindings:
    found = Bindings()
    if isinstance(scope, (*FUNCTIONS, ast.Lambda)):
        stars = (scope.args.vararg, scope.args.kwarg)
        for parameter in parameters_of(scope):
            # `*names: str` is a tuple of texts.
            annotation = None if parameter in stars else parameter.annotation
            found.add(parameter.arg, Annotated(annotation, parameter))
    if isinstance(scope, _COMPREHENSIONS):
        for generator in scope.generators:
            _bind(found, generator.target, None)
        return found
    stack = list[ast.AST](reversed(_inner(scope)))
    while stack:
        node = stack.pop()
        if isinstance(node, _BINDING):
            _read_node(found, node)
        if not isinstance(node, (*DEFINITIONS, ast.Lambda, *_COMPREHENSIONS)):
            stack += children(node)[::-1]
    return found


def _inner(scope: ast.AST) -> list[ast.AST]:
    match scope:
        case ast.Module() | ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return list(scope.body)
        case ast.Lambda():
            return [scope.body]
        case _:
            return []


def _read_node(found: Bindings, node: ast.AST) -> None:
    match node:
        case ast.Import() | ast.ImportFrom():
            _read_import(found, node)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            found.add(node.name, Defined(node))
        case ast.Assign():
            for target in node.targets:
                _bind(found, target, node.value)
        case ast.AnnAssign(target=ast.Name(id=name)):
            found.add(name, Annotated(node.annotation) if node.value is None else Assigned(node.value))
        case ast.NamedExpr(target=ast.Name(id=name)):
            found.add(name, Assigned(node.value))
        case ast.AugAssign() | ast.For() | ast.AsyncFor():
            _bind(found, node.target, None)
        case ast.withitem(optional_vars=ast.expr() as target):
            _bind(found, target, node.context_expr)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            found.add(name, _UNKNOWN)
        case ast.MatchMapping(rest=str(name)):
            found.add(name, _UNKNOWN)
        case ast.Global() | ast.Nonlocal():
            found.elsewhere.update(node.names)
        case _:
            pass


_BINDING = (
    ast.Import,
    ast.ImportFrom,
    *DEFINITIONS,
    ast.Assign,
    ast.AnnAssign,
    ast.NamedExpr,
    ast.AugAssign,
    ast.For,
    ast.AsyncFor,
    ast.withitem,
    ast.ExceptHandler,
    ast.MatchAs,
    ast.MatchStar,
    ast.MatchMapping,
    ast.Global,
    ast.Nonlocal,
)


def _read_import(found: Bindings, node: ast.Import | ast.ImportFrom) -> None:
    for alias in node.names:
        if isinstance(node, ast.Import):
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            found.add(alias.asname or whole, Imported(whole, None, 0))
        elif alias.name == "*":
            found.stars.append(Imported(node.module or "", None, node.level))
        else:
            found.add(alias.asname or alias.name, Imported(node.module or "", alias.name, node.level))


def _bind(found: Bindings, target: ast.expr, value: ast.expr | None) -> None:
    match target, value:
        case ast.Name(id=name), None:
            found.add(name, _UNKNOWN)
        case ast.Name(id=name), ast.expr():
            found.add(name, Assigned(value))
        case ((ast.Tuple() | ast.List()), (ast.Tuple() | ast.List())) if _match(target.elts, value.elts):
            for part, given in zip(target.elts, value.elts, strict=True):
                _bind(found, part, given)
        case ((ast.Tuple() | ast.List()), _):
            for part in target.elts:
                _bind(found, part, None)
        case ast.Starred(value=inner), _:
            _bind(found, inner, None)
        case _:
            pass


def _match(targets: Iterable[ast.expr], values: Iterable[ast.expr]) -> bool:
    both = [*targets, *values]
    return len(list(targets)) == len(list(values)) and not any(isinstance(part, ast.Starred) for part in both)
