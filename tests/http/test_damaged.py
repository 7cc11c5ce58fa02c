"""The management API on a hub where some instances are damaged."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from azure_durable_py.taskhub.entity_state import new_entity_header
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.protocol import Commit
from tests.http.conftest import Caller, content
from tests.taskhub.spoiling import spoil_body, spoil_columns


@pytest.fixture(autouse=True)
def expected_errors(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        ({"runtime_status": "Weird"}, {"runtimeStatus": "Unknown", "name": "Hello", "input": 1}),
        ({"created_time": "today"}, {"runtimeStatus": "Pending", "createdTime": None, "input": 1}),
        ({"tags": "{"}, {"runtimeStatus": "Pending", "name": "Hello"}),
        ({"input_payload": '{"key":"30-payload-x","size":1,"chunks":1}'}, {"input": None}),
    ],
)
async def test_a_damaged_instance_is_listed_shown_terminated_and_purged(
    call: Caller, hub: TaskHub, columns: dict[str, Any], shown: dict[str, Any]
):
    for instance_id in ("a", "bad", "z"):
        await call("POST", f"/orchestrators/Hello/{instance_id}", 1)
    await spoil_columns(hub.store, "bad", **columns)
    response = await call("GET", "/instances")
    assert response.status_code == 200
    found = {item["instanceId"]: item for item in content(response)}
    assert sorted(found) == ["a", "bad", "z"]
    assert "damaged" not in found["a"]
    assert next(iter(columns)).partition("_")[0] in found["bad"]["damaged"] or "is missing" in found["bad"]["damaged"]
    assert found["bad"] | shown == found["bad"]
    response = await call("GET", "/instances/bad?showHistory=true")
    assert response.status_code == 202
    assert content(response)["damaged"] == found["bad"]["damaged"]
    if "input_payload" in columns:
        return  # Its worker fails it: nothing is wrong with its header.
    assert (await call("DELETE", "/instances/bad")).status_code == 409
    assert (await call("POST", "/instances/bad/terminate?reason=enough")).status_code == 202
    response = await call("GET", "/instances/bad")
    assert (response.status_code, content(response)["runtimeStatus"]) == (200, "Terminated")
    assert (await call("POST", "/instances/bad/terminate")).status_code == 410
    assert (await call("DELETE", "/instances/bad")).status_code == 200
    assert (await call("GET", "/instances/bad")).status_code == 404


async def test_a_value_that_is_no_json_is_shown_as_such(call: Caller, hub: TaskHub):
    await call("POST", "/orchestrators/Hello/bad", 1)
    await spoil_columns(hub.store, "bad", input="{", custom_status="[" * 30_000)
    [item] = content(await call("GET", "/instances"))
    assert item["input"].startswith("(damaged: not JSON: ")
    assert item["customStatus"] == "(damaged: JSON that is nested too deeply)"


async def test_what_cannot_be_done_to_a_damaged_instance_is_refused_with_the_reason(call: Caller, hub: TaskHub):
    await call("POST", "/orchestrators/Hello/bad", 1)
    await spoil_columns(hub.store, "bad", runtime_status="Weird")
    for url in ("suspend", "restart", "raiseEvent/go"):
        response = await call("POST", f"/instances/bad/{url}")
        assert response.status_code == 500
        assert "'bad' " in content(response)["Message"]
        assert "runtime_status: expected a runtime status, found 'Weird'" in content(response)["Message"]


async def test_a_damaged_entity_is_listed_and_read_with_the_reason(call: Caller, hub: TaskHub):
    for key in ("a", "bad"):
        header, state = new_entity_header(f"@counter@{key}", "e1", hub.clock.now())
        await hub.store.commit(Commit(header.instance_id, replace(header, body=state.encode()), None))
        await spoil_columns(hub.store, header.instance_id, runtime_status="Running", output="5")
    await spoil_body(hub.store, "@counter@bad", b"?")
    await spoil_columns(hub.store, "@counter@bad", output=None, output_payload="x")
    response = await call("GET", "/entities?fetchState=true")
    assert response.status_code == 200
    shown = {item["entityId"]["key"]: item for item in content(response)}
    assert (shown["a"]["state"], "damaged" in shown["a"], "damaged" in shown["bad"]) == (5, False, True)
    response = await call("GET", "/entities/counter/bad")
    assert response.status_code == 500
    assert "output_payload" in content(response)["Message"]
    assert (await call("DELETE", "/entities/counter/bad")).status_code == 202
    assert (await call("GET", "/entities/counter/bad")).status_code == 404
