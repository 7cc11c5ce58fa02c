"""Variables of modules, however code reaches them: by their name, by an import, as an attribute of a module.

Owns that way, which `symbols` do not show: they tell what a value is, and not where it lives.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.reading import home_of
from azure_durable_py.lint.scopes import Assigned, Imported


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that code of a module of the project assigns to."""

    module: Module
    name: str

    @property
    def values(self) -> list[ast.expr]:
        """The expressions that its module assigns to it, outside of functions."""
        bound = self.module.scopes.bindings(self.module.tree).names.get(self.name, [])
        return [binding.value for binding in bound if isinstance(binding, Assigned)]


def variable_of(module: Module, node: ast.expr) -> Variable | None:
    """The variable of a module that an expression is; None: it is none, or not of the project."""
    found: Variable | None = None
    if isinstance(node, ast.Name):
        if node.id not in _shared_names(module):
            return None
        home = home_of(module, node)
        bound = [] if home is None else module.scopes.bindings(home).names[node.id]
        if home is module.tree and not any(isinstance(binding, Imported) for binding in bound):
            found = Variable(module, node.id)
        elif len(bound) == 1 and isinstance(bound[0], Imported) and bound[0].attribute is not None:
            origin = module.origin(bound[0])
            found = None if origin is None else Variable(origin, bound[0].attribute)
    elif isinstance(node, ast.Attribute):
        owner = module.symbol(node.value)
        if owner is not None and owner.module is not None and not owner.path:
            found = Variable(owner.module, node.attr)
    return found if found is not None and found.values else None


def _shared_names(module: Module) -> frozenset[str]:
    """The names that may be variables of a module: all others need no looking up."""
    if module not in _SHARED:
        imported = (alias for node in module.nodes if isinstance(node, ast.ImportFrom) for alias in node.names)
        own = module.scopes.bindings(module.tree).names
        _SHARED[module] = frozenset([*own, *(alias.asname or alias.name for alias in imported)])
    return _SHARED[module]


_SHARED: WeakKeyDictionary[Module, frozenset[str]] = WeakKeyDictionary()
