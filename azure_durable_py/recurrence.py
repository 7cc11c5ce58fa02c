"""When something recurs: NCRONTAB expressions and intervals, in time zones.

Owns reading them and finding the next occurrence, for timer triggers and for schedules. NCRONTAB differs from cron:
seconds come first (they may be left out), and day of month *and* day of week must both match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
# Name, least and greatest value of each field, seconds first.
_FIELDS = (("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
_NAMES = {
    **{name: number for number, name in enumerate(_MONTHS, 1)},
    **{name: number for number, name in enumerate(_DAYS)},
}
# The Gregorian calendar repeats its weekdays within 28 years (a skipped leap year apart).
_HORIZON = timedelta(days=41 * 366)
_ANY_MOMENT = datetime(2000, 1, 1, tzinfo=timezone.utc)
_HOURS = 24
_SECOND = timedelta(seconds=1)
_NOTHING = timedelta(0)


class Recurrence(Protocol):
    """Tells when something occurs next."""

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after a moment; both in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so often.

    :param anchor: a moment (UTC) from which intervals are counted; None: from the moment that is asked about.
    """

    every: timedelta
    anchor: datetime | None = None

    def next_after(self, moment: datetime) -> datetime:
        """The first whole number of intervals after the anchor that is after `moment`."""
        if self.anchor is None:
            return moment + self.every
        return self.anchor + self.every * ((moment - self.anchor) // self.every + 1)


@dataclass(frozen=True, slots=True)
class NCrontab:
    """An NCRONTAB expression in a time zone."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    zone: tzinfo = timezone.utc

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after `moment`, in UTC.

        A local time that a change of clocks skips occurs as much later. One that it repeats occurs the first time
        only, unless the expression leaves the hour open (`*`): then every hour that passes counts.

        :raises ValueError: it never occurs.
        """
        wall = moment.astimezone(self.zone)
        again = self._again_after(wall, moment) if len(self.hours) == _HOURS else None
        local = wall.replace(tzinfo=None, microsecond=0)
        while True:
            local = self._next_local(local + _SECOND)
            found = local.replace(tzinfo=self.zone).astimezone(timezone.utc)
            if found > moment:
                return found if again is None else min(found, again)

    def _again_after(self, wall: datetime, moment: datetime) -> datetime | None:
        """The first occurrence after `moment` at a local time that is repeated, the second time that comes."""
        back = self._set_back(wall)
        if not back:
            return None
        local = wall.replace(tzinfo=None, microsecond=0, fold=0)
        for at in self._locals_after(local - back):
            if self._set_back(at):
                found = at.replace(tzinfo=self.zone, fold=1).astimezone(timezone.utc)
                if found > moment:
                    return found
            elif at > local:
                return None
        return None

    def _set_back(self, local: datetime) -> timedelta:
        """By how much clocks are set back, if this local time comes twice; else nothing."""
        first, second = (local.replace(tzinfo=self.zone, fold=fold).utcoffset() for fold in (0, 1))
        return max((first or _NOTHING) - (second or _NOTHING), _NOTHING)

    def _locals_after(self, at: datetime) -> Iterator[datetime]:
        while True:
            at = self._next_local(at + _SECOND)
            yield at

    def _next_local(self, at: datetime) -> datetime:
        end = at + _HORIZON
        while at < end:
            if at.month not in self.months:
                at = _midnight(at.replace(day=1) + timedelta(days=32)).replace(day=1)
            elif at.day not in self.days or at.isoweekday() % 7 not in self.weekdays:
                at = _midnight(at + timedelta(days=1))
            elif at.hour not in self.hours:
                at = at.replace(minute=0, second=0) + timedelta(hours=1)
            elif at.minute not in self.minutes:
                at = at.replace(second=0) + timedelta(minutes=1)
            elif at.second not in self.seconds:
                at += timedelta(seconds=1)
            else:
                return at
        raise ValueError("it never occurs")


def parse_ncrontab(text: str, zone: tzinfo = timezone.utc) -> NCrontab:
    """Read an NCRONTAB expression.

    :param text: six fields (or five, without seconds): `{second} {minute} {hour} {day} {month} {day-of-week}`.
    :param zone: whose local time it speaks of.
    :raises ValueError: it is none, or one that never occurs.
    """
    fields = text.split()
    if len(fields) == len(_FIELDS) - 1:
        fields.insert(0, "0")
    if len(fields) != len(_FIELDS):
        raise ValueError(f"it has {len(fields)} field(s), not six or five")
    values = [_values(field, *known) for field, known in zip(fields, _FIELDS, strict=True)]
    found = NCrontab(*values, zone=zone)
    found.next_after(_ANY_MOMENT)
    return found


def time_zone(name: str) -> tzinfo:
    """The time zone of an IANA name, such as `Europe/Oslo`.

    :raises ValueError: this machine knows none of that name.
    """
    if name.upper() == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(
            f"{name!r} is no time zone that is known here; accepted is an IANA name, such as 'Europe/Oslo'. "
            "Windows and some containers have no time zones of their own: install the package tzdata there."
        ) from error


def _values(text: str, name: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for item in text.split(","):
        match = re.fullmatch(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/(\d+))?", item, re.ASCII)
        if match is None:
            raise ValueError(f"{item!r} cannot be read as a {name}")
        step = int(match[4] or 1)
        if step < 1:
            raise ValueError(f"{item!r} steps by zero")
        first = low if match[1] else _number(match[2], name, low, high)
        last = _number(match[3], name, low, high) if match[3] else high if match[1] or match[4] else first
        if last < first:
            raise ValueError(f"{item!r} ends before it begins")
        found.update(range(first, last + 1, step))
    return frozenset(found)


def _number(text: str, name: str, low: int, high: int) -> int:
    names = {"month": _MONTHS, "weekday": _DAYS}.get(name, ())
    number = _NAMES[text.upper()] if text.upper() in names else int(text) if text.isdecimal() else -1
    if not low <= number <= high:
        raise ValueError(f"{text!r} is no {name} (from {low} to {high})")
    return number


def _midnight(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0)
