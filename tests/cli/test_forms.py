"""How values are given and shown: times, durations, states, JSON."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
import pytest

from azure_durable_py.cli.moments import (
    SPAN,
    parse_moment,
    parse_span,
    shown_exactly,
    shown_locally,
    shown_relatively,
)
from azure_durable_py.cli.output import Output, write_line
from azure_durable_py.cli.values import STATUSES, TAG, json_value

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=timezone.utc)),
        ("2026-01-31T08:30", datetime(2026, 1, 31, 8, 30, tzinfo=timezone.utc)),
        ("2026-01-31T08:30:00Z", datetime(2026, 1, 31, 8, 30, tzinfo=timezone.utc)),
        ("2026-01-31T08:30:00.5+02:00", datetime(2026, 1, 31, 6, 30, 0, 500_000, tzinfo=timezone.utc)),
        ("2h", NOW - timedelta(hours=2)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("1d 12h", NOW - timedelta(hours=36)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("in 2h", NOW + timedelta(hours=2)),
        ("+30m", NOW + timedelta(minutes=30)),
        ("soon", None),
        ("", None),
        ("2", None),
        ("-2h", None),
        ("2026-13-01", None),
        ("9999999999999w", None),
        ("999999w", None),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str, expected: datetime | None) -> None:
    assert parse_moment(text, NOW) == expected


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("5m", 300), ("1h 1m", 3660)])
def test_a_duration_is_seconds_or_has_units(text: str, seconds: float) -> None:
    assert SPAN.convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "x", "-1", "5 apples", "9" * 400 + "w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no duration"):
        SPAN.convert(text, None, None)
    assert parse_span(text) is None


def test_a_moment_is_shown_as_its_reader_wants_it() -> None:
    moment = datetime(2026, 1, 31, 10, 0, 0, 5, tzinfo=timezone.utc)
    assert shown_exactly(moment) == "2026-01-31T10:00:00.000005Z"
    assert shown_exactly(NOW) == "2026-01-31T12:00:00Z"
    assert shown_locally(moment, in_utc=True) == "2026-01-31 10:00:00Z"
    assert shown_relatively(moment, NOW) == "2 h ago"
    assert shown_relatively(NOW + timedelta(days=3), NOW) == "in 3 d"
    assert shown_relatively(NOW, NOW) == "now"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Failed", ("Failed",)), ("failed, RUNNING", ("Failed", "Running")), ("a failed", None), ("", None)],
)
def test_states_are_given_in_any_case_with_commas_or_spaces(text: str, expected: tuple[str, ...] | None) -> None:
    if expected is None:
        with pytest.raises(click.BadParameter, match="is not a runtime status"):
            STATUSES.convert(text, None, None)
    else:
        assert STATUSES.convert(text, None, None) == expected


def test_the_value_of_a_tag_may_hold_anything() -> None:
    assert TAG.convert("a=b=c", None, None) == ("a", "b=c")
    with pytest.raises(click.BadParameter, match="is no tag"):
        TAG.convert("=b", None, None)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("17", 17),
        ("null", None),
        ('"17"', "17"),
        ("plain text", "plain text"),
        ("NaN", "NaN"),
        ("", ""),
    ],
)
def test_what_is_no_json_is_a_text(text: str, value: object) -> None:
    assert json_value(text, "--input") == value


@pytest.mark.parametrize("text", ['{"a": ', "[1, 2", '"open', "[NaN]"])
def test_what_was_meant_to_be_json_and_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.UsageError, match="--input is not JSON"):
        json_value(text, "--input")


def test_a_file_holds_json(tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('\ufeff{"name": "Zoë"}', encoding="utf-8")
    assert json_value(f"@{file}", "--input") == {"name": "Zoë"}
    file.write_text("plain text", encoding="utf-8")
    with pytest.raises(click.UsageError, match="is not JSON"):
        json_value(f"@{file}", "--input")
    file.write_bytes(b"\xff")
    with pytest.raises(click.UsageError, match="is not JSON"):
        json_value(f"@{file}", "--input")


def test_a_stream_that_cannot_hold_a_character_gets_an_escape() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    write_line(stream, "Zoë")
    assert raw.getvalue() == b"Zo\\xeb\n"


def test_a_row_has_one_field_for_each_value(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("A", "B"), [("x\ty", "1\n2"), (None, timedelta(seconds=1.5))])
    assert capsys.readouterr().out == "A\tB\nx\\ty\t1\\n2\n-\t1.500\n"
