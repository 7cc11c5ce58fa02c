"""azure-functions-durable: what its worker does with a history. The rest of its engine is the .NET host's extension."""

# The type checker does not see the environment that this runs in.
# pyright: basic, reportMissingImports=false

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import azure.durable_functions as df
from azure.durable_functions.models.history import HistoryEventType
from azure.durable_functions.models.ReplaySchema import ReplaySchema
from azure.durable_functions.orchestrator import Orchestrator

from benchmarks.peers.measuring import CITIES, Acts, main

MOMENT = "2026-01-01T00:00:00.0000000Z"


def chain(context: df.DurableOrchestrationContext) -> Any:
    got = []
    for _ in range(context.get_input()):
        got.append((yield context.call_activity("say_hello", CITIES[0])))
    return len(got)


def fan_out(context: df.DurableOrchestrationContext) -> Any:
    width = context.get_input()
    got = yield context.task_all([context.call_activity("say_hello", str(number)) for number in range(width)])
    return len(got)


class Replay(Acts):
    """Runs orchestrators over histories such as the host sends them."""

    async def replay(self, *, fan_out: bool, size: int) -> Callable[[], object]:
        function = globals()["fan_out" if fan_out else "chain"]
        # As `Orchestrator.create` reads what the host sent; that it reads each event of it is no part of the replay.
        context = df.DurableOrchestrationContext.from_json(
            json.dumps(
                {
                    "history": _history(fan_out=fan_out, size=size),
                    "instanceId": "replayed",
                    "isReplaying": True,
                    "parentInstanceId": None,
                    "input": json.dumps(size),
                    "upperSchemaVersion": ReplaySchema.V3.value,
                    "maximumShortTimerDuration": "6.00:00:00",
                    "longRunningTimerIntervalDuration": "3.00:00:00",
                }
            )
        )
        return lambda: json.loads(Orchestrator(function).handle(context))["output"]


def _history(*, fan_out: bool, size: int) -> list[dict[str, Any]]:
    begun = _event(HistoryEventType.ORCHESTRATOR_STARTED)
    completed = _event(HistoryEventType.ORCHESTRATOR_COMPLETED)
    start = _event(HistoryEventType.EXECUTION_STARTED, Name="replayed", Version=None, Input=json.dumps(size))
    asked = [_event(HistoryEventType.TASK_SCHEDULED, number, Name="say_hello") for number in range(size)]
    answered = [
        _event(HistoryEventType.TASK_COMPLETED, TaskScheduledId=number, Result='"Hello!"') for number in range(size)
    ]
    if fan_out:
        return [begun, start, *asked, completed, begun, *answered]
    history = [begun, start]
    for one, other in zip(asked, answered, strict=True):
        history += [one, completed, begun, other]
    return history


def _event(kind: HistoryEventType, number: int = -1, **more: object) -> dict[str, Any]:
    return {"EventType": kind.value, "EventId": number, "IsPlayed": False, "Timestamp": MOMENT, **more}


@asynccontextmanager
async def replay() -> AsyncIterator[Replay]:
    """No host: only the part that runs a history."""
    yield Replay()


if __name__ == "__main__":
    main({"replay": replay})
