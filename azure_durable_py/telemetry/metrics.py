"""Counts and measures what the engine does.

Owns the instruments: their names, units and attributes. They are made of the global meter, which counts for nobody
until an app has set up a provider. Attributes are of few values each: names of functions, statuses, calls, queues.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Histogram
from opentelemetry.metrics import Observation as Measured

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import ExecutionCompleted
from azure_durable_py.observer import (
    ActivityRun,
    Observation,
    Observer,
    OperationRun,
    Sample,
    StorageCall,
    StorageRetry,
    TurnTaken,
)
from azure_durable_py.telemetry import names
from azure_durable_py.telemetry.tracer import SCOPE
from azure_durable_py.telemetry.traces import utc_now

SAMPLE_SECONDS = 30.0
"""Between two looks at how much is in the queues."""
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0)
"""Bounds of the buckets of durations: what is run may take milliseconds or hours."""
CALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The same of calls of storage."""
ERROR = "error.type"
CALL = "durabletask.storage.call"
QUEUE = "durabletask.queue"
REPLAYED = "durabletask.turn.replayed"


class MetricsObserver(Observer):
    """Counts and measures.

    :param provider: for whom; None: for the provider that the app has set up, once it has.
    """

    watches_storage = True

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        self._provider = provider
        meter = metrics.get_meter(SCOPE) if provider is None else provider.get_meter(SCOPE)
        self._sample: Sample | None = None
        self._started = meter.create_counter(
            "durabletask.orchestration.started", "{orchestration}", "Orchestrations that took their first turn."
        )
        self._completed = meter.create_counter(
            "durabletask.orchestration.completed", "{orchestration}", "Orchestrations that ended, by how."
        )
        self._turns = _histogram(
            meter, "durabletask.orchestration.turn.duration", "From the reading of the history to the commit of a turn."
        )
        self._turn_delays = _histogram(
            meter, "durabletask.orchestration.turn.delay", "From when there was something to do to the turn."
        )
        self._activities = _histogram(meter, "durabletask.activity.duration", "The run of an activity.")
        self._activity_delays = _histogram(
            meter, "durabletask.activity.delay", "From the decision to call an activity to its run."
        )
        self._operations = _histogram(
            meter, "durabletask.entity.operation.duration", "The run of an operation of an entity."
        )
        self._calls = _histogram(
            meter, "durabletask.storage.call.duration", "A call of the task hub's storage.", CALL_SECONDS
        )
        self._retries = meter.create_counter(
            "durabletask.storage.retries", "{retry}", "Waits before storage is asked again."
        )
        meter.create_observable_gauge(
            "durabletask.queue.messages", [self._queues], "{message}", "Messages in a queue of the task hub."
        )
        meter.create_observable_gauge(
            "durabletask.worker.instances", [self._instances], "{instance}", "Instances that a worker has in memory."
        )

    # --- samples --------------------------------------------------------------------------------------

    @property
    def samples_every(self) -> float | None:
        provider = self._provider or metrics.get_meter_provider()
        # The providers of the API count for nobody, who is not made to pay for it.
        return None if type(provider).__module__.startswith("opentelemetry.metrics") else SAMPLE_SECONDS

    def sampled(self, sample: Sample) -> None:
        self._sample = sample

    def _queues(self, options: CallbackOptions) -> Iterable[Measured]:
        del options
        found = self._sample
        return [] if found is None else [Measured(count, {QUEUE: queue}) for queue, count in found.queues.items()]

    def _instances(self, options: CallbackOptions) -> Iterable[Measured]:
        del options
        return [] if self._sample is None else [Measured(self._sample.instances)]

    # --- orchestrations -------------------------------------------------------------------------------

    def turn(self, taken: TurnTaken) -> None:
        name = {names.NAME: taken.name}
        if taken.is_first:
            self._started.add(1, name)
        if isinstance(taken.end, ExecutionCompleted):
            self._completed.add(1, {**name, names.STATUS: taken.end.status})
        self._turns.record(taken.seconds, {**name, REPLAYED: taken.replayed > 0})
        self._turn_delays.record(max(0.0, (taken.taken_at - taken.ready_since).total_seconds()), name)

    # --- users' code ----------------------------------------------------------------------------------

    def activity(self, run: ActivityRun) -> Observation:
        name = {names.NAME: run.name}
        self._activity_delays.record(max(0.0, (utc_now() - run.ready_at).total_seconds()), name)
        return _Timed(self._activities, name)

    def operation(self, run: OperationRun) -> Observation:
        attributes = {names.NAME: names.entity_name(run.instance_id), names.OPERATION: names.sound(run.operation)}
        return _Timed(self._operations, attributes)

    # --- storage --------------------------------------------------------------------------------------

    def storage(self, call: StorageCall) -> None:
        failed = {} if call.error is None else {ERROR: type(call.error).__name__}
        self._calls.record(call.seconds, {CALL: call.name, **failed})

    def retry(self, retry: StorageRetry) -> None:
        self._retries.add(1, {ERROR: type(retry.error).__name__})


class _Timed(Observation):
    """Measures how long something runs. What the worker gave up when it stopped is not measured."""

    def __init__(self, histogram: Histogram, attributes: dict[str, str]) -> None:
        self._histogram = histogram
        self._attributes = attributes
        self._begun = 0.0
        self._ended = False

    def __enter__(self) -> Observation:
        self._begun = time.perf_counter()
        return self

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        del result
        self._ended = True
        if failure is not None:
            self._attributes = {**self._attributes, ERROR: names.sound(failure.error_type)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ended:
            self._histogram.record(time.perf_counter() - self._begun, self._attributes)


def _histogram(meter: metrics.Meter, name: str, description: str, bounds: Sequence[float] = SECONDS) -> Histogram:
    """A histogram of seconds."""
    # Older versions of the API cannot say which buckets make sense; then a view of the app's own may.
    create: Any = meter.create_histogram
    try:
        return create(name, unit="s", description=description, explicit_bucket_boundaries_advisory=bounds)
    except TypeError:
        return create(name, unit="s", description=description)
