"""What the management API answers, to whom, and what it refuses."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from urllib.parse import quote

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.id_reuse import OrchestrationIdReusePolicy
from azure_durable_py.clock import Clock, Ids
from azure_durable_py.errors import StorageRejectedError, StorageUnavailableError
from azure_durable_py.history.events import (
    EntityLockRequested,
    EventRaised,
    ExecutionResumed,
    ExecutionSuspended,
    ExecutionTerminated,
    OrchestratorStarted,
    TaskCompleted,
)
from azure_durable_py.http import management
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.http.wire import Request, parse_time
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub import keys
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.keyring import KeyName
from azure_durable_py.taskhub.protocol import StoredKeys
from azure_durable_py.times import UTC
from tests.client.playing import START, Playing, Wall
from tests.http.conftest import BASE, Caller, content

# --- starting --------------------------------------------------------------------------------------------


async def test_a_start_is_accepted_with_management_urls(call: Caller):
    response = await call("POST", "/orchestrators/Hello/one", {"name": "Tokyo"})
    payload = content(response)
    assert response.status_code == 202
    assert response.headers["Location"] == payload["statusQueryGetUri"]
    assert response.headers["Retry-After"] == "10"
    assert payload["id"] == "one"
    assert (await call.client.get_status("one", show_input=True)).input_ == {"name": "Tokyo"}


async def test_a_start_without_id_or_body_makes_an_id(call: Caller, worker: Playing):
    instance_id = content(await call("POST", "/orchestrators/Hello"))["id"]
    assert len(instance_id) == 32
    assert (await worker.started(instance_id)).input is None


async def test_a_start_takes_a_version(call: Caller):
    await call("POST", "/orchestrators/Hello/one?version=2.0")
    assert content(await call("GET", "/instances/one"))["version"] == "2.0"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a": ', "line 1, column 7"),
        (b"[1,\n 2,,]", "line 2, column 4"),
        (b"Tokyo", "needs quotes"),
        (b"NaN", "NaN"),
        (b'"\xff"', "byte 1"),
        (b"[" * 200_000, "nested too deeply"),
        (b"1" * 10_000, "cannot be used"),
    ],
)
async def test_a_body_that_is_not_json_is_refused_with_the_position(call: Caller, body: bytes, message: str):
    if body.startswith(b"11") and not hasattr(__import__("sys"), "get_int_max_str_digits"):
        pytest.skip("this Python reads integers of any length")
    response = await call("POST", "/orchestrators/Hello/one", body)
    assert response.status_code == 400
    assert message in content(response)["Message"]
    assert not await call.client.get_status("one")


async def test_an_unknown_orchestrator_is_refused_with_a_hint(call: Caller):
    response = await call("POST", "/orchestrators/Helo")
    assert response.status_code == 400
    assert "Did you mean 'Hello'" in content(response)["Message"]


@pytest.mark.parametrize("bad", ["@entity", "a%2Fb", "a%23b", "a%0Ab", "x" * 257])
async def test_an_impossible_id_is_refused(call: Caller, bad: str):
    assert (await call("POST", f"/orchestrators/Hello/{bad}")).status_code == 400
    assert (await call("GET", f"/instances/{bad}")).status_code == 404


@pytest.mark.parametrize("dots", [".", "..", "%2e%2e"])
async def test_an_id_that_no_address_can_have_is_refused_for_what_is_new(call: Caller, dots: str):
    response = await call("POST", f"/orchestrators/Hello/{dots}")
    assert response.status_code == 400
    assert "is a step in the path of an address" in content(response)["Message"]
    assert (await call("GET", f"/instances/{dots}")).status_code == 404


@pytest.mark.parametrize("path", [f"entities/counter/{'k' * 1100}", f"entities/{'n' * 1100}/k"])
async def test_an_entity_with_an_impossible_id_is_refused(call: Caller, path: str):
    assert (await call("POST", f"/{path}?op=add")).status_code == 400
    assert (await call("GET", f"/{path}")).status_code in (400, 404)


async def test_an_id_in_use_is_a_conflict(call: Caller):
    await call("POST", "/orchestrators/Hello/one")
    assert (await call("POST", "/orchestrators/Hello/one")).status_code == 409


@pytest.mark.parametrize(
    ("status", "output", "expected", "shown"),
    [("Completed", '"done"', 200, "done"), ("Failed", '"boom"', 200, None), ("Terminated", '"enough"', 200, None)],
)
async def test_a_start_that_waits_answers_with_the_outcome(
    call: Caller, worker: Playing, hub: TaskHub, status: str, output: str, expected: int, shown: object
):
    starting = asyncio.create_task(call("POST", "/orchestrators/Hello/one?timeout=30&pollingInterval=0.01"))
    await worker.wait_for_header("one")
    await worker.set_status("one", status, output=output)
    response = await starting
    assert response.status_code == expected
    found = content(response)
    assert (
        found == shown
        if shown is not None
        else (found["runtimeStatus"], found["output"]) == (status, json.loads(output))
    )


async def test_a_start_that_waits_in_vain_is_accepted(call: Caller):
    response = await call("POST", "/orchestrators/Hello/one?timeout=0.01&pollingInterval=0.01")
    assert response.status_code == 202


# --- status ------------------------------------------------------------------------------------------------


async def test_a_running_instance_answers_202_with_the_url_to_look_again(call: Caller):
    await call("POST", "/orchestrators/Hello/one", 1)
    url = call.client.create_http_management_payload("one")["statusQueryGetUri"]
    response = await call("GET", url, trusted=False)
    assert response.status_code == 202
    assert response.headers["Location"] == url
    assert response.headers["Retry-After"] == "5"
    assert content(response) == {
        "name": "Hello",
        "instanceId": "one",
        "runtimeStatus": "Pending",
        "input": 1,
        "customStatus": None,
        "output": None,
        "createdTime": "2026-03-01T12:00:00Z",
        "lastUpdatedTime": "2026-03-01T12:00:00Z",
    }


async def test_a_finished_instance_answers_200(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one", 1)
    await worker.set_status("one", "Completed", output="[2]")
    response = await call("GET", "/instances/one?showInput=false")
    assert response.status_code == 200
    assert (content(response)["input"], content(response)["output"]) == (None, [2])
    assert "historyEvents" not in content(response)


async def test_a_failed_instance_answers_500_when_asked_to(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one")
    await worker.fail("one", "boom")
    assert (await call("GET", "/instances/one")).status_code == 200
    response = await call("GET", "/instances/one?returnInternalServerErrorOnFailure=true")
    assert (response.status_code, content(response)["output"]) == (500, "boom")


async def test_the_history_is_shown_when_asked_for(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one", "in")
    await worker.set_status("one", "Completed", events=(TaskCompleted(START, 0, "5"),))
    history = content(await call("GET", "/instances/one?showHistory=true"))["historyEvents"]
    assert [entry["EventType"] for entry in history] == ["ExecutionStarted", "TaskCompleted", "ExecutionCompleted"]
    assert "Result" not in history[1]
    history = content(await call("GET", "/instances/one?showHistory=true&showHistoryOutput=true"))["historyEvents"]
    assert history[1]["Result"] == 5


async def test_what_is_not_there_answers_404(call: Caller):
    for method, path in [
        ("GET", "/instances/nobody"),
        ("DELETE", "/instances/nobody"),
        ("POST", "/instances/nobody/raiseEvent/Go"),
        ("POST", "/instances/nobody/terminate"),
        ("POST", "/instances/nobody/suspend"),
        ("POST", "/instances/nobody/resume"),
    ]:
        response = await call(method, path)
        assert response.status_code == 404
        assert "nobody" in content(response)["Message"]


async def test_ids_of_any_characters_make_the_round_trip(call: Caller):
    instance_id = "ä b%2F{eventName}&=+:"
    payload = content(await call("POST", f"/orchestrators/Hello/{quote(instance_id, safe='')}"))
    assert payload["id"] == instance_id
    assert content(await call("GET", payload["statusQueryGetUri"], trusted=False))["instanceId"] == instance_id


# --- lists -------------------------------------------------------------------------------------------------


async def test_a_list_comes_in_pages(call: Caller):
    for number in range(5):
        await call("POST", f"/orchestrators/Hello/i-{number}", number)
    seen: list[tuple[str, int]] = []
    headers: dict[str, str] = {}
    while True:
        response = await call("GET", "/instances/?top=2", headers=headers)
        assert response.status_code == 200
        seen += [(status["instanceId"], status["input"]) for status in content(response)]
        token = response.headers.get("x-ms-continuation-token")
        if not token:
            assert token == ""
            break
        headers = {"X-MS-Continuation-Token": token}
    assert sorted(seen) == [(f"i-{number}", number) for number in range(5)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"a-1", "b-2"}),
        ("runtimeStatus=Completed,Failed", {"b-2"}),
        ("runtimeStatus=pending&runtimeStatus=Completed", {"a-1", "b-2"}),
        ("instanceIdPrefix=a-", {"a-1"}),
        ("createdTimeFrom=2026-03-01T12:30Z", {"b-2"}),
        ("createdTimeTo=2026-03-01T13:30:00.0000000+01:00", {"a-1"}),
        ("createdTimeFrom=2026-03-02", set()),
    ],
)
async def test_a_list_can_be_filtered(call: Caller, worker: Playing, wall: Wall, query: str, expected: set[str]):
    await call("POST", "/orchestrators/Hello/a-1")
    wall.forward(3600)
    await call("POST", "/orchestrators/Hello/b-2")
    await worker.set_status("b-2", "Completed")
    assert {status["instanceId"] for status in content(await call("GET", f"/instances?{query}"))} == expected


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("/instances?top=0", "'top'"),
        ("/instances?instanceIdPrefix=1&instanceIdPrefix=2", "2 times"),
        ("/instances?createdTimeFrom=yesterday", "'createdTimeFrom'"),
        ("/instances?createdTimeTo=2026-02-30", "'createdTimeTo'"),
        ("/instances?createdTimeTo=2026-02-03T25:00", "'createdTimeTo'"),
        ("/instances?createdTimeFrom=2026-02-02&createdTimeTo=2026-02-01", "before it begins"),
        ("/instances?runtimeStatus=Runing", "'Runing'"),
    ],
)
async def test_a_parameter_that_cannot_be_used_is_named(call: Caller, url: str, named: str):
    response = await call("GET", url)
    assert response.status_code == 400
    assert named in content(response)["Message"]


@pytest.mark.parametrize(("timeout", "interval"), [("1", "2"), ("-1", "1"), ("-1", "-2"), ("1e2", "101"), (".5", "1.")])
async def test_a_wait_that_cannot_be_is_refused_before_the_start(call: Caller, timeout: str, interval: str):
    response = await call("POST", f"/orchestrators/Hello/one?timeout={timeout}&pollingInterval={interval}")
    assert (response.status_code, "'pollingInterval'" in content(response)["Message"]) == (400, True)
    assert not await call.client.get_status("one")


@pytest.mark.parametrize(
    "query", ["timeout=60", "pollingInterval=60", "timeout=60&pollingInterval=soon", "timeout=nan"]
)
async def test_who_does_not_say_both_how_long_and_how_often_does_not_wait(call: Caller, query: str):
    assert (await call("POST", f"/orchestrators/Hello/one?{query}")).status_code == 202


async def test_nobody_waits_for_longer_than_what_is_in_front_of_an_app(call: Caller, monkeypatch: pytest.MonkeyPatch):
    waited: list[tuple[float, float]] = []

    async def finished(_: str, timeout: float, longest_poll: float) -> None:
        waited.append((timeout, longest_poll))

    monkeypatch.setattr(call.client, "finished", finished)
    await call("POST", "/orchestrators/Hello/one?timeout=86400&pollingInterval=600")
    await call("POST", "/orchestrators/Hello/two?timeout=0&pollingInterval=0")
    assert waited == [(230, 600), (0, 0.01)]


async def test_a_token_of_another_kind_is_refused(call: Caller):
    response = await call("GET", "/instances", headers={"x-ms-continuation-token": "!!"})
    assert response.status_code == 400
    assert (await call("GET", "/instances", headers={"x-ms-continuation-token": "null"})).status_code == 200


# --- steering ----------------------------------------------------------------------------------------------


async def test_an_event_is_delivered_with_its_data(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one")
    assert (await call("POST", "/instances/one/raiseEvent/Go%20now", {"ok": True})).status_code == 202
    assert (await call("POST", "/instances/one/RAISEEVENT/Empty")).status_code == 202
    events = [message.event for message in await worker.inbox("one")]
    assert [(event.name, event.data) for event in events if isinstance(event, EventRaised)] == [
        ("Go now", '{"ok":true}'),
        ("Empty", None),
    ]


async def test_an_event_of_broken_json_is_refused(call: Caller):
    await call("POST", "/orchestrators/Hello/one")
    assert (await call("POST", "/instances/one/raiseEvent/Go", b"{")).status_code == 400


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("terminate", ExecutionTerminated), ("suspend", ExecutionSuspended), ("resume", ExecutionResumed)],
)
async def test_control_reaches_the_instance_with_its_reason(
    call: Caller, worker: Playing, operation: str, kind: type[ExecutionTerminated]
):
    await call("POST", "/orchestrators/Hello/one")
    assert (await call("POST", f"/instances/one/{operation}?reason=so%20it%20is")).status_code == 202
    (message,) = await worker.inbox("one")
    assert isinstance(message.event, kind)
    assert message.event.reason == "so it is"


async def test_terminate_can_recurse(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one")
    await call("POST", "/instances/one/terminate?recursive=true")
    (message,) = await worker.inbox("one")
    assert isinstance(message.event, ExecutionTerminated)
    assert message.event.recurse


@pytest.mark.parametrize("operation", ["raiseEvent/Go", "terminate", "suspend", "resume"])
async def test_a_finished_instance_takes_nothing(call: Caller, worker: Playing, operation: str):
    await call("POST", "/orchestrators/Hello/one")
    await worker.set_status("one", "Completed")
    assert (await call("POST", f"/instances/one/{operation}")).status_code == 410


async def test_a_restart_answers_like_a_start(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one", 5)
    await worker.set_status("one", "Completed")
    response = await call("POST", "/instances/one/restart")
    assert response.status_code == 202
    assert content(response)["id"] != "one"
    same = await call("POST", "/instances/one/restart?restartWithNewInstanceId=false")
    assert content(same)["id"] == "one"
    assert (await call("POST", "/instances/one/restart?restartWithNewInstanceId=false")).status_code == 409


async def test_rewinding_a_failed_instance(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one")
    await worker.fail("one", "no")
    response = await call("POST", "/instances/one/rewind?reason=again")
    assert (response.status_code, response.body) == (202, b"")
    shown = content(await call("GET", "/instances/one?showHistory=true"))
    assert (shown["runtimeStatus"], shown["attempt"]) == ("Pending", 1)
    assert {name: shown["historyEvents"][-1][name] for name in ("EventType", "Reason", "Attempt")} == {
        "EventType": "ExecutionRewound",
        "Reason": "again",
        "Attempt": 1,
    }


async def test_what_cannot_be_rewound(call: Caller, worker: Playing):
    assert (await call("POST", "/instances/none/rewind?reason=x")).status_code == 404
    await call("POST", "/orchestrators/Hello/one")
    for status in ("Running", "Completed", "Terminated"):
        await worker.set_status("one", status)
        before = content(await call("GET", "/instances/one"))
        assert (await call("POST", "/instances/one/rewind?reason=x")).status_code == 410
        assert content(await call("GET", "/instances/one")) == before
    await call("POST", "/orchestrators/Hello/two")
    await worker.set_status("two", "Running", events=(EntityLockRequested(START, 0, "@stock@tea", "s1"),))
    await worker.set_status("two", "Failed", events=(OrchestratorStarted(START),))
    response = await call("POST", "/instances/two/rewind?reason=x")
    assert response.status_code == 409
    assert "critical section" in content(response)["Message"]


# --- purging -----------------------------------------------------------------------------------------------


async def test_purging_one(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one")
    assert (await call("DELETE", "/instances/one")).status_code == 409
    await worker.set_status("one", "Completed")
    response = await call("DELETE", "/instances/one")
    assert (response.status_code, content(response)) == (200, {"instancesDeleted": 1})
    assert (await call("DELETE", "/instances/one")).status_code == 404


async def test_purging_by_filter(call: Caller, worker: Playing):
    for number in range(3):
        await call("POST", f"/orchestrators/Hello/i-{number}")
        await worker.set_status(f"i-{number}", "Completed" if number else "Running")
    missing = await call("DELETE", "/instances")
    assert (missing.status_code, "createdTimeFrom" in content(missing)["Message"]) == (400, True)
    response = await call("DELETE", "/instances?createdTimeFrom=2026-01-01&runtimeStatus=Completed")
    assert (response.status_code, content(response)) == (200, {"instancesDeleted": 2})
    assert (await call("DELETE", "/instances?createdTimeFrom=2026-01-01")).status_code == 404


# --- who may call --------------------------------------------------------------------------------------------


async def test_a_stranger_may_do_nothing_unsigned(call: Caller):
    await call("POST", "/orchestrators/Hello/one")
    for route in call.api.routes:
        path = route.path.format(name="Hello", id="one", event="Go", key="one", file="monitor.js", which="input")
        if route.is_public:
            continue
        response = await call(route.method, path, trusted=False)
        assert response.status_code == 401, route.path
        assert content(response)["Message"]


async def test_every_signed_url_opens_its_own_operation_only(call: Caller, worker: Playing):
    await call("POST", "/orchestrators/Hello/one")
    payload = call.client.create_http_management_payload("one")
    methods = {"statusQueryGetUri": "GET", "purgeHistoryDeleteUri": "DELETE"}
    expected = {
        "statusQueryGetUri": 202,
        "sendEventPostUri": 202,
        "suspendPostUri": 202,
        "resumePostUri": 202,
        "terminatePostUri": 202,
        "purgeHistoryDeleteUri": 409,
        "restartPostUri": 202,
        "rewindPostUri": 410,
    }
    assert expected.keys() == payload.keys() - {"id"}
    for name, status in expected.items():
        url = payload[name].replace("{eventName}", "Go").replace("{text}", "because")
        assert (await call(methods.get(name, "POST"), url, trusted=False)).status_code == status, name
        for other, other_url in payload.items():
            if other in expected and other != name:
                path = other_url.replace("{eventName}", "Go").partition("?")[0]
                crossed = f"{path}?{url.partition('?')[2]}"
                assert (await call(methods.get(other, "POST"), crossed, trusted=False)).status_code == 401, (
                    name,
                    other,
                )


async def test_a_signed_url_is_of_no_use_for_another_instance(call: Caller):
    await call("POST", "/orchestrators/Hello/one")
    await call("POST", "/orchestrators/Hello/two")
    url = call.client.create_http_management_payload("one")["statusQueryGetUri"]
    assert (await call("GET", url.replace("/one?", "/two?"), trusted=False)).status_code == 401


async def test_a_signed_url_expires(call: Caller, wall: Wall):
    await call("POST", "/orchestrators/Hello/one")
    url = call.client.create_http_management_payload("one")["statusQueryGetUri"]
    wall.forward(8 * 86400)
    response = await call("GET", url, trusted=False)
    assert response.status_code == 401
    assert "expired" in content(response)["Message"]


async def test_a_signed_restart_buys_a_look_and_no_more_time(call: Caller, wall: Wall):
    await call("POST", "/orchestrators/Hello/one")
    url = call.client.create_http_management_payload("one")["restartPostUri"]
    wall.forward(86400)
    payload = content(await call("POST", url, trusted=False))
    assert sorted(payload) == ["id", "statusQueryGetUri"]
    assert (await call("GET", payload["statusQueryGetUri"], trusted=False)).status_code == 202
    wall.forward(6 * 86400 + 1)
    assert (await call("GET", payload["statusQueryGetUri"], trusted=False)).status_code == 401


async def test_the_system_key_opens_everything(call: Caller):
    key = call.system_key
    assert (await call("POST", f"/orchestrators/Hello/one?code={key}", trusted=False)).status_code == 202
    assert (await call("GET", "/instances", headers={"X-Functions-Key": key}, trusted=False)).status_code == 200
    assert (await call("GET", f"/instances?code={key}x", trusted=False)).status_code == 401


@pytest.mark.parametrize("place", ["header", "query"])
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("master", 200),
        ("system/durabletask_extension", 200),
        ("host/default", 401),
        ("function/hello/default", 401),
    ],
)
async def test_which_keys_open_the_management_api(call: Caller, name: str, place: str, status: int):
    await call.client.hub.keys.ensure_functions(["hello"])
    key = call.key(name)
    if place == "header":
        response = await call("GET", "/instances", headers={"X-Functions-Key": key}, trusted=False)
    else:
        response = await call("GET", f"/instances?code={key}", trusted=False)
    assert response.status_code == status


async def test_a_stranger_does_not_learn_the_name_of_the_hub(call: Caller):
    await call("POST", "/orchestrators/Hello/one")
    for url in ("/instances/one?taskHub=Guess", "/instances?taskHub=Guess", "/instances/one?taskHub=ClientHub"):
        response = await call("GET", url, trusted=False)
        assert response.status_code == 401
        assert "ClientHub" not in json.dumps([dict(response.headers), content(response)])
    assert (await call("GET", f"/instances?taskHub=Guess&code={call.system_key}", trusted=False)).status_code == 404


# --- links and executions ------------------------------------------------------------------------------------

_VERBS = {"statusQueryGetUri": "GET", "purgeHistoryDeleteUri": "DELETE"}


async def _ask_all(call: Caller, payload: dict[str, str]) -> dict[str, int]:
    return {
        name: (
            await call(_VERBS.get(name, "POST"), url.replace("{eventName}", "Go").replace("{text}", "x"), trusted=False)
        ).status_code
        for name, url in payload.items()
        if name != "id"
    }


@pytest.mark.parametrize("how", ["purged and started", "replaced", "restarted"])
@pytest.mark.parametrize("made", ["by the start", "by a look", "by the id alone", "by the request"])
async def test_a_link_opens_no_other_execution_of_its_id(
    call: Caller, worker: Playing, wall: Wall, how: str, made: str
):
    started = content(await call("POST", "/orchestrators/Hello/one"))
    if made in ("by a look", "by the id alone"):
        wall.forward(3600)
    if made == "by a look":
        await call.client.get_status("one")
    payload = started if made == "by the start" else call.client.create_http_management_payload("one")
    assert (await call("GET", payload["statusQueryGetUri"], trusted=False)).status_code == 202
    await worker.set_status("one", "Completed")
    # Links that name no execution are told apart by time, and clocks differ.
    wall.forward(61 if made == "by the id alone" else 0)
    if how == "purged and started":
        await call("DELETE", "/instances/one")
        assert set((await _ask_all(call, payload)).values()) <= {404, 400}
    if how == "restarted":
        await call("POST", "/instances/one/restart?restartWithNewInstanceId=false")
    else:
        await call("POST", "/orchestrators/Hello/one")
    assert set((await _ask_all(call, payload)).values()) == {404}
    new = call.client.create_http_management_payload("one")
    assert (await call("GET", new["statusQueryGetUri"], trusted=False)).status_code == 202


async def test_a_link_is_good_for_all_generations_and_attempts_of_its_execution(call: Caller, worker: Playing):
    payload = content(await call("POST", "/orchestrators/Hello/one"))
    await worker.fail("one", "boom")
    assert (await call("GET", payload["statusQueryGetUri"], trusted=False)).status_code == 200
    rewind = payload["rewindPostUri"].replace("{text}", "x")
    assert (await call("POST", rewind, trusted=False)).status_code == 202
    assert (await call("GET", payload["statusQueryGetUri"], trusted=False)).status_code == 202


async def test_a_link_that_is_made_right_before_its_instance_is_good(call: Caller, wall: Wall):
    payload = call.client.create_http_management_payload("one")
    wall.forward(59)
    await call("POST", "/orchestrators/Hello/one")
    assert (await call("GET", payload["statusQueryGetUri"], trusted=False)).status_code == 202


async def test_a_start_that_changes_nothing_hands_out_links_to_what_is_there(call: Caller):
    await call("POST", "/orchestrators/Hello/one")
    policy = OrchestrationIdReusePolicy("ignore")
    await call.client.start_new("Hello", "one", id_reuse_policy=policy)
    url = call.client.create_http_management_payload("one")["statusQueryGetUri"]
    assert (await call("GET", url, trusted=False)).status_code == 202


async def test_a_signed_restart_under_the_same_id_hands_out_a_look_at_the_new_execution(call: Caller, worker: Playing):
    payload = content(await call("POST", "/orchestrators/Hello/one"))
    await worker.set_status("one", "Completed")
    restart = f"{payload['restartPostUri']}&restartWithNewInstanceId=false"
    look = content(await call("POST", restart, trusted=False))["statusQueryGetUri"]
    assert (await call("GET", look, trusted=False)).status_code == 202
    assert (await call("GET", payload["statusQueryGetUri"], trusted=False)).status_code == 404
    assert (await call("POST", restart, trusted=False)).status_code == 404


# --- keys that change ----------------------------------------------------------------------------------------


async def other_host(call: Caller, wall: Wall) -> Caller:
    """Another host on the same hub: it has read the keys of its own accord."""
    hub = TaskHub(call.client.hub.store, Clock(wall.now), Ids())
    await hub.open()
    await hub.keys.current()
    signer = UrlSigner(lambda: hub.keys.known, "ClientHub", now=wall.now, lifetime=7 * 86400)
    client = DurableOrchestrationClient(hub, call.client.settings)
    return Caller(ManagementApi(client, signer), signer, client)


async def test_a_new_signing_key_is_known_to_other_hosts_at_once(
    call: Caller, wall: Wall, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keys, "MISS_SECONDS", 0.0)
    other = await other_host(call, wall)
    old = content(await call("POST", "/orchestrators/Hello/one"))["statusQueryGetUri"]
    await call.client.hub.keys.change(lambda ring: ring.with_new_signing_key(wall.now(), timedelta(days=7)))
    new = call.client.create_http_management_payload("one")["statusQueryGetUri"]
    for host in (call, other):
        assert (await host("GET", old, trusted=False)).status_code == 202
        assert (await host("GET", new, trusted=False)).status_code == 202
    await call.client.hub.keys.change(lambda ring: ring.with_new_signing_key(wall.now(), timedelta(0)))
    assert (await call("GET", new, trusted=False)).status_code == 401
    newest = call.client.create_http_management_payload("one")["statusQueryGetUri"]
    assert (await other("GET", newest, trusted=False)).status_code == 202
    assert (await other("GET", new, trusted=False)).status_code == 401


async def test_a_new_system_key_is_known_to_other_hosts_at_once(
    call: Caller, wall: Wall, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(keys, "MISS_SECONDS", 0.0)
    other, old = await other_host(call, wall), call.system_key
    name = KeyName.parse("system/durabletask_extension")
    await call.client.hub.keys.change(lambda ring: ring.with_key(name, "n" * 40, wall.now()))
    assert (await other("GET", f"/instances?code={'n' * 40}", trusted=False)).status_code == 200
    for host in (call, other):
        assert (await host("GET", f"/instances?code={old}", trusted=False)).status_code == 401


async def test_strangers_without_a_key_cost_no_reading_of_keys(call: Caller, monkeypatch: pytest.MonkeyPatch):
    async def refuse() -> StoredKeys | None:
        raise AssertionError("the keys were read")

    monkeypatch.setattr(call.client.hub.store, "load_keys", refuse)
    monkeypatch.setattr(keys, "MISS_SECONDS", 0.0)
    assert (await call("GET", "/instances", trusted=False)).status_code == 401
    assert (await call("GET", "/instances/one?sig=x&expires=9999999999", trusted=False)).status_code == 401


async def test_a_wrong_key_does_not_spoil_a_signature(call: Caller):
    await call("POST", "/orchestrators/Hello/one")
    url = call.client.create_http_management_payload("one")["statusQueryGetUri"]
    assert (await call("GET", f"{url}&code=of-the-functions-host", trusted=False)).status_code == 202


async def test_a_strangers_body_is_limited(call: Caller, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(management, "MAX_STRANGERS_BODY", 100)
    await call("POST", "/orchestrators/Hello/one")
    url = call.client.create_http_management_payload("one")["sendEventPostUri"].replace("{eventName}", "Go")
    assert (await call("POST", url, b'"' + b"x" * 100 + b'"', trusted=False)).status_code == 413
    assert (await call("POST", url, b'"' + b"x" * 100 + b'"', trusted=True)).status_code == 202


async def test_another_task_hub_is_refused(call: Caller):
    response = await call("GET", "/instances?taskHub=Other")
    assert response.status_code == 404
    assert "'ClientHub'" in content(response)["Message"]
    assert (await call("GET", "/instances?taskHub=clienthub")).status_code == 200


# --- the rest ------------------------------------------------------------------------------------------------


async def test_an_unknown_path_lists_what_there_is(call: Caller):
    for path in ("/", "/nowhere", "/instances/one/rewound", "/entities/counter/a/b", "/instances//terminate/x"):
        response = await call("POST", path)
        assert response.status_code == 404
        assert "POST instances/{id}/raiseEvent/{event}" in content(response)["Message"]


async def test_a_wrong_verb_names_the_right_ones(call: Caller):
    response = await call("PUT", "/instances/one")
    assert (response.status_code, response.headers["Allow"]) == (404, "DELETE, GET")
    assert content(response)["Message"] == "PUT is not possible here; accepted: DELETE, GET."


async def test_a_path_that_is_not_utf8_is_refused(call: Caller):
    assert (await call("GET", "/instances/%FF")).status_code == 400


async def test_a_forwarded_host_is_used_where_the_settings_say_so(hub: TaskHub, settings: Settings, call: Caller):
    headers = {"X-Forwarded-Host": "outer.example", "X-Forwarded-Proto": "https"}
    plain = content(await call("POST", "/orchestrators/Hello/one", headers=headers))
    assert plain["statusQueryGetUri"].startswith(f"{BASE}/instances/one?")
    client = DurableOrchestrationClient(hub, replace(settings, http_use_forwarded_host=True))
    api = ManagementApi(client, call.signer)
    response = await api.handle(Request("POST", "/orchestrators/Hello/two", BASE, {}, headers), trusted=True)
    wanted = "https://outer.example/runtime/webhooks/durabletask/instances/two?"
    assert content(response)["statusQueryGetUri"].startswith(wanted)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StorageUnavailableError("secret detail"), 503),
        (StorageRejectedError("secret detail"), 500),
        (OSError("secret"), 500),
    ],
)
async def test_trouble_inside_is_told_without_its_details(
    call: Caller, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
):
    async def fail(*args: object) -> None:
        raise error

    monkeypatch.setattr(call.client, "get_status", fail)
    response = await call("GET", "/instances/one")
    assert response.status_code == status
    assert "secret" not in response.body.decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-01T12:00:00Z", START),
        ("2026-03-01T12:00:00.0000000Z", START),
        ("2026-03-01 12:00", START),
        ("2026-03-01T14:00:00+02:00", START),
        ("2026-03-01T14:00:00 02:00", START),
        ("2026-03-01T07:30:00-0430", START),
        ("2026-03-01", START.replace(hour=0)),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-03-01T12", None),
        ("2026-03-01T12:00:00+99:99", None),
        ("", None),
    ],
)
def test_times_are_read_in_the_forms_that_people_write(text: str, expected: object):
    found = parse_time(text)
    assert found == expected
    assert found is None or found.tzinfo is UTC
