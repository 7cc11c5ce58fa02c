"""Requests to the management API and answers, free of any web framework.

Owns the reading of parameters and bodies: whatever cannot be understood is refused with a
message that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from azure_durable_py.client.links import HttpAnswer, json_answer
from azure_durable_py.failures import qualified_name
from azure_durable_py.times import UTC, utc


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


def error_answer(
    status_code: int, message: str, headers: Mapping[str, str] | None = None, *, error: Exception | None = None
) -> HttpAnswer:
    """An answer that tells what went wrong, by the names that the .NET extension gives to it.

    :param error: what was raised, if that is the caller's to know.
    """
    told = {"Message": message}
    if error is not None:
        told |= {"ExceptionMessage": str(error), "ExceptionType": qualified_name(type(error))}
    return value_answer(status_code, told, headers)


def shown_time(moment: datetime | None) -> str | None:
    """A moment in UTC to the second, as the .NET extension shows it."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


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


class OutcomeWait(NamedTuple):
    """How long a caller waits for the end of an instance, and how long between two looks, in seconds."""

    timeout: float
    interval: float


_LONGEST_WAIT = 230.0
"""Seconds after which what is in front of a function app gives up."""
_SHORTEST_INTERVAL = 0.01


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

    def shown(self, name: str, default: bool) -> bool:
        """A truth value that decides what is shown; one that cannot be read is as good as none."""
        return _TRUTH.get(self._readable(name).lower(), default)

    def done(self, name: str, default: bool) -> bool:
        """A truth value that decides what is done.

        :raises RefusedError: it is neither true nor false.
        """
        text = self.text(name)
        if text is None:
            return default
        if text.strip().lower() not in _TRUTH:
            raise RefusedError(400, f"Parameter {name!r} is {text[:80]!r}; accepted is true or false.")
        return _TRUTH[text.strip().lower()]

    def page_size(self, name: str, default: int, most: int) -> int:
        """How much is to be on a page: never more than `most`; what cannot be read is as good as nothing.

        :raises RefusedError: it is a number less than 1.
        """
        text = self._readable(name)
        if not re.fullmatch(r"[+-]?\d{1,18}", text, re.ASCII):
            return default
        if int(text) < 1:
            raise RefusedError(400, f"Parameter {name!r} is {text!r}; accepted is a whole number of at least 1.")
        return min(int(text), most)

    def seconds(self, name: str) -> float | None:
        """A number of seconds; None if it is absent or cannot be read."""
        text = self._readable(name)
        number = re.fullmatch(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", text, re.ASCII)
        return None if number is None else float(text)

    def patience(self) -> OutcomeWait | None:
        """How long to wait for the end of what is begun; None unless both parameters say so.

        :raises RefusedError: the pauses are longer than all of it.
        """
        timeout, interval = self.seconds("timeout"), self.seconds("pollingInterval")
        if timeout is None or interval is None:
            return None
        if not 0 <= interval <= timeout:
            raise RefusedError(
                400, f"Parameter 'pollingInterval' is {interval:g}; accepted is 0 to 'timeout', which is {timeout:g}."
            )
        return OutcomeWait(min(timeout, _LONGEST_WAIT), max(interval, _SHORTEST_INTERVAL))

    def _readable(self, name: str) -> str:
        """The value of a parameter whose misreading does no harm: empty if it is absent or given twice."""
        values = self.values.get(name.lower(), [])
        return values[0].strip() if len(values) == 1 else ""

    def time(self, name: str) -> datetime | None:
        """A moment in ISO 8601, or as people in the USA and mail programs write it; without an offset it is UTC.

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


_TRUTH = {"true": True, "false": False}
# As .NET reads them where no culture is set: the month comes first.
_DATES = ("%m/%d/%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d %Y", "%B %d %Y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
# A `+` that a caller forgot to encode arrives as a space.
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(?:\.(\d{1,9}))?)?(?:(Z)|([ +-])(\d\d):?(\d\d))?",
    re.ASCII | re.IGNORECASE,
)


def parse_time(text: str) -> datetime | None:
    """A moment in UTC from ISO 8601 or another usual form, or None if the text is none.

    Digits past microseconds are cut off.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return _parse_unusual(" ".join(text.split()))
    date, minutes, seconds, fraction, _, sign, hours, rest = match.groups()
    offset = "+00:00" if sign is None else f"{'-' if sign == '-' else '+'}{hours}:{rest}"
    clock = f"{minutes or '00:00'}{seconds or ':00'}.{(fraction or '').ljust(6, '0')[:6]}"
    try:
        return datetime.fromisoformat(f"{date}T{clock}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _parse_unusual(text: str) -> datetime | None:
    if not text.isascii() or len(text) > 64:
        return None
    for form in (f"{date}{clock}" for date in _DATES for clock in _CLOCKS):
        with suppress(ValueError):
            return datetime.strptime(text, form).replace(tzinfo=UTC)
    with suppress(TypeError, ValueError, OverflowError):
        return utc(parsedate_to_datetime(text))
    return None
