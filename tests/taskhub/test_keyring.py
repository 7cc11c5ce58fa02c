"""Keys of a hub as a record: which key opens what, what changes do, and what is refused."""

from __future__ import annotations

import hmac
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from azure_durable_py.errors import InvalidRequestError, KeyNotFoundError
from azure_durable_py.taskhub import keyring
from azure_durable_py.taskhub.keyring import (
    MASTER,
    MOST_REVOCATIONS,
    Key,
    KeyKind,
    KeyName,
    Keyring,
    Revocation,
    is_one_of,
    listed,
)
from azure_durable_py.taskhub.protocol import CorruptRowError
from azure_durable_py.taskhub.upgrades import NewerFormatError
from azure_durable_py.times import UTC

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECRET = b"h" * 32
NAMES = ("master", "host/default", "system/durabletask_extension", "function/order/default", "function/other/default")


def ring() -> Keyring:
    made = Keyring.first(SECRET, NOW)
    for name in NAMES:
        made = made.with_key(KeyName.parse(name), value(name), NOW)
    return made


def value(name: str) -> str:
    return f"the-value-of-{name}"


# --- which key opens what --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "function", "admin", "management"),
    [
        ("master", True, True, True),
        ("host/default", True, False, False),
        ("function/order/default", True, False, False),
        ("function/other/default", False, False, False),
        ("system/durabletask_extension", False, False, True),
    ],
)
def test_what_each_key_opens(name: str, function: bool, admin: bool, management: bool):
    keys, given = ring(), value(name)
    assert keys.opens_function(given, "Order", admin=False) is function
    assert keys.opens_function(given, "Order", admin=True) is admin
    assert keys.opens_management(given) is management


@pytest.mark.parametrize("given", ["", " ", "x", value("master")[:-1], value("master") + "x", "\udcff", "é" * 20])
def test_what_is_no_key_opens_nothing(given: str):
    keys = ring()
    assert not keys.opens_function(given, "order", admin=False)
    assert not keys.opens_function(given, "", admin=False)
    assert not keys.opens_management(given)


def test_every_key_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    compared: list[Any] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr(keyring.hmac, "compare_digest", compare)
    assert is_one_of("b", ["a", "b", "c"])
    # The one that fits does not end it.
    assert compared == [b"a", b"b", b"c"]
    assert keyring.hmac is hmac


# --- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("master", MASTER),
        ("host/ci", KeyName(KeyKind.host, "ci")),
        ("function/Order", KeyName(KeyKind.function, "default", "order")),
        ("function/Order/ci", KeyName(KeyKind.function, "ci", "order")),
        ("system/durabletask_extension", KeyName(KeyKind.system, "durabletask_extension")),
        ("signing/1a2b3c4d", KeyName(KeyKind.signing, "1a2b3c4d")),
    ],
)
def test_names_of_keys(text: str, name: KeyName):
    assert KeyName.parse(text) == name
    assert KeyName.parse(str(name)) == name


@pytest.mark.parametrize(
    "text", ["", "hosts", "host", "host/", "host/a/b", "master/x", "function/", "signing", "host/ä"]
)
def test_what_is_no_name_of_a_key(text: str):
    with pytest.raises(InvalidRequestError, match="no name of a key"):
        KeyName.parse(text)


def test_keys_are_listed_without_their_values():
    shown = list(listed(ring()))
    assert [str(name) for name, _, _ in shown] == [*NAMES[:2], *NAMES[3:], NAMES[2], "signing/hub"]
    assert not any(value(name) in repr(shown) for name in NAMES)


# --- changes ---------------------------------------------------------------------------------------------


def test_a_new_hub_has_keys_that_nobody_can_guess():
    one, other = Keyring.first(SECRET, NOW), Keyring.first(SECRET, NOW)
    assert {str(name) for name in one.keys} == set(NAMES[:3])
    values = [key.value for made in (one, other) for key in made.keys.values()]
    assert len(set(values)) == 6
    assert min(map(len, values)) == 43
    assert one.signer.secret == SECRET


@pytest.mark.parametrize("given", ["", "short", "x" * 257, "with space in the key", "with\nline in the key", "ä" * 20])
def test_a_key_that_is_easy_to_guess_or_to_garble_is_refused(given: str):
    with pytest.raises(InvalidRequestError, match="16 to 256") as caught:
        ring().with_key(MASTER, given, NOW)
    assert not given or given not in str(caught.value)


def test_functions_get_keys_once():
    keys = ring()
    assert keys.with_functions(["ORDER", "other"], NOW) is keys
    more = keys.with_functions(["order", "third"], NOW)
    assert more.key(KeyName.parse("function/order")) == keys.key(KeyName.parse("function/order"))
    assert more.opens_function(more.key(KeyName.parse("function/third")).value, "Third", admin=False)


