"""What expressions stand for, and what follows from it: members, and what calls give.

Owns the record and these steps; how a module leads to it is the business of `modules`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from azure_durable_py.lint.public_names import canonical
from azure_durable_py.lint.scopes import FUNCTIONS, Annotated, Assigned, Binding, Defined, DefinitionNode, Imported

if TYPE_CHECKING:
    from azure_durable_py.lint.modules import Module


@dataclass(frozen=True, slots=True)
class Symbol:
    """What an expression stands for.

    :param module: the module of the project that it is from; None: a module of others, or a builtin.
    :param path: the name within that module, or the whole name. `()` behind the name of a class or function is
        what calling it gives: `requests.Session().get` is a method of an instance.
    :param node: the function or class of the project that it is, or whose instance.
    :param text: the text that it is, for a constant.
    """

    module: Module | None
    path: str
    node: DefinitionNode | None = None
    text: str | None = None

    @property
    def dotted(self) -> str:
        """The whole name, in the form that rules compare with."""
        if self.module is None:
            return canonical(self.path)
        return f"{self.module.dotted}.{self.path}" if self.path else self.module.dotted

    @property
    def is_instance(self) -> bool:
        """Whether it is what a call gives."""
        return self.path.endswith("()")


def chosen_of(bound: list[Binding]) -> Binding | None:
    """The binding that says what a name is, where all that are known agree."""
    if len(bound) == 1:
        return bound[0]
    imports = [binding for binding in bound if isinstance(binding, Imported)]
    if imports and all(isinstance(binding, Imported) or _is_none(binding) for binding in bound):
        return imports[0]
    if bound and all(isinstance(binding, Defined) for binding in bound):
        return bound[-1]
    declared = [binding for binding in bound if isinstance(binding, Annotated) and binding.annotation is not None]
    return declared[0] if len(declared) == 1 else None


def _is_none(binding: Binding) -> bool:
    return isinstance(binding, Assigned) and isinstance(binding.value, ast.Constant) and binding.value.value is None


def result_of(symbol: Symbol) -> Symbol | None:
    """What calling gives: an instance, or what the annotation of a function says."""
    if symbol.module is None:
        return Symbol(None, f"{symbol.path}()")
    if isinstance(symbol.node, ast.ClassDef) and not symbol.is_instance:
        return Symbol(symbol.module, f"{symbol.path}()", symbol.node)
    if isinstance(symbol.node, FUNCTIONS):
        return symbol.module.annotated(symbol.node.returns)
    return None


def member_of(symbol: Symbol, name: str) -> Symbol | None:
    """An attribute of a module, class or instance."""
    if symbol.module is None:
        return Symbol(None, f"{symbol.path}.{name}")
    if not symbol.path:
        return symbol.module.attribute(name)
    if isinstance(symbol.node, ast.ClassDef):
        return _member_of_class(symbol.module, symbol.node, name, "()" if symbol.is_instance else "")
    return None


def _member_of_class(module: Module, node: ast.ClassDef, name: str, call: str) -> Symbol | None:
    """What a class or one that it inherits from in the project has; else that of the first of other packages."""
    foreign: Symbol | None = None
    seen: set[ast.ClassDef] = set()
    waiting = [(module, node)]
    while waiting:
        home, owner = waiting.pop()
        if owner in seen:
            continue
        seen.add(owner)
        chosen = chosen_of(home.scopes.bindings(owner).names.get(name, []))
        if chosen is not None:
            return home.bound(chosen)
        given = _given_to_self(owner, name)
        if given is not None:
            return home.symbol(given)
        for base in reversed(owner.bases):
            symbol = home.symbol(base)
            if symbol is not None and symbol.module is None:
                foreign = foreign or Symbol(None, f"{symbol.path}{call}.{name}")
            elif symbol is not None and symbol.module is not None and isinstance(symbol.node, ast.ClassDef):
                waiting.append((symbol.module, symbol.node))
    return foreign


def _given_to_self(node: ast.ClassDef, name: str) -> ast.expr | None:
    """What `__init__` assigns to an attribute of the instance, if it does so once."""
    starts = [part for part in node.body if isinstance(part, FUNCTIONS) and part.name == "__init__"]
    values: list[ast.expr] = []
    for part in (part for start in starts for part in ast.walk(start)):
        match part:
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                match target:
                    case ast.Attribute(value=ast.Name(id="self"), attr=attribute) if attribute == name:
                        values.append(value)
                    case _:
                        pass
            case _:
                pass
    return values[0] if len(values) == 1 else None
