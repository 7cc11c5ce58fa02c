"""The commands that change something: start, steer, purge, delete; and `wait`, which tells how it went."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.client.connect import open_hub
from tests.cli.shop import (
    azure_durable,
    environment,
    eventually,
    make_shop,
    on_terminal,
    plain,
    ran,
)
from tests.e2e.host import Host


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


@pytest.fixture(scope="module", params=["sqlite", pytest.param("azurite", marks=pytest.mark.azurite)])
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The arguments that name a hub on which a worker runs."""
    directory = make_shop(tmp_path_factory.mktemp("running"))
    if request.param == "sqlite":
        arguments, host = [str(directory)], Host(directory, "sqlite")
    else:
        connection = request.getfixturevalue("azurite_process").connection_string
        host_json = {"version": "2.0", "extensions": {"durableTask": {"hubName": "CommandLineHub"}}}
        (directory / "host.json").write_text(json.dumps(host_json), encoding="utf-8")
        settings = {"IsEncrypted": False, "Values": {"ShopStorage": connection}}
        (directory / "local.settings.json").write_text(json.dumps(settings), encoding="utf-8")
        arguments = [str(directory), "--connection-string-setting", "ShopStorage"]
        host = Host(directory, "ShopStorage")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AzureWebJobsStorage", raising=False)
        host.start()
        try:
            yield arguments
        finally:
            host.kill()
            if request.param == "azurite":
                ran("delete-task-hub", *arguments, "--yes")


