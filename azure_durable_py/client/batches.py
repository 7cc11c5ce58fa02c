"""Many things in one call: what each is, how they are done at once, and what is told of those that fail.

Owns the records that users give, and the bound on what is under way. What goes together into one call of storage is
gathered where it is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar, cast

from azure_durable_py.client.id_reuse import OrchestrationIdReusePolicy
from azure_durable_py.errors import BatchError
from azure_durable_py.ids import EntityId

AT_ONCE = 32
"""To so many targets something is under way at once."""
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class NewInstance:
    """One orchestration for `start_many`; see `start_new` for what each field means.

    :param orchestrator: by name, or the decorated function.
    """

    orchestrator: str | Callable[..., Any]
    input: Any = None
    instance_id: str | None = None
    version: str | None = None
    start_at: datetime | None = None
    tags: Mapping[str, str] | None = None
    id_reuse_policy: OrchestrationIdReusePolicy | None = None


@dataclass(frozen=True, slots=True)
class EntitySignal:
    """One signal for `signal_entities`; see `signal_entity` for what each field means."""

    entity_id: EntityId
    operation: str
    input: Any = None
    signal_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class InstanceEvent:
    """One external event for `raise_events`; see `raise_event` for what each field means."""

    instance_id: str
    name: str
    data: Any = None


async def do_all(
    given: Iterable[_Item],
    do: Callable[[_Item], Awaitable[_Result]],
    target: Callable[[_Item], str] | None = None,
) -> list[_Result]:
    """Do something with each item: those of one target together and in order, and `AT_ONCE` targets at a time.

    :param target: what an item is for; None: each is for another.
    :raises BatchError: it has failed with some. With all others it is done.
    """
    items = list(given)
    groups: dict[object, list[int]] = {}
    for number, item in enumerate(items):
        groups.setdefault(number if target is None else target(item), []).append(number)
    outcomes: list[_Result | BaseException | None] = [None] * len(items)
    left = iter(groups.values())

    async def work() -> None:
        for group in left:
            found = await asyncio.gather(*(do(items[number]) for number in group), return_exceptions=True)
            for number, outcome in zip(group, found, strict=True):
                outcomes[number] = outcome

    await asyncio.gather(*(work() for _ in range(min(AT_ONCE, len(groups)))))
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if failures:
        raise BatchError(
            f"{len(failures)} of {len(items)} have failed, the others are done; `outcomes` has what came of each. "
            f"The first failure: {type(failures[0]).__name__}: {failures[0]}",
            tuple(outcomes),
        ) from failures[0]
    return cast("list[_Result]", outcomes)  # None of them is an error, and none is missing.
