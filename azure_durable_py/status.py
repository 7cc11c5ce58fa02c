"""The statuses of an orchestration instance."""

from __future__ import annotations

from enum import Enum


class OrchestrationRuntimeStatus(Enum):
    """The state of an orchestration instance, with the names of the management API."""

    Running = "Running"
    Completed = "Completed"
    ContinuedAsNew = "ContinuedAsNew"
    Failed = "Failed"
    Canceled = "Canceled"
    Terminated = "Terminated"
    Pending = "Pending"
    Suspended = "Suspended"

    @property
    def is_terminal(self) -> bool:
        """Whether an instance in this state is finished for good."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {
        OrchestrationRuntimeStatus.Completed,
        OrchestrationRuntimeStatus.Failed,
        OrchestrationRuntimeStatus.Canceled,
        OrchestrationRuntimeStatus.Terminated,
    }
)
TERMINAL_NAMES = frozenset(status.value for status in _TERMINAL)
"""The names of the states in which an instance is finished for good, as headers have them."""
