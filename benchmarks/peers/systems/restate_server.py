"""Restate: its server, the services behind hypercorn, and a client that calls them over HTTP."""

# The type checker does not see the environment that this runs in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.peers.measuring import Acts, at_once, greeting, main

HYPERCORN = """
bind = "127.0.0.1:{port}"
h2_max_concurrent_streams = 2147483647
keep_alive_max_requests = 2147483647
keep_alive_timeout = 2147483647
workers = 1
loglevel = "ERROR"
"""
"""What the documents have for production, but for one worker in place of eight: on two cores more are slower."""
STARTING = 60.0
JSON = {"Content-Type": "application/json"}


class Restate(Acts):
    """A client of the server's ingress. A call starts an invocation, waits for it, and has its result.

    :param service: the one whose handlers run activities in the way that is measured.
    """

    def __init__(self, session: aiohttp.ClientSession, service: str) -> None:
        self.session = session
        self.service = service

    async def _post(self, path: str, given: object = None) -> Any:
        headers, data = ({}, None) if given is None else (JSON, json.dumps(given))
        async with self.session.post(path, headers=headers, data=data) as answer:
            if answer.status >= 300:
                raise RuntimeError(f"{path}: {answer.status} {await answer.text()}")
            return await answer.json(content_type=None) if answer.content_length else None

    async def hello_cities(self) -> Sequence[str]:
        return await self._post(f"/restate/call/{self.service}/hello_cities")

    async def chain(self, length: int) -> int:
        return await self._post(f"/restate/call/{self.service}/chain", length)

    async def fan_out(self, width: int) -> int:
        return await self._post(f"/restate/call/{self.service}/fan_out", width)

    async def children(self, count: int) -> int:
        return await self._post("/restate/call/inline/parent", count)

    async def signal(self, count: int) -> None:
        await at_once(count, lambda: self._post("/restate/send/counter/the/add", 1))

    async def total(self, expected: int) -> int:
        del expected  # Calls of an object are handled in order: what this one sees is everything sent before.
        return await self._post("/restate/call/counter/the/total")

    async def wait_for_event(self) -> str:
        instance_id = uuid.uuid4().hex
        await self._post(f"/restate/send/waiting/{instance_id}/run")
        return instance_id

    async def send_event(self, instance_id: str) -> str:
        await self._post(f"/restate/call/waiting/{instance_id}/go", greeting("event"))
        async with self.session.get(f"/restate/workflow/waiting/{instance_id}/attach") as answer:
            return await answer.json()


@asynccontextmanager
async def serving(service: str) -> AsyncIterator[Restate]:
    """The server on a new directory, the services, and a client."""
    ingress, admin, node, services = _free_ports(4)
    environment = {
        **os.environ,
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RESTATE_LOG_FILTER": "error,octocrab=off",
    }
    config = Path("hypercorn.toml")
    config.write_text(HYPERCORN.format(port=services), encoding="utf-8")
    application = "benchmarks.peers.systems.restate_services:app"
    commands = (
        (["restate-server", "--base-dir", str(Path.cwd()), "--no-logo"], environment),
        ([sys.executable, "-m", "hypercorn", "--config", str(config), application], dict(os.environ)),
    )
    processes = [subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) for command, env in commands]
    try:
        # Not of itself: what has no input must not say of what type it is.
        async with aiohttp.ClientSession(f"http://127.0.0.1:{ingress}", skip_auto_headers=JSON) as session:
            await _register(session, f"http://127.0.0.1:{admin}", f"http://127.0.0.1:{services}")
            yield Restate(session, service)
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def _register(session: aiohttp.ClientSession, admin: str, services: str) -> None:
    """Tell the server of the services, as soon as both are there."""
    deadline = asyncio.get_running_loop().time() + STARTING
    while True:
        try:
            async with session.post(f"{admin}/deployments", headers=JSON, data=json.dumps({"uri": services})) as answer:
                if answer.status < 300:
                    return
                problem = f"{answer.status} {await answer.text()}"
        except aiohttp.ClientError as error:
            problem = repr(error)
        if asyncio.get_running_loop().time() > deadline:
            raise RuntimeError(f"The services were not registered in {STARTING:g} s: {problem}")
        await asyncio.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on: all found before any is used, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    for free in sockets:
        free.bind(("127.0.0.1", 0))
    ports = [free.getsockname()[1] for free in sockets]
    for free in sockets:
        free.close()
    return ports


if __name__ == "__main__":
    main({"inline": partial(serving, "inline"), "services": partial(serving, "called")})
