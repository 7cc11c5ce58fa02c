"""The `DataConverter` seam, the default converter, and the envelope of custom classes.

It never imports a module because some data names it.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any, Protocol, cast

from azure_durable_py.errors import PayloadTooLargeError, SerializationError
from azure_durable_py.serialization.decode import build
from azure_durable_py.serialization.encode import dump, has_codec, plain, simplify


class DataConverter(Protocol):
    """Turns inputs, results and event data into JSON text and back. Both ways must be deterministic."""

    def serialize(self, value: Any) -> str:
        """The value as JSON text.

        :raises SerializationError: it cannot be expressed.
        """
        ...

    def deserialize(self, text: str, expected_type: Any = None) -> Any:
        """The value of a JSON text, built as `expected_type` if that is given.

        :raises SerializationError: the text is not JSON, or not of that type.
        """
        ...


class JsonDataConverter:
    """The default converter.

    Beyond plain JSON it writes dataclasses, pydantic models, named tuples and typed
    dictionaries (as objects or arrays), enums (by value), datetimes, dates, times and durations
    (ISO 8601), UUIDs, decimals and paths (text), bytes (Base64), sets (sorted) and tuples. To
    get such a value back, name its type: `expected_type`, or an annotation.

    A class with `to_json` and `from_json` is written as `{"__class__", "__module__",
    "__data__"}` and comes back as itself. Data may only name a class that the running program
    has: its module is imported, the class is defined there under that public name, and it
    defines both methods. Nothing is ever imported for the sake of data.

    NaN and infinities are refused: JSON does not have them.
    """

    def serialize(self, value: Any) -> str:
        """The value as compact JSON text.

        :raises SerializationError: names the place and type of what cannot be expressed.
        """
        try:
            return _checked(dump(value, simplify))
        except (TypeError, ValueError, RecursionError):
            pass
        try:
            return _checked(dump(plain(value, "$"), None))
        except RecursionError:
            raise SerializationError("The value is nested too deeply for JSON, or contains itself.") from None

    def deserialize(self, text: str, expected_type: Any = None) -> Any:
        """The value of a JSON text, built as `expected_type` if that is given.

        :raises SerializationError: not JSON (with the position), an unknown class, or not of that
            type (with the path: `$.items[2].price: expected float, found str`).
        """
        try:
            plain = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
            if '"__class__"' in text:
                plain = _open_envelopes(plain, expected_type)
            return build(plain, expected_type)
        except RecursionError:
            raise SerializationError("The JSON is nested too deeply.") from None
        except ValueError as error:
            raise SerializationError(f"Not JSON: {error}; the text begins {text[:60]!r}.") from error


class JsonText(str):
    """A value that is JSON text already: a worker sends it as it is."""

    __slots__ = ()


class BoundedConverter:
    """A converter that refuses values which are larger than a task hub stores, before they cost more.

    What is JSON text already (`JsonText`) was converted where it came from, and is left as it is.

    :param inner: does the work.
    :param limit: characters of JSON text.
    """

    def __init__(self, inner: DataConverter, limit: int) -> None:
        self._inner = inner
        self._limit = limit

    def serialize(self, value: Any) -> str:
        """The value as JSON text.

        :raises PayloadTooLargeError: it has more characters than the limit.
        :raises SerializationError: it cannot be expressed.
        """
        if isinstance(value, (str, bytes)):
            self._check(len(value))
        if isinstance(value, JsonText):
            return str(value)
        text = self._inner.serialize(value)
        self._check(len(text))
        return text

    def deserialize(self, text: str, expected_type: Any = None) -> Any:
        """The value of a JSON text.

        :raises SerializationError: the text is not JSON, or not of that type.
        """
        return self._inner.deserialize(text, expected_type)

    def _check(self, chars: int) -> None:
        if chars > self._limit:
            raise PayloadTooLargeError(
                f"A value of {chars} characters is over the limit of {self._limit}. Keep large data in storage of your "
                "own, and pass on where it is."
            )


def _checked(text: str) -> str:
    """Text that every store can keep: a lone surrogate is escaped."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(json.loads(text), separators=(",", ":"))
    return text


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise SerializationError(f"{text[:40]} is larger than any float.")
    return number


def _refuse_constant(name: str) -> Any:
    raise SerializationError(f"{name} is not JSON.")


def _open_envelopes(value: Any, expected_type: Any) -> Any:
    if isinstance(value, list):
        return [_open_envelopes(item, expected_type) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    opened = {name: _open_envelopes(item, expected_type) for name, item in fields.items()}
    if set(fields) != {"__class__", "__module__", "__data__"}:
        return opened
    cls = _known_class(fields["__module__"], fields["__class__"], expected_type)
    try:
        return cls.from_json(opened["__data__"])
    except Exception as error:
        raise SerializationError(f"{cls.__qualname__}.from_json could not read its data: {error!r}") from error


def _known_class(module_name: Any, name: Any, expected_type: Any) -> Any:
    expected: Any = expected_type
    if isinstance(expected, type) and (expected.__module__, expected.__name__) == (module_name, name):
        found: Any = expected
    else:
        module = sys.modules.get(module_name) if isinstance(module_name, str) else None
        found = vars(module).get(name) if module is not None and isinstance(name, str) else None
    own = isinstance(found, type) and (found.__module__, found.__name__) == (module_name, name)
    if not own or str(name).startswith("_") or not has_codec(found):
        raise SerializationError(
            f"The data names the class {name!r} of module {module_name!r}, which this program does not have. "
            "Import that module where the functions are defined, and give the class, at its top level, "
            "to_json and from_json; or pass it as expected_type."
        )
    return found
