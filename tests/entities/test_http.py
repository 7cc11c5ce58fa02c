"""The routes of entities in the management API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from azure_durable_py.client.links import HttpAnswer
from azure_durable_py.http.management import ManagementApi
from azure_durable_py.http.signing import SignedOperation, UrlSigner
from azure_durable_py.http.wire import Request
from azure_durable_py.ids import EntityId
from azure_durable_py.runtime.entities.context import DurableEntityContext
from azure_durable_py.taskhub.keyring import SYSTEM, KeyKind, KeyName
from tests.entities.playing import Game, play


def box(context: DurableEntityContext) -> None:
    context.set_state(context.get_input())


class Api:
    def __init__(self, game: Game) -> None:
        self.signer = UrlSigner(lambda: game.hub.keys.known, "Entities", now=game.hub.clock.now, lifetime=3600)
        self._api = ManagementApi(game.client, self.signer)

    async def __call__(
        self, method: str, path: str, body: bytes = b"", *, kind: str = "", trusted: bool = True, **query: str
    ) -> HttpAnswer:
        headers = {"Content-Type": kind} if kind else {}
        values = {name: [value] for name, value in query.items()}
        request = Request(method, path, "http://localhost/durabletask", values, headers, body)
        return await self._api.handle(request, trusted=trusted)


def content(response: HttpAnswer) -> Any:
    return json.loads(response.body)


def test_an_entity_is_signaled_read_and_deleted():
    async def script(game: Game) -> None:
        game.entity(box)
        await game.start()
        api = Api(game)
        assert (await api("GET", "entities/box/a%2Fb")).status_code == 404
        assert (
            await api("POST", "entities/Box/a%2Fb", b'{"x": 1}', kind="application/json; charset=utf-8", op="put")
        ).status_code == 202
        await game.at_rest()
        found = await api("GET", "entities/box/a%2Fb")
        assert (found.status_code, content(found)) == (200, {"x": 1})
        assert (await api("POST", "entities/box/a%2Fb", b"plain text", kind="text/plain", op="put")).status_code == 202
        await game.at_rest()
        assert content(await api("GET", "entities/box/a%2Fb")) == "plain text"
        assert (await api("DELETE", "entities/box/a%2Fb")).status_code == 202
        await game.at_rest()
        assert (await api("GET", "entities/box/a%2Fb")).status_code == 404

    play(script)


def test_bad_requests_are_refused():
    async def script(game: Game) -> None:
        game.entity(box)
        await game.start()
        api = Api(game)
        assert (await api("POST", "entities/box/a", b"{", kind="application/json", op="put")).status_code == 400
        assert (await api("POST", "entities/box/a", b"\xff", op="put")).status_code == 400
        assert (await api("POST", "entities/nobody/a", b"1", op="put")).status_code == 400
        assert (await api("PUT", "entities/box/a")).status_code == 404

    play(script)


@pytest.mark.parametrize("kind", ["text/plain", "", "application/x-www-form-urlencoded", "application/vnd.x+json"])
def test_a_body_that_is_not_said_to_be_json_is_a_text(kind: str):
    async def script(game: Game) -> None:
        game.entity(box)
        await game.start()
        api = Api(game)
        await api("POST", "entities/box/a", b"5", kind=kind, op="put")
        await game.at_rest()
        assert content(await api("GET", "entities/box/a")) == "5"

    play(script)


def test_an_entity_without_a_key_has_the_key_that_stands_for_none():
    async def script(game: Game) -> None:
        game.entity(box)
        await game.start()
        api = Api(game)
        assert (await api("POST", "entities/box", b"5", kind="application/json", op="put")).status_code == 202
        await game.at_rest()
        assert content(await api("GET", "entities/box/$")) == 5
        assert (await game.client.read_entity_state(EntityId("box", "$"))).entity_state == 5
        [listed] = content(await api("GET", "entities/box"))
        assert (listed["entityId"], listed["state"]) == ({"name": "box", "key": "$"}, None)
        assert (await api("DELETE", "entities/box")).status_code == 202
        await game.at_rest()
        assert (await api("GET", "entities/box/$")).status_code == 404

    play(script)


def test_entities_are_listed_in_pages():
    async def script(game: Game) -> None:
        game.entity(box)
        await game.start()
        api = Api(game)
        for number in range(3):
            await api("POST", f"entities/box/{number}", str(number).encode(), kind="application/json", op="put")
        await game.at_rest()
        page = await api("GET", "entities/box", top="2", fetchState="true")
        assert page.headers["x-ms-continuation-token"]
        first = content(page)[0]
        assert first["entityId"] == {"name": "box", "key": "0"}
        assert first["state"] == 0
        assert first["lastOperationTime"].endswith("Z")
        assert len(content(await api("GET", "entities/"))) == 3
        assert content(await api("GET", "entities", lastOperationTimeFrom="2030-01-01T00:00:00Z")) == []

    play(script)


def test_only_the_system_key_or_trust_opens_the_routes():
    async def script(game: Game) -> None:
        game.entity(box)
        await game.start()
        api = Api(game)
        await game.client.signal_entity(EntityId("box", "a"), "put", 1)
        await game.at_rest()
        assert (await api("GET", "entities/box/a", trusted=False)).status_code == 401
        system = (await game.hub.keys.current()).key(KeyName(KeyKind.system, SYSTEM))
        signed = dict(part.split("=") for part in api.signer.sign("@box@a", SignedOperation.status).split("&"))
        assert (await api("GET", "entities/box/a", trusted=False, **signed)).status_code == 401
        assert (await api("GET", "entities/box/a", trusted=False, code=system.value)).status_code == 200

    play(script)
