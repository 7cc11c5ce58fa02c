"""Which expressions are sets that are walked in no fixed order.

Owns that question. Sets of numbers are walked alike in all processes, and tasks of an orchestration hash by their
numbers; what is not known to be a set is none.
"""

from __future__ import annotations

import ast

from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.reading import STARTS_TASK, annotation_of, is_task_call, values_of

_MAKE = ("builtins.set", "builtins.frozenset")
_ANNOTATIONS = ("builtins.set", "builtins.frozenset", "typing.Set", "typing.FrozenSet", "collections.abc.Set")
_COMBINE = frozenset({"copy", "difference", "intersection", "symmetric_difference", "union"})
_NUMBERS = frozenset({"int", "float", "bool"})


def is_unordered(function: LintedFunction, node: ast.expr) -> bool:
    """Whether an expression is a set, of something else than numbers and tasks."""
    return _is_unordered(function, node, set())


def _is_unordered(function: LintedFunction, node: ast.expr, seen: set[ast.AST]) -> bool:
    if node in seen:
        return False
    seen.add(node)
    match node:
        case ast.Set(elts=elements):
            return not all(_keeps_order(function, element) for element in elements)
        case ast.SetComp(elt=element):
            return not _keeps_order(function, element)
        case ast.Call(func=called, args=[source]) if function.name_of(called) in _MAKE:
            return not _has_ordered_elements(function, source)
        case ast.Call(func=called, args=[]) if function.name_of(called) in _MAKE:
            return True
        case ast.Call(func=ast.Attribute(value=owner, attr=method)) if method in _COMBINE:
            return _is_unordered(function, owner, seen)
        case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
            return _is_unordered(function, left, seen) or _is_unordered(function, right, seen)
        case ast.IfExp(body=body, orelse=orelse):
            return _is_unordered(function, body, seen) or _is_unordered(function, orelse, seen)
        case ast.Name():
            values = values_of(function.module, node)
            if values is not None:
                return all(_is_unordered(function, value, seen) for value in values)
            return _is_annotated_so(function, node)
        case _:
            return False


def _is_annotated_so(function: LintedFunction, node: ast.Name) -> bool:
    match annotation_of(function.module, node):
        case ast.Subscript(value=cls, slice=element):
            is_of_numbers = isinstance(element, ast.Name) and element.id in _NUMBERS
            return function.name_of(cls) in _ANNOTATIONS and not is_of_numbers
        case ast.expr() as cls:
            return function.name_of(cls) in _ANNOTATIONS
        case None:
            return False


def _keeps_order(function: LintedFunction, element: ast.expr) -> bool:
    """Whether a set of such elements is walked alike in every process."""
    match element:
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.UnaryOp(operand=operand):
            return _keeps_order(function, operand)
        case ast.Tuple(elts=elements):
            return all(_keeps_order(function, part) for part in elements)
        case ast.Call(func=called):
            name = function.name_of(called) or ""
            is_number = name in ("builtins.int", "builtins.float", "builtins.len", "builtins.round", "builtins.ord")
            starts = name in STARTS_TASK or (isinstance(called, ast.Attribute) and called.attr == "create_task")
            return is_number or starts or is_task_call(function, element)
        case ast.Name():
            values = values_of(function.module, element)
            return bool(values) and all(
                not isinstance(value, ast.Name) and _keeps_order(function, value) for value in values
            )
        case _:
            return False


def _has_ordered_elements(function: LintedFunction, source: ast.expr) -> bool:
    match source:
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return bool(elements) and all(_keeps_order(function, element) for element in elements)
        case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element) | ast.SetComp(elt=element):
            return _keeps_order(function, element)
        case ast.Call(func=called):
            return function.name_of(called) == "builtins.range"
        case ast.Name():
            values = values_of(function.module, source)
            return bool(values) and all(
                not isinstance(value, ast.Name) and _has_ordered_elements(function, value) for value in values
            )
        case _:
            return False
