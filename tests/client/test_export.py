"""Finished instances as lines of JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.export import FORMAT, ExportedInstance
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import EventRaised, OrchestratorStarted, TaskCompleted, TaskScheduled
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.testing import VirtualHub, play
from tests.client.playing import START, Playing, Wall


async def exported(client: DurableOrchestrationClient, **criteria: Any) -> dict[str, ExportedInstance]:
    return {str(each.status.instance_id): each async for each in client.export_history(**criteria)}


async def finish(client: DurableOrchestrationClient, worker: Playing, instance_id: str, **start: Any) -> None:
    await client.start_new("Hello", instance_id, **start)
    await worker.set_status(instance_id, "Completed", output='"done"')


# --- the line ----------------------------------------------------------------------------------------


async def test_a_line_has_all_that_is_known(client: DurableOrchestrationClient, worker: Playing, wall: Wall):
    await client.start_new("Hello", "one", {"city": "Tromsø"}, "1.5", tags={"tenant": "x"})
    wall.forward(1)
    await worker.set_status(
        "one",
        "Completed",
        output="[1.5, null]",
        events=(TaskScheduled(wall.now(), 0, "say", '"a"'), TaskCompleted(wall.now(), 0, '"b"')),
    )
    [instance] = (await exported(client)).values()
    line = instance.to_line()
    assert line.isascii()
    assert "\n" not in line
    history = json.loads(line).pop("history")
    assert {**json.loads(line), "history": None, "executionId": None} == {
        "format": FORMAT,
        "instanceId": "one",
        "name": "Hello",
        "executionId": None,
        "version": "1.5",
        "generation": 0,
        "runtimeStatus": "Completed",
        "createdTime": "2026-03-01T12:00:00.000000Z",
        "lastUpdatedTime": "2026-03-01T12:00:01.000000Z",
        "completedTime": "2026-03-01T12:00:01.000000Z",
        "tags": {"tenant": "x"},
        "input": {"city": "Tromsø"},
        "output": [1.5, None],
        "history": None,
    }
    assert [event["type"] for event in history] == [
        "OrchestratorStarted",
        "ExecutionStarted",
        "TaskScheduled",
        "TaskCompleted",
        "ExecutionCompleted",
    ]
    assert history[2]["input"] == '"a"'


async def test_a_value_that_is_not_there_is_no_null(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one")
    await worker.set_status("one", "Completed", output="null")
    [instance] = (await exported(client)).values()
    line = json.loads(instance.to_line())
    assert "input" not in line
    assert line["output"] is None
    again = ExportedInstance.from_line(instance.to_line())
    assert (again.status.input_json, again.status.output_json) == (None, "null")


async def test_a_line_turns_back_into_what_it_was_made_of(client: DurableOrchestrationClient, worker: Playing):
    large = "x" * 200_000
    await client.start_new("Hello", "one", large, tags={"a": "b"})
    failure = FailureDetails("boom", "ValueError", "trace", FailureDetails("inner", "OSError"))
    await worker.set_status(
        "one",
        "Failed",
        output='"boom"',
        failure=failure,
        events=(EventRaised(START, "Go", json.dumps(large)),),
        seal=True,
    )
    [instance] = (await exported(client)).values()
    again = ExportedInstance.from_line(instance.to_line())
    assert again == replace(instance, events=list(instance.events or ()))
    assert again.status.input_ == large
    assert again.status.failure == failure
    assert again.events == await client.get_history("one")
    assert again.to_line() == instance.to_line()


@dataclass
class Order:
    number: int


async def test_values_of_a_line_come_back_as_the_type_asked_for(client: DurableOrchestrationClient, worker: Playing):
    await finish(client, worker, "one", client_input=Order(7))
    [instance] = (await exported(client)).values()
    assert ExportedInstance.from_line(instance.to_line()).status.get_input(Order) == Order(7)


async def test_a_lone_surrogate_survives(client: DurableOrchestrationClient, worker: Playing):
    await finish(client, worker, "one", client_input="\ud800")
    [instance] = (await exported(client)).values()
    assert ExportedInstance.from_line(instance.to_line().encode()).status.input_ == "\ud800"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "not JSON"),
        ("[]", "expected an object"),
        ("{}", "format: the field is missing"),
        ('{"format": 1}', "instanceId: the field is missing"),
        ('{"format": 2, "instanceId": "one"}', "formats up to 1"),
        ('{"format": 1, "instanceId": "one", "history": [{"type": "Nonsense"}]}', r"history\[0\].type"),
        ('{"format": 1, "instanceId": "one", "createdTime": "yesterday"}', "createdTime: expected a time"),
        ('{"format": 1, "instanceId": "one", "runtimeStatus": "Done"}', "runtimeStatus"),
    ],
)
def test_what_is_no_line_is_refused(line: str, why: str):
    with pytest.raises(InvalidRequestError, match=why):
        ExportedInstance.from_line(line)


def test_what_a_later_version_adds_is_ignored():
    line = '{"format": 1, "instanceId": "one", "runtimeStatus": "Completed", "colour": "blue"}'
    assert ExportedInstance.from_line(line).status.runtime_status is Status.Completed


# --- which instances ---------------------------------------------------------------------------------


async def test_finished_instances_are_exported_and_others_if_they_are_asked_for(
    client: DurableOrchestrationClient, worker: Playing
):
    await client.start_new("Hello", "pending")
    await client.start_new("Hello", "running")
    await worker.set_status("running", "Running")
    for instance_id, status in (("a", "Completed"), ("b", "Failed"), ("c", "Terminated")):
        await client.start_new("Hello", instance_id)
        await worker.set_status(instance_id, status)
    assert sorted(await exported(client)) == ["a", "b", "c"]
    assert sorted(await exported(client, runtime_status=["failed", Status.Terminated])) == ["b", "c"]
    assert sorted(await exported(client, runtime_status=["Running", "Failed"])) == ["b", "running"]
    assert sorted(await exported(client, runtime_status=list(Status))) == ["a", "b", "c", "pending", "running"]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, ["a-0", "a-1", "b-2"]),
        ({"instance_id_prefix": "a-"}, ["a-0", "a-1"]),
        ({"created_time_from": START + timedelta(hours=1)}, ["a-1", "b-2"]),
        (
            {"completed_time_from": START + timedelta(minutes=40), "completed_time_to": datetime(2026, 3, 1, 14)},
            ["a-1"],
        ),
        ({"completed_time_to": datetime(2026, 3, 1, 12, 30)}, ["a-0"]),
        ({"tags": {"number": "2"}}, ["b-2"]),
        ({"names": ["Other"]}, []),
    ],
)
async def test_criteria_select(
    client: DurableOrchestrationClient, worker: Playing, wall: Wall, criteria: dict[str, Any], expected: list[str]
):
    # Created every hour, and finished half an hour later.
    for number, instance_id in enumerate(("a-0", "a-1", "b-2")):
        await client.start_new("Hello", instance_id, tags={"number": str(number)})
        wall.forward(1800)
        await worker.set_status(instance_id, "Completed")
        wall.forward(1800)
    assert sorted(await exported(client, **criteria)) == expected


async def test_an_instance_that_goes_or_begins_again_meanwhile_is_left_out(
    client: DurableOrchestrationClient, worker: Playing
):
    for number in range(30):
        await finish(client, worker, f"i-{number:02}")
    export = client.export_history()
    seen = [str((await anext(export)).status.instance_id)]
    await client.purge_instance_history("i-28")
    await client.start_new("Hello", "i-29")
    seen += [str(instance.status.instance_id) async for instance in export]
    assert sorted(seen) == [f"i-{number:02}" for number in range(28)]


async def test_an_instance_that_ran_once_more_meanwhile_is_exported_as_it_is_now(
    client: DurableOrchestrationClient, worker: Playing
):
    for number in range(30):
        await finish(client, worker, f"i-{number:02}", client_input="x" * 100_000)
    export = client.export_history()
    await anext(export)
    await finish(client, worker, "i-29", client_input="again")
    last = [instance async for instance in export][-1]
    assert (last.status.instance_id, last.status.input_, last.status.damaged) == ("i-29", "again", None)


@pytest.mark.azurite
async def test_an_export_from_azure_storage_has_the_same_lines(azurite: str, hub_name: str):
    async with DurableOrchestrationClient.from_connection_string(azurite, hub_name) as client:
        worker = Playing(client.hub)
        for number in range(10):
            await finish(client, worker, f"i-{number}", client_input="x" * 50_000, tags={"number": str(number)})
        await client.start_new("Hello", "pending")
        long_ago = datetime(2020, 1, 1)
        found = await exported(
            client, completed_time_from=long_ago, created_time_from=long_ago, instance_id_prefix="i-"
        )
        assert sorted(found) == [f"i-{number}" for number in range(10)]
        for instance_id, instance in found.items():
            assert instance.events == await client.get_history(instance_id)
        assert list(await exported(client, tags={"number": "7"})) == ["i-7"]
        assert await exported(client, completed_time_to=long_ago) == {}
        await client.hub.store.delete_hub()


# --- streaming ---------------------------------------------------------------------------------------


async def test_few_instances_are_read_ahead(client: DurableOrchestrationClient, worker: Playing):
    for number in range(40):
        await finish(client, worker, f"i-{number:02}")
    reads: list[str] = []
    look_at = client._reader.look_at

    async def counted(instance_id: str) -> Any:
        reads.append(instance_id)
        return await look_at(instance_id)

    client._reader.look_at = counted  # type: ignore[method-assign]
    export = client.export_history()
    order = [(await anext(export)).status.instance_id]
    assert len(reads) <= 8
    order += [instance.status.instance_id async for instance in export]
    assert order == sorted(map(str, order))


async def test_an_export_that_is_left_reads_no_more(client: DurableOrchestrationClient, worker: Playing):
    for number in range(20):
        await finish(client, worker, f"i-{number:02}")
    before = asyncio.all_tasks()
    export: Any = client.export_history()
    await anext(export)
    await export.aclose()
    assert asyncio.all_tasks() == before


# --- damage ------------------------------------------------------------------------------------------


async def lose(client: DurableOrchestrationClient, instance_id: str, prefix: str) -> None:
    store = client.hub.store
    await store.delete_blobs(instance_id, [row.key for row in await store.list_blobs(instance_id, prefix)])


async def test_a_damaged_instance_is_reported_with_what_can_be_read(
    client: DurableOrchestrationClient, worker: Playing
):
    await finish(client, worker, "body", client_input=1)
    header = await client.hub.store.load_header("body")
    assert header is not None
    await client.hub.store.commit(Commit("body", replace(header, body=b"junk", etag=""), header.etag))

    await client.start_new("Hello", "value", "x" * 100_000)
    await worker.set_status("value", "Completed", seal=True, events=(EventRaised(START, "Go"),))
    await lose(client, "value", "30-")

    await client.start_new("Hello", "history")
    await worker.set_status("history", "Completed", seal=True)
    await client.hub.store.delete_blobs(
        "history", [row.key for row in await client.hub.store.list_blobs("history", "20-")]
    )

    await finish(client, worker, "well")
    found = await exported(client)
    assert sorted(found) == ["body", "history", "value", "well"]
    lines = {name: json.loads(instance.to_line()) for name, instance in found.items()}
    assert "damaged" not in lines["well"]
    for name in ("body", "history", "value"):
        assert lines[name]["damaged"], name
        assert ExportedInstance.from_line(found[name].to_line()).status.damaged == lines[name]["damaged"]
    assert lines["body"]["input"] == 1
    assert "history" not in lines["body"]
    assert "history" not in lines["history"]
    started = lines["value"]["history"][1]
    assert (started["type"], started["input"]["chunks"]) == ("ExecutionStarted", 1)
    assert lines["history"]["runtimeStatus"] == "Completed"


async def test_a_value_that_is_no_json_is_left_out_and_reported(client: DurableOrchestrationClient, worker: Playing):
    await client.start_new("Hello", "one", 1)
    await worker.set_status("one", "Completed", output="NaN")
    [instance] = (await exported(client)).values()
    line = json.loads(instance.to_line())
    assert "output" not in line
    assert line["damaged"].startswith("output: not JSON")
    assert line["history"][-1]["result"] == "NaN"


# --- replaying ---------------------------------------------------------------------------------------

app = df.DFApp()


@app.orchestration_trigger(context_name="context")
async def everything(context: df.DurableOrchestrationContext) -> list[Any]:
    if context.get_input() == "first":
        await context.create_timer(timedelta(days=1))
        context.continue_as_new("second")
        return []
    child = await context.call_sub_orchestrator("child")
    return [
        await context.call_activity("double", 21),
        child,
        context.new_uuid(),
        await context.wait_for_external_event("Go"),
    ]


@app.orchestration_trigger(context_name="context")
async def child(context: df.DurableOrchestrationContext) -> str:
    return context.instance_id


@app.activity_trigger(input_name="number")
def double(number: int) -> int:
    return 2 * number


def test_an_exported_history_can_be_replayed_to_the_same_output() -> None:
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("everything", "one", "first")
        await hub.at_rest()
        await hub.client.raise_event("one", "Go", {"a": 1})
        await hub.client.wait_for_completion("one")
        instances: AsyncIterator[ExportedInstance] = hub.client.export_history(names=["everything"])
        [line] = [instance.to_line() async for instance in instances]
        read = ExportedInstance.from_line(line)
        assert read.events is not None
        assert read.events == await hub.client.get_history("one")
        last = max(at for at, event in enumerate(read.events) if isinstance(event, OrchestratorStarted))
        replayed = Orchestration(
            str(read.status.instance_id),
            str(read.status.execution_id),
            app.registry,
            hub.settings,
            JsonDataConverter(),
            read.events[:last],
            generation=read.generation,
        )
        turn = replayed.advance([read.events[last + 1]], read.events[last].timestamp)
        assert (turn.failure, turn.output) == (None, read.status.output_json)
        assert (read.generation, replayed.status) == (1, Status.Completed)

    play(app, scenario)
