"""Requests to the management API and answers, free of any web framework.

Owns the reading of parameters and bodies: whatever cannot be understood is refused with a
message that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from azure_durable_py.client.links import HttpAnswer, json_answer
from azure_durable_py.times import UTC


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request.

    :param method: the verb, in capitals.
    :param path: what follows the mount of the API, still percent-encoded.
    :param query: decoded values by decoded parameter name.
    :param headers: by name; case does not matter.
    :param body: as received.
    :param base_url: the absolute URL of the mount, as the caller used it.
    """

    method: str
    path: str
    base_url: str
    query: Mapping[str, Sequence[str]] = field(default_factory=lambda: {})
    headers: Mapping[str, str] = field(default_factory=lambda: {})
    body: bytes = b""


class RefusedError(Exception):
    """A request is answered with an error. Never leaves the management API."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def value_answer(status_code: int, value: Any, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """An answer with a value as JSON."""
    return json_answer(status_code, json.dumps(value, ensure_ascii=False, separators=(",", ":")), headers)


def error_answer(status_code: int, message: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    """An answer that tells what went wrong."""
    return value_answer(status_code, {"message": message}, headers)


def json_body(body: bytes) -> Any:
    """The value of a JSON body; None if it is empty.

    :raises RefusedError: it is not JSON; the message names the position.
    """
    if not body.strip():
        return None
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"The body is not UTF-8: byte {error.start} cannot be read.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RefusedError(400, f"The body is not JSON: {error.msg} at {where}. A text needs quotes.") from None
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RefusedError(400, f"The body cannot be used: {reason}.") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


class Parameters:
    """The query parameters of a request; names regardless of case."""

    def __init__(self, query: Mapping[str, Sequence[str]]) -> None:
        self.values: dict[str, list[str]] = {}
        for name, values in query.items():
            self.values.setdefault(name.lower(), []).extend(values)

    def text(self, name: str) -> str | None:
        """The value of a parameter; None if it is absent or empty.

        :raises RefusedError: it is given more than once.
        """
        values = self.values.get(name.lower(), [])
        if len(values) > 1:
            raise RefusedError(400, f"Parameter {name!r} is given {len(values)} times; give it once.")
        return values[0] if values and values[0] else None

    def texts(self, name: str) -> list[str]:
        """The values of a parameter that holds a comma-separated list, or is repeated."""
        given = ",".join(self.values.get(name.lower(), []))
        return [item.strip() for item in given.split(",") if item.strip()]

    def flag(self, name: str, default: bool) -> bool:
        """A truth value.

        :raises RefusedError: it is neither true nor false.
        """
        text = self.text(name)
        if text is None:
            return default
        if text.lower() not in ("true", "false"):
            raise RefusedError(400, f"Parameter {name!r} is {text[:80]!r}; accepted is true or false.")
        return text.lower() == "true"

    def whole(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number within bounds.

        :raises RefusedError: it is none.
        """
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or not low <= int(text) <= high:
            raise RefusedError(
                400, f"Parameter {name!r} is {text[:80]!r}; accepted is a whole number, {low} to {high}."
            )
        return int(text)

    def seconds(self, name: str, low: float, high: float) -> float | None:
        """A number of seconds within bounds; None if it is absent.

        :raises RefusedError: it is none.
        """
        text = self.text(name)
        if text is None:
            return None
        if not re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) or not low <= float(text) <= high:
            raise RefusedError(400, f"Parameter {name!r} is {text[:80]!r}; accepted is {low:g} to {high:g} seconds.")
        return float(text)

    def time(self, name: str) -> datetime | None:
        """A moment in ISO 8601; without an offset it is UTC.

        :raises RefusedError: it is none.
        """
        text = self.text(name)
        if text is None:
            return None
        moment = parse_time(text)
        if moment is None:
            raise RefusedError(
                400, f"Parameter {name!r} is {text[:80]!r}; accepted is a time like 2026-01-31T08:30:00Z (or a date)."
            )
        return moment


# A `+` that a caller forgot to encode arrives as a space.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?)?(?:(Z)|([ +-])(\d\d):?(\d\d))?",
    re.ASCII | re.IGNORECASE,
)


def parse_time(text: str) -> datetime | None:
    """A moment in UTC from ISO 8601, or None if the text is none. Digits past microseconds are cut off."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    date, minutes, seconds, fraction, _, sign, hours, rest = match.groups()
    offset = "+00:00" if sign is None else f"{'-' if sign == '-' else '+'}{hours}:{rest}"
    clock = f"{minutes or '00:00'}{seconds or ':00'}.{(fraction or '').ljust(6, '0')[:6]}"
    try:
        return datetime.fromisoformat(f"{date}T{clock}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
