"""Where the hub of a run is kept: how workers get to it, how the driver does, and what lies in it.

Owns the file of the embedded hub, or the Azurite process with a faulty way to it for each worker. What it lists is
read from storage itself, past the engine: rows that no header knows of are what a run looks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from azure.data.tables.aio import TableClient

from azure_durable_py.errors import StorageUnavailableError
from azure_durable_py.settings import DEFAULT_CONNECTION
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection
from azure_durable_py.taskhub.protocol import HubInfo, TaskHubStore
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.wrapping import StoreWrapper
from tests.azurite import ACCOUNT, KEY, Azurite, find
from tests.chaos.plan import WORKERS, Blow, Plan
from tests.chaos.proxy import WEATHERS, Proxy, Sky
from tests.chaos.worker import HUB, Orders


class Row(NamedTuple):
    """A row beside the headers: `10-inbox-...`, `20-history-...`, `30-payload-...`."""

    instance_id: str
    key: str


class Place(Protocol):
    """A hub that workers share."""

    @property
    def faults(self) -> Counter[str]:
        """The faults injected so far, by kind."""
        ...

    @property
    def unheard_messages(self) -> int:
        """Queue messages that were put without an answer that says so."""
        ...

    async def open(self) -> None:
        """Make it ready for workers."""
        ...

    def orders(self, number: int) -> Orders:
        """What to tell a worker."""
        ...

    def store(self) -> TaskHubStore:
        """The driver's own way to the hub, without faults; not opened."""
        ...

    async def cut(self, blow: Blow) -> None:
        """Do something to the way to storage, for as long as the blow says."""
        ...

    def storm(self) -> None:
        """Let small faults begin."""
        ...

    def calm(self) -> None:
        """End every fault."""
        ...

    async def rows(self) -> list[Row]:
        """All rows beside the headers."""
        ...

    def messages(self) -> list[str] | None:
        """The texts of all messages, where they can be read."""
        ...

    async def let_time_pass(self) -> bool:
        """Make all that is to come much later come now; tells whether that can be done here."""
        ...

    def was_late(self, row: Row) -> bool:
        """Whether storage heard late of a request about this row, after its sender had given up on it."""
        ...

    async def close(self) -> None:
        """Let go of everything but the data."""
        ...


def place_of(plan: Plan, directory: Path) -> Place:
    """The place that a plan asks for.

    :raises RuntimeError: Azurite is not installed.
    """
    return OneFile(directory) if plan.store == "sqlite" else OnAzurite(plan, directory)


