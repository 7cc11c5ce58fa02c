"""Prints what azure-functions-durable has and does, as JSON; `peer.py` runs it where nothing of ours is."""

from __future__ import annotations

import ast
import enum
import importlib
import inspect
import json
import pkgutil
import sys
import textwrap
import types
from typing import Any

from values import evaluated  # a script finds what lies beside it

PACKAGE = "azure.durable_functions"
LEFT_OUT = ("openai_agents",)


def module_names() -> list[str]:
    package = importlib.import_module(PACKAGE)
    found = [
        module.name.removeprefix(f"{PACKAGE}.") for module in pkgutil.walk_packages(package.__path__, PACKAGE + ".")
    ]
    return ["", *(name for name in found if name.partition(".")[0] not in LEFT_OUT)]


def of_module(module: types.ModuleType) -> dict[str, Any]:
    """The public names of a module: its own, and those that it took from another module of the package."""
    return {name: kind_of(value) for name, value in vars(module).items() if not name.startswith("_") and is_own(value)}


def is_own(value: Any) -> bool:
    if isinstance(value, types.ModuleType):
        return False
    home = getattr(value, "__module__", None)
    return isinstance(value, str) or (isinstance(home, str) and home.startswith(PACKAGE))


def kind_of(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"kind": "constant", "value": value}
    if isinstance(value, type):
        return {"kind": "class", "home": value.__module__.removeprefix(PACKAGE).removeprefix(".")}
    return {"kind": "function"}


def of_class(cls: type[Any]) -> dict[str, Any]:
    if issubclass(cls, enum.Enum):
        return {"members": {member.name: {"kind": "member", "value": member.value} for member in cls}}
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.startswith(PACKAGE):
            for name, value in vars(base).items():
                if name == "__init__" or not name.startswith("_"):
                    members[name] = member(value)
            for name in attributes(base):
                members.setdefault(name, {"kind": "attribute"})
    return {"members": members}


def member(value: Any) -> dict[str, Any]:
    if isinstance(value, property):
        return {"kind": "property"}
    function = value.__func__ if isinstance(value, (staticmethod, classmethod)) else value
    if not callable(function):
        return {"kind": "attribute"}
    parameters = list(inspect.signature(function).parameters.values())
    if not isinstance(value, staticmethod):
        parameters = parameters[1:]
    return {
        "kind": type(value).__name__ if isinstance(value, (staticmethod, classmethod)) else "method",
        "async": inspect.iscoroutinefunction(function),
        "parameters": [
            {
                "name": parameter.name,
                "kind": parameter.kind.name,
                "default": None if parameter.default is parameter.empty else repr(parameter.default),
            }
            for parameter in parameters
        ],
    }


def attributes(cls: type[Any]) -> list[str]:
    """The public attributes that the constructor sets."""
    made = vars(cls).get("__init__")
    if not inspect.isfunction(made):
        return []
    targets = [
        target
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(made))))
        for target in (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
    ]
    names = [
        target.attr
        for target in targets
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == "self"
    ]
    return [name for name in names if not name.startswith("_")]


def main() -> None:
    modules = {name: importlib.import_module(f"{PACKAGE}.{name}" if name else PACKAGE) for name in module_names()}
    classes = {
        value.__name__: of_class(value)
        for module in modules.values()
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__.startswith(PACKAGE)
    }
    names = {name: of_module(module) for name, module in modules.items()}
    homes = {name: modules[kind["home"]] for known in names.values() for name, kind in known.items() if "home" in kind}
    values = evaluated(lambda name: getattr(homes[name], name))
    json.dump({"modules": names, "classes": classes, "values": values}, sys.stdout)


if __name__ == "__main__":
    main()
