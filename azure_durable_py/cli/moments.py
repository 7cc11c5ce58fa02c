"""Times and durations on the command line: how they are given, and how moments are shown.

A time is given as ISO 8601 (without a zone: UTC), or as how long ago it was: `2h`, `30m`, `7d`. To people it is shown
in their zone and relative to now, to programs in UTC.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from azure_durable_py.times import UTC, from_iso, utc
from azure_durable_py.wording import duration

_UNITS = {"s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SPAN = re.compile(r"(?:\d+(?:\.\d+)?\s*(?:s|sec|m|min|h|d|w)\s*)+", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.ASCII)


def parse_span(text: str) -> timedelta | None:
    """How long `90s`, `2h` or `1d 12h` is; None if the text is no such thing."""
    if _SPAN.fullmatch(text.strip()) is None:
        return None
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
    except OverflowError:
        return None


def parse_moment(text: str, now: datetime) -> datetime | None:
    """The moment in UTC that `2026-01-31T08:30:00Z`, `2h`, `2h ago` or `in 2h` names; None if it names none."""
    words = text.strip().lower()
    ahead = words.startswith(("in ", "+"))
    span = parse_span(words.removeprefix("in ").removeprefix("+").removesuffix("ago"))
    try:
        if span is not None:
            return now + span if ahead else now - span
        return utc(from_iso(text.strip()))
    except (ValueError, OverflowError):
        return None


if TYPE_CHECKING:
    _MomentParam, _SpanParam = click.ParamType[datetime], click.ParamType[float]
else:  # Before click 8.2 it is not generic.
    _MomentParam = _SpanParam = click.ParamType


class MomentType(_MomentParam):
    """A moment, as an option takes it."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment that a text names."""
        found = value if isinstance(value, datetime) else parse_moment(str(value), datetime.now(UTC))
        if found is None:
            wanted = "2026-01-31, 2026-01-31T08:30:00Z (without a zone: UTC), or how long ago: 30m, 2h, 7d"
            self.fail(f"{value!r} is no time such as {wanted}.", param, ctx)
        return found


class SpanType(_SpanParam):
    """A duration in seconds, as an option takes it."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds of `90`, `90s` or `5m`."""
        text = str(value).strip()
        plain = re.fullmatch(r"\d+(?:\.\d+)?", text, re.ASCII)
        span = timedelta(seconds=float(text)) if plain and len(text) < 12 else parse_span(text)
        if span is None:
            self.fail(f"{value!r} is no duration such as 90, 90s, 5m or 1h.", param, ctx)
        return span.total_seconds()


MOMENT = MomentType()
SPAN = SpanType()


def shown_exactly(moment: datetime) -> str:
    """A moment in UTC, as programs read it: `2026-01-31T08:30:00Z`, with microseconds where there are any."""
    text = utc(moment).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.removesuffix(".000000") + "Z"


def shown_locally(moment: datetime, *, in_utc: bool) -> str:
    """A moment as a person reads it, in the zone of this machine or in UTC."""
    local = utc(moment) if in_utc else utc(moment).astimezone()
    return local.strftime("%Y-%m-%d %H:%M:%S") + ("Z" if in_utc else "")


def shown_relatively(moment: datetime, now: datetime) -> str:
    """How long ago a moment was, or in how long it comes: `3 min ago`, `in 2 h`."""
    away = (now - utc(moment)).total_seconds()
    if abs(away) < 1:
        return "now"
    return f"{duration(away, rough=True)} ago" if away > 0 else f"in {duration(-away, rough=True)}"
