"""How an app says which storage account it uses."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.identity.aio import ClientSecretCredential, DefaultAzureCredential, ManagedIdentityCredential

from azure_durable_py.errors import SettingsError
from azure_durable_py.taskhub.azure import AzureStore, StorageConnection

NAME = "AzureWebJobsStorage"
STRING = "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"

_AZURITE = "AccountName=devstoreaccount1;AccountKey=c2VjcmV0"


def test_a_connection_string_names_the_account_and_its_key():
    connection = StorageConnection.from_settings(NAME, {NAME: STRING})
    assert connection.queue_uri == "https://acct.queue.core.windows.net"
    assert connection.table_uri == "https://acct.table.core.windows.net"
    credential = connection.credential()
    assert isinstance(credential, AzureNamedKeyCredential)
    assert credential.named_key == ("acct", "c2VjcmV0")
    assert (connection.name, connection.owned) == (NAME, False)


def test_endpoints_and_signatures_in_a_connection_string_are_used():
    connection = StorageConnection.from_connection_string(
        "QueueEndpoint=https://q.example/;TableEndpoint=https://t.example/;SharedAccessSignature=?sv=1&sig=a%3D;"
    )
    assert (connection.queue_uri, connection.table_uri) == ("https://q.example", "https://t.example")
    credential = connection.credential()
    assert isinstance(credential, AzureSasCredential)
    assert credential.signature == "sv=1&sig=a%3D"


@pytest.mark.parametrize(
    ("text", "is_emulator"),
    [
        ("UseDevelopmentStorage=true", True),
        (
            "AccountName=a;AccountKey=c2VjcmV0;QueueEndpoint=http://localhost:1/a;TableEndpoint=http://localhost:2/a",
            True,
        ),
        (f"{_AZURITE};QueueEndpoint=http://az:1/devstoreaccount1;TableEndpoint=http://az:2/devstoreaccount1", True),
        (STRING, False),
    ],
)
async def test_an_emulator_is_asked_for_messages_at_least_every_second(text: str, is_emulator: bool):
    connection = StorageConnection.from_connection_string(text)
    assert connection.is_emulator == is_emulator
    assert AzureStore(connection, hub_name="Emulated").longest_pause == (1.0 if is_emulator else 30.0)


@pytest.mark.parametrize("text", ["UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;"])
def test_development_storage_is_the_emulator_on_this_machine(text: str):
    connection = StorageConnection.from_settings(NAME, {NAME: text})
    assert connection.queue_uri == "http://127.0.0.1:10001/devstoreaccount1"
    assert connection.table_uri == "http://127.0.0.1:10002/devstoreaccount1"
    assert connection.host == "127.0.0.1:10002"


@pytest.mark.parametrize("separator", ["__", ":"])
def test_an_identity_is_given_by_the_account_name(separator: str):
    connection = StorageConnection.from_settings("Hub", {f"hub{separator}AccountName": "acct"})
    assert connection.queue_uri == "https://acct.queue.core.windows.net"
    assert connection.table_uri == "https://acct.table.core.windows.net"
    assert connection.owned


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        ({}, DefaultAzureCredential),
        ({"clientId": "c"}, DefaultAzureCredential),
        ({"credential": "managedidentity"}, ManagedIdentityCredential),
        ({"credential": "ManagedIdentity", "clientId": "c"}, ManagedIdentityCredential),
        ({"tenantId": "t", "clientId": "c", "clientSecret": "s"}, ClientSecretCredential),
    ],
)
async def test_the_kind_of_identity_follows_the_settings(settings: dict[str, str], kind: type):
    uris = {"queueServiceUri": "https://q.example/", "tableServiceUri": "https://t.example/"}
    given = {f"{NAME}__{key}": value for key, value in {**uris, **settings}.items()}
    connection = StorageConnection.from_settings(NAME, given)
    assert (connection.queue_uri, connection.table_uri) == ("https://q.example", "https://t.example")
    credential = connection.credential()
    assert isinstance(credential, kind)
    await credential.close()


@pytest.mark.parametrize("key", ["Storage", "AzureWebJobsStorage", "ConnectionStrings:Storage", "STORAGE"])
def test_a_name_is_found_as_the_functions_host_finds_it(key: str):
    assert StorageConnection.from_settings("Storage", {key: STRING}).host == "acct.table.core.windows.net"


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "no storage connection 'AzureWebJobsStorage'"),
        ({NAME: ""}, "no storage connection"),
        ({NAME: "c2VjcmV0"}, "not a connection string"),
        ({NAME: "AccountName=acct"}, "neither AccountName and AccountKey"),
        ({NAME: "AccountName=acct;AccountKey=c2VjcmV0c"}, "AccountKey is not Base64"),
        ({NAME: "AccountKey=c2VjcmV0"}, "neither QueueEndpoint nor AccountName"),
        ({f"{NAME}__credential": "managedidentity"}, "__queueServiceUri nor"),
        ({f"{NAME}__queueServiceUri": "https://q.example"}, "__tableServiceUri nor"),
        (
            {NAME: "AccountName=a;AccountKey=a2V5;QueueEndpoint=http://u:c2VjcmV0@q;TableEndpoint=http://t"},
            "a password",
        ),
        ({f"{NAME}__accountName": "acct", f"{NAME}__credential": "password"}, "known is"),
        ({f"{NAME}__accountName": "acct", f"{NAME}__clientSecret": "c2VjcmV0"}, "__tenantId"),
        ({f"{NAME}__accountName": "acct", f"{NAME}__queueServiceUri": "http://q.example"}, "only sent over https"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_forms_that_can(settings: dict[str, str], says: str):
    with pytest.raises(SettingsError, match=says) as caught:
        StorageConnection.from_settings(NAME, settings)
    message = str(caught.value)
    assert NAME in message
    assert "UseDevelopmentStorage=true" in message
    assert "c2VjcmV0" not in message


def test_a_credential_of_the_caller_needs_https():
    credential: Any = object()
    connection = StorageConnection.from_credential(
        credential, queue_uri="https://q.example", table_uri="https://t.example"
    )
    assert connection.credential() is credential
    assert not connection.owned
    with pytest.raises(SettingsError, match="https"):
        StorageConnection.from_credential(credential, queue_uri="http://q.example", table_uri="https://t.example")


def test_no_secret_is_shown():
    for text in (STRING, "QueueEndpoint=https://q;TableEndpoint=https://t;SharedAccessSignature=sig=c2VjcmV0"):
        assert "c2VjcmV0" not in repr(StorageConnection.from_connection_string(text))
