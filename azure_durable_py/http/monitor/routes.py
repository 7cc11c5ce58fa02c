"""The routes of the monitor: the page for anybody, the data for who may call the management API without a signature.

Owns what there is where, and the listings. Whatever is shown, nothing is changed: actions are routes of the management
API itself.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from importlib import metadata
from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.client.schedules import ScheduleDescription, described
from azure_durable_py.http.monitor.assets import HEADERS, asset_answer
from azure_durable_py.http.monitor.criteria import accepts, entity_query, instance_query
from azure_durable_py.http.monitor.instances import InstanceViews
from azure_durable_py.http.monitor.keeping import Histories, Overviews
from azure_durable_py.http.monitor.shown import data_answer, shown_value
from azure_durable_py.http.routing import AdmittedCall, Handler, ManagementRoute
from azure_durable_py.http.wire import RefusedError
from azure_durable_py.ids import EntityId
from azure_durable_py.inspection.json_form import as_json
from azure_durable_py.inspection.listing import ListedPage, list_by_id, list_newest
from azure_durable_py.pending_approvals import pending_approvals
from azure_durable_py.registry import Registry
from azure_durable_py.schedules.definition import ENTITY
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.taskhub.columns import UNKNOWN_TIME
from azure_durable_py.taskhub.entity_state import Summary
from azure_durable_py.taskhub.hub import decode_tags
from azure_durable_py.taskhub.protocol import CorruptRowError, Listed
from azure_durable_py.times import to_iso

_MOST_LISTED = 500
_MOST_WINDOWS = 64
_NO_CRITERIA = ("code", "order", "token", "top")
_PACKAGE = "azure-durable-py"


class MonitorRoutes:
    """Answers requests of the monitor.

    :param client: of the hub that is shown.
    :param registry: the functions of the app that the host runs, where it runs one.
    """

    def __init__(self, client: DurableOrchestrationClient, registry: Registry | None = None) -> None:
        self._client = client
        self._registry = registry
        self._overviews = Overviews(client.hub, client.task_hub_name)
        self._windows: OrderedDict[str, timedelta] = OrderedDict()
        self._views = InstanceViews(client, registry, Histories(client.hub))

    def routes(self) -> tuple[ManagementRoute, ...]:
        """All of them."""
        views = self._views
        data: dict[str, Handler] = {
            "overview": self._overview,
            "instances": self._instances,
            "instances/{id}": views.instance,
            "instances/{id}/timeline": views.timeline,
            "instances/{id}/history": views.history,
            "instances/{id}/values/{which}": views.value,
            "instances/{id}/family": views.family,
            "entities": self._entities,
            "entities/{name}/{key}": views.entity,
            "entities/{name}/{key}/state": views.state,
            "schedules": self._schedules,
        }
        return (
            ManagementRoute("GET", "monitor", None, self._page, is_public=True, headers=HEADERS),
            ManagementRoute("GET", "monitor/assets/{file}", None, self._asset, is_public=True, headers=HEADERS),
            *(
                ManagementRoute("GET", f"monitor/api/{path}", None, handler, headers=HEADERS)
                for path, handler in data.items()
            ),
        )

    # --- the page ----------------------------------------------------------------------------------

    async def _page(self, call: AdmittedCall) -> HttpAnswer:
        if call.request.path.endswith("/"):
            # The page names its files relative to the address without it.
            return HttpAnswer(308, {"Location": "../monitor"})
        return asset_answer(None, call.header("if-none-match"))

    async def _asset(self, call: AdmittedCall) -> HttpAnswer:
        return asset_answer(call.values["file"], call.header("if-none-match"))

    # --- the hub -----------------------------------------------------------------------------------

    async def _overview(self, call: AdmittedCall) -> HttpAnswer:
        told = as_json(await self._overviews.look()) | {"version": _version(), "app": self._app()}
        return data_answer(told, call.header("if-none-match"), ("takenAt",))

    def _app(self) -> dict[str, list[str]] | None:
        if self._registry is None:
            return None
        kinds = self._registry.kinds()
        if not any(kinds.values()):
            return None
        return {
            "orchestrators": kinds["orchestrationTrigger"],
            "activities": kinds["activityTrigger"],
            "entities": kinds["entityTrigger"],
        }

    # --- listings ----------------------------------------------------------------------------------

    async def _instances(self, call: AdmittedCall) -> HttpAnswer:
        parameters = call.parameters
        order = (parameters.text("order") or "newest").lower()
        if order not in ("newest", "id"):
            raise RefusedError(400, f"Parameter 'order' is {order[:80]!r}; accepted is newest or id.")
        query, accept = instance_query(parameters), accepts(parameters)
        top, token = parameters.page_size("top", 50, _MOST_LISTED), parameters.text("token")
        if order == "id":
            found = await list_by_id(self._client.hub, query, accept, top, token)
        else:
            asked = repr(sorted((name, text) for name, text in parameters.values.items() if name not in _NO_CRITERIA))
            found = await list_newest(self._client.hub, query, accept, top, token, self._windows.get(asked))
            if token is None and found.window is not None:
                self._windows[asked] = found.window
                while len(self._windows) > _MOST_WINDOWS:
                    self._windows.popitem(last=False)
        return _listed(found, [_instance(item) for item in found.items], call)

    async def _entities(self, call: AdmittedCall) -> HttpAnswer:
        parameters = call.parameters
        found = await list_by_id(
            self._client.hub,
            entity_query(parameters),
            accepts(parameters),
            parameters.page_size("top", 50, _MOST_LISTED),
            parameters.text("token"),
        )
        return _listed(found, [_entity(item) for item in found.items], call)

    async def _schedules(self, call: AdmittedCall) -> HttpAnswer:
        page = await self._client.query_entities(
            name=ENTITY,
            include_state=True,
            page_size=call.parameters.page_size("top", 50, _MOST_LISTED),
            continuation_token=call.parameters.text("token"),
        )
        items: list[dict[str, Any]] = []
        for item in page.items:
            key = item.entity_id.key
            try:
                items.append(_schedule(described(key, item.state, JsonDataConverter())))
            except CorruptRowError as error:
                items.append({**_NO_SCHEDULE, "scheduleId": key, "damaged": str(error)})
        told = {"items": items, "continuationToken": page.continuation_token}
        return data_answer(told, call.header("if-none-match"))


def _version() -> str | None:
    try:
        return metadata.version(_PACKAGE)
    except metadata.PackageNotFoundError:
        return None


def _listed(found: ListedPage, items: list[dict[str, Any]], call: AdmittedCall) -> HttpAnswer:
    told = {"items": items, "continuationToken": found.token, "examined": found.examined}
    return data_answer(told, call.header("if-none-match"))


def _instance(item: Listed) -> dict[str, Any]:
    columns = item.columns
    return {
        "instanceId": item.instance_id,
        "name": columns.name,
        "runtimeStatus": columns.runtime_status,
        "createdTime": None if columns.created_time == UNKNOWN_TIME else to_iso(columns.created_time),
        "lastUpdatedTime": None if columns.last_updated_time == UNKNOWN_TIME else to_iso(columns.last_updated_time),
        "completedTime": None if columns.completed_time is None else to_iso(columns.completed_time),
        "version": columns.version,
        "tags": decode_tags(columns.tags),
        "customStatus": shown_value(columns.custom_status),
        "approvals": len(pending_approvals(columns.custom_status)),
        "parentInstanceId": columns.parent_instance_id,
        "damaged": item.damaged or None,
    }


def _entity(item: Listed) -> dict[str, Any]:
    summary, damaged = Summary(), item.damaged
    try:
        summary = Summary.decode(item.columns.custom_status)
    except CorruptRowError as error:
        damaged = damaged or str(error)
    entity_id = EntityId.get_entity_id(item.instance_id)
    changed = item.columns.last_updated_time
    return {
        "name": entity_id.name,
        "key": entity_id.key,
        "instanceId": item.instance_id,
        "lastUpdatedTime": None if changed == UNKNOWN_TIME else to_iso(changed),
        "lockedBy": summary.locked_by,
        "backlog": summary.backlog_size,
        "damaged": damaged or None,
    }


def _schedule(schedule: ScheduleDescription) -> dict[str, Any]:
    return {
        "scheduleId": schedule.schedule_id,
        "status": schedule.status,
        "orchestrationName": schedule.definition.orchestrator,
        "recurrence": schedule.definition.when,
        "nextRunAt": as_json(schedule.next_run_at),
        "lastRunAt": as_json(schedule.last_run_at),
        "createdAt": as_json(schedule.created_at),
        "modifiedAt": as_json(schedule.modified_at),
        "lastInstanceId": schedule.last_instance_id,
        "pausedReason": schedule.paused_reason,
        "runs": schedule.runs,
        "missed": schedule.missed,
        "skipped": schedule.skipped,
        "running": list(schedule.running),
        "overlap": schedule.definition.overlap,
        "damaged": None,
    }


_NO_SCHEDULE: dict[str, Any] = {
    **dict.fromkeys(("nextRunAt", "lastRunAt", "createdAt", "modifiedAt", "lastInstanceId", "pausedReason")),
    "status": "damaged",
    "orchestrationName": "",
    "recurrence": "",
    "overlap": "skip",
    "runs": 0,
    "missed": 0,
    "skipped": 0,
    "running": [],
}
