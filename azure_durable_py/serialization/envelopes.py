"""The envelope of objects that write themselves: `{"__class__", "__module__", "__data__"}`.

Owns which class data may name: one that the program has already, by the type that was asked for or at the top
level of a module that is imported. It never imports a module because some data names it.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any, cast, get_args, get_origin

from azure_durable_py.errors import SerializationError
from azure_durable_py.serialization.decode import hints_of
from azure_durable_py.serialization.encode import has_codec

_KEYS = {"__class__", "__module__", "__data__"}


def is_envelope(value: Any) -> bool:
    """Whether a plain JSON value stands for an object."""
    return isinstance(value, dict) and set(cast("dict[str, Any]", value)) == _KEYS


def open_envelopes(value: Any, expected_type: Any) -> Any:
    """The plain JSON value with objects in place of their envelopes, however deep.

    :param expected_type: what was asked for; the classes in it may be named by the data wherever they are defined.
    :raises SerializationError: an envelope names a class that this program does not have, or whose `from_json` fails.
    """
    asked = {(cls.__module__, cls.__name__): cls for cls in _classes_in(expected_type, set())}
    return _opened(value, asked)


def _opened(value: Any, asked: dict[tuple[str, str], type[Any]]) -> Any:
    if isinstance(value, list):
        return [_opened(item, asked) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    opened = {name: _opened(item, asked) for name, item in fields.items()}
    if not is_envelope(fields):
        return opened
    cls = _known_class(fields["__module__"], fields["__class__"], asked)
    try:
        return cls.from_json(opened["__data__"])
    except Exception as error:
        raise SerializationError(f"{cls.__qualname__}.from_json could not read its data: {error!r}") from error


def _known_class(module_name: Any, name: Any, asked: dict[tuple[str, str], type[Any]]) -> Any:
    if isinstance(module_name, str) and isinstance(name, str):
        module = sys.modules.get(module_name)
        found: Any = asked.get((module_name, name)) or (vars(module).get(name) if module is not None else None)
        if isinstance(found, type) and (found.__module__, found.__name__) == (module_name, name) and has_codec(found):
            return found
    raise SerializationError(
        f"The data names the class {name!r} of module {module_name!r}, which this program does not have. "
        "Import that module where the functions are defined, and give the class, at its top level, "
        "to_json and from_json; or pass it as expected_type."
    )


def _classes_in(wanted: Any, seen: set[Any]) -> Iterator[type[Any]]:
    """The classes in a type: itself, its arguments, and the fields of dataclasses."""
    origin = get_origin(wanted)
    if origin is not None:
        for part in (origin, *get_args(wanted)):
            yield from _classes_in(part, seen)
    elif isinstance(wanted, type) and wanted not in seen:
        seen.add(wanted)
        yield wanted
        if dataclasses.is_dataclass(wanted):
            for hint in hints_of(wanted).values():
                yield from _classes_in(hint, seen)
