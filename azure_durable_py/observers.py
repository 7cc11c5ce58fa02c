"""Several observers of the engine as one, none of which can harm the engine or the others.

Owns what becomes of an observer that raises: it is logged, once for each observer and method, and the engine goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, TypeVar

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


_RAISED = (Exception, asyncio.CancelledError)
"""What observers may raise. Nothing here awaits: a cancellation is one of something of their own, not of the engine."""
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
        except _RAISED:
            self.report(method.__name__)

    def watch(self, method: Callable[[_Told], Observation], run: _Told) -> Observation:
        """Ask the observer to watch something."""
        found = self.ask(method, run)
        return found if isinstance(found, Observation) else UNOBSERVED

    def read(self, name: str) -> Any:
        """An attribute of the observer, which may be a property; None where it fails."""
        try:
            return getattr(self.observer, name)
        except _RAISED:
            self.report(name)
            return None

    def ask(self, method: Callable[[_Told], _Answer | None], what: _Told) -> _Answer | None:
        """Ask the observer for something."""
        try:
            return method(what)
        except _RAISED:
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
        self.watches_storage = any(each.read("watches_storage") for each in guarded)
        self._watches_operations = any(each.read("watches_operations") for each in guarded)

    @property
    def watches_operations(self) -> bool:
        return self._watches_operations

    def turn(self, taken: TurnTaken) -> None:
        for each in self.guarded:
            each.tell(each.observer.turn, taken)

    def entity_turn(self, taken: EntityTurnTaken) -> None:
        for each in self.guarded:
            each.tell(each.observer.entity_turn, taken)

    def activity(self, run: ActivityRun) -> Observation:
        return _together([(each, each.watch(each.observer.activity, run)) for each in self.guarded])

    def operation(self, run: OperationRun) -> Observation:
        return _together([(each, each.watch(each.observer.operation, run)) for each in self.guarded])

    def within(self, place: TraceContext) -> Observation:
        return _together([(each, each.watch(each.observer.within, place)) for each in self.guarded])

    def requested(self, by: TraceContext) -> Observation:
        return _together([(each, each.watch(each.observer.requested, by)) for each in self.guarded])

    def root(self, first: FirstTurn) -> TraceContext | None:
        return _first(each.ask(each.observer.root, first) for each in self.guarded)

    def sending(self, sending: InstanceStarted | MessageSent) -> Observation:
        return _together([(each, each.watch(each.observer.sending, sending)) for each in self.guarded])

    @property
    def samples_every(self) -> float | None:
        wanted = (each.read("samples_every") for each in self.guarded)
        return min((every for every in wanted if isinstance(every, (int, float)) and every > 0), default=None)

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


def _first(found: Iterable[Any]) -> TraceContext | None:
    """The first context among what observers gave; what is none is as nothing."""
    return next((each for each in found if isinstance(each, TraceContext)), None)


def _together(watches: Iterable[tuple[Guarded, Observation]]) -> Observation:
    """What several watches do, as one; nothing at all if none of them does anything."""
    wanted = [(owner, watch) for owner, watch in watches if watch is not UNOBSERVED]
    return _SeveralObservations(wanted) if wanted else UNOBSERVED


class _SeveralObservations(Observation):
    """Several watches as one: entered in order, left in reverse."""

    def __init__(self, watches: Sequence[tuple[Guarded, Observation]]) -> None:
        self._watches = watches
        self._entered: list[tuple[Guarded, Observation]] = []

    def __enter__(self) -> Observation:
        for owner, watch in self._watches:
            try:
                watch.__enter__()
            except _RAISED:
                owner.report("__enter__")
                continue
            self._entered.append((owner, watch))
            try:
                self.trace = self.trace or _first([watch.trace])
            except _RAISED:
                owner.report("trace")
        return self

    def sends(self, sending: InstanceStarted | MessageSent) -> TraceContext | None:
        return _first(owner.ask(watch.sends, sending) for owner, watch in self._entered)

    def ended(self, result: str | None, failure: FailureDetails | None) -> None:
        for owner, watch in self._entered:
            try:
                watch.ended(result, failure)
            except _RAISED:
                owner.report("ended")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for owner, watch in reversed(self._entered):
            try:
                watch.__exit__(kind, error, trace)
            except _RAISED:
                owner.report("__exit__")
