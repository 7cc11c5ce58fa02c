"""What may come of a recorded history that is run through today's code."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from azure_durable_py.testing.replaying.recordings import Recording


class Verdict(str, Enum):
    """What came of a history."""

    same = "same"
    """The code does what the history recorded, and with the same inputs."""
    changed = "changed"
    """The code says or does something else, and no instance that runs is hurt by that. Either it is of the last turn of
    a finished instance: whoever has not come to it yet does it the new way. Or it is what a decision says beside its
    name, and the recorded one stays in force: the time of a timer, the data of an event or a signal, a field that the
    input of a call has got in addition."""
    diverged = "diverged"
    """The code does something else than a turn recorded that others follow, or may follow: an instance that runs fails
    with `NonDeterminismError`. Or it calls with another input than was recorded: an instance that runs goes on, and
    takes the answer to the one question for that to the other."""
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
    history. `is_failure`: whether an instance like this would fail or come to something wrong, or nobody knows. `sign`
    is what histories have in common that show the same, where that is less than the message.
    """

    recording: Recording
    verdict: Verdict
    message: str = ""
    events: int = 0
    is_failure: bool = False
    sign: str = ""

    @property
    def kind(self) -> tuple[Verdict, str | None, str]:
        """The same for all histories that show the same: verdict, orchestrator, and what it is."""
        return self.verdict, self.recording.name, self.sign or self.message

    def __str__(self) -> str:
        recorded = self.recording
        name = f" of {recorded.name!r}" if recorded.name else ""
        return f"{recorded}{name}: {self.verdict.value}" + (f"\n{self.message}" if self.message else "")
