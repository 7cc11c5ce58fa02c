"""What work costs on Azure in US dollars: the operations of `benchmarks.model` at published prices.

Operations only: what is stored costs as much whatever runs on it, and compute is another bill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.model import SCENARIOS, Operations, Scenario, idle_a_minute
from benchmarks.scenario import ENGINE, Lab, Sample, Sizes, lower

DOTNET_IDLE_A_MINUTE = Operations(42, 0)
"""What one worker of the .NET extension's Azure Storage backend asks on an idle hub, as far as it was counted."""
MINUTES_A_MONTH = 30 * 24 * 60


@dataclass(frozen=True)
class Prices:
    """What Azure Storage charges, in US dollars without tax.

    Both services have several meters (of queues two classes; of tables reads, writes, scans, transactions and others),
    and within each service all of them cost the same. A transaction of a table is billed as one operation, however
    many rows it has (https://learn.microsoft.com/azure/storage/tables/storage-performance-checklist), and so is one
    receive of up to 32 messages. Each request for the next page of a query is one more. What is refused is billed, too.
    """

    account: str
    table_region: str
    queue_region: str
    read: str
    queue_10k: float
    table_10k: float
    table_gb_month: float

    def of(self, operations: Operations) -> float:
        """The price of operations."""
        return (operations.queue * self.queue_10k + operations.table * self.table_10k) / 10_000


PRICES = Prices(
    account="general-purpose v2, Standard LRS",
    table_region="Canada Central",
    queue_region="Australia East",
    read="12 September 2026",
    queue_10k=0.004,
    table_10k=0.00036,
    table_gb_month=0.05,
)
"""From the Azure Retail Prices API (https://prices.azure.com/api/retail/prices, service Storage, products `Tables` and
`Queues v2`) as others have recorded it; https://azure.microsoft.com/pricing/details/storage/tables/ and .../queues/
show them, too. Regions differ, and with GRS an operation on a queue costs twice as much. Put your own here."""


OURS, DOTNET = "azure_durable_py on Azure", "the .NET extension on Azure"


@dataclass(frozen=True)
class Cost:
    """A million of one kind of work, by the model, beside the .NET extension's backend where that was counted."""

    name: str
    title: str
    sizes: Mapping[str, Sizes]
    smoke: int
    work: Scenario

    async def measure(self, lab: Lab, kind: str, size: int) -> list[Sample]:
        """The price of it."""
        del lab, kind
        ours = 1_000_000 * PRICES.of(self.work.operations(size))
        theirs = None if self.work.dotnet is None else 1_000_000 * PRICES.of(self.work.dotnet)
        samples = [Sample("US$ a million", "lower", (ours,), system=OURS, against=DOTNET if theirs else "")]
        return samples if theirs is None else [*samples, lower("US$ a million", theirs, system=DOTNET)]


COST = tuple(
    Cost("cost", f"price: {work.name}", {ENGINE: Sizes((), (work.size,))}, work.size, work)
    for work in SCENARIOS.values()
)


def dollars(operations: Operations) -> str:
    """What a million times these operations cost."""
    return f"{1_000_000 * PRICES.of(operations):,.2f}"


def idle_a_month() -> tuple[str, str]:
    """What one idle worker costs in 30 days, here and with the .NET extension's backend."""
    ours, theirs = (PRICES.of(each) * MINUTES_A_MONTH for each in (idle_a_minute(), DOTNET_IDLE_A_MINUTE))
    return f"{ours:.2f}", f"{theirs:.2f}"
