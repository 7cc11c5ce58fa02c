"""Reads instances: one, its history, or many by criteria.

Owns the way from header columns to a `DurableOrchestrationStatus`. It changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from azure_durable_py.client.arguments import status_names
from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.client.history_view import history_view
from azure_durable_py.client.status import DurableOrchestrationStatus, StatusPage
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_event
from azure_durable_py.history.events import Event, ExecutionCompleted
from azure_durable_py.serialization.converter import DataConverter
from azure_durable_py.shape import ShapeError
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.columns import UNKNOWN_TIME
from azure_durable_py.taskhub.damage import Found, look_at
from azure_durable_py.taskhub.hub import TaskHub, decode_tags
from azure_durable_py.taskhub.payloads import decode_ref
from azure_durable_py.taskhub.protocol import Columns, CorruptRowError, Header, InstanceQuery, Listed, Page
from azure_durable_py.taskhub.reading import read_events, read_history, read_pages, read_value
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.times import to_iso, utc

_T = TypeVar("_T")
_PARALLEL_READS = 16
ABSENT = DurableOrchestrationStatus()


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


LONG_FOR_A_SEND = timedelta(seconds=10)


class Reader:
    """Reads instances for one client."""

    def __init__(self, hub: TaskHub, converter: DataConverter) -> None:
        self._hub = hub
        self._converter = converter

    async def look_at(self, instance_id: str) -> Found | None:
        """The header of an instance as far as it can be read, or None if there is none."""
        return await look_at(self._hub, instance_id)

    async def status(
        self,
        found: Found,
        *,
        show_history: bool = False,
        show_history_output: bool = False,
        show_input: bool,
        output_type: Any = None,
    ) -> DurableOrchestrationStatus:
        """The status that a header shows; a falsy one if the instance was purged meanwhile."""
        while True:
            problems: list[str] = [found.damage] if found.damage else []
            header = found.header
            shown = await self._of_columns(header.instance_id, header.columns, problems, show_input=show_input)
            failure = history = None
            if shown["runtime_status"] is _FAILED:
                failure = await _part(self._failure(header), None, problems)
            if show_history:
                events = await _part(self.history(header, values=show_history_output or show_input), None, problems)
                if events is not None:
                    history = history_view(events, show_output=show_history_output, show_input=show_input)
            if problems:
                # Between the header and its rows the instance may have gone on, or away.
                newer = await self.look_at(header.instance_id)
                if newer is None:
                    return ABSENT
                if newer.header.etag != header.etag:
                    found = newer
                    continue
            # What cannot be read of the body is met again where it is read.
            damaged = "; ".join(dict.fromkeys(problems)) or None
            state = None if damaged else found.state or _readable_state(header)
            return DurableOrchestrationStatus(
                **shown,
                attempt=0 if state is None else state.attempt,
                failure=failure,
                history=history,
                damaged=damaged,
                waiting_for=None if state is None else self._waiting_for(state),
                output_type=output_type,
            )

    async def whole(self, found: Found) -> ExportedInstance:
        """All that is kept of the instance that a header shows. Its status says what of it cannot be read, and why."""
        problems: list[str] = []
        header, events = found.header, None
        # Without large values where those cannot be read.
        for values in (True, False):
            try:
                events = await self.history(header, values=values)
                break
            except (CorruptRowError, NewerFormatError) as error:
                problems.append(str(error))
        status = await self.status(found, show_input=True)
        if status.damaged:
            problems.insert(0, status.damaged)
        status = replace(status, damaged="; ".join(dict.fromkeys(problems)) or None)
        return ExportedInstance(status, events, header.columns.generation)

    def _waiting_for(self, state: InstanceState) -> str | None:
        """What an instance has had to hand over for longer than that takes when all is well."""
        since, now = state.queued_at, self._hub.clock.now()
        if not state.has_sends or since is None or now - since < LONG_FOR_A_SEND:
            return None
        count = len(state.messages) + sum(len(group.ids) for group in state.sends)
        return f"{count} messages for other instances are still to be handed over, the last since {to_iso(since)}"

    async def history(self, header: Header, *, values: bool) -> list[Event]:
        """The events of the current generation, with large values read if `values`."""
        state = InstanceState.decode(header.body)
        events = await self._hub.retry(lambda: read_history(self._hub.store, header.instance_id, state))
        if not values:
            return events
        return await read_events(self._hub.reliable, header.instance_id, events, everything=True)

    async def page(self, query: InstanceQuery) -> Page:
        """One page of header columns.

        :raises InvalidRequestError: the continuation token is not one of this hub's.
        """
        return await self._hub.reliable.query(query)

    async def pages(self, query: InstanceQuery) -> AsyncIterator[Page]:
        """All pages of a query."""
        while True:
            page = await self.page(query)
            yield page
            if page.continuation_token is None:
                return
            query = replace(query, continuation_token=page.continuation_token)

    async def statuses(self, page: Page, *, show_input: bool, tags: Mapping[str, str] | None = None) -> StatusPage:
        """The instances of a page; those purged meanwhile are left out.

        :param tags: only those that have all of these.
        """
        limit = asyncio.Semaphore(_PARALLEL_READS)

        async def read(item: Listed) -> DurableOrchestrationStatus:
            async with limit:
                return await self._listed(item, show_input=show_input)

        found = await asyncio.gather(*(read(item) for item in page.items if has_tags(item.columns, tags)))
        return StatusPage(tuple(status for status in found if status), page.continuation_token)

    async def _listed(self, item: Listed, *, show_input: bool) -> DurableOrchestrationStatus:
        problems: list[str] = []
        shown = await self._of_columns(item.instance_id, item.columns, problems, show_input=show_input)
        if not problems and not item.damaged:
            return DurableOrchestrationStatus(**shown)
        found = await self.look_at(item.instance_id)
        return ABSENT if found is None else await self.status(found, show_input=show_input)

    async def _of_columns(
        self, instance_id: str, columns: Columns, problems: list[str], *, show_input: bool
    ) -> dict[str, Any]:
        """What columns show, by the fields of a status. What cannot be read is left out, and `problems` says why."""
        text: str | None = None
        if show_input:
            text = await _part(self.value(instance_id, columns.input, columns.input_payload), None, problems)
        return {
            "instance_id": instance_id,
            "name": columns.name or None,
            "runtime_status": _STATUS_OF.get(columns.runtime_status),
            "created_time": _known(columns.created_time),
            "last_updated_time": _known(columns.last_updated_time),
            "completed_time": columns.completed_time,
            "execution_id": columns.execution_id or None,
            "version": columns.version,
            "tags": decode_tags(columns.tags),
            "parent_instance_id": columns.parent_instance_id,
            "input_json": text,
            "output_json": await _part(self.value(instance_id, columns.output, columns.output_payload), None, problems),
            "custom_status_json": columns.custom_status,
            "converter": self._converter,
        }

    async def value(self, instance_id: str, text: str | None, payload: str | None) -> str | None:
        """A value kept inline or in payload rows, as JSON text.

        :raises CorruptRowError: its rows are missing or damaged.
        """
        if payload is None:
            return text
        ref = decode_ref(payload)
        return await read_value(self._hub.reliable, instance_id, ref)

    async def _failure(self, header: Header) -> FailureDetails | None:
        """What the end of a failed instance's history tells."""
        try:
            state = InstanceState.decode(header.body)
        except NewerFormatError:
            return None
        try:
            events: list[Event] = [decode_event(text) for text in state.tail]
        except ShapeError as error:
            raise CorruptRowError(f"the end of the history cannot be read: {error}") from error
        if not events:
            events = await read_pages(self._hub.reliable, header.instance_id, state.pages[-1:])
        ends = [event for event in events if isinstance(event, ExecutionCompleted)]
        return ends[-1].failure if ends else None


_FAILED = OrchestrationRuntimeStatus.Failed
_STATUS_OF = {status.value: status for status in OrchestrationRuntimeStatus}


def _readable_state(header: Header) -> InstanceState | None:
    """The state in a header; None if it is damaged, or only a worker that is upgraded can read it."""
    try:
        return InstanceState.decode(header.body)
    except (CorruptRowError, NewerFormatError):
        return None


async def _part(reading: Awaitable[_T], otherwise: _T, problems: list[str]) -> _T:
    """A part of what there is to see. One that cannot be read takes nothing from the others."""
    try:
        return await reading
    except CorruptRowError as error:
        problems.append(str(error))
        return otherwise


def _known(moment: datetime) -> datetime | None:
    return None if moment == UNKNOWN_TIME else moment


def has_tags(columns: Columns, wanted: Mapping[str, str] | None) -> bool:
    """Whether an instance carries all of these tags."""
    return not wanted or wanted.items() <= decode_tags(columns.tags).items()
