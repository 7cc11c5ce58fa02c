"""What is linted: the modules, the apps in them, and the functions that the engine runs.

Owns gathering them. It reads files, and neither imports nor runs any.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from azure_durable_py.lint.discovery import Declared, Foreign, declared_by_folder, declared_in
from azure_durable_py.lint.findings import LintFinding
from azure_durable_py.lint.functions import DurableKind, LintedFunction
from azure_durable_py.lint.imports import Imports
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.public_names import CONTEXT, ENTITY_CONTEXT
from azure_durable_py.lint.reach import helpers_of
from azure_durable_py.lint.scopes import FUNCTIONS, DefinitionNode, FunctionNode, parameters_of
from azure_durable_py.lint.source import Source, read_source
from azure_durable_py.lint.symbols import Symbol

_CONTEXTS: Mapping[DurableKind, str] = {"orchestrator": CONTEXT, "entity": ENTITY_CONTEXT}


@dataclass(slots=True)
class App:
    """The durable functions below one directory, by the names for callers.

    :param entities: by the name in small letters. Of a class there is one function for each operation.
    :param operations: the operations of entities that are classes, by the name of the entity.
    :param is_complete: whether no others can be part of it: every file was read, every name is known.
    """

    activities: dict[str, list[LintedFunction]] = field(default_factory=lambda: {})
    orchestrators: dict[str, list[LintedFunction]] = field(default_factory=lambda: {})
    entities: dict[str, list[LintedFunction]] = field(default_factory=lambda: {})
    is_complete: bool = True


class Project:
    """The files that are linted together.

    :param sources: those whose findings are told.
    :param roots: directories all of whose files are among the sources.
    """

    def __init__(self, sources: Iterable[Source], roots: Iterable[Path] = ()) -> None:
        self._roots = list(roots)
        self._imports = Imports(self._roots, self._load)
        self._modules: dict[Path, Module | None] = {}
        for source in sources:
            self._modules[source.path] = self._module(source, is_linted=True)
        self._apps: dict[Path, App] = {}
        self._declared: list[LintedFunction] = []
        nodes: set[DefinitionNode] = set()
        for declared in self._declarations():
            self._add(declared, nodes)
        self._functions = [*self._declared, *helpers_of(self._declared, nodes)]
        self._nodes = nodes

    @property
    def modules(self) -> list[Module]:
        """The modules that are linted."""
        return [module for module in self._modules.values() if module is not None and module.is_linted]

    @property
    def functions(self) -> list[LintedFunction]:
        """Every function that the engine runs, and every helper of an orchestrator or entity."""
        return self._functions

    def app_of(self, module: Module) -> App:
        """The app that a module belongs to."""
        root = self._app_root(module)
        if root not in self._apps:
            known = any(root == given or given in root.parents for given in self._roots)
            self._apps[root] = App(is_complete=known)
        return self._apps[root]

    def is_declared(self, node: ast.AST) -> bool:
        """Whether a function or class is an orchestrator, an activity or an entity by itself."""
        return node in self._nodes

    # --- gathering ---------------------------------------------------------------------------------

    def _app_root(self, module: Module) -> Path:
        directory = module.path.parent
        above = [root for root in self._roots if root == directory or root in directory.parents]
        return self._imports.app_root(directory) or min(above, key=lambda root: len(root.parts), default=directory)

    def _module(self, source: Source, *, is_linted: bool) -> Module:
        dotted = self._imports.dotted_name(source.path)
        return Module(
            source.path, source.text, source.tree, dotted=dotted, locate=self._imports.locate, is_linted=is_linted
        )

    def _load(self, path: Path) -> Module | None:
        if path not in self._modules:
            source = read_source(path)
            self._modules[path] = None if isinstance(source, LintFinding) else self._module(source, is_linted=False)
        return self._modules[path]

    def _declarations(self) -> Iterator[Declared | Foreign]:
        for module in self.modules:
            yield from declared_in(module)
        folders = dict.fromkeys(module.path.parent for module in self.modules)
        by_path = {path: module for path, module in self._modules.items() if module is not None}
        for folder in folders:
            if (folder / "function.json").is_file():
                yield from declared_by_folder(folder / "function.json", by_path)

    def _add(self, declared: Declared | Foreign, nodes: set[DefinitionNode]) -> None:
        app = self.app_of(declared.module)
        if isinstance(declared, Foreign) or declared.node is None:
            app.is_complete = False
            return
        app.is_complete = app.is_complete and declared.name is not None
        if declared.node in nodes:
            return
        nodes.add(declared.node)
        for function in _functions(declared):
            self._declared.append(function)
            if declared.name is not None:
                name = declared.name.lower() if declared.kind == "entity" else declared.name
                by_name = {"activity": app.activities, "orchestrator": app.orchestrators, "entity": app.entities}
                by_name[declared.kind].setdefault(name, []).append(function)


def _functions(declared: Declared) -> Iterator[LintedFunction]:
    node, module = declared.node, declared.module
    if isinstance(node, ast.ClassDef):
        for home, owner, part in _operations(module, node):
            yield LintedFunction(declared.kind, home.scopes.qualified_name(part), part, home, owner=owner)
    elif node is not None:
        parameters = parameters_of(node)
        context = declared.parameter
        context = context or (parameters[0].arg if parameters and declared.kind != "activity" else None)
        kind = _CONTEXTS.get(declared.kind)
        for parameter in parameters:
            if kind is not None and parameter.arg == context:
                module.know_parameter(parameter, Symbol(None, kind))
        name = declared.name or node.name
        yield LintedFunction(declared.kind, name, node, module, context_name=context)


def _operations(module: Module, node: ast.ClassDef) -> Iterator[tuple[Module, ast.ClassDef, FunctionNode]]:
    """The operations of a class, those that it inherits in the project too, with the class that each is in."""
    names: set[str] = set()
    classes = [(module, node)]
    for home, owner in classes:
        for part in owner.body:
            if isinstance(part, FUNCTIONS) and not part.name.startswith("_") and part.name not in names:
                names.add(part.name)
                yield home, owner, part
        for base in owner.bases:
            symbol = home.symbol(base)
            if symbol is None or symbol.module is None or not isinstance(symbol.node, ast.ClassDef):
                continue
            if (symbol.module, symbol.node) not in classes:
                classes.append((symbol.module, symbol.node))
