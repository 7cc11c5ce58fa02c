"""The `DataConverter` seam, and the default converter.

It never imports a module because some data names it.
"""

from __future__ import annotations

import functools
import json
import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

from azure_durable_py.compact_json import compact_decoder
from azure_durable_py.errors import PayloadTooLargeError, SerializationError
from azure_durable_py.serialization.decode import build
from azure_durable_py.serialization.encode import dump, dump_plain, plain
from azure_durable_py.serialization.envelopes import is_envelope, open_envelopes

logger = logging.getLogger(__name__)


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
    has: its module is imported, the class is defined there under that name, and it
    defines both methods. Nothing is ever imported for the sake of data. A class that is defined inside a function
    or another class comes back where the type that is asked for names it.

    NaN and infinities are refused: JSON does not have them.

    :param strict_types: an object of another class than the type that is asked for is an error. By default it is
        passed on as it is, with a warning in the log.
    """

    def __init__(self, *, strict_types: bool = False) -> None:
        self._strict_types = strict_types

    def serialize(self, value: Any) -> str:
        """The value as compact JSON text.

        :raises SerializationError: names the place and type of what cannot be expressed.
        """
        try:
            text = dump(value)
        except (TypeError, ValueError, RecursionError):
            pass
        else:
            return text if text.isascii() else _checked(text)
        try:
            text = dump_plain(plain(value, "$"))
            return text if text.isascii() else _checked(text)
        except RecursionError:
            raise SerializationError("The value is nested too deeply for JSON, or contains itself.") from None

    def deserialize(self, text: str, expected_type: Any = None) -> Any:
        """The value of a JSON text, built as `expected_type` if that is given.

        :raises SerializationError: not JSON (with the position), an unknown class, or not of that
            type (with the path: `$.items[2].price: expected float, found str`).
        """
        if expected_type is None and '"__class__"' not in text:
            try:
                return _decode(text)
            except (ValueError, RecursionError):
                pass  # `plain` tells what is wrong.
        value = self.plain(text)
        try:
            if '"__class__"' not in text:
                return build(value, expected_type)
            opened = open_envelopes(value, expected_type)
            if self._strict_types or not is_envelope(value):
                return build(opened, expected_type)
            return _built_or_itself(opened, expected_type)
        except RecursionError:
            raise SerializationError("The JSON is nested too deeply.") from None

    def plain(self, text: str) -> Any:
        """The value of a JSON text as plain JSON values: an object of a class is the dict that stands for it.

        :raises SerializationError: the text is not JSON (with the position).
        """
        try:
            return _decode(text)
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
        self.deserialize: Callable[..., Any] = inner.deserialize
        """The value of a JSON text, as the converter inside gives it."""

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
        if len(text) > self._limit:
            self._check(len(text))
        return text

    def _check(self, chars: int) -> None:
        if chars > self._limit:
            raise PayloadTooLargeError(
                f"A value of {chars} characters is over the limit of {self._limit}. Keep large data in storage of your "
                "own, and pass on where it is."
            )


def _checked(text: str) -> str:
    """Text that every store can keep: a lone surrogate is escaped."""
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


_decode = compact_decoder(json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite))


def _built_or_itself(opened: Any, expected_type: Any) -> Any:
    """An object that wrote itself, as it is where it is not what was asked for."""
    try:
        return build(opened, expected_type)
    except SerializationError as error:
        _warn_of_other_class(type(opened).__qualname__, str(error))
        return opened


@functools.lru_cache(maxsize=1024)
def _warn_of_other_class(name: str, error: str) -> None:
    """Once for each class and place: an orchestrator asks again on every replay."""
    logger.warning("An object of class %s came where another type was asked for, and is passed on: %s", name, error)
