"""What a client reads of orchestrations: one, its history, those that meet criteria, and an export of them.

Owns the names and arguments that users call; `DurableOrchestrationClient` has them all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping
from datetime import datetime

from azure_durable_py.client.arguments import check_tags
from azure_durable_py.client.executions import RecentExecutions
from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.client.exporter import Exporter, Selection
from azure_durable_py.client.messenger import Messenger
from azure_durable_py.client.reader import ABSENT, Reader, query_of
from azure_durable_py.client.starter import Starter
from azure_durable_py.client.status import DurableOrchestrationStatus, StatusPage
from azure_durable_py.history.events import Event
from azure_durable_py.ids import check_instance_id
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.times import utc


class QueryClient:
    """The part of the durable client that reads orchestrations."""

    _messenger: Messenger
    _reader: Reader
    _starter: Starter
    _executions: RecentExecutions

    async def get_status(
        self,
        instance_id: str,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool = False,
    ) -> DurableOrchestrationStatus:
        """The status of an instance, falsy if there is none.

        :param show_history: with its history, compacted.
        :param show_history_output: with the results in the history.
        :param show_input: with its input (and, in the history, the inputs of what it called).
        """
        found = await self._reader.look_at(check_instance_id(instance_id))
        if found is None:
            return ABSENT
        self._executions.note(instance_id, found.header.columns.execution_id)
        if not found.damage:
            await self._starter.ring_if_overdue(found.header)
        return await self._reader.status(
            found, show_history=show_history, show_history_output=show_history_output, show_input=show_input
        )

    async def get_history(self, instance_id: str) -> list[Event]:
        """The history events of the current generation of an instance, values included.

        :raises InstanceNotFoundError: there is none.
        """
        header = await self._messenger.find(check_instance_id(instance_id))
        return await self._reader.history(header, values=True)

    async def get_status_all(self) -> list[DurableOrchestrationStatus]:
        """The status of every orchestration instance in the hub."""
        return await self.get_status_by()

    async def get_status_by(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
        instance_id_prefix: str | None = None,
        *,
        names: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
        show_input: bool = True,
    ) -> list[DurableOrchestrationStatus]:
        """The status of every instance that meets all criteria given.

        :param created_time_from: created at this time or later; naive means UTC.
        :param created_time_to: created at this time or earlier; naive means UTC.
        :param runtime_status: in one of these states.
        :param instance_id_prefix: its id begins with this.
        :param names: of one of these orchestrators; exact names.
        :param tags: it has all of these. Storage is not asked for them: instances that have not are read and left out.
        :param show_input: with inputs.
        :raises InvalidRequestError: a criterion cannot be used.
        """
        query = query_of(
            created_time_from=created_time_from,
            created_time_to=created_time_to,
            runtime_status=runtime_status,
            instance_id_prefix=instance_id_prefix,
            names=names,
            page_size=1000,
        )
        wanted = check_tags(tags)
        found: list[DurableOrchestrationStatus] = []
        async for page in self._reader.pages(query):
            found += (await self._reader.statuses(page, show_input=show_input, tags=wanted)).items
        return found

    async def query_instances(
        self,
        *,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
        instance_id_prefix: str | None = None,
        names: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
        show_input: bool = False,
        page_size: int = 100,
        continuation_token: str | None = None,
    ) -> StatusPage:
        """One page of the instances that meet all criteria given (see `get_status_by`).

        :param page_size: at most so many, 1 to 1000; a page may be shorter.
        :param continuation_token: from the page before.
        :raises InvalidRequestError: a criterion, the page size or the token cannot be used.
        """
        query = query_of(
            created_time_from=created_time_from,
            created_time_to=created_time_to,
            runtime_status=runtime_status,
            instance_id_prefix=instance_id_prefix,
            names=names,
            page_size=page_size,
            continuation_token=continuation_token,
        )
        wanted = check_tags(tags)
        return await self._reader.statuses(await self._reader.page(query), show_input=show_input, tags=wanted)

    def export_history(
        self,
        created_time_from: datetime | None = None,
        created_time_to: datetime | None = None,
        runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
        instance_id_prefix: str | None = None,
        *,
        names: Collection[str] = (),
        tags: Mapping[str, str] | None = None,
        completed_time_from: datetime | None = None,
        completed_time_to: datetime | None = None,
    ) -> AsyncGenerator[ExportedInstance, None]:
        """Every instance that meets all criteria given, with its history; its `to_line()` is JSON.

        However many there are, only a few are in memory at a time. One that is damaged comes like the others: its
        status tells what cannot be read.

        :param created_time_from: created at this time or later; naive means UTC.
        :param created_time_to: created at this time or earlier; naive means UTC.
        :param runtime_status: in one of these states (default: those that are final). The history of one that runs
            is as far as it has come.
        :param instance_id_prefix: its id begins with this.
        :param names: of one of these orchestrators; exact names.
        :param tags: it has all of these.
        :param completed_time_from: finished at this time or later; naive means UTC.
        :param completed_time_to: finished at this time or earlier; naive means UTC.
        :raises InvalidRequestError: a criterion cannot be used.
        """
        query = query_of(
            created_time_from=created_time_from,
            created_time_to=created_time_to,
            runtime_status=runtime_status,
            instance_id_prefix=instance_id_prefix,
            names=names,
            page_size=1000,
        )
        selection = Selection(
            check_tags(tags),
            None if completed_time_from is None else utc(completed_time_from),
            None if completed_time_to is None else utc(completed_time_to),
        )
        return Exporter(self._reader).instances(query, selection)
