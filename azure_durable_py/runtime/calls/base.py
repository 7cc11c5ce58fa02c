"""What all parts of the orchestration context share: decisions, JSON, retries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from azure_durable_py.errors import OrchestratorError, SerializationError
from azure_durable_py.history.events import TimerCreated, Value
from azure_durable_py.registry import Registry, place_of
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.generation import Generation
from azure_durable_py.runtime.retry import RetryTask
from azure_durable_py.runtime.tasks import Task, TimerTask


class Calls:
    """Base of the parts of the context. Each part makes decisions through it."""

    def __init__(self, generation: Generation) -> None:
        self._generation = generation
        self._decisions = generation.decisions
        self._decoders: dict[int, tuple[object, Callable[[Value], Any]]] = {}
        """Of functions that were called, by identity."""

    def _serialize(self, value: Any, what: Callable[[], str]) -> str:
        """A value as JSON text; `what` it is, for errors."""
        try:
            return self._generation.converter.serialize(value)
        except SerializationError as error:
            raise SerializationError(f"{what()}: {error}") from error.__cause__

    def _decoder(
        self, ref: object, expected_type: Any, registered: Callable[[Registry], Callable[..., Any] | None]
    ) -> Callable[[Value], Any]:
        """Decodes as the type asked for, else as what the function that was given is annotated to return."""
        if expected_type is not None:
            return self._generation.decoder(expected_type)
        if isinstance(ref, str):
            return self._generation.decode
        known = self._decoders.get(id(ref))
        if known is not None:
            return known[1]
        registry = self._generation.registry
        function: Any = registered(registry) or getattr(ref, "function", ref)
        demand = registry.expected_result(function)
        decode = self._annotated(demand, lambda: f"what {place_of(function)} returned")
        if demand is not None:  # Else it may name what is not there yet.
            self._decoders[id(ref)] = ref, decode
        return decode

    def _annotated(self, demand: Any, what: Callable[[], str]) -> Callable[[Value], Any]:
        """Decodes as an annotation demands; `what` had it, for errors."""
        decode = self._generation.decoder(demand)

        def decode_annotated(value: Value) -> Any:
            # As `naming` does, which takes longer than most values.
            try:
                return decode(value)
            except SerializationError as error:
                raise SerializationError(f"{what()}: {error}") from error.__cause__

        return decode_annotated

    def _retry(self, policy: RetryPolicy, attempt: Callable[[], Task[Any]]) -> Task[Any]:
        if not isinstance(policy, RetryPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise OrchestratorError(
                f"retry_options must be RetryOptions or a RetryPolicy, not {type(policy).__name__}. "
                "The order of the arguments is: name, retry_options, input_."
            )
        decisions = self._decisions
        return RetryTask(
            policy,
            attempt,
            self._delay,
            lambda: self._generation.now,
            begun=decisions.attempt_begun,
            failed=decisions.attempt_failed,
        )

    def _delay(self, duration: timedelta, reason: str) -> TimerTask:
        now = self._generation.now
        return self._decisions.timer(lambda number: TimerCreated(now, number, now + duration, reason))
