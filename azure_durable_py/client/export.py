"""An instance as one line of JSON, and back.

Owns the format of the line, which docs/export.md describes. Other tools read it: what is in it stays in it, and what a
reader cannot do without raises `FORMAT`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from azure_durable_py import shape
from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.history.codec import decode_failure, encode_failure, event_from_json, event_to_json
from azure_durable_py.history.events import Event
from azure_durable_py.serialization.converter import DataConverter, JsonDataConverter
from azure_durable_py.shape import Fields, ShapeError
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.times import to_iso

FORMAT = 1
"""The format of the lines that this version writes, and the newest one that it reads."""
_VALUES = {"input": "input_json", "output": "output_json", "customStatus": "custom_status_json"}
_TEXTS = {
    "name": "name",
    "executionId": "execution_id",
    "version": "version",
    "parentInstanceId": "parent_instance_id",
    "damaged": "damaged",
}
_TIMES = {
    "createdTime": "created_time",
    "lastUpdatedTime": "last_updated_time",
    "completedTime": "completed_time",
}


@dataclass(frozen=True, slots=True)
class ExportedInstance:
    """An instance: its status with input and output, and the whole history of its last generation.

    `events` are as `DurableOrchestrationClient.get_history` gives them: with every value, so that they can be
    replayed. Where the instance is damaged, which `status.damaged` tells, large values may be references (`PayloadRef`)
    to what cannot be read, and `events` is None where the history itself cannot. `generation` counts how often the
    instance had continued as new. `is_redacted`: values were replaced, by `redacted`.
    """

    status: DurableOrchestrationStatus
    events: Sequence[Event] | None = None
    generation: int = 0
    is_redacted: bool = False

    def to_line(self) -> str:
        """One line of JSON, in ASCII, without a newline at its end.

        A value that is no JSON is left out, and `damaged` tells so.
        """
        status, problems = self.status, [self.status.damaged] if self.status.damaged else []
        line: dict[str, Any] = {"format": FORMAT, "instanceId": status.instance_id}
        line |= {key: getattr(status, name) for key, name in _TEXTS.items()}
        line["generation"] = self.generation
        line["attempt"] = status.attempt or None
        line["runtimeStatus"] = None if status.runtime_status is None else status.runtime_status.value
        for key, name in _TIMES.items():
            moment = getattr(status, name)
            line[key] = None if moment is None else to_iso(moment)
        line["tags"] = dict(status.tags) or None
        line = {key: value for key, value in line.items() if value is not None}
        for key, name in _VALUES.items():
            text = getattr(status, name)
            if text is not None:
                try:
                    line[key] = _strict(text)
                except ShapeError as error:
                    problems.append(f"{key}: {error}")
        if status.failure is not None:
            line["failure"] = encode_failure(status.failure)
        if self.events is not None:
            line["history"] = [event_to_json(event) for event in self.events]
        if self.is_redacted:
            line["redacted"] = True
        if problems:
            line["damaged"] = "; ".join(problems)
        return _compact(line)

    def redacted(self, selectors: Iterable[str]) -> ExportedInstance:
        """The same without the values that are named, and such that its history can still be replayed.

        Each is replaced by a value of its type and shape (letters by `a`, digits by `1`), also wherever else its text
        stands in the instance. Truth values and null stay, and so do the ids of the instance.

        :param selectors: names of keys with dots between them. A value is meant if its path ends so. A path begins with
            what it is of: `input`, `output`, `result`, `data` (of an event), `customStatus`, `tags`, `failure`. So
            `password` is that key anywhere, `input.password` that of an input, and `input` all of every input. `*`
            stands for any one name.
        :raises InvalidRequestError: a selector is empty.
        """
        from azure_durable_py.client.redaction import redacted

        return redacted(self, selectors)

    @classmethod
    def from_line(cls, line: str | bytes, converter: DataConverter | None = None) -> ExportedInstance:
        """The instance that `to_line` wrote, this version's or an older one's.

        :param converter: what the client had, for `status.input_`, `status.get_output(...)` and the like.
        :raises InvalidRequestError: it is not such a line, or one of a format to come.
        """
        try:
            return _read(Fields(shape.parse(line)), converter or JsonDataConverter())
        except ShapeError as error:
            raise InvalidRequestError(f"This is no line of an export: {error}") from error


def _read(line: Fields, converter: DataConverter) -> ExportedInstance:
    written_as = line.read("format", shape.whole(1, shape.LARGEST))
    if written_as > FORMAT:
        raise InvalidRequestError(
            f"The line has format {written_as}, and this version of azure-durable-py reads formats up to {FORMAT}. "
            "Upgrade azure-durable-py here."
        )
    status = DurableOrchestrationStatus(
        instance_id=line.read("instanceId", shape.instance_id),
        runtime_status=line.get("runtimeStatus", shape.choice(OrchestrationRuntimeStatus), None),
        tags=line.get("tags", shape.mapping(shape.text, shape.text), {}),
        failure=line.get("failure", decode_failure, None),
        attempt=line.get("attempt", shape.whole(0, shape.LARGEST), 0),
        converter=converter,
    )
    found: dict[str, Any] = {name: line.get(key, shape.text, None) for key, name in _TEXTS.items()}
    found |= {name: line.get(key, shape.time, None) for key, name in _TIMES.items()}
    found |= {name: _compact(line.read(key, shape.anything)) for key, name in _VALUES.items() if key in line}
    return ExportedInstance(
        replace(status, **found),
        line.get("history", shape.items(event_from_json), None),
        line.get("generation", shape.whole(0, shape.LARGEST), 0),
        line.get("redacted", shape.flag, False),
    )


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _strict(text: str) -> Any:
    """The value of a JSON text, if every reader of JSON takes it.

    :raises ShapeError: it is no JSON, or has a number that JSON does not have.
    """
    value = shape.parse(text)
    try:
        _compact(value)
    except (ValueError, RecursionError) as error:
        raise ShapeError(f"not JSON for every reader: {error}") from error
    return value
