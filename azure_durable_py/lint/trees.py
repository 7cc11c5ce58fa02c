"""Going over a syntax tree, quickly: a project has millions of nodes.

Owns the order, which is that of the code. What stands for no code of its own - contexts and operators - is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

_LEAVES = frozenset(
    leaf
    for kind in (ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop)
    for leaf in kind.__subclasses__()
)


def children(node: ast.AST) -> list[ast.AST]:
    """The parts of a node."""
    found: list[ast.AST] = []
    value: Any
    for value in node.__dict__.values():
        kind = value.__class__
        if kind is list:
            found += [item for item in value if isinstance(item, ast.AST) and item.__class__ not in _LEAVES]
        elif kind is not int and kind is not str and isinstance(value, ast.AST) and kind not in _LEAVES:
            found.append(value)
    return found


def nodes_below(nodes: Iterable[ast.AST], parts_of: Callable[[ast.AST], list[ast.AST]] = children) -> list[ast.AST]:
    """Nodes with all that is in them.

    :param parts_of: the parts that are gone into.
    """
    found: list[ast.AST] = []
    stack = list(nodes)[::-1]
    while stack:
        node = stack.pop()
        found.append(node)
        stack += parts_of(node)[::-1]
    return found
