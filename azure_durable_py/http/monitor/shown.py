"""What the monitor's data looks like: records as JSON in camel case, times in UTC, values only where they are short."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from azure_durable_py import wording
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.durable_http import shown_input
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Event, PayloadRef, TaskScheduled, Value
from azure_durable_py.http.monitor.assets import is_known
from azure_durable_py.inspection.json_form import as_json, camel, failure_as_json
from azure_durable_py.inspection.timeline import Step
from azure_durable_py.times import to_iso

MOST_INLINE = 2_048
"""Characters of a value that is shown where it is used; a longer one is fetched on its own."""
_VALUES = ("input", "result", "data")


def shown_value(value: Value) -> dict[str, Any] | None:
    """A value: none, its JSON text where it is short, or how long it is."""
    match value:
        case None:
            return None
        case PayloadRef(size=size):
            return {"size": size, "large": True}
        case _ if len(value) > MOST_INLINE:
            return {"size": len(value), "large": True}
        case _:
            return {"size": len(value), "text": value}


def shown_failure(failure: FailureDetails | None, *, whole: bool = True) -> dict[str, Any] | None:
    """A failure as people read it: of its stack, the frames in the app's own code. Histories have the whole.

    :param whole: with its stack trace and causes.
    """
    if failure is None:
        return None
    if whole:
        return failure_as_json(_readable(failure))
    return {
        **failure_as_json(failure),
        "message": failure.message[:MOST_INLINE],
        "stackTrace": None,
        "innerFailure": None,
    }


def _readable(failure: FailureDetails) -> FailureDetails:
    inner = failure.inner_failure
    return replace(
        failure,
        message=wording.short_names(failure.message),
        stack_trace=wording.stack(failure) or None,
        inner_failure=None if inner is None else _readable(inner),
    )


def shown_step(index: int, step: Step, *, values: bool, whole: bool) -> dict[str, Any]:
    """A step of a timeline.

    :param index: its place among all steps.
    :param values: with its values.
    :param whole: with the stack trace of its failure.
    """
    return {
        "index": index,
        "kind": step.kind.value,
        "name": step.name,
        "taskId": step.task_id,
        "began": to_iso(step.began),
        "ended": None if step.ended is None else to_iso(step.ended),
        "outcome": step.outcome.value,
        "target": step.target,
        "due": None if step.due is None else to_iso(step.due),
        "attempt": step.attempt,
        "retryOf": step.retry_of,
        "input": shown_value(step.input) if values else None,
        "result": shown_value(step.result) if values else None,
        "failure": shown_failure(step.failure, whole=whole),
        "detail": step.detail,
    }


def shown_event(index: int, event: Event, *, whole: bool) -> dict[str, Any]:
    """An event of a history, by the names of its fields.

    :param whole: with the stack traces of failures.
    """
    told: dict[str, Any] = {"index": index, "type": type(event).__name__}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name in _VALUES:
            told[field.name] = shown_value(event_value(event, field.name))
        elif isinstance(value, FailureDetails):
            told[field.name] = failure_as_json(value) if whole else shown_failure(value, whole=False)
        elif field.name == "carried":
            told[field.name] = [shown_event(at, each, whole=whole) for at, each in enumerate(value)]
        else:
            told[camel(field.name)] = as_json(value)
    return told


def event_value(event: Event, name: str) -> Value:
    """A value of an event, by the name of its field; of an HTTP call only what is not secret.

    :raises KeyError: it has no such value.
    """
    if name not in _VALUES or not hasattr(event, name):
        raise KeyError(name)
    value: Value = getattr(event, name)
    return shown_input(event.name, value) if name == "input" and isinstance(event, TaskScheduled) else value


def data_answer(data: Mapping[str, Any], known_tags: str, untagged: Sequence[str] = ()) -> HttpAnswer:
    """An answer with data; 304 if the caller has it already.

    :param known_tags: the header `If-None-Match` of the request.
    :param untagged: members by which alone two answers do not differ: the time at which they were given.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    tagged = {name: value for name, value in data.items() if name not in untagged} if untagged else data
    compared = text if not untagged else json.dumps(tagged, ensure_ascii=False, separators=(",", ":"))
    tag = f'W/"{hashlib.sha256(compared.encode("utf-8", "surrogatepass")).hexdigest()[:32]}"'
    return tagged_answer(text, tag, known_tags)


def tagged_answer(text: str, tag: str, known_tags: str) -> HttpAnswer:
    """An answer with JSON text under a tag; 304 if the caller has it already."""
    headers = {"Cache-Control": "no-store", "ETag": tag}
    if is_known(tag, known_tags):
        return HttpAnswer(304, headers)
    # A lone surrogate, which user code may put into any text, is no UTF-8; escaped, it is JSON all the same.
    body = text.encode("utf-8", "backslashreplace")
    return HttpAnswer(200, {"Content-Type": "application/json", **headers}, body)


def value_text_answer(text: str) -> HttpAnswer:
    """An answer with the JSON text of a value, as it is stored."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return HttpAnswer(200, headers, text.encode("utf-8", "surrogatepass"))
