"""Drives orchestrations through fake activities at virtual time.

Every turn is run three times: on the live orchestration, on one that was cold-loaded from the history so far, encoded
and decoded, and once more from the history that it then is a part of (`verified`). All must do the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import decode_event, encode_event
from azure_durable_py.history.events import (
    ContinuedAsNew,
    Decision,
    EntityOperationCalled,
    EntityOperationCompleted,
    EntityOperationFailed,
    Event,
    EventRaised,
    ExecutionRewound,
    ExecutionStarted,
    OrchestratorStarted,
    SubOrchestrationCompleted,
    SubOrchestrationCreated,
    SubOrchestrationFailed,
    TaskCompleted,
    TaskFailed,
    TaskScheduled,
    TimerFired,
)
from azure_durable_py.history.rewinding import where_to_rewind
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.runtime.cold import verified
from azure_durable_py.runtime.orchestration import Orchestration, Turn
from azure_durable_py.serialization.converter import BoundedConverter, JsonDataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.taskhub.payloads import MAX_PAYLOAD_BYTES

START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
VERIFIED_EVENTS = 300
"""Turns of longer histories are not run once more: that takes the square of the time."""
CONVERTER = BoundedConverter(JsonDataConverter(), MAX_PAYLOAD_BYTES)


def registry_of(*functions: Callable[[Any], Any]) -> Registry:
    registry = Registry()
    for function in functions:
        registry.orchestrators.add(OrchestratorDefinition(function.__name__, function))
    return registry


@dataclass
class Run:
    """One instance. `pending` are the decisions that nobody has answered yet.

    `operations` are those of entities; an operation that is not among them gives its name and input.
    """

    registry: Registry
    activities: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    operations: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    instance_id: str = "instance"
    check_cold: bool = True
    now: datetime = START
    generation: int = 0
    attempt: int = 0
    history: list[Event] = field(default_factory=list)
    pending: list[Any] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.live = self.load_live([])

    def load_live(self, history: list[Event]) -> Orchestration:
        """The orchestration that goes on; what it does is held against a replay of it."""
        return self.load(history, verify=self._verify)

    def _verify(self, events: Sequence[Event], custom_status: str | None) -> BaseException | None:
        if not self.check_cold or len(self.history) > VERIFIED_EVENTS:
            return None
        exact = partial(self.load, exact_from=len(self.history))
        return verified(exact, [*self.history, *events], custom_status)

    def load(self, history: Sequence[Event], **more: Any) -> Orchestration:
        return Orchestration(
            self.instance_id,
            "execution",
            self.registry,
            self.settings,
            CONVERTER,
            history,
            generation=self.generation,
            attempt=self.attempt,
            **more,
        )

    @property
    def turn(self) -> Turn:
        return self.turns[-1]

    @property
    def output(self) -> Any:
        assert self.turn.status is OrchestrationRuntimeStatus.Completed, self.turn.failure
        return CONVERTER.deserialize(self.turn.output or "null")

    def start(self, name: str, value: Any = None, *more: Event, **fields: Any) -> Turn:
        return self.advance(ExecutionStarted(self.now, name, CONVERTER.serialize(value), **fields), *more)

    def advance(self, *events: Event) -> Turn:
        if self.check_cold:
            cold = self.load([decode_event(encode_event(event)) for event in self.history])
            expected = cold.advance(events, self.now)
            cold.close()
        turn = self.live.advance(events, self.now)
        if self.check_cold:
            assert expected == turn
        self.turns.append(turn)
        self.history.extend(turn.events)
        made = [event for event in turn.events if isinstance(event, Decision)]
        self.decisions.extend(made)
        self.pending.extend(made)
        if turn.events and isinstance(turn.events[-1], ContinuedAsNew):
            self._continue(turn.events[-1])
        return turn

    def _continue(self, end: ContinuedAsNew) -> None:
        name, self.generation, self.history, self.pending = self.live.name, self.generation + 1, [], []
        self.live = self.load_live([])
        self.advance(ExecutionStarted(self.now, name, end.input, end.new_version), *end.carried)

    def rewind(self) -> Turn:
        """Go on from a failure: what counts of it and has no answer is pending again."""
        cut = where_to_rewind(self.history)
        assert cut is not None
        self.attempt += 1
        rewound = ExecutionRewound(self.now, "mended", self.attempt, cut.position)
        self.history += [OrchestratorStarted(self.now), rewound]
        self.live, self.pending = self.load_live(self.history), []
        turn = self.advance()
        self.pending = [*turn.reopened, *self.pending]
        return turn

    def complete(self, task_id: int, value: Any = None) -> Turn:
        return self.advance(TaskCompleted(self.now, task_id, CONVERTER.serialize(value)))

    def fail(self, task_id: int, error: BaseException) -> Turn:
        return self.advance(TaskFailed(self.now, task_id, FailureDetails.from_exception(error)))

    def raise_event(self, name: str, data: Any = None) -> Turn:
        return self.advance(EventRaised(self.now, name, CONVERTER.serialize(data)))

    def wait(self, duration: timedelta) -> Turn:
        """Let time pass and fire what is due."""
        self.now += duration
        due = [(at, number) for number, at in self.turn.timers.items() if at <= self.now]
        return self.advance(*(TimerFired(self.now, number, at) for at, number in sorted(due)))

    def run(self, name: str, value: Any = None, **fields: Any) -> Run:
        """Start and go on until the instance ends or only events could help."""
        self.start(name, value, **fields)
        return self.go_on()

    def go_on(self) -> Run:
        while not self.live.is_finished and self.step():
            pass
        return self

    def step(self) -> bool:
        """Answer all that is pending in one turn, else let time pass; False if only events could help."""
        answers = [answer for answer in map(self._answer, self.pending) if answer is not None]
        self.pending = []
        if answers:
            self.advance(*answers)
        elif self.turn.timers:
            self.wait(min(self.turn.timers.values()) - self.now)
        else:
            return False
        return True

    def _answer(self, event: Event) -> Event | None:
        match event:
            case TaskScheduled(id=number, name=name, input=text):
                try:
                    result = self.activities[name](CONVERTER.deserialize(str(text)))
                except Exception as error:  # noqa: BLE001 - activities raise anything
                    return TaskFailed(self.now, number, FailureDetails.from_exception(error))
                return TaskCompleted(self.now, number, CONVERTER.serialize(result))
            case SubOrchestrationCreated(id=number, name=name, instance_id=instance_id, input=text):
                child = Run(self.registry, self.activities, self.operations, self.settings, instance_id, now=self.now)
                turn = child.run(name, CONVERTER.deserialize(str(text))).turn
                if turn.failure is not None:
                    return SubOrchestrationFailed(self.now, number, turn.failure)
                return SubOrchestrationCompleted(self.now, number, turn.output)
            case EntityOperationCalled(id=number, operation=operation, input=text):
                perform = self.operations.get(operation, lambda given: [operation, given])
                try:
                    result = perform(CONVERTER.deserialize(str(text)))
                except Exception as error:  # noqa: BLE001 - operations raise anything
                    return EntityOperationFailed(self.now, number, FailureDetails.from_exception(error))
                return EntityOperationCompleted(self.now, number, CONVERTER.serialize(result))
            case _:
                return None


def run(function: Callable[[Any], Any], activities: Mapping[str, Callable[[Any], Any]] | None = None) -> Run:
    """A run of one orchestrator, ready to start."""
    return Run(registry_of(function), activities or {})
