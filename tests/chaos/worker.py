"""A worker process: runs the app on the hub until it is killed, or told to end (SIGTERM).

It ends when the driver does, whichever way: its standard input is a pipe that the driver holds open, and Linux is asked
to kill it as well, since a stopped process reads nothing.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_durable_py.errors import StorageError
from azure_durable_py.settings import DEFAULT_CONNECTION, Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.storage import open_store
from azure_durable_py.worker.worker import Worker
from tests.chaos.app import build
from tests.chaos.effects import Effects

HUB = "Chaos"
_SIGNAL_AT_PARENTS_DEATH = 1
SETTINGS = Settings(
    hub_name=HUB,
    # Few slots: the surplus of a fan-out goes through the queue.
    max_concurrent_activities=8,
    max_concurrent_orchestrators=16,
    max_concurrent_entities=16,
    # Short, so that what a dead worker held is soon with another.
    instance_visibility_timeout=5.0,
    activity_visibility_timeout=5.0,
    max_queue_polling_interval=1.0,
    extended_session_idle_timeout=5.0,
)


@dataclass(frozen=True)
class Orders:
    """What a worker process is told: where the hub is, and where to note effects.

    `storage` is as for `azure-durable start --storage`; `connection` the connection string, for Azure Storage.
    """

    directory: str
    storage: str
    connection: str = ""

    def encode(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def ready_file(directory: Path, pid: int) -> Path:
    """Is there once the worker of that process takes work."""
    return directory / f"{pid}.ready"


def main() -> None:
    """Do what the command line says."""
    orders = Orders(**json.loads(sys.argv[1]))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SIGNAL_AT_PARENTS_DEATH, signal.SIGKILL)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("azure.core", "azure_durable_py.orchestrator"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    asyncio.run(_work(orders))


def _end_with_driver() -> None:
    # Not through sys.stdin, whose lock would be in the way of an orderly end.
    while os.read(0, 64):
        pass
    os._exit(1)


async def _work(orders: Orders) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    directory = Path(orders.directory)
    environ = {DEFAULT_CONNECTION: orders.connection}
    hub = TaskHub(open_store(orders.storage, SETTINGS, environ, directory))
    while not ended.is_set():
        try:
            await hub.open()
            break
        except StorageError as error:
            logging.getLogger("chaos").warning("Not open yet: %s", error)
            await asyncio.sleep(0.5)
    worker = Worker(hub, build(Effects(directory)), SETTINGS)
    await worker.start()
    ready_file(directory, os.getpid()).touch()
    await ended.wait()
    await worker.stop(5.0)
    await hub.close()


if __name__ == "__main__":
    main()
