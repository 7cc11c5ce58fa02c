"""Values of user code in plain JSON terms, step by step."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from azure_durable_py.compact_json import compact_encoder
from azure_durable_py.errors import SerializationError
from azure_durable_py.serialization.decode import encode_duration


def simplify(value: Any) -> Any:
    """One step from an object towards JSON.

    :raises TypeError: there is no such step.
    """
    for kind, step in _STEPS:
        if isinstance(value, kind):
            return step(value)
    cls = cast("type[Any]", type(value))
    if isinstance(value, type):
        raise TypeError(f"the class {value.__qualname__} itself is no value")
    if has_codec(cls):
        return _envelope(value)
    if hasattr(cls, "model_dump") and hasattr(cls, "model_validate"):
        return value.model_dump(mode="json", by_alias=True)
    if hasattr(cls, "parse_obj"):
        return json.loads(value.json(by_alias=True))
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if callable(getattr(cls, "to_json", None)):
        # Somebody may read it who wants its data only; here it does not come back.
        return _envelope(value)
    raise TypeError(f"objects of type {cls.__module__}.{cls.__qualname__} are not JSON-serializable")


def _envelope(value: Any) -> dict[str, Any]:
    cls = cast("type[Any]", type(value))
    return {"__class__": cls.__name__, "__module__": cls.__module__, "__data__": cls.to_json(value)}


def _sorted_set(value: AbstractSet[Any]) -> list[Any]:
    try:
        return sorted(value, key=lambda item: dump_plain(plain(item, "$")))
    except SerializationError:
        # Unsorted, the item is met again on the way down and reported with its path.
        return list(value)


_STEPS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (Enum, lambda value: value.value),
    ((datetime, date, time), lambda value: value.isoformat()),
    (timedelta, encode_duration),
    ((UUID, Decimal, PurePath), str),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode("ascii")),
    (AbstractSet, _sorted_set),
    (deque, list),
    (Mapping, dict),
)


def plain(value: Any, path: str) -> Any:
    """The value in plain JSON terms, step by step, so that an error can name the place."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain(value.value, path)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SerializationError(f"{path}: {value!r} is not JSON; use None or text in its place.")
        return float(value)
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        return [plain(item, f"{path}[{at}]") for at, item in enumerate(items)]
    if isinstance(value, dict):
        entries = cast("dict[Any, Any]", value)
        return {_key(key, path): plain(item, f"{path}.{key}") for key, item in entries.items()}
    try:
        simpler = simplify(value)
    except SerializationError:
        raise
    except Exception as error:
        raise SerializationError(
            f"{path}: {error}. Use a dataclass, a pydantic model or plain data, "
            "or give the class to_json and from_json."
        ) from error
    return plain(simpler, path)


def _key(key: Any, path: str) -> str:
    if isinstance(key, Enum):
        return _key(key.value, path)
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return str(json.dumps(key))
    if isinstance(key, datetime | date | time | timedelta | UUID | Decimal | bytes):
        return str(simplify(key))
    raise SerializationError(f"{path}: a key of type {type(key).__qualname__} is not JSON; keys are text.")


dump_plain = compact_encoder(allow_nan=False)
"""A value of plain JSON types as compact JSON text."""
dump = compact_encoder(simplify, allow_nan=False)
"""A value as compact JSON text; objects are taken towards JSON step by step.

Raises `TypeError` where there is no such step, `ValueError` for a number that is not finite, and `RecursionError` for
what contains itself.
"""


def has_codec(cls: type) -> bool:
    """Whether objects of a class write and read themselves."""
    return callable(getattr(cls, "to_json", None)) and callable(getattr(cls, "from_json", None))
