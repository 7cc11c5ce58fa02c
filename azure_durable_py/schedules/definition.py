"""What a schedule is to do: `ScheduleDefinition`, its JSON form, and what of it is refused.

Owns the names that users and the hub have for it. It holds no state, and reads no clock.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args

from azure_durable_py import shape
from azure_durable_py.errors import InvalidInstanceIdError, InvalidRequestError
from azure_durable_py.ids import EntityId, check_instance_id
from azure_durable_py.recurrence import Interval, Recurrence, parse_ncrontab, time_zone
from azure_durable_py.registry import BUILT_IN, MAX_NAME_CHARS, is_built_in
from azure_durable_py.shape import Fields, ShapeError
from azure_durable_py.times import from_iso, to_iso, utc
from azure_durable_py.wording import duration

Overlap: TypeAlias = Literal["skip", "buffer_one", "terminate", "allow"]
CatchUp: TypeAlias = Literal["latest", "all", "none"]

ENTITY = f"{BUILT_IN}Schedule"
SCHEDULE_ID, TIME = "{schedule_id}", "{time}"
MAX_SCHEDULE_ID_CHARS = 100
MAX_INPUT_CHARS = 65_536
LEAST_INTERVAL = timedelta(seconds=1)
LONGEST_INTERVAL = timedelta(days=36_525)
_LONGEST_STAMP = "20260101T000000.000000Z"
_OVERLAPS: tuple[str, ...] = get_args(Overlap)
_CATCH_UPS: tuple[str, ...] = get_args(CatchUp)


@dataclass(frozen=True, slots=True)
class ScheduleDefinition:
    """What a schedule starts, and when.

    :param orchestrator: the name of the orchestrator.
    :param input_json: its input as JSON text; None: no input.
    :param every: how long from one occurrence to the next; this or `cron`.
    :param cron: an NCRONTAB expression with six fields, or five; this or `every`.
    :param time_zone: whose local time `cron` speaks of: an IANA name.
    :param start_at: nothing occurs before; intervals are counted from here. Naive means UTC.
    :param end_at: nothing occurs after. Naive means UTC.
    :param overlap: what becomes of an occurrence while a run is under way: left out (`skip`), started when that run
        has ended (`buffer_one`), started when that run was terminated (`terminate`), or started at once (`allow`).
    :param catch_up: what becomes of occurrences whose time passed while no worker ran: the latest is started
        (`latest`), all are (`all`, the latest 100 at the most), or none is that is more than a minute late (`none`).
    :param version: the version that runs carry; None: that of the app.
    :param instance_id: the instance ids of runs: `{schedule_id}` and `{time}` stand for those of the run. Without
        `{time}` a run takes the place of the one before.
    """

    orchestrator: str
    input_json: str | None = None
    every: timedelta | None = None
    cron: str | None = None
    time_zone: str = "UTC"
    start_at: datetime | None = None
    end_at: datetime | None = None
    overlap: Overlap = "skip"
    catch_up: CatchUp = "latest"
    version: str | None = None
    instance_id: str = f"{SCHEDULE_ID}-{TIME}"

    @property
    def when(self) -> str:
        """When it occurs, for people: `every 15 min`, `0 0 3 * * * (UTC)`."""
        return f"{self.cron} ({self.time_zone})" if self.every is None else f"every {duration(self.every)}"

    def check(self, schedule_id: str) -> None:
        """Look that it can be used.

        :raises InvalidRequestError: names the field that cannot, and what could.
        """
        check_schedule_id(schedule_id)
        self._check_orchestrator()
        self._check_times()
        if self.overlap not in _OVERLAPS:
            raise _refused("overlap", self.overlap, f"accepted is {', '.join(_OVERLAPS)}")
        if self.catch_up not in _CATCH_UPS:
            raise _refused("catch_up", self.catch_up, f"accepted is {', '.join(_CATCH_UPS)}")
        if self.version is not None and len(self.version) > MAX_NAME_CHARS:
            raise _refused("version", self.version[:60], f"it has at most {MAX_NAME_CHARS} characters")
        if self.overlap == "allow" and TIME not in self.instance_id:
            raise _refused("instance_id", self.instance_id, f"with overlap 'allow' it needs {TIME} in it")
        try:
            check_instance_id(self._filled(schedule_id, _LONGEST_STAMP))
        except InvalidInstanceIdError as error:
            raise _refused("instance_id", self.instance_id, str(error)) from error

    def _check_orchestrator(self) -> None:
        if not 0 < len(self.orchestrator) <= MAX_NAME_CHARS or is_built_in(self.orchestrator):
            raise _refused("orchestrator", self.orchestrator[:60], "give the name of an orchestrator of the app")
        if self.input_json is None:
            return
        if len(self.input_json) > MAX_INPUT_CHARS:
            raise InvalidRequestError(
                f"The input has {len(self.input_json)} characters of JSON; a schedule keeps at most {MAX_INPUT_CHARS}. "
                "Keep large data in storage of your own, and pass on where it is."
            )
        try:
            shape.parse(self.input_json)
        except ShapeError as error:
            raise _refused("input_json", self.input_json[:60], str(error)) from error

    def _check_times(self) -> None:
        if (self.every is None) == (self.cron is None):
            raise InvalidRequestError("A schedule has either `every` or `cron`, and not both.")
        if self.every is not None and not LEAST_INTERVAL <= self.every <= LONGEST_INTERVAL:
            raise _refused("every", self.every, f"accepted is {LEAST_INTERVAL} to {LONGEST_INTERVAL}")
        if self.start_at is not None and self.end_at is not None and utc(self.start_at) > utc(self.end_at):
            raise InvalidRequestError(f"The schedule ends ({self.end_at}) before it begins ({self.start_at}).")
        try:
            zone = time_zone(self.time_zone)
        except ValueError as error:
            raise _refused("time_zone", self.time_zone, str(error)) from error
        if self.cron is None:
            return
        try:
            parse_ncrontab(self.cron, zone)
        except ValueError as error:
            form = "{second} {minute} {hour} {day} {month} {day-of-week}"
            raise _refused(
                "cron", self.cron, f'{error}. Accepted is "{form}", the first of which may be left out'
            ) from (error)

    def recurrence(self, anchor: datetime) -> Recurrence:
        """When it occurs.

        :param anchor: from when intervals are counted.
        :raises ValueError: the time zone is not known here.
        """
        if self.cron is not None:
            return parse_ncrontab(self.cron, time_zone(self.time_zone))
        return Interval(self.every or LONGEST_INTERVAL, anchor)

    def occurs_like(self, other: ScheduleDefinition) -> bool:
        """Whether both occur at the same times."""
        names = ("every", "cron", "time_zone", "start_at", "end_at")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def instance_id_at(self, schedule_id: str, moment: datetime) -> str:
        """The instance id of the run of an occurrence."""
        return self._filled(schedule_id, stamp(moment))

    def _filled(self, schedule_id: str, time: str) -> str:
        return re.sub(
            r"\{schedule_id\}|\{time\}",
            lambda found: schedule_id if found[0] == SCHEDULE_ID else time,
            self.instance_id,
        )

    # --- JSON --------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values, without the fields that have their defaults; `every` is in seconds."""
        found: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                found[field.name] = _plain(value)
        return found

    @classmethod
    def from_json(cls, data: Any) -> ScheduleDefinition:
        """The definition that plain JSON values stand for.

        :raises InvalidRequestError: they stand for none; names the field.
        """
        return _read(data, {})

    def changed_by(self, data: Any) -> ScheduleDefinition:
        """This definition with the fields that plain JSON values give. Of `every` and `cron` the one given counts.

        :raises InvalidRequestError: a value cannot be used; names the field.
        """
        own = self.to_json()
        if isinstance(data, dict):
            if "every" in data:
                own.pop("cron", None)
            if "cron" in data:
                own.pop("every", None)
        return _read(data, own)


