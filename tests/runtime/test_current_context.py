"""Whose code runs now. The harness takes every turn hot and cold."""

from __future__ import annotations

import asyncio
from typing import Any

import azure_durable_py as df
from azure_durable_py.retry_policy import RetryPolicy
from azure_durable_py.runtime.current import current_context
from azure_durable_py.testing import OrchestratorPlayer, play_entity
from azure_durable_py.testing import run as run_app
from tests.runtime.harness import run
from tests.runtime.test_asyncio import SECOND, output_of

app = df.DFApp()


def is_current(context: Any) -> bool:
    return current_context() is context


def test_there_is_none_where_no_orchestration_runs() -> None:
    async def program() -> object:
        return current_context()

    assert current_context() is None
    assert asyncio.run(program()) is None


def test_a_coroutine_has_its_own_at_each_step_and_in_the_tasks_beside_it() -> None:
    async def orchestrator(context):
        found = [is_current(context)]

        async def beside() -> bool:
            before = is_current(context)
            await asyncio.sleep(1)
            return before and is_current(context)

        task = asyncio.create_task(beside())
        asyncio.get_running_loop().call_soon(lambda: found.append(is_current(context)))
        await context.call_activity("double", 1)
        found += [is_current(context), await task]
        return found

    assert output_of(orchestrator) == [True, True, True, True]


def test_so_have_generators_plain_functions_and_predicates() -> None:
    asked: list[bool] = []

    def generator(context):
        policy = RetryPolicy(SECOND, 2, handle=lambda _: asked.append(is_current(context)) or False)
        try:
            yield context.call_activity_with_retry("fail", policy)
        except df.TaskFailedError:
            return is_current(context)

    def plain(context):
        return is_current(context)

    assert output_of(generator) is True
    assert asked
    assert all(asked)
    assert output_of(plain) is True


def test_the_last_blocks_of_a_function_that_is_dropped_have_it() -> None:
    found: list[bool] = []

    async def orchestrator(context):
        try:
            await context.wait_for_external_event("never")
        finally:
            found.append(is_current(context))

    started = run(orchestrator)
    started.start("orchestrator")
    started.live.close()
    assert found
    assert all(found)


# --- with the engine, and with the kit ------------------------------------------------------------------


@app.activity_trigger(input_name="value")
async def in_activity(value: None) -> bool:
    return df.current_context() is None


@app.activity_trigger(input_name="value")
def in_sync_activity(value: None) -> bool:
    return df.current_context() is None


@app.entity_trigger(context_name="context")
def in_entity(context: df.DurableEntityContext) -> None:
    context.set_result(df.current_context() is None)


@app.orchestration_trigger(context_name="context")
async def child(context: df.DurableOrchestrationContext) -> bool:
    await context.call_activity(in_activity, None)
    return is_current(context)


@app.orchestration_trigger(context_name="context")
async def everywhere(context: df.DurableOrchestrationContext) -> list[bool]:
    found = [
        await context.call_activity(in_activity, None),
        await context.call_activity(in_sync_activity, None),
        await context.call_entity(df.EntityId("in_entity", "one"), "look"),
        await context.call_sub_orchestrator(child),
    ]
    return [*found, is_current(context)]


def test_only_orchestrations_have_one() -> None:
    ended = run_app(app, everywhere, replay="every-turn")
    assert ended.output == [True] * 5


def test_a_player_of_an_orchestrator_gives_it_and_one_of_an_entity_does_not() -> None:
    step = OrchestratorPlayer(child)
    step.complete(in_activity, True)
    assert step.output is True
    assert play_entity(in_entity, "look").result is True
