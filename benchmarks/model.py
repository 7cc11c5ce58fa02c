"""What work costs in storage operations, on paper, and how much of it the published limits of a storage account allow.

Nothing here measures. `tests/budgets/test_model.py` holds the formulas against operations that are counted, and the
tables of `docs/scale.md` against what this makes of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

# --- operations ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operations:
    """Requests to the queues and to the table. A transaction of the table is one request, and billed as one."""

    queue: float
    table: float

    @property
    def total(self) -> float:
        """Requests to the account."""
        return self.queue + self.table

    def __str__(self) -> str:
        return f"{self.queue:,g} Q + {self.table:,g} T"


@dataclass(frozen=True)
class Scenario:
    """A kind of work, of any size.

    :param name: what is done, as a function of n.
    :param size: the n of which tables speak.
    :param formula: queue and table operations for n, as people write them.
    :param operations: the same, as a function of n. One at a time: what comes at once shares receives, and costs less.
    :param doorbells: messages in the queues of doorbells, for n.
    :param items: messages in the queue of work items, for n.
    :param trips: requests one after the other, from the call of the client to the commit of the end, for n. None:
        it has no end.
    :param dotnet: what the .NET extension's Azure Storage backend takes, at `size`, where that was counted.
    """

    name: str
    size: int
    formula: str
    operations: Callable[[int], Operations]
    doorbells: Callable[[int], int]
    items: Callable[[int], int] = lambda _: 0
    trips: Callable[[int], int] | None = None
    dotnet: Operations | None = None

    @property
    def typical(self) -> Operations:
        """At `size`."""
        return self.operations(self.size)


SLOTS = 10
"""Activity slots of the one worker that the scenarios with surplus run on."""


BATCH = 99
"""Signals or events for one target that a client sends with one request, where it has so many at once."""


def _batches(n: int) -> int:
    return math.ceil(n / BATCH)


def _surplus(n: int) -> int:
    return max(0, n - SLOTS)


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "chain": Scenario(
            "n activities in sequence",
            3,
            "3 Q + (3 + n) T",
            lambda n: Operations(3, 3 + n),
            doorbells=lambda _: 1,
            trips=lambda n: 5 + n,
            dotnet=Operations(21, 15),
        ),
        "fan-out": Scenario(
            "n activities at once, on free slots",
            SLOTS,
            "3 Q + 4 T",
            lambda _: Operations(3, 4),
            doorbells=lambda _: 1,
            trips=lambda _: 6,
        ),
        "queued fan-out": Scenario(
            f"n activities at once, on one worker with {SLOTS} slots",
            100,
            f"at most (3 + 2(n - {SLOTS}) + n/{SLOTS}) Q + (3 + 2n/{SLOTS}) T",
            lambda n: Operations(3 + 2 * _surplus(n) + math.ceil(n / SLOTS), 3 + 2 * math.ceil(n / SLOTS)),
            doorbells=lambda _: 1,
            items=_surplus,
            # The least that the counts in the literature of that backend span.
            dotnet=Operations(507, 19),
        ),
        "sub-orchestrations": Scenario(
            "n sub-orchestrations in sequence, without activities",
            1,
            "(3 + 6n) Q + (3 + 6n) T",
            lambda n: Operations(3 + 6 * n, 3 + 6 * n),
            doorbells=lambda n: 1 + 2 * n,
            trips=lambda n: 5 + 8 * n,
        ),
        "timers": Scenario(
            "n timers in sequence",
            1,
            "(3 + 3n) Q + (3 + 3n) T",
            lambda n: Operations(3 + 3 * n, 3 + 3 * n),
            doorbells=lambda n: 1 + n,
        ),
        "generations": Scenario(
            "n generations of one activity, by continue-as-new",
            10,
            "3 Q + (3 + n) T",
            lambda n: Operations(3, 3 + n),
            doorbells=lambda _: 1,
            trips=lambda n: 5 + n,
        ),
        "events": Scenario(
            "n events raised, one at a time",
            1,
            "3n Q + 4n T",
            lambda n: Operations(3 * n, 4 * n),
            doorbells=lambda n: n,
        ),
        "signals": Scenario(
            "n signals from a client to one entity, one at a time",
            1,
            "3n Q + 3n T",
            lambda n: Operations(3 * n, 3 * n),
            doorbells=lambda n: n,
            dotnet=Operations(3, 3),
        ),
        "signals at once": Scenario(
            "n signals from a client to one entity, all at once",
            1000,
            f"3b Q + at most 4b T, where b = n/{BATCH} rounded up",
            lambda n: Operations(3 * _batches(n), 4 * _batches(n)),
            doorbells=_batches,
        ),
        "entity calls": Scenario(
            "n calls of one entity in sequence, by an orchestration",
            1,
            "(3 + 6n) Q + (4 + 6n) T",
            lambda n: Operations(3 + 6 * n, 4 + 6 * n),
            doorbells=lambda n: 1 + 2 * n,
            trips=lambda n: 5 + 10 * n,
        ),
        "entity signals": Scenario(
            "n entities signaled at once, by an orchestration",
            10,
            "at most (3 + 3n) Q + (4 + 3n) T",
            lambda n: Operations(3 + 3 * n, 4 + 3 * n),
            doorbells=lambda n: 1 + n,
        ),
    }
)


def idle_a_minute(instance_queues: int = 1, longest_pause: float = 30.0) -> Operations:
    """What a worker with nothing to do asks each minute: every queue, once in the longest pause between two polls.

    :param instance_queues: `instanceQueueCount`.
    :param longest_pause: `maxQueuePollingInterval`, in seconds.
    """
    return Operations((instance_queues + 1) * 60 / longest_pause, 0)


# --- limits --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AccountLimits:
    """The published targets of a standard general-purpose v2 account, for entities and messages of up to 1 KiB.

    https://learn.microsoft.com/azure/storage/common/scalability-targets-standard-account, and
    https://learn.microsoft.com/azure/storage/tables/scalability-targets and .../queues/scalability-targets; read in
    November 2026. Some regions have twice the requests of an account, and support raises limits on request.
    """

    requests: int = 20_000
    """A second, of all services of the account."""
    queue_messages: int = 2_000
    """A second, of one queue."""
    partition_entities: int = 2_000
    """A second, of one partition of a table."""
    ingress_gbps: int = 25
    egress_gbps: int = 50


LIMITS = AccountLimits()
TOUCHES_OF_A_MESSAGE = 3
"""How often a message counts for its queue: put, received, deleted. Azure does not say; this is cautious."""
TOUCHES_OF_AN_EVENT = 3
"""The same of an inbox row for its partition: inserted, read, deleted."""


@dataclass(frozen=True)
class Rate:
    """How often a second something can be done, and what keeps it from being done more often."""

    each_second: float
    bound_by: str


def rate(scenario: Scenario, size: int, instance_queues: int) -> Rate:
    """How many of a scenario a hub that has an account of its own can do."""
    spent = scenario.operations(size)
    messages = LIMITS.queue_messages / TOUCHES_OF_A_MESSAGE
    bounds = [Rate(LIMITS.requests / spent.total, "account")]
    bounds += [Rate(instance_queues * messages / scenario.doorbells(size), "doorbells")] if spent.queue else []
    bounds += [Rate(messages / scenario.items(size), "work items")] if scenario.items(size) else []
    return min(bounds, key=lambda bound: bound.each_second)


def queues_needed(scenario: Scenario, size: int) -> int:
    """The smallest `instanceQueueCount` with which doorbells are not what bounds a scenario."""
    return next(count for count in range(1, 17) if rate(scenario, size, count).bound_by != "doorbells")


def events_to_one_instance() -> float:
    """Events or signals a second that one partition takes, by its target."""
    return LIMITS.partition_entities / TOUCHES_OF_AN_EVENT


# --- scans ---------------------------------------------------------------------------------------------

PAGE_ROWS = 1_000
QUERY_SECONDS = 5
"""A request to a table ends after so many rows found, or so many seconds; then the next one goes on."""


def scan_requests(rows: int, found: int, rows_a_second: float) -> int:
    """Requests that a query over all partitions takes.

    :param rows: all rows of the table, found or not: each is read by the service.
    :param found: rows that the filter lets through.
    :param rows_a_second: how many rows the service goes through. Azure promises nothing; who measured it saw no more
        than the account's target of 20,000.
    """
    by_time = rows / (rows_a_second * QUERY_SECONDS)
    return max(1, math.ceil(max(found / PAGE_ROWS, by_time)))
