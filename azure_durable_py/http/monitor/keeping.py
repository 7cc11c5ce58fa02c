"""What a host keeps of its hub, so that pages that look again and again cost little.

Owns two caches of one process: what was seen of some instances, until their headers change, and the overview, for
a few seconds. Nothing is kept for which nobody asked lately.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace

from azure_durable_py.inspection.evidence import Evidence, gather
from azure_durable_py.inspection.hub import HubOverview, read_overview
from azure_durable_py.inspection.timeline import Seen, see
from azure_durable_py.taskhub.hub import TaskHub

MOST_KEPT = 8
"""Instances of which the history is kept."""
MOST_EVENTS = 60_000
"""Events of all of them together."""
LEAST_AGE = 5.0
"""Seconds for which an overview is good."""
WORTH = 10
"""An overview is good for so many times as long as it took."""
FIRST_COUNT = 5_000
"""Instances that the first overview counts, so that it is there soon."""
MOST_COUNTED = 100_000
"""Instances that are counted at most."""


class Histories:
    """What was seen of instances, read anew when their headers have changed."""

    def __init__(self, hub: TaskHub) -> None:
        self._hub = hub
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    def known(self, instance_id: str) -> Seen | None:
        """What was seen of an instance; its header may have changed since."""
        return self._seen.get(instance_id)

    async def look(self, instance_id: str) -> Seen | None:
        """See an instance as it is; None: there is none.

        It costs one read of the header, and the history only where that has changed.
        """
        seen = await see(self._hub, instance_id, known=self.known(instance_id))
        if seen is not None:
            self._keep(instance_id, seen)
        return seen

    async def inspect(self, instance_id: str) -> Evidence | None:
        """Read all that tells how an instance stands; None: there is none."""
        found = await gather(self._hub, instance_id, self.known(instance_id))
        if found is not None:
            self._keep(instance_id, Seen(replace(found.look, inbox=(), more=False), found.joined))
        return found

    def _keep(self, instance_id: str, seen: Seen) -> None:
        self._seen[instance_id] = seen
        self._seen.move_to_end(instance_id)
        while len(self._seen) > 1 and (
            len(self._seen) > MOST_KEPT or sum(len(each.look.events) for each in self._seen.values()) > MOST_EVENTS
        ):
            self._seen.popitem(last=False)


class Overviews:
    """The overview of a hub, taken anew when somebody asks and the last one is too old.

    :param name: of the hub.
    """

    def __init__(self, hub: TaskHub, name: str) -> None:
        self._hub = hub
        self._name = name
        self._lock = asyncio.Lock()
        self._last: HubOverview | None = None
        self._until = 0.0

    async def look(self) -> HubOverview:
        """The overview; several callers share one look."""
        async with self._lock:
            now = self._hub.clock.monotonic()
            if self._last is None or now >= self._until:
                is_first = self._last is None
                self._last = await read_overview(self._hub, self._name, most=FIRST_COUNT if is_first else MOST_COUNTED)
                took = self._hub.clock.monotonic() - now
                # The first of a large hub has not counted all: the next one follows soon.
                goes_on = is_first and not self._last.complete
                self._until = now + took + (LEAST_AGE if goes_on else max(LEAST_AGE, WORTH * took))
            return self._last
