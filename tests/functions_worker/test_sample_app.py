"""Every pattern of the sample app on two instances that share a task hub, one of which dies in the middle."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.functions_worker.conftest import StartHost, finished
from tests.functions_worker.emulated_host import EmulatedHost

pytestmark = [pytest.mark.azurite, pytest.mark.timeout(400)]
ROOT = Path(__file__).parent.parent.parent
DURABLE = "AzureFunctionsJobHost__extensions__durableTask__"
HELLO = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
EXPECTED: dict[str, tuple[str, Any, Any]] = {
    "chain": ("hello_cities", None, HELLO),
    "generator": ("hello_cities_generator", None, HELLO),
    "fan out": ("count_words", {"chunk_size": 2}, {"files": 4, "words": 41, "failed": ["damaged.txt"]}),
    "report": (
        "write_report",
        {"title": "Sales", "seconds": 2},
        {"title": "Sales", "chapters": [f"Sales, chapter {n}: all is well." for n in (1, 2, 3)]},
    ),
    "approval": (
        "approve_expense",
        {"what": "desks", "amount": 5000},
        {"approved": True, "by": ["team lead", "department head"]},
    ),
    "nobody": (
        "approve_expense",
        {"what": "pens", "amount": 9, "hours_to_answer": 1 / 3600},
        {"approved": False, "by": []},
    ),
    "trip": ("book_trip", "Oslo", {"booked": ["hotel in Oslo", "flight in Oslo", "car in Oslo"], "cancelled": []}),
    "saga": (
        "book_trip",
        "Atlantis",
        {"booked": [], "cancelled": ["flight in Atlantis", "hotel in Atlantis"], "reason": "No cars in Atlantis."},
    ),
    "eternal": ("clean_up_forever", {"every_minutes": 0.01, "older_than_days": 1}, 0),
    "events": ("ship_order", {"parcels": 2}, {"to": "Quay 7", "parcels": ["books", "tea"]}),
    "locks": (
        "transfer",
        {"from": "alice", "to": "bob", "amount": 30},
        {"moved": 30, "alice": 70, "bob": 130},
    ),
    "class entity": ("limited", "carol", True),
    "children": ("set_up_devices", ["fan", "kiln"], {"fan": "fan-1.2 works", "kiln": "kiln-1.2 works"}),
}


@pytest.fixture
def website() -> Iterator[tuple[str, threading.Event]]:
    """The address of a website that is down until the event is set."""
    up = threading.Event()

    class Website(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if up.is_set() else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Website)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", up
    server.shutdown()
    thread.join()
    server.server_close()


async def _event(host: EmulatedHost, answer: dict[str, Any], name: str, value: Any) -> None:
    url = json.loads(answer["body"])["sendEventPostUri"].format(eventName=name)
    assert (await host.request("POST", url, value))["status"] == 202


async def _waiting_for(host: EmulatedHost, answer: dict[str, Any], status: Any) -> None:
    url = json.loads(answer["body"])["statusQueryGetUri"]
    while json.loads((await host.request("GET", url))["body"])["customStatus"] != status:
        await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_every_pattern_completes_though_one_of_two_instances_dies(
    start_host: StartHost, hub_name: str, website: tuple[str, threading.Event]
):
    address, up = website
    settings = {
        f"{DURABLE}hubName": hub_name,
        # Stands for the five minutes after which what a dead process kept is found by others.
        f"{DURABLE}storageProvider__controlQueueVisibilityTimeout": "00:00:05",
        f"{DURABLE}storageProvider__workItemQueueVisibilityTimeout": "00:00:05",
    }
    doomed, other = await asyncio.gather(*(start_host(ROOT, settings, duplicates=0.1, seed=seed) for seed in (1, 2)))
    answers: dict[str, dict[str, Any]] = {}
    for number, (pattern, (name, value, _)) in enumerate(EXPECTED.items()):
        host = (doomed, other)[number % 2]
        answers[pattern] = await host.request("POST", f"orchestrators/{name}", value)
        assert answers[pattern]["status"] == 202, answers[pattern]
    for host in (doomed, other) * 3:
        assert (await host.request("POST", "counters/visits/add", 5))["status"] == 202
    watch = {"url": address, "every_seconds": 0.5, "for_minutes": 5}
    monitor = await doomed.request("POST", "orchestrators/wait_for_website", watch)
    await _event(doomed, answers["events"], "Packed", "books")
    await _waiting_for(other, answers["approval"], {"waitingFor": "team lead", "approvedBy": []})
    await _event(doomed, answers["approval"], "Decision", {"approved": True})

    async with asyncio.timeout(60):
        while not doomed.delivered:  # Whoever asks first has a message: the website is looked at again and again.
            await asyncio.sleep(0.05)
    await doomed.kill()

    up.set()
    for name, value in (("Packed", "tea"), ("Paid", None), ("Address", "Quay 7")):
        await _event(other, answers["events"], name, value)
    second = {"waitingFor": "department head", "approvedBy": ["team lead"]}
    await asyncio.wait_for(_waiting_for(other, answers["approval"], second), 90)
    await _event(other, answers["approval"], "Decision", {"approved": True})
    await _event(other, answers["eternal"], "Stop", None)
    outputs = {pattern: (await finished(other, answer))["output"] for pattern, answer in answers.items()}
    assert outputs == {pattern: output for pattern, (_, _, output) in EXPECTED.items()}
    assert (await finished(other, monitor))["output"]["up"] is True
    async with asyncio.timeout(90):
        while (await other.request("GET", "counters/visits"))["body"] != "30":
            await asyncio.sleep(0.1)
    assert other.failures == []
