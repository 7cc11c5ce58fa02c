"""The constraints of route parameters: `int`, `guid`, `length(2,5)`, `regex(...)` and their kin.

Owns their names and meaning.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation

from azure_durable_py.times import from_iso

Constraint = Callable[[str], bool]
_NUMBER = r"\s*[-+]?\d+\s*"


def constraint(text: str) -> Constraint:
    """The test behind a constraint such as `int` or `range(1,10)`.

    :raises ValueError: there is no such constraint, or its arguments do not fit; the message says so.
    """
    found = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    name = found[1].lower() if found else ""
    if found is None or name not in _ALL:
        raise ValueError(f"has a constraint {text!r} that does not exist; there are {', '.join(_ALL)}")
    if name in _PLAIN:
        if found[2]:
            raise ValueError(f"gives arguments to the constraint {name!r}, which takes none")
        return _PLAIN[name]
    if name == "regex":
        return _regex(found[2] or "")
    return _numeric(name, found[2] or "")


def _numeric(name: str, arguments: str) -> Constraint:
    counts, make = _NUMERIC[name]
    given = arguments.split(",")
    if len(given) not in counts or not all(re.fullmatch(_NUMBER, argument) for argument in given):
        wanted = " or ".join(str(count) for count in counts)
        raise ValueError(f"has a constraint {name}({arguments}), which takes {wanted} whole number(s)")
    numbers = [int(argument) for argument in given]
    return make(numbers[0], numbers[-1])


def _regex(expression: str) -> Constraint:
    try:
        pattern = re.compile(expression, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"has a constraint regex({expression}) that is no regular expression: {error}") from error
    return lambda value: pattern.search(value) is not None


def _whole(bits: int) -> Constraint:
    def holds(value: str) -> bool:
        return re.fullmatch(r"[-+]?\d{1,40}", value, re.ASCII) is not None and -(2 ** (bits - 1)) <= int(value) < 2 ** (
            bits - 1
        )

    return holds


def _is_decimal(value: str) -> bool:
    try:
        return Decimal(value).is_finite()
    except InvalidOperation:
        return False


def _is_float(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _is_guid(value: str) -> bool:
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return re.fullmatch(r"[{(]?[0-9a-fA-F-]{32,36}[)}]?", value) is not None


def _is_datetime(value: str) -> bool:
    text = value.strip()
    for form in (None, "%m/%d/%Y", "%m/%d/%Y %H:%M:%S", "%Y/%m/%d"):
        try:
            if form is None:
                from_iso(text)
            else:
                datetime.strptime(text, form)  # noqa: DTZ007 - only whether it can be read matters
        except ValueError:
            continue
        return True
    return False


def _in_range(low: int, high: int) -> Constraint:
    is_long = _whole(64)
    return lambda value: is_long(value) and low <= int(value) <= high


_PLAIN: Mapping[str, Constraint] = {
    "int": _whole(32),
    "long": _whole(64),
    "bool": lambda value: value.lower() in ("true", "false"),
    "alpha": lambda value: re.fullmatch("[A-Za-z]*", value) is not None,
    "guid": _is_guid,
    "datetime": _is_datetime,
    "decimal": _is_decimal,
    "double": _is_float,
    "float": _is_float,
    "required": lambda value: value != "",
}
_NUMERIC: Mapping[str, tuple[tuple[int, ...], Callable[[int, int], Constraint]]] = {
    "length": ((1, 2), lambda low, high: lambda value: low <= len(value) <= high),
    "minlength": ((1,), lambda low, _: lambda value: len(value) >= low),
    "maxlength": ((1,), lambda _, high: lambda value: len(value) <= high),
    "min": ((1,), lambda low, _: _in_range(low, 2**63)),
    "max": ((1,), lambda _, high: _in_range(-(2**63), high)),
    "range": ((2,), _in_range),
}
_ALL = (*_PLAIN, *_NUMERIC, "regex")
