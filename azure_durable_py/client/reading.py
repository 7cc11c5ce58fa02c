"""Reads instances: one, its history, or many by criteria.

Owns the way from header columns to a `DurableOrchestrationStatus`. It changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime
from typing import Any

from azure_durable_py.client.history_view import history_view
from azure_durable_py.client.status import DurableOrchestrationStatus, StatusPage
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.history import Event, ExecutionCompleted, decode_event
from azure_durable_py.models import FailureDetails, OrchestrationRuntimeStatus, utc
from azure_durable_py.serialization import DataConverter
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.instance import CorruptRowError, InstanceState, decode_ref
from azure_durable_py.taskhub.lifecycle import read_history, read_pages
from azure_durable_py.taskhub.protocol import Columns, Header, InstanceQuery, Listed, Page
from azure_durable_py.taskhub.values import read_events, read_value

_PARALLEL_READS = 16
ABSENT = DurableOrchestrationStatus()


def status_names(given: Collection[OrchestrationRuntimeStatus | str] | None) -> tuple[str, ...]:
    """The names of statuses given as members or (regardless of case) as names.

    :raises InvalidRequestError: one is not a status.
    """
    known = {status.value.lower(): status.value for status in OrchestrationRuntimeStatus}
    names: list[str] = []
    for item in given or ():
        text = item.value if isinstance(item, OrchestrationRuntimeStatus) else item
        name = known.get(text.strip().lower())
        if name is None:
            raise InvalidRequestError(f"{text!r} is not a runtime status. Accepted: {', '.join(known.values())}.")
        names.append(name)
    return tuple(names)


def query_of(
    *,
    created_time_from: datetime | None = None,
    created_time_to: datetime | None = None,
    runtime_status: Collection[OrchestrationRuntimeStatus | str] | None = None,
    instance_id_prefix: str | None = None,
    names: Collection[str] = (),
    page_size: int = 100,
    continuation_token: str | None = None,
) -> InstanceQuery:
    """A query for orchestrations. Naive times are UTC.

    :raises InvalidRequestError: a status, the range of times or the page size cannot be used.
    """
    if not 1 <= page_size <= 1000:
        raise InvalidRequestError(f"The page size is {page_size}; accepted is 1 to 1000.")
    created_from = None if created_time_from is None else utc(created_time_from)
    created_to = None if created_time_to is None else utc(created_time_to)
    if created_from is not None and created_to is not None and created_from > created_to:
        raise InvalidRequestError(f"The range of creation times ends ({created_to}) before it begins ({created_from}).")
    return InstanceQuery(
        runtime_status=status_names(runtime_status),
        created_from=created_from,
        created_to=created_to,
        instance_id_prefix=instance_id_prefix or None,
        names=names,
        page_size=page_size,
        continuation_token=continuation_token or None,
    )


class Reading:
    """Reads instances for one client."""

    def __init__(self, hub: TaskHub, converter: DataConverter) -> None:
        self._hub = hub
        self._converter = converter

    async def load(self, instance_id: str) -> Header | None:
        """The header of an orchestration or None."""
        return await self._hub.retry(lambda: self._hub.store.load_header(instance_id))

    async def status(
        self, header: Header, *, show_history: bool, show_history_output: bool, show_input: bool
    ) -> DurableOrchestrationStatus:
        """The status that a header shows; a falsy one if the instance was purged meanwhile."""
        while True:
            try:
                status = await self._of_columns(header.instance_id, header.columns, show_input=show_input)
                failure = await self._failure(header) if status.runtime_status is _FAILED else None
                history = None
                if show_history:
                    events = await self.history(header, values=show_history_output or show_input)
                    history = history_view(events, show_output=show_history_output, show_input=show_input)
                return replace(status, failure=failure, history=history)
            except CorruptRowError:
                # Between the header and its rows the instance may have gone on, or away.
                newer = await self.load(header.instance_id)
                if newer is None:
                    return ABSENT
                if newer.etag == header.etag:
                    raise
                header = newer

    async def history(self, header: Header, *, values: bool) -> list[Event]:
        """The events of the current generation, with large values read if `values`."""
        state = InstanceState.decode(header.body)
        events = await self._hub.retry(lambda: read_history(self._hub.store, header.instance_id, state))
        if not values:
            return events
        return await self._hub.retry(lambda: read_events(self._hub.store, header.instance_id, events, everything=True))

    async def page(self, query: InstanceQuery) -> Page:
        """One page of header columns.

        :raises InvalidRequestError: the continuation token is not one of this hub's.
        """
        return await self._hub.retry(lambda: self._hub.store.query(query))

    async def pages(self, query: InstanceQuery) -> AsyncIterator[Page]:
        """All pages of a query."""
        while True:
            page = await self.page(query)
            yield page
            if page.continuation_token is None:
                return
            query = replace(query, continuation_token=page.continuation_token)

    async def statuses(self, page: Page, *, show_input: bool) -> StatusPage:
        """The instances of a page; those purged meanwhile are left out."""
        limit = asyncio.Semaphore(_PARALLEL_READS)

        async def read(item: Listed) -> DurableOrchestrationStatus:
            async with limit:
                return await self._listed(item, show_input=show_input)

        found = await asyncio.gather(*(read(item) for item in page.items))
        return StatusPage(tuple(status for status in found if status), page.continuation_token)

    async def _listed(self, item: Listed, *, show_input: bool) -> DurableOrchestrationStatus:
        try:
            return await self._of_columns(item.instance_id, item.columns, show_input=show_input)
        except CorruptRowError:
            header = await self.load(item.instance_id)
            if header is None:
                return ABSENT
            return await self.status(header, show_history=False, show_history_output=False, show_input=show_input)

    async def _of_columns(self, instance_id: str, columns: Columns, *, show_input: bool) -> DurableOrchestrationStatus:
        return DurableOrchestrationStatus(
            instance_id=instance_id,
            name=columns.name,
            runtime_status=OrchestrationRuntimeStatus(columns.runtime_status),
            created_time=columns.created_time,
            last_updated_time=columns.last_updated_time,
            completed_time=columns.completed_time,
            execution_id=columns.execution_id,
            version=columns.version,
            tags=decode_tags(columns.tags),
            parent_instance_id=columns.parent_instance_id,
            input_json=await self.value(instance_id, columns.input, columns.input_payload) if show_input else None,
            output_json=await self.value(instance_id, columns.output, columns.output_payload),
            custom_status_json=columns.custom_status,
            converter=self._converter,
        )

    async def value(self, instance_id: str, text: str | None, payload: str | None) -> str | None:
        """A value kept inline or in payload rows, as JSON text.

        :raises CorruptRowError: its rows are missing or damaged.
        """
        if payload is None:
            return text
        ref = decode_ref(payload)
        return await self._hub.retry(lambda: read_value(self._hub.store, instance_id, ref))

    async def _failure(self, header: Header) -> FailureDetails | None:
        """What the end of a failed instance's history tells."""
        state = InstanceState.decode(header.body)
        events: list[Event] = [decode_event(text) for text in state.tail]
        if not events:
            events = await self._hub.retry(lambda: read_pages(self._hub.store, header.instance_id, state.pages[-1:]))
        ends = [event for event in events if isinstance(event, ExecutionCompleted)]
        return ends[-1].failure if ends else None


_FAILED = OrchestrationRuntimeStatus.Failed


def decode_tags(text: str | None) -> dict[str, str]:
    """The tags behind the text of a column."""
    tags: dict[str, Any] = json.loads(text) if text else {}
    return {str(name): str(value) for name, value in tags.items()}
