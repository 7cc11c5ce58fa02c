"""Runs benchmarks and prints their tables."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from benchmarks import chain, cost, entities, fan_out, instances, replay, takeover, virtual_time
from benchmarks.place import Stores, stores
from benchmarks.table import Table

BENCHMARKS: dict[str, Callable[[Stores], Awaitable[Table]]] = {
    "chain": chain.main,
    "cost": cost.main,
    "entities": entities.main,
    "fan-out": fan_out.main,
    "instances": instances.main,
    "replay": replay.main,
    "takeover": takeover.main,
    "virtual-time": virtual_time.main,
}


def main() -> None:
    """Run what the command line asks for; everything by default."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("name", nargs="*", help=f"one of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--json", action="store_true", help="print the tables as JSON")
    options = parser.parse_args()
    unknown = set(options.name) - set(BENCHMARKS)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    with stores() as where:
        if where.azurite is None:
            print("Azurite is not installed (npm ci): SQLite only.", file=sys.stderr)
        tables = asyncio.run(_run(options.name or list(BENCHMARKS), where, quiet=options.json))
    if options.json:
        print(json.dumps([asdict(table) for table in tables], indent=2))


async def _run(names: list[str], where: Stores, *, quiet: bool) -> list[Table]:
    tables: list[Table] = []
    for name in names:
        table = await BENCHMARKS[name](where)
        tables.append(table)
        if not quiet:
            print(table.text(), flush=True)
    return tables


if __name__ == "__main__":
    main()
