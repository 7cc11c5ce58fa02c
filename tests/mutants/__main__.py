"""Plants one bug at a time and looks that a test catches it: `python -m tests.mutants [NAME ...] [--jobs N]`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.mutants.catalogue import MUTANTS
from tests.mutants.planting import MisfitError, Mutant, copy_project
from tests.mutants.trying import Outcome, Verdict, imports_from, try_tests

BASELINE_SECONDS = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutants that are asked for; returns the exit status: 0 if every one is caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="mutants to plant, or parts of their names; all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once (default: one a core)")
    parser.add_argument("--list", action="store_true", help="say what there is, and plant nothing")
    options = parser.parse_args(arguments)
    mutants = _chosen(options.names)
    if options.list:
        _show(mutants)
        return 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as folder:
        if not _holds_without(Path(folder) / "sound", mutants):
            return 1
        caught = _try_all(Path(folder), mutants, max(1, options.jobs))
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{caught} of {len(mutants)} mutants caught")
    return 0 if caught == len(mutants) else 1


def _chosen(names: Sequence[str]) -> list[Mutant]:
    for name in names:
        if not any(name in mutant.name for mutant in MUTANTS):
            sys.exit(f"There is no mutant {name!r}: `python -m tests.mutants --list` says what there is.")
    exact = {mutant.name for mutant in MUTANTS}.intersection(names)
    parts = [name for name in names if name not in exact]
    return [m for m in MUTANTS if not names or m.name in exact or any(part in m.name for part in parts)]


def _show(mutants: Sequence[Mutant]) -> None:
    for mutant in mutants:
        print(f"{mutant.name}  ({mutant.file})\n    {mutant.breaks}")
        for test in mutant.caught_by:
            print(f"    caught by {test}")


def _holds_without(project: Path, mutants: Sequence[Mutant]) -> bool:
    """Whether all the tests pass on the sound code: else their failing would prove nothing."""
    copy_project(project)
    origin = imports_from(project)
    if project.resolve() not in origin.parents:
        print(f"The copy in {project} would be tested with the package in {origin}: no mutant would be seen.")
        return False
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.caught_by))
    outcome = try_tests(project, tests, seconds=BASELINE_SECONDS)
    if outcome.verdict is not Verdict.passed:
        print(f"Without any mutant the tests fail already: {outcome.what}")
        return False
    print(f"{len(tests)} tests pass without a mutant ({outcome.seconds:.0f} s)", flush=True)
    return True


def _try_all(folder: Path, mutants: Sequence[Mutant], jobs: int) -> int:
    """Try each in a copy of its own; returns how many were caught."""
    width = max(len(mutant.name) for mutant in mutants)
    caught = 0
    with ThreadPoolExecutor(jobs) as pool:
        tries = {pool.submit(_try, folder, mutant): mutant for mutant in mutants}
        for number, done in enumerate(as_completed(tries), 1):
            mutant, outcome = tries[done], done.result()
            caught += outcome.verdict in (Verdict.failed, Verdict.hung)
            print(f"{number:3}/{len(mutants)} {mutant.name:{width}}  {_told(mutant, outcome)}", flush=True)
    return caught


def _try(folder: Path, mutant: Mutant) -> Outcome:
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as place:
        project = Path(place) / mutant.name
        copy_project(project)
        try:
            mutant.plant(project)
        except MisfitError as error:
            return Outcome(Verdict.broken, str(error), 0.0)
        return try_tests(project, mutant.caught_by)


def _told(mutant: Mutant, outcome: Outcome) -> str:
    match outcome.verdict:
        case Verdict.failed:
            return f"caught by {outcome.what} ({outcome.seconds:.1f} s)"
        case Verdict.hung:
            return f"caught, hangs: {outcome.what} ({outcome.seconds:.1f} s)"
        case Verdict.passed:
            return f"SURVIVED, although {mutant.breaks[:1].lower()}{mutant.breaks[1:]}"
        case Verdict.broken:
            return f"ERROR {outcome.what}"


if __name__ == "__main__":
    sys.exit(main())
