"""One instance in the monitor: how it stands, its timeline, its history, its values, its family."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.errors import InstanceNotFoundError, InvalidInstanceIdError
from azure_durable_py.history.events import Value
from azure_durable_py.history.rewinding import where_to_rewind
from azure_durable_py.http.monitor.assets import is_known
from azure_durable_py.http.monitor.keeping import Histories
from azure_durable_py.http.monitor.shown import (
    data_answer,
    event_value,
    shown_event,
    shown_failure,
    shown_step,
    shown_value,
    tagged_answer,
    value_text_answer,
)
from azure_durable_py.http.routing import AdmittedCall
from azure_durable_py.http.wire import RefusedError
from azure_durable_py.ids import EntityId, check_instance_id
from azure_durable_py.inspection.evidence import Evidence
from azure_durable_py.inspection.family import read_family
from azure_durable_py.inspection.instance import inspection_of
from azure_durable_py.inspection.json_form import as_json
from azure_durable_py.inspection.timeline import Seen, timeline_of
from azure_durable_py.registry import Registry
from azure_durable_py.status import TERMINAL_NAMES
from azure_durable_py.taskhub.entity_state import is_entity
from azure_durable_py.taskhub.payloads import decode_ref
from azure_durable_py.taskhub.protocol import Columns
from azure_durable_py.taskhub.reading import read_value
from azure_durable_py.times import to_iso

MOST_STEPS = 5_000
MOST_WHOLE = 200
"""Failures of so many steps or events are given with their stack traces; of more, without."""
MOST_RELATIVES = 500
_WHICH = re.compile(r"(?:(\d{1,10})|step-(\d{1,10})|event-(\d{1,10}))\.(input|result|data)", re.ASCII)


class InstanceViews:
    """Answers requests about one instance.

    :param registry: the functions of the app that the host runs, where it runs one.
    """

    def __init__(self, client: DurableOrchestrationClient, registry: Registry | None, histories: Histories) -> None:
        self._hub = client.hub
        self._registry = registry
        self._histories = histories

    # --- how it stands -----------------------------------------------------------------------------

    async def instance(self, call: AdmittedCall) -> HttpAnswer:
        """What there is to be said of an orchestration."""
        return data_answer(self._told(await self._inspected(_id(call))), call.header("if-none-match"), ("takenAt",))

    async def entity(self, call: AdmittedCall) -> HttpAnswer:
        """What there is to be said of an entity, with its state."""
        found = await self._inspected(_entity(call))
        inspection = inspection_of(found)
        columns = found.look.header.columns
        told = self._told(found) | {
            "state": shown_value(_kept(columns.output, columns.output_payload)),
            "backlog": inspection.backlog_size,
            "backlogEntries": [
                {"what": entry.what, "name": entry.name, "sender": entry.sender} for entry in inspection.backlog
            ],
        }
        return data_answer(told, call.header("if-none-match"), ("takenAt",))

    async def _inspected(self, instance_id: str) -> Evidence:
        found = await self._histories.inspect(instance_id)
        if found is None:
            raise _none(instance_id)
        return found

    def _told(self, found: Evidence) -> dict[str, Any]:
        inspection, columns = inspection_of(found), found.look.header.columns
        told: dict[str, Any] = as_json(inspection)
        for left_out in ("large", "backlogSize", "backlog"):
            del told[left_out]
        return told | {
            "failure": shown_failure(inspection.failure),
            "customStatus": shown_value(inspection.custom_status),
            "input": shown_value(_kept(columns.input, columns.input_payload)),
            "output": shown_value(_kept(columns.output, columns.output_payload)),
            "takenAt": to_iso(found.now),
            "registered": self._is_registered(found),
            "can": _possible(found),
        }

    def _is_registered(self, found: Evidence) -> bool | None:
        registry, name = self._registry, found.look.header.columns.name
        if registry is None or not any(registry.kinds().values()):
            return None
        return name in (registry.entities if is_entity(found.look.header.instance_id) else registry.orchestrators)

    # --- what it did -------------------------------------------------------------------------------

    async def timeline(self, call: AdmittedCall) -> HttpAnswer:
        """The steps of an orchestration, a page of them."""
        instance_id, (skip, limit) = _id(call), _part(call, 1_000)
        values = call.parameters.shown("values", True)
        seen = await self._seen(instance_id)
        tag = _tag(seen, skip, limit, values)
        found = timeline_of(seen, skip=skip, limit=limit)
        told: dict[str, Any] = {
            "instanceId": found.instance_id,
            "name": found.name,
            "runtimeStatus": found.runtime_status,
            "generation": found.generation,
            "began": to_iso(found.began),
            "ended": None if found.ended is None else to_iso(found.ended),
            "events": found.events,
            "total": len(found.steps) + found.left_out,
            "skip": skip,
            "leftOut": found.left_out,
            "problem": found.problem,
            "failure": shown_failure(found.failure),
        }
        whole = values and len(found.steps) <= MOST_WHOLE
        steps = (shown_step(at, step, values=values, whole=whole) for at, step in enumerate(found.steps, skip))
        return _answer_once(told, "steps", steps, tag, call)

    async def history(self, call: AdmittedCall) -> HttpAnswer:
        """The events of an orchestration, a page of them."""
        instance_id, (skip, limit) = _id(call), _part(call, 500)
        seen = await self._seen(instance_id)
        look = seen.look
        page = look.events[skip : skip + limit]
        told: dict[str, Any] = {
            "total": len(look.events),
            "skip": skip,
            "generation": look.header.columns.generation,
            "problem": look.problem or look.damage or look.newer or None,
        }
        whole = len(page) <= MOST_WHOLE
        events = (shown_event(at, event, whole=whole) for at, event in enumerate(page, skip))
        return _answer_once(told, "events", events, _tag(seen, skip, limit, "history"), call)

    async def _seen(self, instance_id: str) -> Seen:
        seen = await self._histories.look(instance_id)
        if seen is None:
            raise _none(instance_id)
        return seen

    # --- its values --------------------------------------------------------------------------------

    async def value(self, call: AdmittedCall) -> HttpAnswer:
        """A value, whole, as its JSON text."""
        instance_id = _id(call)
        return await self._value(instance_id, call.values["which"])

    async def state(self, call: AdmittedCall) -> HttpAnswer:
        """The state of an entity, whole, as its JSON text."""
        return await self._value(_entity(call), "output")

    async def _value(self, instance_id: str, which: str) -> HttpAnswer:
        seen = await self._seen(instance_id)
        value = _value_of(seen, which)
        text = await read_value(self._hub.reliable, instance_id, value)
        if text is None:
            raise RefusedError(404, f"Instance {instance_id!r} has no value {which[:80]!r}.")
        return value_text_answer(text)

    # --- its family --------------------------------------------------------------------------------

    async def family(self, call: AdmittedCall) -> HttpAnswer:
        """Who started it, and whom it started."""
        instance_id = _id(call)
        found = await read_family(self._hub, instance_id, limit=MOST_RELATIVES)
        if found is None:
            raise _none(instance_id)
        return data_answer(as_json(found), call.header("if-none-match"))


# --- requests ----------------------------------------------------------------------------------------


def _id(call: AdmittedCall) -> str:
    instance_id = call.values["id"]
    try:
        return check_instance_id(instance_id)
    except InvalidInstanceIdError:
        raise _none(instance_id) from None


def _entity(call: AdmittedCall) -> str:
    return str(EntityId(call.values["name"], call.values["key"]))


def _none(instance_id: str) -> InstanceNotFoundError:
    return InstanceNotFoundError(f"There is no instance {instance_id[:200]!r} in this task hub.")


def _part(call: AdmittedCall, usual: int) -> tuple[int, int]:
    """How much of a list to leave out at its beginning, and how much to give."""
    text = (call.parameters.text("skip") or "0").strip()
    if not re.fullmatch(r"\d{1,10}", text, re.ASCII):
        raise RefusedError(400, f"Parameter 'skip' is {text[:80]!r}; accepted is a whole number of at least 0.")
    return int(text), call.parameters.page_size("limit", usual, MOST_STEPS)


# --- answers -----------------------------------------------------------------------------------------


def _tag(seen: Seen, *asked: object) -> str:
    """What tells whether an answer about a history has changed: its header, and what was asked."""
    text = repr((seen.look.header.etag, seen.look.problem, *asked))
    return f'W/"{hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:32]}"'


def _answer_once(told: Mapping[str, Any], name: str, items: Iterable[Any], tag: str, call: AdmittedCall) -> HttpAnswer:
    """An answer with many items, which are not made for who has them already."""
    known = call.header("if-none-match")
    if is_known(tag, known):
        return tagged_answer("", tag, known)
    text = json.dumps({**told, name: list(items)}, ensure_ascii=False, separators=(",", ":"))
    return tagged_answer(text, tag, known)


def _kept(text: str | None, payload: str | None) -> Value:
    return text if payload is None else decode_ref(payload)


def _value_of(seen: Seen, which: str) -> Value:
    """A value of an instance by its name in addresses; None: there is none."""
    columns: Columns = seen.look.header.columns
    match which:
        case "input":
            return _kept(columns.input, columns.input_payload)
        case "output":
            return _kept(columns.output, columns.output_payload)
        case "customStatus":
            return None if is_entity(seen.look.header.instance_id) else columns.custom_status
        case _:
            return _value_of_step(seen, which)


def _value_of_step(seen: Seen, which: str) -> Value:
    found = _WHICH.fullmatch(which)
    if found is None:
        raise RefusedError(
            404,
            f"There is no value {which[:80]!r}; there are input, output, customStatus, TASK.input, TASK.result, "
            "step-N.input, step-N.result, event-N.input, event-N.result and event-N.data.",
        )
    task_id, step, event, name = found.groups()
    try:
        if event is not None:
            return event_value(seen.look.events[int(event)], name)
        steps = seen.joined.steps
        if task_id is not None:
            of_task = [each for each in steps if each.task_id == int(task_id)]
            return getattr(of_task[-1], name)
        return getattr(steps[int(step)], name)
    except (IndexError, KeyError, AttributeError):
        return None


def _possible(found: Evidence) -> dict[str, bool]:
    """Which actions make sense, as the instance stands."""
    columns = found.look.header.columns
    if is_entity(found.look.header.instance_id):
        return {"signal": True, "delete": True}
    is_over, is_damaged = columns.runtime_status in TERMINAL_NAMES, bool(found.look.damage)
    runs = not is_over and not is_damaged
    can_rewind = columns.runtime_status == "Failed" and not found.look.problem and not is_damaged
    return {
        "raiseEvent": runs,
        "terminate": not is_over,
        "suspend": runs and columns.runtime_status != "Suspended",
        "resume": runs and columns.runtime_status == "Suspended",
        "rewind": can_rewind and where_to_rewind(found.look.events) is not None,
        "restart": not is_damaged,
        "purge": is_over,
    }
