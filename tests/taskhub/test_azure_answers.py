"""What the hot path takes for an answer, and what it makes of everything else that may come."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import formatdate
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.core.credentials import AccessToken, AzureSasCredential
from azure.core.exceptions import ClientAuthenticationError

from azure_durable_py.errors import StorageRejectedError, StorageUnavailableError
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection, batches, clients, entities, wire
from azure_durable_py.taskhub.azure.answers import RefusalError
from azure_durable_py.taskhub.azure.authorization import Service, authorization
from azure_durable_py.taskhub.protocol import Commit, QueueMessage
from azure_durable_py.times import UTC
from tests.azurite import KEY
from tests.taskhub.building import blobs, header, inbox
from tests.taskhub.fake_storage import FakeStorage, fake_storage, refused

JSON = {"Content-Type": "application/json"}
MULTIPART = {"Content-Type": "multipart/mixed; boundary=b"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeStorage]:
    async with fake_storage() as storage:
        yield storage


@pytest.fixture
async def store(fake: FakeStorage) -> AsyncIterator[AzureStore]:
    """A store on the fake, connected as after `open`."""
    async with connected(StorageConnection.from_connection_string(fake.connection_string)) as made:
        yield made


@asynccontextmanager
async def connected(connection: StorageConnection) -> AsyncIterator[AzureStore]:
    """A store as after `open`."""
    made = AzureStore(connection, hub_name="MyHub")
    made._connect()
    try:
        yield made
    finally:
        await made.close()


CALLS: dict[str, Callable[[AzureStore], Awaitable[Any]]] = {
    "load": lambda store: store.load("x"),
    "load_header": lambda store: store.load_header("x"),
    "commit": lambda store: store.commit(Commit("x", header("x"), "W/old")),
    "commit of rows": lambda store: store.commit(Commit("x", header("x"), "W/old", put=blobs("20-a"))),
    "insert_inbox": lambda store: store.insert_inbox("x", inbox("1")),
    "insert_inbox of two": lambda store: store.insert_inbox("x", inbox("1", "2")),
    "put_message": lambda store: store.put_message(store.activity_queue, "x"),
    "receive_messages": lambda store: store.receive_messages(store.activity_queue, 1, 30),
    "extend_message": lambda store: store.extend_message(QueueMessage(store.activity_queue, "x", 1, ("i", "p")), 30),
}


def _part(status: int, body: str = "", **headers: str) -> str:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return (
        "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"HTTP/1.1 {status} Word\r\nDataServiceVersion: 3.0;\r\n{lines}\r\n{body}\r\n"
    )


def _batch(*parts: str) -> web.Response:
    body = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{''.join(parts)}--c--\r\n--b--\r\n"
    return web.Response(status=202, body=body.encode(), headers=MULTIPART)


# --- no answer --------------------------------------------------------------------------------------------

BILLION = "<!DOCTYPE x [<!ENTITY a '0123456789'><!ENTITY b '&a;&a;&a;'>]>"
ROW = {"PartitionKey": "x", "RowKey": "00-instance"}
MESSAGES = "<QueueMessagesList><QueueMessage>{}</QueueMessage></QueueMessagesList>"
HELD = "<MessageId>i</MessageId><PopReceipt>p</PopReceipt>"
UNREADABLE: dict[str, tuple[str, web.Response | bytes | None]] = {
    "nothing": ("*", None),
    "not HTTP": ("*", b"SMTP ready\r\n\r\n"),
    "the half of a head": ("*", b"HTTP/1.1 200 OK\r\nContent-Le"),
    "the half of a body": ("*", b"HTTP/1.1 200 OK\r\nETag: e\r\nContent-Length: 100\r\n\r\n{"),
    "the half of a chunk": ("*", b"HTTP/1.1 200 OK\r\nETag: e\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nabc"),
    "a page of HTML": ("load", web.Response(text="<html>Sign in, please</html>")),
    "half of JSON": ("load", web.Response(text='{"value": [', headers=JSON)),
    "nested too deeply": ("load", web.Response(text="[" * 100_000, headers=JSON)),
    "a list": ("load", web.Response(text="[]", headers=JSON)),
    "no rows": ("load", web.Response(text="{}", headers=JSON)),
    "a row that is none": ("load", web.Response(text='{"value": [1]}', headers=JSON)),
    "a row without key": ("load", web.Response(text='{"value": [{}]}', headers=JSON)),
    "a row without ETag": ("load", web.Response(text=json.dumps({"value": [ROW]}), headers=JSON)),
    "a header without ETag": ("load_header", web.Response(text=json.dumps(ROW), headers=JSON)),
    "a header without key": ("load_header", web.Response(text="{}", headers={**JSON, "ETag": "e"})),
    "a text that is no row": ("load_header", web.Response(text='"row"', headers={**JSON, "ETag": "e"})),
    "a write without ETag": ("commit", web.Response(status=204)),
    "fewer parts": ("commit of rows", _batch(_part(204, ETag="e"))),
    "more parts": ("commit of rows", _batch(*[_part(204, ETag="e")] * 3)),
    "no parts": ("insert_inbox of two", web.Response(status=202, text="?", headers=MULTIPART)),
    "a part without ETag": ("commit of rows", _batch(_part(204), _part(204, ETag="e"))),
    "no XML": ("receive_messages", web.Response(text="hello")),
    "half of XML": ("receive_messages", web.Response(text="<QueueMessagesList><QueueMessage>")),
    "entities": (
        "receive_messages",
        web.Response(text=BILLION + MESSAGES.format(f"{HELD}<MessageText>&b;</MessageText>")),
    ),
    "a message without id": ("receive_messages", web.Response(text=MESSAGES.format("<PopReceipt>p</PopReceipt>"))),
    "a count that is none": (
        "receive_messages",
        web.Response(text=MESSAGES.format(f"{HELD}<DequeueCount>some</DequeueCount>")),
    ),
    "no message": ("put_message", web.Response(status=201, text="<QueueMessagesList/>")),
    "no receipt": ("extend_message", web.Response(status=204)),
    "elsewhere": ("*", web.Response(status=307, headers={"Location": "http://127.0.0.1:1/"})),
}


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_is_no_answer_is_unavailable_and_asked_for_once(fake: FakeStorage, store: AzureStore, what: str):
    name, answer = UNREADABLE[what]
    fake.answers = [answer]
    for call in CALLS.values() if name == "*" else [CALLS[name]]:
        fake.requests.clear()
        with pytest.raises(StorageUnavailableError, match=r"no answer|answer 307"):
            await call(store)
        assert len(fake.requests) == 1


async def test_an_answer_has_bounds(fake: FakeStorage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clients, "_MAX_TABLE_BYTES", 100_000)
    async with connected(StorageConnection.from_connection_string(fake.connection_string)) as store:
        fake.answers = [web.Response(text='{"value": []}' + " " * 200_000, headers=JSON)]
        with pytest.raises(StorageUnavailableError, match="more than 100,000 bytes"):
            await store.load("x")
        fake.answers = [web.Response(text='{"value": []}' + " " * 80_000, headers=JSON)]
        assert (await store.load("x")).header is None


# --- refusals ---------------------------------------------------------------------------------------------


def _refused_part(code: str, message: str, status: int = 404) -> str:
    body = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": message}}}
    return _part(status, json.dumps(body))


def test_a_refused_transaction_tells_which_change_was_refused():
    body = _batch(_refused_part("ResourceNotFound", "7:The specified resource does not exist.\nRequestId:x")).body
    assert isinstance(body, bytes)
    with pytest.raises(RefusalError) as caught:
        batches.etags(body, 9)
    assert (caught.value.status, caught.value.code, caught.value.index) == (404, "ResourceNotFound", 7)


def test_a_text_of_the_answer_that_looks_like_a_status_is_none():
    body = _batch(_part(201, '{"Name": "HTTP/1.1 500 x"}', ETag="one"), _part(204, ETag="two")).body
    assert isinstance(body, bytes)
    assert batches.etags(body, 2) == ["one", "two"]


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf<?xml version='1.0'?><Error><Code>ServerBusy</Code><Message>Wait.\nTime:x</Message></Error>",
        b'<m:error xmlns:m="x"><m:code>ServerBusy</m:code><m:message xml:lang="en">Wait.</m:message></m:error>',
        b'{"odata.error":{"code":"ServerBusy","message":{"lang":"en-US","value":"Wait."}}}',
    ],
    ids=["XML of queues", "Atom", "JSON"],
)
async def test_refusals_are_read_in_every_form(fake: FakeStorage, store: AzureStore, body: bytes):
    fake.answers = [web.Response(status=503, body=body)]
    for call in CALLS.values():
        with pytest.raises(StorageUnavailableError, match=r"answer 503 ServerBusy: Wait\.$"):
            await call(store)


async def test_a_refusal_of_something_on_the_way_is_told_by_its_status(fake: FakeStorage, store: AzureStore):
    fake.answers = [web.Response(status=502, text="<html>Bad gateway</html>")]
    for call in CALLS.values():
        with pytest.raises(StorageUnavailableError, match="answer 502"):
            await call(store)


@pytest.mark.parametrize(("minutes", "says"), [(-25, "25 minutes ahead of"), (25, "25 minutes behind")])
async def test_a_clock_that_is_wrong_is_named(fake: FakeStorage, store: AzureStore, minutes: int, says: str):
    date = formatdate(time.time() + minutes * 60, usegmt=True)
    fake.refuse(403, "AuthenticationFailed", Date=date)
    for call in CALLS.values():
        with pytest.raises(StorageRejectedError, match=says):
            await call(store)
    fake.refuse(403, "AuthenticationFailed")
    with pytest.raises(StorageRejectedError, match="Check the key"):
        await store.load("x")


# --- values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-30T18:05:00.8784363Z", 878436),
        ("2026-11-30T18:05:00.87Z", 870000),
        ("2026-11-30T18:05:00Z", 0),
    ],
)
def test_times_have_up_to_seven_digits_of_a_fraction(text: str, microsecond: int):
    assert entities.time_of(text) == datetime(2026, 11, 30, 18, 5, 0, microsecond, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "Z", "today", "2026-11-30T18:05:00", "2026-11-30T18:05:00.xZ", "2026-13-30T18:05:00Z"]
)
def test_what_is_no_time_is_refused(text: str):
    with pytest.raises(ValueError):
        entities.time_of(text)


@pytest.mark.parametrize("text", ["<&>\"'", "日本 \U0001f600", "a\rb\r\nc\n\td ", "]]>", "&amp;", " "])
@pytest.mark.azurite
async def test_any_text_of_a_message_comes_back_as_it_went(azurite: str, hub_name: str, text: str):
    connection = StorageConnection.from_connection_string(azurite)
    store = AzureStore(connection, hub_name=hub_name, message_encoding="none")
    await store.open()
    await store.put_message(store.activity_queue, f"<{text}>")
    [found] = await store.receive_messages(store.activity_queue, 1, 30)
    assert found.body == f"<{text}>"
    await store.delete_hub()
    await store.close()


# --- tokens ---------------------------------------------------------------------------------------------------


class Tokens:
    """A credential that counts: each token is another, and good for a while."""

    def __init__(self, seconds: float = 3600) -> None:
        self.asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []
        self.seconds = seconds

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        await asyncio.sleep(0)
        self.asked.append((scopes, options))
        return AccessToken(f"token-{len(self.asked)}", int(time.time() + self.seconds))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


def _wire(session: aiohttp.ClientSession, fake: FakeStorage, credential: Any) -> wire.Wire:
    # Beside it, identities are only sent over https: the store sees to that.
    proof = authorization(credential, Service.table)
    return wire.Wire(session, fake.uri, proof, headers={}, proxy=None, max_bytes=1000)


CHALLENGE = (
    "Bearer authorization_uri=https://login.microsoftonline.com/their-tenant/oauth2/authorize "
    "resource_id=https://storage.azure.com"
)
STORAGE = ("https://storage.azure.com/.default",)


def _bearers(fake: FakeStorage) -> list[str]:
    return [asked.headers["Authorization"] for asked in fake.requests]


async def test_a_token_is_asked_for_once_and_again_before_it_expires(session: aiohttp.ClientSession, fake: FakeStorage):
    tokens = Tokens()
    fake.answers = [web.Response()]
    made = _wire(session, fake, tokens)
    await asyncio.gather(*(made.send("GET", "/t") for _ in range(10)))
    assert tokens.asked == [(STORAGE, {})]
    assert set(_bearers(fake)) == {"Bearer token-1"}
    tokens = Tokens(seconds=299)
    made = _wire(session, fake, tokens)
    for _ in range(3):
        await made.send("GET", "/t")
    assert len(tokens.asked) == 3


async def test_an_unauthorized_request_is_sent_once_more_with_a_token_of_the_tenant_that_is_told(
    session: aiohttp.ClientSession, fake: FakeStorage
):
    tokens = Tokens()
    fake.answers = [refused(401, "InvalidAuthenticationInfo", WWW_Authenticate=CHALLENGE), web.Response()]
    made = _wire(session, fake, tokens)
    await made.send("PUT", "/t", None, None, b"body")
    assert tokens.asked == [(STORAGE, {}), (STORAGE, {"tenant_id": "their-tenant"})]
    assert _bearers(fake) == ["Bearer token-1", "Bearer token-2"]
    assert [asked.body for asked in fake.requests] == [b"body"] * 2
    await made.send("GET", "/t")
    assert _bearers(fake)[2:] == ["Bearer token-2"]


async def test_requests_refused_together_share_the_new_token(session: aiohttp.ClientSession, fake: FakeStorage):
    tokens = Tokens()
    refusal = refused(401, "InvalidAuthenticationInfo", WWW_Authenticate=CHALLENGE)
    fake.answers = [refusal, refusal, refusal, web.Response()]
    made = _wire(session, fake, tokens)
    await asyncio.gather(*(made.send("GET", "/t") for _ in range(3)))
    assert len(tokens.asked) == 2


async def test_a_refused_token_without_a_challenge_is_forgotten_and_the_request_not_repeated(
    session: aiohttp.ClientSession, fake: FakeStorage
):
    tokens = Tokens()
    fake.answers = [refused(401, "InvalidAuthenticationInfo"), web.Response()]
    made = _wire(session, fake, tokens)
    with pytest.raises(RefusalError):
        await made.send("GET", "/t")
    assert len(fake.requests) == 1
    await made.send("GET", "/t")
    assert _bearers(fake) == ["Bearer token-1", "Bearer token-2"]


async def test_a_request_is_repeated_once(session: aiohttp.ClientSession, fake: FakeStorage):
    fake.answers = [refused(401, "InvalidAuthenticationInfo", WWW_Authenticate=CHALLENGE)]
    with pytest.raises(RefusalError):
        await _wire(session, fake, Tokens()).send("GET", "/t")
    assert len(fake.requests) == 2


async def test_no_token_is_a_refusal_that_names_the_mend(fake: FakeStorage):
    class Nobody:
        async def get_token(self, *_: str, **__: Any) -> AccessToken:
            raise ClientAuthenticationError("Nobody is logged in.")

    # The SDK's own clients are not made for plain http.
    secure = fake.uri.replace("http", "https")
    async with connected(StorageConnection("id", secure, secure, Nobody)) as store:
        for call in CALLS.values():
            with pytest.raises(StorageRejectedError, match=r"no token for storage: Nobody is logged in\..*az login"):
                await call(store)
    assert fake.requests == []


# --- secrets --------------------------------------------------------------------------------------------------

SECRET = "c2VjcmV0"


@pytest.mark.parametrize("answer", ["garbage", "never", "refused"])
async def test_a_signature_is_in_no_error_and_no_log(
    fake: FakeStorage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: str
):
    monkeypatch.setattr(clients, "_ANSWER_SECONDS", 0.05)
    fake.answers = [{"garbage": b"\0\r\n\r\n", "never": fake.never, "refused": refused(403, "No")}[answer]]
    credential = AzureSasCredential(f"sv=1&sig={SECRET}")
    connection = StorageConnection("sas", fake.uri, fake.uri, lambda: credential)
    caplog.set_level(logging.DEBUG)
    async with connected(connection) as store:
        for call in CALLS.values():
            with pytest.raises((StorageUnavailableError, StorageRejectedError)) as caught:
                await call(store)
            error: BaseException | None = caught.value
            while error is not None:
                assert SECRET not in f"{error} {error!r}"
                error = error.__cause__
    assert SECRET in fake.requests[0].target
    # The access log is of the stand-in.
    told = [record for record in caplog.records if not record.name.startswith("aiohttp")]
    assert SECRET not in "".join(record.getMessage() for record in told)


async def test_a_request_is_told_for_debugging_without_what_is_secret(
    fake: FakeStorage, store: AzureStore, caplog: pytest.LogCaptureFixture
):
    fake.answers = [web.Response(status=204, headers={"x-ms-popreceipt": "p", "x-ms-request-id": "r-1"})]
    with caplog.at_level(logging.DEBUG, logger=wire.__name__):
        await CALLS["extend_message"](store)
    [line] = [record.getMessage() for record in caplog.records if record.name == wire.__name__]
    assert line.startswith(f"PUT {fake.uri}/myhub-activities/messages/i: 204 in ")
    assert line.endswith("ms (request r-1)")
    assert KEY not in line
