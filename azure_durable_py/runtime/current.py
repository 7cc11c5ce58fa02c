"""Whose code runs now: the context of an orchestration, for libraries that are handed none.

The engine keeps nothing for it: whatever an orchestrator runs, it runs on the event loop of its orchestration, and that
knows its context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from azure_durable_py.runtime.event_loop import OrchestrationLoop, running_loop

if TYPE_CHECKING:
    from azure_durable_py.runtime.context import DurableOrchestrationContext


def current_context() -> DurableOrchestrationContext | None:
    """The context of the orchestration whose code runs now.

    It is there in the orchestrator function itself, whether that is `async def`, a generator or a plain function, in
    all that it calls, and in the tasks that asyncio runs beside it. Anywhere else - in activities, entities, clients
    and plain programs - it is None. So a library can tell whether a step has to be a durable one.
    """
    loop = running_loop()
    return loop.context if isinstance(loop, OrchestrationLoop) else None
