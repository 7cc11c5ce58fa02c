"""What must be true when a world has come to rest, whatever happened before.

Owns the way to rest, and every check that holds for all scenarios alike: nothing is left that nobody needs, neither
in queues nor in rows nor in memory; histories are sound; no entity is locked by nobody. A row that
storage took late, when its repetition had been consumed long ago, may be left: it must be swept by the next look, and
change nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from azure_durable_py.history.events import Answer, ContinuedAsNew, Decision, ExecutionCompleted
from azure_durable_py.history.rewinding import standing
from azure_durable_py.taskhub.protocol import Header, Kind
from azure_durable_py.testing.virtual.memory import Partition
from tests.simulation import looking

if TYPE_CHECKING:
    from tests.simulation.world import World

SOON = 900.0
"""Seconds after which a fair world has nothing in its queues that nobody needs."""


async def come_to_rest(world: World) -> None:
    """Wait until nothing is under way, and look."""
    await no_needless_message(world)
    await quiet(world)
    before = _truths(world)
    while left := [name for name, partition in world.store.partitions.items() if partition.inbox]:
        late = all(set(world.store.partitions[name].inbox) <= world.sky.came_late for name in left)
        for name in left:
            await world.hub.ring(name, "look again")
        await quiet(world)
        again = [name for name in left if world.store.partitions[name].inbox]
        assert not again, f"left in the inbox of {again[0]}: {world.store.partitions[again[0]].inbox}"
        if late:
            assert _truths(world) == before, f"a row that came late had an effect: {before} {_truths(world)}"
        before = _truths(world)
    await nothing_in_memory(world)
    for name, partition in sorted(world.store.partitions.items()):
        await _partition_is_sound(world, name, partition)


async def quiet(world: World) -> None:
    """Wait until the queues are empty and no write is still to take effect."""
    from tests.simulation.world import LONGEST_REST

    began, deadline = world.now, world.now + LONGEST_REST
    while world.sky.late or any((await world.store.message_counts()).values()):
        assert world.now < deadline, f"no rest: {_messages(world)}"
        await asyncio.sleep(5.0 + (world.now - began) / 50)


def _truths(world: World) -> dict[str, tuple[str, str | None]]:
    """What users see of every instance."""
    return {
        name: (partition.header.columns.runtime_status, partition.header.columns.output)
        for name, partition in world.store.partitions.items()
        if partition.header is not None
    }


def _messages(world: World) -> list[tuple[str, str]]:
    return [
        (name, message.body)
        for name, queue in world.store.place.queues.items()
        for message in queue.messages.values()
        if not name.endswith("-poison")
    ]


async def no_needless_message(world: World) -> None:
    """Where nothing went wrong, the only messages are soon the doorbells of instances that wait for a timer."""
    if not world.plan.weather.is_fair:
        return
    await asyncio.sleep(SOON)
    for queue, body in _messages(world):
        partition = world.store.partitions.get(looking.instance_of(body) or "")
        header = None if partition is None else partition.header
        waits = header is not None and header.columns.wake_time is not None and not looking.finished(header)
        assert waits, f"a message in {queue} that nobody needs: {body}\n{looking.describe(header)}"


async def nothing_in_memory(world: World) -> None:
    """What is idle is not in memory."""
    # A process that stands still cannot let go of anything.
    awake = max((life.process.frozen_until for life in world.lives.values()), default=0.0)
    deadline = max(world.now, awake) + world.plan.settings.extended_session_idle_timeout + 60.0
    while any(looking.actors(life.worker) for life in world.lives.values() if not life.process.dead):
        kept = {name: looking.actors(life.worker) for name, life in world.lives.items()}
        assert world.now < deadline, f"idle, and in memory: {kept}"
        await asyncio.sleep(5.0)


async def _partition_is_sound(world: World, name: str, partition: Partition) -> None:
    header = partition.header
    if header is None:
        left = set(partition.blobs) - world.sky.came_late
        assert not left, f"rows of {name}, which is not there: {left}"
        return
    assert not header.columns.has_outbox, f"{name} still names what it sent: {looking.describe(header)}"
    if not world.plan.weather.kills and not world.sky.came_late and world.plan.weather.is_fair:
        orphans = looking.unnamed_rows(partition)
        assert not orphans, f"rows of {name} that nothing names: {orphans}\n{looking.describe(header)}"
    if header.columns.kind is Kind.entity:
        assert looking.unlocked(header), f"{name} is locked, and all is at rest: {looking.describe(header)}"
    await _history_is_sound(world, header)


async def _history_is_sound(world: World, header: Header) -> None:
    """Every task was decided once and answered at most once; there is one end."""
    found = standing(await looking.history(world.store, header))
    events = [event for turn in found.turns for event in (*turn.events, *turn.retained)]
    decided = [event.id for event in events if isinstance(event, Decision)]
    answered = [event.task_id for event in events if isinstance(event, Answer)]
    ends = [event for event in events if isinstance(event, (ExecutionCompleted, ContinuedAsNew))]
    assert len(set(decided)) == len(decided), f"{header.instance_id} decided twice: {decided}"
    assert len(set(answered)) == len(answered), f"{header.instance_id} was answered twice: {answered}"
    assert len(ends) <= 1, f"{header.instance_id} ended twice: {ends}"
