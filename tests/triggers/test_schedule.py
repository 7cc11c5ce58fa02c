"""NCRONTAB expressions and intervals: when they occur next, and what is refused."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from azure_durable_py.errors import RegistrationError, SettingsError
from azure_durable_py.triggers.schedule import is_monitored, parse_schedule

UTC = timezone.utc


def next_after(text: str, moment: str, zone: str = "") -> str:
    schedule = parse_schedule(text, "f", {"WEBSITE_TIME_ZONE": zone})
    return schedule.next_after(datetime.fromisoformat(moment).replace(tzinfo=UTC)).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("0 */5 * * * *", "2024-05-01 10:02:03", "2024-05-01 10:05:00"),
        ("*/5 * * * *", "2024-05-01 10:05:00", "2024-05-01 10:10:00"),
        ("* * * * * *", "2024-05-01 10:05:00.900", "2024-05-01 10:05:01"),
        ("0 0 * * * *", "2024-12-31 23:00:00", "2025-01-01 00:00:00"),
        ("0 30 9 * * 1-5", "2024-05-03 10:00:00", "2024-05-06 09:30:00"),
        ("0 30 9 * Jan Mon", "2024-05-03 10:00:00", "2025-01-06 09:30:00"),
        ("0 0 0 13 * FRI", "2024-05-01 00:00:00", "2024-09-13 00:00:00"),
        ("0 0 0 29 2 *", "2024-03-01 00:00:00", "2028-02-29 00:00:00"),
        ("0 5/20 * * * *", "2024-05-01 10:26:00", "2024-05-01 10:45:00"),
        ("10,20 0 8-10/2 * * *", "2024-05-01 08:00:15", "2024-05-01 08:00:20"),
        ("0 0 0 31 * *", "2024-01-31 00:00:00", "2024-03-31 00:00:00"),
        ("00:10:00", "2024-05-01 10:02:03", "2024-05-01 10:12:03"),
        ("1.00:00:00", "2024-05-01 10:02:03", "2024-05-02 10:02:03"),
    ],
)
def test_the_next_occurrence_is_found(text: str, moment: str, expected: str) -> None:
    assert next_after(text, moment) == expected


def test_expressions_are_read_in_the_configured_time_zone() -> None:
    assert next_after("0 0 9 * * *", "2024-07-01 00:00:00", "Europe/Oslo") == "2024-07-01 07:00:00"
    assert next_after("0 0 9 * * *", "2024-12-01 00:00:00", "Europe/Oslo") == "2024-12-01 08:00:00"


def test_a_change_of_clocks_neither_skips_nor_repeats() -> None:
    # 02:30 does not exist on 2024-03-31 in Oslo, and comes twice on 2024-10-27.
    assert next_after("0 30 2 * * *", "2024-03-31 00:00:00", "Europe/Oslo") == "2024-03-31 01:30:00"
    assert next_after("0 30 2 * * *", "2024-10-26 23:00:00", "Europe/Oslo") == "2024-10-27 00:30:00"
    assert next_after("0 30 2 * * *", "2024-10-27 00:30:00", "Europe/Oslo") == "2024-10-28 01:30:00"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 field"),
        ("* * *", "3 field"),
        ("60 * * * * *", "'60' is no second"),
        ("0 0 0 0 * *", "'0' is no day"),
        ("0 0 0 * 13 *", "'13' is no month"),
        ("0 0 0 * * 7", "'7' is no weekday"),
        ("0 0 MON * * *", "'MON' is no hour"),
        ("0 0 0 * MON *", "'MON' is no month"),
        ("0 ? * * * *", "cannot be read as a minute"),
        ("0 */0 * * * *", "steps by zero"),
        ("0 10-5 * * * *", "ends before it begins"),
        ("0 0 0 30 2 *", "never occurs"),
        ("00:00:00", "at least one second"),
        ("@daily", "1 field"),
    ],
)
def test_what_is_no_schedule_is_refused(text: str, problem: str) -> None:
    with pytest.raises(RegistrationError, match=f"of my function cannot be used: .*{problem}"):
        parse_schedule(text, "my function", {})


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(SettingsError, match="WEBSITE_TIME_ZONE: 'Mars/Base' is no time zone"):
        parse_schedule("0 0 0 * * *", "f", {"WEBSITE_TIME_ZONE": "Mars/Base"})


@pytest.mark.parametrize(
    ("text", "monitored"),
    [("0 */5 * * * *", True), ("*/5 * * * * *", False), ("00:01:00", True), ("00:00:59", False)],
)
def test_what_recurs_in_a_minute_or_more_is_made_up_for(text: str, monitored: bool) -> None:
    assert is_monitored(parse_schedule(text, "f", {})) is monitored
