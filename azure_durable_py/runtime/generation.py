"""What the context of an orchestrator function and the engine around it share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

from azure_durable_py.errors import OrchestratorError
from azure_durable_py.history.events import ExecutionStarted, TimerCreated, Value
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.runtime.custom_status import CustomStatus
from azure_durable_py.runtime.decisions import Decisions
from azure_durable_py.runtime.external_events import ExternalEvents
from azure_durable_py.runtime.past import Past
from azure_durable_py.runtime.tasks import TimerTask, Watch
from azure_durable_py.serialization.converter import DataConverter


@dataclass(frozen=True, slots=True)
class Continuation:
    """What `continue_as_new` asked for. `input` is JSON text."""

    input: str
    save_events: bool
    new_version: str | None


class ValueDecoder:
    """Turns recorded values into objects. Tasks hold it, and so not the generation, which holds them."""

    __slots__ = ("_converter",)

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter

    def __call__(self, value: Value, expected_type: Any = None) -> Any:
        """A recorded value as an object of a type; as plain JSON has it by default."""
        if value is None:
            return None
        if not isinstance(value, str):
            raise OrchestratorError(f"The value {value!r} was not read from storage before it was needed.")
        return self._converter.deserialize(value, expected_type)


@dataclass(slots=True)
class Generation:
    """The state of one generation that user code reads and writes through its context.

    `number` is how often the instance had continued as new before, `attempt` how often it had been rewound when
    the current turn was taken. `default_version` is that of sub-orchestrations which are given none.
    `http_pause` is what HTTP calls wait between two looks if the server does not say.
    """

    instance_id: str
    execution_id: str
    number: int
    registry: Registry
    converter: DataConverter
    decisions: Decisions
    events: ExternalEvents = field(default_factory=ExternalEvents)
    past: Past = field(default_factory=Past)
    attempt: int = 0
    started: ExecutionStarted | None = None
    definition: OrchestratorDefinition | None = None
    custom_status: CustomStatus = field(default_factory=CustomStatus)
    continuation: Continuation | None = None
    default_version: str | None = None
    http_pause: timedelta = timedelta(seconds=30)
    decode: ValueDecoder = field(init=False)

    def __post_init__(self) -> None:
        self.decode = ValueDecoder(self.converter)

    @property
    def now(self) -> datetime:
        """Replay time: the time of the current turn; user code never runs outside of one."""
        return self.decisions.now

    @property
    def start(self) -> ExecutionStarted:
        """The event that began the generation; user code never runs before it."""
        return cast("ExecutionStarted", self.started)

    def decoder(self, expected_type: Any) -> Callable[[Value], Any]:
        """What turns a recorded value into an object of this type."""
        return self.decode if expected_type is None else partial(self.decode, expected_type=expected_type)


class GenerationWorld:
    """What an event loop knows of a generation, and decides in it."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation

    @property
    def instance_id(self) -> str:
        """The instance that runs."""
        return self._generation.instance_id

    @property
    def now(self) -> datetime:
        """The time of the turn."""
        return self._generation.now

    @property
    def is_silent(self) -> bool:
        """Whether what happens now has happened before, or is of no interest any more."""
        return self._generation.decisions.replaying

    def timer(self, fire_at: datetime, fired: Callable[[], None]) -> TimerTask:
        """Decide a durable timer."""
        now = self._generation.now
        task = self._generation.decisions.timer(lambda number: TimerCreated(now, number, fire_at))
        Watch(task, lambda _: None if task.is_cancelled else fired())
        return task
