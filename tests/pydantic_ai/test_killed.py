"""Workers that die in the middle of an agent: it ends with the same answer, and nothing that was done is done again."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic_ai.exceptions import ModelAuthenticationError, ModelHTTPError

from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.testing import DurableTestSyncEnvironment
from tests.pydantic_ai import travel
from tests.pydantic_ai.killed import Orders, noted
from tests.pydantic_ai.scripted import environment


def test_the_steps_are_these():
    done: list[str] = []
    with environment(travel.build(done.append)) as env:
        assert env.start("plan").result() == travel.ANSWER
    assert done == travel.STEPS


@pytest.mark.parametrize("number", range(len(travel.STEPS)))
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_worker_dies_before_or_after_a_step(number: int, is_stored: bool):
    done: list[str] = []
    app = travel.build(done.append)
    with DurableTestSyncEnvironment(app) as env:
        runs = itertools.count()
        die = env.crash_before if is_stored else env.crash_after
        for function in app.durable_functions():
            if function.durable_kind == "activity":
                die(function.durable_name, when=lambda _: next(runs) == number)
        assert env.start("plan").result() == travel.ANSWER
    # What had not been stored yet is done again, and nothing else.
    again = [] if is_stored else [travel.STEPS[number]]
    assert sorted(done) == sorted([*travel.STEPS, *again])


def test_a_worker_dies_before_each_step_in_turn():
    done: list[str] = []
    app = travel.build(done.append)
    died: list[object] = []

    def is_first(step: object) -> bool:
        if step in died:
            return False
        died.append(step)
        return True

    with DurableTestSyncEnvironment(app) as env:
        for function in app.durable_functions():
            if function.durable_kind == "activity":
                env.crash_before(function.durable_name, when=is_first, times=len(travel.STEPS))
        assert env.start("plan").result() == travel.ANSWER
    assert len(died) == len(travel.STEPS)
    assert done == travel.STEPS


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_processes_are_killed_after_each_step_in_turn_the_last_one_too(
    store_kind: str, hub_name: str, tmp_path: Path, request: pytest.FixtureRequest
):
    connection = request.getfixturevalue("azurite") if store_kind == "azurite" else ""
    storage = "AzureWebJobsStorage" if store_kind == "azurite" else f"sqlite:{tmp_path / 'hub.db'}"
    orders = Orders(str(tmp_path), hub_name, storage, connection)
    hub = orders.hub()
    await hub.open()
    client = DurableOrchestrationClient(hub, orders.settings())
    await client.start_new("plan", "trip")
    for number, victim in enumerate([*travel.STEPS[1:], travel.RETURNED], 1):
        process = await _worker(replace(orders, dies_before=victim))
        assert await process.wait() == -signal.SIGKILL
        assert noted(tmp_path) == travel.STEPS[:number]
    last = await _worker(orders)
    status = await client.wait_for_completion("trip", 60.0)
    last.kill()
    await last.wait()
    assert status.output == travel.ANSWER
    assert noted(tmp_path) == travel.STEPS
    await hub.store.delete_hub()
    await hub.close()


async def _worker(orders: Orders) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.pydantic_ai.killed", orders.encode(), stdin=asyncio.subprocess.PIPE
    )


def test_a_run_that_failed_at_its_last_step_is_rewound_and_goes_on_from_there():
    done: list[str] = []
    is_mended: list[bool] = []

    async def refuse(step: str) -> None:
        if step == travel.STEPS[-1] and not is_mended:
            raise ModelHTTPError.for_category(ModelAuthenticationError, status_code=401, model_name="m")

    with environment(travel.build(done.append, refuse)) as env:
        run = env.start("plan")
        assert run.wait().failure is not None
        assert done == travel.STEPS[:-1]
        is_mended.append(True)
        run.rewind("the key is right now")
        assert run.result() == travel.ANSWER
    assert done == travel.STEPS
