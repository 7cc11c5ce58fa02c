"""The log as an observer of the engine."""

from __future__ import annotations

import logging

from azure_durable_py.logs import entities, orchestrations, storage, tasks
from azure_durable_py.logs.awaited import AwaitedEvents
from azure_durable_py.observer import (
    UNOBSERVED,
    ActivityRun,
    EntityTurnTaken,
    InstanceStarted,
    MessageSent,
    Observation,
    Observer,
    StorageCall,
    StorageRetry,
    TurnTaken,
)


class Log(Observer):
    """Tells people, once, what they would want to know; at DEBUG, everything.

    Calls of storage are watched if they are to be logged by the time at which the hub is made.
    """

    def __init__(self) -> None:
        self._waits = AwaitedEvents()
        self.watches_storage = storage.logger.isEnabledFor(logging.DEBUG)

    def turn(self, taken: TurnTaken) -> None:
        """What became of an orchestration."""
        tasks.tell_failed_attempts(taken)
        orchestrations.tell_turn(taken)
        self._waits.tell(taken)
        tasks.tell_never_awaited(taken)

    def entity_turn(self, taken: EntityTurnTaken) -> None:
        """What became of an entity."""
        entities.tell_turn(taken)

    def activity(self, run: ActivityRun) -> Observation:
        """An activity that takes long."""
        return tasks.ActivityLine(run) if tasks.logger.isEnabledFor(logging.INFO) else UNOBSERVED

    def started(self, started: InstanceStarted) -> None:
        """A start that comes later."""
        orchestrations.tell_scheduled(started)

    def sent(self, sent: MessageSent) -> None:
        """What a client sent."""
        if orchestrations.logger.isEnabledFor(logging.DEBUG):
            orchestrations.tell_sent(sent)

    def storage(self, call: StorageCall) -> None:
        """A call of storage."""
        storage.tell_call(call)

    def retry(self, retry: StorageRetry) -> None:
        """A call of storage that is repeated."""
        if storage.logger.isEnabledFor(logging.DEBUG):
            storage.tell_retry(retry)
