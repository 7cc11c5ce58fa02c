"""Agents of pydantic-ai as orchestrations (extra `pydantic-ai`).

`AzureDurability` makes an agent durable, and `PydanticAIAgents` gives an app its steps. The framework is imported when
one of the names is used first.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure_durable_py.pydantic_ai.agents import PydanticAIAgents
    from azure_durable_py.pydantic_ai.durability import AzureDurability
    from azure_durable_py.pydantic_ai.history import MessageHistory
    from azure_durable_py.pydantic_ai.run_context import ActivityRunContext

_HOMES = {
    "ActivityRunContext": "run_context",
    "AzureDurability": "durability",
    "MessageHistory": "history",
    "PydanticAIAgents": "agents",
}

__all__ = ["ActivityRunContext", "AzureDurability", "MessageHistory", "PydanticAIAgents"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{home}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pydantic_ai":
            raise
        raise ModuleNotFoundError(
            f"{__name__}.{name} needs pydantic-ai, and Python 3.11: pip install 'azure-durable-py[pydantic-ai]'",
            name=error.name,
        ) from error
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
