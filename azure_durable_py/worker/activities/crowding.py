"""Tells that for long no slot for activities has become free: those in the queue wait meanwhile."""

from __future__ import annotations

import logging

from azure_durable_py.telling import GoingOn
from azure_durable_py.wording import duration

logger = logging.getLogger("azure_durable_py.worker")


class Crowding:
    """For how long all slots have been taken, by the same activities.

    :param slots: how many there are.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._lasting: GoingOn | None = None

    def full(self) -> None:
        """All slots are taken."""
        if self._lasting is None:
            self._lasting = GoingOn(self._tell)

    def freed(self) -> None:
        """A slot has become free, or nothing is to be begun any more."""
        if self._lasting is not None:
            self._lasting.stop()
            self._lasting = None

    def _tell(self, passed: float) -> None:
        logger.info(
            "All %d places for activities are taken, and none has become free for %s: those that wait in the queue are "
            "not begun here (maxConcurrentActivityFunctions).",
            self._slots,
            duration(passed),
        )
