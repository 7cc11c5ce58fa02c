"""`play_entity`: one operation of an entity, without engine or task hub.

Owns the call and what is shown of it; what an operation does to a state is the runtime's business, as in production.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from azure_durable_py.clock import Ids
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.entities.context import SignalAction, StartAction
from azure_durable_py.runtime.entities.live import LiveEntity, Operation, Outcome
from azure_durable_py.serialization.annotations import naming
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.testing.apps import App
from azure_durable_py.testing.unit.subjects import entity_of
from azure_durable_py.testing.virtual.at_once import at_once
from azure_durable_py.testing.virtual.hub import EPOCH
from azure_durable_py.times import utc

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SentSignal:
    """A signal that an operation sent. `input` is plain JSON values; `signal_time` is when it is to be delivered."""

    entity_id: EntityId
    operation: str
    input: Any = None
    signal_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class StartedOrchestration:
    """An orchestration that an operation started. `input` is plain JSON values; `start_at` is when it begins."""

    name: str
    instance_id: str
    input: Any = None
    version: str | None = None
    start_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlayedOperation:
    """What an operation came to.

    `result` is what a caller gets and `state` what the next operation finds, both as plain JSON values; `exists` is
    False when the entity has no state any more. `signals` and `started` are what leaves with it.
    """

    result: Any
    state: Any
    exists: bool
    signals: list[SentSignal]
    started: list[StartedOrchestration]


def play_entity(
    entity: str | Callable[..., Any],
    operation: str,
    input: Any = None,
    *,
    state: Any = None,
    app: App | None = None,
    key: str = "played",
    epoch: datetime = EPOCH,
) -> PlayedOperation:
    """Perform one operation of an entity, and return what it came to.

        assert play_entity(counter, "add", 5, state=1).state == 6

    An operation that is `async def` may sleep, which takes no time.

    :param entity: the decorated function or class, a plain one, or the name of one in `app`.
    :param operation: the operation.
    :param input: its input, JSON-serializable; None: no input.
    :param state: the state of the entity, JSON-serializable; None: the entity does not exist.
    :param app: where a name is looked up; its `strict_types` count.
    :param key: the key of the entity.
    :param epoch: the UTC time of the operation.
    :raises Exception: what the operation raises: in production it would have failed, and left no trace.
    :raises FunctionNotFoundError: there is no such entity or operation.
    :raises StepError: a name without an app.
    :raises SerializationError: `input`, `state` or what the operation made of them is not JSON.
    """
    registry, definition = entity_of(entity, app)
    converter = JsonDataConverter(strict_types=registry.strict_types)

    def text(value: Any, what: str) -> str | None:
        with naming(lambda: f"the {what} of entity {definition.name!r}"):
            return None if value is None else converter.serialize(value)

    def plain(value: str | None) -> Any:
        return None if value is None else converter.deserialize(value)

    live = LiveEntity(
        EntityId(definition.name, key),
        definition,
        converter,
        text(state, "state"),
        rollback=True,
        new_id=Ids(random.Random(0)).new,  # noqa: S311 - repeatable, not secret
        expected=registry.expected,
    )
    outcome = _performed(live.begin(operation, text(input, f"input of operation {operation!r}"), utc(epoch)))
    signals = [each for each in outcome.actions if isinstance(each, SignalAction)]
    starts = [each for each in outcome.actions if isinstance(each, StartAction)]
    return PlayedOperation(
        plain(outcome.result),
        plain(live.state),
        live.state is not None,
        [SentSignal(each.entity_id, each.operation, plain(each.input), each.signal_time) for each in signals],
        [
            StartedOrchestration(each.name, each.instance_id, plain(each.input), each.version, each.start_at)
            for each in starts
        ],
    )


def _performed(operation: Operation) -> Outcome:
    return operation.succeed(at_once(operation.call_async) if operation.is_async else operation.call())
