"""Keys of a hub through its client: seen by name, told one at a time, changed and taken back."""

from __future__ import annotations

import inspect
from datetime import timedelta

import pytest

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.client.executions import MOST, REMEMBERED, RecentExecutions
from azure_durable_py.client.keys import KeyClient, KeyDescription
from azure_durable_py.client.sync_client import DurableOrchestrationSyncClient, KeySyncClient
from azure_durable_py.clock import Clock
from azure_durable_py.errors import InvalidInstanceIdError, InvalidRequestError, KeyNotFoundError
from azure_durable_py.http.signing import SignedOperation, UrlSigner
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import TaskHub
from tests.client.playing import START, Wall

FIRST = ("master", "host/default", "system/durabletask_extension", "signing/hub")


async def test_keys_are_listed_by_name_and_age(client: DurableOrchestrationClient, wall: Wall):
    assert await client.keys.list() == tuple(KeyDescription(name, START) for name in FIRST)
    wall.forward(60)
    await client.keys.rotate("host/default")
    ages = {key.name: key.created_at for key in await client.keys.list()}
    assert ages["host/default"] == START + timedelta(seconds=60)
    assert ages["master"] == START


async def test_a_key_is_told_by_its_name_and_in_no_other_way(client: DurableOrchestrationClient):
    secret = await client.keys.get("master")
    assert len(secret) == 43
    assert secret not in repr(await client.keys.list()) + repr(client.keys)
    with pytest.raises(KeyNotFoundError, match="host/nobody"):
        await client.keys.get("host/nobody")
    with pytest.raises(InvalidRequestError, match="not shown"):
        await client.keys.get("signing/hub")


async def test_a_key_may_have_a_value_of_ones_own(client: DurableOrchestrationClient):
    await client.keys.set("function/HttpStart", "a-key-from-a-vault")
    assert await client.keys.get("function/httpstart/default") == "a-key-from-a-vault"
    with pytest.raises(InvalidRequestError, match="16 to 256"):
        await client.keys.set("master", "short")


@pytest.mark.parametrize("name", FIRST[:3])
async def test_a_rotated_key_has_another_value(client: DurableOrchestrationClient, name: str):
    before = await client.keys.get(name)
    after = await client.keys.rotate(name)
    assert await client.keys.get(name) == after != before


async def test_what_cannot_be_rotated_or_revoked_says_why(client: DurableOrchestrationClient):
    with pytest.raises(KeyNotFoundError, match="host/nobody"):
        await client.keys.rotate("host/nobody")
    with pytest.raises(InvalidRequestError, match="overlap"):
        await client.keys.rotate("host/default", overlap=60)
    with pytest.raises(InvalidRequestError):
        await client.keys.rotate("signing", overlap=-1)
    with pytest.raises(InvalidRequestError, match="rotate"):
        await client.keys.revoke("master")
    with pytest.raises(KeyNotFoundError):
        await client.keys.revoke("host/nobody")
    await client.keys.revoke("host/default")
    with pytest.raises(KeyNotFoundError):
        await client.keys.get("host/default")


async def test_links_outlive_a_new_signing_key_for_the_overlap(
    client: DurableOrchestrationClient, hub: TaskHub, wall: Wall
):
    await hub.keys.current()
    signer = UrlSigner(lambda: hub.keys.known, "ClientHub", now=wall.now, lifetime=30 * 86400)

    def refusal(query: dict[str, list[str]]) -> str | None:
        return signer.refusal(query, "one", SignedOperation.status)

    def link() -> dict[str, list[str]]:
        parts = (part.split("=") for part in signer.sign("one", SignedOperation.status).split("&"))
        return {name: [value] for name, value in parts}

    first = link()
    name = await client.keys.rotate("signing", overlap=timedelta(days=7))
    assert [(key.name, key.retires_at) for key in (await client.keys.list())[-2:]] == [
        (name, None),
        ("signing/hub", START + timedelta(days=7)),
    ]
    wall.forward(7 * 86400 - 1)
    assert refusal(first) is None
    second = link()
    await client.keys.revoke("signing/hub")
    assert "no longer good" in str(refusal(first))
    assert refusal(second) is None
    await client.keys.revoke_links("one")
    assert "revoked" in str(refusal(second))
    wall.forward(1)
    third = link()
    assert refusal(third) is None
    await client.keys.rotate("signing")
    assert "no longer good" in str(refusal(third))


async def test_links_of_what_is_no_orchestration_are_not_revoked(client: DurableOrchestrationClient):
    with pytest.raises(InvalidInstanceIdError):
        await client.keys.revoke_links("@counter@a")


async def test_what_nobody_could_read_again_is_not_kept(client: DurableOrchestrationClient):
    with pytest.raises(InvalidRequestError, match="stay as they were"):
        await client.keys.revoke_links("half a pair \udcff")
    assert [key.name for key in await client.keys.list()] == list(FIRST)


def test_the_sync_client_has_the_same_keys():
    names = [name for name, _ in inspect.getmembers(KeyClient, inspect.isfunction) if not name.startswith("_")]
    assert names == ["get", "list", "revoke", "revoke_links", "rotate", "set"]
    with DurableOrchestrationSyncClient.from_settings(Settings(hub_name="SyncKeys"), {}, storage="sqlite") as client:
        assert isinstance(client.keys, KeySyncClient)
        before = client.keys.get("master")
        assert client.keys.rotate("master") == client.keys.get("master") != before
        client.keys.set("host/ci", "a-key-from-a-vault")
        client.keys.revoke("host/ci")
        client.keys.revoke_links("one")
        assert [key.name for key in client.keys.list()] == list(FIRST)


# --- which execution a link is for ---------------------------------------------------------------------------


async def test_executions_are_remembered_for_a_short_time(wall: Wall):
    recent = RecentExecutions(Clock(wall.now))
    recent.note("one", "e1")
    recent.note("one", "e2")
    recent.note(None, "e3")
    recent.note("two", "")
    assert (recent.of("one"), recent.of("two")) == ("e2", None)
    wall.forward(REMEMBERED.total_seconds())
    assert recent.of("one") is None


async def test_only_so_many_executions_are_remembered(wall: Wall):
    recent = RecentExecutions(Clock(wall.now))
    for number in range(MOST + 10):
        recent.note(f"i-{number}", "e")
    assert len(recent._met) == MOST
    assert recent.of(f"i-{MOST + 9}") == "e"
    wall.forward(2 * REMEMBERED.total_seconds())
    for number in range(MOST):
        recent.note("busy", f"e{number}")
    assert len(recent._met) == 1
