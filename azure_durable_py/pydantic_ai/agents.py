"""`PydanticAIAgents`: the activities of agents, for an app.

Owns the registration. What the activities do is `steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from pydantic_ai.agent.abstract import AbstractAgent

from azure_durable_py.app import Blueprint
from azure_durable_py.errors import RegistrationError
from azure_durable_py.pydantic_ai.durability import AzureDurability


class PydanticAIAgents(Blueprint):
    """The steps of agents as activities: `app.register_functions(PydanticAIAgents(agent, ...))`.

    After that `await agent.run(...)` is durable in every `async def` orchestrator of the app.

    :param agents: agents with an `AzureDurability` among their capabilities, each of another name.
    :raises RegistrationError: an agent has none.
    """

    def __init__(self, *agents: AbstractAgent[Any, Any]) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - that of azure.functions says no types
        if not agents:
            raise RegistrationError("PydanticAIAgents needs the agents whose steps the app is to run.")
        for agent in agents:
            durability = AzureDurability.from_agent(agent)
            if durability is None:
                raise RegistrationError(
                    f"Agent {agent.name!r} is not durable: make it with Agent(..., capabilities=[AzureDurability()])."
                )
            for step in durability.get_durable_operation_backend().registrations():
                self._add(step)

    def _add(self, step: Callable[..., object]) -> None:
        function = cast("Callable[..., Coroutine[Any, Any, object]]", step)
        self.activity_trigger(input_name="step", activity=step.__name__, cancellable=True)(function)
