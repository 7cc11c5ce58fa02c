"""How a request proves who we are: the key of the account, a shared access signature, or a token.

Owns what each of the three adds to a request, and the token while it is good. What a signature covers is the
service's own rule ("Authorize with Shared Key"); a token is asked for as the SDK asks.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import Enum
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

_SCOPE = "https://storage.azure.com/.default"
# As the SDK: a token is replaced before its last five minutes.
_SPARE_SECONDS = 300
_CHALLENGE = re.compile(r'(\w+)="?([^",\s]+)"?')
# No quotation marks: an address in the text of an error ends at one.
_UNESCAPED = "()*!$,:;@/~"


class Service(str, Enum):
    """What an account consists of, as far as a hub uses it."""

    queue = "queue"
    table = "table"


@dataclass(slots=True)
class WireRequest:
    """A request about to be sent.

    :param path: from the root of the host, encoded.
    :param query: names and values, not encoded.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: dict[str, str] = field(repr=False)
    body: bytes = b""
    signature: str = field(default="", repr=False)

    @property
    def target(self) -> str:
        """Path and query as they are sent."""
        pairs = "&".join(f"{name}={quote(value, safe=_UNESCAPED)}" for name, value in self.query.items())
        if self.signature:
            pairs = f"{pairs}&{self.signature}" if pairs else self.signature
        return f"{self.path}?{pairs}" if pairs else self.path


class Authorization(Protocol):
    """Proves who we are. One serves all requests to a service."""

    async def authorize(self, request: WireRequest) -> None:
        """Add what the service asks for.

        :raises AzureError: there is no token to be had.
        """
        ...

    async def renew(self, request: WireRequest, challenge: str | None) -> bool:
        """Whether a request that was refused as unauthorized is worth sending again; if so, it is authorized anew.

        :param challenge: the `WWW-Authenticate` of the refusal.
        """
        ...


def authorization(credential: Any, service: Service) -> Authorization:
    """The way to use a credential as the SDK's clients take it."""
    if isinstance(credential, AzureNamedKeyCredential):
        return _SharedKey(credential, service)
    if isinstance(credential, AzureSasCredential):
        return _Signature(credential)
    return _Token(credential)


# --- the key of the account ----------------------------------------------------------------------


class _SharedKey:
    def __init__(self, credential: AzureNamedKeyCredential, service: Service) -> None:
        self._account, key = credential.named_key
        self._key = base64.b64decode(key)
        self._covered = _covered_of_table if service is Service.table else _covered_of_queue

    async def authorize(self, request: WireRequest) -> None:
        request.headers["x-ms-date"] = _now()
        covered = self._covered(request, f"/{self._account}{request.path}")
        digest = hmac.digest(self._key, covered.encode(), "sha256")
        request.headers["Authorization"] = f"SharedKey {self._account}:{base64.b64encode(digest).decode()}"

    async def renew(self, request: WireRequest, challenge: str | None) -> bool:  # noqa: ARG002
        return False


def _covered_of_table(request: WireRequest, resource: str) -> str:
    headers = request.headers
    return f"{request.method}\n\n{headers.get('Content-Type', '')}\n{headers['x-ms-date']}\n{resource}"


def _covered_of_queue(request: WireRequest, resource: str) -> str:
    headers = request.headers
    length = len(request.body) or ""
    own = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers) if name.startswith("x-ms-"))
    query = "".join(f"\n{name}:{request.query[name]}" for name in sorted(request.query))
    # Before the length encoding and language are left out, behind it MD5, and at last date, conditions and range.
    return f"{request.method}\n\n\n{length}\n\n{headers.get('Content-Type', '')}\n\n\n\n\n\n\n{own}{resource}{query}"


def _now() -> str:
    # Asked for by every request, and the same for a second.
    global _date  # noqa: PLW0603
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]


_date = (0, "")


# --- a shared access signature -------------------------------------------------------------------


class _Signature:
    def __init__(self, credential: AzureSasCredential) -> None:
        self._signature = credential.signature.lstrip("?")

    async def authorize(self, request: WireRequest) -> None:
        request.signature = self._signature

    async def renew(self, request: WireRequest, challenge: str | None) -> bool:  # noqa: ARG002
        return False


# --- a token -------------------------------------------------------------------------------------


class _Token:
    """Tokens of a credential: the newest is kept until shortly before it expires."""

    def __init__(self, credential: Any) -> None:
        self._credential = credential
        self._token: Any = None
        self._asking = asyncio.Lock()

    async def authorize(self, request: WireRequest) -> None:
        if self._is_stale():
            async with self._asking:
                if self._is_stale():
                    self._token = await self._ask(_SCOPE)
        request.headers["Authorization"] = f"Bearer {self._token.token}"

    async def renew(self, request: WireRequest, challenge: str | None) -> bool:
        """The tenant that the account belongs to is told by the refusal, and may be another than the credential's."""
        async with self._asking:
            if self._token is not None and request.headers["Authorization"] != f"Bearer {self._token.token}":
                # Another request was refused as well, and was quicker to ask.
                request.headers["Authorization"] = f"Bearer {self._token.token}"
                return True
            self._token = None
            found = {match[1]: match[2] for match in _CHALLENGE.finditer(challenge or "")}
            authority = found.get("authorization_uri") or found.get("authorization")
            if not authority:
                return False
            tenant = urlsplit(authority).path.strip("/").partition("/")[0]
            resource = found.get("resource_id") or found.get("resource")
            scope = found.get("scope") or (f"{resource}/.default" if resource else _SCOPE)
            self._token = await self._ask(scope, **({"tenant_id": tenant} if tenant else {}))
            request.headers["Authorization"] = f"Bearer {self._token.token}"
            return True

    def _is_stale(self) -> bool:
        if self._token is None:
            return True
        now = time.time()
        refresh_on = getattr(self._token, "refresh_on", None)
        return self._token.expires_on - now < _SPARE_SECONDS or (refresh_on is not None and refresh_on <= now)

    async def _ask(self, scope: str, **options: str) -> Any:
        if hasattr(self._credential, "get_token_info"):
            return await self._credential.get_token_info(scope, options=options)
        return await self._credential.get_token(scope, **options)
