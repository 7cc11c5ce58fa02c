"""The routes of entities: signal, read, list, delete.

Who holds the system key, or is trusted by the host, may call them; nothing is signed for them.
"""

from __future__ import annotations

from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.entities import EntityMetadata
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.client.status import plain
from azure_durable_py.errors import InstanceNotFoundError
from azure_durable_py.http.routing import AdmittedCall, ManagementRoute, page_answer
from azure_durable_py.http.wire import RefusedError, json_body, shown_time, value_answer
from azure_durable_py.ids import EntityId
from azure_durable_py.taskhub.protocol import CorruptRowError

NO_KEY = "$"
"""The key of the entity that is asked for without one, in paths and for the app."""


class EntityRoutes:
    """Answers requests about entities.

    :param client: does what is asked.
    """

    def __init__(self, client: DurableOrchestrationClient) -> None:
        self._client = client

    def routes(self) -> tuple[ManagementRoute, ...]:
        """All of them."""
        return (
            ManagementRoute("GET", "entities", None, self._list),
            ManagementRoute("GET", "entities/{name}", None, self._list),
            ManagementRoute("GET", "entities/{name}/{key}", None, self._read),
            ManagementRoute("POST", "entities/{name}", None, self._signal),
            ManagementRoute("POST", "entities/{name}/{key}", None, self._signal),
            ManagementRoute("DELETE", "entities/{name}", None, self._delete),
            ManagementRoute("DELETE", "entities/{name}/{key}", None, self._delete),
        )

    async def _read(self, call: AdmittedCall) -> HttpAnswer:
        entity_id = _entity_id(call)
        found = await self._client.get_entity(entity_id)
        if not found:
            raise InstanceNotFoundError(f"There is no entity {str(entity_id)!r} in this task hub.")
        if found.damaged is not None and found.state_json is None:
            raise CorruptRowError(f"The state of entity {str(entity_id)!r} cannot be read: {found.damaged}")
        return value_answer(200, plain(found.state_json))

    async def _signal(self, call: AdmittedCall) -> HttpAnswer:
        operation = call.parameters.text("op") or ""
        signal_time = call.parameters.time("signalTime")
        await self._client.signal_entity(_entity_id(call), operation, _body(call), signal_time=signal_time)
        return HttpAnswer(202)

    async def _delete(self, call: AdmittedCall) -> HttpAnswer:
        await self._client.delete_entity(_entity_id(call))
        return HttpAnswer(202)

    async def _list(self, call: AdmittedCall) -> HttpAnswer:
        fetch_state = call.parameters.shown("fetchState", False)
        page = await self._client.query_entities(
            name=call.values.get("name"),
            last_operation_from=call.parameters.time("lastOperationTimeFrom"),
            last_operation_to=call.parameters.time("lastOperationTimeTo"),
            include_state=fetch_state,
            page_size=call.parameters.page_size("top", 100, most=1000),
            continuation_token=call.continuation_token,
        )
        return page_answer([_shown(item, fetch_state) for item in page.items], page.continuation_token)


def _entity_id(call: AdmittedCall) -> EntityId:
    return EntityId(call.values["name"], call.values.get("key", NO_KEY))


def _body(call: AdmittedCall) -> Any:
    """The body as JSON; a body that is not said to be JSON is a text."""
    body, kind = call.request.body, call.header("content-type").partition(";")[0].strip().lower()
    if kind == "application/json" or not body:
        return json_body(body)
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"The body is not UTF-8: byte {error.start} cannot be read.") from None


def _shown(item: EntityMetadata, fetch_state: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "entityId": {"name": item.entity_id.name, "key": item.entity_id.key},
        "lastOperationTime": shown_time(item.last_operation_time),
        "state": plain(item.state_json) if fetch_state else None,
    }
    if item.locked_by is not None:
        shown["lockedBy"] = item.locked_by
    if item.damaged is not None:
        shown["damaged"] = item.damaged
    if item.backlog_size:
        shown["backlogSize"] = item.backlog_size
    return shown
