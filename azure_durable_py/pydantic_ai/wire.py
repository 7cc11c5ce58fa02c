"""What a step of an agent is called with: the JSON that goes from the orchestrator to an activity.

Owns the shape, and the way there and back for the values of the framework. Steps that are under way when a new version
is deployed were written by the one before it, so what is added has a default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Generic, TypeVar, cast

from pydantic_ai.durable_exec import JSON_CODEC
from pydantic_core import PydanticSerializationError

from azure_durable_py.errors import SerializationError

D = TypeVar("D")


@dataclass
class AgentStep(Generic[D]):
    """The input of an activity that is a step of an agent.

    :param call: what the operation is called with.
    :param context: the run context, without the dependencies.
    :param deps: the dependencies of the run, converted as the app converts inputs.
    """

    call: dict[str, Any]
    context: dict[str, Any] = field(default_factory=dict[str, Any])
    deps: D | None = None


def dump(kind: Any, value: Any, what: str) -> Any:
    """A value of the framework as plain JSON values.

    :param kind: its type. :param what: names it in a message.
    :raises SerializationError: it cannot be expressed.
    """
    try:
        return _with_sorted_sets(value, JSON_CODEC.dump(kind, value))
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise SerializationError(
            f"{what} cannot be written as JSON for the activity ({error}). An activity may run in another process: "
            "what it is given has to be plain values, dataclasses or pydantic models."
        ) from error


def dump_mapping(values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Values by name, each by its own type, as plain JSON values.

    :raises SerializationError: one cannot be expressed; names it.
    """
    return {name: dump(Any, value, f"{name!r} of {what}") for name, value in values.items()}


def _with_sorted_sets(value: Any, plain: Any) -> Any:
    """The plain values with what was a set in an order that is the same in every process."""
    if isinstance(value, set | frozenset) and isinstance(plain, list):
        return sorted(cast("list[Any]", plain), key=json.dumps)
    if isinstance(value, list | tuple) and isinstance(plain, list):
        items = zip(cast("list[Any]", value), cast("list[Any]", plain), strict=True)
        return [_with_sorted_sets(item, part) for item, part in items]
    if not isinstance(plain, dict):
        return plain
    parts = cast("dict[str, Any]", plain)
    inner: dict[str, Any] = cast("dict[str, Any]", value) if isinstance(value, dict) else _fields_of(value)
    return {name: _with_sorted_sets(inner.get(name), part) for name, part in parts.items()}


def _fields_of(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)} if is_dataclass(value) else {}


def load(kind: Any, value: Any) -> Any:
    """The value of the framework that was written."""
    return JSON_CODEC.load(kind, value)
