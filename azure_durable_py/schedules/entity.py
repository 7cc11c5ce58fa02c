"""The entity that a schedule is: its operations, and when it starts what.

Theory of operation. The state has the next occurrence. Whatever operation comes, everything that is due by the time of
that operation is started first, and a signal to itself is sent for the next occurrence unless one is on its way that
comes early enough. Such a signal carries nothing: it says "look". So one that comes twice, late, or from a definition
that was replaced since costs a look and starts nothing, and one that was lost is made up for by any other operation.

State and starts are one commit, and what a commit sends is handed over once: so there is one start per occurrence. The
instance id of a run follows from schedule and occurrence, which shows that to people.

Unless runs may overlap, a run is started as the sub-orchestration of a watcher (see `functions`), which signals
`ended`. A watcher that was itself terminated signals nothing: so when an occurrence finds a run under way, it is looked
from time to time whether that is true.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from azure_durable_py.errors import (
    FunctionNotFoundError,
    InvalidRequestError,
    ScheduleAlreadyExistsError,
    ScheduleNotFoundError,
)
from azure_durable_py.registry import BUILT_IN
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.schedules.definition import Overlap, ScheduleDefinition, stamp
from azure_durable_py.schedules.occurrences import due
from azure_durable_py.schedules.state import ScheduledRun, ScheduleState
from azure_durable_py.serialization.converter import JsonText

logger = logging.getLogger("azure_durable_py.schedules")
WATCHER = f"{BUILT_IN}ScheduledRun"
LOOK = f"{BUILT_IN}ScheduleLook"
WAKE, ENDED = "wake", "ended"
STARTS_AT_ONCE = 20
"""Occurrences that one operation starts: what an operation sends has to fit into a commit."""
_SIGNALS = (WAKE, ENDED)
TRY_AGAIN_AFTER = timedelta(minutes=1)
LATE = timedelta(minutes=1)
LOOK_EVERY = timedelta(minutes=10)
SURELY_STARTED = timedelta(hours=1)
"""After so long a run that is nowhere to be found was purged, and is not on its way."""
_MAX_REASON_CHARS = 1000
_TICK = timedelta(microseconds=1)


def schedule(context: DurableEntityContext) -> None:
    """The entity function."""
    try:
        _perform(context)
    except Exception as error:
        # A setting may have it that a failed operation sends all the same; what is due would be started again.
        context.actions.clear()
        if context.operation_name not in _SIGNALS or not isinstance(error, ValueError):
            raise
        # Another worker may know the time zone, or read the state. What it is told must not be lost for that.
        logger.error("Schedule %s cannot go on in this worker, which tries again: %s", context.entity_key, error)
        later = context.current_utc_datetime + TRY_AGAIN_AFTER
        context.signal_entity(context.entity_id, context.operation_name, context.get_input(), later)


def _perform(context: DurableEntityContext) -> None:
    name = context.operation_name.lower()
    if name == "create":
        _create(context)
        return
    operation = _OPERATIONS.get(name)
    if operation is None and name != "delete":
        raise FunctionNotFoundError(
            f"A schedule has no operation {context.operation_name!r}; it has create, delete, {', '.join(_OPERATIONS)}."
        )
    stored: Any = context.get_state()
    if stored is None:
        # Signals of its own may outlive a schedule that was deleted.
        if name not in _SIGNALS:
            raise ScheduleNotFoundError(f"There is no schedule {context.entity_key!r} in this task hub.")
    elif operation is None:
        context.destruct_on_exit()
    else:
        keeper = Keeper(context, ScheduleState.from_json(stored))
        if name == ENDED:
            # What is due as a run ends finds it ended.
            keeper.end(context.get_input())
        keeper.start_due()
        result = operation(keeper, context.get_input())
        keeper.keep()
        context.set_result(result if operation is _run_now else keeper.state.to_json())


def _create(context: DurableEntityContext) -> None:
    asked: Any = context.get_input()
    given = cast("dict[str, Any]", asked) if isinstance(asked, dict) else {}
    definition = ScheduleDefinition.from_json(given.get("definition"))
    definition.check(context.entity_key)
    now, stored = context.current_utc_datetime, context.get_state()
    if stored is None:
        keeper = Keeper(context, ScheduleState(definition, now, now, _anchor(definition, now)))
        keeper.state.is_paused, keeper.state.paused_reason = bool(given.get("paused")), _reason(given.get("reason"))
        keeper.state.next_run_at = keeper.first_after(now)
        if given.get("start_immediately"):
            keeper.occur(now)
    elif not given.get("replace"):
        raise ScheduleAlreadyExistsError(
            f"A schedule {context.entity_key!r} exists. Update it, delete it first, or ask for it to be replaced."
        )
    else:
        keeper = Keeper(context, ScheduleState.from_json(stored))
        keeper.start_due()
        keeper.define(definition)
    keeper.keep()
    context.set_result(keeper.state.to_json())


class Keeper:
    """A schedule during one operation.

    :param state: changed in place; it counts once `keep` was called.
    """

    def __init__(self, context: DurableEntityContext, state: ScheduleState) -> None:
        self.state = state
        self._context = context
        self._now = context.current_utc_datetime
        self._id = context.entity_key

    def first_after(self, moment: datetime) -> datetime | None:
        """The first occurrence after a moment; None: there is none."""
        definition = self.state.definition
        if definition.start_at is not None:
            moment = max(moment, definition.start_at - _TICK)
        found = definition.recurrence(self.state.anchor).next_after(moment)
        return None if definition.end_at is not None and found > definition.end_at else found

    # --- occurrences ---------------------------------------------------------------------------------

    def start_due(self) -> None:
        """Start what is due, as far as missed occurrences are caught up with."""
        state = self.state
        if state.is_paused or state.next_run_at is None or state.next_run_at > self._now:
            return
        found = due(state.next_run_at, self._now, self.first_after)
        latest, later = found.latest[-1:], list[datetime]()
        if state.definition.catch_up == "all":
            latest, later = found.latest[:STARTS_AT_ONCE], found.latest[STARTS_AT_ONCE:]
        elif state.definition.catch_up == "none" and self._now - latest[0] > LATE:
            latest = []
        state.missed += found.number - len(latest) - len(later)
        state.next_run_at = later[0] if later else self.first_after(self._now)
        for at in latest:
            self.occur(at)

    def occur(self, at: datetime, overlap: Overlap | None = None) -> str | None:
        """It is time for a run. Returns its instance id, if it is started now."""
        state = self.state
        overlap = overlap or state.definition.overlap
        if overlap == "allow" or not state.running:
            return self._start(at)
        if overlap == "skip" or state.waiting is not None:
            state.skipped += 1
        if overlap == "terminate" or (overlap == "buffer_one" and state.waiting is None):
            state.waiting = at
        self._look(terminate=overlap == "terminate")
        return None

    def _start(self, at: datetime) -> str:
        state, definition = self.state, self.state.definition
        instance_id = definition.instance_id_at(self._id, at)
        given = definition.input_json
        if definition.overlap == "allow":
            text = None if given is None else JsonText(given)
            self._context.schedule_new_orchestration(definition.orchestrator, text, instance_id, definition.version)
        else:
            watcher = f"{WATCHER}:{self._id}:{stamp(at)}"
            run = {
                "schedule_id": self._id,
                "orchestrator": definition.orchestrator,
                "input_json": given,
                "instance_id": instance_id,
                "version": definition.version,
            }
            self._context.schedule_new_orchestration(WATCHER, run, watcher)
            state.running = (*state.running, ScheduledRun(instance_id, watcher, self._now))
        state.runs += 1
        state.last_run_at, state.last_instance_id = at, instance_id
        return instance_id

    def end(self, watcher: object) -> None:
        """A run has ended."""
        state = self.state
        state.running = tuple(run for run in state.running if run.watcher != watcher)
        if not state.running and state.waiting is not None:
            at, state.waiting = state.waiting, None
            self._start(at)

    def _look(self, *, terminate: bool) -> None:
        """Have it looked whether runs that count as under way are, and have them terminated."""
        state = self.state
        if not terminate and self._now - (state.looked_at or state.running[0].since) < LOOK_EVERY:
            return
        state.looked_at = self._now
        runs = [
            {
                "instance_id": run.instance_id,
                "watcher": run.watcher,
                "surely_started": self._now - run.since > SURELY_STARTED,
            }
            for run in state.running
        ]
        asked = {"schedule_id": self._id, "terminate": terminate, "runs": runs}
        self._context.schedule_new_orchestration(LOOK, asked)

    # --- what is asked for ---------------------------------------------------------------------------

    def define(self, definition: ScheduleDefinition) -> None:
        """Take another definition. The next occurrence stays, unless it occurs at other times."""
        definition.check(self._id)
        state = self.state
        other_times = not definition.occurs_like(state.definition)
        state.definition, state.modified_at = definition, self._now
        if other_times:
            state.anchor = _anchor(definition, self._now)
            state.next_run_at = self.first_after(self._now)

    def pause(self, reason: str | None) -> None:
        """Start nothing from now on. A second pause changes the reason."""
        state = self.state
        if state.waiting is not None:
            state.waiting, state.skipped = None, state.skipped + 1
        state.is_paused, state.paused_reason, state.modified_at = True, reason, self._now

    def resume(self) -> None:
        """Go on with the first occurrence from now: those during the pause are not missed, they were not wanted."""
        state = self.state
        if state.is_paused:
            state.is_paused, state.paused_reason, state.modified_at = False, None, self._now
            state.next_run_at = self.first_after(self._now)

    def run_now(self, overlap: Overlap | None) -> str | None:
        """Run once, beside the occurrences. Returns the instance id, if the run is started now."""
        if overlap is not None:
            replace(self.state.definition, overlap=overlap).check(self._id)
        last = self.state.last_run_at
        return self.occur(self._now if last is None else max(self._now, last + _TICK), overlap)

    def keep(self) -> None:
        """Set the state, and see that the entity is woken for the next occurrence."""
        state, now = self.state, self._now
        state.wakes = tuple(at for at in state.wakes if at > now)
        following = state.next_run_at
        if not state.is_paused and following is not None and not any(at <= following for at in state.wakes):
            self._context.signal_entity(self._context.entity_id, WAKE, signal_time=following)
            state.wakes += (following,) if following > now else ()
        self._context.set_state(state.to_json())


def _anchor(definition: ScheduleDefinition, now: datetime) -> datetime:
    # Whole seconds make instance ids that people can read.
    return definition.start_at or now.replace(microsecond=0)


# --- operations --------------------------------------------------------------------------------------


def _update(keeper: Keeper, given: Any) -> None:
    keeper.define(keeper.state.definition.changed_by(given))


def _pause(keeper: Keeper, given: Any) -> None:
    keeper.pause(_reason(given))


def _resume(keeper: Keeper, given: Any) -> None:
    del given
    keeper.resume()


def _run_now(keeper: Keeper, given: Any) -> str | None:
    return keeper.run_now(given)


def _get(keeper: Keeper, given: Any) -> None:
    del keeper, given


def _reason(given: Any) -> str | None:
    if given is not None and (not isinstance(given, str) or len(given) > _MAX_REASON_CHARS):
        raise InvalidRequestError(f"A reason is a text of at most {_MAX_REASON_CHARS} characters.")
    return given or None


_OPERATIONS: dict[str, Callable[[Keeper, Any], Any]] = {
    "get": _get,
    "update": _update,
    "pause": _pause,
    "resume": _resume,
    "run_now": _run_now,
    WAKE: _get,
    ENDED: _get,
}
