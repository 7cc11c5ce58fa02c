"""What the entity of a schedule starts, whatever it is told, when, and how often."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.schedules.definition import ScheduleDefinition
from azure_durable_py.schedules.entity import ENDED, WAKE
from azure_durable_py.schedules.occurrences import MOST_CAUGHT_UP, due
from tests.schedules.playing import BEGIN, MINUTE, PlayedSchedule

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


# --- occurrences -----------------------------------------------------------------------------------------


def test_every_occurrence_is_started_once_under_its_own_id():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow", input_json='{"a":1}')
    played.pass_until(BEGIN + 3 * MINUTE)
    assert played.runs == ["s-20260101T000100Z", "s-20260101T000200Z", "s-20260101T000300Z"]
    assert set(played.inputs.values()) == {'{"a":1}'}
    assert played.state["runs"] == 3


def test_a_watched_run_has_the_same_id_and_input():
    played = PlayedSchedule()
    played.create(cron="0 3 * * *", time_zone="Europe/Oslo", input_json='"x"')
    played.pass_until(BEGIN + timedelta(days=1))
    assert played.inputs == {"s-20260101T020000Z": '"x"'}


def test_an_occurrence_at_start_at_counts_and_so_does_one_at_end_at():
    played = PlayedSchedule()
    played.create(every=HOUR, overlap="allow", start_at=BEGIN + HOUR, end_at=BEGIN + 3 * HOUR)
    played.pass_until(BEGIN + 10 * HOUR)
    assert played.times() == ["20260101T010000Z", "20260101T020000Z", "20260101T030000Z"]
    assert "next_run_at" not in played.state
    assert played.wakes == []


def test_what_lies_before_its_creation_is_not_missed():
    played = PlayedSchedule()
    played.create(every=HOUR, overlap="allow", start_at=BEGIN - timedelta(days=400, minutes=20))
    played.pass_until(BEGIN + HOUR)
    assert played.times() == ["20260101T004000Z"]
    assert played.state["missed"] == 0


def test_it_can_begin_with_a_run():
    played = PlayedSchedule()
    played.create(every=HOUR, overlap="allow", start_immediately=True)
    played.pass_until(BEGIN + HOUR)
    assert played.times() == ["20260101T000000Z", "20260101T010000Z"]


def test_an_id_without_time_is_that_of_every_run():
    played = PlayedSchedule()
    played.create(every=HOUR, instance_id="the-one")
    played.pass_until(BEGIN + HOUR)
    assert played.runs == ["the-one"]


# --- signals ---------------------------------------------------------------------------------------------


def test_a_signal_that_comes_again_starts_nothing():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow")
    played.pass_until(BEGIN + MINUTE)
    for _ in range(3):
        played.ask(WAKE)
    assert len(played.runs) == 1
    assert len(played.wakes) == 1


def test_any_operation_makes_up_for_a_signal_that_was_lost():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow")
    played.wakes.clear()
    played.now += MINUTE
    played.ask("get")
    assert played.times() == ["20260101T000100Z"]
    assert played.wakes == [BEGIN + 2 * MINUTE]


def test_many_changes_leave_few_signals_under_way():
    played = PlayedSchedule()
    played.create(every=timedelta(days=30))
    for number in range(50):
        played.ask("pause", f"for the {number}th time")
        played.ask("resume")
        played.ask("update", {"input_json": str(number)})
    assert len(played.wakes) == 1


def test_a_signal_of_an_older_definition_starts_nothing():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow")
    played.ask("update", {"every": 3600})
    played.pass_until(BEGIN + 59 * MINUTE)
    assert played.runs == []
    played.pass_until(BEGIN + HOUR)
    assert played.times() == ["20260101T010000Z"]


def test_an_earlier_occurrence_is_woken_for_at_once():
    played = PlayedSchedule()
    played.create(every=timedelta(days=30), overlap="allow")
    played.ask("update", {"cron": "*/10 * * * *"})
    played.pass_until(BEGIN + 20 * MINUTE)
    assert played.times() == ["20260101T001000Z", "20260101T002000Z"]


def test_signals_that_outlive_their_schedule_make_no_new_one():
    played = PlayedSchedule()
    played.create(every=MINUTE)
    played.pass_until(BEGIN + MINUTE)
    played.ask("delete")
    played.pass_until(BEGIN + HOUR)
    played.end("s-20260101T000100Z")
    assert not played.exists
    assert played.runs == ["s-20260101T000100Z"]


def test_signals_of_a_schedule_that_was_deleted_do_not_hurry_the_next_one():
    played = PlayedSchedule()
    played.create(every=MINUTE)
    played.ask("delete")
    played.create(every=HOUR)
    played.pass_until(BEGIN + HOUR - SECOND)
    assert played.runs == []


def test_a_worker_that_cannot_go_on_hands_what_it_was_told_to_another(monkeypatch: pytest.MonkeyPatch):
    def unknown(self: ScheduleDefinition, anchor: datetime) -> Any:
        raise ValueError("no such time zone here")

    played = PlayedSchedule()
    played.create(cron="* * * * *", time_zone="Europe/Oslo")
    played.pass_until(BEGIN + MINUTE)
    with monkeypatch.context() as patched:
        patched.setattr(ScheduleDefinition, "recurrence", unknown)
        played.pass_until(BEGIN + 3 * MINUTE)
        played.end("s-20260101T000100Z")
    again = played.signals[-1]
    assert (again.operation, again.signal_time) == (ENDED, played.now + MINUTE)
    played.now += MINUTE
    played.ask(ENDED, "BuiltIn::ScheduledRun:s:20260101T000100Z")
    assert played.times()[-1] == "20260101T000400Z"


# --- outages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("catch_up", "late", "runs", "missed"),
    [
        ("latest", 10 * MINUTE, ["001100"], 10),
        ("none", 10 * MINUTE + 30 * SECOND, ["001100"], 10),
        ("all", 3 * MINUTE, ["000100", "000200", "000300", "000400"], 0),
    ],
)
def test_what_came_during_an_outage_is_caught_up_with(catch_up: str, late: timedelta, runs: list[str], missed: int):
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow", catch_up=catch_up)
    played.pass_until(BEGIN + MINUTE + late, late=late)
    assert played.times() == [f"20260101T{time}Z" for time in runs]
    assert played.state["missed"] == missed
    assert played.state["next_run_at"] > played.state["last_run_at"]


def test_none_starts_nothing_that_is_more_than_a_minute_late():
    played = PlayedSchedule()
    played.create(every=HOUR, overlap="allow", catch_up="none")
    played.pass_until(BEGIN + HOUR + 2 * MINUTE, late=2 * MINUTE)
    assert played.runs == []
    assert played.state["missed"] == 1
    played.pass_until(BEGIN + 2 * HOUR)
    assert played.times() == ["20260101T020000Z"]


def test_all_starts_the_latest_hundred_a_few_at_a_time():
    played = PlayedSchedule()
    played.create(every=SECOND, overlap="allow", catch_up="all")
    late = timedelta(seconds=299)
    played.pass_until(BEGIN + SECOND + late, late=late)
    assert len(played.runs) == 20
    while played.wakes and min(played.wakes) <= played.now:
        played.pass_until(played.now)
    assert played.times() == [f"20260101T00{at // 60:02}{at % 60:02}Z" for at in range(201, 301)]
    assert played.state["missed"] == 200


def test_an_outage_of_years_costs_little():
    played = PlayedSchedule()
    played.create(cron="* * * * * *", overlap="allow", catch_up="all")
    played.now += timedelta(days=3650)
    played.ask("get")
    assert played.times()[0] == f"{played.now - 99 * SECOND:%Y%m%dT%H%M%SZ}"
    assert played.state["missed"] == 1000 - MOST_CAUGHT_UP
    assert datetime.fromisoformat(played.state["next_run_at"].replace("Z", "+00:00")) == played.now - 79 * SECOND


@pytest.mark.parametrize("seed", range(10))
def test_the_latest_occurrences_of_many_are_found_as_by_looking_at_each(seed: int):
    dice = random.Random(seed)
    definition = ScheduleDefinition(
        "Job",
        cron=dice.choice(["*/7 * * * * *", "*/5 9-17 * * 1-5", "0 0 1 * *", "30 */2 * * *"]),
        time_zone=dice.choice(["UTC", "Europe/Oslo"]),
    )
    recurrence = definition.recurrence(BEGIN)
    now = BEGIN + timedelta(days=dice.uniform(1, 30))
    every = [recurrence.next_after(BEGIN)]
    while every[-1] <= now:
        every.append(recurrence.next_after(every[-1]))
    every.pop()
    if every:
        found = due(every[0], now, recurrence.next_after)
        assert found.latest == every[-MOST_CAUGHT_UP:]
        assert found.number == min(len(every), 1000)


# --- overlaps --------------------------------------------------------------------------------------------


def test_skip_leaves_out_what_finds_a_run_under_way():
    played = PlayedSchedule()
    played.create(every=MINUTE)
    played.pass_until(BEGIN + 3 * MINUTE)
    assert played.times() == ["20260101T000100Z"]
    assert played.state["skipped"] == 2
    played.end("s-20260101T000100Z")
    played.pass_until(BEGIN + 4 * MINUTE)
    assert played.times() == ["20260101T000100Z", "20260101T000400Z"]


def test_buffer_one_starts_the_first_that_waited_when_the_run_ends():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="buffer_one")
    played.pass_until(BEGIN + 4 * MINUTE)
    played.end("s-20260101T000100Z")
    assert played.times() == ["20260101T000100Z", "20260101T000200Z"]
    assert played.state["skipped"] == 2
    played.end("s-20260101T000200Z")
    assert len(played.runs) == 2


def test_terminate_ends_the_run_and_then_starts_the_newest():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="terminate")
    played.pass_until(BEGIN + 3 * MINUTE)
    assert [look["terminate"] for look in played.looks] == [True, True]
    assert played.looks[0]["runs"][0]["instance_id"] == "s-20260101T000100Z"
    assert len(played.runs) == 1
    played.end("s-20260101T000100Z")
    assert played.times() == ["20260101T000100Z", "20260101T000300Z"]


def test_an_end_that_is_told_twice_counts_once():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="buffer_one")
    played.pass_until(BEGIN + 2 * MINUTE)
    played.end("s-20260101T000100Z")
    played.end("s-20260101T000100Z")
    assert len(played.runs) == 2
    assert [run["instance_id"] for run in played.state["running"]] == ["s-20260101T000200Z"]


def test_whether_a_run_is_still_under_way_is_looked_now_and_then():
    played = PlayedSchedule()
    played.create(every=MINUTE)
    played.pass_until(BEGIN + 10 * MINUTE)
    assert played.looks == []
    played.pass_until(BEGIN + 40 * MINUTE)
    assert [look["terminate"] for look in played.looks] == [False, False, False]
    assert not played.looks[-1]["runs"][0]["surely_started"]
    played.pass_until(BEGIN + 80 * MINUTE)
    assert played.looks[-1]["runs"][0]["surely_started"]


# --- what is asked for -----------------------------------------------------------------------------------


def test_a_pause_starts_nothing_and_its_occurrences_are_not_missed():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow")
    played.pass_until(BEGIN + MINUTE)
    played.ask("pause", "holidays")
    assert played.state["paused_reason"] == "holidays"
    played.pass_until(BEGIN + 10 * MINUTE)
    played.ask("resume")
    played.pass_until(BEGIN + 11 * MINUTE)
    assert played.times() == ["20260101T000100Z", "20260101T001100Z"]
    assert played.state["missed"] == 0


def test_what_is_due_before_a_change_is_started_as_it_was():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow", input_json="1")
    played.now += MINUTE
    played.ask("update", {"input_json": "2"})
    played.now += MINUTE
    played.ask("pause")
    assert list(played.inputs.values()) == ["1", "2"]


def test_a_pause_drops_what_waits_for_the_end_of_a_run():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="buffer_one")
    played.pass_until(BEGIN + 2 * MINUTE)
    played.ask("pause")
    played.end("s-20260101T000100Z")
    assert len(played.runs) == 1
    assert played.state["skipped"] == 1


def test_a_change_of_something_else_leaves_the_next_occurrence():
    played = PlayedSchedule()
    before = played.create(every=HOUR)
    played.now += 30 * MINUTE
    after = played.ask("update", {"input_json": "[]", "overlap": "buffer_one"})
    assert after["next_run_at"] == before["next_run_at"]
    assert played.ask("update", {"every": 7200})["next_run_at"] == "2026-01-01T02:30:00.000000Z"


def test_to_run_now_leaves_the_next_occurrence_and_makes_ids_of_its_own():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow")
    played.pass_until(BEGIN + MINUTE)
    assert played.ask("run_now") == "s-20260101T000100.000001Z"
    assert played.ask("run_now") == "s-20260101T000100.000002Z"
    played.pass_until(BEGIN + 2 * MINUTE)
    assert played.runs[-1] == "s-20260101T000200Z"


def test_to_run_now_keeps_to_the_rule_for_overlaps_unless_it_names_another():
    played = PlayedSchedule()
    played.create(every=MINUTE)
    assert played.ask("run_now") == "s-20260101T000000Z"
    assert played.ask("run_now") is None
    assert played.ask("run_now", "allow") == "s-20260101T000000.000001Z"
    assert len(played.state["running"]) == 2


def test_one_that_is_paused_can_be_run_now():
    played = PlayedSchedule()
    played.create(every=MINUTE, paused=True)
    assert played.ask("run_now") is not None
    played.pass_until(BEGIN + HOUR)
    assert len(played.runs) == 1


def test_to_replace_keeps_counts_and_the_next_occurrence():
    played = PlayedSchedule()
    played.create(every=MINUTE, overlap="allow")
    played.pass_until(BEGIN + MINUTE + 30 * SECOND)
    again = played.create(every=MINUTE, overlap="allow", input_json="7", replace=True, start_immediately=True)
    assert (again["runs"], again["next_run_at"]) == (1, "2026-01-01T00:02:00.000000Z")
    played.pass_until(BEGIN + 2 * MINUTE)
    assert list(played.inputs.values()) == [None, "7"]


@pytest.mark.parametrize("rollback", [True, False], ids=["rolled back", "kept"])
@pytest.mark.parametrize(
    ("operation", "given", "problem"),
    [
        ("create", {"definition": {"orchestrator": "Job", "every": 60.0}}, "exists"),
        ("create", {"definition": {"orchestrator": "Job"}, "replace": True}, "either `every` or `cron`"),
        ("update", {"every": 0.5}, "0:00:00.500000"),
        ("update", {"evry": 60}, "evry: a schedule has no such field"),
        ("update", {"time_zone": "Mars/Base", "cron": "* * * * *"}, "Mars/Base"),
        ("pause", "x" * 1001, "at most 1000"),
        ("pause", 7, "a text"),
        ("run_now", "queue", "accepted is skip, buffer_one, terminate, allow"),
        ("explode", None, "has no operation 'explode'"),
    ],
)
def test_what_fails_changes_nothing_and_starts_nothing(operation: str, given: Any, problem: str, rollback: bool):
    played = PlayedSchedule(rollback=rollback)
    played.create(every=MINUTE, overlap="allow")
    before = played.state
    played.now += MINUTE
    with pytest.raises(TaskFailedError, match=problem):
        played.ask(operation, given)
    assert played.state == before
    assert played.runs == []
    played.pass_until(BEGIN + MINUTE)
    assert len(played.runs) == 1


@pytest.mark.parametrize("operation", ["get", "update", "pause", "resume", "run_now", "delete"])
def test_a_schedule_that_is_not_there_is_told_so(operation: str):
    played = PlayedSchedule()
    with pytest.raises(TaskFailedError, match="There is no schedule 's'"):
        played.ask(operation)
    assert not played.exists


@pytest.mark.parametrize("seed", range(40))
def test_whatever_is_asked_for_an_occurrence_is_started_once_or_counted(seed: int):
    dice = random.Random(seed)
    played = PlayedSchedule(rollback=dice.random() < 0.5)
    played.create(every=MINUTE, overlap="skip", catch_up=dice.choice(["latest", "all", "none"]))
    for _ in range(200):
        match dice.randrange(8):
            case 0:
                played.ask(WAKE)
            case 1 if played.wakes:
                played.wakes.pop()  # Lost.
            case 2:
                played.ask(dice.choice(["pause", "resume", "get"]))
            case 3 if played.state.get("running"):
                played.end(played.state["running"][0]["instance_id"])
            case 4:
                played.ask("update", {"overlap": dice.choice(["skip", "buffer_one", "terminate"])})
            case 5:
                played.ask("run_now")
            case _:
                played.pass_until(
                    played.now + dice.choice([SECOND, MINUTE, 5 * MINUTE]), late=dice.choice([0, 3]) * SECOND
                )
    assert len(played.runs) == len(set(played.runs)) == played.state["runs"]
    assert len(played.state.get("running", [])) <= 1
