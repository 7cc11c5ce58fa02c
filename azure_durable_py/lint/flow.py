"""What may still run after a piece of code.

Owns that question as far as waits go: behind the last of them code runs in the last turn of an orchestration only, and
no replay repeats it.
"""

from __future__ import annotations

import ast

from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.reading import waits
from azure_durable_py.lint.scopes import FUNCTIONS


def is_behind_last_wait(function: LintedFunction, node: ast.AST) -> bool:
    """Whether nothing waits any more once a node of an orchestrator has run; of helpers that is not known."""
    child = node
    while child is not function.node:
        parent = function.module.scopes.parent(child)
        if parent is None or (isinstance(parent, (*FUNCTIONS, ast.Lambda)) and parent is not function.node):
            return False
        if any(waits(part) for part in _may_follow(parent, child)):
            return False
        child = parent
    return not function.is_helper


def _may_follow(parent: ast.AST, child: ast.AST) -> list[ast.AST]:
    """The parts of a node that may run after, or with, one of them."""
    match parent:
        case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=finalbody):
            if child in finalbody:
                return _behind(finalbody, child)
            raised = handlers if child in body else []
            return [*_behind(body, child), *raised, *(orelse if child in body else _behind(orelse, child)), *finalbody]
        case ast.If(body=body, orelse=orelse):
            return [*_behind(body, child), *_behind(orelse, child)]
        case ast.With(body=body) | ast.ExceptHandler(body=body) | ast.match_case(body=body):
            return _behind(body, child)
        case ast.FunctionDef(body=body) | ast.AsyncFunctionDef(body=body):
            return _behind(body, child)
        case ast.Match():
            return []
        case _:
            return [parent]


def _behind(block: list[ast.stmt], child: ast.AST) -> list[ast.AST]:
    return [*block[block.index(child) + 1 :]] if isinstance(child, ast.stmt) and child in block else []
