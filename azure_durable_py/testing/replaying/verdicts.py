"""What may come of a recorded history that is run through today's code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from azure_durable_py.testing.replaying.recordings import Recording


class Verdict(str, Enum):
    """What came of a history."""

    same = "same"
    """The code does what the history recorded."""
    changed = "changed"
    """All turns but the last are the same; in the last one, after which the instance was finished, the code decides or
    returns something else. No instance that runs can be hurt by that: whoever has not come to it yet does it the new
    way."""
    diverged = "diverged"
    """The code does something else than a turn recorded that others follow, or may follow: an instance that runs fails
    with `NonDeterminismError`."""
    missing = "missing"
    """There is no orchestrator of that name any more."""
    refused = "refused"
    """It is of a version that this app leaves to another worker, or fails."""
    spins = "spins"
    """The code does not come to an end within `maxOrchestratorTurnTime`."""
    unreadable = "unreadable"
    """The line or the history in it cannot be read."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of one history.

    `message` says what is not the same, as production would, and is empty where all is. `events` is the length of the
    history. `is_failure`: whether an instance like this would fail, or nobody knows.
    """

    recording: Recording
    verdict: Verdict
    message: str = ""
    events: int = 0
    is_failure: bool = False

    def __str__(self) -> str:
        recorded = self.recording
        name = f" of {recorded.name!r}" if recorded.name else ""
        return f"{recorded}{name}: {self.verdict.value}" + (f"\n{self.message}" if self.message else "")
