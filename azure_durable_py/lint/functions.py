"""A function that is run by the engine, or by one that is.

Owns the record that rules look at, and how they say what they found in it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.scopes import DEFINITIONS, FunctionNode
from azure_durable_py.lint.trees import children, nodes_below

DurableKind: TypeAlias = Literal["orchestrator", "entity", "activity"]


@dataclass(frozen=True, slots=True)
class CallSite:
    """How a helper is reached: by a line in another function."""

    caller: LintedFunction
    path: Path
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class LintedFunction:
    """A function with the kind of code that it runs as.

    A helper that an orchestrator calls runs as a part of it: its kind is `orchestrator`, and `via` says who calls
    it. Of an entity that is a class, each method is one function.

    :param name: the name for callers; of a helper or an operation, its qualified name.
    :param context_name: the parameter that is the context, or None where there is none.
    :param owner: the class that an operation belongs to.
    :param via: the call that reaches a helper; None: it is declared as what it is.
    """

    kind: DurableKind
    name: str
    node: FunctionNode | ast.Lambda
    module: Module
    context_name: str | None = None
    owner: ast.ClassDef | None = None
    via: CallSite | None = None

    @property
    def is_helper(self) -> bool:
        """Whether it is only called by an orchestrator or entity."""
        return self.via is not None

    @property
    def root(self) -> LintedFunction:
        """The orchestrator or entity at the beginning of the calls."""
        function = self
        while function.via is not None:
            function = function.via.caller
        return function

    @property
    def statements(self) -> list[ast.AST]:
        """The body."""
        return [self.node.body] if isinstance(self.node, ast.Lambda) else list(self.node.body)

    def walk(self) -> list[ast.AST]:
        """Every node that runs with the function, those of functions and lambdas within it too, in order."""
        return self.module.code_of(self.node)

    def own(self) -> Iterator[ast.AST]:
        """The nodes of the function itself: what `yield`, `await` and `return` in it belong to."""
        return iter(nodes_below(self.statements, _without_functions))

    def name_of(self, node: ast.AST) -> str | None:
        """The full name of what an expression stands for: see `Module.name`."""
        return self.module.name(node)

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call whose function is known, with its full name."""
        for node in self.walk():
            if isinstance(node, ast.Call):
                name = self.module.name(node.func)
                if name is not None:
                    yield node, name

    def finding(self, rule: Rule, node: ast.AST, message: str) -> LintFinding:
        """A finding at a node of the function.

        :param message: what is wrong there, a sentence without the mend.
        """
        return finding_at(rule, self.module, node, message, function=self.name, via=self._shown_via())

    def _shown_via(self) -> str:
        if self.via is None:
            return ""
        first, between = self, list[str]()
        while first.via is not None and first.via.caller.via is not None:
            first = first.via.caller
            between.append(first.name)
        assert first.via is not None
        root, place = first.via.caller, first.via
        through = f" through {', '.join(reversed(between))}" if between else ""
        return f"called by {root.kind} {root.name!r}{through} at {place.path.name}:{place.line}"


def finding_at(
    rule: Rule, module: Module, node: ast.AST, message: str, *, function: str = "", via: str = ""
) -> LintFinding:
    """A finding at a node of a module."""
    if not isinstance(node, (ast.stmt, ast.expr, ast.ExceptHandler, ast.arg, ast.keyword, ast.alias, ast.pattern)):
        raise TypeError(f"{type(node).__name__} has no place in the code")
    column, end = module.column(node.lineno, node.col_offset), node.end_col_offset or node.col_offset
    last = node.end_lineno or node.lineno
    return LintFinding(
        rule, module.path, node.lineno, column, last, module.column(last, end), message, function=function, via=via
    )


def _without_functions(node: ast.AST) -> list[ast.AST]:
    return [] if isinstance(node, (*DEFINITIONS, ast.Lambda)) else children(node)
