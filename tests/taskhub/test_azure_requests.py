"""What the hot path sends: the same in meaning as the SDK's clients send, signed as they sign, and for less."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.message import Message
from types import FrameType
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
from aiohttp import web
from azure.core import MatchConditions
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.data.tables import UpdateMode
from azure.data.tables._authentication import SharedKeyCredentialPolicy as TablePolicy
from azure.storage.queue._shared.authentication import SharedKeyCredentialPolicy as QueuePolicy
from multidict import CIMultiDict

from azure_durable_py.taskhub.azure import AzureStore, StorageConnection, rows
from azure_durable_py.taskhub.azure.clients import Clients
from azure_durable_py.taskhub.protocol import Commit, Header, InstanceQuery
from tests.azurite import ACCOUNT, KEY, clear
from tests.format import samples
from tests.taskhub.building import T0, blobs, header, inbox, insert, listed
from tests.taskhub.fake_storage import Asked, FakeStorage, fake_storage

TABLE, QUEUE = "MyHubTaskHub", "myhub-activities"
ETAG = "W/\"datetime'2026-11-30T18%3A05%3A00.8784363Z'\""
# What is awkward in an address, in JSON and in XML.
AWKWARD = "a~20b~27~C3~A9@1:x.y-z$"
TEXT = "<&>\"' 日本 \u2028 end"
ROW: dict[str, Any] = {
    "PartitionKey": AWKWARD,
    "RowKey": "00-instance",
    "Name": "it's é \u2028 {x}",
    "CreatedTime": T0,
    "WakeTime": datetime(2026, 1, 2, 5, 4, 5, tzinfo=timezone(timedelta(hours=2))),
    "Generation": 7,
    "HasOutbox": True,
    "B00": bytes(range(256)),
}
MESSAGE = (
    "<?xml version='1.0'?><QueueMessagesList><QueueMessage><MessageId>i</MessageId>"
    "<InsertionTime>Mon, 30 Nov 2026 18:05:01 GMT</InsertionTime>"
    "<ExpirationTime>Fri, 31 Dec 9999 23:59:59 GMT</ExpirationTime><PopReceipt>p</PopReceipt>"
    "<TimeNextVisible>Mon, 30 Nov 2026 18:05:01 GMT</TimeNextVisible></QueueMessage></QueueMessagesList>"
)


@pytest.fixture
async def fake() -> AsyncIterator[FakeStorage]:
    async with fake_storage() as storage:
        yield storage


@pytest.fixture
async def clients(fake: FakeStorage) -> AsyncIterator[Clients]:
    made = Clients(StorageConnection.from_connection_string(fake.connection_string))
    yield made
    await made.close()


# --- in meaning ----------------------------------------------------------------------------------------


def _types(row: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """The columns of a row in JSON, each with its type, said or implied."""
    implied = {str: "Edm.String", bool: "Edm.Boolean", int: "Edm.Int32"}
    return {
        name: (row.get(f"{name}@odata.type", implied[type(value)]), value)
        for name, value in row.items()
        if "@" not in name
    }


def _meaning(asked: Asked) -> Any:
    """What the service takes a request for."""
    kind = asked.headers.get("Content-Type", "").partition(";")[0]
    body: Any = None
    if kind == "application/json":
        body = _types(json.loads(asked.body))
    elif kind == "application/xml":
        body = [(node.tag, node.text) for node in ET.fromstring(asked.body).iter()]
    elif kind == "multipart/mixed":
        body = [_part(part) for part in _parts(f"Content-Type: {asked.headers['Content-Type']}\r\n\r\n", asked.body)]
    else:
        assert (kind, asked.body) == ("", b"")
    names = ("x-ms-version", "If-Match", "DataServiceVersion")
    headers = {name: asked.headers[name] for name in names if name in asked.headers}
    return (asked.method, asked.path, asked.query, headers, kind, body)


def _parts(head: str, body: bytes) -> list[Message]:
    message = message_from_bytes(head.encode() + body)
    return [leaf for leaf in message.walk() if not leaf.is_multipart()]


def _part(part: Message) -> Any:
    assert part["Content-Transfer-Encoding"] == "binary"
    content: Any = part.get_payload(decode=True)
    head, _, body = content.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    method, uri, version = line.split(" ")
    assert version == "HTTP/1.1"
    headers = dict(each.split(": ", 1) for each in lines)
    # Of whole requests the version is said once.
    headers.pop("x-ms-version", None)
    address = urlsplit(uri)
    asked = Asked(method, address.path, CIMultiDict(headers), body.strip())
    return (part["Content-ID"], address.netloc, _meaning(asked))


class Case(NamedTuple):
    """A request, and the answer that both ways of making it get."""

    ours: Callable[[Clients], Awaitable[Any]]
    sdk: Callable[[Any, Any], Awaitable[Any]]
    status: int
    body: str = ""


async def _pages(pages: Any) -> None:
    async for _ in pages:
        return


def _apply(*changes: str) -> Callable[[Clients], Awaitable[Any]]:
    async def apply(clients: Clients) -> None:
        table = clients.entities(TABLE)
        made = {
            "insert": table.insert(ROW),
            "replace": table.replace(ROW, ETAG),
            "upsert": table.replace(ROW),
            "delete": table.delete(AWKWARD, "10-inbox-1"),
            "delete as it was": table.delete(AWKWARD, "00-instance", ETAG),
        }
        await table.apply([made[change] for change in changes])

    return apply


MATCH = {"etag": ETAG, "match_condition": MatchConditions.IfNotModified}
KEYS = {"PartitionKey": AWKWARD, "RowKey": "10-inbox-1"}
CONDITION = f"PartitionKey eq '{AWKWARD}' and Name eq 'it''s é + & #?%'"
PAGE = json.dumps({"value": []})
CASES = {
    "read": Case(
        lambda clients: clients.entities(TABLE).read(AWKWARD, "00-instance"),
        lambda table, _: table.get_entity(AWKWARD, "00-instance"),
        200,
        json.dumps({"PartitionKey": AWKWARD, "RowKey": "00-instance"}),
    ),
    "query": Case(
        lambda clients: clients.entities(TABLE).page(CONDITION, 1000),
        lambda table, _: _pages(table.query_entities(CONDITION, results_per_page=1000).by_page()),
        200,
        PAGE,
    ),
    "query of columns, continued": Case(
        lambda clients: clients.entities(TABLE).page(
            CONDITION, 5, ["RowKey", "Timestamp"], {"PartitionKey": "1!8!YQ--", "RowKey": "1!4=+/"}
        ),
        lambda table, _: _pages(
            table.query_entities(CONDITION, results_per_page=5, select=["RowKey", "Timestamp"]).by_page(
                {"PartitionKey": "1!8!YQ--", "RowKey": "1!4=+/"}
            )
        ),
        200,
        PAGE,
    ),
    "insert": Case(_apply("insert"), lambda table, _: table.create_entity(ROW), 204),
    "replace": Case(
        _apply("replace"), lambda table, _: table.update_entity(ROW, mode=UpdateMode.REPLACE, **MATCH), 204
    ),
    "upsert": Case(_apply("upsert"), lambda table, _: table.upsert_entity(ROW, mode=UpdateMode.REPLACE), 204),
    "delete": Case(_apply("delete"), lambda table, _: table.delete_entity(AWKWARD, "10-inbox-1"), 204),
    "transaction": Case(
        _apply("replace", "delete", "upsert"),
        lambda table, _: table.submit_transaction(
            [
                ("update", ROW, {"mode": UpdateMode.REPLACE, **MATCH}),
                ("delete", KEYS),
                ("upsert", ROW, {"mode": UpdateMode.REPLACE}),
            ]
        ),
        202,
        "3",
    ),
    "transaction of inserts": Case(
        _apply("insert", "insert"),
        lambda table, _: table.submit_transaction([("create", ROW), ("create", ROW)]),
        202,
        "2",
    ),
    "transaction that deletes": Case(
        _apply("delete as it was", "delete"),
        lambda table, _: table.submit_transaction(
            [("delete", {**KEYS, "RowKey": "00-instance"}, MATCH), ("delete", KEYS)]
        ),
        202,
        "2",
    ),
    "put": Case(
        lambda clients: clients.messages().put(QUEUE, TEXT, 7),
        lambda _, queue: queue.send_message(TEXT, visibility_timeout=7, time_to_live=-1),
        201,
        MESSAGE,
    ),
    "take": Case(
        lambda clients: clients.messages().take(QUEUE, 5, 30),
        lambda _, queue: _pages(
            queue.receive_messages(messages_per_page=5, max_messages=5, visibility_timeout=30).by_page()
        ),
        200,
        "<QueueMessagesList/>",
    ),
    "extend": Case(
        lambda clients: clients.messages().extend(QUEUE, "id-1", "A+/B==", 30),
        lambda _, queue: queue.update_message("id-1", "A+/B==", visibility_timeout=30),
        204,
    ),
    "delete message": Case(
        lambda clients: clients.messages().delete(QUEUE, "id-1", "A+/B=="),
        lambda _, queue: queue.delete_message("id-1", "A+/B=="),
        204,
    ),
}


def _answer(case: Case) -> web.Response:
    headers = {"ETag": ETAG, "x-ms-popreceipt": "p", "x-ms-time-next-visible": "Mon, 30 Nov 2026 18:05:31 GMT"}
    if case.status != 202:
        kind = "application/xml" if case.body.startswith("<") else "application/json"
        return web.Response(status=case.status, body=case.body.encode(), headers={"Content-Type": kind, **headers})
    part = (
        "--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"HTTP/1.1 204 No Content\r\nDataServiceVersion: 3.0;\r\nETag: {ETAG}\r\n\r\n\r\n"
    )
    body = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{part * int(case.body)}--c--\r\n--b--\r\n"
    return web.Response(status=202, body=body.encode(), headers={"Content-Type": "multipart/mixed; boundary=b"})


@pytest.mark.parametrize("name", CASES)
async def test_a_request_means_what_the_request_of_the_sdk_means(fake: FakeStorage, clients: Clients, name: str):
    case = CASES[name]
    fake.answers = [_answer(case)]
    await case.ours(clients)
    await case.sdk(clients.table(TABLE), clients.queue(QUEUE))
    ours, sdk = fake.requests
    assert _meaning(ours) == _meaning(sdk)


@pytest.mark.parametrize("name", CASES)
async def test_a_request_is_signed_as_the_sdk_would_sign_it(fake: FakeStorage, clients: Clients, name: str):
    case = CASES[name]
    fake.answers = [_answer(case)]
    await case.ours(clients)
    [asked] = fake.requests
    request = HttpRequest(asked.method, f"http://host{asked.target}", headers=dict(asked.headers))
    signature = request.headers.pop("Authorization")
    is_queue = QUEUE in asked.path
    policy: Any = QueuePolicy(ACCOUNT, KEY) if is_queue else TablePolicy(AzureNamedKeyCredential(ACCOUNT, KEY))
    async with AioHttpTransport() as transport:
        policy.on_request(PipelineRequest(request, PipelineContext(transport)))
    assert signature == request.headers["Authorization"]


async def test_a_shared_access_signature_goes_with_the_address(fake: FakeStorage):
    made = Clients(
        StorageConnection(
            "sas", fake.uri, fake.uri, lambda: AzureSasCredential("?sv=2019-02-02&sig=a%2Bb%3D"), owned=False
        )
    )
    for name, case in CASES.items():
        fake.answers = [_answer(case)]
        await case.ours(made)
        asked = fake.requests[-1]
        assert asked.query["sig"] == "a+b=", name
        assert asked.target.count("?") == 1
        assert "Authorization" not in asked.headers
    await made.close()


async def test_requests_tell_who_sends_them_and_want_plain_answers(fake: FakeStorage, clients: Clients):
    case = CASES["insert"]
    fake.answers = [_answer(case)]
    await case.ours(clients)
    headers = fake.requests[0].headers
    assert headers["User-Agent"].startswith("azure-durable-py/")
    assert headers["Accept-Encoding"] == "identity"
    # Without it the answer repeats the whole row.
    assert headers["Prefer"] == "return-no-content"


async def test_a_large_row_is_sent_whole(fake: FakeStorage, clients: Clients):
    fake.answers = [_answer(CASES["insert"])]
    table = clients.entities(TABLE)
    row = {"PartitionKey": "x", "RowKey": "y", **rows._split(bytes(700_000))}
    await table.apply([table.insert(row)])
    fake.answers = [_answer(Case(_apply(), lambda *_: asyncio.sleep(0), 202, "2"))]
    await table.apply([table.insert(row)] * 2)
    one, two = fake.requests
    assert len(json.loads(one.body)) == 2 + 2 * 11
    assert len(two.body) > 2 * len(one.body)
    assert two.headers["Content-Length"] == str(len(two.body))


async def test_the_proxy_of_the_environment_is_used_but_for_hosts_that_it_leaves_out(
    fake: FakeStorage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", fake.uri.rpartition("/")[0])
    monkeypatch.setenv("no_proxy", "queue.invalid")
    key = (
        f"AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint=http://queue.invalid;TableEndpoint=http://table.invalid"
    )
    made = Clients(StorageConnection.from_connection_string(key))
    fake.answers = [_answer(CASES["read"])]
    await CASES["read"].ours(made)
    await CASES["read"].sdk(made.table(TABLE), None)
    assert [asked.headers["Host"] for asked in fake.requests] == ["table.invalid"] * 2
    with pytest.raises(Exception, match=r"queue\.invalid"):
        await CASES["put"].ours(made)
    await made.close()


# --- rows of both -----------------------------------------------------------------------------------------


@pytest.fixture
async def hub(azurite: str, hub_name: str) -> AsyncIterator[AzureStore]:
    store = AzureStore(StorageConnection.from_connection_string(azurite), hub_name=hub_name)
    await store.open()
    yield store
    await clear(store)


HEADERS = [
    Header("order-17", samples.COLUMNS["orchestration"], bytes(range(256)) * 300),
    Header("@stock@tea", samples.COLUMNS["entity"], b""),
    Header("é" * 300, samples.COLUMNS["orchestration"], b"x"),
    header("plain", custom_status=json.dumps("日本 \u2028 \U0001f600")),
]


@pytest.mark.azurite
@pytest.mark.parametrize("given", HEADERS, ids=lambda given: given.instance_id[:10])
async def test_what_the_sdk_wrote_reads_the_same_as_what_we_write(hub: AzureStore, given: Header):
    sdk = hub._table._client
    await sdk.create_entity(rows.header_row(given))
    theirs = await hub.load_header(given.instance_id)
    assert theirs is not None
    etag = await hub.commit(Commit(given.instance_id, given, theirs.etag))
    ours = await hub.load_header(given.instance_id)
    assert ours is not None
    assert (ours.columns, ours.body, ours.etag) == (theirs.columns, theirs.body, etag)
    assert (ours.columns, ours.body) == (given.columns, given.body)
    assert (await hub.load(given.instance_id)).header == ours
    found = await listed(hub, kind=given.columns.kind)
    assert [(item.instance_id, item.columns, item.damaged) for item in found] == [
        (given.instance_id, given.columns, "")
    ]


@pytest.mark.azurite
@pytest.mark.parametrize("given", HEADERS, ids=lambda given: given.instance_id[:10])
async def test_what_we_write_is_of_the_types_that_the_sdk_reads(hub: AzureStore, given: Header):
    await hub.commit(Commit(given.instance_id, given, None, put=blobs("20-a", body=b"\0\xff")))
    row = rows.header_row(given)
    found = await hub._table._client.get_entity(row["PartitionKey"], row["RowKey"])
    assert dict(found) == row
    assert {type(value) for value in found.values()} >= {str, int, bool}
    page = await hub._table._client.get_entity(row["PartitionKey"], "20-a")
    assert page["B00"] == b"\0\xff"


@pytest.mark.azurite
async def test_a_column_of_a_type_that_is_none_of_ours_is_called_damaged(hub: AzureStore):
    await insert(hub, "x")
    sdk = hub._table._client
    for value in (uuid.UUID(int=1), (2**40, "Edm.Int64"), 1.5, b"bytes"):
        await sdk.update_entity(
            {"PartitionKey": "x", "RowKey": "00-instance", "ExecutionId": value}, mode=UpdateMode.MERGE
        )
        [found] = (await hub.query(InstanceQuery())).items
        assert "execution_id: expected" in found.damaged


# --- cost ----------------------------------------------------------------------------------------------------


@pytest.mark.azurite
async def test_a_hot_call_runs_nothing_of_the_sdk_and_hops_into_no_thread(
    hub: AzureStore, monkeypatch: pytest.MonkeyPatch
):
    header_row = header("x")
    etag = await hub.commit(Commit("x", header_row, None))
    queue = hub.activity_queue
    message = await hub.put_message(queue, "x", 60)
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: hub.load("x"),
        lambda: hub.load_header("x"),
        lambda: hub.commit(Commit("x", header_row, etag)),
        lambda: hub.insert_inbox("x", inbox("1")),
        lambda: hub.insert_inbox("x", inbox("2", "3")),
        lambda: hub.delete_inbox("x", ["1"]),
        lambda: hub.delete_inbox("x", ["2", "3"]),
        lambda: hub.put_blobs("x", blobs("20-a")),
        lambda: hub.get_blobs("x", ["20-a"]),
        lambda: hub.list_blobs("x", "20-"),
        lambda: hub.query(InstanceQuery()),
        lambda: hub.put_message(queue, "x"),
        lambda: hub.receive_messages(queue, 1, 30),
        lambda: hub.extend_message(message, 30),
    ]
    hops: list[Any] = []
    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", hops.append)
    for number, call in enumerate(calls):
        with _Calls() as counted:
            await call()
        assert counted.of_the_sdk == [], number
        # It is 210 to 330; by the SDK's clients it was 1,070 to 6,140.
        assert counted.total < 600, number
    assert hops == []


class _Calls:
    """Counts calls of Python functions on this thread."""

    def __init__(self) -> None:
        self.total = 0
        self.of_the_sdk: list[str] = []

    def __enter__(self) -> _Calls:  # noqa: PYI034 - Self is not in Python 3.10
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            self.total += 1
            file = frame.f_code.co_filename.replace("\\", "/")
            if "/site-packages/azure/" in file:
                self.of_the_sdk.append(f"{file}:{frame.f_code.co_name}")
