"""The durable functions that a module declares.

Owns the forms of declaring: decorators of apps and blueprints, the same decorators called with a function,
`Orchestrator.create` and `Entity.create`, and function.json folders.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from azure_durable_py.errors import SettingsError
from azure_durable_py.json_files import read_object
from azure_durable_py.lint.functions import DurableKind
from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.public_names import OURS
from azure_durable_py.lint.scopes import DEFINITIONS, FUNCTIONS, DefinitionNode

_MENTION = re.compile(r"orchestration_trigger|activity_trigger|entity_trigger|\.create\b|\bregister_")
_TRIGGERS: dict[str, tuple[DurableKind, str, int]] = {
    "orchestration_trigger": ("orchestrator", "orchestration", 1),
    "activity_trigger": ("activity", "activity", 1),
    "entity_trigger": ("entity", "entity_name", 1),
}
_TRIGGERS_OF_FOLDERS: dict[str, tuple[DurableKind, str]] = {
    "orchestrationtrigger": ("orchestrator", "orchestration"),
    "activitytrigger": ("activity", "activity"),
    "entitytrigger": ("entity", "entityName"),
}
_CREATE: dict[str, DurableKind] = {f"{OURS}.Orchestrator.create": "orchestrator", f"{OURS}.Entity.create": "entity"}
_REGISTER = frozenset({"register_functions", "register_blueprint"})
_SCRIPTS = ("__init__.py", "main.py", "run.py", "index.py")


@dataclass(frozen=True, slots=True)
class Declared:
    """A durable function by its declaration.

    :param name: the name for callers; None: it is computed.
    :param node: None: which function it is cannot be known.
    :param parameter: the parameter that the declaration names, for the context or the input.
    """

    kind: DurableKind
    name: str | None
    node: DefinitionNode | None
    module: Module
    parameter: str | None


@dataclass(frozen=True, slots=True)
class Foreign:
    """Functions that an app takes from where the project does not show them."""

    module: Module


def declared_in(module: Module) -> Iterator[Declared | Foreign]:
    """What a module declares, in the order of the code."""
    if _MENTION.search(module.text) is None:
        return
    for node in module.nodes:
        if isinstance(node, DEFINITIONS):
            yield from _decorated(module, node)
        elif isinstance(node, ast.Call):
            yield from _called(module, node)


def _decorated(module: Module, node: DefinitionNode) -> Iterator[Declared]:
    for decorator in node.decorator_list:
        trigger = _trigger(decorator)
        if trigger is not None:
            yield _by_trigger(module, trigger, node, module, _function_name(module, node))


def _trigger(node: ast.AST) -> ast.Call | None:
    """The call of a durable decorator that a node is."""
    is_trigger = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _TRIGGERS
    return cast("ast.Call", node) if is_trigger else None


def _by_trigger(
    module: Module, trigger: ast.Call, node: DefinitionNode | None, home: Module, function_name: str | None
) -> Declared:
    """What a decorator in one module makes of a function that may be in another."""
    kind, keyword, position = _TRIGGERS[cast("ast.Attribute", trigger.func).attr]
    named = _argument(trigger, keyword, position)
    is_given = named is not None and not (isinstance(named, ast.Constant) and named.value is None)
    parameter = _argument(trigger, "input_name" if kind == "activity" else "context_name", 0)
    return Declared(
        kind,
        module.constant(named) if is_given else function_name,
        node,
        home,
        module.constant(parameter) if parameter is not None or kind != "entity" else "context",
    )


def _function_name(module: Module, node: DefinitionNode) -> str | None:
    """The name of a function for Azure Functions: its own, unless `@app.function_name` gives another."""
    for decorator in node.decorator_list:
        match decorator:
            case ast.Call(func=ast.Attribute(attr="function_name")):
                return module.constant(_argument(decorator, "name", 0))
            case _:
                pass
    return node.name


def _argument(call: ast.Call, keyword: str, position: int) -> ast.expr | None:
    for given in call.keywords:
        if given.arg == keyword:
            return given.value
    return call.args[position] if len(call.args) > position else None


def _called(module: Module, call: ast.Call) -> Iterator[Declared | Foreign]:
    trigger = _trigger(call.func)
    if trigger is not None and call.args:
        node, home = _definition(module, call.args[0])
        yield _by_trigger(module, trigger, node, home, None if node is None else _function_name(home, node))
        return
    match call:
        case ast.Call(func=ast.Attribute(attr="create") | ast.Name(), args=[function, *_]):
            if ".create" not in module.text:
                return
            kind = _CREATE.get(module.name(call.func) or "")
            if kind is not None:
                node, home = _definition(module, function)
                yield Declared(kind, _folder_name(module) or (node.name if node else None), node, home, None)
        case ast.Call(func=ast.Attribute(attr=attribute), args=[blueprint, *_]) if attribute in _REGISTER:
            symbol = module.symbol(blueprint)
            if symbol is None or (symbol.module is None and symbol.dotted != f"{OURS}.Blueprint()"):
                yield Foreign(module)
        case _:
            pass


def _definition(module: Module, node: ast.expr) -> tuple[DefinitionNode | None, Module]:
    symbol = module.symbol(node)
    if symbol is None or symbol.module is None or symbol.is_instance:
        return None, module
    return symbol.node, symbol.module


def _folder_name(module: Module) -> str | None:
    folder = module.path.parent
    return folder.name if (folder / "function.json").is_file() else None


def declared_by_folder(file: Path, load: dict[Path, Module]) -> Iterator[Declared]:
    """What a function.json declares of a script, if it is read.

    :param load: the modules by their files.
    """
    try:
        fields = read_object(file)
    except (SettingsError, OSError):
        return
    bindings: object = fields.get("bindings")
    for binding in cast("list[object]", bindings) if isinstance(bindings, list) else []:
        trigger = cast("dict[str, object]", binding) if isinstance(binding, dict) else {}
        kind, key = _TRIGGERS_OF_FOLDERS.get(str(trigger.get("type")).lower(), (None, ""))
        module = _script(file, fields.get("scriptFile"), load)
        if kind is None or module is None:
            continue
        entry = module.attribute(str(fields.get("entryPoint") or "main"))
        name, parameter = str(trigger.get(key) or file.parent.name), trigger.get("name")
        if entry is not None and entry.module is not None and isinstance(entry.node, FUNCTIONS):
            yield Declared(
                kind, name, entry.node, entry.module, str(parameter) if kind == "activity" and parameter else None
            )


def _script(file: Path, given: object, load: dict[Path, Module]) -> Module | None:
    names = [given] if isinstance(given, str) else list(_SCRIPTS)
    found = (load.get(Path(file.parent, name)) for name in names)
    return next((module for module in found if module is not None), None)
