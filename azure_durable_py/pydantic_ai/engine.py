"""What the framework is told of this engine.

Owns the words of its messages and the rules by which it treats toolsets in orchestrators.
"""

from __future__ import annotations

from pydantic_ai.durable_exec import JSON_CODEC, DurabilityEngineSpec

from azure_durable_py.errors import ActivityError

INLINE_KEY = "azure_durable"
"""In the metadata of a tool: `{"azure_durable": False}` has it run in the orchestrator instead of in an activity."""


def _unstorable(error: Exception) -> ActivityError:
    return ActivityError(
        f"The result of this step is nothing that can be kept as JSON ({error}). Return plain values, dataclasses or "
        "pydantic models.",
        retryable=False,
    )


ENGINE = DurabilityEngineSpec(
    engine_name="Durable Functions",
    durable_unit_noun="activity",
    durable_unit_plural="activities",
    durable_container_noun="orchestrator",
    codec=JSON_CODEC,
    serialization_failure=_unstorable,
    unsupported_runtime_toolset_kinds=frozenset({"function", "mcp", "dynamic"}),
    # An activity may run in another process than the orchestrator: each opens what it needs, and closes it.
    toolset_lifecycles={
        "function": "enter-outside-durable",
        "mcp": "enter-outside-durable",
        "dynamic": "enter-never",
    },
    journal_discovery=True,
    tool_config_key=INLINE_KEY,
    # The event loop of an orchestration takes calls from its own code only, in the same order on every replay.
    accepts_cancellation_token=True,
)
