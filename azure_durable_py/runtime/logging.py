"""Logging that stays silent while an orchestrator function replays."""

from __future__ import annotations

import logging
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter  # takes no type argument before Python 3.11


class ReplaySafeLogger(_Adapter):
    """Passes records on to a logger, except during replay; adds to each which instance it is of.

    The record has the instance id as `instance_id` and the orchestrator's name as `orchestrator`, for formatters and
    filters. Lines of the local host show the id.
    """

    def __init__(
        self, logger: logging.Logger, instance_id: str, orchestrator: str, is_replaying: Callable[[], bool]
    ) -> None:
        super().__init__(logger, {"instance_id": instance_id, "orchestrator": orchestrator})
        self._is_replaying = is_replaying

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - the name of the standard library
        """Whether a record of this level would be logged now."""
        return not self._is_replaying() and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add to what the caller gives as `extra`."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs
