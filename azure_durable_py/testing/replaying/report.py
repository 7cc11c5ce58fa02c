"""What came of many recorded histories: counts, and what is not the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from azure_durable_py.testing.replaying.verdicts import Replayed, Verdict

_MOST_TOLD = 10


class DivergenceError(AssertionError):
    """Today's code does something else than recorded histories say."""


def in_all(first: Replayed, count: int) -> str:
    """How many histories show what the first one shows."""
    return f"{count} histories in all are {first.verdict.value} like {first.recording}, in this very way."


@dataclass(slots=True)
class Tally:
    """Counts of histories by orchestrator, and of all their events."""

    histories: int = 0
    events: int = 0
    failures: int = 0
    verdicts: Counter[Verdict] = field(default_factory=Counter[Verdict])
    by_orchestrator: defaultdict[str, Counter[Verdict]] = field(
        default_factory=lambda: defaultdict[str, Counter[Verdict]](Counter)
    )

    def add(self, replayed: Replayed) -> None:
        """Count one."""
        self.histories += 1
        self.events += replayed.events
        self.failures += replayed.is_failure
        self.verdicts[replayed.verdict] += 1
        self.by_orchestrator[replayed.recording.name or ""][replayed.verdict] += 1

    def __str__(self) -> str:
        parts = [f"{self.verdicts[verdict]} {verdict.value}" for verdict in Verdict if self.verdicts[verdict]]
        return f"{self.histories} {'history' if self.histories == 1 else 'histories'}: {', '.join(parts) or 'none'}"


@dataclass(slots=True)
class ReplayReport:
    """What came of recorded histories.

    `tally` counts them; `others` are those that are not the same, in order.
    """

    tally: Tally = field(default_factory=Tally)
    others: list[Replayed] = field(default_factory=lambda: [])

    def add(self, replayed: Replayed) -> None:
        """Count one, and keep it if it is not the same."""
        self.tally.add(replayed)
        if replayed.verdict is not Verdict.same:
            self.others.append(replayed)

    @property
    def failures(self) -> list[Replayed]:
        """Those whose like would fail or go wrong in production, and those that nobody can tell of."""
        return [replayed for replayed in self.others if replayed.is_failure]

    @property
    def changed(self) -> list[Replayed]:
        """Those that end otherwise than they did, or say something else, which hurts no instance that runs."""
        return [replayed for replayed in self.others if replayed.verdict is Verdict.changed]

    def raise_for_divergence(self, *, changes: bool = False) -> None:
        """Fail the test if an instance like one of these would fail, or take an answer for that to another question.

        :param changes: fail also if one is changed: another output, custom status, failure or last step, another time
            of a timer, a further field in an input.
        :raises DivergenceError: it would. What several histories show is told once.
        """
        __tracebackhide__ = True
        told = [*self.failures, *(self.changed if changes else ())]
        if told:
            alike: defaultdict[object, list[Replayed]] = defaultdict(list)
            for replayed in told:
                alike[replayed.kind].append(replayed)
            parts = [_told(some) for some in list(alike.values())[:_MOST_TOLD]]
            more = [f"... and {len(alike) - _MOST_TOLD} more."] if len(alike) > _MOST_TOLD else []
            raise DivergenceError("\n\n".join([f"{self}.", *parts, *more]))

    def __str__(self) -> str:
        return str(self.tally)


def _told(alike: list[Replayed]) -> str:
    first = alike[0]
    return f"{first}\n{in_all(first, len(alike))}" if len(alike) > 1 else str(first)
