"""Signatures of management URLs: who holds one may do one thing with one execution of an instance, for a time.

Owns the signature and its check. The keys are the task hub's own (`taskhub.keyring`), so any host on the hub accepts
what another one signed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from urllib.parse import urlencode

from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.columns import UNKNOWN_TIME
from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.taskhub.keyring import FIRST_SIGNING_KEY, Keyring
from azure_durable_py.times import UTC

CLOCKS_APART = timedelta(seconds=60)
"""By how much the clocks of two hosts may differ: an instance may seem to be made so long after a link to it."""


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


@dataclass(frozen=True, slots=True)
class Signature:
    """What a URL that was accepted says of itself.

    `until`: when it expires, in Unix seconds. `execution_id` is the one execution that it was made for; None: the one
    that was there when it was `issued`. Both are None in URLs of versions that did not say.
    """

    until: int
    execution_id: str | None = None
    issued: datetime | None = None

    def fits(self, execution_id: str | None, created: datetime | None) -> bool:
        """Whether an execution is the one that the URL was made for.

        :param execution_id: its id; None or empty: it cannot be read.
        :param created: when it was started; None: it cannot be read.
        """
        if self.issued is None:
            return True
        if self.execution_id is not None and execution_id:
            return self.execution_id == execution_id
        return created is not None and created != UNKNOWN_TIME and created <= self.issued + CLOCKS_APART


class UrlSigner:
    """Signs and checks management URLs of one task hub.

    A signature is HMAC-SHA256 over the hub, the instance id, the operation, the time of its expiry, the time of its
    making, and the execution, where that is known. It does not cover the rest of the URL, so that callers can fill in
    the name of an event or a reason.

    :param keys: gives the hub's keys as they are known.
    :param hub_name: the task hub that the URLs are for.
    :param now: tells UTC time.
    :param lifetime: how long a signature is good, in seconds.
    """

    def __init__(
        self, keys: Callable[[], Keyring], hub_name: str, *, now: Callable[[], datetime], lifetime: float
    ) -> None:
        self._keys = keys
        self._hub_name = hub_name
        self._now = now
        self._lifetime = lifetime

    @classmethod
    def of(cls, hub: TaskHub, settings: Settings) -> UrlSigner:
        """The signer of a task hub, with the keys and the clock of that hub."""
        return cls(lambda: hub.keys.known, settings.hub_name, now=hub.clock.now, lifetime=settings.url_lifetime)

    def sign(
        self, instance_id: str, operation: SignedOperation, *, until: int | None = None, execution_id: str | None = None
    ) -> str:
        """The query string that allows one operation on one execution of an instance.

        :param until: when it expires, in Unix seconds (default: `lifetime` from now).
        :param execution_id: the execution; None: the one that is there now.
        """
        now, ring = self._now(), self._keys()
        key, mark = ring.signer, ring.revoked.get(instance_id)
        expires = str(int(now.timestamp() + self._lifetime) if until is None else until)
        # Later than all that a clock ahead of the one that revoked may have issued before.
        made = now if mark is None else max(now, mark.at + CLOCKS_APART + timedelta(milliseconds=1))
        issued, execution = str(_millis(made)), execution_id or ""
        signature = self._signature(key.secret, instance_id, operation, expires, issued, execution)
        query = {"taskHub": self._hub_name, "expires": expires, "issued": issued, "kid": key.id}
        if execution:
            query["execution"] = execution
        return urlencode({**query, "sig": signature})

    def knows(self, query: Mapping[str, Sequence[str]]) -> bool:
        """Whether the key that signed a query is one that is known and good."""
        return self._keys().signing_key(_only(query, "kid") or FIRST_SIGNING_KEY, self._now()) is not None

    def accepted(self, query: Mapping[str, Sequence[str]]) -> Signature:
        """What the signature in a query that was not refused says."""
        until, issued = int(_only(query, "expires") or 0), _only(query, "issued")
        if issued is None:
            return Signature(until)
        return Signature(until, _only(query, "execution"), _moment(issued))

    def refusal(self, query: Mapping[str, Sequence[str]], instance_id: str, operation: SignedOperation) -> str | None:
        """Why a query does not allow an operation on an instance, for people; None: it does.

        For which execution, the signature tells (`accepted`).

        :param query: values by parameter name in lower case.
        """
        expires, signature = _only(query, "expires"), _only(query, "sig")
        if expires is None or signature is None:
            return "The URL is not signed. Use one from the management payload, or add the system key as 'code'."
        key = self._keys().signing_key(_only(query, "kid") or FIRST_SIGNING_KEY, self._now())
        if key is None:
            return "The key that signed this URL is no longer good. Get a new management payload from the app."
        expected = self._signature(key.secret, instance_id, operation, expires, *_said(query)).encode()
        if not hmac.compare_digest(signature.encode("utf-8", "surrogatepass"), expected):
            return (
                "The signature does not fit this URL: it was changed, or signed for another instance, operation or "
                "task hub. Use the URL as it is in the management payload."
            )
        if not re.fullmatch(r"\d{1,12}", expires, re.ASCII) or int(expires) < self._now().timestamp():
            return "The signature of this URL has expired. Get a new management payload from the app."
        if self._is_revoked(instance_id, self.accepted(query)):
            return "This URL was revoked. Get a new management payload from the app."
        return None

    def _is_revoked(self, instance_id: str, signature: Signature) -> bool:
        mark = self._keys().revoked.get(instance_id)
        # Whoever issued it may have a clock that is ahead. Who knows of the mark issues for after it.
        return mark is not None and (signature.issued is None or signature.issued <= mark.at + CLOCKS_APART)

    def _signature(self, secret: bytes, instance_id: str, operation: SignedOperation, expires: str, *more: str) -> str:
        key = _mac(secret, "management url")
        return _text(_mac(key, self._hub_name.lower(), instance_id, operation.value, expires, *more))


def _said(query: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What a signature covers beyond its expiry. Those of older versions cover nothing more."""
    if not any(name in query for name in ("issued", "kid", "execution")):
        return ()
    return _only(query, "issued") or "", _only(query, "execution") or ""


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(millis: str) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(millis))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
