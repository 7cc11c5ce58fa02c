"""Conversations: the memory of agents, kept by an entity, so that it outlives every orchestration.

Owns the entity and who talks to it. A conversation is a list of items, each a JSON value; what they mean is the
business of whoever writes them. Its operations come one after the other, so several orchestrations may share one.
"""

from __future__ import annotations

import functools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from azure_durable_py import shape
from azure_durable_py.compact_json import compact_encoder
from azure_durable_py.errors import (
    DurableError,
    FunctionNotFoundError,
    InvalidRequestError,
    OrchestratorError,
    PayloadTooLargeError,
    TaskFailedError,
)
from azure_durable_py.failures import FailureDetails, qualified_name
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.current import current_context
from azure_durable_py.shape import Fields, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure_durable_py.app import Blueprint
    from azure_durable_py.client.client import DurableOrchestrationClient
    from azure_durable_py.runtime.context import DurableOrchestrationContext
    from azure_durable_py.runtime.entities.context import DurableEntityContext

AGENT_CONVERSATION = "agent_conversation"
"""The name of the entity; the key is the id of the conversation."""
OPERATION = "agent_conversation_operation"
"""The orchestrator that has an entity perform an operation, for a client: a client cannot wait for entities."""
MAX_CONVERSATION_BYTES = 1_048_576
"""Of all items of a conversation, as JSON."""
MOST_KEYS = 100
"""Appends that are known again when they come a second time: the latest."""
_MAX_KEY_CHARS = 200
_ERRORS: dict[str, type[DurableError]] = {
    qualified_name(cls): cls for cls in (PayloadTooLargeError, InvalidRequestError)
}
_UNKNOWN_FUNCTION = qualified_name(FunctionNotFoundError)
_encode = compact_encoder()


class Conversation:
    """A conversation, for orchestrators and clients. The app needs `conversation_blueprint()`.

    Inside an orchestrator each call is a recorded step: it is not made again on replay. With a client, calls that
    change something return when a worker has done it.

    :param conversation_id: which conversation; the same id is the same conversation in the whole hub.
    :param client: for programs outside of orchestrators: a client of the hub.
    :param keep_last: how many items each append leaves at most: the newest; None: all.
    :param timeout: how long a client waits for a worker, in seconds or as a timedelta.
    :raises InvalidRequestError: `keep_last` is below 1.
    """

    def __init__(
        self,
        conversation_id: str,
        *,
        client: DurableOrchestrationClient | None = None,
        keep_last: int | None = None,
        timeout: timedelta | float = 60.0,
    ) -> None:
        self._entity_id = EntityId(AGENT_CONVERSATION, conversation_id)
        self._client = client
        self._keep_last = None if keep_last is None else _at_least_1("keep_last", keep_last)
        self._timeout = timeout

    @property
    def conversation_id(self) -> str:
        """Which conversation it is."""
        return self._entity_id.key

    async def items(self, last: int | None = None) -> list[Any]:
        """The items, oldest first.

        :param last: only so many, the newest; None: all.
        :raises InvalidRequestError: `last` is below 1.
        """
        if last is not None:
            _at_least_1("last", last)
        if current_context() is None and self._client is not None:
            found = await self._client.read_entity_state(self._entity_id)
            items = _State.read(found.entity_state if found.entity_exists else None).items
            return items if last is None else items[-last:]
        return await self._perform("items", {"last": last})

    async def append(self, items: Sequence[Any], *, key: str | None = None) -> int:
        """Add items at the end, all of them or none. Returns how many there are now.

        :param items: JSON-serializable values.
        :param key: of appends with the same key only the first counts, as long as it is among the latest 100: for what
            may be tried again, as an HTTP request. Inside an orchestrator an append is done once in any case.
        :raises PayloadTooLargeError: the conversation would be larger than 1 MB of JSON.
        :raises InvalidRequestError: the key has more than 200 characters.
        """
        return await self._perform("append", {"items": list(items), "key": key, "keep_last": self._keep_last})

    async def pop(self) -> Any:
        """Take the newest item away. Returns it; None: there was none."""
        return await self._perform("pop", {})

    async def trim(self, keep_last: int) -> int:
        """Take away all but the newest items. Returns how many there are now.

        :param keep_last: how many to keep.
        :raises InvalidRequestError: it is below 1.
        """
        return await self._perform("trim", {"keep_last": _at_least_1("keep_last", keep_last)})

    async def clear(self) -> None:
        """Take all items away."""
        await self._perform("clear", {})

    async def _perform(self, operation: str, given: dict[str, Any]) -> Any:
        context = current_context()
        if context is not None:
            if operation == "append" and given["key"] is None:
                # An operation whose answer was lost with a failed instance is called anew when that is rewound.
                given["key"] = context.new_uuid()
            try:
                return await context.call_entity(self._entity_id, operation, given)
            except TaskFailedError as error:
                if error.details.error_type == _UNKNOWN_FUNCTION:
                    raise OrchestratorError(
                        "The app has no conversations: app.register_functions(conversation_blueprint()), with "
                        "conversation_blueprint from azure_durable_py.agents."
                    ) from error
                raise _raised(error.details) or error from error
        if self._client is None:
            raise OrchestratorError(
                "A conversation is used inside an orchestrator. Elsewhere give it a client: "
                "Conversation(id, client=...)."
            )
        return await self._ask(self._client, operation, given)

    async def _ask(self, client: DurableOrchestrationClient, operation: str, given: dict[str, Any]) -> Any:
        asked = [self.conversation_id, operation, given]
        instance_id = await client.start_new(OPERATION, f"{OPERATION}:{uuid.uuid4().hex}", asked)
        status = await client.wait_for_completion(instance_id, self._timeout)
        await client.purge_instance_history(instance_id)
        outcome: Any = status.output
        if not isinstance(outcome, dict):
            raise DurableError(f"Conversation {self.conversation_id!r} gave no answer: {status.output_json}")
        found = Fields(outcome)
        if "error" in found:
            error_type = found.read("error", shape.text)
            raise _ERRORS.get(error_type, DurableError)(found.read("message", shape.text))
        return found.read("result", shape.anything)


