"""Makes the tables of docs/scale.md from the model. As a program it writes them anew."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.cost import PRICES, dollars
from benchmarks.model import LIMITS, QUERY_SECONDS, SCENARIOS, queues_needed, rate, scan_requests

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def written(page: str) -> str:
    """The page with the tables as they are to be."""
    return _TABLE.sub(lambda found: found[1] + "\n" + TABLES[found[2]]() + "\n" + found[3], page)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _operations() -> str:
    rows = [
        [
            each.name,
            each.formula,
            f"{each.typical} at n = {each.size}",
            "" if each.trips is None else f"{each.trips(each.size)}",
        ]
        for each in SCENARIOS.values()
    ]
    return _table(["what", "operations", "such as", "trips"], rows)


def _rates() -> str:
    rows: list[list[str]] = []
    for each in SCENARIOS.values():
        cells = [each.name, f"{each.size}"]
        for queues in (1, 4, 16):
            found = rate(each, each.size, queues)
            cells.append(f"{found.each_second:,.0f} ({found.bound_by})")
        rows.append([*cells, f"{queues_needed(each, each.size)}"])
    return _table(["what", "n", "one doorbell queue", "4", "16", "enough queues"], rows)


def _cost() -> str:
    rows = [
        [
            each.name,
            f"{each.size}",
            f"{each.typical}",
            f"${dollars(each.typical)}",
            "" if each.dotnet is None else f"{each.dotnet}",
            "" if each.dotnet is None else f"${dollars(each.dotnet)}",
            "" if each.dotnet is None else f"{PRICES.of(each.dotnet) / PRICES.of(each.typical):.1f}",
        ]
        for each in SCENARIOS.values()
    ]
    return _table(["what", "n", "operations", "a million", ".NET: operations", ".NET: a million", "ratio"], rows)


def _scans() -> str:
    rows: list[list[str]] = []
    for size in (10_000, 100_000, 1_000_000, 10_000_000):
        requests = scan_requests(size, 0, LIMITS.requests)
        rows.append([f"{size:,}", f"{requests:,}", f"{size / LIMITS.requests:,.3g} s"])
    return _table(["rows of the table", f"requests of up to {QUERY_SECONDS} s", "time"], rows)


TABLES: dict[str, Callable[[], str]] = {"operations": _operations, "rates": _rates, "cost": _cost, "scans": _scans}

if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
