"""The keys of a hub as one record: the names that they have, their encoding, and what changes make of them.

Owns that record. It is a value: whoever changes it makes another one, and `keys` keeps it. Keys are secrets: no object
here shows one in its `repr`.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from azure_durable_py import shape
from azure_durable_py.errors import InvalidRequestError, KeyNotFoundError
from azure_durable_py.shape import Reader, ShapeError
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.upgrades import Record, fields_of, stamped
from azure_durable_py.times import to_iso

DEFAULT = "default"
SYSTEM = "durabletask_extension"
"""The name of the system key of the management API; that of the .NET extension has it, too."""
FIRST_SIGNING_KEY = "hub"
"""The id of the signing key that came with the hub: that of its marker."""
MOST_REVOCATIONS = 1000
_VALUE = re.compile(r"[!-~]{16,256}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_FUNCTION = re.compile(r"[^/\x00-\x20\x7f-\xa0]{1,256}")


class KeyKind(str, Enum):
    """What a key is for. The value is what its name begins with."""

    master = "master"
    host = "host"
    function = "function"
    system = "system"
    signing = "signing"


@dataclass(frozen=True, slots=True)
class KeyName:
    """The name of a key: `master`, `host/NAME`, `function/FUNCTION/NAME`, `system/NAME` or `signing/ID`.

    Names of functions have no case: `function` is in lower case.
    """

    kind: KeyKind
    name: str = ""
    function: str = ""

    @staticmethod
    def parse(text: str) -> KeyName:
        """The name that a text is. `function/FUNCTION` is its key `default`.

        :raises InvalidRequestError: it is none.
        """
        kind, *rest = text.split("/")
        if text == "master":
            return MASTER
        if kind in ("host", "system", "signing") and len(rest) == 1 and _NAME.fullmatch(rest[0]):
            return KeyName(KeyKind(kind), rest[0])
        if kind == "function" and 1 <= len(rest) <= 2:
            function, name = rest if len(rest) == 2 else (*rest, DEFAULT)
            if _FUNCTION.fullmatch(function) and _NAME.fullmatch(name):
                return KeyName(KeyKind.function, name, function.lower())
        raise InvalidRequestError(
            f"{text[:100]!r} is no name of a key. Keys are named master, host/NAME, function/FUNCTION/NAME, "
            "system/NAME and signing/ID; a name has letters, digits and . _ - in it."
        )

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind.value, self.function, self.name) if part)


MASTER = KeyName(KeyKind.master)


@dataclass(frozen=True, slots=True)
class Key:
    """A key that callers bring, and since when it has its value."""

    value: str = field(repr=False)
    created: datetime


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs management URLs. One with `retires` signs nothing new, and what it signed is good until then."""

    id: str
    secret: bytes = field(repr=False)
    created: datetime
    retires: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether what it signed is still good."""
        return self.retires is None or now < self.retires


@dataclass(frozen=True, slots=True)
class Revocation:
    """Links to an instance that were made at this time or before are refused; nobody need remember it after `until`."""

    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Keyring:
    """All keys of a hub. `keys` are those that callers bring; of `signing` exactly one does not retire."""

    keys: Mapping[KeyName, Key]
    signing: tuple[SigningKey, ...]
    revoked: Mapping[str, Revocation]

    @classmethod
    def first(cls, hub_secret: bytes, now: datetime) -> Keyring:
        """The keys of a hub that has none yet.

        :param hub_secret: the signing key in the marker of the hub, which has signed what there is so far.
        """
        names = (MASTER, KeyName(KeyKind.host, DEFAULT), KeyName(KeyKind.system, SYSTEM))
        keys = {name: Key(new_value(), now) for name in names}
        return cls(keys, (SigningKey(FIRST_SIGNING_KEY, hub_secret, now),), {})

    # --- asking --------------------------------------------------------------------------------------

    @property
    def signer(self) -> SigningKey:
        """The key that signs."""
        return next(key for key in self.signing if key.retires is None)

    def signing_key(self, key_id: str, now: datetime) -> SigningKey | None:
        """The key with this id, as long as what it signed is good."""
        return next((key for key in self.signing if key.id == key_id and key.is_live(now)), None)

    def key(self, name: KeyName) -> Key:
        """A key that callers bring.

        :raises KeyNotFoundError: there is none of this name.
        """
        found = self.keys.get(name)
        if found is None:
            raise KeyNotFoundError(f"There is no key {str(name)!r} in this task hub.")
        return found

    def opens_function(self, given: str, function: str, *, admin: bool) -> bool:
        """Whether a key that a caller brought opens an HTTP function: its own, a host key or the master key.

        :param admin: the function asks for the master key.
        """
        kinds = (KeyKind.master,) if admin else (KeyKind.master, KeyKind.host)
        own = "" if admin else function.lower()
        return self._is_one_of(given, lambda name: name.kind in kinds or (own != "" and name.function == own))

    def opens_management(self, given: str) -> bool:
        """Whether a key that a caller brought opens the management API: a system key or the master key."""
        return self._is_one_of(given, lambda name: name.kind in (KeyKind.system, KeyKind.master))

    def _is_one_of(self, given: str, wanted: Callable[[KeyName], bool]) -> bool:
        return is_one_of(given, [key.value for name, key in self.keys.items() if wanted(name)])

    # --- changing ------------------------------------------------------------------------------------

    def with_key(self, name: KeyName, value: str, now: datetime) -> Keyring:
        """With a value for a key, there before or not.

        :raises InvalidRequestError: a key for signing is not for setting, or the value is too easy to guess.
        """
        if name.kind is KeyKind.signing:
            raise InvalidRequestError("A signing key cannot be set: it is made by rotating, and nobody else needs it.")
        if not _VALUE.fullmatch(value):
            raise InvalidRequestError("A key has 16 to 256 characters, each of them a letter, digit or sign of ASCII.")
        return replace(self, keys={**self.keys, name: Key(value, now)})

    def with_functions(self, functions: Iterable[str], now: datetime) -> Keyring:
        """With a key `default` for each of these functions; the ring itself if all have one.

        One whose name no key can have gets none: host keys open it.
        """
        names = [KeyName(KeyKind.function, DEFAULT, name.lower()) for name in functions if _FUNCTION.fullmatch(name)]
        missing = {name: Key(new_value(), now) for name in names if name not in self.keys}
        return replace(self, keys={**self.keys, **missing}) if missing else self

    def without(self, name: KeyName) -> Keyring:
        """Without a key.

        :raises KeyNotFoundError: there is none of this name.
        :raises InvalidRequestError: the hub cannot do without it.
        """
        if name.kind is KeyKind.signing:
            return self._without_signing(name.name)
        self.key(name)
        if name == MASTER:
            raise InvalidRequestError("A hub has a master key at any time: rotate it.")
        return replace(self, keys={other: key for other, key in self.keys.items() if other != name})

    def _without_signing(self, key_id: str) -> Keyring:
        found = next((key for key in self.signing if key.id == key_id), None)
        if found is None:
            raise KeyNotFoundError(f"There is no key 'signing/{key_id}' in this task hub.")
        if found.retires is None:
            raise InvalidRequestError(
                f"Key 'signing/{key_id}' signs what is new: rotate 'signing', without an overlap to end all links."
            )
        return replace(self, signing=tuple(key for key in self.signing if key is not found))

    def with_new_signing_key(self, now: datetime, overlap: timedelta) -> Keyring:
        """With another key that signs; what the others signed is good for `overlap` at most."""
        retires = now + overlap
        kept = [replace(key, retires=min(key.retires or retires, retires)) for key in self.signing]
        signer = SigningKey(secrets.token_hex(4), secrets.token_bytes(32), now)
        return replace(self, signing=(signer, *(key for key in kept if key.is_live(now))))

    def with_revocation(self, instance_id: str, revocation: Revocation) -> Keyring:
        """With links to an instance revoked that were made so far.

        :raises InvalidRequestError: too many instances have revoked links already.
        """
        kept = {other: mark for other, mark in self.revoked.items() if revocation.at < mark.until}
        if instance_id not in kept and len(kept) >= MOST_REVOCATIONS:
            raise InvalidRequestError(
                f"Links to {MOST_REVOCATIONS} instances are revoked already, which is as many as are remembered. "
                "Rotate 'signing' without an overlap: that revokes all links."
            )
        before = self.revoked.get(instance_id)
        if before is not None:
            # Also what was made since then; the clock that revoked before may be ahead.
            revocation = replace(revocation, at=max(revocation.at, before.at + timedelta(milliseconds=1)))
        return replace(self, revoked={**kept, instance_id: revocation})

    # --- encoding ------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """The record as it is stored."""
        fields: dict[str, Any] = {
            "keys": [[str(name), key.value, to_iso(key.created)] for name, key in self.keys.items()],
            "signing": [
                [key.id, key.secret.hex(), to_iso(key.created), key.retires and to_iso(key.retires)]
                for key in self.signing
            ],
        }
        if self.revoked:
            fields["revoked"] = [
                [instance_id, to_iso(mark.at), to_iso(mark.until)] for instance_id, mark in self.revoked.items()
            ]
        return json.dumps(stamped(Record.keyring, fields), separators=(",", ":")).encode()

    @classmethod
    def decode(cls, body: bytes) -> Keyring:
        """The keys in a record that was read.

        :raises CorruptRowError: it is damaged.
        :raises NewerFormatError: a newer version of this package wrote it.
        """
        try:
            fields = fields_of(Record.keyring, shape.parse(body))
            ring = cls(
                {name: Key(value, created) for name, value, created in fields.read("keys", _KEYS)},
                tuple(SigningKey(*row) for row in fields.read("signing", _SIGNING)),
                {instance: Revocation(at, until) for instance, at, until in fields.get("revoked", _REVOKED, [])},
            )
        except ShapeError as error:
            # Not the error: what it shows of a value may be a secret.
            raise _damaged(".".join(str(step) for step in error.path)) from None
        if MASTER not in ring.keys or sum(key.retires is None for key in ring.signing) != 1:
            raise _damaged("keys are missing")
        return ring


def new_value() -> str:
    """A key that nobody can guess: 43 characters that fit a URL as they are."""
    return secrets.token_urlsafe(32)


def is_one_of(given: str, keys: Iterable[str]) -> bool:
    """Whether a text is one of these keys; takes the same time whatever differs."""
    said = given.encode("utf-8", "surrogatepass")
    fits = False
    for key in keys:
        # All are compared: the time must not tell which one fits.
        fits |= hmac.compare_digest(said, key.encode())
    return fits


def listed(ring: Keyring) -> Iterator[tuple[KeyName, datetime, datetime | None]]:
    """The keys of a ring in the order of their names: when each was made, and when it retires."""
    order = list(KeyKind)
    for name, key in sorted(ring.keys.items(), key=lambda item: (order.index(item[0].kind), str(item[0]))):
        yield name, key.created, None
    for key in ring.signing:
        yield KeyName(KeyKind.signing, key.id), key.created, key.retires


def _damaged(where: str) -> CorruptRowError:
    return CorruptRowError(
        f"The keys of the task hub cannot be read ({where}). Delete their row ('keys' beside the marker), and have new "
        "ones made by starting a host. Then rotate 'signing': links of the hub's first key would be good again."
    )


def _key_name(value: Any) -> KeyName:
    try:
        return KeyName.parse(shape.text(value))
    except InvalidRequestError:
        raise ShapeError("no name of a key") from None


def _secret(value: Any) -> bytes:
    try:
        return bytes.fromhex(shape.text(value))
    except ValueError:
        raise ShapeError("not hexadecimal") from None


_KEYS = shape.items(shape.row(_key_name, shape.word(256, least=16), shape.time))
_SIGNING: Reader[list[tuple[Any, ...]]] = shape.items(
    shape.row(shape.word(40), _secret, shape.time, shape.optional(shape.time))
)
_REVOKED = shape.items(shape.row(shape.instance_id, shape.time, shape.time))
