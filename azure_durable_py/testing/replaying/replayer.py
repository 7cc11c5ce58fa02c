"""Runs recorded histories through an app's orchestrators, and says what came of each.

Owns the verdict. Nothing but orchestrator code runs: no activity, no entity, no storage. Code that does not come to an
end is interrupted, as in a worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from azure_durable_py import errors
from azure_durable_py.client.export import ExportedInstance
from azure_durable_py.failures import qualified_name
from azure_durable_py.history.codec import payload_refs
from azure_durable_py.history.events import Event, ExecutionCompleted, ExecutionStarted
from azure_durable_py.registry import Registry
from azure_durable_py.runtime.cold import (
    ColdRun,
    last_turn,
    other_custom_status,
    other_end,
    recorded_end,
    run_cold,
)
from azure_durable_py.runtime.determinism import facts
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.serialization.converter import BoundedConverter, DataConverter, JsonDataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.payloads import MAX_PAYLOAD_BYTES
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.testing.replaying.recordings import Recording
from azure_durable_py.testing.replaying.verdicts import Replayed, Verdict
from azure_durable_py.worker.versions import may_run, refusal
from azure_durable_py.worker.watchdog import Watchdog

_ENDED_BY_THE_ENGINE = frozenset(
    {
        *map(
            qualified_name,
            (
                errors.FunctionNotFoundError,
                errors.NonDeterminismError,
                errors.OrchestratorError,
                errors.PayloadTooLargeError,
                errors.TurnTimeoutError,
                errors.WorkGivenUpError,
                CorruptRowError,
            ),
        ),
        "azure_durable_py.errors.VersionMismatchError",
    }
)
"""Failures that end a turn whatever the code did in it: it says nothing of the code."""


class Replayer:
    """Replays one history after the other. A context manager: within it, code that does not end is interrupted.

    :param registry: what the app declares.
    :param settings: as from host.json: which versions it runs, and how long a turn may take.
    :param converter: how inputs and results become JSON.
    """

    def __init__(self, registry: Registry, settings: Settings, converter: DataConverter | None = None) -> None:
        self._registry = registry
        self._settings = settings
        self._converter = BoundedConverter(
            converter or JsonDataConverter(strict_types=registry.strict_types), MAX_PAYLOAD_BYTES
        )
        self._watchdog = Watchdog(settings.max_turn_time)

    def __enter__(self) -> Replayer:  # noqa: PYI034 - `Self` came with Python 3.11
        self._watchdog.start_beside()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._watchdog.stop()

    def replay(self, recording: Recording) -> Replayed:
        """What comes of a recording."""
        instance = recording.instance
        if instance is None:
            return Replayed(recording, Verdict.unreadable, recording.problem or "", is_failure=True)
        events = instance.events
        if events is None or (instance.status.damaged and any(payload_refs(events))):
            why = instance.status.damaged or "The line has no history."
            return Replayed(recording, Verdict.unreadable, why, is_failure=True)
        verdict, message, is_failure = self._judge(instance, events)
        return Replayed(recording, verdict, message, len(events), is_failure)

    def _judge(self, instance: ExportedInstance, events: Sequence[Event]) -> tuple[Verdict, str, bool]:
        started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
        version = instance.status.version if started is None else started.version
        if not may_run(version, self._settings):
            fails = self._settings.version_failure_strategy.lower() == "fail"
            return Verdict.refused, refusal(version, self._settings), fails
        try:
            self._registry.orchestrators.get(instance.status.name or "" if started is None else started.name)
        except errors.FunctionNotFoundError as error:
            return Verdict.missing, str(error), True
        shown = events[: last_turn(events)] if _was_ended_by_the_engine(events) else events
        try:
            run = run_cold(partial(self._load, instance), shown)
        except ValueError as error:
            return Verdict.unreadable, str(error), True
        return self._compare(instance, shown, run)

    def _compare(self, instance: ExportedInstance, events: Sequence[Event], run: ColdRun) -> tuple[Verdict, str, bool]:
        if isinstance(run.error, errors.TurnTimeoutError):
            return Verdict.spins, str(run.error), True
        has_ended = recorded_end(events) is not None
        if run.error is not None:
            if has_ended and run.in_last_turn:
                return Verdict.changed, facts(run.error), False
            return Verdict.diverged, str(run.error), True
        other = other_end(events, run)
        if other is None and events is instance.events:
            recorded = instance.status.custom_status_json
            # One that this generation has not set is that of the one before.
            if run.custom_status is not None or not instance.generation:
                other = other_custom_status(events, recorded, run)
        return (Verdict.same, "", False) if other is None else (Verdict.changed, facts(other), False)

    def _load(self, instance: ExportedInstance, events: Sequence[Event]) -> Orchestration:
        status = instance.status
        return Orchestration(
            status.instance_id or "",
            status.execution_id or "",
            self._registry,
            self._settings,
            self._converter,
            events,
            generation=instance.generation,
            attempt=status.attempt,
            run_code=self._watchdog.runner(lambda: f"orchestrator {status.name!r} of instance {status.instance_id!r}"),
        )


def _was_ended_by_the_engine(events: Sequence[Event]) -> bool:
    end = recorded_end(events)
    failure = end.failure if isinstance(end, ExecutionCompleted) else None
    return failure is not None and failure.error_type in _ENDED_BY_THE_ENGINE
