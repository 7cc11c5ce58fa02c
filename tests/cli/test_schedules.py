"""`azure-durable schedules ...` on a hub whose worker runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.shell_completion import ShellComplete

from azure_durable_py.cli.commands import cli
from tests.cli.shop import azure_durable, on_terminal, plain, ran
from tests.cli.workshop import Workshop


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


def told(*arguments: str) -> Any:
    return json.loads(ran("schedules", *arguments, "--json").stdout)


def test_a_schedule_is_created_listed_and_shown(workshop: Workshop) -> None:
    at_night = ("--cron", "0 30 2 * * *", "--time-zone", "Europe/Oslo", "--input", '{"a": 1}')
    created = ran("schedules", "create", "nightly", "clean_up", *workshop.hub, *at_night)
    assert created.stdout.startswith("Schedule 'nightly' is there. Its next run is ")
    listed = ran("schedules", "list", *workshop.hub, "--prefix", "night").stdout
    header, row = (line.split("\t") for line in listed.splitlines())
    assert header == ["SCHEDULE", "STATUS", "STARTS", "WHEN", "NEXT", "LAST", "RUNS"]
    assert row[:4] == ["nightly", "active", "clean_up", "0 30 2 * * * (Europe/Oslo)"]
    assert row[5:] == ["-", "0"]
    shown = ran("schedules", "show", "nightly", *workshop.hub).stdout
    assert 'Input\t{"a":1}' in shown
    assert "Overlap\tskip" in shown
    details = told("show", "nightly", *workshop.hub)
    assert (details["cron"], details["input"], details["everySeconds"]) == ("0 30 2 * * *", {"a": 1}, None)
    assert details["nextRunAt"].endswith("Z")


def test_it_is_paused_resumed_run_and_deleted(workshop: Workshop) -> None:
    made = told("create", "often", "clean_up", *workshop.hub, "--every", "2h", "--overlap", "allow", "--input", "x")
    assert (made["everySeconds"], made["overlap"], made["status"]) == (7200.0, "allow", "active")
    assert (
        ran("schedules", "pause", "often", *workshop.hub, "--reason", "full").stdout == "Schedule 'often' is paused.\n"
    )
    paused = told("show", "often", *workshop.hub)
    assert (paused["status"], paused["pausedReason"], paused["nextRunAt"]) == ("paused", "full", None)
    instance_id = ran("schedules", "run-now", "often", *workshop.hub).stdout.strip()
    assert json.loads(ran("wait", instance_id, *workshop.hub, "--json").stdout)["output"] == "x"
    assert ran("schedules", "resume", "often", *workshop.hub).stdout.startswith(
        "Schedule 'often' goes on. Its next run"
    )
    assert told("show", "often", *workshop.hub)["runs"] == 1
    assert ran("schedules", "delete", "often", *workshop.hub).stdout == "Deleted schedule 'often'.\n"
    gone = azure_durable("schedules", "show", "often", *workshop.hub)
    assert (gone.exit_code, "There is no schedule 'often' in the task hub" in gone.stderr) == (3, True)


def test_a_run_that_is_under_way_is_told(workshop: Workshop) -> None:
    told("create", "slow", "clean_up", *workshop.hub, "--every", "1d", "--input", "wait")
    first = told("run-now", "slow", *workshop.hub)["instanceId"]
    assert first is not None
    second = ran("schedules", "run-now", "slow", *workshop.hub).stdout
    assert second == "A run of schedule 'slow' is under way: none was started.\n"


def test_replacing_is_asked_for(workshop: Workshop) -> None:
    told("create", "twice", "clean_up", *workshop.hub, "--every", "1h")
    refused = azure_durable("schedules", "create", "twice", "clean_up", *workshop.hub, "--every", "2h")
    assert refused.exit_code == 1
    assert "twice" in refused.stderr
    replaced = told("create", "twice", "clean_up", *workshop.hub, "--every", "2h", "--replace")
    assert replaced["everySeconds"] == 7200.0


def test_what_is_not_given_stays_when_a_schedule_is_changed(workshop: Workshop) -> None:
    told("create", "changed", "clean_up", *workshop.hub, "--every", "1h", "--input", "x", "--overlap", "buffer_one")
    changed = told("update", "changed", *workshop.hub, "--cron", "0 0 3 * * *", "--catch-up", "all")
    assert (changed["everySeconds"], changed["cron"], changed["catchUp"]) == (None, "0 0 3 * * *", "all")
    assert (changed["orchestrator"], changed["input"], changed["overlap"]) == ("clean_up", "x", "buffer_one")
    both = azure_durable("schedules", "update", "changed", *workshop.hub, "--cron", "0 0 3 * * *", "--every", "1h")
    assert both.exit_code == 2


def test_the_entities_of_schedules_are_listed_where_they_are_named(workshop: Workshop) -> None:
    told("create", "kept", "clean_up", *workshop.hub, "--every", "1h")
    assert "builtin" not in ran("entities", "list", *workshop.hub).stdout
    assert "@builtin::schedule@kept\t" in ran("entities", "list", *workshop.hub, "--name", "BuiltIn::Schedule").stdout


@pytest.mark.parametrize("verb", ["update", "pause", "resume", "run-now", "delete"])
def test_a_schedule_that_is_not_there_is_told(workshop: Workshop, verb: str) -> None:
    result = azure_durable("schedules", verb, "nobody", *workshop.hub)
    assert (result.exit_code, "nobody" in result.stderr) == (3, True)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "Give --every or --cron, one of them."),
        (("--every", "1h", "--cron", "0 0 * * * *"), "Give --every or --cron, one of them."),
        (("--every", "soon"), "'soon' is no duration"),
        (("--cron", "whenever"), "cron"),
    ],
    ids=["neither", "both", "no duration", "no cron"],
)
def test_a_schedule_that_cannot_be_is_wrong_usage(workshop: Workshop, given: tuple[str, ...], message: str) -> None:
    result = azure_durable("schedules", "create", "odd", "clean_up", *workshop.hub, *given)
    assert result.exit_code == 2
    assert message in result.stderr


def test_without_a_worker_a_change_is_waited_for_in_vain(own_shop: Path) -> None:
    result = azure_durable("schedules", "create", "a", "Order", str(own_shop), "--every", "1h", "--timeout", "0.2")
    assert result.exit_code == 5
    assert "is done when one runs." in result.stderr
    assert ran("schedules", "list", str(own_shop)).stderr == "There are no such schedules.\n"


def test_ids_of_schedules_are_completed(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("tidy-1", "tidy-2"):
        told("create", name, "clean_up", *workshop.hub, "--every", "1h", "--replace")
    monkeypatch.chdir(workshop.directory)
    completing = ShellComplete(cli, {}, "azure-durable", "_AZURE_DURABLE_COMPLETE")
    found = completing.get_completions(["schedules", "pause"], "tidy-")
    assert [(item.value, item.help) for item in found] == [("tidy-1", "clean_up active"), ("tidy-2", "clean_up active")]


def test_a_host_does_not_tell_of_schedules(workshop: Workshop) -> None:
    assert azure_durable("schedules", "list", *workshop.url).exit_code == 2


def test_a_terminal_shows_a_table(workshop: Workshop) -> None:
    told("create", "shown", "clean_up", *workshop.hub, "--every", "90m")
    shown, code = on_terminal("schedules", "list", "--prefix", "shown", cwd=workshop.directory, columns=120)
    assert code == 0
    assert "every 1 h 30 min" in plain(shown)
