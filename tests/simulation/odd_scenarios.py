"""What is played with what should not be.

Garbage in queues and inboxes, activities that end their process, workers of two versions.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.protocol import InboxRow
from tests.simulation.faults import current_process
from tests.simulation.functions_host import FUNCTION_TIMEOUT
from tests.simulation.traffic_scenarios import value_of
from tests.simulation.world import Plan, World, bends, the_world

# --- the app -------------------------------------------------------------------------------------------


async def kills(number: int) -> int:
    """Ends its process, always."""
    the_world.get().did("kills", number)
    await asyncio.sleep(0.5)
    await _end_process()
    return number


async def risky(number: int) -> int:
    """Ends its process sometimes."""
    world = the_world.get()
    await asyncio.sleep(0.2)
    if not world.calm and world.dice.random() < 0.15:
        await _end_process()
    return number


async def _end_process() -> None:
    process = current_process.get()
    assert process is not None
    process.kill()
    await asyncio.sleep(0)


async def overlong(number: int) -> int:
    """Takes longer than a Functions host lets it."""
    the_world.get().did("overlong")
    await asyncio.sleep(2 * FUNCTION_TIMEOUT)
    return number


async def dares(context: DurableOrchestrationContext) -> Any:
    """Calls an activity that ends every process, beside others."""
    doomed = context.call_activity(context.get_input(), 1)
    others = await context.task_all([context.call_activity("risky", number) for number in range(4)])
    try:
        await doomed
    except TaskFailedError:
        return [sum(others), "failed"]
    return [sum(others), "done"]


def app_of(version: str) -> Any:
    async def versioned(context: DurableOrchestrationContext) -> Any:
        """Says which version of the app it began and ended in."""
        results = [version]
        for number in range(3):
            await context.call_activity("double", number)
        return [*results, version]

    return versioned


def add_odd(registry: Registry) -> None:
    """Register everything above."""
    for activity in (kills, risky, overlong):
        registry.activities.add(ActivityDefinition(activity.__name__, activity, "number"))
    registry.orchestrators.add(OrchestratorDefinition("dares", dares))
    registry.orchestrators.add(OrchestratorDefinition("versioned", app_of("2.0")))


# --- the scenarios ---------------------------------------------------------------------------------------

_HUGE = "1" + "0" * 400
DOORBELLS = (
    "",
    "null",
    "[]",
    "{}",
    '"chain-0"',
    "\x00\ufffe",
    "[" * 20_000,
    '{"v":1,"cause":"told","why":"","instanceId":"chain-0"}',
    '{"v":1,"cause":"told","why":"","instanceId":"chain-0","id":7}',
    '{"v":1,"cause":"told","why":"","instanceId":["chain-0"],"id":"x"}',
    '{"v":1,"cause":"told","why":"","instanceId":"chain-0","id":"x","again":1e999}',
    f'{{"v":1,"cause":"told","why":"","instanceId":"chain-0","id":"x","again":{_HUGE}}}',
    '{"v":1,"cause":"told","why":"","instanceId":"chain-0","id":"x","again":-5}',
    '{"v":1,"cause":"told","why":"","instanceId":"chain-0","id":"x","again":"many"}',
    '{"v":1,"cause":"told","why":{"a":1},"instanceId":"chain-0","id":"x","tag":[]}',
    '{"v":1,"cause":"timer","why":"","instanceId":"chain-0","id":"x"}',
    '{"v":1,"cause":"told","why":"","instanceId":"chain-0","id":"x","poisoned":1e999}',
    '{"v":1,"cause":"told","why":"","instanceId":"nobody","id":"x"}',
    '{"v":1,"cause":"told","why":"","instanceId":"' + "y" * 2_000 + '","id":"x"}',
    '{"v":1,"cause":"told","why":"","instanceId":"\\ud800","id":"x"}',
    '{"v":1,"cause":"told","why":"","instanceId":"@","id":"x"}',
)
_ITEM = {
    "v": 1,
    "id": "i",
    "instanceId": "chain-0",
    "executionId": "e",
    "generation": 0,
    "attempt": 0,
    "taskId": 0,
    "name": "double",
    "input": "1",
}
WORK_ITEMS = (
    *("", "null", "{}", "[" * 20_000),
    *(
        json.dumps({**_ITEM, **changes})
        for changes in (
            {"taskId": "x"},
            {"generation": None},
            {"name": ""},
            {"name": "nobody"},
            {"instanceId": "nobody"},
            {"input": {"key": "30-payload-x-0000", "size": -1, "chunks": 10**9}},
            {"input": {"key": "../../x", "size": 1, "chunks": 1}},
            {"input": 5},
            {"input": "not JSON"},
        )
    ),
    json.dumps(_ITEM).replace('"taskId": 0', '"taskId": 1e999'),
    json.dumps(_ITEM).replace('"attempt": 0', f'"attempt": {_HUGE}'),
)
_EVENT = {
    "v": 1,
    "event": {"type": "EventRaised", "timestamp": "2026-01-01T00:00:00.000000Z", "name": "item", "input": "1"},
    "sender": "client:x",
    "sequence": 0,
    "sentAt": "2026-01-01T00:00:00.000000Z",
    "target": [None, None, None],
    "control": False,
}
ROWS = (
    b"",
    b"\xff\xfe",
    b"null",
    b"[" * 20_000,
    *(
        json.dumps({**_EVENT, **changes}).encode()
        for changes in (
            {"event": {"type": "Nobody"}},
            {"event": None},
            {"event": {"type": "TaskCompleted", "timestamp": "2026-01-01T00:00:00.000000Z", "task_id": "x"}},
            {"sender": 5},
            {"sentAt": "soon"},
            {"target": [1, 2]},
            {"target": "x"},
        )
    ),
    json.dumps(_EVENT).replace('"sequence": 0', '"sequence": 1e999').encode(),
    json.dumps(_EVENT).replace('"sequence": 0', f'"sequence": {_HUGE}').encode(),
)


async def garbage(world: World) -> None:
    """What cannot be read is set aside, and everything else goes on as if it were not there."""
    names = [f"chain-{number}" for number in range(3)]
    for name in names:
        await world.start("chain", name, "5")
    await world.start("adds", "adds", "3")
    queues = (*world.store.instance_queues, world.store.activity_queue)
    for number in range(12):
        await world.nap(8.0)
        kind = world.dice.randrange(3)
        if kind < 2:
            body = world.dice.choice((DOORBELLS, WORK_ITEMS)[kind])
            await world.store.put_message(queues[-kind], body)
        else:
            target = world.dice.choice([*names, "@tally@t"])
            row = InboxRow(f"1-2026010{number % 9}-{number:03d}", world.dice.choice(ROWS))
            await world.store.insert_inbox(target, [row])
            await world.hub.ring(target, "garbage")
    for header in await world.finished(*names):
        assert value_of(header) == sum(2 * n for n in range(5))
    [adds] = await world.finished("adds")
    assert value_of(adds) == 1
    assert await world.settled("@tally@t", 4) == 4


def _counted(plan: Plan) -> None:
    if "max_dequeue_count" in Settings.__dataclass_fields__:
        plan.settings = replace(plan.settings, max_dequeue_count=5)


@bends(_counted)
async def daredevils(world: World) -> None:
    """An activity that ends its process each time fails its task in the end, and hurts nobody else."""
    name = world.dice.choice(("kills", "overlong")) if world.plan.functions else "kills"
    await world.start("dares", "dares", json.dumps(name))
    await world.start("chain", "chain", "4")
    header, other = await world.finished("dares", "chain", within=12 * 3600.0)
    assert other.columns.completed_time is not None
    if header.columns.runtime_status == "Completed" and name == "kills":
        assert json.loads(header.columns.output or "")[1] == "failed"
    begun = sum(count for key, count in world.effects.items() if key[0] == name)
    # A process that ends at once may leave its work item queued twice, and each has its deliveries.
    if world.plan.weather.is_fair and not world.plan.redeploys:
        assert begun <= 10, f"{name} was begun {begun} times"


def _two(plan: Plan) -> None:
    plan.workers = max(2, plan.workers)
    plan.settings = replace(plan.settings, default_version="2.0")


@bends(_two)
async def versions(world: World) -> None:
    """Workers of two versions: each instance is run by one that may run it."""
    older = Registry()
    older.activities = world.registry.activities
    older.entities = world.registry.entities
    older.orchestrators.add(OrchestratorDefinition("versioned", app_of("1.0")))
    world.others["W1"] = (older, replace(world.plan.settings, default_version="1.0"))
    for life in list(world.lives.values()):
        life.process.kill()
    names = [("2.0", f"new-{number}") for number in range(3)] + [("1.0", f"old-{number}") for number in range(2)]
    for version, name in names:
        await world.start("versioned", name, version=version)
        await world.nap(20.0)
    for (version, _), header in zip(names, await world.finished(*(name for _, name in names)), strict=True):
        if version == "2.0":
            assert value_of(header) == ["2.0", "2.0"]
        else:
            assert header.columns.runtime_status in ("Completed", "Failed")


ODD_SCENARIOS = (garbage, daredevils, versions)
