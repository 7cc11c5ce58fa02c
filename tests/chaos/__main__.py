"""`python -m tests.chaos`: real workers, killed, stopped and cut off, on each store in turn."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import Plan
from tests.chaos.report import Report
from tests.chaos.run import play

STORES = ("sqlite", "azurite")


def main() -> int:
    """Do what the command line says; returns 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--stores", default=",".join(STORES), help="which stores, parted by commas")
    parser.add_argument("--instances", type=int, default=Plan.instances, help="orchestrations to start, at least")
    parser.add_argument("--kills", type=int, default=Plan.kills, help="processes to kill")
    parser.add_argument("--stops", type=int, default=Plan.stops, help="processes to stop for a while")
    parser.add_argument("--seed", type=int, default=Plan.seed, help="decides what happens when")
    options = parser.parse_args()
    stores = [name for name in options.stores.split(",") if name]
    unknown = [name for name in stores if name not in STORES]
    if unknown or not stores:
        parser.error(f"there is no store {', '.join(unknown)}; there are {', '.join(STORES)}")
    plans = [Plan(store, options.instances, options.kills, options.stops, options.seed) for store in stores]
    try:
        reports = [asyncio.run(_play(plan)) for plan in plans]
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("Ended before the end.", file=sys.stderr)
        return 130
    for report in reports:
        print(report.last_line())
    return int(any(report.violations for report in reports))


async def _play(plan: Plan) -> Report:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    directory = Path(tempfile.mkdtemp(prefix=f"chaos-{plan.store}-"))
    logging.basicConfig(
        filename=directory / "driver.log", format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    print(f"\nchaos on {plan.store}: seed {plan.seed}; hub, logs and notes are in {directory}", flush=True)
    report = await play(plan, directory, lambda text: print(text, flush=True))
    print(report.summary(), flush=True)
    if not report.violations:
        shutil.rmtree(directory)
    return report


if __name__ == "__main__":
    sys.exit(main())
