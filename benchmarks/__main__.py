"""Runs benchmarks: tells how it goes, writes the results of a whole run, prints those of a part of it."""

from __future__ import annotations

import argparse
import asyncio
import random
import shlex
import signal
import sys
from datetime import datetime, timezone
from types import FrameType

from benchmarks import figures, results
from benchmarks.chain import CHAIN
from benchmarks.children import CHILDREN
from benchmarks.cost import COST
from benchmarks.disk import DISK
from benchmarks.driver import measure, plan
from benchmarks.entities import SIGNALS_TO_ENTITIES
from benchmarks.events import EVENTS
from benchmarks.fan_out import FAN_OUT
from benchmarks.figures import Run
from benchmarks.full_hub import FULL_HUB
from benchmarks.growth import GROWTH
from benchmarks.idle import IDLE
from benchmarks.instances import HELLO, HELLO_SYNC, LATENCY, LATENCY_ASKED
from benchmarks.machine import run_of, versions
from benchmarks.memory import MEMORY
from benchmarks.payloads import PAYLOADS
from benchmarks.place import SEED, SYSTEMS, stores
from benchmarks.processes import PROCESSES
from benchmarks.replay import REPLAY
from benchmarks.scenario import Scenario
from benchmarks.start_up import HOST, IMPORT
from benchmarks.takeover import TAKEOVER
from benchmarks.virtual_time import VIRTUAL_TIME

SCENARIOS: tuple[Scenario, ...] = (
    DISK,
    HELLO,
    HELLO_SYNC,
    LATENCY,
    LATENCY_ASKED,
    CHAIN,
    FAN_OUT,
    SIGNALS_TO_ENTITIES,
    EVENTS,
    CHILDREN,
    PAYLOADS,
    GROWTH,
    FULL_HUB,
    PROCESSES,
    TAKEOVER,
    *REPLAY,
    *VIRTUAL_TIME,
    MEMORY,
    IDLE,
    IMPORT,
    HOST,
    *COST,
)
NAMES = tuple(dict.fromkeys(scenario.name for scenario in SCENARIOS))
PACKAGES = ("aiohttp", "azure-core", "azure-data-tables", "azure-functions", "azure-storage-queue")


def main() -> None:
    """Run what the command line asks for. By default that is everything, and its results are written."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=main.__doc__)
    parser.add_argument("name", nargs="*", help=f"one of: {', '.join(NAMES)}")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default 3)")
    parser.add_argument("--stores", default="", metavar="A,B", help="of memory, sqlite and azurite (default: all)")
    parser.add_argument("--full", action="store_true", help="with the sizes that take very long")
    parser.add_argument("--smoke", action="store_true", help="each once, at a size that takes no time; writes nothing")
    parser.add_argument("--readme", action="store_true", help="measure nothing; write the figures into README.md")
    options = parser.parse_args()
    unknown = set(options.name) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if options.readme:
        text = results.README.read_text(encoding="utf-8")
        block = results.block_of(figures.read())
        results.README.write_text(results.with_block(text, block), encoding="utf-8")
        return
    # What was started ends however this ends: a cancelled run reaches each `finally`. Shells have what runs in the
    # background ignore the first of them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    run = _measure(options)
    if options.smoke:
        return
    if options.name or options.stores:
        print(results.section(run))
    else:
        results.record(run)
        print(f"Written: {results.PAGE}")


def _measure(options: argparse.Namespace) -> Run:
    random.seed(SEED)
    began = datetime.now(timezone.utc)
    wanted = options.stores.split(",") if options.stores else list(SYSTEMS)
    with stores(wanted, is_smoke=options.smoke) as where:
        kinds = [kind for kind in where.kinds if kind in wanted]
        if missing := set(wanted) - set(kinds):
            print(f"Without {', '.join(sorted(missing))}: npm ci installs Azurite.", file=sys.stderr)
        chosen = [scenario for scenario in SCENARIOS if not options.name or scenario.name in options.name]
        steps = plan(chosen, kinds, options.rounds, full=options.full, smoke=options.smoke)
        measured = asyncio.run(measure(where, steps))
        return run_of(
            "ours",
            measured,
            began=began,
            command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
            rounds=options.rounds,
            versions=versions(PACKAGES),
            directory=where.directory,
        )


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
