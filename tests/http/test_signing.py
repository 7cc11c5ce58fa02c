"""Signed URLs allow one operation on one instance of one hub, for a time, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from azure_durable_py.client.links import origin_of
from azure_durable_py.errors import InvalidRequestError
from azure_durable_py.http.signing import SignedOperation, UrlSigner
from azure_durable_py.http.urls import SignedUrls, management_payload

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
KEY = b"k" * 32

ids = st.text(min_size=1, max_size=40)
operations = st.sampled_from(list(SignedOperation))


def make(key: bytes = KEY, hub: str = "MyHub", now: datetime = NOW, lifetime: float = 3600.0) -> UrlSigner:
    return UrlSigner(key, hub, now=lambda: now, lifetime=lifetime)


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
    query = signed(instance_id, operation)
    name = data.draw(st.sampled_from(["expires", "sig"]))
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


def test_the_system_key_belongs_to_the_hub():
    assert make().is_system_key(make(hub="myhub").system_key)
    assert not make().is_system_key(make(hub="Other").system_key)
    assert not make().is_system_key("")
    assert not make().is_system_key("\udcff")
    assert make().system_key not in repr(make())


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