def status(where: list[str], instance_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(ran("get-runtime-status", instance_id, *where, "--json").stdout)
    return shown


def start(where: list[str], instance_id: str, item: str = "tea", *, check: bool = False) -> None:
    given = json.dumps({"item": item, "amount": 1, "check": check})
    assert ran("start-new", "Order", *where, "--id", instance_id, "--input", given).stdout == f"{instance_id}\n"


def until_approval(where: list[str], instance_id: str) -> None:
    eventually(lambda: status(where, instance_id)["customStatus"] == {"step": "approval"}, "it waits for approval")


# --- with a worker, on both kinds of storage -------------------------------------------------------------


def test_an_instance_is_started_and_waited_for(where: list[str]) -> None:
    start(where, "waited")
    result = ran("wait", "waited", *where, "--timeout", "30")
    assert result.stdout == '"sent tea"\n'
    assert result.stderr.endswith("Instance 'waited' (Order) is Completed.\n")


def test_a_failed_instance_is_exit_code_4_and_is_rewound(where: list[str]) -> None:
    start(where, "fails", "anvil")
    result = azure_durable("wait", "fails", *where, "--timeout", "30", "--quiet")
    assert result.exit_code == 4
    assert "ValueError: an anvil is too heavy for the post\n" in result.stdout
    assert result.stderr == "Error: Instance 'fails' (Order) is Failed.\n"
    told = json.loads(azure_durable("wait", "fails", *where, "--json").stdout)
    assert (told["runtimeStatus"], told["instanceId"]) == ("Failed", "fails")
    assert re.fullmatch(
        r"Rewound instance 'fails': it was Failed and is (Pending|Running|Failed)\.\n",
        ran("rewind", "--id", "fails", "--reason", "again", *where).stdout,
    )
    assert azure_durable("wait", "fails", *where, "--timeout", "30").exit_code == 4
    assert status(where, "fails")["attempt"] == 1


def test_an_event_with_data_from_a_file_reaches_an_instance(where: list[str], tmp_path: Path) -> None:
    (tmp_path / "approval.json").write_text('{"by": "Ann"}', encoding="utf-8")
    start(where, "approved", check=True)
    until_approval(where, "approved")
    sent = ran("raise-event", "approved", "APPROVED", *where, "--event-data", f"@{tmp_path / 'approval.json'}")
    assert sent.stdout == "Sent event 'APPROVED' to instance 'approved'.\n"
    ran("wait", "approved", *where, "--timeout", "30")
    events = json.loads(ran("get-history", "approved", *where, "--json").stdout)
    [event] = [event for event in events if event["EventType"] == "EventRaised"]
    assert json.loads(event["Input"]) == {"by": "Ann"}


def test_an_instance_is_suspended_resumed_and_terminated(where: list[str]) -> None:
    start(where, "steered", check=True)
    until_approval(where, "steered")
    assert ran("suspend", "steered", *where).stdout == "Asked instance 'steered' to suspend.\n"
    eventually(lambda: status(where, "steered")["runtimeStatus"] == "Suspended", "it is suspended")
    assert json.loads(ran("resume", "steered", *where, "--json").stdout) == {"instanceId": "steered", "asked": "resume"}
    eventually(lambda: status(where, "steered")["runtimeStatus"] == "Running", "it runs")
    ran("terminate", "--id", "steered", "--reason", "enough", *where)
    waited = azure_durable("wait", "steered", *where, "--timeout", "30")
    assert (waited.exit_code, waited.stdout) == (6, '"enough"\n')
    again = azure_durable("terminate", "steered", *where)
    assert again.exit_code == 1
    assert again.stderr == "Error: Instance 'steered' is Terminated: there is nothing to terminate.\n"


def test_an_instance_is_restarted_and_purged(where: list[str]) -> None:
    start(where, "again")
    ran("wait", "again", *where, "--timeout", "30")
    new = ran("restart", "again", *where).stdout.strip()
    assert ran("wait", new, *where, "--timeout", "30").stdout == '"sent tea"\n'
    assert json.loads(ran("restart", "again", "--same-id", *where, "--json").stdout) == {
        "instanceId": "again",
        "name": "Order",
    }
    ran("wait", "again", *where, "--timeout", "30")
    assert ran("purge-history", "--id", "again", "--recursive", *where).stdout == "Deleted 2 instances.\n"
    assert azure_durable("show", "again", *where).exit_code == 3


# --- what cannot be done ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["raise-event", "nope", "approved"], 3, "There is no instance 'nope'"),
        (["raise-event", "order-1", "approved"], 1, "Instance 'order-1' is Completed and takes no more messages."),
        (["raise-event", "order-3"], 2, "EVENT_NAME is missing: the name of the event"),
        (["suspend", "nope"], 3, "There is no instance 'nope'"),
        (["suspend", "order-1"], 1, "Instance 'order-1' is Completed: there is nothing to suspend."),
        (["terminate", "nope"], 3, "There is no instance 'nope'"),
        (["rewind", "order-1"], 1, "order-1"),
        (["rewind", "nope"], 3, "There is no instance 'nope'"),
        (["restart", "nope"], 3, "There is no instance 'nope'"),
        (["restart", "order-3", "--same-id"], 1, "order-3"),
        (["start-new", "Order", "--id", "order-3"], 1, "order-3"),
        (["start-new", "Order", "--id", "a/b"], 2, "a/b"),
        (["start-new"], 2, "FUNCTION_NAME is missing: the name of the orchestrator"),
        (["start-new", "Order", "--input", "{bad"], 2, "--input is not JSON"),
        (["start-new", "Order", "--input", "@nowhere.json"], 2, "--input: 'nowhere.json' cannot be read"),
        (["purge-history"], 2, "Which instances?"),
        (["purge-history", "--id", "nope"], 3, "There is no instance 'nope'"),
        (["purge-history", "--id", "order-3"], 1, "order-3"),
        (["purge-history", "--id", "order-1", "--created-after", "1h"], 2, "--id names one instance"),
        (["purge-history", "--created-before", "soon"], 2, "'soon' is no time"),
        (["delete-task-hub"], 2, "Nobody is there to be asked. Give --yes if it is to be done."),
        (["wait", "order-3", "--timeout", "0.1"], 5, "Instance 'order-3' has not ended after 0.1 s: Running"),
        (["wait", "order-3", "--timeout", "soon"], 2, "'soon' is no duration"),
        (["wait", "@counter@clicks"], 2, "Entities have no end to wait for."),
        (["history", "@counter@clicks"], 2, "is an entity, which has no history of steps"),
        (["list", "--status", "Gone"], 2, "'Gone' is not a runtime status"),
        (["list", "--tag", "shop"], 2, "'shop' is no tag"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_clear_line_with_its_exit_code(
    shop: Path, arguments: list[str], code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop)
    result = azure_durable(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("Error: ")
    assert message in last


# --- without a worker ------------------------------------------------------------------------------------


def test_a_start_makes_the_hub_and_keeps_what_it_was_given(tmp_path: Path) -> None:
    where = [str(make_shop(tmp_path / "new"))]
    ran("start-new", "Order", *where, "--id", "a", "--input", "plain text", "--version", "2", "--tag", "shop=north")
    ran("start-new", "--function-name", "Order", "--id", "b", "--input", "[1, null]", "--start-at", "in 2h", *where)
    a = json.loads(ran("get-runtime-status", "a", *where, "--show-input", "--json").stdout)
    assert (a["input"], a["version"], a["tags"], a["runtimeStatus"]) == (
        "plain text",
        "2",
        {"shop": "north"},
        "Pending",
    )
    b = json.loads(ran("show", "b", *where, "--json").stdout)
    assert b["input"] == [1, None]
    assert b["startAt"] > b["createdTime"]


def test_criteria_say_what_is_purged(own_shop: Path) -> None:
    where = str(own_shop)
    assert ran("purge-history", where, "--created-before", "1h").stdout == "Deleted 0 instances.\n"
    assert ran("purge-history", where, "--runtime-status", "Failed").stdout == "Deleted 2 instances.\n"
    assert json.loads(ran("purge-history", where, "--created-after", "1970-01-01", "--json").stdout) == {
        "instancesDeleted": 2
    }
    assert "order-3" in ran("list", where).stdout


def test_a_hub_is_deleted_with_all_that_is_in_it(own_shop: Path) -> None:
    assert ran("delete-task-hub", str(own_shop), "--yes").stdout == "Deleted task hub TestHubName.\n"

    async def left() -> int:
        async with open_hub(own_shop, "sqlite", os.environ) as hub:
            return sum((await hub.store.message_counts()).values())

    assert asyncio.run(left()) == 0
    assert ran("list", str(own_shop)).stderr == "There are no such instances.\n"


def test_another_hub_of_the_same_storage_is_named_by_an_option(own_shop: Path) -> None:
    file = own_shop / ".azure-durable" / "TestHubName.db"
    other = ["--storage", f"sqlite:{file}", "--hub", "OtherHub", str(own_shop)]
    ran("start-new", "Order", *other, "--id", "elsewhere")
    assert [line.split("\t")[0] for line in ran("list", *other).stdout.splitlines()[1:]] == ["elsewhere"]
    assert "elsewhere" not in ran("list", str(own_shop)).stdout


# --- on a terminal, and as a process ---------------------------------------------------------------------


@pytest.mark.parametrize(("typed", "code", "left"), [("testhubname\n", 1, True), ("TestHubName\n", 0, False)])
def test_a_deletion_is_asked_for_by_name(own_shop: Path, typed: str, code: int, left: bool) -> None:
    shown, ended = on_terminal("delete-task-hub", cwd=own_shop, until_shown="Type TestHubName to go on", typed=typed)
    assert ended == code
    assert "This deletes every instance, entity and message of SQLite hub TestHubName" in plain(shown)
    assert ("order-1" in ran("list", str(own_shop)).stdout) is left


def test_waiting_on_a_terminal_shows_how_far_it_is(shop: Path) -> None:
    shown, code = on_terminal("wait", "order-3", cwd=shop, until_shown="waits for event approved")
    assert code == 130
    assert "Traceback" not in shown
    assert 'custom status {"step":"approval"}' in plain(shown)


def test_waiting_in_a_pipe_tells_each_change_once(shop: Path) -> None:
    result = azure_durable("wait", "order-3", str(shop), "--timeout", "0.5")
    told = 'Running; custom status {"step":"approval"}; waits for event approved'
    assert result.stderr.splitlines()[0].startswith(told)
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize("arguments", [["wait", "order-3"], ["list", "--watch"]], ids=" ".join)
def test_a_signal_ends_a_command_without_a_traceback(shop: Path, arguments: list[str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "azure_durable_py", *arguments, str(shop)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment(), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert first
    assert "Traceback" not in rest


@pytest.mark.parametrize("arguments", ["list", "list --json", "get-history order-1", "show order-1 --raw"])
def test_a_reader_that_goes_away_is_no_error(shop: Path, arguments: str) -> None:
    # `read` may have ended before anything is written: then even the first write finds nobody.
    script = f"{sys.executable} -m azure_durable_py {arguments} {shop} | (exec 0<&-); echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=60, env=environment(), check=True
    )
    assert (done.stdout, done.stderr) == ("141\n", "")
