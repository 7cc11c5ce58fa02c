"""Records of an inspection as JSON, as the command line prints them and the monitor answers.

Names are in camel case, times are UTC with microseconds, durations are seconds, and a value whose text is elsewhere is
told by its size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, cast

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import PayloadRef
from azure_durable_py.times import to_iso

_VALUES = frozenset({"arguments", "input", "output", "result", "custom_status"})
"""Fields of records that hold texts of JSON."""


def as_json(thing: Any, value: Callable[[str], Any] = str) -> Any:
    """A record and all within it as JSON-ready values.

    :param value: makes of the JSON text of a value what is told of it (default: the text).
    """
    match thing:
        case PayloadRef(size=size):
            return {"size": size, "large": True}
        case datetime():
            return to_iso(thing)
        case timedelta():
            return thing.total_seconds()
        case Enum():
            return thing.value
        case FailureDetails():
            return failure_as_json(thing)
        case _ if is_dataclass(thing) and not isinstance(thing, type):
            return {camel(one.name): _field(one.name, getattr(thing, one.name), value) for one in fields(thing)}
        case Mapping():
            return {str(name): as_json(item, value) for name, item in cast("Mapping[Any, Any]", thing).items()}
        case str():
            return thing
        case Sequence():
            return [as_json(item, value) for item in cast("Sequence[Any]", thing)]
        case _:
            return thing


def failure_as_json(failure: FailureDetails) -> dict[str, Any]:
    """A failure with its stack trace and its causes."""
    inner = failure.inner_failure
    return {
        "message": failure.message,
        "errorType": failure.error_type,
        "stackTrace": failure.stack_trace,
        "innerFailure": None if inner is None else failure_as_json(inner),
    }


def camel(name: str) -> str:
    """A name in camel case: `instance_id` is `instanceId`."""
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)


def _field(name: str, held: Any, value: Callable[[str], Any]) -> Any:
    return value(held) if name in _VALUES and isinstance(held, str) else as_json(held, value)
