"""What a client does with entities: signal, read, list, delete, clean up.

Owns the names and arguments that users call; `DurableOrchestrationClient` has them all.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from azure_durable_py.client.batches import EntitySignal, do_all
from azure_durable_py.client.status import decode
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.history.events import OperationArrived
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.entities.live import DELETE
from azure_durable_py.serialization.converter import DataConverter, JsonDataConverter
from azure_durable_py.taskhub.clearing import is_orphan, release_lock, remove_if_empty
from azure_durable_py.taskhub.damage import Found, end_damaged
from azure_durable_py.taskhub.entity_state import EMPTY, EXISTS, EntityState, Summary
from azure_durable_py.taskhub.protocol import Columns, CorruptRowError, Header, InstanceQuery, Kind, Listed
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.times import utc

if TYPE_CHECKING:
    from azure_durable_py.client.messenger import Messenger
    from azure_durable_py.client.reader import Reader
    from azure_durable_py.registry import Registry
    from azure_durable_py.taskhub.hub import TaskHub


@dataclass(frozen=True, slots=True)
class EntityStateResponse:
    """The state of an entity when it was read: `entity_state` is None where it does not exist."""

    entity_exists: bool = False
    entity_state: Any = None


@dataclass(frozen=True, slots=True)
class EntityMetadata:
    """What is known of an entity. Falsy when it has no state.

    `last_operation_time` is that of its newest operation. `backlog_size` counts the requests that
    wait behind a lock; `locked_by` is the instance id of the orchestration that holds it, and
    `waiting` (only where one entity was asked for) are those that wait for it. `state_json` is the
    state as JSON text, `state` decodes it. `damaged` tells what of the entity cannot be read, and why.
    """

    entity_id: EntityId
    exists: bool = False
    last_operation_time: datetime | None = None
    last_updated_time: datetime | None = None
    backlog_size: int = 0
    locked_by: str | None = None
    waiting: tuple[str, ...] = ()
    state_json: str | None = None
    damaged: str | None = None
    converter: DataConverter = field(default_factory=JsonDataConverter, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.exists

    @property
    def state(self) -> Any:
        """The state as plain JSON values, if it was asked for."""
        return self.get_state()

    def get_state(self, expected_type: Any = None) -> Any:
        """The state as `expected_type`; by default as plain JSON values.

        :raises SerializationError: it is not of that type.
        :raises CorruptRowError: it is damaged.
        """
        if self.damaged is not None and self.state_json is None:
            raise CorruptRowError(f"The state of entity {self.entity_id} cannot be read: {self.damaged}")
        return None if self.state_json is None else decode(self.converter, self.state_json, expected_type)


@dataclass(frozen=True, slots=True)
class EntityPage:
    """One page of entities. No token: it was the last."""

    items: tuple[EntityMetadata, ...]
    continuation_token: str | None


@dataclass(frozen=True, slots=True)
class CleanEntityStorageResult:
    """What `clean_entity_storage` did."""

    empty_entities_removed: int = 0
    orphaned_locks_released: int = 0


class EntityClient:
    """The part of the durable client that talks to entities."""

    _hub: TaskHub
    _messenger: Messenger
    _reader: Reader
    _converter: DataConverter
    _registry: Registry | None

    def _of_hub(self, task_hub_name: str | None, connection_name: str | None) -> EntityClient:
        raise NotImplementedError

    # --- operations ------------------------------------------------------------------------------

    async def signal_entity(
        self,
        entityId: EntityId,
        operation_name: str,
        operation_input: Any = None,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        signal_time: datetime | None = None,
        input: Any = None,
    ) -> None:
        """Have an entity perform an operation, now or later. Its result is not told.

        :param operation_input: JSON-serializable.
        :param task_hub_name: the entity's task hub, if it is another one.
        :param connection_name: the setting with the connection to that hub, if it is another one.
        :param signal_time: when to perform it (default: now); naive means UTC.
        :param input: another name of `operation_input`.
        :raises FunctionNotFoundError: the app has no such entity.
        :raises SerializationError: the input cannot be turned into JSON.
        :raises PayloadTooLargeError: the input is larger than the hub stores.
        :raises InvalidRequestError: two inputs are given, or the other hub cannot be reached from here.
        """
        if input is not None:
            if operation_input is not None:
                raise InvalidRequestError("`input` is another name of `operation_input`: give one of the two.")
            operation_input = input
        text = None if operation_input is None else self._converter.serialize(operation_input)
        moment = None if signal_time is None else utc(signal_time)
        await self._of_hub(task_hub_name, connection_name)._signal(entityId, operation_name, text, moment)

    async def signal_entities(self, signals: Iterable[EntitySignal]) -> None:
        """Send many signals. Those for one entity go together, and arrive in the order given.

        What is sent stays sent, whatever becomes of the others.

        :raises BatchError: some are not sent; its `outcomes` has, for each, None or the error.
        """
        await do_all(
            signals,
            lambda each: self.signal_entity(each.entity_id, each.operation, each.input, signal_time=each.signal_time),
            lambda each: str(each.entity_id),
        )

    async def _signal(self, entity_id: EntityId, operation: str, text: str | None, moment: datetime | None) -> None:
        # An app without entities is a mere client of another app's.
        if self._registry is not None and len(self._registry.entities) > 0:
            self._registry.entities.get(entity_id.name)
        event = OperationArrived(self._hub.clock.now(), operation, text, signal_time=moment)
        await self._messenger.send(str(entity_id), event)

    async def delete_entity(self, entityId: EntityId) -> None:
        """Delete the state of an entity, after what it was sent before. Its code is not run.

        An entity whose header is damaged begins anew at once; what was there is kept in rows of its partition.
        """
        if await end_damaged(self._hub, str(entityId), "Deleted."):
            return
        await self._signal(entityId, DELETE, None, None)

    # --- reading ---------------------------------------------------------------------------------

    async def read_entity_state(
        self,
        entityId: EntityId,
        task_hub_name: str | None = None,
        connection_name: str | None = None,
        *,
        expected_type: Any = None,
    ) -> EntityStateResponse:
        """The state of an entity, as of its last operation.

        :param task_hub_name: the entity's task hub, if it is another one.
        :param connection_name: the setting with the connection to that hub, if it is another one.
        :param expected_type: the type to build; by default the state is plain JSON values.
        :raises SerializationError: the state is not of that type.
        :raises InvalidRequestError: the other hub cannot be reached from here.
        """
        found = await self._of_hub(task_hub_name, connection_name).get_entity(entityId)
        if not found:
            return EntityStateResponse()
        return EntityStateResponse(True, found.get_state(expected_type))

    async def get_entity(self, entityId: EntityId) -> EntityMetadata:
        """What is known of an entity, its state included; falsy if it has none."""
        return await self._look_at(entityId, fetch_state=True)

    async def _look_at(self, entity_id: EntityId, *, fetch_state: bool) -> EntityMetadata:
        found = await self._reader.look_at(str(entity_id))
        while found is not None:
            shown = await self._metadata(entity_id, found, fetch_state=fetch_state)
            if shown.damaged is None:
                return shown
            # The rows of a large state go when the next state is there.
            newer = await self._reader.look_at(str(entity_id))
            if newer is not None and newer.header.etag == found.header.etag:
                return shown
            found = newer
        return EntityMetadata(entity_id)

    async def _metadata(self, entity_id: EntityId, found: Found, *, fetch_state: bool) -> EntityMetadata:
        problems = [found.damage] if found.damage else []
        shown = await self._of_columns(entity_id, found.header.columns, problems, fetch_state=fetch_state)
        waiting = () if found.damage else _waiting(found.header)
        return replace(shown, waiting=waiting, damaged="; ".join(problems) or None)

    async def _of_columns(
        self, entity_id: EntityId, columns: Columns, problems: list[str], *, fetch_state: bool
    ) -> EntityMetadata:
        """What columns show. What cannot be read is left out, and `problems` says why."""
        summary, state = Summary(), None
        try:
            summary = Summary.decode(columns.custom_status)
            if fetch_state:
                state = await self._reader.value(str(entity_id), columns.output, columns.output_payload)
        except CorruptRowError as error:
            problems.append(str(error))
        return EntityMetadata(
            entity_id=entity_id,
            exists=columns.runtime_status != EMPTY,
            last_operation_time=summary.last_operation,
            last_updated_time=columns.last_updated_time,
            backlog_size=summary.backlog_size,
            locked_by=summary.locked_by,
            state_json=state,
            converter=self._converter,
        )

    async def query_entities(
        self,
        *,
        name: str | None = None,
        key_prefix: str = "",
        last_operation_from: datetime | None = None,
        last_operation_to: datetime | None = None,
        include_state: bool = False,
        include_empty: bool = False,
        page_size: int = 100,
        continuation_token: str | None = None,
    ) -> EntityPage:
        """One page of the entities that meet all criteria given.

        :param name: the entity's name, regardless of case.
        :param key_prefix: its key begins with this; needs `name`.
        :param last_operation_from: its header changed at this time or later; naive means UTC.
        :param last_operation_to: its header changed at this time or earlier; naive means UTC.
        :param include_state: with states.
        :param include_empty: also entities without a state, of which only bookkeeping is left.
        :param page_size: at most so many, 1 to 1000; a page may be shorter.
        :param continuation_token: from the page before.
        :raises InvalidRequestError: a criterion, the page size or the token cannot be used.
        """
        if key_prefix and not name:
            raise InvalidRequestError("A prefix of keys needs the name of the entities.")
        query = InstanceQuery(
            kind=Kind.entity,
            runtime_status=() if include_empty else (EXISTS,),
            updated_from=None if last_operation_from is None else utc(last_operation_from),
            updated_to=None if last_operation_to is None else utc(last_operation_to),
            instance_id_prefix=None if not name else f"@{name.lower()}@{key_prefix}",
            page_size=page_size,
            continuation_token=continuation_token or None,
        )
        page = await self._reader.page(query)
        items = [await self._read_item(item, include_state) for item in page.items]
        return EntityPage(tuple(item for item in items if item or include_empty), page.continuation_token)

    async def _read_item(self, item: Listed, fetch_state: bool) -> EntityMetadata:
        entity_id, problems = EntityId.get_entity_id(item.instance_id), list[str]()
        shown = await self._of_columns(entity_id, item.columns, problems, fetch_state=fetch_state)
        if problems or item.damaged:
            return await self._look_at(entity_id, fetch_state=fetch_state)
        return shown

    async def list_entities(
        self, name: str | None = None, key_prefix: str = "", *, include_state: bool = False
    ) -> AsyncIterator[EntityMetadata]:
        """All entities that have a state, page by page (see `query_entities`)."""
        token: str | None = None
        while True:
            page = await self.query_entities(
                name=name, key_prefix=key_prefix, include_state=include_state, page_size=1000, continuation_token=token
            )
            for item in page.items:
                yield item
            token = page.continuation_token
            if token is None:
                return

    # --- cleaning --------------------------------------------------------------------------------

    async def clean_entity_storage(
        self, remove_empty_entities: bool = True, release_orphaned_locks: bool = True
    ) -> CleanEntityStorageResult:
        """Delete what is left of entities without a state, and release locks whose holder is gone.

        An entity is kept while it is locked, scheduled or waited for, and while somebody who sent it
        something could send that again.
        """
        removed = released = 0
        query = InstanceQuery(kind=Kind.entity, page_size=1000)
        async for page in self._reader.pages(query):
            for item in page.items:
                if release_orphaned_locks and _may_be_locked(item):
                    released += await self._release_orphans(item.instance_id)
                if remove_empty_entities and item.columns.runtime_status == EMPTY:
                    removed += await remove_if_empty(self._hub, item.instance_id)
        return CleanEntityStorageResult(removed, released)

    async def _release_orphans(self, instance_id: str) -> int:
        found = await self._reader.look_at(instance_id)
        if found is None or found.damage:
            return 0
        try:
            entity = EntityState.of(InstanceState.decode(found.header.body))
        except NewerFormatError:
            return 0  # Who can read it may release them.
        sections = dict(entity.waiters)
        if entity.holder is not None:
            sections[entity.holder.section] = entity.holder.instance_id
        released = 0
        for section, owner in sections.items():
            if await is_orphan(self._hub, instance_id, section, owner):
                await release_lock(self._hub, instance_id, section)
                released += 1
        return released


def _waiting(header: Header) -> tuple[str, ...]:
    """Who waits for the lock of an entity, as far as can be told here."""
    try:
        return tuple(EntityState.of(InstanceState.decode(header.body)).waiters.values())
    except NewerFormatError:
        return ()


def _may_be_locked(item: Listed) -> bool:
    try:
        return Summary.decode(item.columns.custom_status).locked_by is not None
    except CorruptRowError:
        return True
