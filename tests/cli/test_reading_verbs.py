"""The commands that look: list, show, history, get-..., on a hub in a file."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.client.connect import open_hub
from azure_durable_py.taskhub.protocol import Commit
from tests.cli.shop import COLOR, azure_durable, copy_of, on_terminal, plain, ran


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def ids(*arguments: str) -> set[str]:
    return {row[0] for row in rows(ran("list", *arguments).stdout)[1:]}


def document(*arguments: str) -> Any:
    return json.loads(ran(*arguments, "--json").stdout)


ALL = {"order-1", "order-1-ship", "order-2", "order-2-ship", "order-3", "order-4", "reminder-1", "hostile"}


# --- list ------------------------------------------------------------------------------------------------


def test_a_list_in_a_pipe_has_a_line_for_each_instance_with_tabs_between_columns(shop: Path) -> None:
    head, *found = rows(ran("list", str(shop)).stdout)
    assert head == ["INSTANCE ID", "NAME", "STATUS", "CREATED", "CHANGED"]
    assert {row[0] for row in found} == ALL
    assert [row[3] for row in found] == sorted((row[3] for row in found), reverse=True)
    assert all(row[3].endswith("Z") and "T" in row[3] for row in found)


def test_a_list_in_a_pipe_is_the_same_each_time(shop: Path) -> None:
    assert ran("list", str(shop)).stdout == ran("list", str(shop)).stdout


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--status", "failed"], {"order-2", "order-2-ship"}),
        (["--status", "Completed,Suspended"], {"order-1", "order-1-ship", "order-4"}),
        (["--status", "Completed", "--status", "Suspended"], {"order-1", "order-1-ship", "order-4"}),
        (["--runtime-status", "completed suspended"], {"order-1", "order-1-ship", "order-4"}),
        (["--name", "Reminder", "--name", "Hostile"], {"reminder-1", "hostile"}),
        (["--prefix", "order-1"], {"order-1", "order-1-ship"}),
        (["--tag", "shop=north"], {"order-2", "order-3"}),
        (["--tag", "shop=north", "--status", "Running"], {"order-3"}),
        (["--created-after", "7d"], ALL),
        (["--created-before", "7d ago"], set()),
        (["--created-before", "2020-01-01"], set()),
        (["--created-after", "2020-01-01T00:00:00+01:00"], ALL),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_select_instances(shop: Path, options: list[str], expected: set[str]) -> None:
    assert ids(str(shop), *options) == expected


def test_a_list_shows_the_newest_and_says_that_there_are_more(shop: Path) -> None:
    result = ran("list", str(shop), "--top", "2")
    newest = [row[0] for row in rows(ran("list", str(shop)).stdout)[1:3]]
    assert [row[0] for row in rows(result.stdout)[1:]] == newest
    assert result.stderr == "These are the newest 2. There are more: --top N shows them.\n"


def test_an_empty_list_is_said_on_stderr(shop: Path) -> None:
    result = ran("list", str(shop), "--prefix", "nothing")
    assert (len(rows(result.stdout)), result.stderr) == (1, "There are no such instances.\n")


def test_a_list_as_json_is_an_array_of_what_the_table_says(shop: Path) -> None:
    found = document("list", str(shop))
    assert [[one["instanceId"], one["name"], one["runtimeStatus"]] for one in found] == [
        row[:3] for row in rows(ran("list", str(shop)).stdout)[1:]
    ]
    order = next(one for one in found if one["instanceId"] == "order-2-ship")
    assert order["parentInstanceId"] == "order-2"
    assert "input" not in order


def test_pages_are_told_with_their_tokens(shop: Path) -> None:
    seen: set[str] = set()
    token: str | None = None
    for _ in range(10):
        page = document("get-instances", str(shop), "--top", "3", *(["--continuation-token", token] if token else []))
        assert len(page["instances"]) <= 3
        seen |= {one["instanceId"] for one in page["instances"]}
        token = page["continuationToken"]
        if token is None:
            break
    assert seen == ALL
    first = ran("get-instances", str(shop), "--top", "3")
    assert "--continuation-token '" in first.stderr


# --- show ------------------------------------------------------------------------------------------------


def test_a_failed_instance_is_shown_with_its_failure_and_what_to_do(shop: Path) -> None:
    text = ran("show", "order-2", str(shop)).stdout
    assert "Status\tFailed\n" in text
    assert "ValueError: an anvil is too heavy for the post\n" in text
    assert 'function_app.py", line ' in text
    assert "/azure_durable_py/worker/" not in text
    assert "rewind" in text
    assert 'Input\n{"item":"anvil","amount":99}\n' in text
    found = document("show", "order-2", str(shop))
    assert found["runtimeStatus"] == "Failed"
    assert found["input"] == {"item": "anvil", "amount": 99}
    assert found["tags"] == {"shop": "north"}
    assert found["failure"]["innerFailure"]["innerFailure"]["errorType"] == "ValueError"
    assert found["findings"][0]["level"] == "error"


def test_a_waiting_instance_is_shown_with_what_it_waits_for(shop: Path) -> None:
    text = ran("show", "order-3", str(shop)).stdout
    assert "Waits for\nKIND\tNAME\tSINCE\tDUE\tMORE\nevent\tapproved\t" in text
    [wait] = document("show", "order-3", str(shop))["waits"]
    assert (wait["kind"], wait["name"]) == ("event", "approved")


def test_a_timer_is_shown_with_when_it_is_due(shop: Path) -> None:
    [wait] = document("show", "reminder-1", str(shop))["waits"]
    assert wait["kind"] == "timer"
    assert wait["due"] > wait["since"]


def test_a_suspended_instance_says_so(shop: Path) -> None:
    assert "Status\tSuspended\n" in ran("show", "order-4", str(shop)).stdout


def test_an_entity_is_shown_by_its_id(shop: Path) -> None:
    text = ran("show", "@counter@clicks", str(shop)).stdout
    assert "Entity\tcounter\n" in text
    assert "State\n1\n" in text


def test_rows_are_shown_raw(shop: Path) -> None:
    found = json.loads(ran("show", "order-1", str(shop), "--raw").stdout)
    assert found["columns"]["name"] == "Order"
    assert found["history"][-1]["type"] == "ExecutionCompleted"


def test_a_damaged_instance_is_told_everywhere(own_shop: Path) -> None:
    asyncio.run(spoil(own_shop, "order-1"))
    text = ran("show", "order-1", str(own_shop)).stdout
    assert "Rows that cannot be read\n" in text
    assert "error\t" in text
    assert document("show", "order-1", str(own_shop))["damaged"]
    assert "history" in ran("show", "order-1", str(own_shop), "--raw").stdout
    assert ran("history", "order-1", str(own_shop)).stdout.count("\n") == 2
    assert ids(str(own_shop)) == ALL


async def spoil(app_dir: Path, instance_id: str) -> None:
    async with open_hub(app_dir, "sqlite", os.environ) as hub:
        header = await hub.store.load_header(instance_id)
        assert header is not None
        await hub.store.commit(Commit(instance_id, replace(header, body=b"junk"), header.etag))


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["show", "--raw"], ["history"], ["get-runtime-status"], ["get-history"], ["wait"]],
    ids=" ".join,
)
def test_an_instance_that_is_not_there_is_exit_code_3(shop: Path, arguments: list[str]) -> None:
    result = azure_durable(*arguments, "nope", str(shop))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == f"Error: There is no instance 'nope' in the task hub of {shop}.\n"


# --- history ---------------------------------------------------------------------------------------------


def test_a_history_in_a_pipe_has_a_row_for_each_step_with_its_level(shop: Path) -> None:
    head, *steps = rows(ran("history", "order-2", str(shop)).stdout)
    assert head == ["LEVEL", "KIND", "NAME", "OUTCOME", "BEGAN", "SECONDS", "ATTEMPT", "TARGET", "FAILURE"]
    assert [(row[0], row[1], row[2], row[3], row[6]) for row in steps] == [
        ("0", "orchestration", "Order", "Failed", "1"),
        ("1", "activity", "charge", "completed", "1"),
        ("1", "sub-orchestration", "Ship", "failed", "1"),
        ("2", "orchestration", "Ship", "Failed", "1"),
        ("3", "activity", "send", "failed", "1"),
        ("3", "retry", "send", "completed", "2"),
        ("3", "activity", "send", "failed", "2"),
    ]
    assert steps[4][8] == "ValueError: an anvil is too heavy for the post"
    assert all(float(row[5]) >= 0 for row in steps)


def test_sub_orchestrations_are_opened_as_deep_as_asked(shop: Path) -> None:
    closed = rows(ran("history", "order-2", str(shop), "--depth", "0").stdout)
    assert {row[0] for row in closed[1:]} == {"0", "1"}
    assert "child" not in json.dumps(document("history", "order-2", str(shop), "--depth", "0"))


def test_a_history_as_json_has_children_in_the_steps_that_started_them(shop: Path) -> None:
    found = document("history", "order-2", str(shop))
    charge, ship = found["steps"]
    assert (charge["name"], charge["outcome"], "input" in charge) == ("charge", "completed", False)
    assert charge["durationSeconds"] >= 0
    assert ship["child"]["instanceId"] == "order-2-ship"
    assert [step["attempt"] for step in ship["child"]["steps"]] == [1, 2, 2]


def test_values_are_shown_on_request(shop: Path) -> None:
    found = document("history", "order-1", str(shop), "--values")
    assert (found["steps"][0]["input"], found["steps"][0]["result"]) == (17.5, "charged 17.5")
    assert '\t17.5\t"charged 17.5"' in ran("history", "order-1", str(shop), "--values").stdout


def test_what_is_left_out_of_a_history_is_said(shop: Path) -> None:
    assert rows(ran("history", "order-2", str(shop), "--top", "1").stdout)[-1][:3] == ["1", "left out", "1 more steps"]
    assert document("history", "order-2", str(shop), "--top", "1")["leftOut"] == 1


# --- as Core Tools tell it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "input_", "output"),
    [
        ([], False, False),
        (["--show-input"], True, False),
        (["--show-input", "true", "--show-output", "false"], True, False),
        (["--show-output", "--show-input"], True, True),
    ],
    ids=lambda value: " ".join(value) or "none" if isinstance(value, list) else "",
)
def test_a_status_has_input_and_output_on_request(shop: Path, options: list[str], input_: bool, output: bool) -> None:
    text = ran("get-runtime-status", "--id", "order-1", *options, str(shop)).stdout
    assert ('Input\t{"item":"tea","amount":17.5}\n' in text, 'Output\t"sent tea"\n' in text) == (input_, output)
    found = document("get-runtime-status", "--id", "order-1", *options, str(shop))
    assert ("input" in found, "output" in found) == (input_, output)
    assert found["runtimeStatus"] == "Completed"


def test_a_history_is_told_event_by_event(shop: Path) -> None:
    found = document("get-history", "--id", "order-1", str(shop))
    assert [event["EventType"] for event in found] == [
        "ExecutionStarted",
        "TaskCompleted",
        "SubOrchestrationInstanceCompleted",
        "ExecutionCompleted",
    ]
    events = rows(ran("get-history", "order-1", str(shop)).stdout)[1:]
    assert [row[1:3] for row in events][1] == ["TaskCompleted", "charge"]


# --- what others wrote -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["history", "--values"], ["get-runtime-status"], ["get-history"], ["show", "--raw"]],
    ids=" ".join,
)
@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_control_characters_reach_no_terminal(shop: Path, arguments: list[str], form: list[str]) -> None:
    output = ran(*arguments, "hostile", str(shop), *form).output
    assert not [char for char in output if ord(char) < 32 and char not in "\t\n"]
    assert "[31m" in output


def test_values_with_control_characters_are_whole_in_json(shop: Path) -> None:
    found = document("show", "hostile", str(shop))
    assert (found["customStatus"], found["tags"]) == (COLOR, {"evil": COLOR})
    assert found["waits"][0]["name"] == COLOR


# --- on a terminal ---------------------------------------------------------------------------------------


def test_a_terminal_gets_columns_and_relative_times(shop: Path) -> None:
    shown, code = on_terminal("list", "--prefix", "order-1", cwd=shop)
    assert code == 0
    lines = plain(shown).splitlines()
    assert any(line.split()[:3] == ["order-1", "Order", "Completed"] and line.endswith("ago") for line in lines), lines
    assert "\t" not in shown


def test_a_terminal_gets_colour_unless_it_is_not_wanted(shop: Path) -> None:
    red = "\x1b[1;31m"
    assert red in on_terminal("list", "--status", "Failed", cwd=shop, color=True)[0]
    assert red not in on_terminal("list", "--status", "Failed", cwd=shop)[0]


def test_moments_in_findings_are_those_of_the_terminal(shop: Path):
    with_moment = r"It waits for event 'approved' since (.*?Z)\."
    said = re.search(with_moment, ran("show", "order-3", str(shop)).stdout)
    assert said is not None
    moment = datetime.fromisoformat(said[1].replace("Z", "+00:00"))
    local = moment.astimezone(timezone(timedelta(hours=9)))
    shown = plain(on_terminal("show", "order-3", cwd=shop, columns=250, environ={"TZ": "Asia/Tokyo"})[0])
    assert f"since {local:%Y-%m-%d %H:%M:%S} (" in shown


def test_a_narrow_terminal_folds_and_leaves_nothing_out(shop: Path) -> None:
    shown = plain(on_terminal("list", "--prefix", "order-2-ship", cwd=shop, columns=40)[0])
    assert "…" not in shown
    first = [line[:12].strip() for line in shown.splitlines() if line.strip()]
    assert "order-2-ship".startswith(first[-1]) or "order-2-ship".endswith(first[-1])


def test_a_terminal_gets_a_tree(shop: Path) -> None:
    lines = plain(on_terminal("history", "order-2", cwd=shop)[0]).splitlines()
    assert lines[0].startswith("Order Failed  order-2  ")
    assert any(line.startswith("├── ✓ activity charge") for line in lines), lines
    assert any(line.startswith("│   ├── ✗ activity send") for line in lines), lines
    assert any("ValueError: an anvil is too heavy for the post" in line for line in lines)


def test_json_on_a_terminal_is_json(shop: Path) -> None:
    shown, _ = on_terminal("list", "--json", cwd=shop, color=True)
    assert {one["instanceId"] for one in json.loads(shown)} == ALL


@pytest.mark.parametrize("arguments", [["show"], ["history", "--values"], ["wait", "--timeout", "1"]], ids=" ".join)
def test_nothing_that_others_wrote_steers_a_terminal(shop: Path, arguments: list[str]) -> None:
    shown, _ = on_terminal(*arguments, "hostile", cwd=shop)
    assert "\x1b[31m" not in shown
    assert "\x07" not in shown
    assert "\\x1b[31mred" in shown or "\\u001b[31mred" in shown


def test_a_watched_list_changes_until_ctrl_c(shop: Path, tmp_path: Path) -> None:
    own = copy_of(shop, tmp_path)
    shown, code = on_terminal("list", "--watch", "--interval", "0.2", cwd=own, until_shown="Ctrl+C ends this")
    assert code == 130
    assert "Traceback" not in shown
    assert f"{len(ALL)} instances. Ctrl+C ends this." in plain(shown)
