"""What the rounds saw, as figures of a run, and as notes: what failed, what was left out, what each system keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.figures import Figure
from benchmarks.peers.catalogue import System
from benchmarks.peers.rounds import Measured

NOT_HERE = (
    "Temporal takes no part: its test server is no package of PyPI or npm, but is downloaded when it is first used.",
)


def figures_of(all_measured: Iterable[Measured], reference: str) -> list[Figure]:
    """A figure of each that was done in some round.

    :param reference: title of the system that all others are compared with.
    """
    found: list[Figure] = []
    for measured in all_measured:
        scenario, title = measured.scenario, measured.system.title
        if not measured.values:
            continue
        against = "" if title == reference else reference
        if scenario.is_latency:
            found.append(
                Figure.of_latencies(scenario.title, scenario.size, title, measured.values, unit="ms", against=against)
            )
        else:
            values = tuple(value for [value] in measured.values)
            found.append(
                Figure(scenario.title, scenario.size, title, scenario.unit, scenario.better, values, against=against)
            )
    return found


def notes_of(systems: Sequence[System], all_measured: Iterable[Measured], absent: Mapping[str, str]) -> list[str]:
    """What a reader must know beside the figures.

    :param absent: by name of a system why it could not be installed.
    """
    notes = [
        f"{system.title} could not be installed: {absent[system.name]}" for system in systems if system.name in absent
    ]
    for measured in all_measured:
        if measured.failure is not None:
            what = f"{measured.system.title}, {measured.scenario.title} ({measured.scenario.size:,})"
            rounds = "" if measured.values else " It has no figure."
            notes.append(f"{what}: {measured.failure}.{rounds}")
    for system in systems:
        notes.extend(f"{system.title} was not asked for {scenario}: {why}." for scenario, why in system.lacks.items())
    durability = {
        system.title: system.durability for system in systems if system.durability and system.name not in absent
    }
    for what in dict.fromkeys(durability.values()):
        titles = "; ".join(title for title, other in durability.items() if other == what)
        notes.append(f"Durability of {titles}: {what}.")
    notes.extend(NOT_HERE)
    return notes
