"""`azure-durable hub ...`: a task hub as a whole."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from azure_durable_py.client.connect import open_hub
from azure_durable_py.errors import SettingsError
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.finding import find_hubs
from azure_durable_py.taskhub.naming import hub_of_table, table_name
from tests.cli.shop import azure_durable, make_shop, on_terminal, plain, ran
from tests.cli.workshop import Workshop
from tests.e2e.host import free_port


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


def test_a_hub_is_shown_with_its_instances_and_queues(shop: Path) -> None:
    shown = ran("hub", "show", str(shop)).stdout
    assert "Task hub\tTestHubName\n" in shown
    assert "Health\tok\n" in shown
    assert "Entities\t1\n" in shown
    counts = dict(line.split("\t") for line in shown.partition("STATUS\tCOUNT\n")[2].partition("\n\n")[0].splitlines())
    assert counts == {"Completed": "2", "Failed": "2", "Running": "3", "Suspended": "1"}
    queues = [line.split("\t")[:2] for line in shown.partition("QUEUE\tHOLDS\tMESSAGES\n")[2].splitlines()]
    assert queues == [
        ["testhubname-instances", "instances"],
        ["testhubname-activities", "activities"],
        ["testhubname-instances-poison", "poison"],
        ["testhubname-activities-poison", "poison"],
    ]


def test_json_tells_the_same(shop: Path) -> None:
    told = json.loads(ran("hub", "show", str(shop), "--json").stdout)
    assert told["name"] == "TestHubName"
    assert told["counts"]["Failed"] == 2
    assert (told["complete"], told["findings"], told["stuck"]) == (True, [], [])
    assert {queue["role"] for queue in told["queues"]} == {"instances", "activities", "poison"}


def test_a_running_host_tells_of_its_hub(workshop: Workshop) -> None:
    ran("start-new", "clean_up", *workshop.hub, "--id", "seen-by-url")
    ran("wait", "seen-by-url", *workshop.url)
    shown = ran("hub", "show", *workshop.url).stdout
    assert "Task hub\tTestHubName\n" in shown
    assert "\nCompleted\t" in shown
    assert "testhubname-activities\tactivities\t" in shown
    assert json.loads(ran("hub", "show", *workshop.url, "--json").stdout)["name"] == "TestHubName"


def test_what_was_not_counted_is_told(shop: Path) -> None:
    result = ran("hub", "show", str(shop), "--most", "2")
    assert "Only the first 2 instances were counted. --most N counts more." in result.stderr


def test_something_wrong_is_told_and_checked(own_shop: Path) -> None:
    assert ran("hub", "show", str(own_shop), "--check").stderr == ""
    make_it_sick(own_shop)
    result = azure_durable("hub", "show", str(own_shop), "--check")
    assert result.exit_code == 1
    assert "Health\tin trouble\n" in result.stdout
    assert "damaged: order-1" in result.stdout
    assert result.stderr.startswith("Error: 1 instance is damaged: order-1.")
    assert azure_durable("hub", "show", str(own_shop)).exit_code == 0


def make_it_sick(directory: Path) -> None:
    import sqlite3

    with sqlite3.connect(directory / ".azure-durable" / "TestHubName.db") as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert "instances" in tables, tables
        file.execute("UPDATE instances SET runtime_status = 'Weird' WHERE instance_id = 'order-1'")
    file.close()


def test_a_hub_is_deleted_when_its_name_was_typed(own_shop: Path) -> None:
    refused = azure_durable("hub", "delete", str(own_shop))
    assert (refused.exit_code, "Give --yes" in refused.stderr) == (2, True)
    assert "order-1" in ran("list", str(own_shop)).stdout
    done = ran("hub", "delete", str(own_shop), "--yes")
    assert done.stdout == "Deleted task hub TestHubName.\n"


def test_a_hub_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    result = azure_durable("hub", "show", str(make_shop(tmp_path / "shop")))
    assert result.exit_code == 3
    assert not (tmp_path / "shop" / ".azure-durable").exists()


def test_files_of_hubs_are_listed(own_shop: Path) -> None:
    ran("hub", "show", str(own_shop))
    (own_shop / ".azure-durable" / "Another.db").touch()
    lines = [line.split("\t") for line in ran("hub", "list", str(own_shop)).stdout.splitlines()]
    folder = own_shop / ".azure-durable"
    assert lines == [
        ["TASK HUB", "WHERE", ""],
        ["Another", str(folder / "Another.db"), "-"],
        ["TestHubName", str(folder / "TestHubName.db"), "this app's"],
    ]
    told = json.loads(ran("hub", "list", str(own_shop), "--json").stdout)
    assert [(one["name"], one["own"]) for one in told] == [("Another", False), ("TestHubName", True)]


def test_no_hub_at_all_is_told(tmp_path: Path) -> None:
    result = ran("hub", "list", str(make_shop(tmp_path / "shop")))
    assert result.stderr == "There are no task hubs.\n"


def test_a_host_tells_of_its_own_hub_only(workshop: Workshop) -> None:
    assert azure_durable("hub", "list", *workshop.url).exit_code == 2


def test_a_storage_that_does_not_run_is_told_with_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = ";".join(f"{kind}Endpoint=http://127.0.0.1:{free_port()}/x" for kind in ("Blob", "Queue", "Table"))
    monkeypatch.setenv("AzureWebJobsStorage", f"DefaultEndpointsProtocol=http;AccountName=x;AccountKey=eA==;{ports}")
    make_shop(tmp_path / "shop")
    result = azure_durable("list", str(tmp_path / "shop"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Cannot connect" in result.stderr
    assert "npx azurite" in result.stderr
    assert "--storage" in result.stderr


@pytest.mark.azurite
@pytest.mark.parametrize(
    "command", [["hub", "show"], ["list"], ["entities", "list"], ["hub", "delete", "--yes"]], ids=" ".join
)
def test_looking_for_a_hub_that_an_account_does_not_have_makes_none(
    azurite: str, hub_name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("AzureWebJobsStorage", azurite)
    make_shop(tmp_path / "shop")
    result = azure_durable(*command, "--hub", hub_name, str(tmp_path / "shop"))
    assert result.exit_code == 3
    assert f"There is no task hub {hub_name} in 127.0.0.1" in result.stderr
    assert hub_name not in ran("hub", "list", str(tmp_path / "shop")).stdout


@pytest.mark.azurite
async def test_hubs_of_an_account_are_found_by_their_tables(azurite: str, hub_name: str, tmp_path: Path) -> None:
    values = {"AzureWebJobsStorage": azurite}
    settings = replace(Settings(), hub_name=hub_name)
    before = await find_hubs("AzureWebJobsStorage", settings, values, tmp_path)
    (tmp_path / "host.json").write_text(json.dumps({"extensions": {"durableTask": {"hubName": hub_name}}}))
    async with open_hub(tmp_path, "AzureWebJobsStorage", values):
        found = await find_hubs("AzureWebJobsStorage", settings, values, tmp_path)
    assert {one.name for one in found} - {one.name for one in before} == {hub_name}
    assert {one.place.partition(":")[0] for one in found} == {"127.0.0.1"}
    assert [one.name for one in found if one.is_own] == [hub_name]


def test_a_storage_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="There is no storage 'nope'"):
        asyncio.run(find_hubs("nope", Settings(), {}, tmp_path))


@pytest.mark.parametrize(
    ("table", "hub"),
    [
        ("ShopTaskHub", "Shop"),
        ("TaskHub", None),
        ("ShopInstances", None),
        ("aTaskHub", None),
        ("TaskHubTaskHub", "TaskHub"),
    ],
)
def test_the_table_of_a_hub_tells_its_name(table: str, hub: str | None) -> None:
    assert hub_of_table(table) == hub
    assert hub is None or table_name(hub) == table


def test_a_terminal_shows_health_first(shop: Path) -> None:
    shown, code = on_terminal("hub", "show", cwd=shop)
    text = plain(shown)
    assert code == 0
    assert text.index("Health") < text.index("Instances") < text.index("Queues")
