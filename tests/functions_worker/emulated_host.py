"""A stand-in for the Functions host, with its rules for queues, over a real queue service.

What it keeps to (host 4.1037, queue extension 5.3), with times scaled down so that a test can wait for them:

- A message is invisible for a fixed time (10 minutes on Azure), renewed at half of it while its invocation runs.
- Up to `batchSize` messages at a time; the next ones once no more than `newBatchThreshold` are in work: by default half
  a batch for each processor.
- After a batch, the queue is asked again at once; when it is empty ever less often, up to `maxPollingInterval`.
- Texts are Base64; one that is not goes to the poison queue.
- A function is told of its message as `trigger_metadata` says.
- An invocation that ends without an error deletes its message; an error makes it visible after `visibilityTimeout`.
- The delivery that fails as the last that `maxDequeueCount` allows, or one more, sends it to `<queue>-poison`, which
  expires after 7 days.
- A queue `...-poison` has no poison queue. A failed message there stays invisible for the rest of its time. One that
  was delivered too often is skipped until it expires, before version 5.3.8 of the extension, and delivered after.
- At shutdown it takes no more messages and waits for what runs; before version 5.3.4 those are not deleted any more.
- A worker process that died is started again.

It cannot prove what a Functions host does: it is these rules, and no more.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from azure_durable_py.settings import parse_duration
from tests.functions_worker.trigger_metadata import trigger_metadata
from tests.functions_worker.worker_process import InvocationError, WorkerProcess

API_VERSION = "2021-12-02"
FIRST_PAUSE = 0.1
TEN_MINUTES = 600
WEEK = 7 * 24 * 3600
Version = tuple[int, int, int]
DELIVERS_POISON_FOR_EVER: Version = (5, 3, 8)
DELETES_AT_SHUTDOWN: Version = (5, 3, 4)
NEWEST: Version = (5, 3, 8)


class EmulatedHost:
    """One instance: a host and its worker process.

    :param directory: the app's folder; its host.json sets batch sizes.
    :param settings: app settings; AzureWebJobsStorage among them.
    :param logs: a folder for the worker's log.
    :param name: tells instances apart in logs.
    :param visibility: seconds that stand for the 10 minutes of Azure.
    :param max_pause: longest pause between two polls of an empty queue, in seconds; stands for maxPollingInterval.
    :param duplicates: share of messages that are delivered again after their invocation succeeded.
    :param extension: the version of the queue extension.
    :param processors: of the machine; an app on a consumption plan counts as on one.
    """

    def __init__(
        self,
        directory: Path,
        settings: Mapping[str, str],
        logs: Path,
        *,
        name: str = "host",
        visibility: int = 6,
        max_pause: float = 0.5,
        duplicates: float = 0.0,
        seed: int = 1,
        extension: Version = NEWEST,
        processors: int = 1,
    ) -> None:
        host_json = json.loads((directory / "host.json").read_text())
        queues = host_json.get("extensions", {}).get("queues", {})
        self._batch = queues.get("batchSize", 16)
        counted = 1 if settings.get("WEBSITE_SKU") == "Dynamic" else processors
        self.threshold = queues.get("newBatchThreshold", self._batch // 2 * counted)
        self._most_deliveries = queues.get("maxDequeueCount", 5)
        # In whole seconds, as storage has it; what is not zero does not become zero.
        release = parse_duration(queues.get("visibilityTimeout", "00:00:00")) or 0.0
        self._release_after = math.ceil(release * visibility / TEN_MINUTES)
        self._extension = extension
        self._base64 = queues.get("messageEncoding", "base64") == "base64"
        self._directory, self._settings = directory, settings
        self._log = logs / f"{name}.log"
        self._visibility, self._max_pause, self._duplicates = visibility, max_pause, duplicates
        self._chance = random.Random(seed)
        self._listeners: set[asyncio.Task[None]] = set()
        self._in_work: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._clients: dict[str, QueueClient] = {}
        self._restarting = asyncio.Lock()
        self.worker = WorkerProcess(directory, settings, self._log)
        self.failures: list[str] = []
        self.delivered = 0
        self.skipped = 0

    async def start(self) -> None:
        """Start the worker and listen to the queues of its triggers."""
        await self.worker.start()
        if "error" in self.worker.started:
            raise RuntimeError(self.worker.started["error"] + self.worker.started["stack"])
        for function, bindings in self.worker.functions.items():
            for binding in bindings:
                if binding["type"] == "queueTrigger":
                    self._listeners.add(
                        asyncio.create_task(self._listen(function, binding["name"], binding["queueName"]))
                    )

    async def stop(self) -> None:
        """Shut down in good order, as when an instance is taken away: take nothing more, and let what runs end."""
        self._is_stopping = True
        await _cancelled(self._listeners)
        await asyncio.gather(*self._in_work)
        await self._end()

    async def kill(self) -> None:
        """The whole instance is gone at once: nobody tells the queues."""
        for task in self._in_work:
            task.cancel()
        await _cancelled(self._listeners)
        await self._end()

    async def _end(self) -> None:
        await self.worker.kill()
        await asyncio.gather(*self._in_work, return_exceptions=True)
        for client in self._clients.values():
            await client.close()
        self._clients.clear()

    async def kill_worker(self) -> None:
        """The worker process dies, as by functionTimeout or for want of memory; the host goes on."""
        await self.worker.kill()

    # --- HTTP ------------------------------------------------------------------------------------------

    async def request(self, method: str, url: str, body: Any = None) -> dict[str, Any]:
        """Send an HTTP request: a path below the route prefix, or the URL of an answer."""
        path = re.sub(r"^https?://[^/]+", "", url)
        if not path.startswith("/api/"):
            path = f"/api/{path}"
        text = b"" if body is None else json.dumps(body).encode()
        for function, bindings in self.worker.functions.items():
            for binding in bindings:
                if binding["type"] != "httpTrigger" or method not in _methods(binding):
                    continue
                found = re.fullmatch(_pattern(binding.get("route") or function), path.partition("?")[0][5:])
                if found is not None:
                    params = {name: value for name, value in found.groupdict().items() if value is not None}
                    url = f"http://localhost:7071{path}"
                    return await self.worker.request(function, method, url, params=params, body=text)
        raise AssertionError(f"no function answers {method} {path}")

    # --- queues ----------------------------------------------------------------------------------------

    def _client(self, queue: str) -> QueueClient:
        if queue not in self._clients:
            connection = self._settings["AzureWebJobsStorage"]
            self._clients[queue] = QueueClient.from_connection_string(connection, queue, api_version=API_VERSION)
        return self._clients[queue]

    async def _listen(self, function: str, parameter: str, queue: str) -> None:
        in_work: set[asyncio.Task[None]] = set()
        pause = FIRST_PAUSE
        while True:
            while len(in_work) > self.threshold:
                await asyncio.wait(in_work, return_when=asyncio.FIRST_COMPLETED)
            messages = await self._receive(queue)
            for message in messages:
                task = asyncio.create_task(self._process(function, parameter, queue, message))
                for tasks in (in_work, self._in_work):
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            if messages:
                pause = FIRST_PAUSE
                continue
            await asyncio.sleep(pause * self._chance.uniform(0.8, 1.2))
            pause = min(2 * pause, self._max_pause)

    async def _receive(self, queue: str) -> list[QueueMessage]:
        try:
            pages = self._client(queue).receive_messages(
                messages_per_page=self._batch, max_messages=self._batch, visibility_timeout=self._visibility
            )
            return [message async for message in pages]
        except ResourceNotFoundError:
            return []  # The host does not create queues; it waits for somebody who does.

    async def _process(self, function: str, parameter: str, queue: str, message: QueueMessage) -> None:
        text = self._decoded(message.content)
        count = message.dequeue_count or 0
        is_poison = queue.endswith("-poison")
        too_often = count > self._most_deliveries and not (is_poison and self._extension >= DELIVERS_POISON_FOR_EVER)
        if text is None or too_often:
            if is_poison:
                self.skipped += 1  # It is there until it expires.
            else:
                await self._poison(queue, message)
            return
        renewing = asyncio.create_task(self._renew(queue, message))
        try:
            self.delivered += 1
            failed = not await self._succeeds(function, parameter, text, message)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        if failed and is_poison:
            return
        if failed and count >= self._most_deliveries:
            await self._poison(queue, message)
        elif failed:
            await self._settle(self._client(queue).update_message(message, visibility_timeout=self._release_after))
        elif self._is_stopping and self._extension < DELETES_AT_SHUTDOWN:
            return
        elif self._chance.random() < self._duplicates:
            await self._settle(self._client(queue).update_message(message, visibility_timeout=0))
        else:
            await self._settle(self._client(queue).delete_message(message))

    async def _succeeds(self, function: str, parameter: str, text: str, message: QueueMessage) -> bool:
        metadata = trigger_metadata(text, message)
        worker = self.worker
        try:
            result = await worker.invoke(function, {parameter: {"kind": "string", "value": text}}, metadata)
            assert result is None
        except InvocationError as error:
            self.failures.append(f"{function}: {error}")
            return False
        except (ConnectionError, OSError):
            await self.restart_worker(worker)
            return False
        return True

    async def restart_worker(self, dead: WorkerProcess) -> None:
        """Have a new worker process in the place of one that is gone, as the host does."""
        async with self._restarting:
            if self.worker is not dead:
                return
            await dead.kill()
            worker = WorkerProcess(self._directory, self._settings, self._log)
            await worker.start()
            self.worker = worker

    async def _renew(self, queue: str, message: QueueMessage) -> None:
        while True:
            await asyncio.sleep(self._visibility / 2)
            renewed = await self._client(queue).update_message(message, visibility_timeout=self._visibility)
            message.pop_receipt = renewed.pop_receipt

    async def _poison(self, queue: str, message: QueueMessage) -> None:
        poison = self._client(f"{queue}-poison")
        try:
            await poison.send_message(message.content, time_to_live=WEEK)
        except ResourceNotFoundError:
            await poison.create_queue()
            await poison.send_message(message.content, time_to_live=WEEK)
        await self._settle(self._client(queue).delete_message(message))

    async def _settle(self, call: Any) -> None:
        try:
            await call
        except HttpResponseError:
            return  # It was delivered elsewhere meanwhile.

    def _decoded(self, text: str) -> str | None:
        if not self._base64:
            return text
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError):
            return None


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()


def _methods(binding: Mapping[str, Any]) -> set[str]:
    methods = binding.get("methods") or ["GET", "POST", "PUT", "DELETE"]
    return {str(method).upper() for method in methods}


def _pattern(route: str) -> str:
    pattern = ""
    for segment in route.split("/"):
        if segment.startswith("{*"):
            pattern += f"/(?P<{segment[2:-1]}>.*)"
        elif segment.endswith("?}"):
            pattern += f"(?:/(?P<{segment[1:-2]}>[^/]+))?"
        elif segment.startswith("{"):
            pattern += f"/(?P<{segment[1:-1]}>[^/]+)"
        else:
            pattern += "/" + re.escape(segment)
    return pattern.removeprefix("/")