def schedule_entity_id(schedule_id: str) -> EntityId:
    """The entity that a schedule is: for orchestrators and entities, which call or signal its operations.

    :raises InvalidRequestError: no schedule can have this id.
    """
    return EntityId(ENTITY, check_schedule_id(schedule_id))


def check_schedule_id(schedule_id: str) -> str:
    """Return the id of a schedule if it obeys the rules, else raise.

    :raises InvalidRequestError: it is empty, longer than 100 characters, or no instance id could contain it.
    """
    try:
        if len(check_instance_id(schedule_id)) > MAX_SCHEDULE_ID_CHARS:
            raise InvalidRequestError(
                f"The id of a schedule has at most {MAX_SCHEDULE_ID_CHARS} characters, not {len(schedule_id)}."
            )
    except InvalidInstanceIdError as error:
        raise InvalidRequestError(f"{schedule_id!r} cannot be the id of a schedule: {error}") from error
    return schedule_id


def stamp(moment: datetime) -> str:
    """A moment as it stands in instance ids: `20260131T083000Z`."""
    fraction = f".{moment.microsecond:06}" if moment.microsecond else ""
    return f"{moment:%Y%m%dT%H%M%S}{fraction}Z"


def _refused(name: str, value: object, problem: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name} {str(value)!r} cannot be used: {problem}.")


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    return to_iso(utc(value)) if isinstance(value, datetime) else value


def _seconds(value: Any) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise shape.refused("a number of seconds", value)
    try:
        return timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise shape.refused("a number of seconds", value) from None


def _moment(value: Any) -> datetime:
    try:
        return utc(from_iso(shape.text(value)))
    except (ValueError, OverflowError):
        raise shape.refused("a time as in ISO 8601", value) from None


_text = shape.optional(shape.text)
_READERS: dict[str, shape.Reader[Any]] = {
    "orchestrator": shape.text,
    "input_json": _text,
    "every": shape.optional(_seconds),
    "cron": _text,
    "time_zone": shape.text,
    "start_at": shape.optional(_moment),
    "end_at": shape.optional(_moment),
    "overlap": shape.text,
    "catch_up": shape.text,
    "version": _text,
    "instance_id": shape.text,
}


def _read(data: Any, known: dict[str, Any]) -> ScheduleDefinition:
    try:
        given = shape.mapping(shape.text, shape.anything)(data)
        unknown = sorted(set(given) - set(_READERS))
        if unknown:
            raise ShapeError(f"a schedule has no such field; it has {', '.join(_READERS)}", (unknown[0],))
        fields = Fields({**known, **given})
        made = {name: fields.read(name, read) for name, read in _READERS.items() if name in fields}
        if "orchestrator" not in made:
            raise ShapeError("the field is missing", ("orchestrator",))
    except ShapeError as error:
        raise InvalidRequestError(f"This is no definition of a schedule: {error}.") from error
    return ScheduleDefinition(**made)
