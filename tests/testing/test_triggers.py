"""`fire` and `run_timers`: timer functions, and those that messages trigger, in a test."""

from __future__ import annotations

import asyncio
import io
import traceback
from datetime import datetime, timedelta, timezone
from typing import Any

import azure.functions as func
import pytest
from azure.functions.blob import InputStream
from azure.functions.timer import TimerRequest

import azure_durable_py as df
from azure_durable_py.errors import FunctionNotFoundError
from azure_durable_py.testing import (
    DurableTestEnvironment,
    DurableTestSyncEnvironment,
    FunctionOutput,
    VirtualHub,
    play,
)

Client = df.DurableOrchestrationClient
app = df.DFApp()
ran: list[str] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@app.timer_trigger(arg_name="timer", schedule="0 0 */6 * * *")
@app.durable_client_input(client_name="client")
async def every_six_hours(timer: func.TimerRequest, client: Client) -> None:
    ran.append(f"{client.hub.clock.now():%d %H:%M} {timer.past_due}")
    await client.start_new(note, "the one", timer.schedule_status["Next"])


@app.timer_trigger(arg_name="timer", schedule="%WHEN%", run_on_startup=True)
def when_set(timer: func.TimerRequest, context: func.Context) -> str:
    ran.append("when_set")
    return f"{context.function_name} {timer.past_due}"


@app.queue_trigger(arg_name="message", queue_name="orders", connection="Storage")
@app.durable_client_input(client_name="client")
async def on_order(message: func.QueueMessage, client: Client) -> str:
    return await client.start_new(note, client_input=message.get_json())


@app.service_bus_queue_trigger(arg_name="message", queue_name="orders", connection="Bus")
@app.queue_output(arg_name="receipt", queue_name="receipts", connection="Storage")
@app.blob_output(arg_name="copy", path="copies/{id}", connection="Storage")
def on_bus(message: func.ServiceBusMessage, receipt: func.Out[str], copy: func.Out[str], how: str = "once") -> None:
    receipt.set(f"{message.get_body().decode()} {how}")
    if how == "badly":
        raise OSError("no paper")


@app.event_grid_trigger(arg_name="event")
@app.event_grid_output(arg_name="$return", topic_endpoint_uri="Topic", topic_key_setting="Key")
def on_event(event: func.EventGridEvent) -> dict[str, Any]:
    return {"heard of": event.subject}


@app.blob_trigger(arg_name="blob", path="in/{name}", connection="Storage")
@app.table_input(arg_name="row", table_name="known", connection="Storage")
def on_blob(blob: func.InputStream, row: str) -> tuple[bytes, str]:
    return blob.read(), row


@app.generic_trigger(arg_name="change", type="madeUpTrigger")
def on_change(change: str, without_binding: int) -> str:
    return change * without_binding


@app.orchestration_trigger(context_name="context")
async def note(context: df.DurableOrchestrationContext) -> Any:
    return context.get_input()


def firing(*args: Any, **bindings: Any) -> Any:
    """What firing a function gives."""
    return play(app, lambda hub: hub.triggers.fire(*args, **bindings))


# --- timer functions ----------------------------------------------------------------------------------------


def test_a_timer_function_is_called_now():
    async def scenario(hub: VirtualHub) -> Any:
        await asyncio.sleep(3600)
        await hub.triggers.fire(every_six_hours)
        return (await hub.client.wait_for_completion("the one")).output

    assert play(app, scenario) == "2026-01-01T06:00:00+00:00"
    assert ran == ["01 01:00 False"]


def test_a_timer_function_may_be_late():
    firing("every_six_hours", past_due=True)
    assert ran == ["01 00:00 True"]


def test_a_timer_function_may_be_given_what_triggers_it():
    request = TimerRequest(past_due=True, schedule_status={"Next": "soon"})
    firing(every_six_hours, timer=request)
    assert ran == ["01 00:00 True"]


def test_a_timer_function_is_called_whatever_its_schedule_refers_to():
    assert firing("when_set") == "when_set False"


def test_timer_functions_run_when_they_are_due(monkeypatch: pytest.MonkeyPatch):
    async def scenario(hub: VirtualHub) -> None:
        await hub.triggers.fire("when_set")
        hub.triggers.run_timers()
        hub.triggers.run_timers()
        await asyncio.sleep(12.5 * 3600)
        await hub.triggers.stop()
        await asyncio.sleep(24 * 3600)

    monkeypatch.setenv("WHEN", "1.00:00:00")
    play(app, scenario)
    assert ran == ["when_set", "when_set", "01 06:00 False", "01 12:00 False"]


def test_a_schedule_that_a_setting_is_missing_for_cannot_be_kept():
    async def scenario(hub: VirtualHub) -> None:
        hub.triggers.run_timers()

    with pytest.raises(df.SettingsError, match="WHEN"):
        play(app, scenario)


def test_a_timer_function_that_fails_when_it_is_due_fails_the_run():
    failing = df.DFApp()

    @failing.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
    def fail(timer: func.TimerRequest) -> None:
        ran.append("fail")
        raise ZeroDivisionError("each hour")

    async def scenario(hub: VirtualHub) -> None:
        hub.triggers.run_timers()
        await asyncio.sleep(2.5 * 3600)

    with pytest.raises(ZeroDivisionError, match="each hour"):
        play(failing, scenario)
    assert ran == ["fail", "fail"]


