"""`DurableAIAgentContext`: the context that the decorator of azure-functions-durable 1.7 gives to an orchestrator.

Owns what it has beside the context of every orchestrator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agents import Tool

from azure_durable_py.openai_agents.activity_tool import TOOL_RETRY, activity_tool
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.context import DurableOrchestrationContext

if TYPE_CHECKING:
    _Base = DurableOrchestrationContext
else:
    _Base = object


class DurableAIAgentContext(_Base):
    """The context of the orchestration, with tools made of activities. All else it has from that one.

    :param context: the context of the orchestration.
    """

    def __init__(self, context: DurableOrchestrationContext) -> None:  # pyright: ignore[reportMissingSuperCall]
        self._context = context

    def create_activity_tool(
        self,
        activity_func: Callable[..., Any],
        *,
        description: str | None = None,
        retry_options: RetryPolicy | None = TOOL_RETRY,
    ) -> Tool:
        """A tool whose calls are calls of an activity. If the activity has failed for good, the run fails.

        :param activity_func: the decorated function.
        :param description: what the model is told of it in place of the docstring.
        :param retry_options: how the activity is tried again when it fails; None: it is not.
        :raises OrchestratorError: it is no activity.
        """
        return activity_tool(
            activity_func, description=description, retry_options=retry_options, failure_error_function=None
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "_context":  # Before there is one, as in copies.
                raise AttributeError(name)
            return getattr(self._context, name)

        def __dir__(self) -> list[str]:
            return sorted({*super().__dir__(), *dir(self._context)})
