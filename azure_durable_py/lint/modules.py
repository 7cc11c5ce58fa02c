"""A module of the linted project, and what the names in it stand for.

Owns the way from an expression to a `Symbol`: through scopes, imports and their aliases, simple assignments, `with`
and annotations. What cannot be known for sure is None, so that no rule guesses. Nothing is imported or run.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Callable
from pathlib import Path

from azure_durable_py.lint.scopes import (
    FUNCTIONS,
    Annotated,
    Assigned,
    Binding,
    Defined,
    FunctionNode,
    Imported,
    Scopes,
)
from azure_durable_py.lint.symbols import Symbol, chosen_of, member_of, result_of
from azure_durable_py.lint.trees import children, nodes_below

_BUILTINS = frozenset(dir(builtins))
_DEEPEST = 50
# A form feed or a line separator of Unicode begins no new line for Python.
_LINES = re.compile("\r\n|\r|\n")


Locate = Callable[["Module", Imported], "Module | None"]


class Module:
    """A module of the project.

    :param dotted: its name for imports.
    :param locate: finds the module of the project that an import names; None: it is not of the project.
    :param is_linted: whether findings in it are told; else it is only read for the names in it.
    """

    def __init__(
        self, path: Path, text: str, tree: ast.Module, *, dotted: str, locate: Locate, is_linted: bool = True
    ) -> None:
        self.path = path
        self.text = text
        self.tree = tree
        self.dotted = dotted
        self.is_linted = is_linted
        self.scopes = Scopes(tree)
        self._locate = locate
        self._depth = 0
        self._lines: list[str] | None = None
        self._symbols: dict[ast.AST, Symbol | None] = {}
        self._code: dict[FunctionNode | ast.Lambda, list[ast.AST]] = {}
        self._attributes: dict[str, Symbol | None] = {}
        self._parameters: dict[ast.arg, Symbol] = {}

    def column(self, line: int, offset: int) -> int:
        """The column of a place in characters, from 1 on, where the tree has an offset in bytes."""
        if self._lines is None:
            self._lines = _LINES.split(self.text)
        text = self._lines[line - 1] if line <= len(self._lines) else ""
        return offset + 1 if text.isascii() else len(text.encode()[:offset].decode(errors="replace")) + 1

    def __repr__(self) -> str:
        return f"Module({self.dotted!r})"

    @property
    def nodes(self) -> list[ast.AST]:
        """Every node of the module, in order."""
        return self.scopes.nodes

    def code_of(self, node: FunctionNode | ast.Lambda) -> list[ast.AST]:
        """Every node that runs with a function, in order: its body, with functions in it, without annotations."""
        if node not in self._code:
            self._code[node] = nodes_below([node.body] if isinstance(node, ast.Lambda) else node.body, _that_run)
        return self._code[node]

    # --- what rules ask --------------------------------------------------------------------------

    def name(self, node: ast.AST) -> str | None:
        """The full name of what an expression stands for, such as `datetime.datetime.now`; None: it is not known.

        Builtins are `builtins.open`, what calls give is `requests.Session()`, and names of this package and of
        azure-functions-durable are both `azure_durable_py.X`, however they were imported: the context of an
        orchestrator is `azure_durable_py.DurableOrchestrationContext()`.
        """
        symbol = self.symbol(node)
        return None if symbol is None else symbol.dotted

    def constant(self, node: ast.AST | None) -> str | None:
        """The text that an expression is: a literal, or a name that one is assigned to; None: it is not known."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name() | ast.Attribute():
                symbol = self.symbol(node)
                return None if symbol is None else symbol.text
            case _:
                return None

    def parameter(self, node: ast.arg) -> str | None:
        """The full name of what a parameter is given, as `name` has it."""
        symbol = self.bound(Annotated(node.annotation, node))
        return None if symbol is None else symbol.dotted

    # --- symbols -----------------------------------------------------------------------------------

    def symbol(self, node: ast.AST) -> Symbol | None:
        """What an expression stands for; None: it is not known."""
        if node not in self._symbols:
            # What leads back to itself (`now = now()`) stands for nothing, and so does a chain without end.
            self._symbols[node] = None
            if self._depth < _DEEPEST:
                self._depth += 1
                self._symbols[node] = self._symbol(node)
                self._depth -= 1
        return self._symbols[node]

    def _symbol(self, node: ast.AST) -> Symbol | None:
        match node:
            case ast.Name():
                return self._symbol_of_name(node)
            case ast.Attribute(value=owner, attr=attribute):
                symbol = self.symbol(owner)
                return None if symbol is None else self.member(symbol, attribute)
            case ast.Call(func=function):
                symbol = self.symbol(function)
                return None if symbol is None else result_of(symbol)
            case ast.Constant(value=str(text)):
                return Symbol(None, "builtins.str()", text=text)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                # What an awaited call gives is told like what the call itself gives.
                return self.symbol(value)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return Symbol(self, self.scopes.qualified_name(node), node)
            case _:
                return None

    def origin(self, binding: Imported) -> Module | None:
        """The module of the project that an import is of, or takes an attribute from."""
        return self._locate(self, binding)

    def know_parameter(self, parameter: ast.arg, symbol: Symbol) -> None:
        """Say what a parameter is given, which its annotation does not say."""
        if parameter not in self._parameters:
            self._parameters[parameter] = symbol
            self._symbols.clear()

    def _symbol_of_name(self, node: ast.Name) -> Symbol | None:
        for scope in self.scopes.around(node):
            bindings = self.scopes.bindings(scope)
            bound = [] if node.id in bindings.elsewhere else bindings.names.get(node.id)
            if bound:
                chosen = chosen_of(bound)
                return None if chosen is None else self.bound(chosen)
        builtin = Symbol(None, f"builtins.{node.id}") if node.id in _BUILTINS else None
        return self._from_stars(node.id) or builtin

    def bound(self, binding: Binding) -> Symbol | None:
        match binding:
            case Imported():
                return self._imported(binding)
            case Assigned(value=value):
                return self.symbol(value)
            case Defined(node=node):
                return Symbol(self, self.scopes.qualified_name(node), node)
            case Annotated(annotation=annotation, parameter=parameter):
                known = None if parameter is None else self._parameters.get(parameter) or self._self_of(parameter)
                return known or self.annotated(annotation)
            case _:
                return None

    def annotated(self, annotation: ast.expr | None) -> Symbol | None:
        """An instance of the class that an annotation names."""
        match annotation:
            case ast.Constant(value=str(text)):
                try:
                    parsed = ast.parse(text.strip(), mode="eval").body
                except (SyntaxError, ValueError, RecursionError, MemoryError):
                    return None
                symbol = self._by_text(parsed)
            case ast.Name() | ast.Attribute():
                symbol = self.symbol(annotation)
            case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
                return self.annotated(left)
            case _:
                return None
        return None if symbol is None or symbol.is_instance else result_of(symbol)

    def _by_text(self, parsed: ast.expr) -> Symbol | None:
        """The symbol of a name in a quoted annotation, which is looked up in the module."""
        match parsed:
            case ast.Name(id=name):
                return self.attribute(name)
            case ast.Attribute(value=owner, attr=attribute):
                symbol = self._by_text(owner)
                return None if symbol is None else self.member(symbol, attribute)
            case _:
                return None

    def member(self, symbol: Symbol, name: str) -> Symbol | None:
        """An attribute of what a symbol stands for; None: there is none, as far as is known."""
        found = member_of(symbol, name)
        if found is None or found.module is not None or "(" in found.path:
            return found
        # `import shared.words`, where `shared` is a directory that is no package.
        module = self._locate(self, Imported(found.path, None, 0))
        return found if module is None else Symbol(module, "")

    def _self_of(self, parameter: ast.arg) -> Symbol | None:
        """The instance or class that the first parameter of a method is."""
        arguments = self.scopes.parent(parameter)
        function = None if arguments is None else self.scopes.parent(arguments)
        owner = None if function is None else self.scopes.parent(function)
        if not isinstance(function, FUNCTIONS) or not isinstance(owner, ast.ClassDef):
            return None
        first = [*function.args.posonlyargs, *function.args.args][:1]
        decorators = {self.name(decorator) for decorator in function.decorator_list}
        if first != [parameter] or "builtins.staticmethod" in decorators:
            return None
        symbol = Symbol(self, self.scopes.qualified_name(owner), owner)
        return symbol if "builtins.classmethod" in decorators else result_of(symbol)

    def _imported(self, binding: Imported) -> Symbol | None:
        module, attribute = self._locate(self, binding), binding.attribute
        if attribute is not None:
            found = None if module is None else module.attribute(attribute)
            submodule = self._locate(self, Imported(f"{binding.module}.{attribute}".lstrip("."), None, binding.level))
            if found is not None or submodule is not None:
                return found or (None if submodule is None else Symbol(submodule, ""))
        if module is not None:
            return Symbol(module, "") if attribute is None else None
        if binding.level:
            return None
        return Symbol(None, binding.module if attribute is None else f"{binding.module}.{attribute}")

    def attribute(self, name: str) -> Symbol | None:
        """What a name of the module stands for, as who imports it gets it; a submodule, if there is one."""
        if name not in self._attributes:
            # Two modules that take a name from each other.
            self._attributes[name] = None
            self._attributes[name] = self._attribute(name)
        return self._attributes[name]

    def _attribute(self, name: str) -> Symbol | None:
        bindings = self.scopes.bindings(self.tree)
        chosen = chosen_of(bindings.names.get(name, []))
        if chosen is not None:
            return self.bound(chosen)
        submodule = self._locate(self, Imported(name, None, 1)) if self.path.name == "__init__.py" else None
        if submodule is not None:
            return Symbol(submodule, "")
        return self._from_stars(name)

    def _from_stars(self, name: str) -> Symbol | None:
        for star in self.scopes.bindings(self.tree).stars:
            module = self._locate(self, star)
            symbol = None if module is None or name.startswith("_") else module.attribute(name)
            if symbol is not None:
                return symbol
        return None


def _that_run(node: ast.AST) -> list[ast.AST]:
    match node:
        case ast.AnnAssign(annotation=ast.expr() as annotation) | ast.arg(annotation=ast.expr() as annotation):
            return [part for part in children(node) if part is not annotation]
        case ast.FunctionDef(returns=ast.expr() as annotation) | ast.AsyncFunctionDef(returns=ast.expr() as annotation):
            return [part for part in children(node) if part is not annotation]
        case _:
            return children(node)
