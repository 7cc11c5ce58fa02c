"""The entity of one schedule, played by hand: operations at chosen times, and what they send."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.registry import EntityDefinition
from azure_durable_py.runtime.entities.context import SignalAction, StartAction
from azure_durable_py.runtime.entities.live import LiveEntity
from azure_durable_py.schedules.definition import ScheduleDefinition, schedule_entity_id
from azure_durable_py.schedules.entity import ENDED, LOOK, WAKE, WATCHER, schedule
from azure_durable_py.serialization.converter import BoundedConverter, JsonDataConverter

UTC = timezone.utc
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class PlayedSchedule:
    """One schedule. Its signals to itself wait until `pass_until`; its starts are noted and never run."""

    def __init__(self, *, rollback: bool = True) -> None:
        self.now = BEGIN
        self._rollback = rollback
        self._text: str | None = None
        self.wakes: list[datetime] = []
        self.runs: list[str] = []
        """Instance ids, in the order in which they were started."""
        self.looks: list[dict[str, Any]] = []
        self.inputs: dict[str, str | None] = {}
        self.watchers: dict[str, str] = {}
        self.signals: list[SignalAction] = []

    @property
    def state(self) -> dict[str, Any]:
        return json.loads(self._text or "{}")

    @property
    def exists(self) -> bool:
        return self._text is not None

    def create(self, **definition: Any) -> Any:
        more = {name: definition.pop(name) for name in ("start_immediately", "paused", "replace") if name in definition}
        made = ScheduleDefinition(**{"orchestrator": "Job", **definition})
        return self.ask("create", {"definition": made.to_json(), **more})

    def ask(self, operation: str, given: Any = None) -> Any:
        """Perform an operation now. Returns its result.

        :raises TaskFailedError: it failed.
        """
        definition = EntityDefinition("schedule", schedule)
        entity = LiveEntity(
            schedule_entity_id("s"),
            definition,
            BoundedConverter(JsonDataConverter(), 10**9),
            self._text,
            rollback=self._rollback,
            new_id=lambda: f"id{len(self.looks)}",
        )
        operating = entity.begin(operation, None if given is None else json.dumps(given), self.now)
        try:
            outcome = operating.succeed(operating.call())
        except Exception as error:  # noqa: BLE001 - as the worker does
            outcome = operating.fail(error)
        self._text = entity.state
        for action in outcome.actions:
            self._send(action)
        if outcome.failure is not None:
            raise TaskFailedError(outcome.failure.message, outcome.failure)
        return None if outcome.result is None else json.loads(outcome.result)

    def _send(self, action: SignalAction | StartAction) -> None:
        if isinstance(action, SignalAction):
            assert str(action.entity_id) == str(schedule_entity_id("s"))
            self.signals.append(action)
            if action.operation == WAKE:
                self.wakes.append(action.signal_time or self.now)
        elif action.name == LOOK:
            self.looks.append(json.loads(action.input or "null"))
        elif action.name == WATCHER:
            run = json.loads(action.input or "null")
            self._started(run["instance_id"], run["input_json"])
            self.watchers[run["instance_id"]] = action.instance_id
        else:
            assert action.name == "Job"
            self._started(action.instance_id, action.input)

    def _started(self, instance_id: str, text: str | None) -> None:
        assert instance_id not in self.runs, f"{instance_id} was started twice"
        self.runs.append(instance_id)
        self.inputs[instance_id] = text

    def end(self, instance_id: str) -> None:
        """A run has ended."""
        self.ask(ENDED, self.watchers[instance_id])

    def pass_until(self, moment: datetime, *, late: timedelta = timedelta(0)) -> None:
        """Let time pass. Each signal arrives when it is due, or so much later."""
        while self.wakes and min(self.wakes) + late <= moment:
            at = min(self.wakes)
            self.wakes.remove(at)
            self.now = max(self.now, at + late)
            self.ask(WAKE)
        self.now = max(self.now, moment)

    def times(self) -> list[str]:
        """The times in the instance ids of all runs."""
        return [run.removeprefix("s-") for run in self.runs]
