"""What differs between versions of the Functions host and its queue extension, and what an app must bear."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.worker.lifeless import ring_lifeless
from tests.functions_worker.conftest import MakeApp, StartHost
from tests.functions_worker.emulated_host import API_VERSION, NEWEST, Version
from tests.functions_worker.test_processing import APP

pytestmark = [pytest.mark.azurite, pytest.mark.timeout(400)]
OLDER: Version = (5, 3, 3)
each_extension = pytest.mark.parametrize("extension", [OLDER, NEWEST], ids=["older", "newest"])
PUT_BACK = """
    from azure_durable_py.errors import StorageUnavailableError
    from azure_durable_py.worker.intake import invocations

    invocations.FIRST_POISON_DELAY = 1.0
    put_back = invocations.Invocations._put_back

    async def fails_while_storage_is_away(self, envelope, body):
        with (FOLDER / "put_back.txt").open("a") as tries:
            tries.write("try\\n")
        if (FOLDER / "away.txt").exists():
            raise StorageUnavailableError("away")
        await put_back(self, envelope, body)

    invocations.Invocations._put_back = fails_while_storage_is_away
"""
TOLD = """
    @app.queue_trigger(arg_name="message", queue_name="%s", connection="AzureWebJobsStorage")
    def told(message: func.QueueMessage) -> None:
        import json
        known = {"id": message.id, "count": int(message.dequeue_count), "body": message.get_body().decode()}
        known |= {"receipt": message.pop_receipt, "inserted": message.insertion_time.isoformat()}
        with (FOLDER / "told.txt").open("a") as told:
            told.write(json.dumps(known) + "\\n")
        if (FOLDER / "fail.txt").exists():
            raise ValueError("as the test wants it")
