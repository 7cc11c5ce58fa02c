"""What runs, as it is noted whether or not there is a double for it: one that a test asks for later tells of it, too.

Owns the note and how it becomes an execution. Who takes notes is the business of `doubling` and `doubles`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from azure_durable_py.errors import SerializationError
from azure_durable_py.failures import FailureDetails
from azure_durable_py.testing.doubles.behaviours import Execution, ExecutionRecord, Executions

Read = Callable[[str], Any]
"""Makes of JSON text what the function gets."""


class Noted:
    """Something that runs: an activity, an operation, an orchestration.

    :param given: its input, JSON text.
    """

    def __init__(self, name: str, given: str | None, instance_id: str, attempt: int, began: datetime) -> None:
        self.name = name
        self.given = given
        self.instance_id = instance_id
        self.attempt = attempt
        self.began = began
        self.is_real = True
        self.records: list[ExecutionRecord] = []
        self._end: tuple[datetime, str | None, FailureDetails | None, bool] | None = None

    def tell(self, executions: Executions, *reads: Read) -> None:
        """Tell a double of it, that was made after it had begun.

        :param reads: ways to read the input: the first that can. Where none can, the function never saw it.
        """
        found = _read(self.given, reads)
        if not found:
            return
        made = Execution(self.name, found[0], self.instance_id, self.attempt, self.began, self.is_real)
        record = executions.begin(made)
        self.records.append(record)
        if self._end is not None:
            at, result, failure, is_cancelled = self._end
            record.ended(at, result, failure, is_cancelled=is_cancelled)

    def end(
        self, at: datetime, result: str | None, failure: FailureDetails | None, *, is_cancelled: bool = False
    ) -> None:
        """Take down what it came to."""
        self._end = at, result, failure, is_cancelled
        for record in self.records:
            record.ended(at, result, failure, is_cancelled=is_cancelled)


def _read(text: str | None, reads: Sequence[Read]) -> list[Any]:
    """The value of a text, if it can be read."""
    if text is None:
        return [None]
    for read in reads:
        try:
            return [read(text)]
        except SerializationError:
            continue
    return []


class Notes:
    """What ran, by name of the function, in the order in which it began."""

    def __init__(self) -> None:
        self._all: defaultdict[str, list[Noted]] = defaultdict(list)

    def add(self, name: str, noted: Noted) -> None:
        """Note one that begins."""
        self._all[name.lower()].append(noted)

    def of(self, name: str) -> list[Noted]:
        """Those of a function."""
        return self._all.get(name.lower(), [])
