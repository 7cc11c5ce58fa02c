"""What reading, listing and purging instances shows and does."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.errors import (
    InstanceAlreadyExistsError,
    InstanceNotFoundError,
    InvalidInstanceIdError,
    InvalidRequestError,
    OrchestrationFailedError,
    SerializationError,
)
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    EventRaised,
    ExecutionStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerCreated,
    TimerFired,
)
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.protocol import CorruptRowError, InstanceQuery, Page
from tests.client.playing import START, Playing, Wall

EVER = datetime(1970, 1, 1)


@dataclass
class Order:
    number: int


# --- one ---------------------------------------------------------------------------------------------


async def test_the_status_of_what_is_not_there_is_falsy(client: DurableOrchestrationClient):
    status = await client.get_status("nobody")
    assert not status
    assert status.to_json()["runtimeStatus"] is None


async def test_an_impossible_id_is_refused(client: DurableOrchestrationClient):
    with pytest.raises(InvalidInstanceIdError):
        await client.get_status("a/b")


async def test_the_input_is_shown_only_when_asked_for(client: DurableOrchestrationClient):
    await client.start_new("Hello", "one", {"a": 1})
    assert (await client.get_status("one")).input_ is None
    assert (await client.get_status("one", show_input=True)).input_ == {"a": 1}


@pytest.mark.parametrize("value", [0, "", False, None, []])
async def test_a_falsy_output_is_an_output(client: DurableOrchestrationClient, worker: Playing, value: object):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed", output=json.dumps(value))
    status = await client.get_status("one")
    assert status.output == value
    assert status.to_json()["output"] == value
    assert status.is_finished


async def test_a_large_output_comes_back_whole(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed", output=json.dumps("y" * 100_000))
    assert (await client.get_status("one")).output == "y" * 100_000
    assert (await client.get_status_all())[0].output == "y" * 100_000


async def test_values_come_back_as_the_type_asked_for(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one", Order(7))
    await worker.set_status("one", "Completed", output='{"number": 8}')
    status = await client.get_status("one", show_input=True)
    assert status.get_input(Order) == Order(7)
    assert status.get_output(Order) == Order(8)
    with pytest.raises(SerializationError):
        status.get_output(int)


async def test_a_value_of_an_unknown_class_does_not_hide_the_status(
    client: DurableOrchestrationClient, worker: Playing
):
    await client.start_new("Hello", "one")
    envelope = {"__class__": "Gone", "__module__": "no.such.module", "__data__": "1"}
    await worker.set_status("one", "Completed", output=json.dumps(envelope))
    status = await client.get_status("one")
    assert status.runtime_status is OrchestrationRuntimeStatus.Completed
    assert status.output == status.to_json()["output"] == envelope
    with pytest.raises(SerializationError, match="the class 'Gone'"):
        status.get_output(Order)


@pytest.mark.parametrize("seal", [False, True])
async def test_a_failed_instance_tells_what_failed(client: DurableOrchestrationClient, worker: Playing, seal: bool):
    await client.start_new("Hello", "one")
    failure = FailureDetails("boom", "ValueError", base_types=("Exception",))
    await worker.set_status("one", "Failed", output='"boom"', failure=failure, seal=seal)
    status = await client.get_status("one")
    assert status.failure == failure
    assert status.output == "boom"


async def test_the_json_of_a_status_has_the_names_of_the_management_api(
    client: DurableOrchestrationClient, worker: Playing
):
    await client.start_new("Hello", "one", 1)
    await worker.set_status("one", "Completed", output="2")
    assert (await client.get_status("one", show_input=True)).to_json() == {
        "name": "Hello",
        "instanceId": "one",
        "createdTime": "2026-03-01T12:00:00.000000Z",
        "lastUpdatedTime": "2026-03-01T12:00:00.000000Z",
        "output": 2,
        "input": 1,
        "runtimeStatus": "Completed",
        "customStatus": None,
        "history": None,
    }


async def test_an_output_whose_rows_are_lost_is_an_error(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed", output=json.dumps("y" * 100_000))
    rows = await client.hub.store.list_blobs("one", "30-payload-turn")
    await client.hub.store.delete_blobs("one", [row.key for row in rows])
    for status in (await client.get_status("one"), *await client.get_status_all()):
        assert status.runtime_status is OrchestrationRuntimeStatus.Completed
        assert "is missing" in (status.damaged or "")
        with pytest.raises(CorruptRowError, match="is missing"):
            _ = status.output


async def test_an_instance_purged_in_mid_read_is_absent(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed", output=json.dumps("y" * 100_000))
    store = client.hub.reliable
    read = store.get_blobs

    async def purge_first(instance_id: str, keys: list[str]) -> dict[str, bytes]:
        monkeypatch.setattr(store, "get_blobs", read)
        await client.purge_instance_history("one")
        return await read(instance_id, keys)

    monkeypatch.setattr(store, "get_blobs", purge_first)
    assert not await client.get_status("one")


async def test_an_instance_purged_while_listed_is_left_out(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    await client.start_new("Hello", "one")
    await client.start_new("Hello", "two")
    await worker.set_status("one", "Completed", output=json.dumps("y" * 100_000))
    store = client.hub.reliable
    read = store.get_blobs

    async def purge_first(instance_id: str, keys: list[str]) -> dict[str, bytes]:
        monkeypatch.setattr(store, "get_blobs", read)
        await client.purge_instance_history("one")
        return await read(instance_id, keys)

    monkeypatch.setattr(store, "get_blobs", purge_first)
    assert [status.instance_id for status in await client.get_status_all()] == ["two"]


async def test_an_instance_that_went_on_while_listed_is_shown_as_it_is_now(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed", output=json.dumps("y" * 100_000))
    store = client.hub.reliable
    read = store.get_blobs

    async def replace_first(instance_id: str, keys: list[str]) -> dict[str, bytes]:
        monkeypatch.setattr(store, "get_blobs", read)
        await client.start_new("Other", "one")
        return await read(instance_id, keys)

    for look in (client.get_status_all, lambda: client.get_status("one")):
        monkeypatch.setattr(store, "get_blobs", replace_first)
        found = await look()
        status = found[0] if isinstance(found, list) else found
        assert (status.name, status.output) == ("Other", None)
        await worker.set_status("one", "Completed", output=json.dumps("y" * 100_000))


# --- histories -----------------------------------------------------------------------------------------


async def _with_history(client: DurableOrchestrationClient, worker: Playing, *, seal: bool = False) -> None:
    later = START + timedelta(seconds=1)
    await client.start_new("Hello", "one", "in")
    await worker.set_status(
        "one",
        "Completed",
        output='"out"',
        seal=seal,
        events=(
            TaskScheduled(START, 0, "Say", '"Tokyo"'),
            TaskScheduled(START, 1, "Break"),
            TaskScheduled(START, 2, "Never"),
            TimerCreated(START, 3, later),
            SubOrchestrationCreated(START, 4, "Child", "child", '"c"'),
            EventRaised(later, "Go", "true"),
            TaskCompleted(later, 0, '"Hello"'),
            TaskFailed(later, 1, FailureDetails("boom", "ValueError", "trace")),
            TimerFired(later, 3, later),
            SubOrchestrationCompleted(later, 4, "5"),
        ),
    )


@pytest.mark.parametrize("seal", [False, True])
async def test_a_history_is_shown_compacted(client: DurableOrchestrationClient, worker: Playing, seal: bool):
    await _with_history(client, worker, seal=seal)
    first, second = "2026-03-01T12:00:00.000000Z", "2026-03-01T12:00:01.000000Z"
    assert (await client.get_status("one", show_history=True)).history == [
        {"EventType": "ExecutionStarted", "FunctionName": "Hello", "Timestamp": first},
        {"EventType": "TaskScheduled", "FunctionName": "Never", "Timestamp": first},
        {"EventType": "TimerCreated", "FireAt": second, "Timestamp": first},
        {"EventType": "EventRaised", "Name": "Go", "Timestamp": second},
        {"EventType": "TaskCompleted", "FunctionName": "Say", "ScheduledTime": first, "Timestamp": second},
        {
            "EventType": "TaskFailed",
            "FunctionName": "Break",
            "ScheduledTime": first,
            "Reason": "boom",
            "ErrorType": "ValueError",
            "Details": "trace",
            "Timestamp": second,
        },
        {"EventType": "TimerFired", "FireAt": second, "Timestamp": second},
        {
            "EventType": "SubOrchestrationInstanceCompleted",
            "FunctionName": "Child",
            "InstanceId": "child",
            "ScheduledTime": first,
            "Timestamp": second,
        },
        {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed", "Timestamp": first},
    ]


async def test_results_and_inputs_are_in_the_history_when_asked_for(
    client: DurableOrchestrationClient, worker: Playing
):
    await _with_history(client, worker)
    history = (await client.get_status("one", show_history=True, show_history_output=True, show_input=True)).history
    assert history is not None
    assert [(entry.get("Input"), entry.get("Result")) for entry in history] == [
        ('"in"', None),
        (None, None),
        (None, None),
        ("true", None),
        ('"Tokyo"', "Hello"),
        (None, None),
        (None, None),
        ('"c"', 5),
        (None, "out"),
    ]


async def test_a_history_is_also_had_as_events(client: DurableOrchestrationClient, worker: Playing):
    await _with_history(client, worker)
    events = await client.get_history("one")
    assert isinstance(events[1], ExecutionStarted)
    assert TaskCompleted(START + timedelta(seconds=1), 0, '"Hello"') in events
    with pytest.raises(InstanceNotFoundError):
        await client.get_history("nobody")


# --- lists ---------------------------------------------------------------------------------------------


async def test_a_list_is_not_cut_off(client: DurableOrchestrationClient):
    for number in range(130):
        await client.start_new("Hello", f"i-{number:03}", number)
    found = await client.get_status_all()
    assert len(found) == 130
    assert {status.input_ for status in found} == set(range(130))


async def test_a_list_goes_over_all_pages_of_the_store(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    for number in range(7):
        await client.start_new("Hello", f"i-{number}")
        await worker.set_status(f"i-{number}", "Completed")
    store = client.hub.reliable
    query = store.query
    monkeypatch.setattr(store, "query", lambda asked: query(replace(asked, page_size=2)))
    assert len(await client.get_status_all()) == 7
    assert (await client.purge_instance_history_by(EVER)).instances_deleted == 7


async def test_a_purge_spares_what_was_restarted_since_it_was_listed(
    client: DurableOrchestrationClient, worker: Playing, monkeypatch: pytest.MonkeyPatch
):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed")
    store = client.hub.reliable
    query = store.query

    async def restart_after(asked: InstanceQuery) -> Page:
        page = await query(asked)
        await client.start_new("Hello", "one")
        return page

    monkeypatch.setattr(store, "query", restart_after)
    assert (await client.purge_instance_history_by(EVER)).instances_deleted == 0
    assert await client.get_status("one")


async def test_pages_follow_one_another(client: DurableOrchestrationClient):
    for number in range(7):
        await client.start_new("Hello", f"i-{number}")
    seen: list[str | None] = []
    token: str | None = None
    while True:
        page = await client.query_instances(page_size=3, continuation_token=token)
        assert len(page.items) <= 3
        seen += [status.instance_id for status in page.items]
        token = page.continuation_token
        if token is None:
            break
    assert sorted(str(instance_id) for instance_id in seen) == [f"i-{number}" for number in range(7)]


async def _three(client: DurableOrchestrationClient, worker: Playing, wall: Wall) -> None:
    await client.start_new("Hello", "a-1")
    wall.forward(3600)
    await client.start_new("Hello", "a-2")
    await worker.set_status("a-2", "Running")
    wall.forward(3600)
    await client.start_new("Other", "b-3")
    await worker.set_status("b-3", "Completed")


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, ["a-1", "a-2", "b-3"]),
        ({"instance_id_prefix": "a-"}, ["a-1", "a-2"]),
        ({"runtime_status": [OrchestrationRuntimeStatus.Running]}, ["a-2"]),
        ({"runtime_status": ["completed", "Pending"]}, ["a-1", "b-3"]),
        ({"created_time_from": START + timedelta(minutes=1)}, ["a-2", "b-3"]),
        ({"created_time_to": datetime(2026, 3, 1, 13, 0)}, ["a-1", "a-2"]),
        ({"names": ["Other"]}, ["b-3"]),
        ({"instance_id_prefix": "a-", "runtime_status": ["Completed"]}, []),
    ],
)
async def test_criteria_select(
    client: DurableOrchestrationClient, worker: Playing, wall: Wall, criteria: dict[str, object], expected: list[str]
):
    await _three(client, worker, wall)
    found = await client.get_status_by(**criteria)  # type: ignore[arg-type]
    assert sorted(str(status.instance_id) for status in found) == expected


async def test_criteria_that_cannot_be_used_are_refused(client: DurableOrchestrationClient):
    with pytest.raises(InvalidRequestError, match="'Runing' is not a runtime status"):
        await client.get_status_by(runtime_status=["Runing"])
    with pytest.raises(InvalidRequestError, match="before it begins"):
        await client.get_status_by(START, START - timedelta(days=1))
    for size in (0, 1001, -1):
        with pytest.raises(InvalidRequestError, match="page size"):
            await client.query_instances(page_size=size)
    with pytest.raises(InvalidRequestError):
        await client.query_instances(continuation_token="not a token")


async def test_tags_select(client: DurableOrchestrationClient):
    await client.start_new("Hello", "a", tags={"tenant": "x", "kind": "big"})
    await client.start_new("Hello", "b", tags={"tenant": "x"})
    await client.start_new("Hello", "c")
    found = {
        number: sorted(str(status.instance_id) for status in await client.get_status_by(tags=tags))
        for number, tags in enumerate([None, {}, {"tenant": "x"}, {"tenant": "x", "kind": "big"}, {"tenant": "y"}])
    }
    assert found == {0: ["a", "b", "c"], 1: ["a", "b", "c"], 2: ["a", "b"], 3: ["a"], 4: []}


async def test_pages_may_be_short_where_tags_select(client: DurableOrchestrationClient):
    for number in range(10):
        await client.start_new("Hello", f"i-{number}", tags={"odd": str(number % 2)})
    found: list[str] = []
    token: str | None = None
    while True:
        page = await client.query_instances(tags={"odd": "1"}, page_size=3, continuation_token=token)
        found += [str(status.instance_id) for status in page.items]
        token = page.continuation_token
        if token is None:
            break
    assert sorted(found) == ["i-1", "i-3", "i-5", "i-7", "i-9"]


async def test_tags_that_cannot_be_asked_for_are_refused(client: DurableOrchestrationClient):
    with pytest.raises(InvalidRequestError, match="'tenant'"):
        await client.get_status_by(tags={"tenant": 1})  # type: ignore[dict-item]


async def test_tags_are_in_the_json_of_a_status_that_has_some(client: DurableOrchestrationClient):
    await client.start_new("Hello", "a", tags={"tenant": "x"})
    await client.start_new("Hello", "b")
    assert (await client.get_status("a")).to_json()["tags"] == {"tenant": "x"}
    assert "tags" not in (await client.get_status("b")).to_json()


async def test_a_list_shows_inputs_only_when_asked_for(client: DurableOrchestrationClient):
    await client.start_new("Hello", "one", 1)
    assert [status.input_ for status in await client.get_status_by(show_input=False)] == [None]
    assert [status.input_ for status in (await client.query_instances(show_input=True)).items] == [1]


# --- purging ---------------------------------------------------------------------------------------------


async def test_a_finished_instance_is_purged_with_all_its_rows(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one", "x" * 100_000)
    await worker.set_status("one", "Completed", output=json.dumps("y" * 100_000))
    assert (await client.purge_instance_history("one")).instances_deleted == 1
    assert (await client.purge_instance_history("one")).instances_deleted == 0
    assert await client.hub.store.list_blobs("one", "30-") == ()


async def test_a_running_instance_is_not_purged(client: DurableOrchestrationClient):
    await client.start_new("Hello", "one")
    with pytest.raises(InstanceAlreadyExistsError, match="terminate it"):
        await client.purge_instance_history("one")
    assert await client.get_status("one")


async def test_a_purge_by_criteria_takes_finished_instances_only(
    client: DurableOrchestrationClient, worker: Playing, wall: Wall
):
    await _three(client, worker, wall)
    await worker.fail("a-1", "boom")
    await client.start_new("Hello", "c-4")
    running = await client.purge_instance_history_by(EVER, runtime_status=[OrchestrationRuntimeStatus.Running])
    assert running.instances_deleted == 0
    early = await client.purge_instance_history_by(EVER, created_time_to=START)
    assert early.instances_deleted == 1
    rest = await client.purge_instance_history_by(EVER)
    assert rest.instances_deleted == 1
    assert sorted(str(status.instance_id) for status in await client.get_status_all()) == ["a-2", "c-4"]


async def test_a_purge_that_does_not_say_from_when_on_deletes_nothing(
    client: DurableOrchestrationClient, worker: Playing
):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed")
    with pytest.raises(ValueError, match=r"created_time_from.*To purge every finished instance"):
        await client.purge_instance_history_by(runtime_status=[OrchestrationRuntimeStatus.Completed])
    assert await client.get_status("one")


async def test_a_purge_by_criteria_goes_over_all_pages(client: DurableOrchestrationClient, worker: Playing):
    for number in range(12):
        await client.start_new("Hello", f"i-{number}")
        await worker.set_status(f"i-{number}", "Completed")
    assert (await client.purge_instance_history_by(EVER)).instances_deleted == 12


async def test_a_recursive_purge_takes_finished_children_along(client: DurableOrchestrationClient, worker: Playing):
    hub = client.hub
    await client.start_new("Parent", "parent")
    await client.start_new("Stranger", "stranger")
    await worker.set_status("stranger", "Completed")
    await worker.set_status(
        "parent",
        "Completed",
        events=(
            SubOrchestrationCreated(START, 0, "Child", "child"),
            SubOrchestrationCreated(START, 1, "Stranger", "stranger"),
            SubOrchestrationCreated(START, 2, "Child", "gone"),
        ),
    )
    await worker.start_child("child", "Child", parent="parent")
    await worker.set_status("child", "Completed")
    assert (await client.purge_instance_history("parent", recursive=True)).instances_deleted == 2
    assert await hub.store.load_header("child") is None
    assert await client.get_status("stranger")


# --- waiting -----------------------------------------------------------------------------------------------


async def test_waiting_returns_when_the_instance_is_finished(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one", 1)
    waiting = asyncio.create_task(client.wait_for_completion("one", timedelta(seconds=30), expected_type=Order))
    started = asyncio.create_task(client.wait_for_start("one", 30))
    await worker.set_status("one", "Running")
    assert (await started).runtime_status is OrchestrationRuntimeStatus.Running
    await worker.set_status("one", "Completed", output='{"number": 3}')
    assert (await waiting).output == Order(3)


async def test_waiting_ends_with_a_timeout(client: DurableOrchestrationClient):
    await client.start_new("Hello", "one")
    with pytest.raises(TimeoutError, match=r"still Pending after 0\.01 s"):
        await client.wait_for_completion("one", 0.01)


async def test_waiting_for_what_is_not_there_is_refused(client: DurableOrchestrationClient):
    with pytest.raises(InstanceNotFoundError):
        await client.wait_for_completion("one", 1)


async def test_a_failure_is_raised_only_when_asked_for(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    await worker.fail("one", "boom")
    assert (await client.wait_for_completion("one", 1)).output == "boom"
    with pytest.raises(OrchestrationFailedError, match="boom") as caught:
        await client.wait_for_completion("one", 1, raise_if_failed=True)
    assert caught.value.details.is_caused_by(ValueError)


async def test_a_status_raises_only_if_it_is_one_of_a_failure(client: DurableOrchestrationClient, worker: Playing):
    for instance_id in ("fails", "ends"):
        await client.start_new("Hello", instance_id)
    await worker.fail("fails", "boom")
    await worker.set_status("ends", "Completed")
    (await client.get_status("ends")).raise_if_failed()
    DurableOrchestrationStatus().raise_if_failed()
    with pytest.raises(OrchestrationFailedError, match=r"'fails' .* failed: boom") as caught:
        (await client.get_status("fails")).raise_if_failed()
    assert caught.value.details.is_caused_by(ValueError)
    [listed] = await client.get_status_by(runtime_status=["Failed"])
    with pytest.raises(OrchestrationFailedError, match="boom"):
        listed.raise_if_failed()


def test_an_absent_status_has_no_values():
    status = DurableOrchestrationStatus()
    assert (status.input_, status.output, status.custom_status, status.is_finished) == (None, None, None, False)
