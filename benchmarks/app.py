"""What the benchmarks run: orchestrators and activities that do next to nothing themselves."""

from __future__ import annotations

from datetime import timedelta

import azure_durable_py as df
from azure_durable_py.registry import ActivityDefinition, OrchestratorDefinition, Registry

CITIES = ("Tokyo", "Seattle", "London")
FAR = timedelta(days=1)


async def hello_cities(context: df.DurableOrchestrationContext) -> list[str]:
    """Three activities, one after the other: the first example of every such framework."""
    return [await context.call_activity("say_hello", city) for city in CITIES]


async def hello_cities_sync(context: df.DurableOrchestrationContext) -> list[str]:
    """The same with activities that are ordinary functions, which run in threads."""
    return [await context.call_activity("say_hello_sync", city) for city in CITIES]


async def chain(context: df.DurableOrchestrationContext) -> None:
    """As many activities in sequence as the input says."""
    for number in range(context.get_input()):
        await context.call_activity("work", number)


async def fan_out(context: df.DurableOrchestrationContext) -> None:
    """As many activities at once as the input says."""
    await context.task_all([context.call_activity("work", number) for number in range(context.get_input())])


async def children(context: df.DurableOrchestrationContext) -> None:
    """As many sub-orchestrations at once as the input says, each with one activity."""
    await context.task_all([context.call_sub_orchestrator("chain", 1) for _ in range(context.get_input())])


async def listener(context: df.DurableOrchestrationContext) -> None:
    """Wait for as many external events as the input says, one after the other."""
    for _ in range(context.get_input()):
        await context.wait_for_external_event("news")


async def courier(context: df.DurableOrchestrationContext) -> None:
    """Carry a text through three activities, each of which returns it."""
    parcel: str = context.get_input()
    for _ in range(3):
        parcel = await context.call_activity("carry", parcel)


async def holder(context: df.DurableOrchestrationContext) -> None:
    """Wait for an activity that does not end before it may."""
    await context.call_activity("hold")


async def sleeper(context: df.DurableOrchestrationContext) -> None:
    """Sleep for long."""
    await context.create_timer(FAR)


async def say_hello(city: str) -> str:
    """Greet a city."""
    return f"Hello {city}!"


def say_hello_sync(city: str) -> str:
    """Greet a city, in a thread."""
    return f"Hello {city}!"


async def work(number: int) -> int:
    """Return what is given."""
    return number


async def carry(parcel: str) -> str:
    """Return what is given."""
    return parcel


def registry() -> Registry:
    """All of it."""
    made = Registry()
    for orchestrator in (hello_cities, hello_cities_sync, chain, fan_out, children, listener, courier, holder, sleeper):
        made.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))
    for activity, parameter in ((say_hello, "city"), (say_hello_sync, "city"), (work, "number"), (carry, "parcel")):
        made.activities.add(ActivityDefinition(activity.__name__, activity, parameter))
    return made
