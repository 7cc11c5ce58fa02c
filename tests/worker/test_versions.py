from __future__ import annotations

import asyncio
import random
from datetime import datetime, timezone

import pytest

from azure_durable_py.clock import Ids, loop_clock
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.hub import StartRequest, TaskHub
from azure_durable_py.taskhub.protocol import Header
from azure_durable_py.taskhub.sqlite import SqliteStore
from azure_durable_py.testing.virtual_time import run_virtual
from azure_durable_py.worker.activities.runner import run_inline
from azure_durable_py.worker.versions import may_run
from azure_durable_py.worker.worker import Worker


@pytest.mark.parametrize(
    ("strategy", "instance", "expected"),
    [
        ("None", "9.0", True),
        ("Strict", "2.0", True),
        ("Strict", "1.0", False),
        ("Strict", None, False),
        ("CurrentOrOlder", None, True),
        ("CurrentOrOlder", "1.9.9", True),
        ("CurrentOrOlder", "2.0", True),
        ("CurrentOrOlder", "2.0.1", False),
        ("CurrentOrOlder", "10.0", False),
    ],
)
def test_the_strategy_decides_which_versions_run(strategy: str, instance: str | None, expected: bool) -> None:
    settings = Settings(default_version="2.0", version_match_strategy=strategy)
    assert may_run(instance, settings) is expected


def test_a_worker_without_a_version_runs_everything() -> None:
    assert may_run("7", Settings(default_version=None, version_match_strategy="Strict"))


async def hello(context: object) -> str:
    return "hello"


def registry() -> Registry:
    made = Registry()
    made.orchestrators.add(OrchestratorDefinition("hello", hello))
    return made


async def play(versions: list[str], failure_strategy: str = "Reject") -> Header:
    """An instance of version 2.0 is started, then one worker of each version in turn works for ten minutes."""
    clock = loop_clock(datetime(2026, 1, 1, tzinfo=timezone.utc))
    store = SqliteStore(None, hub_name="Versions", now=clock.now)
    hub = TaskHub(store, clock, Ids(random.Random(1)))
    await hub.open()
    await hub.start(StartRequest("one", hub.ids.new(), "hello", clock.now(), version="2.0"))
    for version in versions:
        settings = Settings(
            default_version=version, version_match_strategy="CurrentOrOlder", version_failure_strategy=failure_strategy
        )
        worker = Worker(hub, registry(), settings, run_sync=run_inline)
        await worker.start()
        await asyncio.sleep(600)
        await worker.stop(1)
    header = await store.load_header("one")
    await hub.close()
    assert header is not None
    return header


def test_an_instance_of_a_newer_version_waits_for_a_worker_that_may_run_it() -> None:
    assert run_virtual(play(["1.0"])).columns.runtime_status == "Pending"
    assert run_virtual(play(["1.0", "2.1"])).columns.runtime_status == "Completed"


def test_an_instance_of_a_newer_version_fails_where_the_app_says_so() -> None:
    header = run_virtual(play(["1.0"], "Fail"))
    assert header.columns.runtime_status == "Failed"
    assert "versionMatchStrategy" in (header.columns.output or "")
