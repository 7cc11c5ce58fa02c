"""Several observers of the engine as one, none of which can harm the engine or the others.

Owns what becomes of an observer that raises: it is logged, once for each observer and method, and the engine goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TypeVar

from azure_durable_py.failures import FailureDetails
from azure_durable_py.observer import (
    NOBODY,
    UNOBSERVED,
    ActivityRun,
    EntityTurnTaken,
    FirstTurn,
    InstanceStarted,
    MessageSent,
    Observation,
    Observer,
    OperationRun,
    Sample,
    StorageCall,
    StorageRetry,
    TurnTaken,
)
from azure_durable_py.trace_context import TraceContext

logger = logging.getLogger("azure_durable_py.observer")


def joined(*observers: Observer | None) -> Observer:
    """One observer for several, none of which can harm the engine or the others; None stands for nobody.

    What an observer raises is logged, once for each observer and method.
    """
    guarded = [
        each
        for observer in observers
        if observer is not None and observer is not NOBODY
        for each in (observer.guarded if isinstance(observer, Several) else [Guarded(observer)])
    ]
    return Several(guarded) if guarded else NOBODY


_Told = TypeVar("_Told")
_Answer = TypeVar("_Answer")


class Guarded:
    """An observer that may raise what it likes."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self._failed: set[str] = set()

    def tell(self, method: Callable[[_Told], None], what: _Told) -> None:
        """Call a method of the observer."""
        try:
            method(what)
        except Exception:  # noqa: BLE001 - reported, and else of no account
            self.report(method.__name__)

    def watch(self, method: Callable[[_Told], Observation], run: _Told) -> Observation:
        """Ask the observer to watch something."""
        return self.ask(method, run) or UNOBSERVED

    def ask(self, method: Callable[[_Told], _Answer | None], what: _Told) -> _Answer | None:
        """Ask the observer for something."""
        try:
            return method(what)
        except Exception:  # noqa: BLE001 - as above
            self.report(method.__name__)
            return None

    def report(self, method: str) -> None:
        """Say once that a method raised what is being handled."""
        if method not in self._failed:
            self._failed.add(method)
            logger.exception(  # noqa: LOG004 - called where it is handled
                "%s.%s has failed, which the engine does not mind; it is said once.",
                type(self.observer).__qualname__,
                method,
            )


class Several(Observer):
    """Several observers as one."""

    def __init__(self, guarded: Sequence[Guarded]) -> None:
        self.guarded = tuple(guarded)
        self.watches_storage = any(each.observer.watches_storage for each in guarded)

    def turn(self, taken: TurnTaken) -> None:
        for each in self.guarded:
            each.tell(each.observer.turn, taken)

    def entity_turn(self, taken: EntityTurnTaken) -> None:
        for each in self.guarded:
            each.tell(each.observer.entity_turn, taken)

    def activity(self, run: ActivityRun) -> Observation:
        return _SeveralObservations([(each, each.watch(each.observer.activity, run)) for each in self.guarded])

    def operation(self, run: OperationRun) -> Observation:
        return _SeveralObservations([(each, each.watch(each.observer.operation, run)) for each in self.guarded])

    def within(self, place: TraceContext) -> Observation:
        return _SeveralObservations([(each, each.watch(each.observer.within, place)) for each in self.guarded])

    def requested(self, by: TraceContext) -> Observation:
        return _SeveralObservations([(each, each.watch(each.observer.requested, by)) for each in self.guarded])

    def root(self, first: FirstTurn) -> TraceContext | None:
        return next((found for each in self.guarded if (found := each.ask(each.observer.root, first))), None)

    def sending(self, sending: InstanceStarted | MessageSent) -> Observation:
        return _SeveralObservations([(each, each.watch(each.observer.sending, sending)) for each in self.guarded])

    @property
    def samples_every(self) -> float | None:
        return min((wanted for each in self.guarded if (wanted := each.observer.samples_every)), default=None)

    def sampled(self, sample: Sample) -> None:
        for each in self.guarded:
            each.tell(each.observer.sampled, sample)

    def started(self, started: InstanceStarted) -> None:
        for each in self.guarded:
            each.tell(each.observer.started, started)

    def sent(self, sent: MessageSent) -> None:
        for each in self.guarded:
            each.tell(each.observer.sent, sent)

    def storage(self, call: StorageCall) -> None:
        for each in self.guarded:
            each.tell(each.observer.storage, call)

    def retry(self, retry: StorageRetry) -> None:
        for each in self.guarded:
            each.tell(each.observer.retry, retry)


class _SeveralObservations(Observation):
    """Several watches as one: entered in order, left in reverse."""

    def __init__(self, watches: Sequence[tuple[Guarded, Observation]]) -> None:
        self._watches = [(owner, watch) for owner, watch in watches if watch is not UNOBSERVED]
        self._entered: list[tuple[Guarded, Observation]] = []

    def __enter__(self) -> Observation:
        for owner, watch in self._watches:
            try:
                watch.__enter__()
            except Exception:  # noqa: BLE001 - as for the methods of an observer
                owner.report("__enter__")
            else:
                self._entered.append((owner, watch))
                self.trace = self.trace or watch.trace
        return self

    def sends(self, sending: InstanceStarted | MessageSent) -> TraceContext | None:
        return next((found for owner, watch in self._entered if (found := owner.ask(watch.sends, sending))), None)

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        for owner, watch in self._entered:
            try:
                watch.ended(result, failure)
            except Exception:  # noqa: BLE001 - as above
                owner.report("ended")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for owner, watch in reversed(self._entered):
            try:
                watch.__exit__(kind, error, trace)
            except Exception:  # noqa: BLE001 - as above
                owner.report("__exit__")