def _raised(details: FailureDetails) -> DurableError | None:
    """The error of an operation as its own type, where that says what to do."""
    kind = _ERRORS.get(details.error_type)
    return None if kind is None else kind(details.message)


def _at_least_1(name: str, number: int) -> int:
    if number < 1:
        raise InvalidRequestError(f"{name} is a number of items, at least 1, not {number}.")
    return number


# --- functions of the app ----------------------------------------------------------------------------


@functools.cache
def conversation_blueprint() -> Blueprint:
    """What an app needs for conversations: `app.register_functions(conversation_blueprint())`.

    It is the same one each time; to register it twice does no harm.
    """
    # Whoever only counts budgets is not to load what declares functions.
    from azure_durable_py.app import Blueprint

    blueprint = Blueprint()
    blueprint.entity_trigger("context", AGENT_CONVERSATION)(agent_conversation)
    blueprint.orchestration_trigger("context", OPERATION)(agent_conversation_operation)
    return blueprint


async def agent_conversation_operation(context: DurableOrchestrationContext) -> dict[str, Any]:
    """Have a conversation perform an operation."""
    conversation_id, operation, given = context.get_input()
    try:
        return {"result": await context.call_entity(EntityId(AGENT_CONVERSATION, conversation_id), operation, given)}
    except TaskFailedError as error:
        return {"error": error.details.error_type, "message": error.details.message}


def agent_conversation(context: DurableEntityContext) -> None:
    """The entity: one operation."""
    operation = _OPERATIONS.get(context.operation_name)
    if operation is None:
        raise InvalidRequestError(
            f"A conversation has no operation {context.operation_name!r}; it has {', '.join(_OPERATIONS)}."
        )
    state = _State.read(context.get_state())
    given: Any = context.get_input()
    try:
        context.set_result(operation(state, Fields({} if given is None else given)))
    except ShapeError as error:
        raise InvalidRequestError(f"Operation {context.operation_name!r} of a conversation: {error}.") from error
    if operation is _clear:
        context.destruct_on_exit()
    elif operation is not _items:
        context.set_state(state.to_json())


@dataclass(slots=True)
class _State:
    """What the entity keeps: the items, and the keys of the latest appends."""

    items: list[Any] = field(default_factory=lambda: [])
    keys: list[str] = field(default_factory=lambda: [])

    @classmethod
    def read(cls, data: Any) -> _State:
        if data is None:
            return cls()
        fields = Fields(data)
        return cls(
            fields.read("items", shape.items(shape.anything)), fields.get("keys", shape.items(shape.text), list[str]())
        )

    def to_json(self) -> dict[str, Any]:
        return {"items": self.items, "keys": self.keys}


_number = shape.optional(shape.whole(1, shape.LARGEST))


def _items(state: _State, given: Fields) -> list[Any]:
    last = given.get("last", _number, None)
    return state.items if last is None else state.items[-last:]


def _append(state: _State, given: Fields) -> int:
    added = given.read("items", shape.items(shape.anything))
    key = given.get("key", shape.optional(shape.word(_MAX_KEY_CHARS)), None)
    keep_last = given.get("keep_last", _number, None)
    if key is not None:
        if key in state.keys:
            return len(state.items)
        state.keys = [*state.keys, key][-MOST_KEYS:]
    state.items = [*state.items, *added]
    if keep_last is not None:
        state.items = state.items[-keep_last:]
    size = len(_encode(state.items).encode("utf-8", "surrogatepass"))
    if size > MAX_CONVERSATION_BYTES:
        raise PayloadTooLargeError(
            f"The conversation would have {size} bytes of JSON; it holds at most {MAX_CONVERSATION_BYTES}. Keep the "
            "newest items only: Conversation(id, keep_last=...), or await conversation.trim(...)."
        )
    return len(state.items)


def _pop(state: _State, given: Fields) -> Any:
    del given
    return state.items.pop() if state.items else None


def _trim(state: _State, given: Fields) -> int:
    state.items = state.items[-given.read("keep_last", shape.whole(1, shape.LARGEST)) :]
    return len(state.items)


def _clear(state: _State, given: Fields) -> None:
    del state, given


_OPERATIONS: dict[str, Callable[[_State, Fields], Any]] = {
    "items": _items,
    "append": _append,
    "pop": _pop,
    "trim": _trim,
    "clear": _clear,
}