class OneFile:
    """An embedded hub in one file. Its only fault: somebody else locks it for a while."""

    def __init__(self, directory: Path) -> None:
        self.faults: Counter[str] = Counter()
        self.unheard_messages = 0
        self._directory = directory
        self._file = directory / "hub.db"

    async def open(self) -> None:
        # Two processes must not create the tables at once: whoever is first waits for nobody.
        store = self.store()
        await store.open()
        await store.close()

    def orders(self, number: int) -> Orders:
        return Orders(str(self._directory), f"sqlite:{self._file}")

    def store(self) -> TaskHubStore:
        # A stopped worker may have locked the file: the driver, who is to wake it, must not wait in a call.
        return Patient(SqliteStore(str(self._file), hub_name=HUB, busy_timeout=0.0))

    async def cut(self, blow: Blow) -> None:
        self.faults["lock"] += 1
        await asyncio.to_thread(self._lock, blow.seconds)

    def _lock(self, seconds: float) -> None:
        connection = sqlite3.connect(self._file, timeout=30.0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            connection.execute("ROLLBACK")
        finally:
            connection.close()

    async def let_time_pass(self) -> bool:
        now = int(time.time() * 1_000_000)
        with contextlib.closing(sqlite3.connect(self._file, timeout=30.0)) as db, db:
            db.execute("UPDATE messages SET visible_at = ? WHERE visible_at > ? + 600000000", (now, now))
        return True

    def storm(self) -> None:
        pass

    def calm(self) -> None:
        pass

    async def rows(self) -> list[Row]:
        return [
            *(Row(instance_id, f"10-inbox-{key}") for instance_id, key in self._read("instance_id, key FROM inbox")),
            *(Row(instance_id, key) for instance_id, key in self._read("instance_id, key FROM blobs")),
        ]

    def messages(self) -> list[str] | None:
        return [str(body) for (body,) in self._read("body FROM messages")]

    def _read(self, what: str) -> list[tuple[str, ...]]:
        connection = sqlite3.connect(self._file, timeout=30.0)
        try:
            return connection.execute(f"SELECT {what}").fetchall()
        finally:
            connection.close()

    def was_late(self, row: Row) -> bool:
        return False

    async def close(self) -> None:
        pass


class Patient(StoreWrapper):
    """A store that asks again until the file is free: what a locked file refuses did not take effect."""

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        async def again(*args: Any) -> Any:
            while True:
                try:
                    return await call(*args)
                except StorageUnavailableError:
                    await asyncio.sleep(0.05)

        return again

    async def open(self) -> HubInfo:
        return await self.around("open", self.inner.open)()


class OnAzurite:
    """A hub on an Azurite process of its own; each worker comes to it through proxies under a sky of its own."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        command = find()
        if command is None:
            raise RuntimeError("Azurite is not installed: run `npm ci`, or set AZURITE to its command.")
        self._directory = directory
        self._azurite = Azurite(command, directory)
        self._skies = [Sky(plan.dice(f"sky {number}")) for number in range(WORKERS)]
        self._windows: list[list[str]] = [[] for _ in range(WORKERS)]
        self._proxies: list[dict[str, Proxy]] = []
        self._ports: list[dict[str, int]] = []
        self._weather = "calm"

    @property
    def faults(self) -> Counter[str]:
        return sum((sky.faults for sky in self._skies), Counter[str]())

    @property
    def unheard_messages(self) -> int:
        return sum(sky.unheard_messages for sky in self._skies)

    async def open(self) -> None:
        uris = {"queue": self._azurite.queue_uri, "table": self._azurite.table_uri}
        for sky in self._skies:
            proxies = {service: Proxy(urlsplit(uri).port or 0, sky) for service, uri in uris.items()}
            self._proxies.append(proxies)
            self._ports.append({service: await proxy.open() for service, proxy in proxies.items()})

    def orders(self, number: int) -> Orders:
        ports = self._ports[number]
        connection = (
            f"AccountName={ACCOUNT};AccountKey={KEY};"
            f"QueueEndpoint=http://127.0.0.1:{ports['queue']}/{ACCOUNT};"
            f"TableEndpoint=http://127.0.0.1:{ports['table']}/{ACCOUNT};"
        )
        return Orders(str(self._directory), DEFAULT_CONNECTION, connection)

    def store(self) -> TaskHubStore:
        connection = StorageConnection.from_connection_string(self._azurite.connection_string)
        return AzureStore(connection, hub_name=HUB)

    async def cut(self, blow: Blow) -> None:
        for number in blow.workers:
            self._windows[number].append(blow.kind)
            self._look_up(number)
            if blow.kind == "out of reach":
                for proxy in self._proxies[number].values():
                    proxy.cut()
        await asyncio.sleep(blow.seconds)
        for number in blow.workers:
            if blow.kind in self._windows[number]:
                self._windows[number].remove(blow.kind)
            self._look_up(number)

    async def let_time_pass(self) -> bool:
        return False  # Who does not hold a message cannot make it visible.

    def storm(self) -> None:
        self._weather = "unsteady"
        for number in range(WORKERS):
            self._look_up(number)

    def calm(self) -> None:
        self._weather = "calm"
        for number in range(WORKERS):
            self._windows[number].clear()
            self._look_up(number)

    def _look_up(self, number: int) -> None:
        """Of several windows at once the last one begun is what a worker sees."""
        windows = self._windows[number]
        self._skies[number].weather = WEATHERS[windows[-1] if windows else self._weather]

    async def rows(self) -> list[Row]:
        connection = self._azurite.connection_string
        async with TableClient.from_connection_string(connection, f"{HUB}TaskHub") as table:
            wanted = "RowKey ge '10-' and RowKey lt '90-'"
            found = table.query_entities(wanted, select=["PartitionKey", "RowKey"])
            return [Row(unquote(row["PartitionKey"].replace("~", "%")), row["RowKey"]) async for row in found]

    def messages(self) -> list[str] | None:
        return None

    def was_late(self, row: Row) -> bool:
        return any(sky.was_late(row.key) for sky in self._skies)

    async def close(self) -> None:
        for proxies in self._proxies:
            for proxy in proxies.values():
                await proxy.close()
        self._azurite.stop()
