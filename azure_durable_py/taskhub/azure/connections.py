"""Which storage account to use, and how to prove who we are.

Owns `StorageConnection` and every form in which it can be given. It opens no connection.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

from azure_durable_py.errors import SettingsError
from azure_durable_py.taskhub.azure.credentials import asynchronous

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential

ACCEPTED = (
    'a connection string, "UseDevelopmentStorage=true", or the settings of an identity: {name}__accountName '
    "(or {name}__queueServiceUri and {name}__tableServiceUri), and for a managed identity "
    '{name}__credential = "managedidentity" with {name}__clientId when it is a user-assigned one'
)
# Public: the account that every emulator has.
_EMULATOR = {
    "accountname": "devstoreaccount1",
    "accountkey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "queueendpoint": "http://127.0.0.1:10001/devstoreaccount1",
    "tableendpoint": "http://127.0.0.1:10002/devstoreaccount1",
}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class StorageConnection:
    """One storage account and the credential for it.

    `name` is what people call it: the setting that it came from. The URIs are those of the
    account's queue and table services. `credential` makes what the SDK's clients take; one that
    we make ourselves (`owned`) is closed with the store.
    """

    name: str
    queue_uri: str
    table_uri: str
    credential: Callable[[], Any] = field(repr=False)
    owned: bool = field(default=False, repr=False)

    @property
    def host(self) -> str:
        """The table service's address, without a secret."""
        return urlsplit(self.table_uri).netloc

    @property
    def is_emulator(self) -> bool:
        """Whether it is an emulator, such as Azurite: on this machine, or with the account that every emulator has."""
        address = urlsplit(self.queue_uri)
        return address.hostname in _LOOPBACK or address.path == f"/{_EMULATOR['accountname']}"

    @classmethod
    def from_settings(cls, name: str, settings: Mapping[str, str]) -> StorageConnection:
        """Find the connection that an app calls `name`.

        :param name: name of the setting, or common beginning of the names of an identity's settings.
        :param settings: the app's settings by name; case does not matter, `:` is as good as `__`.
        :raises SettingsError: nothing of that name, or something that cannot be used.
        """
        known = {key.lower().replace("__", ":"): value for key, value in settings.items() if value}
        # As the Functions host does: `Storage` may also be given as `AzureWebJobsStorage`.
        for candidate in (name, f"AzureWebJobs{name}", f"ConnectionStrings:{name}"):
            stem = candidate.lower().replace("__", ":")
            if stem in known:
                return cls.from_connection_string(known[stem], name=candidate)
            section = {key[len(stem) + 1 :]: value for key, value in known.items() if key.startswith(f"{stem}:")}
            if section:
                return _from_identity(candidate, section)
        raise SettingsError(
            f"There is no storage connection {name!r} among the app's settings. Set {name} to "
            f"{ACCEPTED.format(name=name)}."
        )

    @classmethod
    def from_connection_string(cls, text: str, *, name: str = "connection string") -> StorageConnection:
        """Read a connection string.

        :param text: `key=value` pairs parted by semicolons: an account with its key, or endpoints
            with a shared access signature, or `UseDevelopmentStorage=true`.
        :param name: what to call it in messages.
        :raises SettingsError: it cannot be used; the message never repeats it.
        """
        parts = _parse(text, name)
        if parts.get("usedevelopmentstorage", "").lower() == "true":
            parts = _EMULATOR
        queue_uri = _endpoint(parts, "queue", name)
        table_uri = _endpoint(parts, "table", name)
        account, key = parts.get("accountname"), parts.get("accountkey")
        signature = parts.get("sharedaccesssignature")
        if account and key:
            if not _is_base64(key):
                raise _unusable(name, "its AccountKey is not Base64, as keys of accounts are: is a part of it missing?")
            return cls(name, queue_uri, table_uri, lambda: AzureNamedKeyCredential(account, key))
        if signature:
            return cls(name, queue_uri, table_uri, lambda: AzureSasCredential(signature.lstrip("?")))
        raise _unusable(name, "it has neither AccountName and AccountKey nor a SharedAccessSignature")

    @classmethod
    def from_credential(
        cls,
        credential: AsyncTokenCredential | TokenCredential,
        *,
        queue_uri: str,
        table_uri: str,
        name: str = "credential",
    ) -> StorageConnection:
        """Use a credential of the caller, who also closes it.

        :param credential: one of `azure.identity.aio`, or of `azure.identity`, which is then asked in a thread.
        :param queue_uri: address of the account's queue service, https.
        :param table_uri: address of the account's table service, https.
        :raises SettingsError: an address is not https.
        """
        _require_https(name, queue_uri, table_uri)
        return cls(name, queue_uri.rstrip("/"), table_uri.rstrip("/"), lambda: asynchronous(credential))


