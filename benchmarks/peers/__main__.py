"""Installs the peers, runs the rounds and writes the results."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from benchmarks import machine, results
from benchmarks.figures import Figure
from benchmarks.peers.catalogue import SYSTEMS, System
from benchmarks.peers.environments import CACHE, Environment, InstallError, install, own
from benchmarks.peers.report import figures_of, notes_of
from benchmarks.peers.rounds import in_processes, measure
from benchmarks.peers.scenarios import SCENARIOS, SMOKE, Scenario


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; by default everything, three times, which takes about 20 minutes."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=main.__doc__)
    parser.add_argument(
        "--systems", type=_names, default=[], help="some of: " + ", ".join(each.name for each in SYSTEMS)
    )
    parser.add_argument(
        "--scenarios",
        type=_names,
        default=[],
        help="some of: " + ", ".join(dict.fromkeys(each.act for each in SCENARIOS)),
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--smoke", action="store_true", help="ours alone, tiny, once: only shows that the benchmark runs"
    )
    parser.add_argument("--no-record", action="store_true", help="print the table, but leave RESULTS.md as it is")
    options = parser.parse_args(given)
    systems = [each for each in SYSTEMS if _asked(options.systems, each.name)]
    scenarios = [
        each for each in (SMOKE if options.smoke else SCENARIOS) if _asked(options.scenarios, each.act, each.name)
    ]
    if options.smoke:
        systems, options.rounds = list(SYSTEMS[:1]), 1
    for asked, known in ((options.systems, _system_names()), (options.scenarios, _scenario_names())):
        if unknown := sorted(set(asked) - known):
            parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    # Asked to end it shall end what it started, too.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        return _run(systems, scenarios, options, given)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(
    systems: Sequence[System], scenarios: Sequence[Scenario], options: argparse.Namespace, given: Sequence[str]
) -> int:
    began = datetime.now(timezone.utc)
    environments, absent = installed(systems)
    there = [system for system in systems if system.name in environments]
    all_measured = measure(there, scenarios, options.rounds, in_processes(environments), _tell)
    found = figures_of(all_measured, SYSTEMS[0].title)
    notes = notes_of(systems, all_measured, absent)
    print("\n".join(["", *table(found), "", *notes]))
    if not options.smoke and not options.no_record and found:
        results.record(
            machine.run_of(
                "peers",
                found,
                began=began,
                command=shlex.join(["python", "-m", "benchmarks.peers", *given]),
                rounds=options.rounds,
                versions=versions(there),
                directory=Path(tempfile.gettempdir()),
                notes=notes,
            )
        )
    return 1 if options.smoke and any(measured.failure for measured in all_measured) else 0


def installed(systems: Sequence[System], cache: Path = CACHE) -> tuple[dict[str, Environment], dict[str, str]]:
    """By name of the system its environment, or why there is none."""
    environments: dict[str, Environment] = {}
    absent: dict[str, str] = {}
    for system in systems:
        try:
            environments[system.name] = own() if system.packages is None else install(system.packages, cache)
        except InstallError as error:
            absent[system.name] = str(error)
            _tell(f"{system.title} could not be installed: {error}")
    return environments, absent


def versions(systems: Sequence[System]) -> dict[str, str]:
    """Of what takes part, by name of the package."""
    found = machine.versions(["azure-durable-py"])
    for system in systems:
        if system.packages is not None:
            found.update(system.packages.versions)
    return found


def table(found: Sequence[Figure]) -> list[str]:
    """The figures in lines for a terminal; how many times as good as ours."""
    lines: list[str] = []
    for figure in found:
        ours = next((other for other in found if other.system == figure.against and other.is_twin_of(figure)), None)
        p99 = "" if figure.median_p99 is None else f"p99 {results.number(figure.median_p99)}"
        ratio = "" if ours is None else f"{figure.ratio_to(ours):.2f} of ours"
        lines.append(
            f"{figure.scenario[:60]:<60} {figure.size:>6,}  {figure.system:<45} "
            f"{results.number(figure.median):>8} {figure.unit:<12} {p99:<10} {ratio}".rstrip()
        )
    return lines


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _asked(names: Sequence[str], *of: str) -> bool:
    return not names or any(name in names for name in of)


def _system_names() -> set[str]:
    return {each.name for each in SYSTEMS}


def _scenario_names() -> set[str]:
    return {name for each in SCENARIOS for name in (each.act, each.name)}


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
