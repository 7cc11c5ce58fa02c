"""An upgrade of an app while its instances run: two workers of different versions on one hub."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import azure_durable_py as df
from azure_durable_py.settings import Settings
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.testing import VirtualHub, run_virtual

DAY = 24 * 3600


def deployed(version: str) -> df.DFApp:
    """The app as it is in a version. What its orchestrators return tells whose code brought them to their end."""
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    async def order(context: df.DurableOrchestrationContext) -> list[Any]:
        told = [f"{context.version} by {version}"]
        await context.create_timer(timedelta(days=1))
        if version == "2.0" and context.version == "2.0":
            told.append(await context.call_activity("check"))
        return [*told, await context.call_sub_orchestrator("ship")]

    @app.orchestration_trigger(context_name="context")
    async def ship(context: df.DurableOrchestrationContext) -> str:
        await context.create_timer(timedelta(days=1))
        return f"shipped {context.version} by {version}"

    @app.orchestration_trigger(context_name="context")
    async def eternal(context: df.DurableOrchestrationContext) -> str:
        if await context.wait_for_external_event("Next") == "upgrade":
            context.continue_as_new(None, new_version="2.0")
        return f"{context.version} by {version}"

    @app.activity_trigger(input_name="nothing")
    def check(nothing: None) -> str:
        return f"checked by {version}"

    return app


def settings(version: str, match: str, failure: str = "Reject") -> Settings:
    return Settings(
        hub_name="TestHub",
        default_version=version,
        version_match_strategy=match,
        version_failure_strategy=failure,
        instance_visibility_timeout=300.0,
        activity_visibility_timeout=300.0,
    )


async def outputs(hub: VirtualHub, *ids: str) -> dict[str, Any]:
    return {each: (await hub.client.wait_for_completion(each, raise_if_failed=True)).output for each in ids}


def test_while_both_versions_are_deployed_each_finishes_its_own() -> None:
    async def main() -> dict[str, Any]:
        async with VirtualHub(deployed("1.0"), settings("1.0", "Strict"), workers=1) as hub:
            await hub.client.start_new("order", "old", version="1.0")
            await asyncio.sleep(DAY / 2)
            await hub.start_worker(app=deployed("2.0"), settings=settings("2.0", "Strict"))
            await hub.client.start_new("order", "new", version="2.0")
            return await outputs(hub, "old", "new")

    assert run_virtual(main()) == {
        "old": ["1.0 by 1.0", "shipped 1.0 by 1.0"],
        "new": ["2.0 by 2.0", "checked by 2.0", "shipped 2.0 by 2.0"],
    }


def test_when_the_old_worker_is_gone_the_new_one_finishes_what_it_left() -> None:
    async def main() -> dict[str, Any]:
        async with VirtualHub(deployed("1.0"), settings("1.0", "CurrentOrOlder"), workers=1) as hub:
            # One is before its sub-orchestration when the old worker stops, one is in it, and one has not begun.
            await hub.client.start_new("order", "in its child", version="1.0")
            await asyncio.sleep(DAY)
            await hub.client.start_new("order", "before its child", version="1.0")
            await asyncio.sleep(DAY / 2)
            [old] = hub.workers
            await old.stop(1)
            await hub.client.start_new("order", "not begun", version="1.0")
            await hub.start_worker(app=deployed("2.0"), settings=settings("2.0", "CurrentOrOlder"))
            await hub.client.start_new("order", "new", version="2.0")
            return await outputs(hub, "in its child", "before its child", "not begun", "new")

    # A sub-orchestration that is called after the upgrade carries the version of the worker that calls it.
    assert run_virtual(main()) == {
        "in its child": ["1.0 by 2.0", "shipped 1.0 by 2.0"],
        "before its child": ["1.0 by 2.0", "shipped 2.0 by 2.0"],
        "not begun": ["1.0 by 2.0", "shipped 2.0 by 2.0"],
        "new": ["2.0 by 2.0", "checked by 2.0", "shipped 2.0 by 2.0"],
    }


def test_a_new_instance_waits_for_the_new_worker_while_only_the_old_one_runs() -> None:
    async def main() -> dict[str, Any]:
        async with VirtualHub(deployed("1.0"), settings("1.0", "CurrentOrOlder"), workers=1) as hub:
            await hub.client.start_new("order", "new", version="2.0")
            await asyncio.sleep(3 * DAY)
            assert (await hub.client.get_status("new")).runtime_status is Status.Pending
            await hub.start_worker(app=deployed("2.0"), settings=settings("2.0", "CurrentOrOlder"))
            before = hub.now
            status = await hub.client.wait_for_start("new")
            assert status.runtime_status is Status.Running
            # The old worker has put its message off by then, but never for long.
            assert hub.now - before < timedelta(minutes=10)
            return await outputs(hub, "new")

    assert run_virtual(main())["new"][0] == "2.0 by 2.0"


def test_an_instance_that_runs_already_stays_with_the_workers_that_may_run_it() -> None:
    async def main() -> tuple[Any, Any]:
        async with VirtualHub(deployed("1.0"), settings("1.0", "Strict"), workers=1) as hub:
            await hub.client.start_new("eternal", "one", version="1.0")
            await hub.client.wait_for_start("one")
            [old] = hub.workers
            await old.stop(1)
            await hub.start_worker(app=deployed("2.0"), settings=settings("2.0", "Strict"))
            await hub.client.raise_event("one", "Next", "end")
            await asyncio.sleep(DAY)
            waits = (await hub.client.get_status("one")).runtime_status
            await hub.start_worker(app=deployed("1.0"), settings=settings("1.0", "Strict"))
            return waits, await outputs(hub, "one")

    assert run_virtual(main()) == (Status.Running, {"one": "1.0 by 1.0"})


def test_an_instance_may_change_its_version_when_it_continues_as_new() -> None:
    async def main() -> dict[str, Any]:
        async with VirtualHub(deployed("1.0"), settings("1.0", "Strict"), workers=1) as hub:
            await hub.start_worker(app=deployed("2.0"), settings=settings("2.0", "Strict"))
            await hub.client.start_new("eternal", "one", version="1.0")
            await hub.client.raise_event("one", "Next", "upgrade")
            await asyncio.sleep(3600)
            assert (await hub.client.get_status("one")).version == "2.0"
            await hub.client.raise_event("one", "Next", "end")
            return await outputs(hub, "one")

    assert run_virtual(main()) == {"one": "2.0 by 2.0"}


def test_a_sub_orchestration_that_no_worker_may_run_fails_for_its_parent_to_see() -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    async def parent(context: df.DurableOrchestrationContext) -> str:
        try:
            return await context.call_sub_orchestrator("child", version="9.0")
        except df.TaskFailedError as error:
            return str(error.details.message)

    @app.orchestration_trigger(context_name="context")
    async def child(context: df.DurableOrchestrationContext) -> str:
        return "ran"

    async def main(failure: str) -> df.DurableOrchestrationStatus:
        async with VirtualHub(app, settings("1.0", "CurrentOrOlder", failure), workers=1) as hub:
            await hub.client.start_new("parent", "one")
            await asyncio.sleep(DAY)
            return await hub.client.get_status("one")

    failed = run_virtual(main("Fail"))
    assert failed.runtime_status is Status.Completed
    assert "The instance is of version 9.0, and this worker runs '1.0'" in failed.output
    assert run_virtual(main("Reject")).runtime_status is Status.Running
