"""`run` and `play`: an app on a virtual hub, in one call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.runtime.cold import Replay
from azure_durable_py.settings import Settings
from azure_durable_py.testing.apps import App
from azure_durable_py.testing.arguments import check_arguments
from azure_durable_py.testing.virtual.hub import EPOCH, VirtualHub
from azure_durable_py.testing.virtual.scripted_http import AnswerHttp
from azure_durable_py.testing.virtual.time import PATIENCE, run_virtual

T = TypeVar("T")


def run(
    app: App,
    name: str | Callable[..., Any],
    input: Any = None,
    *,
    instance_id: str | None = None,
    settings: Settings | None = None,
    seed: int | str = 0,
    epoch: datetime = EPOCH,
    within: timedelta = PATIENCE,
    http: AnswerHttp | None = None,
    replay: Replay = "when-needed",
) -> DurableOrchestrationStatus:
    """Run one orchestration to its end, in memory and at virtual time, and return its status.

    Its activities, sub-orchestrations and entities run as well; its timers take no time. One that fails has a status
    that says so: look at `runtime_status` and `failure`.

    :param app: an app, a plain `azure.functions.FunctionApp` or a blueprint.
    :param name: the orchestrator by name, or the decorated function.
    :param input: its input; None: no input.
    :param instance_id: the id of the instance (default: one that the seed decides).
    :param settings: as from host.json.
    :param seed: decides random ids.
    :param epoch: the UTC time at which it is started.
    :param within: how long it may take at most, in its own time.
    :param http: answers the requests of `call_http`: gets a `DurableHttpRequest`, gives a `DurableHttpResponse`. It may
        be `async def`. What it raises is what the request fails with. None: such requests fail.
    :param replay: `"every-turn"`: each turn is at once run again from its history; an orchestrator that then does
        something else fails with `NonDeterminismError`. Takes the square of the time, which is nothing for most.
    :raises FunctionNotFoundError: the app has no such orchestrator.
    :raises StuckError: it waits for what never comes, or is not over within its time. It says what it waits for.
    :raises RuntimeError: an event loop is running already.
    """
    __tracebackhide__ = True

    async def scenario(hub: VirtualHub) -> DurableOrchestrationStatus:
        if isinstance(name, str):
            hub.registry.orchestrators.get(name)
        started = await hub.client.start_new(name, instance_id, input)
        return await hub.client.wait_for_completion(started)

    return play(app, scenario, settings=settings, seed=seed, epoch=epoch, within=within, http=http, replay=replay)


def play(
    app: App,
    scenario: Callable[[VirtualHub], Coroutine[Any, Any, T]],
    *,
    settings: Settings | None = None,
    seed: int | str = 0,
    epoch: datetime = EPOCH,
    workers: int = 1,
    within: timedelta = PATIENCE,
    http: AnswerHttp | None = None,
    replay: Replay = "when-needed",
) -> T:
    """Play a scenario with an app that is served in memory, at virtual time, and return what it returns.

    The scenario has the hub's `client` to start, steer and look at instances, and lets time pass with
    `await asyncio.sleep(seconds)`.

    :param app: an app, a plain `azure.functions.FunctionApp` or a blueprint.
    :param scenario: `async def scenario(hub)`.
    :param settings: as from host.json.
    :param seed: decides random ids and jitter.
    :param epoch: the UTC time at which it begins.
    :param workers: how many workers serve the app.
    :param within: how long it may take at most, in its own time.
    :param http: answers the requests of `call_http`: gets a `DurableHttpRequest`, gives a `DurableHttpResponse`. It may
        be `async def`. What it raises is what the request fails with. None: such requests fail.
    :param replay: `"every-turn"`: each turn is at once run again from its history; an orchestrator that then does
        something else fails with `NonDeterminismError`.
    :raises StuckError: it waits for what never comes, or is not over within its time.
    :raises RuntimeError: an event loop is running already.
    """
    __tracebackhide__ = True

    check_arguments(settings=settings, epoch=epoch, replay=replay, workers=workers, within=within, http=http)

    async def main() -> T:
        __tracebackhide__ = True
        async with VirtualHub(app, settings, seed=seed, epoch=epoch, workers=workers, http=http, replay=replay) as hub:
            return await scenario(hub)

    return run_virtual(main(), within=within)
