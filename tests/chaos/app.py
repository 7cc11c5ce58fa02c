"""The app that runs through the chaos: every kind of instance, each with an outcome that can be foretold.

Activities note their effects under the key that they are given. Orchestrators and entities have no effects but
through the engine: what they signal, send and start must take effect exactly once.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import signal
import time
from datetime import timedelta
from typing import Any

from azure_durable_py.errors import TaskFailedError
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import ActivityDefinition, EntityDefinition, OrchestratorDefinition, Registry
from azure_durable_py.retry_policy import RetryOptions
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.entities.context import DurableEntityContext
from tests.chaos.effects import BEGIN, DEATH, END, Effects

LONG = timedelta(hours=6)
"""Of timers that nobody is meant to wait for: no run takes so long."""
FIRST_BALANCE = 1000


def noise(seed: str, size: int) -> str:
    """A text of so many characters that does not compress, the same for the same seed."""
    return random.Random(seed).randbytes((size + 1) // 2).hex()[:size]


def digest(*texts: str) -> str:
    """What stands for large texts in an outcome."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


class Activities:
    """The activities; each is given a key for its effect, and what it needs beside."""

    def __init__(self, effects: Effects) -> None:
        self._effects = effects

    async def work(self, order: list[Any]) -> int:
        """Doubles a number, in its time."""
        key, number, seconds = order
        self._effects.note(BEGIN, key)
        await asyncio.sleep(seconds)
        self._effects.note(END, key)
        return 2 * number

    def toil(self, order: list[Any]) -> int:
        """The same in a thread."""
        key, number, seconds = order
        self._effects.note(BEGIN, key)
        time.sleep(seconds)
        self._effects.note(END, key)
        return 2 * number

    async def tell(self, order: list[Any]) -> str:
        """A large text."""
        key, size = order
        self._effects.note(BEGIN, key)
        self._effects.note(END, key)
        return noise(key, size)

    async def fail(self, order: list[Any]) -> None:
        """Fails with a long message, caused by another."""
        key, size = order
        self._effects.note(BEGIN, key)
        self._effects.note(END, key)
        try:
            raise KeyError("k" * size)
        except KeyError as cause:
            raise ValueError("v" * size) from cause

    async def die(self, order: list[Any]) -> int:
        """Kills its process, the first time."""
        key, number = order
        self._effects.note(BEGIN, key)
        if self._effects.is_first(key):
            self._effects.note(DEATH, key)
            os.kill(os.getpid(), signal.SIGKILL)
        self._effects.note(END, key)
        return 2 * number


# --- orchestrators: activities, children, timers -----------------------------------------------------------


async def chain(context: DurableOrchestrationContext) -> int:
    """Activities one after the other."""
    key, seconds = context.get_input()
    return sum([await context.call_activity("work", [f"{key}/{n}", n, s]) for n, s in enumerate(seconds)])


def fan(context: DurableOrchestrationContext) -> Any:
    """Activities at once, more than a worker has slots."""
    key, seconds = context.get_input()
    names = ("work", "toil")
    tasks = [context.call_activity(names[n % 2], [f"{key}/{n}", n, s]) for n, s in enumerate(seconds)]
    return sum((yield context.task_all(tasks)))


async def deadly(context: DurableOrchestrationContext) -> int:
    """One of its activities kills its process."""
    key = context.get_input()
    total = await context.call_activity("work", [f"{key}/0", 1, 0.1])
    total += await context.call_activity("die", [f"{key}/1", 2])
    return total + await context.call_activity("work", [f"{key}/2", 3, 0.1])


async def family(context: DurableOrchestrationContext) -> Any:
    """Children that complete, one that fails at length, and one that fails first and is tried again."""
    key, seconds, size = context.get_input()
    children = [context.call_sub_orchestrator("chain", [f"{key}/{n}", seconds]) for n in range(2)]
    failing = context.call_sub_orchestrator("failing", [f"{key}/failing", size, 1])
    totals = await context.task_all(children)
    try:
        await failing
    except TaskFailedError:
        totals.append("failed")
    retry = RetryOptions(200, 2)
    try:
        await context.call_activity_with_retry("fail", retry, [f"{key}/retried", 50])
    except TaskFailedError:
        totals.append("tried twice")
    return totals


