"""What a start does when its instance id is taken.

Owns the rule. Carrying it out is the starter's business.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from azure_durable_py.client.arguments import status_names
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.status import TERMINAL_NAMES, OrchestrationRuntimeStatus

IdReuseAction: TypeAlias = Literal["error", "ignore", "terminate"]
_ACTIONS: tuple[str, ...] = get_args(IdReuseAction)


@dataclass(frozen=True, slots=True)
class OrchestrationIdReusePolicy:
    """What `start_new` does when there is an instance with the id already.

    - `error`: the start is refused with `InstanceAlreadyExistsError`.
    - `ignore`: the instance that is there is left alone, and counts as the one that was asked for.
    - `terminate`: the instance that is there is terminated, unless it has finished, and replaced.

    An instance in another state than `operation_status` names is treated as `overridableExistingInstanceStates` in
    host.json says: without that, a finished one is replaced, and any other one is an error.

    :param action: `error`, `ignore` or `terminate`.
    :param operation_status: the states of the instance that the action is for, as members or names; none: every state.
    :raises InvalidRequestError: there is no such action, or no such state.
    """

    action: IdReuseAction
    operation_status: Collection[OrchestrationRuntimeStatus | str] = ()

    def __post_init__(self) -> None:
        if self.action not in _ACTIONS:
            raise InvalidRequestError(
                f"{self.action!r} is no action for an id in use. Accepted: {', '.join(_ACTIONS)}."
            )
        status_names(self.operation_status)

    def action_for(self, runtime_status: str) -> IdReuseAction | None:
        """What to do about an instance in this state; None: the policy says nothing of it."""
        names = status_names(self.operation_status)
        return self.action if not names or runtime_status in names else None


def default_action(runtime_status: str, *, replace_running: bool) -> IdReuseAction:
    """What to do about an instance in this state where no policy says.

    :param replace_running: host.json allows to replace instances that have not finished.
    """
    return "terminate" if runtime_status in TERMINAL_NAMES or replace_running else "error"