def test_months_of_an_hourly_timer_pass_without_looking_at_the_clock():
    hourly = df.DFApp()
    times: list[datetime] = []

    @hourly.timer_trigger(arg_name="timer", schedule="0 30 * * * *")
    @hourly.durable_client_input(client_name="client")
    async def note_time(timer: func.TimerRequest, client: Client) -> None:
        times.append(client.hub.clock.now())

    async def scenario(hub: VirtualHub) -> None:
        hub.triggers.run_timers()
        await asyncio.sleep(timedelta(days=60).total_seconds())

    play(hourly, scenario)
    assert len(times) == 60 * 24
    assert times[-1].replace(microsecond=0) == datetime(2026, 3, 1, 23, 30, tzinfo=timezone.utc)


async def test_an_environment_runs_timer_functions_as_time_is_skipped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WHEN", "1.00:00:00")
    async with DurableTestEnvironment(app) as env:
        await env.skip(timedelta(hours=7))
        assert ran == []
        await env.run_timers()
        await env.skip(timedelta(hours=11))
    assert ran == ["when_set", "01 12:00 False", "01 18:00 False"]


async def test_an_environment_ends_with_what_a_timer_function_raised():
    failing = df.DFApp()

    @failing.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
    def fail(timer: func.TimerRequest) -> None:
        raise ZeroDivisionError("each hour")

    async def use() -> None:
        async with DurableTestEnvironment(failing) as env:
            await env.run_timers()
            await env.skip(timedelta(hours=1))

    with pytest.raises(ZeroDivisionError, match="each hour"):
        await use()


# --- messages -----------------------------------------------------------------------------------------------


def test_a_message_of_a_queue_starts_an_orchestration():
    async def scenario(hub: VirtualHub) -> Any:
        started = await hub.triggers.fire(on_order, message=func.QueueMessage(body=b'{"n": 7}'))
        return (await hub.client.wait_for_completion(started)).output

    assert play(app, scenario) == {"n": 7}


def test_a_sync_environment_fires_functions():
    with DurableTestSyncEnvironment(app) as env:
        started = env.fire(on_order, message=func.QueueMessage(body=b"[8]"))
        assert env.handle(started).result() == [8]
        env.fire(every_six_hours, past_due=True)
        assert ran == ["01 00:00 True"]


def test_outputs_are_kept_in_order_except_those_of_a_call_that_fails():
    message = func.ServiceBusMessage(body=b"tea")

    async def scenario(hub: VirtualHub) -> list[FunctionOutput]:
        await hub.triggers.fire(on_bus, message=message)
        with pytest.raises(OSError, match="no paper"):
            await hub.triggers.fire(on_bus, message=message, how="badly")
        event = func.EventGridEvent(
            id="1", data={}, topic="t", subject="milk", event_type="e", event_time=None, data_version="1"
        )
        assert await hub.triggers.fire(on_event, event=event) == {"heard of": "milk"}
        return hub.triggers.outputs

    assert play(app, scenario) == [
        FunctionOutput("on_bus", "receipt", "tea once"),
        FunctionOutput("on_event", "$return", {"heard of": "milk"}),
    ]


def test_other_inputs_are_given_by_name():
    blob = InputStream(data=b"content", name="in/a")
    assert firing("on_blob", blob=blob, row="known") == (b"content", "known")


def test_a_parameter_without_a_binding_may_be_given():
    assert firing("ON_CHANGE", change="ab", without_binding=2) == "abab"


def test_what_a_function_raises_has_its_own_stack():
    with pytest.raises(AttributeError) as raised:
        firing(on_bus, message=io.BytesIO())
    assert traceback.extract_tb(raised.value.__traceback__)[-1].name == "on_bus"


@pytest.mark.parametrize(
    ("name", "bindings", "why"),
    [
        (
            "on_order",
            {},
            r"on_order \(.*test_triggers\.py:\d+\) needs 'message', which its queueTrigger brings",
        ),
        ("on_blob", {"blob": b""}, "needs 'row', which its binding table brings"),
        ("on_change", {"change": "a"}, "needs 'without_binding', for which it has no binding"),
        ("on_order", {"message": 1, "client": 2}, "takes no 'client' from a test. It takes: message"),
        ("on_order", {"message": 1, "past_due": True}, "is no timer function"),
    ],
)
def test_what_does_not_fit_a_function_is_told(name: str, bindings: dict[str, Any], why: str):
    with pytest.raises(TypeError, match=why):
        firing(name, **bindings)


def test_a_function_that_is_not_there_is_told_with_one_that_is():
    with pytest.raises(FunctionNotFoundError, match=r"no function 'on_ordre' .* Did you mean 'on_order'\?.* on_change"):
        firing("on_ordre")
    with pytest.raises(FunctionNotFoundError, match="no function play"):
        firing(play)


def test_a_durable_function_is_the_engine_s_to_call():
    with pytest.raises(FunctionNotFoundError, match=r"note .* is an orchestrator, which nothing but the engine calls"):
        firing(note)
    with pytest.raises(FunctionNotFoundError, match=r"note .* is an orchestrator"):
        firing("Note")
