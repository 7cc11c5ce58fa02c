"""Records the histories in `histories/` anew: `python -m sample_function_app.tests.record_histories`.

They stand for the instances that are in flight when a new version is deployed. Record anew only when nobody has such
instances any more; of a hub in production, `azure-durable export --all` writes the same lines.
"""

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import azure_durable_py as df
from azure_durable_py.testing import DurableTestSyncEnvironment
from function_app import app
from sample_function_app.agent import IS_INSTALLED
from sample_function_app.cleanup import SINGLETON, clean_up_forever
from sample_function_app.monitor import status_of

HISTORIES = Path(__file__).parent / "histories"


def hello_cities(env: DurableTestSyncEnvironment) -> None:
    """Function chaining, in both styles."""
    env.start("hello_cities", instance_id="coroutine").result()
    env.start("hello_cities_generator", instance_id="generator").result()


def fan_out_fan_in(env: DurableTestSyncEnvironment) -> None:
    """Chunks of files, one of which cannot be read; and a folder that there is not."""
    env.start("count_words", {"chunk_size": 2}, instance_id="words").result()
    env.start("count_words", {"folder": ".."}, instance_id="outside").wait()


def async_http_api(env: DurableTestSyncEnvironment) -> None:
    """A report that takes a while."""
    env.start("write_report", {"title": "Sales", "seconds": 60}, instance_id="report").result()


def approval(env: DurableTestSyncEnvironment) -> None:
    """Two approvals, nobody who answers, and one that is still waited for."""
    desks = env.start("approve_expense", {"what": "desks", "amount": 2000}, instance_id="desks")
    for _ in range(2):
        desks.raise_event("Decision", {"approved": True})
    desks.result()
    env.start("approve_expense", {"what": "pens", "amount": 20}, instance_id="pens").result()
    env.start("approve_expense", {"what": "chairs", "amount": 300}, instance_id="chairs").wait_for_start()


def monitor(env: DurableTestSyncEnvironment) -> None:
    """A website that comes up."""
    env.activity(status_of).returns(503, times=2).returns(200)
    env.start("wait_for_website", {"url": "https://example.test"}, instance_id="website").result()


def trip_booking(env: DurableTestSyncEnvironment) -> None:
    """A trip that is booked, and one that is undone."""
    env.start("book_trip", "Rome", instance_id="rome").result()
    env.start("book_trip", "Atlantis", instance_id="atlantis").result()


def cleanup(env: DurableTestSyncEnvironment) -> None:
    """The second round of an eternal orchestration."""
    env.start(clean_up_forever, instance_id=SINGLETON)
    env.skip(timedelta(minutes=90))


def external_events(env: DurableTestSyncEnvironment) -> None:
    """Events in any order."""
    order = env.start("ship_order", {"parcels": 2}, instance_id="order")
    for name, data in (("Packed", "books"), ("Address", "Quay 7"), ("Packed", "tea"), ("Paid", None)):
        order.raise_event(name, data)
    order.result()


def sub_orchestrations(env: DurableTestSyncEnvironment) -> None:
    """Two devices, each an instance of its own."""
    env.start("set_up_devices", ["fan", "fridge"], instance_id="devices").result()


def entities(env: DurableTestSyncEnvironment) -> None:
    """A transfer under two locks, one without enough money, and a rate limiter."""
    for instance_id, amount in (("enough", 30), ("too-much", 300)):
        env.start("transfer", {"from": "alice", "to": "bob", "amount": amount}, instance_id=instance_id).result()
    env.start("limited", "carol", instance_id="limited").result()


def agent(env: DurableTestSyncEnvironment) -> None:
    """A refund that was approved, and one that is still waited for. It needs the OpenAI Agents SDK."""
    mug = env.start("answer_complaint", "The mug of order 7 arrived broken.", instance_id="mug")
    [asked] = mug.status().custom_status["approvals"]
    mug.raise_event(asked["event"], {"approved": True, "by": "Ada"})
    mug.result()
    env.start("answer_complaint", "The teapot of order 8 arrived broken.", instance_id="teapot").wait_for_start()


PATTERNS: tuple[Callable[[DurableTestSyncEnvironment], None], ...] = (
    hello_cities,
    fan_out_fan_in,
    async_http_api,
    approval,
    monitor,
    trip_booking,
    cleanup,
    external_events,
    sub_orchestrations,
    entities,
    agent,
)


def record(pattern: Callable[[DurableTestSyncEnvironment], None]) -> list[str]:
    """The lines of one pattern: the same each time, as time and ids are virtual."""
    with DurableTestSyncEnvironment(app) as env:
        pattern(env)
        exported = env.client.export_history(runtime_status=list(df.OrchestrationRuntimeStatus))
        return [json.dumps(without_traces(json.loads(instance.to_line()))) for instance in exported]


def without_traces(value: Any) -> Any:
    """Without stack traces, which name paths of the machine that recorded them."""
    if isinstance(value, list):
        return [without_traces(item) for item in value]
    if isinstance(value, dict):
        return {key: without_traces(item) for key, item in value.items() if key != "stack_trace"}
    return value


def main() -> None:
    """Write a file for each pattern."""
    if os.environ.get("OPENAI_API_KEY"):
        raise SystemExit("Take OPENAI_API_KEY away: with it a real model would be recorded, and not the script.")
    for pattern in PATTERNS if IS_INSTALLED else PATTERNS[:-1]:
        file = HISTORIES / f"{pattern.__name__}.jsonl"
        file.write_bytes("".join(f"{line}\n" for line in record(pattern)).encode("ascii"))


if __name__ == "__main__":
    main()
