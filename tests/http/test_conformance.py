"""The HTTP management API as the .NET extension has it: every route, verb, parameter and status, as one table.

Each row says what there is, what is asked, and what is answered. What is there is made by the real engine: an instance
`one` in some state, an entity `box`. What is left out of an answer may be anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

import azure_durable_py as df
from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.wire import Request
from azure_durable_py.testing import VirtualHub, play

BASE = "http://localhost:7071/runtime/webhooks/durabletask"
EPOCH = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
app = df.DFApp()


@app.orchestration_trigger(context_name="context")
def hello(context: df.DurableOrchestrationContext):
    """Takes 20 seconds, and calls one of everything."""
    context.set_custom_status("busy")
    greeting = yield context.call_activity("greet", context.get_input())
    yield context.call_sub_orchestrator("nothing", 1, instance_id=f"{context.instance_id}-child")
    yield context.create_timer(timedelta(seconds=20))
    return greeting


@app.activity_trigger(input_name="name")
def greet(name: Any) -> Any:
    return f"Hello {name}!"


@app.orchestration_trigger(context_name="context")
def nothing(context: df.DurableOrchestrationContext) -> None:
    del context


@app.orchestration_trigger(context_name="context")
def boom(context: df.DurableOrchestrationContext):
    yield context.create_timer(timedelta(seconds=1))
    raise ValueError("boom")


@app.orchestration_trigger(context_name="context")
def waits(context: df.DurableOrchestrationContext):
    return (yield context.wait_for_external_event("Go"))


@app.entity_trigger(context_name="context")
def box(context: df.DurableEntityContext) -> None:
    context.set_state([context.operation_name, context.get_input()])


# --- what there is ---------------------------------------------------------------------------------------


async def _make(hub: VirtualHub, given: str) -> None:
    client = hub.client
    match given:
        case "nothing":
            return
        case "Pending":
            await client.start_new("hello", "one", "you", start_at=EPOCH + timedelta(days=1))
            return
        case "Completed":
            await client.start_new("hello", "one", "you")
        case "Failed":
            await client.start_new("boom", "one")
        case "entity":
            await client.signal_entity(df.EntityId("box", "a"), "put", 1)
        case "two entities":
            await client.signal_entity(df.EntityId("box", "a"), "put", 1)
            await client.signal_entity(df.EntityId("box", "b"), "put", 2)
        case "three":
            await client.start_new("hello", "one", "you")
            await asyncio.sleep(3600)
            await client.start_new("boom", "two")
            await client.start_new("waits", "three")
        case _:
            await client.start_new("waits", "one", {"a": 1})
            await client.wait_for_start("one")
            if given == "Terminated":
                await client.terminate("one", "enough")
            elif given == "Suspended":
                await client.suspend("one", "later")
    await hub.at_rest()


class Row(NamedTuple):
    """`told` is a part of the answer: a name of a header ends with a colon, all others are in the JSON body."""

    given: str
    asked: str
    status: int
    told: Any = None
    body: Any = None
    kind: str = "application/json"


PAYLOAD = (
    "id",
    "statusQueryGetUri",
    "sendEventPostUri",
    "terminatePostUri",
    "rewindPostUri",
    "purgeHistoryDeleteUri",
    "restartPostUri",
    "suspendPostUri",
    "resumePostUri",
)
ACCEPTED = {"Location:": f"{BASE}/instances/", "Retry-After:": "10", **dict.fromkeys(PAYLOAD, ...)}
ERROR = {"Message": ...}
RAISED = {"Message": ..., "ExceptionMessage": ..., "ExceptionType": ...}
START = "POST /orchestrators"
ONE = "/instances/one"

# fmt: off
STARTING = (
    # POST orchestrators/{functionName}/{instanceId?}: start
    Row("nothing", f"{START}/hello", 202, ACCEPTED, "you"),
    Row("nothing", f"{START}/hello/one", 202, {**ACCEPTED, "id": "one"}, "you"),
    Row("nothing", f"{START}/HELLO/one/", 202, {"id": "one"}),
    Row("nothing", f"{START}/hello/one?version=2.0", 202),
    Row("Completed", f"{START}/hello/one", 202),
    Row("nothing", f"{START}/helo", 400, RAISED),
    Row("nothing", f"{START}/hello", 400, ERROR, b"{"),
    Row("nothing", f"{START}/hello/@one", 400, RAISED),
    Row("nothing", f"{START}/hello/a%2Fb", 400, RAISED),
    Row("nothing", f"{START}/hello/{'x' * 257}", 400, RAISED),
    Row("Running", f"{START}/hello/one", 409, RAISED),
    Row("nothing", START, 404),
    Row("nothing", "GET /orchestrators/hello", 404),
    Row("nothing", "PUT /orchestrators/hello/one", 404),
    # timeout and pollingInterval, in seconds: wait for the end
    Row("nothing", f"{START}/hello?timeout=60&pollingInterval=1", 200, "Hello you!", "you"),
    Row("nothing", f"{START}/nothing?timeout=60&pollingInterval=.5", 200, None),
    Row("nothing", f"{START}/boom/one?timeout=60&pollingInterval=1", 200,
        {"instanceId": "one", "runtimeStatus": "Failed", "createdTime": ...}),
    Row("nothing", f"{START}/boom?timeout=60&pollingInterval=1&returnInternalServerErrorOnFailure=true", 200),
    Row("nothing", f"{START}/hello?timeout=5&pollingInterval=1", 202, ACCEPTED),
    Row("nothing", f"{START}/hello?timeout=60", 202, ACCEPTED),
    Row("nothing", f"{START}/hello?pollingInterval=1", 202, ACCEPTED),
    Row("nothing", f"{START}/hello?timeout=60&pollingInterval=soon", 202, ACCEPTED),
    Row("nothing", f"{START}/hello?timeout=1&pollingInterval=2", 400, ERROR),
)

STATUS = {
    "name": "hello",
    "instanceId": "one",
    "runtimeStatus": "Completed",
    "input": "you",
    "customStatus": "busy",
    "output": "Hello you!",
    "createdTime": "2026-03-01T12:00:00Z",
    "lastUpdatedTime": "2026-03-01T12:00:20Z",
}

READING = (
    # GET instances/{instanceId}: status
    Row("Completed", f"GET {ONE}", 200, {**STATUS, "historyEvents": None}),
    Row("Pending", f"GET {ONE}?x=y", 202,
        {"runtimeStatus": "Pending", "Location:": f"{BASE}{ONE}?x=y", "Retry-After:": "5", "output": None}),
    Row("Running", f"GET {ONE}", 202, {"runtimeStatus": "Running", "Location:": f"{BASE}{ONE}", "input": {"a": 1}}),
    Row("Suspended", f"GET {ONE}", 202, {"runtimeStatus": "Suspended"}),
    Row("Terminated", f"GET {ONE}", 200, {"runtimeStatus": "Terminated", "output": "enough", "Location:": None}),
    Row("Failed", f"GET {ONE}", 200, {"runtimeStatus": "Failed"}),
    Row("Failed", f"GET {ONE}?returnInternalServerErrorOnFailure=true", 500, {"runtimeStatus": "Failed"}),
    Row("Failed", f"GET {ONE}?returnInternalServerErrorOnFailure=TRUE", 500),
    Row("Failed", f"GET {ONE}?returnInternalServerErrorOnFailure=1", 200),
    Row("Terminated", f"GET {ONE}?returnInternalServerErrorOnFailure=true", 200),
    Row("Completed", f"GET {ONE}?showInput=false", 200, {**STATUS, "input": None}),
    Row("Completed", f"GET {ONE}?showInput=no", 200, STATUS),
    Row("nothing", f"GET {ONE}", 404),
    Row("nothing", "GET /instances/@box@a", 404),
    Row("nothing", f"GET /instances/{'x' * 257}", 404),
    Row("Running", f"PUT {ONE}", 404, {"Allow:": "DELETE, GET"}),
    Row("Running", f"POST {ONE}", 404),
    # GET instances: list
    Row("nothing", "GET /instances", 200, []),
    Row("three", "GET /instances/", 200, [{"instanceId": "one", "historyEvents": None}, {"instanceId": "one-child"},
                                          {"instanceId": "three"}, {"instanceId": "two"}]),
    Row("Completed", "GET /instances?instanceIdPrefix=one&runtimeStatus=Completed", 200, [STATUS, ...]),
    Row("Completed", "GET /instances?instanceIdPrefix=one&showInput=false", 200, [{**STATUS, "input": None}, ...]),
    Row("three", "GET /instances?runtimeStatus=Failed,Running", 200, [{"instanceId": "three"}, {"instanceId": "two"}]),
    Row("three", "GET /instances?runtimeStatus=Failed&runtimeStatus=Running", 200, [..., ...]),
    Row("three", "GET /instances?runtimeStatus=", 200, [..., ..., ..., ...]),
    Row("three", "GET /instances?instanceIdPrefix=t", 200, [{"instanceId": "three"}, {"instanceId": "two"}]),
    Row("three", "GET /instances?createdTimeFrom=2026-03-01T12:30:00Z", 200, [..., ...]),
    Row("three", "GET /instances?createdTimeFrom=3/1/2026%2012:30:00%20PM", 200, [..., ...]),
    Row("three", "GET /instances?createdTimeFrom=Sun,%2001%20Mar%202026%2012:30:00%20GMT", 200, [..., ...]),
    Row("three", "GET /instances?createdTimeTo=2026-03-01T13:30:00%2B01:00", 200, [..., ...]),
    Row("three", "GET /instances?createdTimeFrom=2026-03-02&createdTimeTo=", 200, []),
    Row("three", "GET /instances?top=1", 200, {"x-ms-continuation-token:": ...}),
    Row("three", "GET /instances?top=4000", 200, [..., ..., ..., ...]),
    Row("three", "GET /instances?top=many", 200, [..., ..., ..., ...]),
    Row("three", "GET /instances", 200, {"x-ms-continuation-token:": ""}),
    Row("nothing", "GET /instances?top=0", 400, ERROR),
    Row("nothing", "GET /instances?runtimeStatus=Complete", 400, RAISED),
    Row("nothing", "GET /instances?createdTimeFrom=yesterday", 400, ERROR),
    Row("nothing", "POST /instances", 404),
)

STEERING = (
    # POST instances/{instanceId}/raiseEvent/{eventName}
    Row("Running", f"POST {ONE}/raiseEvent/Go", 202, "", {"a": 1}),
    Row("Running", f"POST {ONE}/raiseevent/Go", 202, ""),
    Row("Suspended", f"POST {ONE}/raiseEvent/Go", 202, ""),
    Row("Running", f"POST {ONE}/raiseEvent/Go", 400, ERROR, b"{"),
    Row("nothing", f"POST {ONE}/raiseEvent/Go", 404),
    *(Row(state, f"POST {ONE}/raiseEvent/Go", 410) for state in ("Completed", "Failed", "Terminated")),
    Row("Running", f"POST {ONE}/raiseEvent", 404),
    Row("Running", f"GET {ONE}/raiseEvent/Go", 404),
    # POST instances/{instanceId}/terminate, suspend, resume: reason
    *(row for verb in ("terminate", "suspend", "resume") for row in (
        Row("Running", f"POST {ONE}/{verb}?reason=because", 202, ""),
        Row("Pending", f"POST {ONE}/{verb}", 202, ""),
        Row("Suspended", f"POST {ONE}/{verb}", 202, ""),
        Row("nothing", f"POST {ONE}/{verb}", 404),
        *(Row(state, f"POST {ONE}/{verb}", 410) for state in ("Completed", "Failed", "Terminated")),
        Row("Running", f"GET {ONE}/{verb}", 404),
    )),
    Row("Running", f"POST {ONE}/terminate?recursive=maybe", 400, ERROR),
    Row("Running", f"POST {ONE}/other", 404),
    # POST instances/{instanceId}/restart: restartWithNewInstanceId, timeout, pollingInterval
    *(Row(state, f"POST {ONE}/restart", 202, ACCEPTED) for state in ("Running", "Completed", "Failed", "Terminated")),
    Row("Completed", f"POST {ONE}/restart?restartWithNewInstanceId=false", 202, {**ACCEPTED, "id": "one"}),
    Row("Completed", f"POST {ONE}/restart?restartWithNewInstanceId=TRUE&timeout=60&pollingInterval=1", 200,
        "Hello you!"),
    Row("Failed", f"POST {ONE}/restart?timeout=60&pollingInterval=1", 200, {"runtimeStatus": "Failed"}),
    Row("Completed", f"POST {ONE}/restart?timeout=60", 202, ACCEPTED),
    Row("Completed", f"POST {ONE}/restart?timeout=1&pollingInterval=60", 400, ERROR),
    Row("Running", f"POST {ONE}/restart?restartWithNewInstanceId=false", 409),
    Row("Completed", f"POST {ONE}/restart?restartWithNewInstanceId=0", 400, ERROR),
    Row("nothing", f"POST {ONE}/restart", 400, ERROR),
    # DELETE instances/{instanceId}: purge
    *(Row(state, f"DELETE {ONE}", 200, {"instancesDeleted": 1}) for state in ("Completed", "Failed", "Terminated")),
    Row("Running", f"DELETE {ONE}", 409),
    Row("nothing", f"DELETE {ONE}", 404),
    # DELETE instances: purge by filter
    Row("three", "DELETE /instances?createdTimeFrom=2026-01-01", 200, {"instancesDeleted": 3}),
    Row("three", "DELETE /instances?createdTimeFrom=2026-01-01&runtimeStatus=Failed", 200, {"instancesDeleted": 1}),
    Row("three", "DELETE /instances?createdTimeFrom=1/1/2026&createdTimeTo=2026-03-01T12:30Z", 200,
        {"instancesDeleted": 2}),
    Row("three", "DELETE /instances", 400, ERROR),
    Row("three", "DELETE /instances?createdTimeFrom=never", 400, ERROR),
    Row("three", "DELETE /instances?createdTimeFrom=2026-01-01&createdTimeTo=soon", 400, ERROR),
    Row("three", "DELETE /instances?createdTimeFrom=2026-01-01&runtimeStatus=Complete", 400),
    Row("three", "DELETE /instances?createdTimeFrom=2027-01-01", 404),
    Row("Running", "DELETE /instances?createdTimeFrom=2026-01-01", 404),
    # POST makeprimary
    Row("nothing", "POST /makeprimary", 200, ""),
)

ENTITY = {"entityId": {"name": "box", "key": "a"}, "lastOperationTime": "2026-03-01T12:00:00Z"}

ENTITIES = (
    # GET entities/{entityName}/{entityKey}: state
    Row("entity", "GET /entities/box/a", 200, ["put", 1]),
    Row("entity", "GET /entities/BOX/a", 200),
    Row("entity", "GET /entities/box/A", 404),
    Row("nothing", "GET /entities/box/$", 404),
    # POST entities/{entityName}/{entityKey?}: op
    Row("nothing", "POST /entities/box/a?op=put", 202, "", {"a": 1}),
    Row("nothing", "POST /entities/box/a", 202, ""),
    Row("nothing", "POST /entities/box?op=put", 202, ""),
    Row("nothing", "POST /entities/box/a?op=put", 202, "", b"5", "text/plain"),
    Row("nothing", "POST /entities/box/a?op=put", 400, ERROR, b"{"),
    Row("nothing", "POST /entities/nobody/a?op=put", 400, RAISED),
    # DELETE entities/{entityName}/{entityKey?}
    Row("entity", "DELETE /entities/box/a", 202, ""),
    Row("nothing", "DELETE /entities/box", 202, ""),
    Row("nothing", "PUT /entities/box/a", 404),
    # GET entities/{entityName?}: lastOperationTimeFrom, lastOperationTimeTo, fetchState, top
    Row("entity", "GET /entities", 200, [{**ENTITY, "state": None}]),
    Row("entity", "GET /entities/box?fetchState=true", 200, [{**ENTITY, "state": ["put", 1]}]),
    Row("entity", "GET /entities/other", 200, []),
    Row("entity", "GET /entities/box?lastOperationTimeFrom=2026-03-02", 200, []),
    Row("entity", "GET /entities/box?lastOperationTimeTo=2026-03-02T00:00:00Z", 200, [...]),
    Row("two entities", "GET /entities/?top=1", 200, {"x-ms-continuation-token:": ...}),
    Row("two entities", "GET /entities", 200, {"x-ms-continuation-token:": ""}),
    Row("nothing", "GET /entities?lastOperationTimeFrom=x", 400, ERROR),
)

REWINDING = (
    # POST instances/{instanceId}/rewind: reason
    Row("Failed", f"POST {ONE}/rewind?reason=because", 202, ""),
    Row("nothing", f"POST {ONE}/rewind?reason=because", 404),
    Row("Completed", f"POST {ONE}/rewind?reason=because", 410),
    Row("Terminated", f"POST {ONE}/rewind?reason=because", 410),
)
# fmt: on

ROWS = (*STARTING, *READING, *STEERING, *REWINDING, *ENTITIES)


# --- the walk --------------------------------------------------------------------------------------------


async def _ask(hub: VirtualHub, row: Row) -> HttpAnswer:
    verb, _, url = row.asked.partition(" ")
    parts = urlsplit(url)
    body = row.body if isinstance(row.body, bytes) else b"" if row.body is None else json.dumps(row.body).encode()
    headers = {"Content-Type": row.kind} if body else {}
    query = parse_qs(parts.query, keep_blank_values=True)
    return await _api(hub).handle(Request(verb, parts.path, BASE, query, headers, body), trusted=True)


def _api(hub: VirtualHub) -> ManagementApi:
    signer = UrlSigner(lambda: hub.task_hub.keys.known, "TestHub", now=hub.clock.now, lifetime=3600)
    return ManagementApi(hub.client, signer)


def _check(row: Row) -> None:
    async def scenario(hub: VirtualHub) -> HttpAnswer:
        await _make(hub, row.given)
        return await _ask(hub, row)

    answer = play(app, scenario, epoch=EPOCH)
    shown = json.loads(answer.body) if answer.body else ""
    assert answer.status_code == row.status, shown
    if answer.body:
        assert answer.headers["Content-Type"] == "application/json"
    if isinstance(row.told, Mapping):
        for name, value in row.told.items():
            if name.endswith(":"):
                _check_text(answer.headers.get(name[:-1]), value)
            else:
                _check_value(shown.get(name), value)
    elif row.told is not None:
        _check_value(shown, row.told)


def _check_text(found: str | None, wanted: Any) -> None:
    if wanted is ...:
        assert found
    elif isinstance(wanted, str) and wanted.startswith(BASE):
        assert found is not None
        assert found.startswith(wanted)
    else:
        assert found == wanted


def _check_value(found: Any, wanted: Any) -> None:
    if wanted is ...:
        assert found is not None
    elif isinstance(wanted, list):
        assert len(found) == len(wanted), found
        for item, told in zip(found, wanted, strict=True):
            _check_value(item, told)
    elif isinstance(wanted, dict) and isinstance(found, dict):
        for name, value in wanted.items():
            _check_value(found.get(name), value)
    else:
        assert found == wanted


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.given}: {row.asked} {row.status}"[:120])
def test_an_answer_is_as_it_is_told(row: Row):
    _check(row)


def test_every_route_is_walked():
    async def routes(hub: VirtualHub) -> list[tuple[str, str]]:
        return [
            (route.method, route.path)
            for route in _api(hub).routes
            # The monitor is no part of what that extension has.
            if not route.path.startswith("monitor")
            and not any(
                row.status < 300
                and row.asked.startswith(f"{route.method} ")
                and route.match(_segments(row.asked)) is not None
                for row in ROWS
            )
        ]

    assert play(app, routes) == []


def _segments(asked: str) -> list[str]:
    return urlsplit(asked.partition(" ")[2]).path.strip("/").split("/")


def test_pages_lead_to_one_another():
    async def scenario(hub: VirtualHub) -> list[list[str]]:
        await _make(hub, "three")
        pages: list[list[str]] = []
        headers: dict[str, str] = {}
        while True:
            request = Request("GET", "/instances", BASE, {"top": ["3"]}, headers)
            answer = await _api(hub).handle(request, trusted=True)
            pages.append([status["instanceId"] for status in json.loads(answer.body)])
            token = answer.headers["x-ms-continuation-token"]
            if not token:
                return pages
            headers = {"x-ms-continuation-token": token}

    assert play(app, scenario) == [["one", "one-child", "three"], ["two"]]


@pytest.mark.parametrize("shows_input", [True, False])
@pytest.mark.parametrize("shows_output", [True, False])
def test_a_history_is_told_in_the_extensions_shape(shows_input: bool, shows_output: bool):
    query = f"showHistory=true&showHistoryOutput={shows_output}&showInput={shows_input}"

    async def scenario(hub: VirtualHub) -> HttpAnswer:
        await _make(hub, "Completed")
        return await _ask(hub, Row("", f"GET {ONE}?{query}", 200))

    begun, ended = "2026-03-01T12:00:00", "2026-03-01T12:00:20"
    told = json.loads(play(app, scenario, epoch=EPOCH).body)["historyEvents"]
    for event in told:
        for name in ("Timestamp", "ScheduledTime", "FireAt"):
            if name in event:
                event[name] = event[name][:19]

    def with_values(event: dict[str, Any], *, text: Any = ..., result: Any = ...) -> dict[str, Any]:
        shown = {"Input": text} if shows_input and text is not ... else {}
        return event | shown | ({"Result": result} if shows_output and result is not ... else {})

    assert told == [
        with_values({"EventType": "ExecutionStarted", "FunctionName": "hello", "Timestamp": begun}, text='"you"'),
        with_values(
            {"EventType": "TaskCompleted", "FunctionName": "greet", "ScheduledTime": begun, "Timestamp": begun},
            text='"you"',
            result="Hello you!",
        ),
        with_values(
            {
                "EventType": "SubOrchestrationInstanceCompleted",
                "FunctionName": "nothing",
                "InstanceId": "one-child",
                "ScheduledTime": begun,
                "Timestamp": begun,
            },
            text="1",
            result=None,
        ),
        {"EventType": "TimerCreated", "FireAt": ended, "Timestamp": begun},
        {"EventType": "TimerFired", "FireAt": ended, "Timestamp": ended},
        with_values(
            {"EventType": "ExecutionCompleted", "OrchestrationStatus": "Completed", "Timestamp": ended},
            result="Hello you!",
        ),
    ]
