"""Signed URLs allow one operation on one instance of one hub, for a time, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from azure_durable_py.client.links import origin_of
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.http import signing
from azure_durable_py.http.signing import CLOCKS_APART, Signature, SignedOperation, UrlSigner
from azure_durable_py.http.urls import SignedUrls, management_payload
from azure_durable_py.taskhub.columns import UNKNOWN_TIME
from azure_durable_py.taskhub.keyring import Keyring, Revocation

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
KEY = b"k" * 32

ids = st.text(min_size=1, max_size=40)
operations = st.sampled_from(list(SignedOperation))


def make(key: bytes | Keyring = KEY, hub: str = "MyHub", now: datetime = NOW, lifetime: float = 3600.0) -> UrlSigner:
    ring = Keyring.first(key, NOW) if isinstance(key, bytes) else key
    return UrlSigner(lambda: ring, hub, now=lambda: now, lifetime=lifetime)


def signed(instance_id: str, operation: SignedOperation, signer: UrlSigner | None = None) -> dict[str, list[str]]:
    return parse_qs((signer or make()).sign(instance_id, operation), strict_parsing=True)


@given(ids, operations)
def test_what_was_signed_is_allowed(instance_id: str, operation: SignedOperation):
    assert make().refusal(signed(instance_id, operation), instance_id, operation) is None


@given(ids, operations, ids, operations)
def test_a_signature_fits_no_other_instance_or_operation(
    instance_id: str, operation: SignedOperation, other_id: str, other_operation: SignedOperation
):
    assume((instance_id, operation) != (other_id, other_operation))
    assert make().refusal(signed(instance_id, operation), other_id, other_operation) is not None


@given(ids, operations, st.data())
def test_any_change_of_a_signature_is_refused(instance_id: str, operation: SignedOperation, data: st.DataObject):
    query = parse_qs(make().sign(instance_id, operation, execution_id="e1"), strict_parsing=True)
    name = data.draw(st.sampled_from(["expires", "issued", "kid", "execution", "sig"]))
    before = query[name][0]
    at = data.draw(st.integers(0, len(before) - 1))
    kind = data.draw(st.sampled_from(["replace", "insert", "delete"]))
    character = data.draw(st.characters())
    middle = {"replace": character, "insert": character + before[at], "delete": ""}[kind]
    after = before[:at] + middle + before[at + 1 :]
    assume(after != before)
    assert make().refusal({**query, name: [after]}, instance_id, operation) is not None


@given(st.text(min_size=1, max_size=10), st.text(max_size=10))
def test_parts_cannot_be_shifted_from_one_to_the_next(one: str, two: str):
    query = signed(one + two, SignedOperation.status, make(hub="Hub"))
    assert make(hub="Hub" + one).refusal(query, two, SignedOperation.status) is not None


@given(st.binary(min_size=32, max_size=32))
def test_another_key_is_refused(key: bytes):
    assume(key != KEY)
    assert make(key).refusal(signed("one", SignedOperation.status), "one", SignedOperation.status) is not None


def test_another_hub_is_refused():
    assert make(hub="Other").refusal(signed("one", SignedOperation.status), "one", SignedOperation.status) is not None


def test_a_signature_expires():
    query = signed("one", SignedOperation.status)
    late = make(now=NOW + timedelta(seconds=3601))
    assert "expired" in str(late.refusal(query, "one", SignedOperation.status))
    just = make(now=NOW + timedelta(seconds=3600))
    assert just.refusal(query, "one", SignedOperation.status) is None


def test_a_forged_signature_does_not_learn_that_it_is_expired():
    query = {**signed("one", SignedOperation.status), "expires": ["1"]}
    assert "does not fit" in str(make().refusal(query, "one", SignedOperation.status))


@pytest.mark.parametrize("missing", ["expires", "sig"])
def test_a_missing_or_repeated_part_is_refused(missing: str):
    query = signed("one", SignedOperation.status)
    assert "not signed" in str(make().refusal({**query, missing: []}, "one", SignedOperation.status))
    assert "not signed" in str(make().refusal({**query, missing: query[missing] * 2}, "one", SignedOperation.status))


# --- keys come and go ------------------------------------------------------------------------------------

OVERLAP = timedelta(days=7)


def test_a_new_key_signs_and_the_old_one_verifies_until_it_retires():
    before = signed("one", SignedOperation.status, make(lifetime=30 * 86400))
    ring = Keyring.first(KEY, NOW).with_new_signing_key(NOW, OVERLAP)
    assert make(ring).refusal(before, "one", SignedOperation.status) is None
    after = signed("one", SignedOperation.status, make(ring, lifetime=30 * 86400))
    assert after["kid"] == [ring.signer.id] != before["kid"]
    late = make(ring, now=NOW + OVERLAP)
    assert "no longer good" in str(late.refusal(before, "one", SignedOperation.status))
    assert late.refusal(after, "one", SignedOperation.status) is None


def test_without_an_overlap_all_links_end():
    before = signed("one", SignedOperation.status)
    ring = Keyring.first(KEY, NOW).with_new_signing_key(NOW, timedelta(0))
    assert "no longer good" in str(make(ring).refusal(before, "one", SignedOperation.status))
    assert not make(ring).knows(before)


def test_a_link_cannot_name_another_key_than_its_own():
    ring = Keyring.first(KEY, NOW).with_new_signing_key(NOW, OVERLAP)
    query = signed("one", SignedOperation.status, make(ring))
    assert "does not fit" in str(make(ring).refusal({**query, "kid": ["hub"]}, "one", SignedOperation.status))


def test_links_of_one_instance_are_revoked():
    one, two = (signed(name, SignedOperation.status) for name in ("one", "two"))
    ring = Keyring.first(KEY, NOW).with_revocation("one", Revocation(NOW, NOW + OVERLAP))
    assert "revoked" in str(make(ring).refusal(one, "one", SignedOperation.status))
    assert make(ring).refusal(two, "two", SignedOperation.status) is None
    later = signed("one", SignedOperation.status, make(ring, now=NOW + timedelta(milliseconds=1)))
    assert make(ring).refusal(later, "one", SignedOperation.status) is None


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(seconds=1), CLOCKS_APART])
def test_a_revocation_ends_links_of_a_host_whose_clock_is_ahead(ahead: timedelta):
    before = signed("one", SignedOperation.status, make(now=NOW + ahead))
    ring = Keyring.first(KEY, NOW).with_revocation("one", Revocation(NOW, NOW + OVERLAP))
    assert "revoked" in str(make(ring).refusal(before, "one", SignedOperation.status))
    for later in (NOW - ahead, NOW, NOW + ahead):
        after = signed("one", SignedOperation.status, make(ring, now=later))
        assert make(ring).refusal(after, "one", SignedOperation.status) is None


def test_a_second_revocation_ends_the_links_that_were_made_after_the_first():
    once = Keyring.first(KEY, NOW).with_revocation("one", Revocation(NOW, NOW + OVERLAP))
    between = signed("one", SignedOperation.status, make(once))
    for at in (NOW - timedelta(seconds=30), NOW, NOW + timedelta(seconds=30)):
        twice = once.with_revocation("one", Revocation(at, NOW + OVERLAP))
        assert "revoked" in str(make(twice).refusal(between, "one", SignedOperation.status))
        after = signed("one", SignedOperation.status, make(twice, now=at))
        assert make(twice).refusal(after, "one", SignedOperation.status) is None


# --- links of versions before there were keys ------------------------------------------------------------


def of_older_version(instance_id: str, operation: SignedOperation, expires: int) -> dict[str, list[str]]:
    """A query as versions signed it that knew one key, and bound a link to an id."""

    def mac(key: bytes, *parts: str) -> bytes:
        message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
        return hmac.new(key, message, hashlib.sha256).digest()

    digest = mac(mac(KEY, "management url"), "myhub", instance_id, operation.value, str(expires))
    return {"taskhub": ["MyHub"], "expires": [str(expires)], "sig": [urlsafe_b64encode(digest).decode().rstrip("=")]}


def test_links_of_older_versions_are_good_until_they_expire():
    query = of_older_version("one", SignedOperation.status, int(NOW.timestamp()) + 60)
    assert make().refusal(query, "one", SignedOperation.status) is None
    assert make().accepted(query) == Signature(int(NOW.timestamp()) + 60)
    late = make(now=NOW + timedelta(seconds=61))
    assert "expired" in str(late.refusal(query, "one", SignedOperation.status))


def test_links_of_older_versions_go_with_the_key_of_the_hub_and_with_a_revocation():
    query = of_older_version("one", SignedOperation.status, int(NOW.timestamp()) + 60)
    ring = Keyring.first(KEY, NOW)
    rotated = ring.with_new_signing_key(NOW, timedelta(0))
    assert "no longer good" in str(make(rotated).refusal(query, "one", SignedOperation.status))
    revoked = ring.with_revocation("one", Revocation(NOW - OVERLAP, NOW + OVERLAP))
    assert "revoked" in str(make(revoked).refusal(query, "one", SignedOperation.status))


def test_a_link_of_today_does_not_pass_for_one_of_an_older_version():
    query = signed("one", SignedOperation.status)
    bare = {name: query[name] for name in ("taskHub", "expires", "sig")}
    assert "does not fit" in str(make().refusal(bare, "one", SignedOperation.status))


# --- one execution ---------------------------------------------------------------------------------------

SOON = NOW + CLOCKS_APART


@pytest.mark.parametrize(
    ("made_for", "execution", "created", "fits"),
    [
        ("e1", "e1", NOW, True),
        ("e1", "e1", NOW + OVERLAP, True),
        ("e1", "e2", NOW, False),
        ("e1", "e2", NOW - OVERLAP, False),
        ("e1", "", NOW, True),
        ("e1", None, NOW + OVERLAP, False),
        ("e1", "", None, False),
        (None, "e2", NOW - OVERLAP, True),
        (None, "e2", SOON, True),
        (None, "e2", SOON + timedelta(milliseconds=1), False),
        (None, "e2", UNKNOWN_TIME, False),
        (None, None, None, False),
    ],
)
def test_which_execution_a_link_is_good_for(
    made_for: str | None, execution: str | None, created: datetime | None, fits: bool
):
    query = parse_qs(make().sign("one", SignedOperation.status, execution_id=made_for), strict_parsing=True)
    assert make().refusal(query, "one", SignedOperation.status) is None
    assert make().accepted(query).fits(execution, created) is fits


def test_signatures_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(signing.hmac, "compare_digest", compare)
    query = signed("one", SignedOperation.status)
    assert make().refusal(query, "one", SignedOperation.status) is None
    assert compared == [query["sig"][0].encode()]


# --- payloads --------------------------------------------------------------------------------------------


def test_the_payload_has_all_urls_with_places_to_fill_in():
    payload = management_payload(make(), "http://host/base/", "a b%{eventName}")
    instance = "http://host/base/instances/a%20b%25%7BeventName%7D"
    assert payload["id"] == "a b%{eventName}"
    assert {name: url.partition("taskHub=")[0] for name, url in payload.items() if name != "id"} == {
        "statusQueryGetUri": f"{instance}?",
        "sendEventPostUri": f"{instance}/raiseEvent/{{eventName}}?",
        "terminatePostUri": f"{instance}/terminate?reason={{text}}&",
        "rewindPostUri": f"{instance}/rewind?reason={{text}}&",
        "purgeHistoryDeleteUri": f"{instance}?",
        "restartPostUri": f"{instance}/restart?",
        "suspendPostUri": f"{instance}/suspend?reason={{text}}&",
        "resumePostUri": f"{instance}/resume?reason={{text}}&",
    }


def test_urls_use_the_origin_given_or_that_of_the_host():
    path = "/runtime/webhooks/durabletask"
    known = SignedUrls(make(), path=path, origin=lambda: "http://localhost:7071")
    assert known.payload("one")["statusQueryGetUri"].startswith(f"http://localhost:7071{path}/instances/one?")
    asked = urlsplit(known.payload("one", "https://example.org")["statusQueryGetUri"])
    assert (asked.scheme, asked.netloc) == ("https", "example.org")
    stubborn = SignedUrls(make(), path=path, origin=lambda: None, admitted=lambda _: "https://public.example")
    assert stubborn.payload("one", "http://evil.example")["statusQueryGetUri"].startswith("https://public.example/")
    assert "execution=e1&" in known.payload("one", execution_id="e1")["terminatePostUri"]
    with pytest.raises(InvalidRequestError, match="get_client_response_links"):
        SignedUrls(make(), path=path, origin=lambda: None).payload("one")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, "http://inner:80"),
        ({"x-forwarded-host": "outer.example"}, "http://outer.example"),
        ({"x-forwarded-host": "outer.example, proxy", "x-forwarded-proto": "https"}, "https://outer.example"),
        ({"x-forwarded-host": "evil/path?"}, "http://inner:80"),
        ({"x-forwarded-proto": "javascript"}, "http://inner:80"),
    ],
)
def test_forwarded_hosts_are_believed_where_they_are_to_be(headers: dict[str, str], expected: str):
    assert origin_of("http://inner:80/api/x?y", headers, use_forwarded=True) == expected
    assert origin_of("http://inner:80/api/x?y", headers, use_forwarded=False) == "http://inner:80"


@pytest.mark.parametrize("url", ["", "/api/x", "ftp://host/x", "http:///x"])
def test_a_request_without_an_absolute_url_is_refused(url: str):
    with pytest.raises(InvalidRequestError, match="absolute"):
        origin_of(url, {}, use_forwarded=False)
