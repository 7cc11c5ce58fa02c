"""Signatures of management URLs: who holds one may do one thing with one instance, for a time.

Owns the signature and its check. The key is the task hub's own (`HubInfo.signing_key`), so any
host on the hub accepts what another one signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from urllib.parse import urlencode


class SignedOperation(str, Enum):
    """What a signed URL allows, by the names of the routes."""

    status = "status"
    raise_event = "raiseEvent"
    terminate = "terminate"
    suspend = "suspend"
    resume = "resume"
    rewind = "rewind"
    restart = "restart"
    purge = "purge"


class UrlSigner:
    """Signs and checks management URLs of one task hub.

    A signature is HMAC-SHA256 over the hub, the instance id, the operation and the time of its
    expiry. It does not cover the rest of the URL, so that callers can fill in the name of an event
    or a reason.

    :param key: the hub's signing key; what is used is derived from it.
    :param hub_name: the task hub that the URLs are for.
    :param now: tells UTC time.
    :param lifetime: how long a signature is good, in seconds.
    """

    def __init__(self, key: bytes, hub_name: str, *, now: Callable[[], datetime], lifetime: float) -> None:
        self._hub_name = hub_name
        self._key = _mac(key, "management url")
        self._system_key = _text(_mac(key, "system key", hub_name.lower()))
        self._now = now
        self._lifetime = lifetime

    @property
    def system_key(self) -> str:
        """The key (`code=...`) that allows everything on this hub; keep it out of logs."""
        return self._system_key

    def is_system_key(self, given: str) -> bool:
        """Whether this is the system key; takes the same time whatever differs."""
        return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), self._system_key.encode())

    def sign(self, instance_id: str, operation: SignedOperation, *, until: int | None = None) -> str:
        """The query string that allows one operation on one instance.

        :param until: when it expires, in Unix seconds (default: `lifetime` from now).
        """
        expires = str(int(self._now().timestamp() + self._lifetime) if until is None else until)
        signature = self._signature(instance_id, operation, expires)
        return urlencode({"taskHub": self._hub_name, "expires": expires, "sig": signature})

    def expiry(self, query: Mapping[str, Sequence[str]]) -> int:
        """When the signature in a query that was accepted expires, in Unix seconds."""
        return int(_only(query, "expires") or 0)

    def refusal(self, query: Mapping[str, Sequence[str]], instance_id: str, operation: SignedOperation) -> str | None:
        """Why a query does not allow an operation on an instance, for people; None: it does.

        :param query: values by parameter name in lower case.
        """
        expires, signature = _only(query, "expires"), _only(query, "sig")
        if expires is None or signature is None:
            return "The URL is not signed. Use one from the management payload, or add the system key as 'code'."
        expected = self._signature(instance_id, operation, expires).encode()
        if not hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), expected):
            return (
                "The signature does not fit this URL: it was changed, or signed for another instance, operation or "
                "task hub. Use the URL as it is in the management payload."
            )
        if not re.fullmatch(r"\d{1,12}", expires, re.ASCII) or int(expires) < self._now().timestamp():
            return "The signature of this URL has expired. Get a new management payload from the app."
        return None

    def _signature(self, instance_id: str, operation: SignedOperation, expires: str) -> str:
        return _text(_mac(self._key, self._hub_name.lower(), instance_id, operation.value, expires))


def _mac(key: bytes, *parts: str) -> bytes:
    # Lengths before the parts: no two lists of parts make the same bytes.
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
    return hmac.new(key, message, hashlib.sha256).digest()


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _only(query: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = query.get(name, ())
    return values[0] if len(values) == 1 else None
