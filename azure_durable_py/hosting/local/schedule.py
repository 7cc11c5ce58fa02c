"""When timer functions run: NCRONTAB expressions and plain intervals.

Owns parsing and the next occurrence. NCRONTAB differs from cron: seconds come first (they may
be left out), and day of month *and* day of week must both match.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from azure_durable_py.errors import RegistrationError, SettingsError
from azure_durable_py.settings import parse_duration

_TIME_ZONE = "WEBSITE_TIME_ZONE"
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


class Schedule(Protocol):
    """Tells when to run next."""

    @property
    def is_monitored(self) -> bool:
        """Whether missed occurrences are made up for unless the function says otherwise."""
        ...

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after a moment; both in UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Interval:
    """Every so often."""

    every: timedelta

    @property
    def is_monitored(self) -> bool:
        """Whether the interval is a minute or longer."""
        return self.every >= timedelta(minutes=1)

    def next_after(self, moment: datetime) -> datetime:
        """`moment` plus the interval."""
        return moment + self.every


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

    @property
    def is_monitored(self) -> bool:
        """Whether it occurs at most once a minute."""
        return len(self.seconds) == 1

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence after `moment`, in UTC.

        A local time that a change of clocks skips occurs as much later; one that it repeats
        occurs the first time only.
        """
        local = moment.astimezone(self.zone).replace(tzinfo=None, microsecond=0)
        while True:
            local = self._next_local(local + timedelta(seconds=1))
            found = local.replace(tzinfo=self.zone).astimezone(timezone.utc)
            if found > moment:
                return found

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


def parse_schedule(text: str, owner: str, app_settings: Mapping[str, str]) -> Schedule:
    """The schedule that a timer trigger names.

    :param text: six fields (or five, without seconds), or an interval `HH:MM:SS`.
    :param owner: names the function in messages.
    :param app_settings: `WEBSITE_TIME_ZONE` names the time zone (an IANA name); default UTC.
    :raises RegistrationError: the text is no schedule, or one that never occurs.
    :raises SettingsError: there is no such time zone.
    """
    try:
        seconds = parse_duration(text)
        if seconds is not None:
            if seconds < 1:
                raise ValueError("an interval is at least one second")
            return Interval(timedelta(seconds=seconds))
        schedule = _ncrontab(text, _zone(app_settings))
        schedule.next_after(datetime.now(timezone.utc))
        return schedule
    except ValueError as error:
        raise RegistrationError(
            f"The schedule {text!r} of {owner} cannot be used: {error}. Accepted is "
            '"{second} {minute} {hour} {day} {month} {day-of-week}" (e.g. "0 */5 * * * *") or an interval "HH:MM:SS".'
        ) from error


def _ncrontab(text: str, zone: tzinfo) -> NCrontab:
    fields = text.split()
    if len(fields) == len(_FIELDS) - 1:
        fields.insert(0, "0")
    if len(fields) != len(_FIELDS):
        raise ValueError(f"it has {len(fields)} field(s), not six or five")
    values = [_values(field, *known) for field, known in zip(fields, _FIELDS, strict=True)]
    return NCrontab(*values, zone=zone)


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


def _zone(app_settings: Mapping[str, str]) -> tzinfo:
    name = app_settings.get(_TIME_ZONE, "")
    try:
        return ZoneInfo(name) if name else timezone.utc
    except (OSError, ValueError, LookupError) as error:
        raise SettingsError(
            f"App setting {_TIME_ZONE} is {name!r}; accepted is the IANA name of a time zone, such as 'Europe/Oslo'."
        ) from error
