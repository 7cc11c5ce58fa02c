"""Calls of functions of the project, as far as it matters what they are: coroutines, generators, plain functions.

Owns that question, and the places of code where what a call gives is left alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Literal

from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.scopes import FUNCTIONS, FunctionNode
from azure_durable_py.lint.trees import children

Style = Literal["coroutine", "generator", "async generator", "plain"]


def style_of(node: FunctionNode | ast.Lambda) -> Style:
    """What calling a function gives."""
    yields = any(isinstance(part, ast.Yield | ast.YieldFrom) for part in own_nodes(node))
    if isinstance(node, ast.AsyncFunctionDef):
        return "async generator" if yields else "coroutine"
    return "generator" if yields else "plain"


def own_nodes(node: FunctionNode | ast.Lambda) -> Iterator[ast.AST]:
    """The nodes of a function itself, without those of functions in it, in order."""
    stack: list[ast.AST] = [node.body] if isinstance(node, ast.Lambda) else list[ast.AST](node.body)[::-1]
    while stack:
        part = stack.pop()
        yield part
        if not isinstance(part, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
            stack += children(part)[::-1]


def called_style(function: LintedFunction, node: ast.AST | None) -> Style | None:
    """What a call of a function of the project gives; None: it is no such call, or a decorator may change it."""
    if not isinstance(node, ast.Call):
        return None
    symbol = function.module.symbol(node.func)
    if symbol is None or symbol.is_instance or not isinstance(symbol.node, FUNCTIONS) or symbol.node.decorator_list:
        return None
    return style_of(symbol.node)


def blocks_of(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """Every list of statements in a function, those of functions in it too."""
    for part in ast.walk(node):
        for field in ("body", "orelse", "finalbody"):
            block: object = getattr(part, field, None)
            if isinstance(block, list) and not isinstance(part, ast.ClassDef | ast.Module):
                yield block


def loads(node: ast.AST, name: str) -> bool:
    """Whether code reads a name."""
    return any(
        isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load | ast.Del)
        for part in ast.walk(node)
    )