async def failing(context: DurableOrchestrationContext) -> Any:
    """Fails with what its activity failed with, through so many generations of children."""
    key, size, depth = context.get_input()
    if depth:
        await context.call_sub_orchestrator("failing", [key, size, depth - 1])
    await context.call_activity("fail", [key, size])


async def naps(context: DurableOrchestrationContext) -> bool:
    """Short timers, one after the other; whether none fired early."""
    kept = True
    for seconds in context.get_input():
        until = context.current_utc_datetime + timedelta(seconds=seconds)
        await context.create_timer(until)
        kept = kept and context.current_utc_datetime >= until
    return kept


async def race(context: DurableOrchestrationContext) -> Any:
    """Work that wins against a long timer, which is cancelled or left behind."""
    key, seconds, cancels = context.get_input()
    alarm = context.create_timer(LONG)
    work = context.call_activity("work", [key, 5, seconds])
    winner = await context.task_any([work, alarm])
    if cancels:
        alarm.cancel()
    return "alarm" if winner is alarm else winner.result


async def alarm(context: DurableOrchestrationContext) -> Any:
    """A short timer that wins against an event that never comes."""
    timer = context.create_timer(timedelta(seconds=context.get_input()))
    event = context.wait_for_external_event("never")
    winner = await context.task_any([timer, event])
    return "alarm" if winner is timer else "event"


async def holds(context: DurableOrchestrationContext) -> Any:
    """Waits, with its children, for what never comes: meant to be terminated."""
    depth = context.get_input()
    tasks: list[Any] = [context.wait_for_external_event("never"), context.create_timer(LONG)]
    if depth:
        for number in range(2):
            child = f"{context.instance_id}-{number}"
            tasks.append(context.call_sub_orchestrator("holds", depth - 1, instance_id=child))
    await context.task_any(tasks)
    return "let go"


# --- orchestrators: events, generations, large values -------------------------------------------------------


async def listens(context: DurableOrchestrationContext) -> list[int]:
    """Takes so many events, in the order in which they come, and works between some."""
    key, count = context.get_input()
    heard: list[int] = []
    while len(heard) < count:
        heard.append(await context.wait_for_external_event("item"))
        if len(heard) % 3 == 0:
            await context.call_activity("work", [f"{key}/{len(heard)}", 1, 0.05])
    return heard


async def speaks(context: DurableOrchestrationContext) -> int:
    """Sends numbers to a listener and tells them to a journal, some at once and some apart."""
    key, listener, journal, count = context.get_input()
    for number in range(count):
        context.send_event(listener, "item", number)
        context.signal_entity(EntityId("journal", journal), "say", [key, number])
        if number % 3 == 1:
            await context.call_activity("work", [f"{key}/{number}", 1, 0.05])
        elif number % 3 == 2:
            await context.create_timer(timedelta(seconds=0.5))
    return count


