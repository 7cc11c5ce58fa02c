"""What agents tell telemetry, once: not again on every replay.

Owns that the spans of the framework around a run know of replays. It stands outside of what opens them, where
`AzureDurability` itself, which is closest to the model, cannot be.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic_ai.capabilities import Instrumentation
from pydantic_ai.capabilities.abstract import AbstractCapability, CapabilityOrdering, WrapRunHandler
from pydantic_ai.durable_exec import replay_scope
from pydantic_ai.run import AgentRunResult
from pydantic_ai.tools import AgentDepsT, RunContext

from azure_durable_py.runtime.current import current_context


class SilentReplays(AbstractCapability[AgentDepsT]):
    """Keeps the spans and metrics of a run to themselves while it is replayed, and when it goes on elsewhere."""

    def get_ordering(self) -> CapabilityOrdering:
        """Around everything, the spans of a run among it."""
        return CapabilityOrdering(position="outermost", wraps=(Instrumentation,))

    async def wrap_run(
        self,
        ctx: RunContext[AgentDepsT],  # noqa: ARG002 - as the hook is called
        *,
        handler: WrapRunHandler,
    ) -> AgentRunResult[Any]:
        """Say of everything in a run whether it is a replay."""
        context = current_context()
        if context is None:
            return await handler()
        loop = asyncio.get_running_loop()
        # A loop that is closed ends what is left of a run here; the run goes on in another.
        with replay_scope(is_replaying=lambda: context.is_replaying or loop.is_closed()):
            return await handler()
