"""Messages of mistakes that people make first: each names what was wrong and the mend."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path
from typing import Any

import pytest

import azure_durable_py as df
from azure_durable_py.errors import RegistrationError, SettingsError
from azure_durable_py.failures import FailureDetails, readable
from azure_durable_py.hosting.local.console import Served, banner
from azure_durable_py.hosting.local.loading import load_app
from azure_durable_py.settings import Settings
from azure_durable_py.taskhub.storage import default_storage, open_store
from azure_durable_py.testing import VirtualHub, play, run
from azure_durable_py.triggers.functions import Functions

Context = df.DurableOrchestrationContext
app = df.DFApp()
HUB = Settings(hub_name="Messages")


def orchestrator(function: Any) -> Any:
    return app.orchestration_trigger(context_name="context")(function)


@app.activity_trigger(input_name="x")
def ok(x: Any) -> Any:
    return x


@app.activity_trigger(input_name="x")
def gives_an_object(x: Any) -> Any:
    return object()


@app.activity_trigger(input_name="x")
def breaks(x: Any) -> None:
    raise ValueError("broken")


@orchestrator
async def timer_of_a_number(context: Context) -> None:
    await context.create_timer(5)  # type: ignore[arg-type]


@orchestrator
async def key_error(context: Context) -> None:
    raise KeyError("missing")


@orchestrator
async def swapped(context: Context) -> None:
    await context.call_activity_with_retry("ok", 1, df.RetryOptions(1000, 2))  # type: ignore[arg-type]


@orchestrator
async def object_as_input(context: Context) -> None:
    await context.call_activity("ok", object())


@orchestrator
async def object_as_childs_input(context: Context) -> None:
    await context.call_sub_orchestrator("key_error", object())


@orchestrator
async def object_for_an_entity(context: Context) -> None:
    context.signal_entity(df.EntityId("cart", "c"), "add", object())


@orchestrator
async def object_as_event(context: Context) -> None:
    context.send_event("other", "Go", object())


@orchestrator
async def object_as_result(context: Context) -> Any:
    return object()


@orchestrator
async def object_of_an_activity(context: Context) -> Any:
    return await context.call_activity("gives_an_object")


@orchestrator
def task_as_result(context: Context) -> Any:
    return context.call_activity("ok", 1)


@orchestrator
async def gathers(context: Context) -> Any:
    return await asyncio.gather(context.call_activity("breaks"), context.call_activity("breaks"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("timer_of_a_number", "not 5. Seconds are: timedelta(seconds=5)."),
        ("key_error", "KeyError: 'missing'"),
        ("swapped", "not int. The order of the arguments is: name, retry_options, input_."),
        ("object_as_input", "input of activity 'ok': $: objects of type builtins.object are not JSON"),
        ("object_as_childs_input", "input of sub-orchestration 'key_error': $: objects of type"),
        ("object_for_an_entity", "input of operation 'add' of entity @cart@c: $: objects of type"),
        ("object_as_event", "data of event 'Go': $: objects of type"),
        ("object_as_result", "result of orchestrator 'object_as_result': $: objects of type"),
        ("object_of_an_activity", "result of activity 'gives_an_object': $: objects of type"),
        ("task_as_result", "not its result: await or yield it first."),
    ],
)
def test_the_output_of_a_failed_instance_says_what_and_where(name: str, said: str):
    assert said in str(run(app, name).output)


def test_a_gather_that_fails_leaves_no_stray_traceback(caplog: pytest.LogCaptureFixture):
    assert "activity 'breaks' failed: ValueError: broken" in str(run(app, "gathers").output)
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_a_message_that_says_something_stays_alone():
    assert readable(FailureDetails("no luck", "ValueError")) == "no luck"
    assert readable(FailureDetails("", "my.Error")) == "my.Error"


@pytest.mark.parametrize(
    ("decorator", "usage"),
    [
        ("activity_trigger", '@app.activity_trigger(input_name="name")'),
        ("orchestration_trigger", '@app.orchestration_trigger(context_name="context")'),
        ("entity_trigger", '@app.entity_trigger(context_name="context")'),
    ],
)
def test_a_decorator_without_parentheses_is_refused(decorator: str, usage: str):
    def mine(name: str) -> None: ...

    with pytest.raises(RegistrationError) as refused:
        getattr(df.DFApp(), decorator)(mine)
    assert "mine" in str(refused.value)
    assert str(refused.value).endswith(f"stands without parentheses, so it declares nothing. Write: {usage}")


def test_an_app_without_functions_says_how_they_are_declared():
    served = Served("/app", "http://localhost:7071", "/hooks", "memory", Functions((), (), ()))
    assert "The app declares no function." in banner(served, color=False)
    assert "@app.orchestration_trigger" in banner(served, color=False)


def test_a_connection_that_host_json_asks_for_and_is_not_set(tmp_path: Path):
    settings = Settings(hub_name="Messages", connection_name="Y")
    with pytest.raises(SettingsError, match=r"host\.json asks for the connection 'Y' \(extensions\.durableTask"):
        open_store(default_storage(settings, {}), settings, {}, tmp_path)


def test_a_storage_that_the_command_line_asks_for_and_is_not_set(tmp_path: Path):
    with pytest.raises(SettingsError, match="There is no storage 'Z': it is not the name of an app setting"):
        open_store("Z", HUB, {}, tmp_path)


def test_a_directory_is_no_sqlite_file(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"is a directory\. Name a file for the hub in it, such as .*hub\.db"):
        open_store(f"sqlite:{tmp_path}", HUB, {}, tmp_path)


def test_an_app_of_the_other_package_is_told_the_way_in(tmp_path: Path):
    script = tmp_path / "function_app.py"
    script.write_text("import azure.durable_functions as df\n")
    with pytest.raises(RegistrationError, match="--as-durable-functions"):
        load_app(script)


@orchestrator
async def short(context: Context) -> str:
    return "done"


def test_an_event_that_comes_too_late_is_named_and_an_answer_is_no_news(caplog: pytest.LogCaptureFixture):
    from azure_durable_py.history.events import EventRaised

    async def scenario(hub: VirtualHub) -> None:
        await hub.client.start_new("short", "s")
        await hub.client.wait_for_completion("s")
        await hub.at_rest()
        caplog.clear()
        late = EventRaised(hub.now, "Approval", json.dumps(True))
        await hub.client._messenger.send("s", late)  # pyright: ignore[reportPrivateUsage]
        await hub.at_rest()

    caplog.set_level("INFO", "azure_durable_py")
    play(app, scenario)
    assert caplog.messages == [
        "An event for instance 's' has no effect, as the instance has ended: 'Approval'.",
    ]