"""


def queue(connection: str, name: str) -> QueueClient:
    return QueueClient.from_connection_string(connection, name, api_version=API_VERSION)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.05)


def client_of(connection: str, hub_name: str) -> DurableOrchestrationClient:
    return DurableOrchestrationClient.from_connection_string(connection, hub_name)


async def start_and_give_up(connection: str, hub_name: str, orchestrator: str) -> str:
    """Start an instance whose first doorbell a host has given up: it is in the poison queue."""
    async with client_of(connection, hub_name) as client:
        instance_id = await client.start_new(orchestrator)
    await move(connection, f"{hub_name.lower()}-instances", f"{hub_name.lower()}-instances-poison")
    return instance_id


async def move(connection: str, source: str, target: str) -> None:
    async with queue(connection, source) as old, queue(connection, target) as new:
        [message] = [message async for message in old.receive_messages()]
        await old.delete_message(message)
        try:
            await new.create_queue()
        finally:
            await new.send_message(message.content)


async def outcome(connection: str, hub_name: str, instance_id: str) -> Any:
    async with client_of(connection, hub_name) as client:
        return (await client.wait_for_completion(instance_id, timeout=60)).output


@each_extension
async def test_what_was_given_up_goes_on_when_it_is_put_back(
    make_app: MakeApp, start_host: StartHost, azurite: str, hub_name: str, extension: Version
):
    directory = make_app(APP + PUT_BACK)
    instance_id = await start_and_give_up(azurite, hub_name, "chain")
    host = await start_host(directory, extension=extension)
    assert await outcome(azurite, hub_name, instance_id) == ["Hello a", "Hello b", "Hello c"]
    assert host.failures == []
    assert len(lines(directory / "put_back.txt")) == 1


@each_extension
async def test_putting_back_may_fail_as_often_as_a_message_is_delivered_but_once(
    make_app: MakeApp, start_host: StartHost, azurite: str, hub_name: str, extension: Version
):
    directory = make_app(APP + PUT_BACK)
    (directory / "away.txt").touch()
    instance_id = await start_and_give_up(azurite, hub_name, "chain")
    # Long enough that nothing is delivered again while its invocation still runs, on a machine that is slow just then.
    host = await start_host(directory, visibility=3, extension=extension)
    await until(lambda: len(lines(directory / "put_back.txt")) >= 4)
    (directory / "away.txt").unlink()
    assert await outcome(azurite, hub_name, instance_id) == ["Hello a", "Hello b", "Hello c"]
    assert (len(lines(directory / "put_back.txt")), len(host.failures)) == (5, 4)


async def test_the_newest_extension_delivers_what_could_not_be_put_back_until_it_can(
    make_app: MakeApp, start_host: StartHost, azurite: str, hub_name: str
):
    directory = make_app(APP + PUT_BACK)
    (directory / "away.txt").touch()
    instance_id = await start_and_give_up(azurite, hub_name, "chain")
    await start_host(directory, visibility=1)
    await until(lambda: len(lines(directory / "put_back.txt")) >= 7)
    (directory / "away.txt").unlink()
    assert await outcome(azurite, hub_name, instance_id) == ["Hello a", "Hello b", "Hello c"]


async def test_an_older_extension_leaves_it_and_a_repair_wakes_the_instance(
    make_app: MakeApp, start_host: StartHost, azurite: str, hub_name: str
):
    directory = make_app(APP + PUT_BACK)
    (directory / "away.txt").touch()
    instance_id = await start_and_give_up(azurite, hub_name, "chain")
    host = await start_host(directory, visibility=1, extension=OLDER)
    async with queue(azurite, f"{hub_name.lower()}-instances-poison") as poison:
        # The host takes it again and again, and gives it to nobody.
        await until(lambda: host.skipped >= 2)
        assert len(lines(directory / "put_back.txt")) == 5
        assert (await poison.get_queue_properties()).approximate_message_count == 1
    (directory / "away.txt").unlink()
    async with client_of(azurite, hub_name) as client:
        assert (await client.get_status(instance_id)).runtime_status.value == "Pending"
        assert await ring_lifeless(client.hub, quiet=timedelta(0)) == 1
    assert await outcome(azurite, hub_name, instance_id) == ["Hello a", "Hello b", "Hello c"]
    assert len(host.failures) == 5


async def test_a_queue_of_poison_has_none_of_its_own(make_app: MakeApp, start_host: StartHost, azurite: str):
    name = "told-poison"
    directory = make_app(APP + TOLD % name)
    (directory / "fail.txt").touch()
    async with queue(azurite, name) as poison:
        await poison.create_queue()
        await poison.send_message(encoded("stays"))
        host = await start_host(directory, visibility=1)
        await until(lambda: len(host.failures) >= 6)
        assert [json.loads(line)["count"] for line in lines(directory / "told.txt")][:6] == [1, 2, 3, 4, 5, 6]
        await host.kill()
        with pytest.raises(ResourceNotFoundError):
            await queue_properties(azurite, f"{name}-poison")
        await poison.delete_queue()


async def queue_properties(connection: str, name: str) -> Any:
    async with queue(connection, name) as found:
        return await found.get_queue_properties()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


async def test_a_function_is_told_the_properties_of_its_message_over_what_the_host_knows(
    make_app: MakeApp, start_host: StartHost, azurite: str
):
    directory = make_app(APP + TOLD % "told-plain")
    message = {"id": "mine", "Other": 1, "nested": {"a": 1}, "many": [1], "none": None}
    async with queue(azurite, "told-plain") as plain:
        await plain.create_queue()
        await plain.send_message(encoded(json.dumps(message)))
        await start_host(directory)
        await until(lambda: bool(lines(directory / "told.txt")))
        await plain.delete_queue()
    [told] = [json.loads(line) for line in lines(directory / "told.txt")]
    assert (told["id"], told["count"], json.loads(told["body"])) == ("mine", 1, message)
    assert told["receipt"]
    assert told["inserted"].startswith("20")


async def test_a_failed_message_comes_again_after_the_time_that_host_json_says_and_as_often(
    make_app: MakeApp, start_host: StartHost, azurite: str
):
    queues = {"visibilityTimeout": "00:10:00", "maxDequeueCount": 2}
    directory = make_app(APP + TOLD % "told-twice", extensions={"queues": queues, "durableTask": {}})
    (directory / "fail.txt").touch()
    async with queue(azurite, "told-twice") as twice, queue(azurite, "told-twice-poison") as poison:
        await twice.create_queue()
        await twice.send_message(encoded("no"))
        host = await start_host(directory, visibility=2)
        await until(lambda: len(host.failures) >= 1)
        failed_at = asyncio.get_running_loop().time()
        await until(lambda: len(host.failures) >= 2)
        assert asyncio.get_running_loop().time() - failed_at > 1
        await until_gone(twice)
        assert [message.content async for message in poison.receive_messages()] == [encoded("no")]
        await twice.delete_queue()
        await poison.delete_queue()
    assert [json.loads(line)["count"] for line in lines(directory / "told.txt")] == [1, 2]


async def until_gone(found: QueueClient) -> None:
    async with asyncio.timeout(30):
        while (await found.get_queue_properties()).approximate_message_count:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("queues", "settings", "threshold"),
    [
        ({}, {}, 32),
        ({}, {"WEBSITE_SKU": "Dynamic"}, 8),
        ({"batchSize": 4}, {}, 8),
        ({"newBatchThreshold": 3}, {}, 3),
    ],
    ids=["four processors", "consumption", "small batches", "as it says"],
)
async def test_more_is_taken_by_default_where_there_are_more_processors(
    make_app: MakeApp, start_host: StartHost, queues: dict[str, int], settings: dict[str, str], threshold: int
):
    directory = make_app(APP, extensions={"queues": queues, "durableTask": {}})
    assert (await start_host(directory, settings, processors=4)).threshold == threshold


@each_extension
async def test_a_shutdown_that_leaves_what_it_has_processed_changes_nothing(
    make_app: MakeApp, start_host: StartHost, azurite: str, hub_name: str, extension: Version
):
    durable = {"maxConcurrentActivityFunctions": 2}
    directory = make_app(APP, extensions={"durableTask": durable})
    first = await start_host(directory, visibility=2, extension=extension)
    async with client_of(azurite, hub_name) as client:
        ids = {name: await client.start_new(name, client_input=20) for name in ("chain", "fan_out", "family")}
    await until(lambda: first.delivered >= 8)
    await first.stop()
    second = await start_host(directory, visibility=2, extension=extension)
    outputs = {name: await outcome(azurite, hub_name, instance_id) for name, instance_id in ids.items()}
    assert outputs == {
        "chain": ["Hello a", "Hello b", "Hello c"],
        "fan_out": sum(2 * n for n in range(20)),
        "family": list(range(12)),
    }
    assert [*first.failures, *second.failures] == []
