"""Orchestrators of every kind, with their activities: what the golden histories were recorded from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from azure_durable_py.durable_http import HTTP_ACTIVITY, DurableHttpResponse
from azure_durable_py.errors import ScheduleNotFoundError, TaskFailedError
from azure_durable_py.ids import EntityId
from azure_durable_py.registry import Registry
from azure_durable_py.retry_policy import HttpRetryOptions, RetryOptions, RetryPolicy
from azure_durable_py.schedules.entity import LOOK, WATCHER
from azure_durable_py.schedules.functions import OPERATION, SEE_TO_RUN, Instances, add_schedules, look, operate, watch
from tests.runtime.harness import registry_of


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


def _run_of_schedule(name: str, text: str) -> dict[str, Any]:
    return {
        "schedule_id": "nightly",
        "orchestrator": "chain",
        "input_json": text,
        "instance_id": f"nightly-{name}",
        "version": "2.0",
    }


def _seen_run(name: str, *, surely_started: bool) -> dict[str, Any]:
    return {"instance_id": f"nightly-{name}", "watcher": f"watcher-{name}", "surely_started": surely_started}


def _see_to_run(run: dict[str, Any]) -> bool:
    if run["instance_id"] == "nightly-unreachable":
        raise OSError("no answer")
    return run["surely_started"]


def _no_such_schedule(_: Any) -> None:
    raise ScheduleNotFoundError("There is no schedule 'nightly' in this task hub.")


ACTIVITIES: Mapping[str, Callable[[Any], Any]] = {
    "double": lambda value: 2 * value,
    "increment": lambda value: value + 1,
    "split": lambda count: list(range(count)),
    "fail_if_odd": _fail_if_odd,
    "always_fail": _always_fail,
    "undo": lambda step: f"undone {step}",
    HTTP_ACTIVITY: _films,
    SEE_TO_RUN: _see_to_run,
}
OPERATIONS: Mapping[str, Callable[[Any], Any]] = {"resume": _no_such_schedule}


@dataclass(frozen=True)
class Sample:
    """One run to record; `events` are raised, each in a turn of its own, after the first turn.

    `rewinds`: how often it fails and is rewound. `built_in`: the name under which it is the engine's own.
    """

    function: Callable[[Any], Any]
    value: Any
    output: Any
    events: tuple[tuple[str, Any], ...] = ()
    rewinds: int = 0
    built_in: str | None = None

    @property
    def name(self) -> str:
        """The name under which it is started."""
        return self.built_in or self.function.__name__


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
    "schedule_operation": Sample(
        operate, ["nightly", "pause", "for now"], {"result": ["pause", "for now"]}, built_in=OPERATION
    ),
    "schedule_operation_refused": Sample(
        operate,
        ["nightly", "resume", None],
        {
            "error": "azure_durable_py.errors.ScheduleNotFoundError",
            "message": "There is no schedule 'nightly' in this task hub.",
        },
        built_in=OPERATION,
    ),
    "scheduled_run": Sample(
        watch, _run_of_schedule("one", "3"), {"instance_id": "nightly-one", "failed": False}, built_in=WATCHER
    ),
    "scheduled_run_failed": Sample(
        watch, _run_of_schedule("two", "null"), {"instance_id": "nightly-two", "failed": True}, built_in=WATCHER
    ),
    "schedule_look": Sample(
        look,
        {
            "schedule_id": "nightly",
            "terminate": True,
            "runs": [
                _seen_run("over", surely_started=True),
                _seen_run("unreachable", surely_started=True),
                _seen_run("running", surely_started=False),
            ],
        },
        None,
        built_in=LOOK,
    ),
}


def registry() -> Registry:
    """What the samples run in."""

    def no_client() -> Instances:
        raise AssertionError("activities are fakes here")

    own = dict.fromkeys(sample.function for sample in SAMPLES.values() if sample.built_in is None)
    made = registry_of(*own)
    add_schedules(made, no_client)
    return made
