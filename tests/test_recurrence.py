"""What recurs does so at its local times, through every change of clocks, and no moment is met twice."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from azure_durable_py.recurrence import Interval, Recurrence, parse_ncrontab, time_zone

UTC = timezone.utc
ZONES = ("UTC", "Europe/Oslo", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo")


def occurrences(recurrence: Recurrence, begin: datetime, end: datetime) -> Iterator[datetime]:
    at = recurrence.next_after(begin)
    while at <= end:
        yield at
        at = recurrence.next_after(at)


def minutes(begin: datetime, end: datetime) -> Iterator[datetime]:
    while begin < end:
        begin += timedelta(minutes=1)
        yield begin


def clock(moments: Iterator[datetime], zone: str) -> list[str]:
    return [moment.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %Z") for moment in moments]


@pytest.mark.parametrize("zone", [zone for zone in ZONES if zone != "Australia/Lord_Howe"])
@pytest.mark.parametrize(("text", "every"), [("*/15 * * * *", 15), ("0 10 * * * *", 60), ("* * * * *", 1)])
def test_an_open_hour_means_every_hour_that_passes(text: str, every: int, zone: str) -> None:
    first = {15: 0, 60: 10, 1: 0}[every]
    for month, day in ((3, 10), (3, 31), (4, 7), (10, 6), (10, 27), (11, 3)):
        begin = datetime(2024, month, day, tzinfo=UTC) - timedelta(hours=14)
        end = begin + timedelta(hours=40)
        local = ZoneInfo(zone)
        wanted = [at for at in minutes(begin, end) if (at.astimezone(local).minute - first) % every == 0]
        assert list(occurrences(parse_ncrontab(text, time_zone(zone)), begin, end)) == wanted


def test_where_clocks_change_by_half_an_hour_the_half_hour_is_met_twice_and_skipped() -> None:
    half_hourly = parse_ncrontab("*/30 * * * *", time_zone("Australia/Lord_Howe"))
    autumn = occurrences(half_hourly, datetime(2024, 4, 6, 14, tzinfo=UTC), datetime(2024, 4, 6, 15, 30, tzinfo=UTC))
    assert clock(autumn, "Australia/Lord_Howe") == ["07 01:30 +11", "07 01:30 +1030", "07 02:00 +1030"]
    spring = occurrences(half_hourly, datetime(2024, 10, 5, 14, tzinfo=UTC), datetime(2024, 10, 5, 16, tzinfo=UTC))
    assert clock(spring, "Australia/Lord_Howe") == ["06 01:00 +1030", "06 01:30 +1030", "06 02:30 +11", "06 03:00 +11"]


def test_a_named_hour_that_is_repeated_counts_the_first_time() -> None:
    daily = parse_ncrontab("0 30 2 * * *", time_zone("Europe/Oslo"))
    found = occurrences(daily, datetime(2024, 10, 26, tzinfo=UTC), datetime(2024, 10, 29, tzinfo=UTC))
    assert clock(found, "Europe/Oslo") == ["26 02:30 CEST", "27 02:30 CEST", "28 02:30 CET"]


def test_a_named_hour_that_is_skipped_counts_as_much_later() -> None:
    daily = parse_ncrontab("0 30 2 * * *", time_zone("Europe/Oslo"))
    found = occurrences(daily, datetime(2024, 3, 30, tzinfo=UTC), datetime(2024, 4, 2, tzinfo=UTC))
    assert clock(found, "Europe/Oslo") == ["30 02:30 CET", "31 03:30 CEST", "01 02:30 CEST"]


@pytest.mark.parametrize("seed", range(20))
def test_what_is_found_is_after_what_was_asked_about_and_nothing_lies_between(seed: int) -> None:
    dice = random.Random(seed)
    zone = dice.choice(ZONES)
    hour = dice.choice(["*", "*/3", "1-3", "2"])
    recurrence = parse_ncrontab(f"{dice.choice(['*/10', '30', '0,45'])} {hour} * * *", time_zone(zone))
    begin = datetime(2024, dice.randint(1, 12), dice.randint(1, 28), dice.randint(0, 23), tzinfo=UTC)
    every = list(occurrences(recurrence, begin, begin + timedelta(days=40)))
    assert every == sorted(set(every))
    for at in dice.sample(every, 10):
        before = at - timedelta(seconds=dice.randint(1, 500))
        assert recurrence.next_after(before) == next(found for found in every if found > before)


def test_an_interval_is_counted_from_its_anchor() -> None:
    anchor = datetime(2024, 1, 1, 0, 0, 30, tzinfo=UTC)
    interval = Interval(timedelta(minutes=10), anchor)
    assert interval.next_after(anchor - timedelta(seconds=1)) == anchor
    assert interval.next_after(anchor) == anchor + timedelta(minutes=10)
    assert interval.next_after(anchor + timedelta(minutes=25)) == anchor + timedelta(minutes=30)


def test_an_unknown_time_zone_is_refused_by_name_with_the_mend() -> None:
    with pytest.raises(ValueError, match=r"'Europe/Osslo' is no time zone .* install the package tzdata"):
        time_zone("Europe/Osslo")
    for bad in ("", "../etc/passwd", "/etc/localtime", "a\0b"):
        with pytest.raises(ValueError, match="no time zone"):
            time_zone(bad)
