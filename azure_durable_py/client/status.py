"""What a client tells of instances: their status, pages of them, and what was purged.

Owns data only. Values stay JSON text until somebody asks for them, so that the status of an
instance can be read where the classes of its values are not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast

from azure_durable_py import shape
from azure_durable_py.errors import OrchestrationFailedError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.serialization.converter import DataConverter, JsonDataConverter
from azure_durable_py.shape import ShapeError
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.times import from_iso, to_iso

T = TypeVar("T")


@dataclass(frozen=True, init=False)
class DurableOrchestrationStatus:
    """The state of one orchestration instance when it was read. Falsy when there is no such instance.

    `input_json`, `output_json` and `custom_status_json` are the values as JSON text; `input_`,
    `output` and `custom_status` decode them. `history` is what `show_history` asked for: one
    dict per event, compacted as the management API shows it. `failure` is set on a failed instance
    that was read on its own (not in a list). `damaged` tells what of the instance cannot be read, and why;
    what could be is shown. Asking for a value that is not there is then an error (`CorruptRowError`). `waiting_for`
    tells what the instance could not do for a while (not in a list), as where storage refuses it. `attempt` is how
    often it was rewound (not in a list: 0 there).

    A client makes them. A test may do so too, by the names of the fields, or by those of the management API,
    as `from_json` does.

    :param instanceId: the id of the instance, as `instance_id`.
    :param createdTime: as text (ISO 8601), or as `created_time`.
    :param lastUpdatedTime: as text (ISO 8601), or as `last_updated_time`.
    :param input: the input itself, where `input_json` is its text; likewise `output` and `customStatus`.
    :param runtimeStatus: the status or its name, as `runtime_status`.
    :param historyEvents: the same as `history`.
    :param waitingFor: as `waiting_for`.
    :param others: fields of this class by their names; what is none becomes an attribute.
    :raises ValueError: a time or status is none.
    :raises SerializationError: a value is not JSON.
    """

    name: str | None = None
    instance_id: str | None = None
    created_time: datetime | None = None
    last_updated_time: datetime | None = None
    runtime_status: OrchestrationRuntimeStatus | None = None
    history: list[dict[str, Any]] | None = None
    completed_time: datetime | None = None
    execution_id: str | None = None
    version: str | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: {})
    parent_instance_id: str | None = None
    attempt: int = 0
    failure: FailureDetails | None = None
    input_json: str | None = None
    output_json: str | None = None
    custom_status_json: str | None = None
    damaged: str | None = None
    waiting_for: str | None = None
    output_type: Any = field(default=None, repr=False)
    converter: DataConverter = field(default_factory=JsonDataConverter, repr=False, compare=False)

    def __init__(
        self,
        name: str | None = None,
        instanceId: str | None = None,
        createdTime: str | datetime | None = None,
        lastUpdatedTime: str | datetime | None = None,
        input: Any = None,
        output: Any = None,
        runtimeStatus: str | OrchestrationRuntimeStatus | None = None,
        customStatus: Any = None,
        history: list[dict[str, Any]] | None = None,
        *,
        historyEvents: list[dict[str, Any]] | None = None,
        waitingFor: str | None = None,
        **others: Any,
    ) -> None:
        plain, factories = _defaults()
        made: dict[str, Any] = {
            **plain,
            "name": name,
            "instance_id": instanceId,
            "created_time": _moment(createdTime),
            "last_updated_time": _moment(lastUpdatedTime),
            "runtime_status": None if runtimeStatus is None else OrchestrationRuntimeStatus(runtimeStatus),
            "history": historyEvents if history is None else history,
            "waiting_for": waitingFor,
            **others,
        }
        for field_name, factory in factories.items():
            if field_name not in others:
                made[field_name] = factory()
        for text, value in (("input_json", input), ("output_json", output), ("custom_status_json", customStatus)):
            if value is not None:
                made[text] = made["converter"].serialize(value)
        # Frozen, so that a status is what it was when it was read.
        self.__dict__.update(made)

    @classmethod
    def from_json(cls, json_obj: Any) -> DurableOrchestrationStatus:
        """A status from its JSON form, as `to_json` and the management API write it.

        :param json_obj: a dict; a text makes the falsy status whose `message` it is.
        :raises ValueError: a time or status is none.
        """
        return cls(message=json_obj) if isinstance(json_obj, str) else cls(**json_obj)

    def __bool__(self) -> bool:
        return self.instance_id is not None or self.created_time is not None

    @property
    def historyEvents(self) -> list[dict[str, Any]] | None:  # noqa: N802 - the name of the management API
        """The same as `history`."""
        return self.history

    @property
    def is_finished(self) -> bool:
        """Whether the instance is in a terminal state."""
        return self.runtime_status is not None and self.runtime_status.is_terminal

    @property
    def input_(self) -> Any:
        """The input as plain JSON values, if it was asked for and given. `get_input` builds it as a type."""
        return self._decode(self.input_json, None)

    @property
    def output(self) -> Any:
        """The result; the reason of a terminated instance; what went wrong in a failed one.

        Plain JSON values, unless a type was asked for: see `get_output`.

        :raises SerializationError: it is not of that type.
        """
        return self._decode(self.output_json, self.output_type)

    @property
    def custom_status(self) -> Any:
        """What the orchestrator set with `set_custom_status`, as plain JSON values."""
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

    def raise_if_failed(self) -> None:
        """Do nothing, unless the instance failed.

        :raises OrchestrationFailedError: it failed; the error has its `failure`.
        """
        if self.runtime_status is not OrchestrationRuntimeStatus.Failed:
            return
        failure = self.failure or FailureDetails(f"no details were kept: {self.output_json}", "")
        raise OrchestrationFailedError(
            f"Instance {self.instance_id!r} ({self.name}) failed: {failure.message}", failure
        )

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values by the names of the management API; times are ISO 8601 with microseconds."""
        waiting = {} if self.waiting_for is None else {"waitingFor": self.waiting_for}
        damaged = {} if self.damaged is None else {"damaged": self.damaged}
        tags = {"tags": dict(self.tags)} if self.tags else {}
        attempt = {"attempt": self.attempt} if self.attempt else {}
        return (
            damaged
            | waiting
            | tags
            | attempt
            | {
                "name": self.name,
                "instanceId": self.instance_id,
                "createdTime": None if self.created_time is None else to_iso(self.created_time),
                "lastUpdatedTime": None if self.last_updated_time is None else to_iso(self.last_updated_time),
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
        return None if text is None else decode(self.converter, text, expected_type)


def decode(converter: DataConverter, text: str, expected_type: Any) -> Any:
    """A stored value for people who may not have its classes: plain JSON, or built as the type that they name.

    :raises SerializationError: it is not of that type.
    """
    if expected_type is None and isinstance(converter, JsonDataConverter):
        return converter.plain(text)
    return converter.deserialize(text, expected_type)


@cache
def _defaults() -> tuple[Mapping[str, Any], Mapping[str, Callable[[], Any]]]:
    """What the fields of a status are by default, and what makes those that are made anew for each. By their names."""
    plain: dict[str, Any] = {}
    factories: dict[str, Callable[[], Any]] = {}
    for one in fields(DurableOrchestrationStatus):
        if one.default_factory is MISSING:
            plain[one.name] = one.default
        else:
            factories[one.name] = one.default_factory
    return plain, factories


def _moment(given: str | datetime | None) -> datetime | None:
    return from_iso(given.strip()) if isinstance(given, str) else given


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


@dataclass(frozen=True, init=False)
class PurgeHistoryResult:
    """How many instances a purge deleted.

    :param instancesDeleted: that number, under the name of the management API.
    :param others: become attributes.
    """

    instances_deleted: int

    def __init__(self, instancesDeleted: int = 0, **others: Any) -> None:
        self.__dict__.update({"instances_deleted": instancesDeleted, **others})

    @classmethod
    def from_json(cls, json_obj: Mapping[str, Any]) -> PurgeHistoryResult:
        """A result from its JSON form: `{"instancesDeleted": 3}`."""
        return cls(**json_obj)
