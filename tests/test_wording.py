"""What people read, wherever it is: lengths of time, failures, places in code."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from azure_durable_py import wording
from azure_durable_py.failures import FailureDetails


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (-1, "0 ms"),
        (0.0084, "8 ms"),
        (1.234, "1.23 s"),
        (59.5, "59.5 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3 * 3600 + 12 * 60 + 7, "3 h 12 min"),
        (86_400, "1 d"),
        (30 * 86_400, "30 d"),
        (86_400 + 3600, "1 d 1 h"),
        (3605, "1 h"),
        (timedelta(minutes=10), "10 min"),
    ],
)
def test_a_duration_is_said_by_its_two_largest_units(length: Any, said: str):
    assert wording.duration(length) == said


@pytest.mark.parametrize(("seconds", "said"), [(0.25, "0 s"), (59.9996, "59 s"), (185, "3 min"), (187_200, "2 d")])
def test_a_rough_duration_has_one_unit(seconds: float, said: str):
    assert wording.duration(seconds, rough=True) == said


def test_a_failure_of_a_library_is_placed_where_the_app_called_it():
    with pytest.raises(ValueError) as raised:
        json.loads("{")
    details = FailureDetails.from_exception(raised.value)
    assert "json/decoder" in (details.stack_trace or "").replace("\\", "/")
    assert (wording.place(details) or "").endswith("in test_a_failure_of_a_library_is_placed_where_the_app_called_it")


def test_a_failure_without_code_of_the_app_has_no_place():
    assert wording.place(FailureDetails("m", "ValueError")) is None
    assert wording.failure(FailureDetails("", "my.Error")) == "Error"


def test_a_long_message_is_cut_and_stays_a_line():
    said = wording.failure(FailureDetails("a\nb\r\n" + "x" * 5000, "ValueError"))
    assert "\n" not in said
    assert len(said) < 600
    assert said.startswith("ValueError: a b xxx")
