"""`MessageHistory`: the messages of an agent's runs, in a conversation that outlives every orchestration.

Owns the JSON form of messages there. Who keeps them is `Conversation`.
"""

from __future__ import annotations

from typing import Any

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.run import AgentRunResult

from azure_durable_py.agents.conversations import Conversation


class MessageHistory:
    """The messages of runs of agents, kept by a conversation.

    Inside an orchestrator:

        history = MessageHistory(Conversation("chat-42", keep_last=100))
        result = await agent.run(prompt, message_history=await history.messages())
        await history.add(result)

    :param conversation: keeps them. With `keep_last` it may begin in the middle of a run: the framework mends that
        before it asks a model.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    async def messages(self, last: int | None = None) -> list[ModelMessage]:
        """The messages, oldest first.

        :param last: only so many, the newest; None: all.
        :raises InvalidRequestError: `last` is below 1.
        """
        return ModelMessagesTypeAdapter.validate_python(await self._conversation.items(last))

    async def add(self, result: AgentRunResult[Any]) -> int:
        """Add what a run has added. Returns how many messages there are now; a run that is added twice counts once.

        :raises PayloadTooLargeError: there are more messages than a conversation holds.
        """
        items = ModelMessagesTypeAdapter.dump_python(result.new_messages(), mode="json")
        return await self._conversation.append(items, key=f"run:{result.run_id}")
