"""`azure-durable hub keys ...`: who looks sees names, who names a key gets it, and hosts go by what is set."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from click.testing import CliRunner, Result

from azure_durable_py.cli.commands import cli
from azure_durable_py.client.client import DurableOrchestrationClient

_Result = TypeVar("_Result")
FIRST = ["master", "host/default", "system/durabletask_extension", "signing/hub"]


@pytest.fixture
def app_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"durableTask": {"hubName": "KeyHub"}}}')
    (tmp_path / "function_app.py").write_text("")
    with_client(tmp_path, lambda client: client.keys.list())
    return tmp_path


def with_client(app_dir: Path, call: Callable[[DurableOrchestrationClient], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        async with DurableOrchestrationClient.from_app_settings(app_dir) as client:
            return await call(client)

    return asyncio.run(run())


def value_of(app_dir: Path, name: str) -> str:
    return with_client(app_dir, lambda client: client.keys.get(name))


def call(app_dir: Path, *arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["hub", "keys", *arguments, str(app_dir)], input=given)


def test_keys_are_listed_and_none_is_shown(app_dir: Path) -> None:
    listed = call(app_dir, "list")
    told = call(app_dir, "list", "--json")
    assert [line.split("\t")[0] for line in listed.output.splitlines()] == ["KEY", *FIRST]
    assert [key["name"] for key in json.loads(told.output)] == FIRST
    for name in FIRST[:3]:
        assert value_of(app_dir, name) not in listed.output + told.output


@pytest.mark.parametrize("name", FIRST[:3])
def test_a_key_is_printed_for_who_names_it(app_dir: Path, name: str) -> None:
    value = value_of(app_dir, name)
    assert call(app_dir, "show", "--name", name).output == f"{value}\n"
    assert call(app_dir, "show", name).output == f"{value}\n"
    assert json.loads(call(app_dir, "show", name, "--json").output) == {"name": name, "value": value}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["show", "host/nobody"], 3, "There is no key 'host/nobody'"),
        (["show", "signing/hub"], 2, "not shown"),
        (["show", "nonsense"], 2, "no name of a key"),
        (["rotate", "host/default", "--overlap", "1d"], 2, "Only 'signing' has an overlap"),
        (["rotate", "host/nobody"], 3, "There is no key 'host/nobody'"),
        (["revoke", "--name", "master"], 2, "rotate it"),
        (["revoke"], 2, "What? Name a key"),
        (["revoke", "--name", "master", "--links", "one"], 2, "one of them"),
        (["revoke", "--links", "@counter@a"], 2, "must not begin with '@'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value)[:20],
)
def test_what_cannot_be_done_says_why(app_dir: Path, arguments: list[str], code: int, message: str) -> None:
    result = call(app_dir, *arguments)
    assert (result.exit_code, message in result.output) == (code, True), result.output


def test_a_key_is_set_from_stdin(app_dir: Path) -> None:
    result = call(app_dir, "set", "--name", "host/partner", given="a-key-from-a-vault\n")
    assert (result.exit_code, result.output) == (0, "Key 'host/partner' is set.\n")
    assert value_of(app_dir, "host/partner") == "a-key-from-a-vault"
    refused = call(app_dir, "set", "host/partner", given="short\n")
    assert (refused.exit_code, "16 to 256" in refused.output) == (2, True)
    assert call(app_dir, "revoke", "--name", "host/partner").exit_code == 0
    assert call(app_dir, "show", "host/partner").exit_code == 3


def test_a_rotated_key_is_shown_where_that_is_asked_for(app_dir: Path) -> None:
    before = value_of(app_dir, "master")
    quiet = call(app_dir, "rotate", "master")
    after = value_of(app_dir, "master")
    assert after != before
    assert after not in quiet.output
    assert call(app_dir, "rotate", "master", "--show").output == f"{value_of(app_dir, 'master')}\n"


def test_the_signing_key_is_rotated_with_and_without_an_overlap(app_dir: Path) -> None:
    kept = call(app_dir, "rotate", "--name", "signing", "--overlap", "7d")
    assert "good for 7 d" in kept.output
    keys = json.loads(call(app_dir, "list", "--json").output)[-2:]
    assert [key["name"] == "signing/hub" for key in keys if key["retiresAt"] is not None] == [True]
    ended = call(app_dir, "rotate", "signing")
    assert "All links so far have ended." in ended.output
    [left] = [key for key in json.loads(call(app_dir, "list", "--json").output) if key["name"].startswith("signing/")]
    assert left["name"] == ended.output.split()[0] != keys[0]["name"]


def test_links_of_an_instance_are_revoked(app_dir: Path) -> None:
    result = call(app_dir, "revoke", "--links", "order-17")
    assert (result.exit_code, result.output) == (0, "All links to 'order-17' so far have ended.\n")

    async def revoked(client: DurableOrchestrationClient) -> list[str]:
        return list((await client.hub.keys.current()).revoked)

    assert with_client(app_dir, revoked) == ["order-17"]


def test_names_of_keys_are_completed(app_dir: Path) -> None:
    environment = {"_AZURE_DURABLE_COMPLETE": "bash_complete", "COMP_CWORD": "5"}
    words = f"azure-durable hub keys show --storage=sqlite:{app_dir}/.azure-durable/KeyHub.db hos"
    result = CliRunner().invoke(cli, prog_name="azure-durable", env={**environment, "COMP_WORDS": words})
    assert "plain,host/default" in result.output


def test_a_hub_is_not_made_by_looking_for_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    result = call(tmp_path, "list")
    assert result.exit_code == 3
    assert not (tmp_path / ".azure-durable").exists()
