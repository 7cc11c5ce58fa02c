"""What agents are at, in the custom status of their orchestration.

Owns that part of the status: one entry for each run, of which it says what the run waits for.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from pydantic_ai.tools import RunContext

from azure_durable_py.pydantic_ai.status_parts import publish_entries
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.shortening import shorten_text

PART = "agents"
"""The field of the custom status."""
MODEL = "model"
_MOST_TOOLS = 10
_MAX_NAME_CHARS = 60


class AgentProgress:
    """The runs of one orchestration that are under way, in the order in which they began."""

    def __init__(self) -> None:
        self._runs: dict[str, dict[str, Any]] = {}

    @contextmanager
    def run(self, context: DurableOrchestrationContext, ctx: RunContext[Any], agent_name: str) -> Generator[None]:
        """A run is under way for as long as the block lasts."""
        run_id = ctx.run_id or ""
        self._runs[run_id] = {"agent": shorten_text(agent_name, _MAX_NAME_CHARS), "step": 0, "waitsFor": []}
        self._publish(context)
        try:
            yield
        finally:
            self._runs.pop(run_id, None)
            self._publish(context)

    @contextmanager
    def waiting(self, context: DurableOrchestrationContext, ctx: RunContext[Any], what: str) -> Generator[None]:
        """A run waits for a model or a tool for as long as the block lasts."""
        run, name = self._runs.get(ctx.run_id or ""), shorten_text(what, _MAX_NAME_CHARS)
        if run is None:
            yield
            return
        run["step"] = ctx.run_step
        run["waitsFor"].append(name)
        self._publish(context)
        try:
            yield
        finally:
            run["waitsFor"].remove(name)
            self._publish(context)

    def _publish(self, context: DurableOrchestrationContext) -> None:
        shown = [{**run, "waitsFor": run["waitsFor"][:_MOST_TOOLS]} for run in self._runs.values()]
        publish_entries(context, PART, shown)
