"""Who started whom: the parents of an instance up to the root, and its sub-orchestrations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from azure_durable_py.history.events import SubOrchestrationCreated
from azure_durable_py.history.rewinding import standing
from azure_durable_py.inspection.looking import Look, look_closely
from azure_durable_py.taskhub.columns import UNKNOWN_TIME
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Columns

MOST_ANCESTORS = 100
"""Generations of parents that are looked at."""
_PARALLEL_READS = 16


@dataclass(frozen=True, slots=True)
class Relative:
    """An instance in a family. `runtime_status` is None where it is not there any more (or not yet)."""

    instance_id: str
    name: str
    runtime_status: str | None
    created_time: datetime | None
    last_updated_time: datetime | None
    children: tuple[Relative, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """`ancestors` from the root down to the parent; `me` with what is below; `left_out` were over the limit."""

    ancestors: tuple[Relative, ...]
    me: Relative
    left_out: int = 0


async def read_family(hub: TaskHub, instance_id: str, *, limit: int = 500) -> Family | None:
    """The family of an orchestration; None: there is none of this id.

    Children are those of the newest generation, in the order in which they were decided: what came before
    `continue_as_new` is not kept. It reads the header and the history of each relative below, and the header of each
    above.

    :param limit: how many descendants to look at.
    :raises StorageError: storage refuses, or gives no answer.
    """
    seen = await look_closely(hub, instance_id)
    if seen is None:
        return None
    descent = _Descent(hub, limit)
    me = await descent.below(seen)
    return Family(await _ancestors(hub, seen), me, descent.left_out)


async def _ancestors(hub: TaskHub, seen: Look) -> tuple[Relative, ...]:
    found: list[Relative] = []
    known = {seen.header.instance_id}
    parent_id = seen.header.columns.parent_instance_id
    while parent_id is not None and parent_id not in known and len(found) < MOST_ANCESTORS:
        known.add(parent_id)
        header = await hub.salvage(parent_id)
        if header is None:
            name = seen.state.parent.name if not found and seen.state is not None and seen.state.parent else ""
            found.append(Relative(parent_id, name, None, None, None))
            break
        found.append(_relative(parent_id, header.columns))
        parent_id = header.columns.parent_instance_id
    return tuple(reversed(found))


class _Descent:
    """The way down from one instance, level by level, so that a limit leaves out the farthest."""

    def __init__(self, hub: TaskHub, limit: int) -> None:
        self._hub = hub
        self._left = limit
        self._known: set[str] = set()
        self.left_out = 0

    async def below(self, top: Look) -> Relative:
        """An instance with all that is below it."""
        self._known.add(top.header.instance_id)
        root = _Node(_relative(top.header.instance_id, top.header.columns))
        level: list[tuple[_Node, Look]] = [(root, top)]
        while level:
            asked = [(parent, child) for parent, look in level for child in self._children(look)]
            looks = await self._look_at([child.instance_id for _, child in asked])
            level = []
            for (parent, child), look in zip(asked, looks, strict=True):
                absent = Relative(child.instance_id, child.name, None, None, None)
                node = _Node(absent if look is None else _relative(child.instance_id, look.header.columns))
                parent.children.append(node)
                if look is not None:
                    level.append((node, look))
        return root.whole()

    def _children(self, look: Look) -> list[SubOrchestrationCreated]:
        decided = standing(look.events).decisions.values()
        found: list[SubOrchestrationCreated] = []
        for event in decided:
            if not isinstance(event, SubOrchestrationCreated) or event.instance_id in self._known:
                continue
            if self._left == 0:
                self.left_out += 1
                continue
            self._left -= 1
            self._known.add(event.instance_id)
            found.append(event)
        return found

    async def _look_at(self, instance_ids: Sequence[str]) -> list[Look | None]:
        limit = asyncio.Semaphore(_PARALLEL_READS)

        async def look(instance_id: str) -> Look | None:
            async with limit:
                return await look_closely(self._hub, instance_id)

        return list(await asyncio.gather(*map(look, instance_ids)))


class _Node:
    def __init__(self, relative: Relative) -> None:
        self._relative = relative
        self.children: list[_Node] = []

    def whole(self) -> Relative:
        """The instance with its children. Families are as deep as people nest calls, and so is this."""
        return replace(self._relative, children=tuple(child.whole() for child in self.children))


def _relative(instance_id: str, columns: Columns) -> Relative:
    return Relative(
        instance_id,
        columns.name,
        columns.runtime_status or "Damaged",
        _known(columns.created_time),
        _known(columns.last_updated_time),
    )


def _known(moment: datetime) -> datetime | None:
    return None if moment == UNKNOWN_TIME else moment
