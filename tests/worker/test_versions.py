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

INSTANCES = [None, "1.0", "1.9.9", "2.0", "2.0.1", "10.0"]
"""Versions of instances, for a worker of version 2.0."""
RUN = {
    "None": INSTANCES,
    "Strict": ["2.0"],
    "CurrentOrOlder": [None, "1.0", "1.9.9", "2.0"],
}


@pytest.mark.parametrize("strategy", RUN)
@pytest.mark.parametrize("instance", INSTANCES)
def test_the_strategy_decides_which_versions_run(strategy: str, instance: str | None) -> None:
    for spelled in (strategy, strategy.lower()):
        settings = Settings(default_version="2.0", version_match_strategy=spelled)
        assert may_run(instance, settings) is (instance in RUN[strategy])


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1", "2"),
        ("1.9", "1.10"),
        ("1.0", "1.0.1"),
        ("1.0-alpha", "1.0-beta"),
        ("2026-09-30", "2026-10-01"),
        ("1", "v1"),
    ],
)
def test_versions_are_compared_part_by_part_and_numbers_as_numbers(older: str, newer: str) -> None:
    assert may_run(older, Settings(default_version=newer))
    assert not may_run(newer, Settings(default_version=older))


def test_a_worker_without_a_version_runs_everything() -> None:
    assert may_run("7", Settings(default_version=None, version_match_strategy="Strict"))


async def hello(context: object) -> str:
    return "hello"


def registry() -> Registry:
    made = Registry()
    made.orchestrators.add(OrchestratorDefinition("hello", hello))
    return made


def play(
    workers: list[str | None], version: str | None = "2.0", match: str = "CurrentOrOlder", failure: str = "Reject"
) -> DurableOrchestrationStatus:
    """An instance is started, then one worker of each version in turn works for ten minutes."""

    async def main() -> DurableOrchestrationStatus:
        async with VirtualHub(registry(), workers=0) as hub:
            await hub.client.start_new("hello", "one", version=version)
            for own in workers:
                settings = Settings(default_version=own, version_match_strategy=match, version_failure_strategy=failure)
                worker = await hub.start_worker(settings=settings)
                await asyncio.sleep(600)
                await worker.stop(1)
            return await hub.client.get_status("one")

    return run_virtual(main())


@pytest.mark.parametrize("failure", ["Reject", "Fail"])
@pytest.mark.parametrize("match", RUN)
@pytest.mark.parametrize("instance", INSTANCES)
def test_what_may_not_run_waits_or_fails_as_the_app_says(instance: str | None, match: str, failure: str) -> None:
    status = play(["2.0"], instance, match, failure)
    if instance in RUN[match]:
        assert (status.runtime_status, status.output) == (Status.Completed, "hello")
    elif failure == "Reject":
        assert status.runtime_status is Status.Pending
    else:
        assert status.runtime_status is Status.Failed
        assert status.failure is not None
        assert status.failure.error_type == "azure_durable_py.errors.VersionMismatchError"
        assert f"{instance or '(none)'}, and this worker runs '2.0' with versionMatchStrategy {match}" in status.output


@pytest.mark.parametrize("match", ["Strict", "CurrentOrOlder"])
def test_what_waits_is_run_by_the_first_worker_that_may(match: str) -> None:
    assert play(["1.0"], "2.0", match).runtime_status is Status.Pending
    assert play(["1.0", "2.0"], "2.0", match).runtime_status is Status.Completed
    assert play(["1.0", None], "2.0", match).runtime_status is Status.Completed


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
