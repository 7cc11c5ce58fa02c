"""A stand-in for the Functions host, with its rules for queues, over a real queue service.

What it keeps to, with times scaled down so that a test can wait for them:

- A message is invisible for a fixed time (10 minutes on Azure), renewed at half of it while its invocation runs.
- Up to `batchSize` messages at a time; the next ones once no more than `newBatchThreshold` are in work.
- An empty queue is asked ever less often, up to `maxPollingInterval`.
- Texts are Base64; one that is not goes to the poison queue.
- An invocation that ends without an error deletes its message; an error makes it visible at once.
- The fifth delivery that fails, or a sixth delivery, sends it to `<queue>-poison`, which expires after 7 days.
- A worker process that died is started again.

It cannot prove what a Functions host does: it is these rules, and no more.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import random
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from tests.functions_worker.worker_process import InvocationError, WorkerProcess

API_VERSION = "2021-12-02"
MAX_DEQUEUE_COUNT = 5
FIRST_PAUSE = 0.05
WEEK = 7 * 24 * 3600


class EmulatedHost:
    """One instance: a host and its worker process.

    :param directory: the app's folder; its host.json sets batch sizes.
    :param settings: app settings; AzureWebJobsStorage among them.
    :param logs: a folder for the worker's log.
    :param name: tells instances apart in logs.
    :param visibility: seconds that stand for the 10 minutes of Azure.
    :param max_pause: longest pause between two polls of an empty queue, in seconds.
    :param duplicates: share of messages that are delivered again after their invocation succeeded.
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
    ) -> None:
        host_json = json.loads((directory / "host.json").read_text())
        queues = host_json.get("extensions", {}).get("queues", {})
        self._batch = queues.get("batchSize", 16)
        self._threshold = queues.get("newBatchThreshold", self._batch // 2)
        self._base64 = queues.get("messageEncoding", "base64") == "base64"
        self._directory, self._settings = directory, settings
        self._log = logs / f"{name}.log"
        self._visibility, self._max_pause, self._duplicates = visibility, max_pause, duplicates
        self._chance = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._clients: dict[str, QueueClient] = {}
        self._restarting = asyncio.Lock()
        self.worker = WorkerProcess(directory, settings, self._log)
        self.failures: list[str] = []
        self.delivered = 0

    async def start(self) -> None:
        """Start the worker and listen to the queues of its triggers."""
        await self.worker.start()
        if "error" in self.worker.started:
            raise RuntimeError(self.worker.started["error"] + self.worker.started["stack"])
        for function, bindings in self.worker.functions.items():
            for binding in bindings:
                if binding["type"] == "queueTrigger":
                    self._spawn(self._listen(function, binding["name"], binding["queueName"]))

    async def kill(self) -> None:
        """The whole instance is gone at once: nobody tells the queues."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await self.worker.kill()
        await asyncio.gather(*tasks, return_exceptions=True)
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

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _client(self, queue: str) -> QueueClient:
        if queue not in self._clients:
            connection = self._settings["AzureWebJobsStorage"]
            self._clients[queue] = QueueClient.from_connection_string(connection, queue, api_version=API_VERSION)
        return self._clients[queue]

    async def _listen(self, function: str, parameter: str, queue: str) -> None:
        in_work: set[asyncio.Task[None]] = set()
        pause = FIRST_PAUSE
        while True:
            if len(in_work) > self._threshold:
                await asyncio.wait(in_work, return_when=asyncio.FIRST_COMPLETED)
                continue
            messages = await self._receive(queue)
            pause = FIRST_PAUSE if messages else min(2 * pause, self._max_pause)
            for message in messages:
                task = asyncio.create_task(self._process(function, parameter, queue, message))
                for tasks in (in_work, self._tasks):
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
            if len(messages) < self._batch:
                await asyncio.sleep(pause)

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
        if text is None or count > MAX_DEQUEUE_COUNT:
            await self._poison(queue, message)
            return
        renewing = asyncio.create_task(self._renew(queue, message))
        try:
            self.delivered += 1
            failed = not await self._succeeds(function, parameter, text, message)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
        if failed and count >= MAX_DEQUEUE_COUNT:
            await self._poison(queue, message)
        elif failed or self._chance.random() < self._duplicates:
            await self._settle(self._client(queue).update_message(message, visibility_timeout=0))
        else:
            await self._settle(self._client(queue).delete_message(message))

    async def _succeeds(self, function: str, parameter: str, text: str, message: QueueMessage) -> bool:
        metadata = {
            "Id": {"kind": "string", "value": message.id},
            "DequeueCount": {"kind": "string", "value": str(message.dequeue_count)},
            "PopReceipt": {"kind": "string", "value": message.pop_receipt},
        }
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
