"""A worker process that runs the agents of `travel`, and kills itself (SIGKILL) before it begins a certain step."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from azure_durable_py.app import DFApp
from azure_durable_py.settings import DEFAULT_CONNECTION, Settings
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.storage import open_store
from azure_durable_py.worker.worker import Worker
from tests.pydantic_ai import travel


@dataclass(frozen=True)
class Orders:
    """What a worker process is told.

    `storage` is as for `azure-durable start --storage`, `connection` the connection string for Azure Storage. It notes
    steps in `directory`, and dies before the one of the name `dies_before`, or after all at
    `travel.RETURNED`.
    """

    directory: str
    hub_name: str
    storage: str
    connection: str = ""
    dies_before: str = ""

    def encode(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))

    def settings(self) -> Settings:
        """Those of worker and client. What a dead worker held is soon with another."""
        return Settings(
            hub_name=self.hub_name,
            instance_visibility_timeout=5.0,
            activity_visibility_timeout=5.0,
            max_queue_polling_interval=0.2,
        )

    def hub(self) -> TaskHub:
        """The hub, still to be opened."""
        return TaskHub(
            open_store(self.storage, self.settings(), {DEFAULT_CONNECTION: self.connection}, Path(self.directory))
        )


def noted(directory: Path) -> list[str]:
    """The steps that were done, by all processes."""
    path = directory / "done"
    return path.read_text().splitlines() if path.exists() else []


def main() -> None:
    """Do what the command line says."""
    orders = Orders(**json.loads(sys.argv[1]))
    threading.Thread(target=_end_with_driver, daemon=True).start()

    async def begin(step: str) -> None:
        if step == orders.dies_before:
            os.kill(os.getpid(), signal.SIGKILL)

    def end(step: str) -> None:
        with (Path(orders.directory) / "done").open("a") as done:
            done.write(f"{step}\n")

    asyncio.run(_work(orders, travel.build(end, begin)))


def _end_with_driver() -> None:
    while os.read(0, 64):
        pass
    os._exit(1)


async def _work(orders: Orders, app: DFApp) -> None:
    hub = orders.hub()
    await hub.open()
    worker = Worker(hub, app.registry, orders.settings())
    await worker.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
