"""Orchestrators of every kind, with their activities: what the golden histories were recorded from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure_durable_py.durable_http import HTTP_ACTIVITY, DurableHttpResponse
from azure_durable_py.errors import TaskFailedError
from azure_durable_py.ids import EntityId
from azure_durable_py.retry_policy import HttpRetryOptions, RetryOptions, RetryPolicy


def chain(context):
    value = context.get_input()
    for step in ("double", "increment", "double"):
        value = yield context.call_activity(step, value)
    return value


async def fan_out(context):
    parts = await context.call_activity("split", context.get_input())
    return sum(await context.task_all([context.call_activity("double", part) for part in parts]))


def partial_failure(context):
    tasks = [context.call_activity("fail_if_odd", number) for number in range(4)]
    results = []
    while tasks:
        winner = yield context.task_any(tasks)
        tasks.remove(winner)
        results.append("failed" if winner.is_faulted else winner.result)
    return results


def approval(context):
    yield context.call_activity("double", 1)
    deadline = context.create_timer(timedelta(hours=1))
    answer = context.wait_for_external_event("Approval")
    winner = yield context.task_any([answer, deadline])
    if winner is deadline:
        context.set_custom_status("too late")
        return "escalated"
    deadline.cancel()
    return answer.result


def monitor(context):
    polls = context.get_input()
    state = yield context.call_activity("increment", polls)
    if state >= 3:
        return state
    yield context.create_timer(context.current_utc_datetime + timedelta(minutes=5))
    context.continue_as_new(state)


def rewound(context):
    """Fails until it is rewound: `later` does its work then."""
    first = yield context.call_activity("double", context.get_input())
    found = yield context.task_all([context.call_activity(name, first) for name in ("increment", "later")])
    inside = yield context.call_sub_orchestrator("chain", found[1])
    return [*found, inside]


async def saga(context):
    done = []
    try:
        for step in ("double", "increment", "always_fail"):
            await context.call_activity(step, 1)
            done.append(step)
    except TaskFailedError as error:
        for step in reversed(done):
            await context.call_activity("undo", step)
        return [done, error.details.error_type]


def retries(context):
    options = RetryPolicy(timedelta(seconds=2), 3, backoff_coefficient=2)
    try:
        yield context.call_activity_with_retry("always_fail", options)
    except TaskFailedError:
        return (yield context.call_sub_orchestrator_with_retry("chain", RetryOptions(100, 2), 5))


def family(context):
    context.set_custom_status({"id": context.new_uuid()})
    entity = EntityId("Counter", "one")
    context.signal_entity(entity, "add", 1)
    context.send_event("elsewhere", "hello", context.new_uuid())
    one = yield context.call_sub_orchestrator("chain", 1)
    two = yield context.call_sub_orchestrator("fan_out", 4, instance_id="a-child")
    three = yield context.call_entity(entity, "get", [one])
    return [one, two, three]


async def concurrent(context):
    """In plain asyncio; by 3.10's means, and with a random number."""
    told = []

    async def part(number):
        await asyncio.sleep(number)
        told.append(await context.call_activity("double", number))
        return number

    waiting = asyncio.create_task(asyncio.wait_for(context.wait_for_external_event("never"), 30))
    for first in asyncio.as_completed([part(number) for number in (3, 1, 2)]):
        told.append(await first)  # noqa: PERF401 - others append meanwhile
    results = await asyncio.gather(
        waiting, context.call_activity("always_fail"), part(context.random.randrange(5, 9)), return_exceptions=True
    )
    told.append([isinstance(result, Exception) for result in results])
    return told


async def http_call(context):
    options = HttpRetryOptions(timedelta(seconds=2), 3, status_codes_to_retry=[503])
    response = await context.call_http(
        "POST", "https://films.test/render", context.get_input(), timeout=600, retry_options=options
    )
    return response.json()


def plain(context):
    return {"hello": context.get_input()}


def _always_fail(_: Any) -> None:
    raise ValueError("as always")


def _fail_if_odd(number: int) -> int:
    if number % 2:
        raise ValueError(number)
    return number


def _films(request: dict[str, Any]) -> dict[str, Any]:
    """The first two answers are 202, so that their pauses differ; then the film is there."""
    if request["method"] == "POST":
        return DurableHttpResponse(202, {"Location": "/films/1", "Retry-After": "10"}).to_plain()
    if request["uri"].endswith("/films/1"):
        return DurableHttpResponse(202, {"Location": "https://other.test/films/2"}).to_plain()
    return DurableHttpResponse(200, {"Content-Type": "application/json"}, '{"film":1}').to_plain()


ACTIVITIES: Mapping[str, Callable[[Any], Any]] = {
    "double": lambda value: 2 * value,
    "increment": lambda value: value + 1,
    "split": lambda count: list(range(count)),
    "fail_if_odd": _fail_if_odd,
    "always_fail": _always_fail,
    "undo": lambda step: f"undone {step}",
    HTTP_ACTIVITY: _films,
}


@dataclass(frozen=True)
class Sample:
    """One run to record; `events` are raised, each in a turn of its own, after the first turn.

    `rewinds`: how often it fails and is rewound.
    """

    function: Callable[[Any], Any]
    value: Any
    output: Any
    events: tuple[tuple[str, Any], ...] = ()
    rewinds: int = 0


SAMPLES: Mapping[str, Sample] = {
    "chain": Sample(chain, 3, 14),
    "fan_out": Sample(fan_out, 5, 20),
    "partial_failure": Sample(partial_failure, None, [0, "failed", 2, "failed"]),
    "approved": Sample(approval, None, "yes", (("other", 0), ("APPROVAL", "yes"))),
    "escalated": Sample(approval, None, "escalated"),
    "monitor": Sample(monitor, 0, 3),
    "rewound": Sample(rewound, 1, [3, 2, 10], rewinds=1),
    "saga": Sample(saga, None, [["double", "increment"], "ValueError"]),
    "retries": Sample(retries, None, 22),
    "family": Sample(family, None, [6, 12, ["get", [6]]]),
    "concurrent": Sample(concurrent, None, [2, 1, 4, 2, 6, 3, 10, [True, True, False]]),
    "http_call": Sample(http_call, {"name": "M"}, {"film": 1}),
    "plain": Sample(plain, "you", {"hello": "you"}),
}
FUNCTIONS = (
    *(chain, fan_out, partial_failure, approval, monitor, rewound, saga, retries, family, concurrent, http_call, plain),
)