def test_a_key_is_taken_away_but_not_the_master_key():
    keys = ring().without(KeyName.parse("host/default"))
    assert not keys.opens_function(value("host/default"), "order", admin=False)
    with pytest.raises(KeyNotFoundError, match="host/default"):
        keys.without(KeyName.parse("host/default"))
    with pytest.raises(InvalidRequestError, match="rotate"):
        keys.without(MASTER)


def test_a_signing_key_retires_after_the_overlap():
    keys = ring().with_new_signing_key(NOW, 7 * DAY)
    assert keys.signer.id != "hub"
    old = keys.signing_key("hub", NOW + 7 * DAY - timedelta(seconds=1))
    assert old is not None
    assert old.secret == SECRET
    assert keys.signing_key("hub", NOW + 7 * DAY) is None
    assert keys.signing_key("nobody", NOW) is None


def test_an_overlap_never_prolongs_an_earlier_one():
    keys = ring().with_new_signing_key(NOW, DAY).with_new_signing_key(NOW, 7 * DAY)
    assert keys.signing_key("hub", NOW + DAY) is None
    # One that is retired for good is not kept.
    assert len(keys.signing) == 3
    assert len(keys.with_new_signing_key(NOW + 2 * DAY, DAY).signing) == 3


def test_without_an_overlap_only_the_new_key_is_left():
    keys = ring().with_new_signing_key(NOW, DAY).with_new_signing_key(NOW, timedelta(0))
    assert [key.id for key in keys.signing] == [keys.signer.id]


def test_a_retiring_signing_key_may_be_taken_away_and_the_one_that_signs_may_not():
    keys = ring().with_new_signing_key(NOW, DAY)
    assert keys.without(KeyName.parse("signing/hub")).signing == (keys.signer,)
    with pytest.raises(InvalidRequestError, match="rotate"):
        keys.without(KeyName(KeyKind.signing, keys.signer.id))
    with pytest.raises(KeyNotFoundError, match="signing/none"):
        keys.without(KeyName.parse("signing/none"))
    with pytest.raises(InvalidRequestError, match="cannot be set"):
        keys.with_key(KeyName.parse("signing/hub"), "x" * 20, NOW)


def test_revocations_are_remembered_for_as_long_as_links_live():
    keys = ring().with_revocation("one", Revocation(NOW, NOW + DAY))
    assert set(keys.revoked) == {"one"}
    assert set(keys.with_revocation("two", Revocation(NOW, NOW + DAY)).revoked) == {"one", "two"}
    assert set(keys.with_revocation("two", Revocation(NOW + DAY, NOW + 2 * DAY)).revoked) == {"two"}


def test_revocations_are_bounded():
    marks = {f"i-{number}": Revocation(NOW, NOW + DAY) for number in range(MOST_REVOCATIONS)}
    keys = Keyring(ring().keys, ring().signing, marks)
    with pytest.raises(InvalidRequestError, match="all links"):
        keys.with_revocation("one more", Revocation(NOW, NOW + DAY))
    assert keys.with_revocation("i-1", Revocation(NOW, NOW + 2 * DAY)).revoked["i-1"].until == NOW + 2 * DAY


# --- the record ------------------------------------------------------------------------------------------


def test_a_ring_is_read_as_it_was_written():
    keys = ring().with_new_signing_key(NOW, DAY).with_revocation("one", Revocation(NOW, NOW + DAY))
    assert Keyring.decode(keys.encode()) == keys


def test_no_secret_shows():
    keys = ring()
    shown = repr(keys) + repr(Key("the-value-of-a-key", NOW))
    assert "the-" not in shown
    assert repr(SECRET) not in shown
    assert SECRET.hex() not in shown


def test_a_ring_of_a_newer_version_is_left_alone():
    body = json.dumps({**json.loads(ring().encode()), "v": 2}).encode()
    with pytest.raises(NewerFormatError):
        Keyring.decode(body)


@pytest.mark.parametrize(
    "change",
    [
        {"keys": []},
        {"keys": [["master", "too short", "2026-03-01T12:00:00.000000Z"]]},
        {"keys": [["nobody/x", "the-key-of-nobody", "2026-03-01T12:00:00.000000Z"]]},
        {"keys": 5},
        {"signing": []},
        {"signing": [["hub", "not hex: SECRET", "2026-03-01T12:00:00.000000Z", None]]},
        {"revoked": [["one", "today", "tomorrow"]]},
    ],
    ids=["no keys", "short", "name", "type", "no signing key", "hex", "times"],
)
def test_a_damaged_ring_is_refused_and_not_shown(change: dict[str, Any]):
    body = json.dumps({**json.loads(ring().encode()), **change}).encode()
    with pytest.raises(CorruptRowError, match="cannot be read") as caught:
        Keyring.decode(body)
    assert "SECRET" not in str(caught.value)
    assert "too short" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"v":1}', b"[" * 100_000])
def test_what_is_no_ring_is_refused(body: bytes):
    with pytest.raises(CorruptRowError):
        Keyring.decode(body)
