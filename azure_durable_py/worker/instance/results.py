"""Results of tasks that ran in this process, until a turn has taken them.

Owns when they are worth a turn, and which of them a turn may use. A result that lets the function go on, or
a failure, is worth one now; others wait a little for company, as each turn is a commit.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from azure_durable_py.history.events import TaskFailed
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.context import TaskResult
from azure_durable_py.worker.instance.inbox import matches

LINGER_SECONDS = 0.5
"""How long results that do not let the function go on may wait for others before they are committed."""


class LookAgainError(Exception):
    """A result is to be dropped, and that takes a fresh look at the header (PROTOCOL I6)."""


class Results:
    """The results in hand, in order of arrival.

    :param now: the time of the event loop, in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._results: list[TaskResult] = []
        self._since: float | None = None
        self._looked_at = 0
        self._undecided = 0
        self._taken = 0

    def __len__(self) -> int:
        return len(self._results)

    @property
    def guards(self) -> set[str]:
        """The work items whose results are in hand: they are not done before these are committed."""
        return {result.delivery.id for result in self._results if result.delivery is not None}

    @property
    def deadline(self) -> float | None:
        """When they are worth a turn in any case; None if there are none."""
        return None if self._since is None else self._since + LINGER_SECONDS

    def add(self, result: TaskResult) -> None:
        """A task was run."""
        self._results.append(result)
        if self._since is None:
            self._since = self._now()

    def worth_a_turn(self, decided_by: Callable[[Collection[int]], bool]) -> bool:
        """Whether to take a turn now.

        :param decided_by: whether answers to these tasks would let the function go on.
        """
        if self.deadline is None:
            return False
        if self._now() >= self.deadline:
            return True
        new = self._results[self._undecided :]
        if not new:
            return False
        if any(isinstance(result.event, TaskFailed) for result in new):
            return True
        self._undecided = len(self._results)
        return decided_by({result.task_id for result in self._results})

    def look(self) -> int:
        """A load begins; returns what to tell `looked` when it has ended."""
        return len(self._results)

    def looked(self, count: int) -> None:
        """A load that began when there were so many results has ended."""
        self._looked_at = min(count, len(self._results))

    @property
    def need_a_look(self) -> bool:
        """Whether some came since the last load began."""
        return self._looked_at < len(self._results)

    def usable(self, state: InstanceState, answered: set[int], is_open: Callable[[int], bool]) -> list[TaskResult]:
        """The results that answer open tasks; the others have no effect. All of them count as taken.

        :param answered: tasks that the same turn answers from the inbox.
        :raises LookAgainError: one has no effect by a header that may be old.
        """
        usable: list[TaskResult] = []
        for number, result in enumerate(self._results):
            if matches(result.target, state) and result.task_id not in answered and is_open(result.task_id):
                answered.add(result.task_id)
                usable.append(result)
            elif result.delivery is not None and number >= self._looked_at:
                raise LookAgainError
        self._taken = len(self._results)
        return usable

    def give_back(self) -> None:
        """The turn that took them came to nothing."""
        self._taken = self._undecided = 0

    def forget_taken(self) -> None:
        """The turn that took them is committed, or found nothing to do with them."""
        del self._results[: self._taken]
        self._looked_at = max(0, self._looked_at - self._taken)
        self._taken = self._undecided = 0
        self._since = self._now() if self._results else None

    def clear(self) -> list[TaskResult]:
        """Let go of all of them; returns them."""
        results, self._results = self._results, []
        self._since = None
        self._looked_at = self._undecided = self._taken = 0
        return results
