"""What the context of an orchestrator function and the engine around it share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.history.events import Event, ExecutionStarted, Value
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.runtime.critical_sections import CriticalSection
from azure_durable_py.runtime.decisions import Decisions
from azure_durable_py.runtime.external_events import ExternalEvents
from azure_durable_py.serialization.converter import DataConverter


@dataclass(frozen=True, slots=True)
class Continuation:
    """What `continue_as_new` asked for. `input` is JSON text."""

    input: str
    save_events: bool
    new_version: str | None


@dataclass(slots=True)
class Generation:
    """The state of one generation that user code reads and writes through its context.

    `number` is how often the instance had continued as new before. `http_pause` is what HTTP calls wait between two
    looks if the server does not say.
    """

    instance_id: str
    execution_id: str
    number: int
    registry: Registry
    converter: DataConverter
    decisions: Decisions
    events: ExternalEvents = field(default_factory=ExternalEvents)
    history: list[Event] = field(default_factory=lambda: [])
    started: ExecutionStarted | None = None
    definition: OrchestratorDefinition | None = None
    custom_status: str | None = None
    continuation: Continuation | None = None
    section: CriticalSection | None = None
    http_pause: timedelta = timedelta(seconds=30)

    @property
    def now(self) -> datetime:
        """Replay time: the time of the current turn; user code never runs outside of one."""
        return cast("datetime", self.decisions.now)

    @property
    def start(self) -> ExecutionStarted:
        """The event that began the generation; user code never runs before it."""
        return cast("ExecutionStarted", self.started)

    def decoder(self, expected_type: Any) -> Callable[[Value], Any]:
        """What turns a recorded value into an object of this type."""

        def decode(value: Value) -> Any:
            if value is None:
                return None
            if not isinstance(value, str):
                raise OrchestratorError(f"The value {value!r} was not read from storage before it was needed.")
            return self.converter.deserialize(value, expected_type)

        return decode