async def eternal(context: DurableOrchestrationContext) -> Any:
    """Begins anew after every second event, with what it has heard, and tells a journal in the same turn."""
    key, journal, count, heard = context.get_input()
    for _ in range(2):
        heard.append(await context.wait_for_external_event("item"))
    await context.call_activity("work", [f"{key}/{len(heard)}", 1, 0.05])
    context.signal_entity(EntityId("journal", journal), "say", [key, len(heard) // 2 - 1])
    if len(heard) >= count:
        return heard
    context.continue_as_new([key, journal, count, heard])
    return None


async def lives(context: DurableOrchestrationContext) -> Any:
    """One of several lives of an id: counted once, and ended by an event for this life."""
    key, counter, life = context.get_input()
    context.signal_entity(EntityId("counter", counter), "add", 1)
    await context.call_activity("work", [f"{key}/{life}", life, 0.05])
    context.set_custom_status(life)
    return await context.wait_for_external_event("go")


async def bulky(context: DurableOrchestrationContext) -> Any:
    """Large input, result, child, event and output."""
    key, text = context.get_input()
    told = await context.call_activity("tell", [f"{key}/told", 40_000])
    echoed = await context.call_sub_orchestrator("echo", told)
    heard = await context.wait_for_external_event("item")
    return [digest(text, told, echoed, heard), told]


async def echo(context: DurableOrchestrationContext) -> Any:
    """Its input."""
    await context.create_timer(timedelta(seconds=0.2))
    return context.get_input()


# --- orchestrators: entities --------------------------------------------------------------------------------


async def counts(context: DurableOrchestrationContext) -> int:
    """Signals and calls a counter; one call fails, and does not count."""
    counter, count = context.get_input()
    entity = EntityId("counter", counter)
    for _ in range(count):
        context.signal_entity(entity, "add", 1)
    failed = 0
    try:
        await context.call_entity(entity, "fail")
    except TaskFailedError:
        failed += 1
    await context.call_entity(entity, "add", 1)
    return failed


def pays(context: DurableOrchestrationContext) -> Any:
    """Moves money between two accounts under their locks; whether there was enough."""
    source, target, amount = context.get_input()
    one, two = EntityId("account", source), EntityId("account", target)
    with (yield context.lock([one, two])):
        balance = yield context.call_entity(one, "get")
        if balance >= amount:
            yield context.task_all([context.call_entity(one, "add", -amount), context.call_entity(two, "add", amount)])
    return balance >= amount


# --- entities -----------------------------------------------------------------------------------------------


def counter(context: DurableEntityContext) -> None:
    """Adds; `fail` fails after it has counted and signalled, and must leave no trace of it."""
    value = context.get_state(lambda: 0)
    if context.operation_name == "add":
        context.set_state(value + context.get_input())
    elif context.operation_name == "fail":
        context.set_state(value + 1_000_000)
        context.signal_entity(context.entity_id, "add", 1_000_000)
        raise ValueError("counted for nothing " + "x" * 5_000)
    elif context.operation_name == "later":
        context.signal_entity(context.entity_id, "add", 1, timedelta(seconds=context.get_input()))
    context.set_result(context.get_state())


def journal(context: DurableEntityContext) -> None:
    """Keeps who said what, in order, and passes every third on to the journal behind it."""
    said = context.get_input()
    context.set_state([*context.get_state(list), said])
    if not context.entity_key.endswith("-behind") and said[1] % 3 == 0:
        context.signal_entity(EntityId("journal", f"{context.entity_key}-behind"), "say", said)


def account(context: DurableEntityContext) -> None:
    """Holds money, with a note that outgrows a column."""
    state = context.get_state(lambda: {"balance": FIRST_BALANCE, "note": noise(context.entity_key, 20_000)})
    if context.operation_name == "add":
        state["balance"] += context.get_input()
    context.set_state(state)
    context.set_result(state["balance"])


def dispatcher(context: DurableEntityContext) -> None:
    """Starts an orchestration."""
    instance_id, order = context.get_input()
    context.set_state(context.get_state(lambda: 0) + 1)
    context.schedule_new_orchestration("chain", order, instance_id)


def build(effects: Effects) -> Registry:
    """Everything above, registered."""
    registry = Registry()
    activities = Activities(effects)
    for activity in (activities.work, activities.toil, activities.tell, activities.fail, activities.die):
        registry.activities.add(ActivityDefinition(activity.__name__, activity, "order"))
    for orchestrator in (
        *(chain, fan, deadly, family, failing, naps, race, alarm, holds),
        *(listens, speaks, eternal, lives, bulky, echo, counts, pays),
    ):
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))
    for entity in (counter, journal, account, dispatcher):
        registry.entities.add(EntityDefinition(entity.__name__, entity))
    return registry
