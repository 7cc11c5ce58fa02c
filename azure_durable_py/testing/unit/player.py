"""`OrchestratorPlayer`: an orchestrator step by step, without engine, task hub or event loop.

Owns the other side of the conversation: what a test says came of a call becomes an event, and the runtime, which is
the one that runs in production, makes a turn of it. Nothing runs but the orchestrator function itself.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from azure_durable_py.errors import OrchestrationFailedError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import (
    ContinuedAsNew,
    Event,
    EventRaised,
    ExecutionStarted,
    TimerFired,
)
from azure_durable_py.ids import check_instance_id
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.runtime.orchestration import Turn
from azure_durable_py.serialization.annotations import naming
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus
from azure_durable_py.testing.apps import App
from azure_durable_py.testing.arguments import check_arguments, seconds_to_skip
from azure_durable_py.testing.calls import CallList, calls_of
from azure_durable_py.testing.run_wide import replay_of
from azure_durable_py.testing.unit.answers import completed, failed, responded
from azure_durable_py.testing.unit.generation_play import PlayedGeneration
from azure_durable_py.testing.unit.pending import PendingCall, PendingList
from azure_durable_py.testing.unit.subjects import StepError, orchestrator_of
from azure_durable_py.testing.virtual import watchers
from azure_durable_py.testing.virtual.hub import EPOCH
from azure_durable_py.times import utc

T = TypeVar("T")


class OrchestratorPlayer:
    """Plays an orchestrator step by step. It has run to its first wait when this is made.

        step = OrchestratorPlayer(book_trip, "Rome")
        assert step.pending[0].input == {"kind": "hotel", "city": "Rome"}
        step.complete(book, "a room")

    Each step shows the orchestrator one event, as the engine would, and it runs until it must wait again. Time stands
    still but for `fire_timer` and `skip`. Activities, sub-orchestrations, entities and HTTP calls do not run: the
    test says what came of them.

    :param orchestrator: the decorated function, a function that takes a context (a generator, a coroutine or a plain
        one), or the name of one in `app`.
    :param input: its input, JSON-serializable; None: no input.
    :param app: where a name is looked up; its `strict_types` count.
    :param instance_id: the id of the instance.
    :param version: the version that the instance carries.
    :param epoch: the UTC time at which it begins.
    :param settings: as from host.json.
    :param replay: `"every-turn"`: after each step the function is run again from the beginning, as where a worker
        died; if it then does something else, it fails with `NonDeterminismError`.
    :raises StepError: a name without an app, or a function that is no orchestrator.
    :raises FunctionNotFoundError: the app has no such orchestrator.
    :raises SerializationError: `input` is not JSON.
    """

    def __init__(
        self,
        orchestrator: str | Callable[..., Any],
        input: Any = None,
        *,
        app: App | None = None,
        instance_id: str = "played",
        version: str | None = None,
        epoch: datetime = EPOCH,
        settings: Settings | None = None,
        replay: Replay = "when-needed",
    ) -> None:
        check_arguments(settings=settings, epoch=epoch, replay=replay)
        self._registry, definition = orchestrator_of(orchestrator, app)
        self._name = definition.name
        self._instance_id = check_instance_id(instance_id)
        self._settings = settings or Settings()
        self._converter = JsonDataConverter(strict_types=self._registry.strict_types)
        self._now = utc(epoch)
        self._version = version
        self._number = 0
        self._replay: Replay = replay_of(replay)
        text = None if input is None else self._text(input, f"the input of orchestrator {self._name!r}")
        self._begin([ExecutionStarted(self._now, self._name, text, version)])
        watchers.playing(self)

    def _begin(self, events: Sequence[Event]) -> None:
        self._generation = PlayedGeneration(
            self._instance_id,
            self._registry,
            self._settings,
            self._converter,
            self._number,
            self._replay,
            events,
            self._now,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._name!r}, {self.status.value}: {self._told()}>"

    # --- what there is to see ---------------------------------------------------------------------

    @property
    def pending(self) -> PendingList:
        """What it waits for: calls and timers in the order in which it asked for them, then external events.

        What it asked for and went on without is among it, as an activity that was too late: that runs all the same.
        """
        return PendingList(self._generation.pending())

    @property
    def status(self) -> OrchestrationRuntimeStatus:
        """The runtime status of the instance: Running, Completed, Failed or ContinuedAsNew."""
        return self._turn.status

    @property
    def output(self) -> Any:
        """What the orchestrator returned, as plain JSON values. `get_output` builds it as a type.

        :raises StepError: it has not returned. :raises OrchestrationFailedError: it has failed.
        """
        return self._output(None)

    def get_output(self, expected_type: type[T]) -> T:
        """What the orchestrator returned, as a value of a type.

        :raises StepError: it has not returned. :raises OrchestrationFailedError: it has failed.
        :raises SerializationError: the output is not of that type.
        """
        return cast("T", self._output(expected_type))

    @property
    def failure(self) -> FailureDetails | None:
        """How it failed; None: it has not."""
        return self._turn.failure

    @property
    def custom_status(self) -> Any:
        """What it set with `set_custom_status`, as plain JSON values."""
        return self._generation.value(self._turn.custom_status)

    @property
    def now(self) -> datetime:
        """The UTC time."""
        return self._now

    @property
    def history(self) -> list[Event]:
        """The events of this generation, as a task hub would have them."""
        return list(self._generation.history)

    @property
    def calls(self) -> CallList:
        """What it has called so far in this generation, and what came of each. The attempts of a task are one call."""
        return calls_of(self._generation.history, open_timers=self._turn.timers)

    @property
    def next_input(self) -> Any:
        """The input that it gave to `continue_as_new`, as plain JSON values.

        :raises StepError: it has not continued as new.
        """
        return self._generation.value(self._continued().input)

    def tree(self) -> str:
        """What it did so far as a tree of lines, for people."""
        return self._generation.tree(self._name, self._now)

    # --- the steps --------------------------------------------------------------------------------

    def complete(self, call: PendingCall | str | Callable[..., Any], result: Any = None) -> None:
        """A call returns.

        :param call: what `pending` has; or the decorated function or the name of one of them: the oldest.
        :param result: what it returns, JSON-serializable; of an HTTP call a `DurableHttpResponse`; of a lock nothing.
        :raises StepError: no such call is pending.
        :raises TypeError: it is an HTTP call, and `result` no `DurableHttpResponse`.
        :raises SerializationError: `result` is not JSON.
        """
        pending = self._found_call(call)
        decision = self._generation.decision(pending)
        if pending.kind == "http":
            answer = responded(decision, self._now, pending.input, result, self._converter)
        else:
            with naming(lambda: f"the result of {pending}"):
                answer = completed(decision, self._now, result, self._converter)
        self._step([answer])

    def fail(self, call: PendingCall | str | Callable[..., Any], error: BaseException | FailureDetails) -> None:
        """A call fails.

        :param call: as for `complete`.
        :param error: what the activity, sub-orchestration or entity operation raised; of an HTTP call that got no
            answer an `HttpRequestError`.
        :raises StepError: no such call is pending, or it is one that cannot fail.
        """
        pending = self._found_call(call)
        if pending.kind == "lock":
            raise StepError(
                f"{pending} cannot fail: an entity gives its lock sooner or later. Complete it, or leave it."
            )
        details = error if isinstance(error, FailureDetails) else FailureDetails.from_exception(error)
        self._step([failed(self._generation.decision(pending), self._now, details)])

    def raise_event(self, name: str, data: Any = None) -> None:
        """An external event arrives. One that nothing waits for is kept until something does.

        :param data: JSON-serializable.
        :raises StepError: the orchestrator has ended. :raises SerializationError: `data` is not JSON.
        """
        text = None if data is None else self._text(data, f"the data of event {name!r}")
        self._step([EventRaised(self._now, name, text)])

    def fire_timer(self, timer: PendingCall | None = None) -> None:
        """Let time pass to a timer. Timers that are due before it fire on the way.

        :param timer: one that `pending` has; None: the next.
        :raises StepError: no timer is pending, or not this one.
        """
        soonest = min(self._turn.timers.values(), default=None)
        moment = soonest if timer is None else self._found(timer).due
        if moment is None:
            raise StepError(f"No timer is pending. {self._told()}" if timer is None else f"{timer} is no timer.")
        self.skip_to(moment)

    def skip(self, duration: timedelta | float) -> None:
        """Let time pass. Timers that are due meanwhile fire, each at its time.

        :param duration: a timedelta, or seconds.
        :raises TypeError: it is neither. :raises ValueError: it is negative.
        """
        self.skip_to(self._now + timedelta(seconds=seconds_to_skip(duration)))

    def skip_to(self, moment: datetime) -> None:
        """Let time pass to a moment, UTC. Timers that are due meanwhile fire, each at its time.

        :raises StepError: the moment is past.
        """
        moment = utc(moment)
        if moment < self._now:
            raise StepError(f"It is {self._now:%Y-%m-%d %H:%M:%S} already: time does not go back to {moment}.")
        while (due := min(self._turn.timers.values(), default=moment)) <= moment and self._turn.timers:
            self._now = max(self._now, due)
            fired = [(at, number) for number, at in self._turn.timers.items() if at <= self._now]
            self._step([TimerFired(self._now, number, at) for at, number in sorted(fired)])
        self._now = moment

    def next_generation(self) -> OrchestratorPlayer:
        """Play on after `continue_as_new`: the orchestrator begins again with its new input.

        :raises StepError: it has not continued as new.
        """
        end = self._continued()
        made = copy.copy(self)
        made._number += 1
        made._version = end.new_version or self._version
        made._begin([ExecutionStarted(self._now, self._name, end.input, made._version), *end.carried])
        watchers.playing(made)
        return made

    # --- below ------------------------------------------------------------------------------------

    def _step(self, events: Sequence[Event]) -> None:
        if self._generation.is_finished:
            raise StepError(f"Orchestrator {self._name!r} has ended. {self._told()}")
        self._generation.advance(events, self._now)

    @property
    def _turn(self) -> Turn:
        return self._generation.turn

    def _found(self, call: PendingCall | str | Callable[..., Any]) -> PendingCall:
        """The pending call that a test names.

        :raises StepError: there is none.
        """
        pending = self.pending
        if isinstance(call, PendingCall):
            found = next((each for each in pending if _same(each, call)), None)
        else:
            name = call if isinstance(call, str) else getattr(call, "durable_name", getattr(call, "__name__", ""))
            found = next((each for each in pending if each.name.lower() == str(name).lower()), None)
            call = repr(name)
        if found is None:
            raise StepError(f"{call} is not pending. {self._told()}")
        return found

    def _found_call(self, call: PendingCall | str | Callable[..., Any]) -> PendingCall:
        found = self._found(call)
        if found.kind == "timer":
            raise StepError(f"{found} is no call: fire_timer() lets time pass to it.")
        if found.kind == "event":
            raise StepError(f"{found} is no call: raise_event({found.name!r}, data) brings it.")
        return found

    def _output(self, expected_type: Any) -> Any:
        if self._turn.failure is not None:
            raise OrchestrationFailedError(
                f"Orchestrator {self._name!r} failed: {self._turn.failure.message}", self._turn.failure
            )
        if self.status is not OrchestrationRuntimeStatus.Completed:
            raise StepError(f"Orchestrator {self._name!r} has not returned. {self._told()}")
        return self._converter.deserialize(self._turn.output or "null", expected_type)

    def _continued(self) -> ContinuedAsNew:
        end = self._generation.history[-1]
        if not isinstance(end, ContinuedAsNew):
            raise StepError(f"Orchestrator {self._name!r} has not continued as new. {self._told()}")
        return end

    def _told(self) -> str:
        """How it stands, as a sentence."""
        if self._turn.failure is not None:
            return f"It failed: {self._turn.failure.message}"
        if self._generation.is_finished:
            done = self.status is OrchestrationRuntimeStatus.Completed
            return f"It returned {self.output!r}." if done else "It continued as new: next_generation() plays on."
        return f"It waits for {', '.join(map(str, self.pending)) or 'nothing that is known'}."

    def _text(self, value: Any, what: str) -> str:
        with naming(lambda: what):
            return self._converter.serialize(value)


def _same(first: PendingCall, second: PendingCall) -> bool:
    # Objects among the inputs need not be equal to themselves when they are read again.
    return replace(first, input=None) == replace(second, input=None)
