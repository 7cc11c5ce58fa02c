"""Runs the systems in alternating rounds: of each scenario A, B, C, in the next round B, C, A, each a process.

A process gets an empty directory for its store, a time limit, and a process group that is killed when it ends, in
whatever way: nothing that it started is left when the next begins. One that fails does not stop the others: that it
failed is a result too.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers.catalogue import System
from benchmarks.peers.environments import ROOT, Environment
from benchmarks.peers.scenarios import Scenario

LONGEST_WHY = 200
"""Characters of what is told of a failure."""


class ActFailedError(Exception):
    """A process gave no result."""


class ActTimeoutError(ActFailedError):
    """A process was not done in time."""


@dataclass
class Measured:
    """What the rounds saw of one system in one scenario.

    :param values: of each round that went well, in the unit of the scenario.
    :param failure: what went wrong last, and in which round.
    """

    system: System
    scenario: Scenario
    values: list[list[float]] = field(default_factory=lambda: [])
    failure: str | None = None


Act = Callable[[System, Scenario], list[float]]
"""Runs a scenario on a system once, and returns the seconds."""


def measure(
    systems: Sequence[System],
    scenarios: Iterable[Scenario],
    rounds: int,
    act: Act,
    tell: Callable[[str], None],
) -> list[Measured]:
    """Have the systems do the scenarios, in so many rounds; returns scenario by scenario, in the order given.

    :param act: does one of them once.
    :param tell: told of each as it is done.
    """
    all_measured = {
        (scenario.name, system.name): Measured(system, scenario)
        for scenario in scenarios
        for system in systems
        if system.runs(scenario)
    }
    by_scenario: dict[str, list[Measured]] = {}
    for (name, _), measured in all_measured.items():
        by_scenario.setdefault(name, []).append(measured)
    hopeless: set[tuple[str, str]] = set()
    for number in range(rounds):
        for name, group in by_scenario.items():
            first = number % len(group)
            for measured in group[first:] + group[:first]:
                key = (name, measured.system.name)
                if key in hopeless:
                    continue
                head = f"round {number + 1} of {rounds}  {name:<20} {measured.system.title:<45}"
                try:
                    values = measured.scenario.values(act(measured.system, measured.scenario))
                except ActFailedError as error:
                    measured.failure = f"{error} (round {number + 1} of {rounds})"
                    tell(f"{head} failed: {error}")
                    if isinstance(error, ActTimeoutError):  # It would only take as long again.
                        hopeless.add(key)
                    continue
                measured.values.append(values)
                middle = sorted(values)[len(values) // 2]
                tell(f"{head} {middle:,.4g} {measured.scenario.unit}")
    return list(all_measured.values())


def in_processes(environments: Mapping[str, Environment]) -> Act:
    """Acts that run in the environments, given by the name of the system."""

    def act(system: System, scenario: Scenario) -> list[float]:
        environment = environments[system.name]
        module = f"benchmarks.peers.systems.{system.module}"
        command = [str(environment.python), "-m", module, system.variant, scenario.act, str(scenario.size)]
        return seconds_of(command, environment.variables, scenario.timeout)

    return act


def seconds_of(command: Sequence[str], variables: Mapping[str, str], timeout: float) -> list[float]:
    """What a process prints: the seconds that it measured, in the last line of its output that is a JSON object.

    :raises ActTimeoutError: it was not done in time.
    :raises ActFailedError: it ended without a result.
    """
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as text:
        printed, complained, store = (Path(text) / name for name in ("printed", "complained", "store"))
        store.mkdir()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **variables}
        with printed.open("w") as out, complained.open("w") as err:
            process = subprocess.Popen(
                list(command),
                cwd=store,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                raise ActTimeoutError(f"not done in {timeout:g} s") from None
            finally:
                _kill_group(process)
        seconds = _printed(printed.read_text(encoding="utf-8", errors="replace"))
        if status or seconds is None:
            raise ActFailedError(_why(complained.read_text(encoding="utf-8", errors="replace"), status))
        return seconds


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and everything that it started; when it has ended, servers of its group may still be there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _printed(text: str) -> list[float] | None:
    """The seconds in the last line that has some."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return [float(each) for each in json.loads(line)["seconds"]]
    return None


def _why(complaints: str, status: int) -> str:
    """What a process said last, as far as a line of the results has room."""
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    said = lines[-1] if lines else "it printed no result"
    return f"exit status {status}: {said[:LONGEST_WHY]}"
