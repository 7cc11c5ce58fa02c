"""What the log says of external events: that an instance waits for one, and that one came by another name.

Owns that a wait is told once, however often the instance is replayed or goes round.
"""

from __future__ import annotations

import logging
from difflib import SequenceMatcher

from azure_durable_py.history.events import EventRaised
from azure_durable_py.observer import TurnTaken
from azure_durable_py.telling import Told

logger = logging.getLogger("azure_durable_py.orchestration")
ALIKE = 0.75
"""How much a name has to be like another one, from 0 to 1, to be taken for a slip."""


def is_slip(wanted: str, given: str) -> bool:
    """Whether a name is almost another one, and not that; case makes no difference."""
    wanted, given = wanted.lower(), given.lower()
    return wanted != given and SequenceMatcher(None, wanted, given).ratio() >= ALIKE


class AwaitedEvents:
    """Tells of the waits of instances, each once."""

    def __init__(self) -> None:
        self._told = Told()

    def tell(self, taken: TurnTaken) -> None:
        """Tell of the events that an instance waits for since this turn, and of what came by a name like theirs."""
        if taken.end is not None:
            return
        extra = {"instance_id": taken.instance_id, "orchestrator": taken.name}
        for name in taken.waits_for:
            if self._told.is_new(taken.instance_id, name):
                logger.info(
                    "Instance %r of %r waits for the event %r.", taken.instance_id, taken.name, name, extra=extra
                )
        for event in taken.events:
            if isinstance(event, EventRaised):
                wanted = next((name for name in taken.waits_for if is_slip(name, event.name)), None)
                if wanted is not None:
                    logger.warning(
                        "Event %r came for instance %r of %r, which waits for %r: is its name spelled right?",
                        event.name,
                        taken.instance_id,
                        taken.name,
                        wanted,
                        extra=extra,
                    )
