"""Plays the worker: writes the headers that a worker would, so that the client is tested alone."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from azure_durable_py.clock import Clock, Ids
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_event, encode_event
from azure_durable_py.history.events import (
    Event,
    ExecutionCompleted,
    ExecutionStarted,
    OrchestratorStarted,
    ParentInstance,
    PayloadRef,
)
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.messages import Doorbell, InboxEvent
from azure_durable_py.taskhub.naming import page_key
from azure_durable_py.taskhub.payloads import Spill, encode_ref, to_blobs
from azure_durable_py.taskhub.protocol import Commit
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.taskhub.state import InstanceState, PageRef
from azure_durable_py.taskhub.tail import Tail

START = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)


class Wall:
    """A clock on the wall that a test sets."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def make_hub(wall: Wall) -> TaskHub:
    return TaskHub(SqliteStore(None, hub_name="ClientHub", now=wall.now), Clock(wall.now), Ids())


class Playing:
    """Acts on instances as their worker would."""

    def __init__(self, hub: TaskHub) -> None:
        self.hub = hub

    async def set_status(
        self,
        instance_id: str,
        status: str,
        *,
        output: str | None = None,
        failure: FailureDetails | None = None,
        events: tuple[Event, ...] = (),
        seal: bool = False,
    ) -> None:
        """Commit the next turn of an instance: its status, output and what it adds to the history."""
        header = await self.hub.store.load_header(instance_id)
        assert header is not None
        now = self.hub.clock.now()
        state = InstanceState.decode(header.body)
        terminal = status in ("Completed", "Failed", "Terminated")
        value = None if output is None else Spill(f"turn-{self.hub.ids.short()}")
        stored = None if value is None else value.value(output)
        added: list[Event] = list(events)
        if isinstance(state.pending, list) and state.pending:
            started = OrchestratorStarted(now)
            state.tail.extend([encode_event(started), *state.pending])
            state.pending = []
        if terminal:
            added.append(ExecutionCompleted(now, status, stored, failure))
        state.tail.extend(map(encode_event, added))
        blobs = [] if value is None else value.rows
        if seal:
            ref, rows = to_blobs(page_key(0, "turn", 0), "\n".join(state.tail))
            state.pages.append(PageRef(ref.key, ref.chunks, len(state.tail)))
            state.tail = Tail()
            blobs = [*blobs, *rows]
        columns = replace(
            header.columns,
            runtime_status=status,
            turn_id=self.hub.ids.short(),
            last_updated_time=now,
            completed_time=now if terminal else None,
            output=stored if isinstance(stored, str) else None,
            output_payload=encode_ref(stored) if isinstance(stored, PayloadRef) else None,
        )
        changed = replace(header, columns=columns, body=state.encode(), etag="")
        await self.hub.store.commit(Commit(instance_id, changed, header.etag, put=tuple(blobs)))

    async def start_child(self, instance_id: str, name: str, *, parent: str) -> None:
        """Start a sub-orchestration of an instance."""
        origin = ParentInstance(parent, "x", 0, 0, 0, "Parent", self.hub.clock.now())
        await self.hub.start(StartRequest(instance_id, self.hub.ids.new(), name, self.hub.clock.now(), parent=origin))

    async def fail(self, instance_id: str, message: str) -> None:
        await self.set_status(
            instance_id, "Failed", output=json.dumps(message), failure=FailureDetails(message, "ValueError")
        )

    async def inbox(self, instance_id: str) -> list[InboxEvent]:
        loaded = await self.hub.store.load(instance_id)
        return [InboxEvent.decode(row.body) for row in loaded.inbox]

    async def next_event(self, instance_id: str) -> InboxEvent:
        """Wait for the first event in an inbox."""
        for _ in range(10_000):
            if found := await self.inbox(instance_id):
                return found[0]
            await asyncio.sleep(0)
        raise AssertionError(f"nothing arrived for {instance_id!r}")

    async def wait_for_header(self, instance_id: str) -> None:
        """Wait until an instance has been inserted."""
        for _ in range(10_000):
            if await self.hub.store.load_header(instance_id):
                return
            await asyncio.sleep(0)
        raise AssertionError(f"{instance_id!r} was not started")

    async def take_doorbells(self) -> list[Doorbell]:
        """Receive and delete all doorbells that are visible."""
        taken: list[Doorbell] = []
        for queue in self.hub.store.instance_queues:
            while messages := await self.hub.store.receive_messages(queue, 32, 60.0):
                for message in messages:
                    taken.append(Doorbell.decode(message.body))
                    await self.hub.store.delete_message(message)
        return taken

    async def started(self, instance_id: str) -> ExecutionStarted:
        """The start of an instance that has not begun."""
        header = await self.hub.store.load_header(instance_id)
        assert header is not None
        state = InstanceState.decode(header.body)
        assert isinstance(state.pending, list)
        event = decode_event(state.pending[0])
        assert isinstance(event, ExecutionStarted)
        return event
