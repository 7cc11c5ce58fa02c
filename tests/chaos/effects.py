"""What activities do to the world outside: one line each in a file, there even if the process dies right after.

Owns the format of the lines. Every worker process appends to a file of its own; the driver reads them all.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BEGIN, END, DEATH = "begin", "end", "death"


@dataclass(frozen=True)
class Note:
    """An activity of a worker process (`pid`) did something at a moment (seconds since the epoch)."""

    at: float
    pid: int
    word: str
    key: str


class Effects:
    """Takes the notes of this process.

    :param directory: where every worker keeps its notes.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Unbuffered, to the end of the file: a line is with the kernel, and so safe, when the call returns.
        self._file = os.open(directory / f"{os.getpid()}.effects", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, word: str, key: str) -> None:
        """Note that the effect `key` begins, ends, or kills this process."""
        os.write(self._file, f"{time.time():.3f} {os.getpid()} {word} {key}\n".encode())

    def is_first(self, key: str) -> bool:
        """Whether nobody has asked this about `key` before, in any process."""
        try:
            (self._directory / f"{key.replace('/', '!')}.once").touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def read(directory: Path) -> list[Note]:
    """All notes, in order of time."""
    notes: list[Note] = []
    for file in directory.glob("*.effects"):
        for line in file.read_text(encoding="utf-8").splitlines():
            at, pid, word, key = line.split(" ", 3)
            notes.append(Note(float(at), int(pid), word, key))
    return sorted(notes, key=lambda note: note.at)


def takeovers(notes: Iterable[Note], deaths: dict[int, float]) -> list[float]:
    """Seconds from the death of a process until each activity that it had in hand began again elsewhere.

    :param deaths: when processes were killed, by pid.
    """
    by_key: defaultdict[str, list[Note]] = defaultdict(list)
    for note in notes:
        by_key[note.key].append(note)
    found: list[float] = []
    for story in by_key.values():
        for number, note in enumerate(story):
            died = deaths.get(note.pid)
            if note.word != BEGIN or died is None:
                continue
            later = story[number + 1 :]
            if any(other.pid == note.pid and other.word == END for other in later):
                continue
            again = [other.at - died for other in later if other.word == BEGIN and other.pid != note.pid]
            # Whoever was quicker than the death had taken it over for another reason.
            found += [again[0]] if again and again[0] > 0 else []
    return found
