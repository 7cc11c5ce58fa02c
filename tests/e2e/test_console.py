"""The console of the local host, read as a person reads it who has no other way to look in."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.e2e.host import MANAGEMENT, Host, until

APP = """
import logging
from datetime import timedelta

import azure.functions as func
import azure_durable_py as df

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
logging.getLogger("shop").debug("quiet")

@app.orchestration_trigger(context_name="context")
async def buggy(context):
    raise KeyError("missing")

@app.orchestration_trigger(context_name="context")
async def retried(context):
    context.logger.info("Trying %s", context.get_input())
    return await context.call_activity_with_retry("charge", df.RetryOptions(50, 3), context.get_input())

@app.activity_trigger(input_name="amount")
def charge(amount: str) -> str:
    raise ConnectionError("the bank is \\x1b[2Jclosed")

@app.orchestration_trigger(context_name="context")
async def slow(context):
    await context.create_timer(timedelta(days=30))

@app.route(route="forgetful", methods=["POST"])
@app.durable_client_input(client_name="client")
async def forgetful(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    client.start_new("slow")
    return func.HttpResponse("started?")

@app.orchestration_trigger(context_name="context")
async def misspelled(context):
    await context.call_activity("chargee", "5 EUR")
"""
VERSIONS = {"defaultVersion": "1.0", "versionMatchStrategy": "Strict", "versionFailureStrategy": "Fail"}


def app_in(directory: Path, **host_json: Any) -> Path:
    (directory / "function_app.py").write_text(APP, encoding="utf-8")
    durable = {"hubName": "Console", **VERSIONS}
    whole = {"version": "2.0", "extensions": {"durableTask": durable}, **host_json}
    (directory / "host.json").write_text(json.dumps(whole), encoding="utf-8")
    return directory


def start(host: Host, name: str, value: Any = "5 EUR") -> None:
    assert host.post(f"{MANAGEMENT}/orchestrators/{name}/{name}-1", value).status == 202


def ended(host: Host, *names: str) -> None:
    for name in names:
        host.until_status(f"{name}-1", lambda status: status["runtimeStatus"] in ("Failed", "Completed"))


def lines(host: Host) -> list[str]:
    """The lines of the log, without their times."""
    return [line.partition("] ")[2] for line in host.log.splitlines() if line.startswith("[")]


def test_what_is_wrong_with_each_instance_is_found_on_the_console(tmp_path: Path):
    host = Host(app_in(tmp_path), "memory")
    host.start()
    try:
        for name in ("buggy", "retried", "slow", "misspelled"):
            start(host, name)
        ended(host, "buggy", "retried", "misspelled")
        until(lambda: "has a timer for" in host.log, 20, "the timer is told of")
        assert host.get(f"{MANAGEMENT}/instances/nobody").status == 404
    finally:
        host.stop()
    said = lines(host)

    def one(pattern: str) -> str:
        found = [line for line in said if re.search(pattern, line)]
        assert len(found) == 1, "\n".join([pattern, *said])
        return found[0]

    # The one with a mistake in its orchestrator.
    assert one("^ERROR .*'buggy-1' of 'buggy' failed").endswith("KeyError: 'missing' (function_app.py:13, in buggy)")
    # The one that was tried again.
    one(r"^INFO +retried: \[retried-1\] Trying 5 EUR$")
    charge = r"^WARNING task: Activity 'charge' of instance 'retried-1' failed in attempt"
    assert one(rf"{charge} 1 of 3").endswith("(function_app.py:22, in charge). It is tried again in 50 ms.")
    assert one(rf"{charge} 3 of 3").endswith("No attempt is left.")
    one(r"^ERROR .*'retried-1' of 'retried' failed after .*ConnectionError")
    # The one that waits.
    one(r"^INFO .*Instance 'slow-1' of 'slow' has a timer for .*Z, in 30 d\.$")
    # The one with a wrong name in it.
    assert "Did you mean 'charge'?" in one(r"^WARNING .*Activity 'chargee' of instance 'misspelled-1' failed")
    # Nothing that commands the terminal, and no word about looking.
    assert "\x1b" not in host.log
    assert [line for line in said if "GET" in line] == [one("GET .*/instances/nobody -> 404")]


def test_a_start_that_was_not_awaited_is_told_with_its_place_and_the_mend(tmp_path: Path):
    host = Host(app_in(tmp_path), "memory")
    host.start()
    try:
        assert host.post("/api/forgetful", None).status == 200
        until(lambda: "never awaited" in host.log, 20, "it is told")
    finally:
        host.stop()
    [told] = [line for line in lines(host) if "never awaited" in line]
    assert told.startswith("WARNING")
    line = APP.splitlines().index('    client.start_new("slow")') + 1
    assert f"function_app.py:{line}: RuntimeWarning: coroutine 'DurableOrchestrationClient.start_new' was" in told
    assert told.endswith("Nothing of it was done: write `await` before the call.")


def test_an_instance_of_a_version_that_may_not_run_says_so(tmp_path: Path):
    host = Host(app_in(tmp_path), f"sqlite:{tmp_path / 'hub.db'}")
    host.start()
    try:
        start(host, "slow")
        until(lambda: "has a timer for" in host.log, 20, "the timer is told of")
        host.stop()
        durable = {"hubName": "Console", **VERSIONS, "defaultVersion": "2.0"}
        (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"durableTask": durable}}))
        host.start()
        assert host.post(f"{MANAGEMENT}/instances/slow-1/suspend", None).status == 202
        ended(host, "slow")
    finally:
        host.stop()
    [refused] = [line for line in lines(host) if line.startswith("ERROR")]
    assert "Instance 'slow-1' of 'slow' failed after" in refused
    assert "VersionMismatchError" in refused


def test_host_json_says_how_much_is_told(tmp_path: Path):
    quiet = {"logLevel": {"default": "Warning", "Host.Results": "Error"}}
    host = Host(app_in(tmp_path, logging=quiet), "memory")
    host.start()
    try:
        start(host, "buggy")
        ended(host, "buggy")
    finally:
        host.stop()
    assert [line.split()[0] for line in lines(host)] == ["ERROR"]


def test_verbose_has_precedence_over_host_json(tmp_path: Path):
    quiet = {"logLevel": {"default": "None"}}
    host = Host(app_in(tmp_path, logging=quiet), "memory", options=("--verbose",))
    host.start()
    try:
        start(host, "retried")
        ended(host, "retried")
    finally:
        host.stop()
    debug = {line.split()[1].rstrip(":") for line in lines(host) if line.startswith("DEBUG")}
    assert {"orchestration", "task", "storage", "http"} <= debug


def test_json_is_an_object_a_line(tmp_path: Path):
    host = Host(app_in(tmp_path), "memory", {"OTEL_SERVICE_NAME": "shop"}, options=("--log-format", "json"))
    host.launch()
    try:
        until(lambda: "The host serves" in host.log, 60, "the host is ready")
        start(host, "retried")
        ended(host, "retried")
    finally:
        host.stop()
    records = [json.loads(line) for line in host.log.splitlines() if line.startswith("{")]
    assert {record["Resource"]["service.name"] for record in records} == {"shop"}
    [failed] = [record for record in records if record["SeverityText"] == "ERROR"]
    assert failed["Attributes"]["instance_id"] == "retried-1"
    [tried] = [record for record in records if record["Body"] == "Trying 5 EUR"]
    assert tried["Attributes"] == {"instance_id": "retried-1", "orchestrator": "retried"}
