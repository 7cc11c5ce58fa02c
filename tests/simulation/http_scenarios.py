"""What is played with HTTP calls: a server that takes its time and fails, and is asked twice when processes die."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

from azure_durable_py.durable_http import DurableHttpRequest, DurableHttpResponse
from azure_durable_py.errors import HttpRequestError, TaskFailedError
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.retry_policy import HttpRetryOptions
from azure_durable_py.runtime.context import DurableOrchestrationContext
from tests.simulation.world import World

# --- the app -------------------------------------------------------------------------------------------

_PATIENT = HttpRetryOptions(timedelta(seconds=2), 60, status_codes_to_retry=[503])


async def orders(context: DurableOrchestrationContext) -> Any:
    """Places orders side by side, and returns what came of them."""
    calls = [
        context.call_http(
            "PUT",
            f"https://shop.test/orders/{context.instance_id}-{number}",
            {"number": number},
            retry_options=_PATIENT,
        )
        for number in range(context.get_input())
    ]
    return [response.json() for response in await context.task_all(calls)]


async def hurried(context: DurableOrchestrationContext) -> Any:
    """Places an order that takes for ever, and gives up; then one that does not."""
    begun, late = context.current_utc_datetime, False
    try:
        await context.call_http(
            "PUT", f"https://shop.test/never/{context.instance_id}", timeout=90, retry_options=_PATIENT
        )
    except TaskFailedError as error:
        late = error.details.is_caused_by("HttpTimeoutError")
    waited = (context.current_utc_datetime - begun).total_seconds()
    response = await context.call_http(
        "PUT", f"https://shop.test/orders/{context.instance_id}-0", {"number": 0}, retry_options=_PATIENT
    )
    return [late, waited >= 90, response.json()]


def add_http(registry: Registry) -> None:
    """Register everything above."""
    for orchestrator in (orders, hurried):
        registry.orchestrators.add(OrchestratorDefinition(orchestrator.__name__, orchestrator))


# --- the server ------------------------------------------------------------------------------------------


class Shop:
    """Takes orders under the ids that callers give, and is done with each some time later."""

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._dice = random.Random(seed)
        self._ready: dict[str, float] = {}
        self.placed: Counter[str] = Counter()
        self.finished: set[str] = set()

    async def __call__(self, request: DurableHttpRequest) -> DurableHttpResponse:
        await asyncio.sleep(self._dice.uniform(0.0, 3.0))
        self._fail_now_and_then(request)
        path = request.uri.removeprefix("https://shop.test")
        response = self._place(path) if request.method == "PUT" else self._look(path)
        await asyncio.sleep(self._dice.uniform(0.0, 1.0))
        # It had its effect, and nobody hears of it.
        self._fail_now_and_then(request)
        return response

    def _fail_now_and_then(self, request: DurableHttpRequest) -> None:
        if self._dice.random() < 0.1:
            raise HttpRequestError(f"{request.subject}: connection reset")

    def _place(self, path: str) -> DurableHttpResponse:
        if self._dice.random() < 0.1:
            raise HttpRequestError("503")
        self.placed[path] += 1
        never = path.startswith("/never/")
        self._ready.setdefault(path, float("inf") if never else self._world.now + self._dice.uniform(0.0, 60.0))
        return self._not_yet(path)

    def _look(self, path: str) -> DurableHttpResponse:
        order = path.removesuffix("/state")
        if self._world.now < self._ready[order]:
            return self._not_yet(order)
        self.finished.add(order)
        return DurableHttpResponse(200, {"Content-Type": "application/json"}, f'"{order} is done"')

    def _not_yet(self, order: str) -> DurableHttpResponse:
        return DurableHttpResponse(202, {"Location": f"{order}/state", "Retry-After": str(self._dice.randint(2, 9))})


# --- the scenarios ---------------------------------------------------------------------------------------


async def http_calls(world: World) -> None:
    """Every order is placed and waited for to its end, however often requests are made again."""
    shop = Shop(world, world.dice.getrandbits(32))
    world.answer_http = shop
    counts = {f"orders-{number}": world.dice.randint(1, 4) for number in range(3)}
    for instance_id, count in counts.items():
        await world.start("orders", instance_id, str(count))
        await world.nap(20.0)
    await world.start("hurried", "hurried")
    for header, (instance_id, count) in zip(await world.finished(*counts), counts.items(), strict=True):
        wanted = [f"/orders/{instance_id}-{number} is done" for number in range(count)]
        assert await world.value_of(header) == wanted
    [header] = await world.finished("hurried")
    assert await world.value_of(header) == [True, True, "/orders/hurried-0 is done"]
    wanted_orders = {f"/orders/{name}-{at}" for name, count in counts.items() for at in range(count)}
    assert shop.finished == wanted_orders | {"/orders/hurried-0"}
    assert set(shop.placed) - {"/never/hurried"} == shop.finished


HTTP_SCENARIOS = (http_calls,)
