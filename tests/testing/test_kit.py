"""`azure_durable_py.testing`: an app run in memory at virtual time."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Generator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.status import OrchestrationRuntimeStatus as Status
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.taskhub.wrapping import Checked, StoreWrapper
from azure_durable_py.testing import StuckError, VirtualHub, play, run, run_virtual

Context = df.DurableOrchestrationContext
app = df.DFApp()
begun: list[str] = []


@app.orchestration_trigger(context_name="context")
async def greet(context: Context) -> list[str]:
    return [await context.call_activity(say, word) for word in ("Hello", context.get_input())]


@app.activity_trigger(input_name="word")
def say(word: str) -> str:
    return f"{word}!"


@app.orchestration_trigger(context_name="context")
async def sleep(context: Context) -> str:
    await context.create_timer(timedelta(days=context.get_input()))
    return f"{context.current_utc_datetime:%Y-%m-%d}"


@app.orchestration_trigger(context_name="context")
def break_down(context: Context) -> Generator[Any, Any, Any]:
    yield context.call_activity("explode")


@app.activity_trigger(input_name="word")
def explode(word: Any) -> None:
    raise ValueError("no luck today")


@app.orchestration_trigger(context_name="context")
async def approve(context: Context) -> Any:
    return await context.wait_for_external_event("Decision")


@app.orchestration_trigger(context_name="context")
async def have_approved(context: Context) -> Any:
    return await context.call_sub_orchestrator("approve", instance_id="child")


@app.orchestration_trigger(context_name="context")
async def for_ever(context: Context) -> None:
    await context.create_timer(timedelta(days=1))
    context.continue_as_new()


@app.orchestration_trigger(context_name="context")
async def lock(context: Context) -> None:
    async with context.lock([df.EntityId("counter", "a")]):
        await context.wait_for_external_event("Unlock")


@app.orchestration_trigger(context_name="context")
async def in_steps(context: Context) -> list[str]:
    return [await context.call_activity("work", step) for step in ("first", "second")]


@app.activity_trigger(input_name="step")
async def work(step: str) -> str:
    begun.append(step)
    try:
        await asyncio.sleep(90)
    finally:
        begun.append(f"left {step}")
    return step


@app.orchestration_trigger(context_name="context")
async def in_a_thread(context: Context) -> Any:
    return await context.call_activity("threaded")


@app.activity_trigger(input_name="word")
async def threaded(word: Any) -> bool:
    return await asyncio.to_thread(lambda: threading.current_thread() is threading.main_thread())


@app.orchestration_trigger(context_name="context")
async def count_instances(context: Context) -> Any:
    return await context.call_activity("count")


@app.activity_trigger(input_name="word")
@app.durable_client_input(client_name="client")
async def count(word: Any, client: df.DurableOrchestrationClient) -> int:
    return len(await client.get_status_all())


@app.entity_trigger(context_name="context")
def counter(context: df.DurableEntityContext) -> None:
    context.set_state(context.get_state(lambda: 0) + context.get_input())


# --- run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orchestrator", ["greet", "GREET", greet])
def test_run_gives_the_status_at_the_end(orchestrator: Any):
    status = run(app, orchestrator, "World")
    assert status.runtime_status is Status.Completed
    assert status.output == ["Hello!", "World!"]
    assert status.input_ == "World"


def test_a_timer_of_a_year_takes_no_time():
    start = time.perf_counter()
    assert run(app, "sleep", 365, epoch=datetime(2030, 5, 1, tzinfo=timezone.utc)).output == "2031-05-01"
    assert time.perf_counter() - start < 10


def test_a_failed_run_has_a_status_that_says_why():
    status = run(app, "break_down")
    assert status.runtime_status is Status.Failed
    assert status.failure is not None
    assert "no luck today" in status.failure.message


def test_the_same_seed_is_the_same_run():
    first, again, other = (run(app, "greet", "you", seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.instance_id != other.instance_id


def test_a_blueprint_can_be_run():
    blueprint = df.Blueprint()

    @blueprint.orchestration_trigger(context_name="context")
    def five(context: Context) -> int:
        return 5

    assert run(blueprint, "five", instance_id="i").output == 5


def test_what_would_run_in_a_thread_of_asyncio_runs_on_the_loop():
    assert run(app, "in_a_thread").output is True


def test_client_bindings_have_a_client_while_the_app_is_served():
    assert run(app, "count_instances").output == 1
    (binding,) = app.client_bindings()
    with pytest.raises(df.RegistrationError, match=r"azure_durable_py\.testing\.DurableTestEnvironment"):
        app.client_for(binding)


def test_an_unknown_orchestrator_is_refused_by_name():
    with pytest.raises(df.FunctionNotFoundError, match=r"No orchestrator named 'gret'.*Did you mean 'greet'\?"):
        run(app, "gret")
    with pytest.raises(df.FunctionNotFoundError, match="Registered: none"):
        run(df.DFApp(), "greet")


async def test_a_run_inside_a_running_loop_says_what_to_do():
    for call in (lambda: run(app, "greet"), lambda: play(app, nothing), lambda: run_virtual(asyncio.sleep(1))):
        with pytest.raises(RuntimeError, match="Make the test a plain `def`"):
            call()


async def nothing(hub: VirtualHub) -> None:
    pass


async def test_a_hub_on_a_loop_of_real_time_says_what_to_do():
    with pytest.raises(RuntimeError, match=r"azure_durable_py\.testing\.play"):
        async with VirtualHub(app):
            pass


# --- stuck -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("approve", ["'it' (approve) waits for external event 'Decision' (raise_event('Decision', ...) sends it)."]),
        ("have_approved", ["'child' (approve) waits for external event", "'it' (have_approved) waits for sub-orch"]),
        ("for_ever", ["'it' (for_ever) waits for a timer at 2026-02-01"]),
        ("lock", ["'it' (lock) waits for external event 'Unlock'"]),
    ],
)
def test_a_run_that_cannot_end_says_what_instances_wait_for(name: str, told: list[str]):
    with pytest.raises(StuckError, match="not over within 31 days") as stuck:
        run(app, name, instance_id="it", within=timedelta(days=31))
    assert [line for line in told if line not in str(stuck.value)] == []


def test_a_stuck_scenario_says_what_instances_wait_for(caplog: pytest.LogCaptureFixture):
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("approve", "suspended")
        await hub.client.wait_for_start("suspended")
        await hub.client.suspend("suspended")
        await hub.client.start_new("lock", "first")
        await asyncio.sleep(1)
        await hub.client.start_new("lock", "second")
        await hub.client.start_new("in_steps", "late", start_at=hub.now + timedelta(days=3000))
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError) as stuck:
        play(app, scenario)
    told = str(stuck.value)
    assert "'suspended' (approve) is suspended: client.resume(...)" in told
    assert "'first' (lock) waits for external event 'Unlock'" in told
    assert "'second' (lock) waits for the lock of entity @counter@a." in told
    assert "'late' (in_steps) has not begun" in told
    assert caplog.messages == []


def test_an_activity_that_never_ends_is_named():
    blueprint = df.Blueprint()

    @blueprint.orchestration_trigger(context_name="context")
    def waits(context: Context) -> Generator[Any, Any, Any]:
        yield context.task_all([context.call_activity("hang"), context.create_timer(timedelta(days=9))])

    @blueprint.activity_trigger(input_name="word")
    async def hang(word: Any) -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError, match=r"waits for activity 'hang', a timer at 2026-01-10"):
        run(blueprint, "waits", within=timedelta(hours=6))


def test_without_any_timer_a_run_is_stuck_at_once():
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError, match="no timer is set"):
        run_virtual(main())


# --- play ------------------------------------------------------------------------------------------------


def test_time_passes_while_a_scenario_sleeps():
    async def scenario(hub: VirtualHub) -> tuple[Any, timedelta]:
        begun_at = hub.now
        await hub.client.start_new("approve", "a")
        await asyncio.sleep(timedelta(days=30).total_seconds())
        await hub.client.raise_event("a", "decision", "yes")
        return (await hub.client.wait_for_completion("a")).output, hub.now - begun_at

    output, passed = play(app, scenario)
    assert output == "yes"
    assert timedelta(days=30) <= passed < timedelta(days=30, seconds=1)


def test_waiting_in_vain_takes_as_long_as_was_said():
    async def scenario(hub: VirtualHub) -> timedelta:
        begun_at = hub.now
        await hub.client.start_new("approve", "a")
        with pytest.raises(TimeoutError, match=r"'a' is still Running after 7 days.*\(virtual time\)"):
            await hub.client.wait_for_completion("a", timedelta(days=7))
        with pytest.raises(df.InstanceNotFoundError):
            await hub.client.wait_for_completion("b")
        return hub.now - begun_at

    assert timedelta(days=7) <= play(app, scenario) < timedelta(days=7, seconds=1)


def test_a_hub_at_rest_has_handled_every_signal():
    async def scenario(hub: VirtualHub) -> Any:
        entity = df.EntityId("counter", "a")
        await hub.client.signal_entity(entity, "add", 1)
        await hub.client.signal_entity(entity, "add", 2, signal_time=hub.now + timedelta(hours=1))
        await hub.at_rest()
        return (await hub.client.read_entity_state(entity)).entity_state

    assert play(app, scenario) == 3


def test_what_a_scenario_raises_comes_out():
    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("approve")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        play(app, scenario)


# --- workers ---------------------------------------------------------------------------------------------


def test_what_a_killed_worker_had_in_hand_goes_to_another(caplog: pytest.LogCaptureFixture):
    begun.clear()

    async def scenario(hub: VirtualHub) -> Any:
        await hub.client.start_new("in_steps", "a")
        await asyncio.sleep(150)
        hub.workers[0].kill()
        await asyncio.sleep(1000)
        # Nothing of a dead process runs, not even what it would do last.
        assert begun == ["first", "left first", "second"]
        assert [worker.is_running for worker in hub.workers] == [False]
        await hub.start_worker()
        output = (await hub.client.wait_for_completion("a")).output
        assert begun == ["first", "left first", "second", "second", "left second"]
        await hub.at_rest()
        return output

    assert play(app, scenario) == ["first", "second"]
    assert caplog.messages == []


def test_a_worker_that_is_stopped_lets_its_work_end():
    begun.clear()

    async def scenario(hub: VirtualHub) -> Any:
        await hub.client.start_new("in_steps", "a")
        await asyncio.sleep(85)
        await hub.workers[0].stop(grace=10)
        await hub.workers[0].stop()
        assert begun == ["first", "left first"]
        await hub.start_worker()
        return (await hub.client.wait_for_completion("a")).output

    assert play(app, scenario) == ["first", "second"]
    assert begun == ["first", "left first", "second", "left second"]


def test_several_workers_share_the_work():
    async def scenario(hub: VirtualHub) -> tuple[int, set[str]]:
        for number in range(20):
            await hub.client.start_new("greet", f"{number}", "you")
        statuses = [await hub.client.wait_for_completion(f"{number}") for number in range(20)]
        await hub.at_rest()
        return len(hub.workers), {str(status.output) for status in statuses}

    assert play(app, scenario, workers=3) == (3, {"['Hello!', 'you!']"})


def test_a_worker_may_have_settings_a_clock_and_a_store_of_its_own():
    asked: set[str] = set()

    class Noting(StoreWrapper):
        def around(self, name: str, call: Any) -> Any:
            def noted(*args: Any, **kwargs: Any) -> Any:
                asked.add(name)
                return call(*args, **kwargs)

            return noted

    async def main() -> None:
        async with VirtualHub(app, df.Settings(hub_name="Mine"), workers=0) as hub:
            await hub.client.start_new("greet", "a", "you")
            late = df.Settings(hub_name="Mine", max_queue_polling_interval=1.0)
            await hub.start_worker("odd", settings=late, wrap=Noting)
            await hub.client.wait_for_completion("a")
            assert {"commit", "receive_messages"} <= asked
            assert isinstance(hub.task_hub.store, Checked)
            header = await hub.store.load_header("a")
            assert header is not None
            assert InstanceState.decode(header.body).pending == []

    run_virtual(main())


def test_a_run_leaves_nothing_behind(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.WARNING)

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("in_steps", "a")
        await asyncio.sleep(10)
        hub.workers[0].kill()
        await hub.start_worker()
        await asyncio.sleep(1)

    play(app, scenario, workers=2)
    assert caplog.messages == []


def test_code_that_refuses_to_end_does_not_keep_a_run_from_ending():
    async def stubborn() -> None:
        while True:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                refused.append(1)

    refused: list[int] = []
    tasks: list[asyncio.Task[None]] = []

    async def scenario(hub: VirtualHub) -> str:
        tasks.append(asyncio.ensure_future(stubborn()))
        await asyncio.sleep(1)
        return "ended"

    assert play(app, scenario) == "ended"
    assert len(refused) > 1
    # Nobody is to be told that it never ended.
    tasks[0]._log_destroy_pending = False  # type: ignore[attr-defined]
    tasks[0].get_coro().close()


# --- HTTP calls ------------------------------------------------------------------------------------------


@app.orchestration_trigger(context_name="context")
async def fetch(context: Context) -> Any:
    response = await context.call_http("POST", "https://a.test/jobs", context.get_input())
    return [response.status_code, response.content]


def test_requests_are_answered_by_the_test_and_pauses_take_no_time():
    asked: list[df.DurableHttpRequest] = []

    async def http(request: df.DurableHttpRequest) -> df.DurableHttpResponse:
        asked.append(request)
        await asyncio.sleep(60)
        if len(asked) < 3:
            return df.DurableHttpResponse(202, {"Location": "/jobs/1", "Retry-After": "86400"})
        return df.DurableHttpResponse(200, {}, "done")

    status = run(app, fetch, "x", http=http)
    assert status.output == [200, "done"]
    assert [(request.method, request.uri, request.content) for request in asked] == [
        ("POST", "https://a.test/jobs", '"x"'),
        ("GET", "https://a.test/jobs/1", None),
        ("GET", "https://a.test/jobs/1", None),
    ]
    assert status.completed_time is not None
    assert status.created_time is not None
    assert status.completed_time - status.created_time >= timedelta(days=2, minutes=3)


def test_without_an_answer_a_request_fails_and_says_what_to_do():
    status = run(app, fetch)
    assert status.failure is not None
    assert "Say what they are answered with: run(..., http=answer)" in status.failure.message


def test_a_request_that_is_not_answered_in_time_fails():
    async def http(request: df.DurableHttpRequest) -> df.DurableHttpResponse:
        await asyncio.sleep(3600)
        raise AssertionError("it waited for an hour")

    status = run(app, fetch, http=http)
    assert status.failure is not None
    assert status.failure.is_caused_by(df.HttpTimeoutError)
    assert "240 s" in status.failure.message


def test_a_request_whose_process_dies_is_made_again_by_another():
    asked: list[str] = []

    async def http(request: df.DurableHttpRequest) -> df.DurableHttpResponse:
        asked.append(request.subject)
        await asyncio.sleep(100)
        return df.DurableHttpResponse(200, {}, f"after {len(asked)}")

    async def main() -> Any:
        async with VirtualHub(app, http=http) as hub:
            await hub.client.start_new(fetch, "a")
            await asyncio.sleep(50)
            hub.workers[0].kill()
            await hub.start_worker()
            return (await hub.client.wait_for_completion("a")).output

    assert run_virtual(main()) == [200, "after 2"]
    assert asked == ["POST https://a.test/jobs"] * 2
