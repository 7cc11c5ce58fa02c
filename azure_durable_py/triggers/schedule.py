"""When timer functions run: the schedules of their triggers.

Owns what a timer trigger accepts as its schedule; what recurs when is the business of `recurrence`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta, timezone, tzinfo

from azure_durable_py.errors import RegistrationError, SettingsError
from azure_durable_py.recurrence import Interval, NCrontab, Recurrence, parse_ncrontab, time_zone
from azure_durable_py.settings import parse_duration

_TIME_ZONE = "WEBSITE_TIME_ZONE"


def parse_schedule(text: str, owner: str, app_settings: Mapping[str, str]) -> Recurrence:
    """The schedule that a timer trigger names.

    :param text: six fields (or five, without seconds), or an interval `HH:MM:SS`.
    :param owner: names the function in messages.
    :param app_settings: `WEBSITE_TIME_ZONE` names the time zone (an IANA name); default UTC.
    :raises RegistrationError: the text is no schedule, or one that never occurs.
    :raises SettingsError: there is no such time zone.
    """
    zone = _zone(app_settings)
    try:
        seconds = parse_duration(text)
        if seconds is None:
            return parse_ncrontab(text, zone)
        if seconds < 1:
            raise ValueError("an interval is at least one second")
        return Interval(timedelta(seconds=seconds))
    except ValueError as error:
        raise RegistrationError(
            f"The schedule {text!r} of {owner} cannot be used: {error}. Accepted is "
            '"{second} {minute} {hour} {day} {month} {day-of-week}" (e.g. "0 */5 * * * *") or an interval "HH:MM:SS".'
        ) from error


def is_monitored(recurrence: Recurrence) -> bool:
    """Whether missed occurrences are made up for unless the function says otherwise: those a minute or more apart."""
    if isinstance(recurrence, NCrontab):
        return len(recurrence.seconds) == 1
    return isinstance(recurrence, Interval) and recurrence.every >= timedelta(minutes=1)


def _zone(app_settings: Mapping[str, str]) -> tzinfo:
    name = app_settings.get(_TIME_ZONE, "")
    try:
        return time_zone(name) if name else timezone.utc
    except ValueError as error:
        raise SettingsError(f"App setting {_TIME_ZONE}: {error}") from error
