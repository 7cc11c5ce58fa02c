"""What a client tells of instances: their status, pages of them, and what was purged.

Owns data only. Values stay JSON text until somebody asks for them, so that the status of an
instance can be read where the classes of its values are not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from azure_durable_py import shape
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import encode_time
from azure_durable_py.serialization.converter import DataConverter, JsonDataConverter
from azure_durable_py.shape import ShapeError
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.protocol import CorruptRowError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DurableOrchestrationStatus:
    """The state of one orchestration instance when it was read. Falsy when there is no such instance.

    `input_json`, `output_json` and `custom_status_json` are the values as JSON text; `input_`,
    `output` and `custom_status` decode them. `history` is what `show_history` asked for: one
    dict per event, compacted as the management API shows it. `failure` is set on a failed instance
    that was read on its own (not in a list). `damaged` tells what of the instance cannot be read, and why;
    what could be is shown. Asking for a value that is not there is then an error (`CorruptRowError`). `waiting_for`
    tells what the instance could not do for a while (not in a list), as where storage refuses it. `attempt` is how
    often it was rewound (not in a list: 0 there).
    """

    instance_id: str | None = None
    name: str | None = None
    runtime_status: OrchestrationRuntimeStatus | None = None
    created_time: datetime | None = None
    last_updated_time: datetime | None = None
    completed_time: datetime | None = None
    execution_id: str | None = None
    version: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: {})
    parent_instance_id: str | None = None
    attempt: int = 0
    failure: FailureDetails | None = None
    history: list[dict[str, Any]] | None = None
    input_json: str | None = None
    output_json: str | None = None
    custom_status_json: str | None = None
    damaged: str | None = None
    waiting_for: str | None = None
    output_type: Any = field(default=None, repr=False)
    converter: DataConverter = field(default_factory=JsonDataConverter, repr=False, compare=False)

    def __bool__(self) -> bool:
        return self.instance_id is not None

    @property
    def is_finished(self) -> bool:
        """Whether the instance is in a terminal state."""
        return self.runtime_status is not None and self.runtime_status.is_terminal

    @property
    def input_(self) -> Any:
        """The input, if it was asked for and given.

        :raises SerializationError: it cannot be decoded here.
        """
        return self._decode(self.input_json, None)

    @property
    def output(self) -> Any:
        """The result; the reason of a terminated instance; what went wrong in a failed one.

        :raises SerializationError: it cannot be decoded here.
        """
        return self._decode(self.output_json, self.output_type)

    @property
    def custom_status(self) -> Any:
        """What the orchestrator set with `set_custom_status`.

        :raises SerializationError: it cannot be decoded here.
        """
        return self._decode(self.custom_status_json, None)

    def get_input(self, expected_type: type[T]) -> T:
        """The input as a value of a type.

        :raises SerializationError: it is not one.
        """
        return cast("T", self._decode(self.input_json, expected_type))

    def get_output(self, expected_type: type[T]) -> T:
        """The output as a value of a type.

        :raises SerializationError: it is not one.
        """
        return cast("T", self._decode(self.output_json, expected_type))

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values by the names of the management API; times are ISO 8601 with microseconds."""
        waiting = {} if self.waiting_for is None else {"waitingFor": self.waiting_for}
        damaged = {} if self.damaged is None else {"damaged": self.damaged}
        attempt = {"attempt": self.attempt} if self.attempt else {}
        return (
            damaged
            | waiting
            | attempt
            | {
                "name": self.name,
                "instanceId": self.instance_id,
                "createdTime": None if self.created_time is None else encode_time(self.created_time),
                "lastUpdatedTime": None if self.last_updated_time is None else encode_time(self.last_updated_time),
                "output": plain(self.output_json),
                "input": plain(self.input_json),
                "runtimeStatus": None if self.runtime_status is None else self.runtime_status.value,
                "customStatus": plain(self.custom_status_json),
                "history": self.history,
            }
        )

    def _decode(self, text: str | None, expected_type: Any) -> Any:
        if text is None and self.damaged is not None:
            raise CorruptRowError(f"Instance {self.instance_id!r} is damaged: {self.damaged}")
        return None if text is None else self.converter.deserialize(text, expected_type)


def plain(text: str | None) -> Any:
    """The plain JSON value of a text that a client or worker wrote; of a text that is damaged, a text that says so."""
    try:
        return None if text is None else shape.parse(text)
    except ShapeError as error:
        return f"(damaged: {error})"


@dataclass(frozen=True, slots=True)
class StatusPage:
    """One page of instances. With a continuation token there may be more; a page may be short or empty."""

    items: tuple[DurableOrchestrationStatus, ...]
    continuation_token: str | None = None


@dataclass(frozen=True, slots=True)
class PurgeHistoryResult:
    """How many instances a purge deleted."""

    instances_deleted: int
