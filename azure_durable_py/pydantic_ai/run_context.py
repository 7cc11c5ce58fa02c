"""The run context that tools and models see inside an activity.

Owns its messages; which fields it has, and how it is made again from JSON, is the framework's.
"""

from __future__ import annotations

import re
from typing import Any, overload

from pydantic_ai._run_context import CapabilityEventT, CustomEventT
from pydantic_ai.durable_exec import DurableRunContext
from pydantic_ai.exceptions import UserError
from pydantic_ai.messages import CapabilityEvent, CustomEvent
from pydantic_ai.tools import RunContext
from typing_extensions import TypeVar

_BY_CHANCE = re.compile("<[^:>]*:[0-9a-f]+>")
Deps_co = TypeVar("Deps_co", default=object, covariant=True)


class ActivityRunContext(DurableRunContext[Deps_co]):
    """A run context of an agent, in an activity.

    It has the fields that `DurableRunContext` carries. To have more, subclass it, add to what `serialize_run_context`
    returns, and give the class to `AzureDurability(run_context_type=...)`.
    """

    def unavailable_field_message(self, name: str) -> str:
        """What reading a field that is not there raises."""
        return (
            f"{name!r} of the run context is not there in an activity. Have the tool run in the orchestrator "
            '(metadata={"azure_durable": False}), or carry it: subclass ActivityRunContext, add it to what '
            "serialize_run_context returns, and give the class to AzureDurability(run_context_type=...)."
        )

    @overload
    async def emit(self, event: CustomEventT, /) -> CustomEventT: ...
    @overload
    async def emit(self, event: CapabilityEventT, /) -> CapabilityEventT: ...
    async def emit(
        self,
        event: CustomEvent | CapabilityEvent,  # noqa: ARG002 - as the method is called
        /,
    ) -> CustomEvent | CapabilityEvent:
        """Refuse to emit an event: the stream of the run is in the orchestrator.

        :raises UserError: always.
        """
        raise UserError(
            "An activity cannot emit events into the stream of the run, which is in the orchestrator. Emit them from a "
            'capability hook, or have the tool run in the orchestrator: metadata={"azure_durable": False}.'
        )

    @classmethod
    def serialize_run_context(cls, ctx: RunContext[Any]) -> dict[str, Any]:
        """The fields that cross, by name."""
        found = super().serialize_run_context(ctx)
        # Those that the user gave no id have one by chance, of which nothing outside of the run knows.
        for name in ("active_capability_ids", "_deferred_capability_ids"):
            found[name] = {capability_id for capability_id in found[name] if not _BY_CHANCE.fullmatch(capability_id)}
        return found

    @classmethod
    def deserialize_run_context(cls, ctx: dict[str, Any], deps: Any) -> ActivityRunContext[Any]:
        """The context that was serialized."""
        return cls(**ctx, deps=deps)
