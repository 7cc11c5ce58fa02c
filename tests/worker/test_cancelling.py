"""Activities that are cancelled, as users see it: the code that runs, the log, the history, doubles."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.errors import RegistrationError
from azure_durable_py.inspection.steps import StepOutcome
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.testing import DurableTestEnvironment

app = df.DFApp()
seen: list[Any] = []
POLICY = RetryPolicy(timedelta(seconds=1), 5)
Scenario = Callable[[DurableTestEnvironment], Coroutine[Any, Any, None]]


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@app.activity_trigger(input_name="how", cancellable=True)
async def work(how: str) -> str:
    """Goes on for an hour, and ends as it is told if it is cancelled before."""
    seen.append("began")
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        seen.append("cancelled")
        match how:
            case "finishes":
                return "finished all the same"
            case "fails":
                raise ValueError("while cleaning up") from None
            case "exits":
                raise SystemExit(1) from None
            case "cleans up":
                await asyncio.sleep(30)
                seen.append("cleaned up")
        raise
    return "done"


@app.activity_trigger(input_name="how")
async def uncancelled(how: str) -> str:
    await asyncio.sleep(3600)
    seen.append("done")
    return "done"


@app.activity_trigger(input_name="how", cancellable=True)
async def cancels_itself(how: str) -> str:
    raise asyncio.CancelledError


@app.orchestration_trigger(context_name="context")
async def gives_up(context: df.DurableOrchestrationContext) -> Any:
    task = context.call_activity(work, context.get_input())
    try:
        return await asyncio.wait_for(task, 10)
    except asyncio.TimeoutError:
        await asyncio.sleep(3600)
    try:
        return await task
    except df.TaskFailedError as error:
        return error.details.error_type


@app.orchestration_trigger(context_name="context")
async def waits_on(context: df.DurableOrchestrationContext) -> str:
    task = context.call_activity(work, "")
    try:
        return await asyncio.wait_for(task, 10)
    except asyncio.TimeoutError:
        return f"{await task} late"


@app.orchestration_trigger(context_name="context")
async def gives_up_retrying(context: df.DurableOrchestrationContext) -> str:
    try:
        await asyncio.wait_for(context.call_activity_with_retry(work, POLICY, ""), 10)
    except asyncio.TimeoutError:
        await asyncio.sleep(3600)
    return "gave up"


@app.orchestration_trigger(context_name="context")
def races(context: df.DurableOrchestrationContext) -> Any:
    task = context.call_activity(work, "")
    alarm = context.create_timer(context.current_utc_datetime + timedelta(seconds=10))
    yield context.task_any([task, alarm])
    if context.get_input() == "abandons":
        task.abandon()
    yield context.create_timer(context.current_utc_datetime + timedelta(seconds=20))
    return "gave up"


@app.orchestration_trigger(context_name="context")
async def fails_beside(context: df.DurableOrchestrationContext) -> None:
    beside = [asyncio.ensure_future(context.call_activity(work, "")) for _ in range(3)]
    await asyncio.sleep(5)
    for task in beside:
        task.cancel()
    await asyncio.sleep(3600)


@app.activity_trigger(input_name="nothing")
async def stumbles_once(nothing: None) -> str:
    seen.append("stumbled" if "stumbled" not in seen else "went on")
    if seen[-1] == "stumbled":
        raise ValueError("stumbled")
    return "went on"


@app.orchestration_trigger(context_name="context")
async def gives_up_and_stumbles(context: df.DurableOrchestrationContext) -> str:
    try:
        return await asyncio.wait_for(context.call_activity(work, ""), 10)
    except asyncio.TimeoutError:
        await asyncio.sleep(5 if context.get_input() == "later" else 0)
    return await context.call_activity(stumbles_once, None)


@app.orchestration_trigger(context_name="context")
async def stumbles_beside(context: df.DurableOrchestrationContext) -> list[str]:
    return await asyncio.gather(context.call_activity(work, ""), context.call_activity(stumbles_once, None))


@app.orchestration_trigger(context_name="context")
async def gives_up_the_other(context: df.DurableOrchestrationContext) -> str:
    try:
        return await asyncio.wait_for(context.call_activity(uncancelled, ""), 10)
    except asyncio.TimeoutError:
        await asyncio.sleep(7200)
    return "gave up"


@app.orchestration_trigger(context_name="context")
async def is_cancelled_by_the_activity(context: df.DurableOrchestrationContext) -> str:
    try:
        return await context.call_activity(cancels_itself, "")
    except df.TaskFailedError as error:
        return error.details.error_type


def play(scenario: Scenario, **options: Any) -> None:
    async def main() -> None:
        async with DurableTestEnvironment(app, replay="every-turn", **options) as env:
            await scenario(env)

    asyncio.run(main())


# --- what the code of the activity does about it -----------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "came_to"),
    [
        ("", "azure_durable_py.errors.TaskCanceledError"),
        ("finishes", "finished all the same"),
        ("fails", "ValueError"),
        ("exits", "SystemExit"),
    ],
)
def test_what_it_comes_to_counts_where_its_instance_counts_it(how: str, came_to: str) -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        assert await (await env.start(gives_up, how)).result() == came_to
        assert seen == ["began", "cancelled"]

    play(scenario)


def test_it_may_clean_up() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        handle = await env.start(gives_up, "cleans up")
        await env.skip(30)
        assert seen == ["began", "cancelled"]
        await env.skip(30)
        assert seen == ["began", "cancelled", "cleaned up"]
        assert await handle.result() == "azure_durable_py.errors.TaskCanceledError"

    play(scenario)


def test_one_that_cancels_itself_has_failed() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        assert "CancelledError" in await (await env.start(is_cancelled_by_the_activity)).result()

    play(scenario)


# --- when ---------------------------------------------------------------------------------------------------


def test_an_attempt_of_a_retry_policy_is_cancelled_and_there_is_no_other() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        assert await (await env.start(gives_up_retrying)).result() == "gave up"
        assert seen == ["began", "cancelled"]

    play(scenario)


@pytest.mark.parametrize(("how", "when"), [("abandons", 10), ("goes on", 30)])
def test_one_that_lost_a_race_is_cancelled_when_its_orchestration_has_ended_or_says_so(how: str, when: float) -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        handle = await env.start(races, how)
        await env.skip(when - 1)
        assert seen == ["began"]
        await env.skip(2)
        assert seen == ["began", "cancelled"]
        assert await handle.result() == "gave up"

    play(scenario)


def test_one_that_is_waited_for_again_at_once_goes_on() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        assert await (await env.start(waits_on)).result() == "done late"
        assert seen == ["began"]

    play(scenario)


def test_all_are_cancelled_whose_tasks_were() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        handle = await env.start(fails_beside)
        await env.skip(6)
        assert sorted(seen) == ["began"] * 3 + ["cancelled"] * 3
        await handle.terminate()

    play(scenario)


def test_one_that_was_not_declared_so_runs_to_its_end() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        assert await (await env.start(gives_up_the_other)).result() == "gave up"
        assert seen == ["done"]

    play(scenario)


def test_one_whose_orchestration_was_terminated_is_cancelled() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        handle = await env.start(gives_up, "", instance_id="one")
        await env.skip(5)
        await handle.terminate("enough")
        await env.skip(1)
        assert seen == ["began", "cancelled"]

    play(scenario)


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_rewind_does_not_run_again_what_was_abandoned_before(when: str) -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        handle = await env.start(gives_up_and_stumbles, when)
        await handle.wait()
        await handle.rewind("again")
        assert await handle.result() == "went on"
        assert sorted(seen) == ["began", "cancelled", "stumbled", "went on"]

    play(scenario)


def test_a_rewind_runs_again_what_was_cancelled_because_its_orchestration_failed() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        handle = await env.start(stumbles_beside)
        await handle.wait()
        await env.skip(1)
        assert sorted(seen) == ["began", "cancelled", "stumbled"]
        await handle.rewind("again")
        assert await handle.result() == ["done", "went on"]
        assert seen.count("began") == 2

    play(scenario)


# --- what is told of it ------------------------------------------------------------------------------------------


def test_the_log_tells_of_it_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        await (await env.start(gives_up, "", instance_id="one")).result()

    with caplog.at_level(logging.INFO, "azure_durable_py"):
        play(scenario)
    assert [line for line in caplog.messages if "cancel" in line] == [
        "Activity 'work' of instance 'one' was cancelled after 10 s: nobody waits for it any more."
    ]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_it_is_shown_as_cancelled() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        handle = await env.start(gives_up, "")
        await handle.result()
        [call] = await handle.calls(work)
        assert call.outcome is StepOutcome.cancelled
        assert "work" in await handle.tree()

    play(scenario)


def test_a_double_is_cancelled_and_tells_of_it() -> None:
    async def scenario(env: DurableTestEnvironment) -> None:
        async def for_long(how: str) -> None:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                seen.append("the double was cancelled")
                raise

        double = env.activity(work)
        double.calls(for_long)
        await (await env.start(gives_up, "")).result()
        assert seen == ["the double was cancelled"]
        [execution] = double.received
        assert execution.outcome is StepOutcome.cancelled

    play(scenario)


# --- what is declared ------------------------------------------------------------------------------------------


def test_a_function_that_runs_in_a_thread_is_refused() -> None:
    threaded = df.DFApp()

    @threaded.activity_trigger(input_name="value", cancellable=True)
    def blocks(value: str) -> str:
        return value

    with pytest.raises(RegistrationError, match=r"blocks.*cancellable=True.*is no `async def`"):
        _ = threaded.registry


def test_an_activity_with_a_client_may_be_cancelled() -> None:
    clients = df.DFApp()

    @clients.activity_trigger(input_name="value", cancellable=True)
    @clients.durable_client_input(client_name="client")
    async def asks(value: str, client: df.DurableOrchestrationClient) -> str:
        return value

    definition = clients.registry.activities.get("asks")
    assert definition.cancellable
    assert definition.is_async
