"""What is no schedule is refused by the name of its field, with what could stand there."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.ids import EntityId
from azure_durable_py.schedules.definition import ScheduleDefinition, check_schedule_id, schedule_entity_id
from azure_durable_py.schedules.state import ScheduledRun, ScheduleState
from azure_durable_py.shape import ShapeError

UTC = timezone.utc
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WHOLE = ScheduleDefinition(
    "Job",
    input_json='{"a":[1,"ä"]}',
    cron="0 */5 9-17 * * MON-FRI",
    time_zone="Europe/Oslo",
    start_at=NOON,
    end_at=NOON + MINUTE,
    overlap="buffer_one",
    catch_up="all",
    version="2",
    instance_id="run-{time}",
)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "either `every` or `cron`"),
        ({"every": MINUTE, "cron": "* * * * *"}, "either `every` or `cron`"),
        ({"every": timedelta(seconds=0.999)}, "every '0:00:00.999000' cannot be used: accepted is 0:00:01 to"),
        ({"every": timedelta(days=40_000)}, "every .* cannot be used"),
        ({"cron": "* * *"}, r"cron '\* \* \*' cannot be used: it has 3 field"),
        ({"cron": "0 0 30 2 *"}, "it never occurs"),
        ({"cron": "0 0 * * *", "time_zone": "Mars/Base"}, "time_zone 'Mars/Base' cannot be used: .*tzdata"),
        ({"every": MINUTE, "start_at": NOON, "end_at": NOON - MINUTE}, "ends .* before it begins"),
        ({"every": MINUTE, "overlap": "queue"}, "overlap 'queue' cannot be used: accepted is skip, buffer_one"),
        ({"every": MINUTE, "catch_up": "some"}, "catch_up 'some' cannot be used: accepted is latest, all, none"),
        ({"every": MINUTE, "orchestrator": ""}, "orchestrator ''"),
        ({"every": MINUTE, "orchestrator": "builtin::ScheduledRun"}, "an orchestrator of the app"),
        ({"every": MINUTE, "input_json": "{"}, "input_json '{' cannot be used: not JSON"),
        (
            {"every": MINUTE, "input_json": f'"{"x" * 70_000}"'},
            "70002 characters of JSON; .* keeps at most 65536",
        ),
        ({"every": MINUTE, "version": "v" * 600}, "at most 512 characters"),
        ({"every": MINUTE, "instance_id": "a/{time}"}, "instance_id 'a/{time}' cannot be used"),
        ({"every": MINUTE, "instance_id": "a" * 240 + "{time}"}, "at most 256 characters"),
        ({"every": MINUTE, "instance_id": "one", "overlap": "allow"}, "needs {time} in it"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(fields: dict[str, Any], problem: str):
    with pytest.raises(InvalidRequestError, match=problem):
        ScheduleDefinition(**{"orchestrator": "Job", **fields}).check("s")


@pytest.mark.parametrize("bad", ["", "@s", "a/b", "x" * 101, "a\n"])
def test_the_id_of_a_schedule_can_be_part_of_instance_ids(bad: str):
    with pytest.raises(InvalidRequestError):
        check_schedule_id(bad)


def test_the_entity_of_a_schedule_has_a_name_that_apps_cannot_take():
    assert schedule_entity_id("nightly") == EntityId("BuiltIn::Schedule", "nightly")


def test_a_definition_comes_back_from_json():
    WHOLE.check("s")
    assert ScheduleDefinition.from_json(WHOLE.to_json()) == WHOLE
    assert ScheduleDefinition("Job", every=MINUTE).to_json() == {"orchestrator": "Job", "every": 60.0}


def test_json_may_have_times_as_people_write_them():
    read = ScheduleDefinition.from_json(
        {"orchestrator": "Job", "every": 90, "start_at": "2026-01-01T13:00:00+01:00", "end_at": "2026-01-01T12:30:00Z"}
    )
    assert (read.every, read.start_at) == (timedelta(seconds=90), NOON)
    assert read.end_at == NOON + 30 * MINUTE


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "expected an object"),
        ([], "expected an object"),
        ({}, "orchestrator: the field is missing"),
        ({"orchestrator": 7}, "orchestrator: expected a text"),
        ({"orchestrator": "Job", "evry": 60}, "evry: a schedule has no such field; it has orchestrator,"),
        ({"orchestrator": "Job", "every": "1m"}, "every: expected a number of seconds"),
        ({"orchestrator": "Job", "every": True}, "every: expected a number of seconds"),
        ({"orchestrator": "Job", "every": 1e300}, "every: expected a number of seconds"),
        ({"orchestrator": "Job", "every": 60, "start_at": "soon"}, "start_at: expected a time"),
    ],
)
def test_json_that_is_no_definition_is_refused_by_field(data: Any, problem: str):
    with pytest.raises(InvalidRequestError, match=problem):
        ScheduleDefinition.from_json(data)


def test_of_interval_and_expression_the_one_that_is_given_counts():
    changed = WHOLE.changed_by({"every": 60})
    assert (changed.every, changed.cron, changed.overlap) == (MINUTE, None, "buffer_one")
    assert changed.changed_by({"cron": "* * * * *"}).every is None


def test_braces_in_the_id_of_a_schedule_stay_what_they_are():
    assert ScheduleDefinition("Job", every=MINUTE).instance_id_at("{time}", NOON) == "{time}-20260101T120000Z"


def test_a_state_comes_back_from_json():
    state = ScheduleState(WHOLE, NOON, NOON, NOON, wakes=(NOON,), running=(ScheduledRun("a", "b", NOON),), waiting=NOON)
    assert ScheduleState.from_json(state.to_json()) == state


def test_what_is_no_state_is_refused():
    for bad in (None, [], {}, {"definition": {}}, {**ScheduleState(WHOLE, NOON, NOON, NOON).to_json(), "runs": "7"}):
        with pytest.raises((ShapeError, InvalidRequestError)):
            ScheduleState.from_json(bad)
