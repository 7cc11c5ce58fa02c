"""Starts a process of the production Functions worker and talks to it."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

ROOT = Path(__file__).parent.parent.parent


class InvocationError(Exception):
    """The worker answered that a function failed."""


class WorkerProcess:
    """One worker process on one app.

    :param directory: the app's folder.
    :param settings: app settings, which are the process's environment.
    :param log: where what it writes to its standard error goes.
    """

    def __init__(self, directory: Path, settings: Mapping[str, str], log: Path) -> None:
        self._directory = directory
        self._settings = dict(settings)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reading: asyncio.Task[None] | None = None
        self.started: dict[str, Any] = {}

    async def start(self) -> dict[str, Any]:
        """Have the app indexed and loaded; gives what the worker found, or how it failed."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self._settings}
        with self._log.open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.functions_worker.worker_main", str(self._directory)),
                cwd=ROOT,
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=2**24,
            )
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker did not start:\n{self.log()}")
        self.started = json.loads(line)
        self._reading = asyncio.create_task(self._read())
        address = self.started.get("capabilities", {}).get("HttpUri")
        if address is not None:
            await _listening(urlsplit(address).port)
        return self.started

    @property
    def functions(self) -> dict[str, list[dict[str, Any]]]:
        """The bindings of every function, by name."""
        return {function["name"]: function["bindings"] for function in self.started.get("functions", [])}

    async def invoke(
        self, function: str, inputs: Mapping[str, Any], metadata: Mapping[str, Any], invocation_id: str = ""
    ) -> Any:
        """Invoke a function and give what it returned.

        :raises InvocationError: it raised.
        :raises ConnectionError: the process is gone.
        """
        if self._process is None or self._process.stdin is None or self._process.returncode is not None:
            raise ConnectionError("the worker is gone")
        call = {
            "id": invocation_id or str(uuid.uuid4()),
            "function": function,
            "inputs": dict(inputs),
            "metadata": dict(metadata),
        }
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[call["id"]] = answer
        self._process.stdin.write(json.dumps(call).encode() + b"\n")
        found = await answer
        if "error" in found:
            raise InvocationError(f"{found['error']}\n{found['stack']}")
        return found["result"]

    async def request(
        self, function: str, method: str, url: str, *, params: Mapping[str, str] | None = None, body: bytes = b""
    ) -> dict[str, Any]:
        """Invoke an HTTP function; gives `status`, `headers` and `body`."""
        trigger = next(binding for binding in self.functions[function] if binding["type"] == "httpTrigger")
        query = dict(part.split("=", 1) for part in url.partition("?")[2].split("&") if "=" in part)
        http = {
            "method": method,
            "url": url,
            "headers": {"content-type": "application/json"},
            "params": dict(params or {}),
            "query": query,
            "body": base64.b64encode(body).decode(),
        }
        inputs = {trigger["name"]: {"kind": "http", "value": http}}
        address = self.started["capabilities"].get("HttpUri")
        if address is None:
            return await self.invoke(function, inputs, {})
        return await self._forwarded(function, inputs, address + urlsplit(url)._replace(scheme="", netloc="").geturl())

    async def _forwarded(self, function: str, inputs: Mapping[str, Any], address: str) -> dict[str, Any]:
        """To an app that streams HTTP the host forwards the request itself, beside the invocation."""
        http = inputs[next(iter(inputs))]["value"]
        invocation_id = str(uuid.uuid4())
        headers = {**http["headers"], "x-ms-invocation-id": invocation_id, "host": urlsplit(http["url"]).netloc}
        invocation = asyncio.create_task(self.invoke(function, inputs, {}, invocation_id))
        async with aiohttp.ClientSession() as session:
            body = base64.b64decode(http["body"])
            async with session.request(http["method"], address, data=body, headers=headers) as response:
                answer = {"status": response.status, "headers": dict(response.headers), "body": await response.text()}
        await invocation
        return answer

    async def kill(self) -> None:
        """End the process at once, as a crash does."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        if self._reading is not None:
            await self._reading
        self._process._transport.close()  # type: ignore[attr-defined]

    def log(self) -> str:
        """What the process wrote."""
        return self._log.read_text()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            answer = json.loads(line)
            waiting = self._waiting.pop(answer["id"], None)
            if waiting is not None and not waiting.done():
                waiting.set_result(answer)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the worker is gone"))
        self._waiting.clear()


async def _listening(port: int | None) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
            return
