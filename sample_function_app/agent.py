"""An AI agent: it answers a complaint, with two tools, a person who approves refunds, and an agent that writes letters.

Each call of a model and each call of a tool is a recorded step. A refund waits until somebody has approved it: on the
monitor page, by the commands that `azure-durable show ID` prints, or like this, with an id from the custom status:

    curl -X POST -H "Content-Type: application/json" -d '{"approved": true}' \
        localhost:7071/runtime/webhooks/durabletask/instances/ID/raiseEvent/approval:APPROVAL_ID

It needs the OpenAI Agents SDK: pip install 'azure-durable-py[openai-agents]'. Without a key for a provider a script
stands in for the model; with OPENAI_API_KEY it is a real one, and OPENAI_DEFAULT_MODEL says which.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import azure_durable_py as df
from azure_durable_py.agents import Budget

IS_INSTALLED = find_spec("agents") is not None
"""Whether the SDK is there. The other patterns of the sample do without."""
ORDERS = {"7": ("mug", 12.5), "8": ("teapot", 40.0)}


def _blueprint() -> df.Blueprint:
    """The plug-in by which orchestrators of the app run agents; a plain blueprint where there is no SDK."""
    if not IS_INSTALLED:
        return df.Blueprint()
    from azure_durable_py.openai_agents import OpenAIAgents
    from sample_function_app.agent_script import ScriptedModels

    has_key = bool(os.environ.get("OPENAI_API_KEY"))
    return OpenAIAgents(None if has_key else ScriptedModels(), approval_timeout=timedelta(days=3))


bp = _blueprint()


@dataclass
class Order:
    """An order, as the model gets to see it."""

    id: str
    item: str
    price: float


@dataclass
class Refund:
    """Money to give back."""

    order_id: str
    amount: float


@bp.activity_trigger(input_name="order_id")
def find_order(order_id: str) -> Order:
    """Look an order up by its number."""
    item, price = ORDERS.get(order_id, ("", 0.0))
    return Order(order_id, item, price)


@bp.activity_trigger(input_name="given")
def give_back(given: Refund) -> str:
    """Give the price of an order back, or a part of it."""
    return f"{given.amount:.2f} are on their way for order {given.order_id}."


@bp.orchestration_trigger(context_name="context")
async def answer_complaint(context: df.DurableOrchestrationContext) -> dict[str, Any]:
    """Answer what a customer wrote (the input, a text)."""
    if not IS_INSTALLED:
        raise df.OrchestratorError(
            "This orchestrator needs the OpenAI Agents SDK: pip install 'azure-durable-py[openai-agents]'"
        )
    from agents import Agent, Runner

    from azure_durable_py.openai_agents import activity_tool

    writer = Agent[None](name="letter writer", instructions="Write a short, friendly letter about what was decided.")
    clerk = Agent[None](
        name="clerk",
        instructions="Find the order. Give the price back if it arrived broken. Then have the letter writer answer.",
        tools=[activity_tool(find_order), activity_tool(give_back, needs_approval=True)],
        handoffs=[writer],
    )
    with Budget(calls=20, tokens=100_000, time=timedelta(days=7)) as budget:
        result = await Runner.run(clerk, context.get_input())
    return {"letter": result.final_output, "written_by": result.last_agent.name, "spent": budget.spent}
