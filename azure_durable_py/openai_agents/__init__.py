"""Agents of the OpenAI Agents SDK as orchestrations (extra `openai-agents`).

`OpenAIAgents` is the plug-in of an app; after that, `await Runner.run(agent, input)` in an orchestrator is durable. The
names of azure-functions-durable 1.7 are here, too.
"""

try:
    import agents as _agents
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "azure_durable_py.openai_agents needs the OpenAI Agents SDK: pip install 'azure-durable-py[openai-agents]'",
        name=error.name,
    ) from error

from azure_durable_py.openai_agents.activity_tool import activity_tool
from azure_durable_py.openai_agents.context import DurableAIAgentContext
from azure_durable_py.openai_agents.mcp_server import ActivityMCPServer, mcp_server
from azure_durable_py.openai_agents.plugin import OpenAIAgents
from azure_durable_py.openai_agents.sessions import DurableSession

__all__ = [
    "ActivityMCPServer",
    "DurableAIAgentContext",
    "DurableSession",
    "OpenAIAgents",
    "activity_tool",
    "mcp_server",
]
del _agents
