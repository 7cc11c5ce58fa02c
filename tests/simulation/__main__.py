"""Plays any range of runs: `make simulate SEEDS=FROM-TO [SCENARIOS=a,b] [JOBS=n]`.

Run number n plays scenario n mod S (of the S that are named, in order of the catalogue) with seed n:
`SEEDS=0-20000` is 20,001 runs over all scenarios together. A violation is told with the way to have it again,
and does not end the others. A range of one run is told as a story.

A change that only moves code leaves the course of every run as it was, to the last storage call and throw of the
dice: `COURSES=file` writes them down, or holds them against a file that is there.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.simulation import coverage
from tests.simulation.playing import Report, play
from tests.simulation.scenarios import SCENARIOS


def main(arguments: list[str]) -> int:
    """Play what the arguments ask for; returns 1 if a run was violated."""
    asked = _parse(arguments)
    names: list[str] = asked.scenarios
    runs = [(names[seed % len(names)], seed) for seed in range(asked.seeds.start, asked.seeds.stop)]
    console = Console()
    started = time.monotonic()
    if len(runs) == 1:
        reports = [play(*runs[0], tell=console.out)]
        _tell_violations(console, reports)
    else:
        reports = _play_all(console, runs, asked.jobs)
    violations = sum(report.violation is not None for report in reports)
    if asked.courses is not None:
        violations += _hold_courses(console, reports, asked.courses)
    if len(runs) > 1:
        _tell_coverage(console, reports, time.monotonic() - started, asked.tables)
    console.out(f"{len(reports)} runs of {len(names)} scenarios: {violations} violations")
    return 1 if violations else 0


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, required=True, help="FROM-TO, both included")
    parser.add_argument("--scenarios", type=_scenarios, default=list(SCENARIOS), help="names, separated by commas")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes at work (default: one per core)"
    )
    parser.add_argument("--courses", type=Path, help="write the courses of the runs there, or compare with them")
    parser.add_argument("--tables", action="store_true", help="show the tables of coverage in full")
    return parser.parse_args([argument for argument in arguments if not argument.endswith("=")])


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    try:
        return range(int(first), int(last or first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a range of seeds like 0-20000") from None


def _scenarios(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no scenario {unknown[0]!r}; there are {', '.join(SCENARIOS)}")
    return names or list(SCENARIOS)


def _play_all(console: Console, runs: list[tuple[str, int]], jobs: int) -> list[Report]:
    reports: list[Report] = []
    with (
        # Before the progress has its thread: what is forked has none.
        _players(jobs) as reports_of,
        Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        ) as progress,
    ):
        task = progress.add_task("0 violations", total=len(runs))
        violations = 0
        try:
            for report in reports_of(runs):
                if report.violation is not None:
                    violations += 1
                    _tell_violations(progress.console, [report])
                reports.append(report)
                progress.update(task, advance=1, description=f"{violations} violations")
        except KeyboardInterrupt:
            console.out("Stopped: told is what was played until now.")
    return reports


@contextmanager
def _players(jobs: int) -> Generator[Callable[[list[tuple[str, int]]], Iterator[Report]]]:
    """The way to play runs, in so many processes."""
    if jobs == 1:
        yield lambda runs: map(_play_one, runs)
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield lambda runs: pool.imap_unordered(_play_one, runs, chunksize=4)


def _play_one(run: tuple[str, int]) -> Report:
    # Cycles are collected between runs: within one they are few, and looking for them costs a tenth.
    gc.disable()
    report = play(*run)
    gc.collect(0 if run[1] % 50 else 2)
    report.story = []
    return report


def _tell_violations(console: Console, reports: Iterable[Report]) -> None:
    for report in reports:
        if report.violation is not None:
            again = f"make simulate SEEDS={report.seed}-{report.seed} SCENARIOS={report.scenario}"
            console.out(f"VIOLATION {report.scenario} {report.seed}: {report.violation[:2000]}", highlight=False)
            console.out(f"  in {report.set_up}\n  again: {again}\n", highlight=False)


def _hold_courses(console: Console, reports: Iterable[Report], file: Path) -> int:
    """Write down how the runs went, or compare; returns how many went another way than before."""
    courses = {f"{report.scenario} {report.seed}": report.course for report in reports}
    if not file.exists():
        file.write_text("".join(f"{run} {course}\n" for run, course in sorted(courses.items())))
        console.out(f"{len(courses)} courses are written to {file}.", highlight=False)
        return 0
    before = dict(line.rsplit(" ", 1) for line in file.read_text().splitlines())
    changed = sorted(run for run, course in courses.items() if before.get(run, course) != course)
    console.out(f"{len(changed)} of {len(courses)} courses changed: {', '.join(changed[:10])}", highlight=False)
    return len(changed)


def _tell_coverage(console: Console, reports: list[Report], seconds: float, tables: bool) -> None:
    calls: Counter[tuple[str, str, str]] = Counter()
    paths: Counter[str] = Counter()
    by_scenario: dict[str, list[Report]] = {}
    for report in reports:
        calls.update(report.calls)
        paths.update(report.paths)
        by_scenario.setdefault(report.scenario, []).append(report)
    if tables:
        console = Console(width=max(console.width, 220))
        console.print(coverage.fault_table(calls))
        console.print(coverage.path_table(paths))
    hit, possible = coverage.hit(calls)
    for name, played in by_scenario.items():
        violations = sum(report.violation is not None for report in played)
        console.out(
            f"{name:16} {len(played):6} runs {sum(report.crashes for report in played):7} crashes"
            f" {violations:6} violations",
            highlight=False,
        )
    console.out(
        f"{hit} of {possible} combinations of storage call, place and fault were hit "
        f"({len({row[:2] for row in calls})} calls at their places); {len(reports) / seconds:.0f} runs a second",
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
