"""Every public name, method and parameter of azure-functions-durable 1.7 is here, or is told to be different."""

from __future__ import annotations

import dataclasses
import enum
import importlib
import inspect
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from azure_durable_py.moved_names import MOVED_NAMES
from tests.moving_in.differences import ABSENT_MODULES, ABSENT_NAMES, DIFFERENT
from tests.moving_in.peer import names_of_peer
from tests.moving_in.values import evaluated

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# The peer is installed without the framework of agents, which these modules need.
COMPARED = {module: names for module, names in MOVED_NAMES.items() if module.partition(".")[0] != "openai_agents"}
OURS = {name: where for names in COMPARED.values() for name, where in names.items()}


@pytest.fixture(scope="module")
def peer() -> dict[str, Any]:
    return names_of_peer()


def resolved(where: str) -> Any:
    home, _, name = where.partition(":")
    return getattr(importlib.import_module(f"azure_durable_py.{home}"), name)


def test_every_module_and_name_has_a_place_here_or_is_absent_for_a_reason(peer: dict[str, Any]):
    modules = set(peer["modules"]) - set(COMPARED)
    names = {name for module in COMPARED for name in set(peer["modules"][module]) - set(COMPARED[module])}
    compare(modules, ABSENT_MODULES)
    compare(names, ABSENT_NAMES)


def test_no_name_is_mapped_that_the_module_does_not_have(peer: dict[str, Any]):
    strays = [(module, name) for module in COMPARED for name in COMPARED[module] if name not in peer["modules"][module]]
    assert strays == []


def test_constants_have_the_same_values(peer: dict[str, Any]):
    constants = {
        name: kind["value"]
        for names in peer["modules"].values()
        for name, kind in names.items()
        if kind["kind"] == "constant" and name in OURS
    }
    assert len(constants) == 8
    assert {name: resolved(OURS[name]) for name in constants} == constants


def test_small_classes_are_made_and_shown_in_the_same_way(peer: dict[str, Any]):
    ours = evaluated(lambda name: resolved(OURS[name]))
    assert len(ours) > 40
    assert ours == peer["values"]


def test_what_differs_in_the_classes_is_what_is_told(peer: dict[str, Any]):
    found = {
        difference
        for name in sorted(OURS)
        if name in peer["classes"]
        for difference in differences(name, resolved(OURS[name]), peer["classes"][name]["members"])
    }
    compare(found, DIFFERENT)


def compare(found: set[str], reasons: dict[str, str]) -> None:
    untold = {name for name in found if not any(fnmatchcase(name, pattern) for pattern in reasons)}
    assert sorted(untold) == [], "make it the same, or tell the reason in differences.py"
    stale = [pattern for pattern in reasons if not any(fnmatchcase(name, pattern) for name in found)]
    assert stale == [], "these are the same by now: take them out of differences.py"


@pytest.mark.parametrize("reasons", [ABSENT_MODULES, ABSENT_NAMES, DIFFERENT], ids=["modules", "names", "members"])
def test_every_difference_has_a_reason(reasons: dict[str, str]):
    assert [name for name, reason in reasons.items() if not reason.endswith(".")] == []


# --- one class --------------------------------------------------------------------------------------------


def differences(name: str, ours: Any, members: dict[str, Any]) -> Iterator[str]:
    """What a member of 1.7 would miss in our class: `Class.member`, or `Class.member(parameter)`."""
    for member, told in members.items():
        where = f"{name}.{member}"
        match told["kind"]:
            case "member":
                if not (issubclass(ours, enum.Enum) and ours.__members__[member].value == told["value"]):
                    yield where
            case "attribute" | "property":
                if not is_readable(ours, member):
                    yield where
            case kind:
                yield from calls(where, kind, inspect.getattr_static(ours, member, None), ours, told)


def is_readable(ours: type[Any], member: str) -> bool:
    fields = {field.name for field in dataclasses.fields(ours)} if dataclasses.is_dataclass(ours) else set()
    found = inspect.getattr_static(ours, member, None)
    return member in fields or (found is not None and not inspect.isfunction(found))


def calls(where: str, kind: str, static: Any, ours: type[Any], told: dict[str, Any]) -> Iterator[str]:
    kinds = {"staticmethod": staticmethod, "classmethod": classmethod}
    function = static.__func__ if isinstance(static, (staticmethod, classmethod)) else static
    if not callable(function) or (kind in kinds and not isinstance(static, (staticmethod, classmethod))):
        yield where
        return
    if inspect.iscoroutinefunction(function) is not told["async"]:
        yield f"{where} (async)"
    parameters = list(inspect.signature(function).parameters.values())
    if not isinstance(static, staticmethod):
        parameters = parameters[1:]
    for position, wanted in enumerate(told["parameters"]):
        if not accepts(parameters, position, wanted):
            yield f"{where}({wanted['name']})"
    named = {wanted["name"] for wanted in told["parameters"]}
    for parameter in parameters:
        variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not variadic and parameter.name not in named:
            yield f"{where} needs {parameter.name}"


def accepts(parameters: list[inspect.Parameter], position: int, wanted: dict[str, Any]) -> bool:
    """Whether what 1.7 takes for a parameter may be given here in the same ways, and left out with the same effect."""
    if wanted["kind"] == "VAR_KEYWORD":
        return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    found = next((parameter for parameter in parameters if parameter.name == wanted["name"]), None)
    if found is None or found.kind is found.POSITIONAL_ONLY:
        return False
    if wanted["kind"] == "POSITIONAL_OR_KEYWORD" and (
        found.kind is found.KEYWORD_ONLY or parameters[position] is not found
    ):
        return False
    default = None if found.default is found.empty else repr(found.default)
    return wanted["default"] is None or default == wanted["default"]
