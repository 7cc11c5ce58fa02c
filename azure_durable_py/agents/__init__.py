"""What AI agents need of a durable engine, whatever framework they are written with.

`Budget` ends an agent that has used up its tokens, calls, money or time; `request_approval` waits for a person, for
days if need be; `Conversation` is the memory that outlives an orchestration; `MODEL_RETRY` and `activity_error` say
how a model is called again that did not answer. Nothing here needs a framework; the integrations stand on it.
"""

from azure_durable_py.agents.approvals import ApprovalDecision, request_approval
from azure_durable_py.agents.budgets import Budget, Price, Spent, after_call, before_call, time_left
from azure_durable_py.agents.conversations import AGENT_CONVERSATION, Conversation, conversation_blueprint
from azure_durable_py.agents.model_errors import MODEL_RETRY, activity_error

__all__ = [
    "AGENT_CONVERSATION",
    "MODEL_RETRY",
    "ApprovalDecision",
    "Budget",
    "Conversation",
    "Price",
    "Spent",
    "activity_error",
    "after_call",
    "before_call",
    "conversation_blueprint",
    "request_approval",
    "time_left",
]
