"""Every pattern of the sample app over HTTP, on both kinds of task hub."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.e2e.host import Host, send, until

HELLO = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]


@pytest.mark.parametrize("name", ["hello_cities", "hello_cities_generator"])
def test_function_chaining(host: Host, name: str):
    assert host.run(name) == HELLO


def test_fan_out_fan_in_tells_its_progress(host: Host):
    instance_id = host.start_new("count_words", {"chunk_size": 2})["id"]
    assert host.output(instance_id) == {"files": 4, "words": 41, "failed": ["damaged.txt"]}
    assert host.status(instance_id)["customStatus"] == {"done": 5, "of": 5}


def test_a_quick_report_is_answered_at_once(host: Host):
    answer = host.post("/api/reports", {"title": "Sales"})
    assert (answer.status, answer.json()["title"]) == (200, "Sales")


def test_a_slow_report_is_asked_for_where_the_answer_says(host: Host):
    answer = host.post("/api/reports", {"title": "Sales", "seconds": 1})
    assert answer.status == 202
    location = answer.headers["Location"]
    assert send("GET", location).status == 202
    done = until(lambda: (found := send("GET", location)).status == 200 and found, 20, "the report is ready")
    assert done.json()["output"]["chapters"][0] == "Sales, chapter 1: all is well."


def test_an_approval_goes_up_a_level_when_nobody_answers(host: Host):
    expense = {"what": "pens", "amount": 20, "hours_to_answer": 0.5 / 3600}
    assert host.run("approve_expense", expense) == {"approved": False, "by": []}


def test_a_large_expense_is_approved_by_two_over_signed_urls(host: Host):
    urls = host.start_new("approve_expense", {"what": "desks", "amount": 5000})
    for level in ("team lead", "department head"):
        host.until_status(urls["id"], lambda s, level=level: (s["customStatus"] or {}).get("waitingFor") == level)
        assert send("POST", urls["sendEventPostUri"].format(eventName="decision"), {"approved": True}).status == 202
    assert host.output(urls["id"]) == {"approved": True, "by": ["team lead", "department head"]}


class Website(BaseHTTPRequestHandler):
    """Down for the first two visitors."""

    visitors = 0

    def do_GET(self) -> None:
        type(self).visitors += 1
        self.send_response(200 if self.visitors > 2 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return None


@pytest.fixture
def website() -> Iterator[str]:
    Website.visitors = 0
    server = HTTPServer(("127.0.0.1", 0), Website)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_monitor_looks_until_the_website_is_up(host: Host, website: str):
    watch = {"url": website, "every_seconds": 0.1, "for_minutes": 1}
    assert host.run("wait_for_website", watch) == {"up": True, "looks": 3}


def test_a_monitor_gives_up(host: Host):
    watch = {"url": "http://127.0.0.1:9/", "every_seconds": 0.2, "for_minutes": 0.01}
    seen = host.run("wait_for_website", watch)
    assert not seen["up"]
    assert seen["looks"] >= 1


def test_a_saga_undoes_what_it_did(host: Host):
    assert host.run("book_trip", "Oslo") == {
        "booked": ["hotel in Oslo", "flight in Oslo", "car in Oslo"],
        "cancelled": [],
    }
    assert host.run("book_trip", "Atlantis")["cancelled"] == ["flight in Atlantis", "hotel in Atlantis"]


def test_an_eternal_orchestration_goes_round_until_it_is_told_to_stop(host: Host):
    instance_id = host.start_new("clean_up_forever", {"every_minutes": 0.002, "older_than_days": 1})["id"]
    first = host.until_status(instance_id, lambda status: status["customStatus"] == {"forgotten": 0})
    host.until_status(instance_id, lambda status: status["lastUpdatedTime"] > first["lastUpdatedTime"])
    host.raise_event(instance_id, "Stop")
    assert host.output(instance_id) == 0


def test_events_are_buffered_in_order(host: Host):
    instance_id = host.start_new("ship_order", {"parcels": 3})["id"]
    for parcel in ("books", "tea", "lamp"):
        host.raise_event(instance_id, "Packed", parcel)
    host.raise_event(instance_id, "Paid", None)
    host.raise_event(instance_id, "Address", "Quay 7")
    assert host.output(instance_id) == {"to": "Quay 7", "parcels": ["books", "tea", "lamp"]}


def test_sub_orchestrations(host: Host):
    assert host.run("set_up_devices", ["fan", "kiln"]) == {"fan": "fan-1.2 works", "kiln": "kiln-1.2 works"}


def test_what_cannot_be_started_is_refused_with_a_reason(host: Host):
    unknown = host.post("/api/orchestrators/hello_citys")
    assert (unknown.status, "Did you mean 'hello_cities'?" in unknown.text) == (400, True)
    bad = host.post("/api/orchestrators/hello_cities", b"{")
    assert (bad.status, "The body is not JSON" in bad.text) == (400, True)
    host.start_new("ship_order", None, "taken")
    assert host.post("/api/orchestrators/ship_order/taken").status == 409
