"""`azure-durable entities ...` on a hub, and through a running host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.shop import azure_durable, on_terminal, plain, ran
from tests.cli.workshop import Workshop
from tests.e2e.host import until


@pytest.fixture(autouse=True)
def no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)


@pytest.fixture(params=["hub", "url"])
def where(request: pytest.FixtureRequest, workshop: Workshop) -> tuple[str, ...]:
    return workshop.hub if request.param == "hub" else workshop.url


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def test_a_signal_with_an_input_changes_the_state_and_the_list_shows_it(
    workshop: Workshop, where: tuple[str, ...]
) -> None:
    key = f"sum-{len(where)}"
    sent = ran("entities", "signal", f"Counter@{key}", "add", *where, "--input", "5")
    assert sent.stdout == f"Sent 'add' to entity '@counter@{key}'.\n"
    workshop.has_state(f"Counter@{key}", "5")
    header, *found = rows(ran("entities", "list", *where, "--name", "COUNTER", "--prefix", key, "--state").stdout)
    assert header == ["ENTITY", "LAST OPERATION", "LOCKED BY", "HELD BACK", "STATE"]
    assert [(row[0], row[2:]) for row in found] == [(f"@counter@{key}", ["-", "-", "5"])]
    [told] = json.loads(ran("entities", "list", *where, "--name", "Counter", "--prefix", key, "--json").stdout)
    assert told.pop("lastOperationTime").endswith("Z")
    assert told == {
        "entityId": f"@counter@{key}",
        "name": "counter",
        "key": key,
        "exists": True,
        "lockedBy": None,
        "backlogSize": 0,
        "damaged": None,
    }


def test_an_input_may_be_a_text_or_a_file_and_an_operation_an_option(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "said.json").write_text('{"a": [1]}')
    ran("entities", "signal", "Counter@text", "say", *workshop.hub, "--input", "hello")
    ran("entities", "signal", *workshop.hub, "--id", "Counter@file", "--op", "say", "--input", f"@{tmp_path}/said.json")
    workshop.has_state("Counter@text", '"hello"')
    workshop.has_state("Counter@file", '{"a":[1]}')


def test_a_signal_may_be_for_later(workshop: Workshop, where: tuple[str, ...]) -> None:
    key = f"later-{len(where)}"
    told = json.loads(
        ran("entities", "signal", f"Counter@{key}", "add", *where, "--input", "1", "--at", "in 2h", "--json").stdout
    )
    assert (told["operation"], told["at"] is not None) == ("add", True)
    listed = ("entities", "list", *workshop.hub, "--name", "Counter", "--prefix", key)
    until(lambda: f"@counter@{key}" in ran(*listed, "--empty").stdout, 30, "it has arrived")
    assert ran(*listed).stderr == "There are no such entities. --empty lists those without a state, too.\n"


def test_who_holds_the_lock_is_shown(workshop: Workshop, where: tuple[str, ...]) -> None:
    key = f"vault-{len(where)}"
    entity = f"Counter@{key}"
    ran("entities", "signal", entity, "add", *where, "--input", "1")
    workshop.has_state(entity, "1")
    keeper = workshop.lock(key)
    ran("entities", "signal", entity, "add", *where, "--input", "2")

    def shown() -> str:
        return ran("entities", "show", entity, *where).stdout

    until(lambda: "Held back until the lock is released" in shown(), 30, "the signal is held back")
    assert f"Locked by\t{keeper}" in shown()
    assert "State\n1\n" in shown()
    listed = rows(ran("entities", "list", *workshop.hub, "--name", "Counter", "--prefix", key).stdout)
    assert listed[1][2:] == [keeper, "1"]
    ran("raise-event", keeper, "release", *where)
    workshop.has_state(entity, "3")


def test_deleting_has_it_begin_anew(workshop: Workshop, where: tuple[str, ...]) -> None:
    entity = f"Counter@gone-{len(where)}"
    ran("entities", "signal", entity, "add", *where, "--input", "7")
    workshop.has_state(entity, "7")
    assert ran("entities", "delete", entity, *where).stdout.startswith("Asked entity '@counter@gone-")
    until(lambda: azure_durable("entities", "list", *workshop.hub).stdout.count(entity.lower()) == 0, 30, "it is gone")


def test_cleaning_removes_what_is_left(tmp_path: Path) -> None:
    place = Workshop(tmp_path / "workshop")
    try:
        ran("entities", "signal", "Counter@done", "add", *place.hub, "--input", "1")
        place.has_state("Counter@done", "1")
        ran("entities", "delete", "Counter@done", *place.hub)
        until(lambda: "@counter@done" not in ran("entities", "list", *place.hub).stdout, 30, "it has no state")
        assert "@counter@done" in ran("entities", "list", *place.hub, "--empty").stdout
        kept = json.loads(ran("entities", "clean", *place.hub, "--keep-empty", "--json").stdout)
        assert kept == {"emptyEntitiesRemoved": 0, "orphanedLocksReleased": 0}
        cleaned = ran("entities", "clean", *place.hub).stdout
        assert cleaned == "Removed 0 empty entities, released 0 locks.\n"
    finally:
        place.host.kill()


def test_only_so_many_are_listed_and_that_there_are_more_is_told(workshop: Workshop, where: tuple[str, ...]) -> None:
    for number in range(3):
        ran("entities", "signal", f"Counter@many-{number}", "add", *workshop.hub, "--input", "1")
    for number in range(3):
        until(
            lambda number=number: f"many-{number}" in ran("entities", "list", *workshop.hub).stdout, 30, "it is listed"
        )
    few = ran("entities", "list", *where, "--name", "Counter", "--prefix", "many-", "--top", "2")
    assert few.stdout.count("@counter@many-") == 2
    assert "These are the first 2. --top N shows more." in few.stderr
    all_of_them = ran("entities", "list", *where, "--name", "Counter", "--prefix", "many-", "--top", "3")
    assert all_of_them.stdout.count("@counter@many-") == 3
    assert all_of_them.stderr == ""


@pytest.mark.parametrize("verb", ["show", "signal", "delete"])
@pytest.mark.parametrize("name", ["clicks", "Counter@", "@@clicks"])
def test_what_names_no_entity_is_wrong_usage(workshop: Workshop, verb: str, name: str) -> None:
    operation = ["add"] if verb == "signal" else []
    result = azure_durable("entities", verb, name, *operation, *workshop.hub)
    assert result.exit_code == 2
    assert f"Error: {name!r} is no entity: give NAME@KEY, such as Counter@clicks." in result.stderr


def test_an_entity_that_is_not_there_is_told(workshop: Workshop, where: tuple[str, ...]) -> None:
    result = azure_durable("entities", "show", "Counter@nobody", *where)
    assert result.exit_code == 3
    assert "There is no entity '@counter@nobody' in the task hub" in result.stderr


def test_an_entity_that_the_app_has_not_is_told_by_a_host(workshop: Workshop) -> None:
    result = azure_durable("entities", "signal", "Conter@a", "add", *workshop.url)
    assert result.exit_code != 0
    assert "Conter" in result.stderr


def test_a_prefix_needs_a_name_and_empty_ones_the_hub(workshop: Workshop) -> None:
    assert azure_durable("entities", "list", *workshop.hub, "--prefix", "a").exit_code == 2
    result = azure_durable("entities", "list", *workshop.url, "--empty")
    assert (result.exit_code, "leave out --empty, or --url" in result.stderr) == (2, True)
    assert azure_durable("entities", "clean", *workshop.url).exit_code == 2


def test_a_terminal_shows_a_table(shop: Path) -> None:
    shown, code = on_terminal("entities", "list", "--state", cwd=shop)
    assert code == 0
    assert "@counter@clicks" in plain(shown)
    assert "LAST OPERATION" in plain(shown)
