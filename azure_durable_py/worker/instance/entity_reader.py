"""The live entity behind an actor: its state and what it reads from rows, kept between turns.

Owns reading. It runs no operation and commits nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from azure_durable_py.history.events import Event
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.entities.live import LiveEntity
from azure_durable_py.taskhub.naming import chunk_keys
from azure_durable_py.taskhub.payloads import decode_ref, from_blobs
from azure_durable_py.taskhub.protocol import Columns, CorruptRowError
from azure_durable_py.taskhub.reading import read_events, read_value
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.sender_memory import SenderMemory


class EntityReader:
    """The live entity behind an actor: its state, kept between turns."""

    def __init__(self, context: WorkerContext, instance_id: str) -> None:
        self._context = context
        self._instance_id = instance_id
        self.senders = SenderMemory(context.hub.store, instance_id)
        self._entity_id = EntityId.get_entity_id(instance_id)
        self._entity: LiveEntity | None = None

    def forget(self) -> None:
        """The header was changed by another, or a turn came to nothing: read the state again next time."""
        self._entity = None

    async def load_decisions(self, state: InstanceState) -> None:
        """An entity has no decisions beside its messages, which the header holds in full."""
        del state

    def decision(self, task_id: int) -> Event:
        """Never called for what an entity wrote itself.

        :raises CorruptRowError: always.
        """
        raise CorruptRowError(f"entity {self._entity_id} has no decision {task_id}")

    def decided_by(self, task_ids: Collection[int]) -> bool:
        """An entity waits for no answers: whatever comes is worth a turn."""
        del task_ids
        return True

    async def open(self, columns: Columns) -> LiveEntity:
        """The entity with the state that a header has.

        :raises FunctionNotFoundError: the app has no such entity.
        :raises CorruptRowError: the state cannot be read.
        """
        context = self._context
        if self._entity is None:
            definition = context.registry.entities.get(self._entity_id.name)
            self._entity = LiveEntity(
                self._entity_id,
                definition,
                context.converter,
                await self.text(columns),
                rollback=context.settings.rollback_entity_operations_on_exceptions,
                new_id=context.hub.ids.new,
                expected=context.registry.expected,
            )
        return self._entity

    async def text(self, columns: Columns) -> str | None:
        """The state that a header has, as JSON text."""
        value = columns.output if columns.output_payload is None else decode_ref(columns.output_payload)
        return await read_value(self._context.hub.store, self._instance_id, value)

    async def filled(self, event: Event) -> Event:
        """An event with all its values.

        :raises CorruptRowError: rows of one are missing or damaged.
        """
        [filled] = await read_events(self._context.hub.store, self._instance_id, [event], everything=True)
        return filled

    async def rows(self, key: str, chunks: int) -> str:
        """The text of these rows.

        :raises CorruptRowError: one is missing or damaged.
        """
        bodies = await self._context.hub.store.get_blobs(self._instance_id, chunk_keys(key, chunks))
        return from_blobs(key, chunks, bodies)
