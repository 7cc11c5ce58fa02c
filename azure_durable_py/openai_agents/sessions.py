"""The memory of agents between runs, kept by an entity: a session of the SDK over a conversation.

Owns the way from the one interface to the other.
"""

from __future__ import annotations

from dataclasses import replace

from agents import TResponseInputItem
from agents.memory import SessionABC, SessionSettings
from pydantic_core import to_jsonable_python

from azure_durable_py.agents.conversations import MAX_CONVERSATION_BYTES, Conversation
from azure_durable_py.client.client import DurableOrchestrationClient

_ALL = MAX_CONVERSATION_BYTES
"""More items than there can be. For sessions with a limit the SDK leaves out results whose calls are gone: providers
refuse them, and calls may be gone where a conversation was trimmed."""


class DurableSession(SessionABC):
    """A session that outlives every orchestration: `await Runner.run(agent, input, session=DurableSession("user-17"))`.

    It is kept by an entity, so it may be shared, also by several orchestrations at once; each step of it is recorded.
    The app needs `app.register_functions(conversation_blueprint())`, from `azure_durable_py.agents`.

    :param session_id: which conversation; the same id is the same conversation in the whole hub.
    :param client: for programs outside of orchestrators: a client of the hub.
    :param keep_last: how many items are kept at most, the newest; None: all.
    :param session_settings: those of the SDK, as how many items a run gets to see.
    """

    def __init__(
        self,
        session_id: str,
        *,
        client: DurableOrchestrationClient | None = None,
        keep_last: int | None = None,
        session_settings: SessionSettings | None = None,
    ) -> None:
        self.session_id = session_id
        settings = session_settings or SessionSettings()
        if settings.limit is None:
            settings = replace(settings, limit=keep_last or _ALL)
        self._settings = self.session_settings = settings
        self._conversation = Conversation(session_id, client=client, keep_last=keep_last)

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """The items, oldest first; with a limit only the newest."""
        wanted = self._settings.limit if limit is None else limit
        if wanted is not None and wanted <= 0:
            return []
        return await self._conversation.items(last=None if wanted == _ALL else wanted)

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items at the end, all of them or none."""
        if items:
            await self._conversation.append([to_jsonable_python(item) for item in items])

    async def pop_item(self) -> TResponseInputItem | None:
        """Take the newest item away."""
        return await self._conversation.pop()

    async def clear_session(self) -> None:
        """Take all items away."""
        await self._conversation.clear()
