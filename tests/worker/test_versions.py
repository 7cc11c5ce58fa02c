from __future__ import annotations

import asyncio
from typing import Any

import pytest

from azure_durable_py.client.status import DurableOrchestrationStatus
from azure_durable_py.registry import OrchestratorDefinition, Registry
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.testing import VirtualHub, run_virtual
from azure_durable_py.worker.versions import may_run


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


def play(versions: list[str], failure_strategy: str = "Reject") -> DurableOrchestrationStatus:
    """An instance of version 2.0 is started, then one worker of each version in turn works for ten minutes."""

    async def main() -> DurableOrchestrationStatus:
        async with VirtualHub(registry(), workers=0) as hub:
            await hub.client.start_new("hello", "one", version="2.0")
            for version in versions:
                settings = Settings(
                    default_version=version,
                    version_match_strategy="CurrentOrOlder",
                    version_failure_strategy=failure_strategy,
                )
                worker = await hub.start_worker(settings=settings)
                await asyncio.sleep(600)
                await worker.stop(1)
            return await hub.client.get_status("one")

    return run_virtual(main())


def test_an_instance_of_a_newer_version_waits_for_a_worker_that_may_run_it() -> None:
    assert play(["1.0"]).runtime_status is Status.Pending
    assert play(["1.0", "2.1"]).runtime_status is Status.Completed


def test_an_instance_of_a_newer_version_fails_where_the_app_says_so() -> None:
    status = play(["1.0"], "Fail")
    assert status.runtime_status is Status.Failed
    assert "versionMatchStrategy" in status.output


def family() -> Registry:
    def parent(context: DurableOrchestrationContext) -> Any:
        children = [
            context.call_sub_orchestrator("child"),
            context.call_sub_orchestrator("child", version="0.9"),
        ]
        versions = yield context.task_all(children)
        return [context.version, *versions]

    def child(context: DurableOrchestrationContext) -> str | None:
        return context.version

    made = Registry()
    for function in (parent, child):
        made.orchestrators.add(OrchestratorDefinition(function.__name__, function))
    return made


def test_a_sub_orchestration_without_a_version_gets_the_default_of_the_worker_that_calls_it() -> None:
    async def main() -> DurableOrchestrationStatus:
        async with VirtualHub(family(), Settings(default_version="1.0")) as hub:
            await hub.client.start_new("parent", "one")
            return await hub.client.wait_for_completion("one")

    assert run_virtual(main()).output == ["1.0", "1.0", "0.9"]
