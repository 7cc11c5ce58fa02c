"""What is special to the hub on Azure Storage: credentials, encodings, refusals, lost answers."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.data.tables.aio import TableClient
from azure.storage.queue import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure.storage.queue.aio import QueueClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from azure_durable_py.errors import (
    ConcurrencyConflictError,
    HubFormatError,
    PayloadTooLargeError,
    SettingsError,
    StorageRejectedError,
    StorageUnavailableError,
)
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection, clients
from azure_durable_py.taskhub.azure.queues import _Handle
from azure_durable_py.taskhub.protocol import FORMAT_VERSION, BlobRow, Commit, InstanceQuery, Kind, QueueMessage
from azure_durable_py.times import UTC
from tests.azurite import ACCOUNT, KEY, Azurite, clear, find
from tests.counting import CountingStore
from tests.taskhub.building import blobs, header, inbox, insert, listed_ids, receive_one
from tests.taskhub.fake_storage import FakeStorage, fake_storage

pytestmark = pytest.mark.azurite


@pytest.fixture
async def hub(azurite: str, hub_name: str) -> AsyncIterator[AzureStore]:
    store = AzureStore(StorageConnection.from_connection_string(azurite), hub_name=hub_name)
    await store.open()
    yield store
    await clear(store)


# --- messages ------------------------------------------------------------------------------------------


async def _raw_queue(azurite: str, name: str) -> QueueClient:
    return QueueClient.from_connection_string(azurite, name, api_version="2019-02-02")


@pytest.mark.parametrize("encoding", ["base64", "none"])
async def test_messages_are_encoded_as_the_functions_host_expects(azurite: str, hub_name: str, encoding: str):
    connection = StorageConnection.from_connection_string(azurite)
    store = AzureStore(connection, hub_name=hub_name, message_encoding=encoding)
    await store.open()
    await store.put_message(store.activity_queue, '{"a": "日本"}')
    async with await _raw_queue(azurite, store.activity_queue) as raw:
        [seen] = await raw.peek_messages()
    text = seen.content
    assert (base64.b64decode(text).decode() if encoding == "base64" else text) == '{"a": "日本"}'
    assert (await receive_one(store, store.activity_queue)).body == '{"a": "日本"}'
    await store.delete_hub()
    await store.close()


async def test_messages_never_expire(hub: AzureStore, azurite: str):
    await hub.put_message(hub.activity_queue, "x")
    async with await _raw_queue(azurite, hub.activity_queue) as raw:
        [seen] = await raw.peek_messages()
    assert seen.expires_on.year == 9999


@pytest.mark.parametrize("text", ["not base64!", '{"raw": 1}', "/w=="])
async def test_a_message_of_somebody_else_is_returned_with_its_raw_text(hub: AzureStore, azurite: str, text: str):
    async with await _raw_queue(azurite, hub.activity_queue) as raw:
        await raw.send_message(text)
    message = await receive_one(hub, hub.activity_queue)
    assert message.body == text
    await hub.delete_message(message)


def test_an_unknown_encoding_is_refused(azurite: str):
    with pytest.raises(SettingsError, match='"base64" or "none"'):
        AzureStore(StorageConnection.from_connection_string(azurite), hub_name="MyHub", message_encoding="utf16")


# --- the marker ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "says"),
    [({"FormatVersion": 99}, "Upgrade azure-durable-py"), ({"SigningKey": None}, "is damaged")],
    ids=["newer", "damaged"],
)
async def test_a_marker_that_cannot_be_used_is_refused(
    hub: AzureStore, azurite: str, hub_name: str, columns: dict[str, Any], says: str
):
    row = {
        "PartitionKey": "$hub",
        "RowKey": "marker",
        "FormatVersion": FORMAT_VERSION,
        "QueueCount": 1,
        "SigningKey": b"k" * 32,
    }
    async with TableClient.from_connection_string(azurite, f"{hub_name}TaskHub") as table:
        await table.upsert_entity({**row, **columns}, mode="replace")
        with pytest.raises(HubFormatError, match=says):
            await hub.open()
        await table.upsert_entity(row, mode="replace")
    assert (await hub.open()).signing_key == b"k" * 32


async def test_a_hub_with_another_number_of_queues_gets_no_new_ones(hub: AzureStore, azurite: str, hub_name: str):
    connection = StorageConnection.from_connection_string(azurite)
    other = AzureStore(connection, hub_name=hub_name, instance_queue_count=2)
    with pytest.raises(HubFormatError):
        await other.open()
    async with await _raw_queue(azurite, f"{hub_name.lower()}-instances-01") as raw:
        with pytest.raises(Exception, match="QueueNotFound"):
            await raw.get_queue_properties()


# --- credentials ---------------------------------------------------------------------------------------


async def test_a_wrong_key_is_refused_with_the_mend_and_without_the_key(azurite: str):
    wrong = base64.b64encode(b"wrong" * 10).decode()
    store = AzureStore(
        StorageConnection.from_connection_string(azurite.replace(KEY, wrong), name="MyStorage"), hub_name="MyHub"
    )
    with pytest.raises(StorageRejectedError, match="Check the key") as caught:
        await store.open()
    assert wrong not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


async def test_a_shared_access_signature_is_enough(azurite_process: Azurite, hub_name: str):
    signature = generate_account_sas(
        ACCOUNT,
        KEY,
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions.from_string("rwdlacup"),
        datetime.now(UTC) + timedelta(hours=1),
        services="qt",
    )
    await _works(
        StorageConnection.from_connection_string(
            f"QueueEndpoint={azurite_process.queue_uri};TableEndpoint={azurite_process.table_uri};"
            f"SharedAccessSignature={signature}"
        ),
        hub_name,
    )


class FakeCredential:
    """Hands out tokens that look as if Microsoft Entra ID had made them."""

    def __init__(self) -> None:
        self.closed = False

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + 3600,
        }
        parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
        token = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        return AccessToken(f"{token}.c2ln", now + 3600)

    async def close(self) -> None:
        self.closed = True

    async def __aenter__(self) -> FakeCredential:  # noqa: PYI034 - Self is not in Python 3.10
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@pytest.fixture(scope="module")
def secure_azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Azurite, Path]]:
    """An Azurite over https that takes tokens, and the certificate to trust."""
    command = find()
    if command is None:
        pytest.skip("Azurite is not installed: run `npm install`, or set AZURITE to its command")
    directory = tmp_path_factory.mktemp("secure")
    certificate, key = _self_signed(directory)
    process = Azurite(command, directory, "--oauth", "basic", "--cert", str(certificate), "--key", str(key))
    yield process, certificate
    process.stop()


def _self_signed(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = directory / "cert.pem", directory / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_path, key_path


async def test_an_identity_is_enough(
    secure_azurite: tuple[Azurite, Path], hub_name: str, monkeypatch: pytest.MonkeyPatch
):
    process, certificate = secure_azurite
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    credential = FakeCredential()
    await _works(
        StorageConnection.from_credential(credential, queue_uri=process.queue_uri, table_uri=process.table_uri),
        hub_name,
    )
    assert not credential.closed


async def test_an_identity_from_settings_is_closed_with_the_store(
    secure_azurite: tuple[Azurite, Path], hub_name: str, monkeypatch: pytest.MonkeyPatch
):
    process, certificate = secure_azurite
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    credential = FakeCredential()
    monkeypatch.setattr("azure.identity.aio.ManagedIdentityCredential", lambda client_id: credential)
    settings = {
        "Hub__queueServiceUri": process.queue_uri,
        "Hub__tableServiceUri": process.table_uri,
        "Hub__credential": "managedidentity",
    }
    await _works(StorageConnection.from_settings("Hub", settings), hub_name)
    assert credential.closed


async def test_a_certificate_that_nobody_trusts_is_unavailable(secure_azurite: tuple[Azurite, Path]):
    process, _ = secure_azurite
    connection = StorageConnection.from_credential(
        FakeCredential(), queue_uri=process.queue_uri, table_uri=process.table_uri
    )
    with pytest.raises(StorageUnavailableError, match="certificate"):
        await AzureStore(connection, hub_name="MyHub").open()


async def _works(connection: StorageConnection, hub_name: str) -> None:
    store = AzureStore(connection, hub_name=hub_name)
    await store.open()
    etag = await insert(store, "@a@b/c")
    await store.insert_inbox("@a@b/c", inbox("1", "2"))
    await store.commit(Commit("@a@b/c", header("@a@b/c", kind=Kind.entity), etag, consumed=("1",), put=blobs("20-a")))
    assert await listed_ids(store, kind=Kind.entity) == {"@a@b/c"}
    await store.put_message(store.activity_queue, "x")
    await store.delete_message(await receive_one(store, store.activity_queue))
    await store.delete_hub()
    await store.close()


# --- trouble -------------------------------------------------------------------------------------------


@pytest.fixture
async def fake() -> AsyncIterator[FakeStorage]:
    async with fake_storage() as storage:
        yield storage


@pytest.fixture
async def troubled(fake: FakeStorage) -> AsyncIterator[AzureStore]:
    """A store on the fake, connected as after `open`."""
    store = AzureStore(StorageConnection.from_connection_string(fake.connection_string), hub_name="MyHub")
    store._connect()
    yield store
    await store.close()


TRANSIENT = [
    (500, "InternalError"),
    (503, "ServerBusy"),
    (429, "TooManyRequests"),
    (408, "RequestTimeout"),
    (504, "OperationTimedOut"),
    (409, "TableBeingDeleted"),
]
DEFINITE = [
    (400, "InvalidInput"),
    (401, "InvalidAuthenticationInfo"),
    (403, "AuthorizationPermissionMismatch"),
]
TOO_LARGE = [
    (413, "RequestBodyTooLarge"),
    (400, "EntityTooLarge"),
    (400, "PropertyValueTooLarge"),
    (400, "MessageTooLarge"),
]


CALLS: list[Callable[[AzureStore], Awaitable[Any]]] = [
    lambda store: store.load("x"),
    lambda store: store.load_header("x"),
    lambda store: store.commit(Commit("x", header("x"), "W/old")),
    lambda store: store.commit(Commit("x", header("x"), None)),
    lambda store: store.commit(Commit("x", header("x"), None, put=blobs("20-a"))),
    lambda store: store.insert_inbox("x", inbox("1")),
    lambda store: store.insert_inbox("x", inbox("1", "2")),
    lambda store: store.put_blobs("x", blobs("20-a")),
    lambda store: store.get_blobs("x", ["20-a"]),
    lambda store: store.list_blobs("x", "20-"),
    lambda store: store.blob_keys("x"),
    lambda store: store.instances_with_inbox(datetime(2026, 1, 1, tzinfo=UTC)),
    lambda store: store.delete_blobs("x", ["20-a"]),
    lambda store: store.query(InstanceQuery()),
    lambda store: store.put_message(store.activity_queue, "x"),
    lambda store: store.receive_messages(store.activity_queue, 1, 30),
    lambda store: store.extend_message(_held(store), 30),
    lambda store: store.delete_message(_held(store)),
    lambda store: store.message_counts(),
    lambda store: store.untaken_counts(),
    lambda store: store.poison_counts(),
    lambda store: store.delete_hub(),
    # A store that cannot be opened is closed: this comes last.
    lambda store: store.open(),
]


def _held(store: AzureStore) -> QueueMessage:
    return QueueMessage(store.activity_queue, "x", 1, _Handle("id", "receipt"))


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(*each, StorageUnavailableError) for each in TRANSIENT]
    + [(*each, StorageRejectedError) for each in DEFINITE]
    + [(*each, PayloadTooLargeError) for each in TOO_LARGE],
)
async def test_refusals_are_told_apart(
    fake: FakeStorage, troubled: AzureStore, status: int, code: str, expected: type[Exception]
):
    fake.refuse(status, code)
    for call in CALLS:
        with pytest.raises(expected) as caught:
            await call(troubled)
        assert "myhub" in str(caught.value).lower()
        assert KEY not in str(caught.value)


async def _connected_before(fake: FakeStorage, store: AzureStore) -> None:
    """Leave a connection in the pool: a client may take its end for a sign to send again."""
    fake.refuse(404, "ResourceNotFound")
    assert await store.load_header("x") is None
    fake.requests.clear()
    fake.answers = [None]


async def test_a_call_is_sent_once_even_if_its_answer_is_lost(fake: FakeStorage, troubled: AzureStore):
    # The last five send several requests each.
    for call in CALLS[:-5]:
        await _connected_before(fake, troubled)
        with pytest.raises(StorageUnavailableError, match="no answer"):
            await call(troubled)
        assert len(fake.requests) == 1


async def test_a_half_answer_is_unavailable(fake: FakeStorage, troubled: AzureStore):
    fake.answers = [web.Response(text='{"value": [', headers={"Content-Type": "application/json"})]
    with pytest.raises(StorageUnavailableError):
        await troubled.load("x")


async def test_an_empty_response_with_a_continuation_is_not_the_end(fake: FakeStorage, troubled: AzureStore):
    def page(rows: list[dict[str, Any]], **headers: str) -> web.Response:
        return web.Response(
            text=json.dumps({"value": rows}),
            headers={"Content-Type": "application/json;odata=minimalmetadata", **headers},
        )

    row = {"PartitionKey": "x", "RowKey": "10-inbox-1", "Timestamp": "2026-01-01T00:00:00Z", "odata.etag": "e"}
    more = {"x-ms-continuation-NextPartitionKey": "x", "x-ms-continuation-NextRowKey": "10-inbox-1"}
    fake.answers = [page([], **more), page([row])]
    loaded = await troubled.load("x")
    assert [each.key for each in loaded.inbox] == ["1"]
    assert "NextRowKey" in fake.requests[1].target
    fake.answers = [page([row], **more)]
    assert (await troubled.load("x")).more


async def test_storage_that_cannot_be_reached_is_unavailable_soon():
    # Nothing listens on port 1.
    uri = f"http://127.0.0.1:1/{ACCOUNT}"
    text = f"AccountName={ACCOUNT};AccountKey={KEY};QueueEndpoint={uri};TableEndpoint={uri}"
    store = AzureStore(StorageConnection.from_connection_string(text), hub_name="MyHub")
    with pytest.raises(StorageUnavailableError, match=r"127\.0\.0\.1"):
        await asyncio.wait_for(store.open(), 10)


async def test_storage_that_never_answers_is_unavailable_after_a_while(
    fake: FakeStorage, troubled: AzureStore, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(clients, "_ANSWER_SECONDS", 0.1)
    await troubled.close()
    troubled._connect()
    fake.answers = [fake.never]
    with pytest.raises(StorageUnavailableError, match="no answer"):
        await asyncio.wait_for(troubled.load("x"), 10)


# --- requests --------------------------------------------------------------------------------------------


async def test_every_call_costs_the_requests_that_the_counting_store_counts(
    hub: AzureStore, monkeypatch: pytest.MonkeyPatch
):
    sent = {"Queue": 0, "Table": 0}
    send = aiohttp.ClientSession._request

    async def counted(self: Any, method: str, url: Any, **options: Any) -> Any:
        sent["Queue" if "-activities" in str(url) or "-instances" in str(url) else "Table"] += 1
        return await send(self, method, url, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", counted)
    store = CountingStore(hub)
    etag = await insert(store, "x")
    await store.insert_inbox("x", inbox("1", "2"))
    await store.insert_inbox("x", ())
    await store.load("x")
    await store.load_header("x")
    etag = await store.commit(Commit("x", header("x"), etag, consumed=("1",)))
    with pytest.raises(ConcurrencyConflictError):
        await store.commit(Commit("x", header("x"), None))
    await store.delete_inbox("x", ["2"])
    await store.put_blobs("x", [BlobRow(f"30-{number:03d}", b"x") for number in range(101)])
    await store.get_blobs("x", ["30-000", "30-001"])
    await store.list_blobs("x", "30-")
    await store.delete_blobs("x", [f"30-{number:03d}" for number in range(101)])
    await store.query(InstanceQuery())
    held = await store.put_message(store.activity_queue, "x")
    held = await store.extend_message(held, 0)
    await store.delete_message(await receive_one(store, store.activity_queue))
    await store.message_counts()
    await store.untaken_counts()
    await store.poison_counts()
    assert sent == {"Queue": store.queue_operations, "Table": store.table_operations}
    assert store.calls["commit"] == 3
    store.reset()
    assert (store.queue_operations, store.table_operations, store.calls) == (0, 0, {})
