"""Schedules as users have them: a client, workers that come and go, and runs that take their time."""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Generator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py import OrchestrationRuntimeStatus as Status
from azure_durable_py.testing import VirtualHub, play

UTC = timezone.utc
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

app = df.DFApp()


@app.orchestration_trigger("context")
def takes(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Takes so many seconds, its input."""
    seconds = context.get_input() or 0
    if seconds:
        yield context.create_timer(context.current_utc_datetime + timedelta(seconds=seconds))
    return context.instance_id


@app.orchestration_trigger("context")
def breaks(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    yield context.create_timer(context.current_utc_datetime + SECOND)
    raise ValueError("broken")


@app.orchestration_trigger("context")
def gets(context: df.DurableOrchestrationContext) -> Any:
    return context.get_input()


@app.orchestration_trigger("context")
def commands(context: df.DurableOrchestrationContext) -> Generator[Any, Any, Any]:
    """Makes a schedule and has its way with it, from inside an orchestration."""
    schedule = df.schedule_entity_id("inner")
    definition = df.ScheduleDefinition("takes", every=MINUTE)
    yield context.call_entity(schedule, "create", {"definition": definition.to_json()})
    yield context.call_entity(schedule, "update", {"every": 7200})
    first = yield context.call_entity(schedule, "run_now")
    state = yield context.call_entity(schedule, "pause", "enough")
    try:
        yield context.call_entity(df.schedule_entity_id("none"), "pause")
    except df.TaskFailedError as error:
        return [first, state["paused_reason"], error.details.is_caused_by(df.ScheduleNotFoundError)]


async def runs_of(hub: VirtualHub, name: str = "takes") -> dict[str, Status | None]:
    """The instances of an orchestrator, with their states, in the order of their ids."""
    found = await hub.client.get_status_by(names=[name])
    return {str(run.instance_id): run.runtime_status for run in sorted(found, key=lambda run: str(run.instance_id))}


async def told(hub: VirtualHub, schedule_id: str = "s") -> df.ScheduleDescription:
    found = await hub.client.schedules.get(schedule_id)
    assert found is not None
    return found


# --- the client ------------------------------------------------------------------------------------------


def test_a_schedule_is_told_of_as_it_is():
    async def scenario(hub: VirtualHub) -> None:
        schedules = hub.client.schedules
        made = await schedules.create("s", takes, {"a": 1}, cron="0 6 * * *", time_zone="Europe/Oslo", paused=True)
        assert (made.status, made.next_run_at, made.runs, made.input_) == ("paused", None, 0, {"a": 1})
        assert made == await told(hub)
        resumed = await schedules.resume("s")
        assert (resumed.status, resumed.next_run_at) == ("active", BEGIN + 5 * HOUR)
        await schedules.update("s", input_=90)
        await asyncio.sleep((5 * HOUR + MINUTE).total_seconds())
        running = await told(hub)
        assert running.running == (running.last_instance_id,) == ("s-20260101T050000Z",)
        assert (running.last_run_at, running.next_run_at) == (BEGIN + 5 * HOUR, BEGIN + 29 * HOUR)
        assert running.get_input(int) == 90
        paused = await schedules.pause("s", "holidays")
        assert (paused.status, paused.paused_reason, paused.next_run_at) == ("paused", "holidays", None)
        ended = await schedules.update("s", end_at=hub.now)
        assert (await schedules.resume("s")).status == "completed"
        assert ended.definition.cron == "0 6 * * *"

    play(app, scenario)


def test_schedules_are_listed_by_their_ids():
    async def scenario(hub: VirtualHub) -> None:
        for name in ("b-2", "a-1", "b-1"):
            await hub.client.schedules.create(name, takes, every=HOUR)
        assert [found.schedule_id for found in await hub.client.schedules.list()] == ["a-1", "b-1", "b-2"]
        assert [found.schedule_id for found in await hub.client.schedules.list("b")] == ["b-1", "b-2"]
        assert await hub.client.schedules.get("c") is None

    play(app, scenario)


def test_what_is_asked_for_wrongly_is_refused():
    async def scenario(hub: VirtualHub) -> None:
        schedules = hub.client.schedules
        await schedules.create("s", takes, every=HOUR)
        with pytest.raises(df.ScheduleAlreadyExistsError, match="A schedule 's' exists"):
            await schedules.create("s", takes, every=HOUR)
        assert (await schedules.create("s", gets, every=HOUR, replace=True)).definition.orchestrator == "gets"
        with pytest.raises(df.InvalidRequestError, match="either `every` or `cron`"):
            await schedules.create("t", takes)
        with pytest.raises(df.FunctionNotFoundError, match="Did you mean 'takes'"):
            await schedules.create("t", "take", every=HOUR)
        with pytest.raises(df.FunctionNotFoundError):
            await schedules.update("s", orchestrator="take")
        with pytest.raises(df.InvalidRequestError, match="every"):
            await schedules.update("s", every=timedelta(milliseconds=1))
        with pytest.raises(df.InvalidRequestError, match=r"needs .time. in it"):
            await schedules.update("s", instance_id="one", overlap="allow")
        with pytest.raises(df.InvalidRequestError, match="accepted is skip"):
            await schedules.run_now("s", overlap="queue")  # type: ignore[arg-type]
        for call in (schedules.pause, schedules.resume, schedules.update, schedules.run_now, schedules.delete):
            with pytest.raises(df.ScheduleNotFoundError, match="There is no schedule 'u'"):
                await call("u")
        # However often something is asked, one instance is left of that.
        [asked] = await hub.client.get_status_all()
        assert (asked.name, asked.is_finished) == ("BuiltIn::ScheduleOperation", True)

    play(app, scenario)


def test_without_a_worker_it_is_told_that_nothing_was_done_yet():
    async def scenario(hub: VirtualHub) -> None:
        with pytest.raises(TimeoutError, match="No worker has done 'create' of schedule 's' within 60 s"):
            await hub.client.schedules.create("s", takes, every=HOUR)
        assert await hub.client.schedules.get("s") is None
        await hub.start_worker()
        await asyncio.sleep(1)
        assert (await told(hub)).status == "active"

    play(app, scenario, workers=0)


def test_names_of_the_engine_cannot_be_taken():
    own = df.DFApp()

    @own.entity_trigger(entity_name="builtin::schedule")
    def mine(context: df.DurableEntityContext) -> None: ...

    with pytest.raises(df.RegistrationError, match=r"mine \(.*names that begin with 'BuiltIn::' are kept"):
        _ = own.registry


def test_functions_of_the_engine_are_none_of_the_app():
    registry = app.registry
    assert registry.entities.names() == []
    assert len(registry.entities) == 0
    assert "BuiltIn::Schedule" in registry.entities
    assert all("BuiltIn" not in name for names in registry.kinds().values() for name in names)


def test_an_input_arrives_as_the_client_wrote_it():
    class Sealed:
        """A converter whose text nobody but itself can read."""

        plain = df.JsonDataConverter()

        def serialize(self, value: Any) -> str:
            return f'"{base64.b64encode(self.plain.serialize(value).encode()).decode()}"'

        def deserialize(self, text: str, expected_type: Any = None) -> Any:
            return self.plain.deserialize(base64.b64decode(text.strip('"')).decode(), expected_type)

    async def scenario(hub: VirtualHub) -> None:
        await hub.start_worker(converter=Sealed())
        client = df.DurableOrchestrationClient(hub.task_hub, hub.settings, converter=Sealed(), registry=hub.registry)
        for overlap in ("allow", "skip"):
            await client.schedules.create(overlap, gets, {"a": [1, "ä"]}, every=MINUTE, overlap=overlap)  # type: ignore[arg-type]
        await asyncio.sleep(70)
        found = await client.get_status_by(names=["gets"])
        assert [run.output for run in found] == [{"a": [1, "ä"]}] * 2

    play(app, scenario, workers=0)


def test_an_orchestration_can_do_all_that_a_client_can():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new(commands, "c")
        ended = await hub.client.wait_for_completion("c", raise_if_failed=True)
        first, reason, is_told = ended.output
        assert first in await runs_of(hub)
        assert (reason, is_told) == ("enough", True)
        assert (await told(hub, "inner")).definition.every == 2 * HOUR

    play(app, scenario)


# --- runs ------------------------------------------------------------------------------------------------


def test_a_run_that_fails_does_not_keep_the_next_one_from_being_started():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create("s", breaks, every=MINUTE)
        await asyncio.sleep(185)
        assert list((await runs_of(hub, "breaks")).values()) == [Status.Failed] * 3

    play(app, scenario)


@pytest.mark.parametrize(
    ("overlap", "states"),
    [
        ("skip", [Status.Completed, Status.Completed, Status.Running]),
        ("buffer_one", [Status.Completed, Status.Completed, Status.Completed, Status.Running]),
        ("terminate", [Status.Terminated] * 4 + [Status.Running]),
        ("allow", [Status.Completed] * 3 + [Status.Running] * 2),
    ],
)
def test_overlaps_are_what_the_rule_says(overlap: Any, states: list[Status]):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create("s", takes, 80, every=MINUTE, overlap=overlap)
        await asyncio.sleep(5 * 60 + 10)
        assert list((await runs_of(hub)).values()) == states

    play(app, scenario)


def test_a_run_that_replaces_another_never_runs_beside_it():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create("s", takes, 1000, every=MINUTE, overlap="terminate", instance_id="the-one")
        for _ in range(20):
            await asyncio.sleep(30)
            assert len(await runs_of(hub)) <= 1
        assert (await told(hub)).runs == 10

    play(app, scenario)


def test_a_schedule_goes_on_though_somebody_terminates_what_watches_its_run():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create("s", takes, 100, every=MINUTE)
        await asyncio.sleep(70)
        await hub.client.terminate("BuiltIn::ScheduledRun:s:20260101T000100Z")
        await asyncio.sleep(15 * 60)
        assert (await told(hub)).runs > 1

    play(app, scenario)


def test_a_schedule_goes_on_though_somebody_terminates_and_purges_everything():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create("s", takes, 24 * 3600, every=MINUTE)
        await asyncio.sleep(70)
        for run in await hub.client.get_status_all():
            await hub.client.terminate(str(run.instance_id))
        await asyncio.sleep(5)
        await hub.client.purge_instance_history_by(BEGIN - DAY, runtime_status=[Status.Terminated])
        await asyncio.sleep(90 * 60)
        assert (await told(hub)).runs > 1

    play(app, scenario)


def test_runs_go_on_when_their_schedule_is_deleted():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create("s", takes, 300, every=MINUTE)
        await asyncio.sleep(70)
        await hub.client.schedules.delete("s")
        await hub.at_rest()
        assert await runs_of(hub) == {"s-20260101T000100Z": Status.Completed}
        assert await hub.client.schedules.list() == ()
        # Nothing of it is left but what entities keep for a while.
        await asyncio.sleep(DAY.total_seconds())
        await hub.client.clean_entity_storage()
        assert (await hub.client.query_entities(include_empty=True)).items == ()

    play(app, scenario)


# --- time ------------------------------------------------------------------------------------------------


def test_a_schedule_of_ten_years_keeps_its_local_time():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create(
            "s", gets, cron="30 2 1,31 * *", time_zone="Europe/Oslo", overlap="allow", end_at=BEGIN + 3652 * DAY
        )
        await asyncio.sleep((3653 * DAY).total_seconds())
        found = await runs_of(hub, "gets")
        hours = {run.split("T")[-1] for run in found}
        assert len(found) == 10 * (12 + 7)
        # The night of a change of clocks may be one of them: then 02:30 is skipped, and is 03:30.
        assert hours == {"003000Z", "013000Z"}
        assert (await told(hub)).status == "completed"

    play(app, scenario, within=3700 * DAY)


def test_after_an_outage_the_latest_occurrence_is_run():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create("s", takes, every=HOUR)
        await asyncio.sleep(5)
        await hub.workers[0].stop()
        await asyncio.sleep((10 * HOUR + 30 * MINUTE).total_seconds())
        await hub.start_worker()
        await asyncio.sleep(600)
        assert list(await runs_of(hub)) == ["s-20260101T100000Z"]
        assert ((await told(hub)).missed, (await told(hub)).next_run_at) == (9, BEGIN + 11 * HOUR)

    play(app, scenario)


# --- workers that come and go ----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("overlap", ["allow", "buffer_one"])
def test_each_occurrence_is_run_once_whoever_is_killed(overlap: Any, seed: int):
    dice = random.Random(seed)

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.schedules.create("s", takes, 3, every=20 * SECOND, overlap=overlap, catch_up="all")
        for _ in range(25):
            await asyncio.sleep(dice.uniform(0.0, 30.0))
            running = [worker for worker in hub.workers if worker.is_running]
            dice.choice(running).kill()
            await asyncio.sleep(dice.choice([0.0, 0.0, 20.0]))
            await hub.start_worker()
        # What the last that was killed had in hand comes back later than a client waits.
        with suppress(TimeoutError):
            await hub.client.schedules.pause("s")
        await asyncio.sleep(HOUR.total_seconds())
        found, last = await runs_of(hub), await told(hub)
        assert set(found.values()) == {Status.Completed}
        assert len(found) == last.runs > 5
        assert last.running == ()
        if overlap == "allow":
            assert last.last_run_at is not None
            count = (last.last_run_at - BEGIN) // (20 * SECOND)
            wanted = [BEGIN + number * 20 * SECOND for number in range(1, count + 1)]
            assert list(found) == [f"s-{at:%Y%m%dT%H%M%SZ}" for at in wanted]
            assert last.missed == 0

    play(app, scenario, workers=2, seed=seed)
