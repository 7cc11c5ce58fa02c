"""One generation of an orchestration as a player has it: the runtime, and the history that a task hub would keep.

Owns turns and what is to be seen between them. What came of a call, the player says.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from azure_durable_py.history.events import Decision, Event, Value
from azure_durable_py.inspection.branch import Branch
from azure_durable_py.inspection.joining import join
from azure_durable_py.inspection.timeline import Step, StepKind, StepOutcome, Timeline
from azure_durable_py.registry import Registry
from azure_durable_py.runtime.cold import Replay, verified
from azure_durable_py.runtime.orchestration import Orchestration, Verify
from azure_durable_py.serialization.converter import DataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.testing.trees import branch_tree
from azure_durable_py.testing.unit.pending import PendingCall, pending_decision


class PlayedGeneration:
    """Runs one generation over events, each of which is a turn. `turn` is the newest; `history` has the events of all.

    :param number: how often the instance had continued as new before.
    :param replay: whether each turn is at once run again from the history.
    :param events: those that it begins with.
    :param now: the time at which it begins.
    """

    def __init__(
        self,
        instance_id: str,
        registry: Registry,
        settings: Settings,
        converter: DataConverter,
        number: int,
        replay: Replay,
        events: Sequence[Event],
        now: datetime,
    ) -> None:
        self._instance_id = instance_id
        self._converter = converter
        self._number = number
        self.history: list[Event] = []
        load = partial(
            Orchestration,
            instance_id,
            f"{instance_id}-execution",
            registry,
            settings,
            converter,
            generation=number,
        )
        self._live = load(verify=_verifier(load, self.history) if replay == "every-turn" else None)
        # A generator that is left to the garbage collector would run its `finally` blocks as live code.
        weakref.finalize(self, self._live.close)
        self.advance(events, now)

    @property
    def is_finished(self) -> bool:
        """Whether it has ended: completed, failed or continued as new."""
        return self._live.is_finished

    def advance(self, events: Sequence[Event], now: datetime) -> None:
        """Take a turn."""
        self.turn = self._live.advance(events, now)
        self.history += self.turn.events

    def decision(self, pending: PendingCall) -> Decision:
        """What decided a call."""
        assert pending.task_id is not None
        return self._live.decision(pending.task_id)

    def pending(self) -> list[PendingCall]:
        """What is open: what was decided, in order, and then the events that are waited for."""
        decisions = [event for event in self.history if isinstance(event, Decision) and self._live.is_open(event.id)]
        events = [PendingCall("event", name, None, since) for name, since in self.turn.awaited.items()]
        return [*(pending_decision(event, self.value) for event in decisions), *events]

    def value(self, recorded: Value) -> Any:
        """A recorded value as code would get it that names no type."""
        return self._converter.deserialize(recorded) if isinstance(recorded, str) else None

    def tree(self, name: str, now: datetime) -> str:
        """What was done, as a tree of lines."""
        found, turn = join(self.history, self.turn.timers), self.turn
        awaited = [
            Step(StepKind.event, one, None, since, None, StepOutcome.open) for one, since in turn.awaited.items()
        ]
        timeline = Timeline(
            self._instance_id,
            name,
            turn.status.value,
            self._number,
            found.began or now,
            found.ended,
            len(self.history),
            (*found.steps, *awaited),
            failure=found.failure,
        )
        given = None if found.started is None else found.started.input
        text = given if isinstance(given, str) else None
        return branch_tree(Branch(timeline), now, text, turn.custom_status, turn.output)


def _verifier(load: Callable[..., Orchestration], history: list[Event]) -> Verify:
    """What tells whether a turn after this history comes to the same when it is run from the beginning."""

    def verify(events: Sequence[Event], custom_status: str | None) -> BaseException | None:
        return verified(partial(load, exact_from=len(history)), [*history, *events], custom_status)

    return verify
