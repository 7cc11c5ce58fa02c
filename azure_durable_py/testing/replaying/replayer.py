"""Runs recorded histories through an app's orchestrators, and says what came of each.

Owns the verdict. Nothing but orchestrator code runs: no activity, no entity, no storage. Code that does not come to an
end is interrupted, as in a worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from azure_durable_py.runtime.determinism import Altered, Notice, facts
from azure_durable_py.runtime.orchestration import Orchestration
from azure_durable_py.serialization.converter import BoundedConverter, DataConverter, JsonDataConverter
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.payloads import MAX_PAYLOAD_BYTES
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.testing.replaying.contents import Difference, differences, told
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
    :param allow_changed_inputs: a call with another input than was recorded is a change, and no divergence.
    """

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        converter: DataConverter | None = None,
        *,
        allow_changed_inputs: bool = False,
    ) -> None:
        self._allow_changed_inputs = allow_changed_inputs
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
        found = self._judge(instance, events)
        return Replayed(recording, found.verdict, found.message, len(events), found.is_failure, found.sign)

    def _judge(self, instance: ExportedInstance, events: Sequence[Event]) -> _Judgement:
        started = next((event for event in events if isinstance(event, ExecutionStarted)), None)
        version = instance.status.version if started is None else started.version
        if not may_run(version, self._settings):
            fails = self._settings.version_failure_strategy.lower() == "fail"
            return _Judgement(Verdict.refused, refusal(version, self._settings), is_failure=fails)
        try:
            self._registry.orchestrators.get(instance.status.name or "" if started is None else started.name)
        except errors.FunctionNotFoundError as error:
            return _Judgement(Verdict.missing, str(error), is_failure=True)
        shown = events[: last_turn(events)] if _was_ended_by_the_engine(events) else events
        altered: list[Altered] = []
        try:
            run = run_cold(partial(self._load, instance, altered.append), shown)
        except ValueError as error:
            return _Judgement(Verdict.unreadable, str(error), is_failure=True)
        if isinstance(run.error, errors.TurnTimeoutError):
            return _Judgement(Verdict.spins, str(run.error), is_failure=True)
        has_ended = recorded_end(shown) is not None
        if run.error is not None and not (has_ended and run.in_last_turn):
            return _Judgement(Verdict.diverged, str(run.error), is_failure=True)
        unread_from = last_turn(shown) if has_ended else len(shown)
        found = differences(altered, is_redacted=instance.is_redacted, unread_from=unread_from)
        ending = run.error or _other_ending(instance, shown, run)
        return self._weighed(found, ending)

    def _weighed(self, found: Sequence[Difference], ending: BaseException | None) -> _Judgement:
        """What it means that decisions say something else, or that the end is another."""
        if not found:
            same = _Judgement(Verdict.same)
            return same if ending is None else _Judgement(Verdict.changed, facts(ending))
        sign, message = "; ".join(one.sign for one in found), told(found)
        if any(one.is_another_question for one in found) and not self._allow_changed_inputs:
            return _Judgement(Verdict.diverged, message, sign, is_failure=True)
        return _Judgement(Verdict.changed, message if ending is None else f"{message}\n{facts(ending)}", sign)

    def _load(self, instance: ExportedInstance, notice: Notice, events: Sequence[Event]) -> Orchestration:
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
            notice=notice,
        )


@dataclass(frozen=True, slots=True)
class _Judgement:
    verdict: Verdict
    message: str = ""
    sign: str = ""
    is_failure: bool = False


def _other_ending(instance: ExportedInstance, events: Sequence[Event], run: ColdRun) -> BaseException | None:
    """How the code ended otherwise, or left another custom status; None: it did not."""
    other = other_end(events, run)
    # One that this generation has not set is that of the one before.
    if other is None and events is instance.events and (run.custom_status is not None or not instance.generation):
        return other_custom_status(events, instance.status.custom_status_json, run)
    return other


def _was_ended_by_the_engine(events: Sequence[Event]) -> bool:
    end = recorded_end(events)
    failure = end.failure if isinstance(end, ExecutionCompleted) else None
    return failure is not None and failure.error_type in _ENDED_BY_THE_ENGINE
