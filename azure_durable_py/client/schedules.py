"""What a client does with schedules: create, look at, pause, change, run, delete.

Owns the names and arguments that users call. A change is asked of the entity of the schedule by an orchestration of the
engine's own, whose end tells what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from azure_durable_py.client.arguments import orchestrator_name, seconds
from azure_durable_py.errors import (
    DurableError,
    InvalidRequestError,
    ScheduleAlreadyExistsError,
    ScheduleNotFoundError,
)
from azure_durable_py.failures import qualified_name
from azure_durable_py.schedules.definition import (
    ENTITY,
    CatchUp,
    Overlap,
    ScheduleDefinition,
    check_schedule_id,
    schedule_entity_id,
)
from azure_durable_py.schedules.functions import OPERATION
from azure_durable_py.schedules.state import ScheduleState
from azure_durable_py.serialization.converter import DataConverter, JsonDataConverter
from azure_durable_py.shape import ShapeError
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.protocol import CorruptRowError

if TYPE_CHECKING:
    from azure_durable_py.client.client import DurableOrchestrationClient
    from azure_durable_py.registry import Registry

T = TypeVar("T")
_ERRORS: dict[str, type[DurableError]] = {
    qualified_name(cls): cls for cls in (ScheduleNotFoundError, ScheduleAlreadyExistsError, InvalidRequestError)
}


@dataclass(frozen=True, slots=True)
class ScheduleDescription:
    """A schedule as it was when it was read.

    `status` is `active`, `paused` (why: `paused_reason`), or `completed`: nothing occurs any more. `next_run_at` is the
    next occurrence of an active one. `last_run_at` is the occurrence (or the time of `run_now`) of the newest run, and
    `last_instance_id` its instance. `runs` were started so far; `missed` occurrences came while no worker ran, and were
    not caught up with; `skipped` ones found another run under way. `running` are the instances of runs under way; with
    `overlap="allow"` they are not watched. Times are UTC.
    """

    schedule_id: str
    definition: ScheduleDefinition
    status: Literal["active", "paused", "completed"]
    created_at: datetime
    modified_at: datetime
    next_run_at: datetime | None = None
    paused_reason: str | None = None
    last_run_at: datetime | None = None
    last_instance_id: str | None = None
    runs: int = 0
    missed: int = 0
    skipped: int = 0
    running: tuple[str, ...] = ()
    converter: DataConverter = field(default_factory=JsonDataConverter, repr=False, compare=False)

    @property
    def input_(self) -> Any:
        """The input of its runs, as plain JSON values.

        :raises SerializationError: it cannot be decoded here.
        """
        text = self.definition.input_json
        return None if text is None else self.converter.deserialize(text)

    def get_input(self, expected_type: type[T]) -> T:
        """The input of its runs, as a value of a type.

        :raises SerializationError: it is not one.
        """
        return cast("T", self.converter.deserialize(self.definition.input_json or "null", expected_type))


class ScheduleClient:
    """Schedules of one task hub: orchestrations that are started by interval or cron expression.

    Comes as `client.schedules`. What changes a schedule returns when a worker has done it: one has to run.

    :param client: the client of the hub.
    :param timeout: how long to wait for a worker.
    """

    def __init__(
        self,
        client: DurableOrchestrationClient,
        converter: DataConverter,
        registry: Registry | None,
        timeout: timedelta | float = 60.0,
    ) -> None:
        self._client = client
        self._converter = converter
        self._registry = registry
        self._timeout = timeout
        self._free: list[str] = []

    async def create(
        self,
        schedule_id: str,
        orchestrator: str | Callable[..., Any],
        input_: Any = None,
        *,
        every: timedelta | None = None,
        cron: str | None = None,
        time_zone: str = "UTC",
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        start_immediately: bool = False,
        overlap: Overlap = "skip",
        catch_up: CatchUp = "latest",
        version: str | None = None,
        instance_id: str = "{schedule_id}-{time}",
        paused: bool = False,
        replace: bool = False,
    ) -> ScheduleDescription:
        """Create a schedule.

        :param schedule_id: its id, of at most 100 characters, under the rules for instance ids.
        :param orchestrator: what it starts: an orchestrator by name, or the decorated function.
        :param input_: the input of every run; at most 65,536 characters of JSON.
        :param every: how long from one run to the next, at least a second; this or `cron`.
        :param cron: an NCRONTAB expression: `{second} {minute} {hour} {day} {month} {day-of-week}`, or without seconds.
        :param time_zone: whose local time `cron` speaks of: an IANA name, such as `Europe/Oslo`.
        :param start_at: nothing occurs before; intervals are counted from here (default: from now). Naive means UTC.
        :param end_at: nothing occurs after. Naive means UTC.
        :param start_immediately: also run once right away.
        :param overlap: what to do when a run is still under way: `skip` the new one, start it afterwards
            (`buffer_one`), `terminate` the old one and start it then, or `allow` both.
        :param catch_up: which occurrences to start that came while no worker ran: the `latest`, `all` (at most 100),
            or `none` that is more than a minute late.
        :param version: the version of the runs (default: that of the app).
        :param instance_id: their instance ids; `{schedule_id}` and `{time}` stand for those of the run.
        :param paused: nothing occurs until it is resumed.
        :param replace: if there is one with this id, give it this definition. Its counts stay, and so does its next
            occurrence unless it is to occur at other times. `start_immediately` and `paused` are for new ones only.
        :raises ScheduleAlreadyExistsError: there is one with this id, and `replace` was not asked for.
        :raises InvalidRequestError: an argument cannot be used; names it.
        :raises FunctionNotFoundError: the app has no such orchestrator.
        :raises SerializationError: the input cannot be turned into JSON.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        definition = ScheduleDefinition(
            orchestrator=orchestrator_name(orchestrator, self._registry),
            input_json=None if input_ is None else self._converter.serialize(input_),
            every=every,
            cron=cron,
            time_zone=time_zone,
            start_at=start_at,
            end_at=end_at,
            overlap=overlap,
            catch_up=catch_up,
            version=version,
            instance_id=instance_id,
        )
        definition.check(schedule_id)
        asked = {
            "definition": definition.to_json(),
            "start_immediately": start_immediately,
            "paused": paused,
            "replace": replace,
        }
        return self._described(schedule_id, await self._ask(schedule_id, "create", asked))

    async def get(self, schedule_id: str) -> ScheduleDescription | None:
        """A schedule as it is, or None if there is none.

        :raises CorruptRowError: it is damaged.
        """
        found = await self._client.get_entity(schedule_entity_id(schedule_id))
        return self._described(schedule_id, found.state) if found else None

    async def pause(self, schedule_id: str, reason: str | None = None) -> ScheduleDescription:
        """Start nothing until it is resumed. Runs that are under way go on.

        :param reason: kept for people, up to 1,000 characters.
        :raises ScheduleNotFoundError: there is none.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        return self._described(schedule_id, await self._ask(schedule_id, "pause", reason))

    async def resume(self, schedule_id: str) -> ScheduleDescription:
        """Go on with the first occurrence from now. Those during the pause are left out.

        :raises ScheduleNotFoundError: there is none.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        return self._described(schedule_id, await self._ask(schedule_id, "resume", None))

    async def update(
        self,
        schedule_id: str,
        *,
        orchestrator: str | Callable[..., Any] | None = None,
        input_: Any = None,
        every: timedelta | None = None,
        cron: str | None = None,
        time_zone: str | None = None,
        start_at: datetime | None = None,
        end_at: datetime | None = None,
        overlap: Overlap | None = None,
        catch_up: CatchUp | None = None,
        version: str | None = None,
        instance_id: str | None = None,
    ) -> ScheduleDescription:
        """Change a schedule. What is not given (or None) stays as it is; `create(..., replace=True)` says all anew.

        The next occurrence stays too, unless `every`, `cron`, `time_zone`, `start_at` or `end_at` changes. `every`
        takes the place of `cron`, and `cron` that of `every`. The parameters are those of `create`.

        :raises ScheduleNotFoundError: there is none.
        :raises InvalidRequestError: an argument cannot be used; names it.
        :raises FunctionNotFoundError: the app has no such orchestrator.
        :raises SerializationError: the input cannot be turned into JSON.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        # A definition has a form for each field; the name and the interval only stand in for what is not given.
        given = ScheduleDefinition(
            orchestrator="" if orchestrator is None else orchestrator_name(orchestrator, self._registry),
            input_json=None if input_ is None else self._converter.serialize(input_),
            every=every,
            cron=cron,
            start_at=start_at,
            end_at=end_at,
            version=version,
        ).to_json()
        if orchestrator is None:
            del given["orchestrator"]
        named = {"time_zone": time_zone, "overlap": overlap, "catch_up": catch_up, "instance_id": instance_id}
        given.update({name: value for name, value in named.items() if value is not None})
        return self._described(schedule_id, await self._ask(schedule_id, "update", given))

    async def run_now(self, schedule_id: str, *, overlap: Overlap | None = None) -> str | None:
        """Run once, beside the occurrences, paused or not. Returns the instance id.

        :param overlap: what to do when a run is under way (default: as the schedule has it).
        :returns: None: a run was under way, so none was started now.
        :raises ScheduleNotFoundError: there is none.
        :raises InvalidRequestError: there is no such `overlap`, or it does not go with the schedule's `instance_id`.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        return cast("str | None", await self._ask(schedule_id, "run_now", overlap))

    async def delete(self, schedule_id: str) -> None:
        """Delete a schedule. Runs that are under way go on.

        :raises ScheduleNotFoundError: there is none.
        :raises TimeoutError: no worker has done it in time. It is done when one runs.
        """
        await self._ask(schedule_id, "delete", None)

    async def list(self, prefix: str = "") -> tuple[ScheduleDescription, ...]:
        """All schedules, in the order of their ids.

        :param prefix: only those whose id begins with this.
        :raises CorruptRowError: one is damaged; names it.
        """
        found = [
            self._described(item.entity_id.key, item.state)
            async for item in self._client.list_entities(ENTITY, prefix, include_state=True)
        ]
        return tuple(sorted(found, key=lambda item: item.schedule_id))

    async def _ask(self, schedule_id: str, operation: str, given: Any) -> Any:
        asked = [check_schedule_id(schedule_id), operation, given]
        # One that were purged could come back: storage may take the start of an instance again, long after. So the next
        # operation takes its place.
        instance_id = self._free.pop() if self._free else f"{OPERATION}:{self._client.hub.ids.new()}"
        await self._client.start_new(OPERATION, instance_id, asked)
        try:
            status = await self._client.wait_for_completion(instance_id, self._timeout, raise_if_failed=True)
        except TimeoutError as error:
            raise TimeoutError(
                f"No worker has done {operation!r} of schedule {schedule_id!r} within {seconds(self._timeout):g} s. "
                f"It is asked for, as instance {instance_id!r}, and is done when one runs."
            ) from error
        if status.runtime_status is not OrchestrationRuntimeStatus.Completed:
            raise DurableError(f"{operation!r} of schedule {schedule_id!r} came to nothing: {status.output_json}.")
        self._free.append(instance_id)
        answer = cast("dict[str, Any]", status.output or {})
        if "error" in answer:
            raise _ERRORS.get(answer["error"], DurableError)(answer["message"])
        return answer.get("result")

    def _described(self, schedule_id: str, data: Any) -> ScheduleDescription:
        return described(schedule_id, data, self._converter)


def described(schedule_id: str, data: Any, converter: DataConverter) -> ScheduleDescription:
    """The schedule behind the state of its entity.

    :param data: the state, as plain JSON values.
    :raises CorruptRowError: it is none.
    """
    try:
        state = ScheduleState.from_json(data)
    except (ShapeError, InvalidRequestError) as error:
        raise CorruptRowError(f"The state of schedule {schedule_id!r} cannot be read: {error}") from error
    is_active = not state.is_paused and state.next_run_at is not None
    return ScheduleDescription(
        schedule_id=schedule_id,
        definition=state.definition,
        status="paused" if state.is_paused else "active" if is_active else "completed",
        created_at=state.created_at,
        modified_at=state.modified_at,
        next_run_at=state.next_run_at if is_active else None,
        paused_reason=state.paused_reason,
        last_run_at=state.last_run_at,
        last_instance_id=state.last_instance_id,
        runs=state.runs,
        missed=state.missed,
        skipped=state.skipped,
        running=tuple(run.instance_id for run in state.running),
        converter=converter,
    )