def _unusable(name: str, why: str) -> SettingsError:
    # The value itself may hold a key: it is never part of the message.
    return SettingsError(
        f"Storage connection {name!r} cannot be used: {why}. Accepted is {ACCEPTED.format(name=name)}."
    )


def _parse(text: str, name: str) -> Mapping[str, str]:
    parts: dict[str, str] = {}
    for part in text.strip().strip(";").split(";"):
        key, separator, value = part.partition("=")
        if not separator or not key.strip():
            raise _unusable(name, "it is not a connection string (key=value;key=value)")
        parts[key.strip().lower()] = value.strip()
    return parts


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text))
    except ValueError:
        return False


def _endpoint(parts: Mapping[str, str], service: str, name: str) -> str:
    given = parts.get(f"{service}endpoint")
    if given:
        return _without_user(name, given.rstrip("/"))
    account = parts.get("accountname")
    if not account:
        raise _unusable(name, f"it has neither {service.title()}Endpoint nor AccountName")
    protocol = parts.get("defaultendpointsprotocol", "https")
    suffix = parts.get("endpointsuffix", "core.windows.net")
    return f"{protocol}://{account}.{service}.{suffix}"


def _without_user(name: str, uri: str) -> str:
    if "@" in urlsplit(uri).netloc:
        raise _unusable(name, "an endpoint has a user name or a password in it, which storage does not take")
    return uri


def _require_https(name: str, *uris: str) -> None:
    for uri in uris:
        if urlsplit(uri).scheme != "https":
            raise _unusable(name, f"an identity is only sent over https, and {uri!r} is not")


# --- identities ------------------------------------------------------------------------------------


def _from_identity(name: str, section: Mapping[str, str]) -> StorageConnection:
    account = section.get("accountname")
    queue_uri, table_uri = (_service_uri(name, section, service, account) for service in ("queue", "table"))
    _require_https(name, queue_uri, table_uri)
    return StorageConnection(name, queue_uri, table_uri, _identity(name, section), owned=True)


def _service_uri(name: str, section: Mapping[str, str], service: str, account: str | None) -> str:
    uri = section.get(f"{service}serviceuri")
    if uri:
        return uri.rstrip("/")
    if account:
        return f"https://{account}.{service}.core.windows.net"
    raise _unusable(name, f"neither {name}__{service}ServiceUri nor {name}__accountName is set")


def _identity(name: str, section: Mapping[str, str]) -> Callable[[], Any]:
    kind = section.get("credential", "").lower()
    client, tenant, secret = section.get("clientid"), section.get("tenantid"), section.get("clientsecret")
    if kind == "managedidentity":
        return lambda: _managed_identity(client)
    if kind:
        raise _unusable(name, f'{name}__credential is {section["credential"]!r}; known is "managedidentity"')
    if secret:
        if not (tenant and client):
            raise _unusable(name, f"{name}__clientSecret needs {name}__tenantId and {name}__clientId")
        return lambda: _client_secret(tenant, client, secret)
    return lambda: _default_identity(client)


# azure.identity takes a good part of a second to import: only where it is used.


def _managed_identity(client: str | None) -> AsyncTokenCredential:
    from azure.identity.aio import ManagedIdentityCredential

    return ManagedIdentityCredential(client_id=client)


def _client_secret(tenant: str, client: str, secret: str) -> AsyncTokenCredential:
    from azure.identity.aio import ClientSecretCredential

    return ClientSecretCredential(tenant, client, secret)


def _default_identity(client: str | None) -> AsyncTokenCredential:
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential(managed_identity_client_id=client) if client else DefaultAzureCredential()
