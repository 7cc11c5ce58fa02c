"""What an app answers when the Functions worker asks for its functions."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
from pathlib import Path
from typing import Any, get_type_hints

import azure.functions as func
import pytest

import azure_durable_py as df

HOST_JSON: dict[str, Any] = {"extensions": {"queues": {"maxPollingInterval": "00:00:02"}}}


@pytest.fixture(autouse=True)
def app_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "host.json").write_text(json.dumps(HOST_JSON))
    monkeypatch.setenv("AzureWebJobsScriptRoot", str(tmp_path))
    return tmp_path


def _app() -> df.DFApp:
    app = df.DFApp()
    blueprint = df.Blueprint()

    @app.orchestration_trigger(context_name="context")
    def chain(context: df.DurableOrchestrationContext) -> None:
        return None

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        return func.HttpResponse(await client.start_new("chain"))

    @blueprint.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
    @blueprint.durable_client_input(client_name="starter", task_hub="Other")
    def tick(timer: func.TimerRequest, starter: str, context: func.Context) -> None:
        return None

    @blueprint.route(route="plain")
    def plain(req: func.HttpRequest) -> str:
        return "plain"

    app.register_functions(blueprint)
    return app


def _function(app: df.DFApp, name: str) -> Any:
    return next(function for function in app.get_functions() if function.get_function_name() == name)


def test_asking_again_gives_the_same_names():
    app = _app()
    first, second = ([function.get_function_name() for function in app.get_functions()] for _ in range(2))
    assert first == second
    assert {"start", "tick", "plain", "durable_instances", "durable_management"} <= set(first)
    assert "chain" not in first


def test_every_name_is_one_that_the_host_accepts():
    names = [str(function.get_function_name()) for function in _app().get_functions()]
    assert all(re.fullmatch("[a-z][a-z0-9_-]{0,127}", name) for name in names)


@pytest.mark.parametrize(("name", "parameters"), [("start", ["req"]), ("tick", ["timer", "context"])])
def test_a_function_with_a_client_shows_only_what_the_host_fills(name: str, parameters: list[str]):
    function = _function(_app(), name)
    call = function.get_user_function()
    assert list(inspect.signature(call).parameters) == parameters
    assert set(call.__annotations__) == {*parameters, "return"}
    assert {binding.type for binding in function.get_bindings()} <= {"httpTrigger", "http", "timerTrigger"}


@pytest.mark.parametrize(("name", "is_async"), [("start", True), ("tick", False)])
def test_a_function_keeps_its_colour(name: str, is_async: bool):
    assert inspect.iscoroutinefunction(_function(_app(), name).get_user_function()) is is_async


def test_a_function_without_a_client_is_the_users_own():
    app = _app()
    own = next(function for function in app.user_functions() if function.get_function_name() == "plain")
    assert _function(app, "plain") is own


def test_the_functions_of_the_app_stay_as_they_were():
    app = _app()
    app.get_functions()
    start = next(function for function in app.user_functions() if function.get_function_name() == "start")
    assert "durableClient" in {binding.type for binding in start.get_bindings()}


def test_the_worker_can_read_the_annotations_of_what_it_indexes():
    for function in _app().get_functions():
        if function.get_function_name() != "tick" and function.get_function_name() != "start":
            get_type_hints(function.get_user_function())


def test_a_sync_function_called_before_the_event_loop_is_known_says_so():
    call = _function(_app(), "tick").get_user_function()
    with pytest.raises(df.RegistrationError, match="before the worker's event loop was known"):
        call(timer=None, context=None)


def test_storage_that_is_not_set_is_told_of_when_it_is_first_needed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AzureWebJobsStorage", raising=False)
    call = _function(_app(), "start").get_user_function()
    with pytest.raises(df.SettingsError, match="AzureWebJobsStorage"):
        asyncio.run(call(req=None))


def test_advice_is_given_only_where_it_is_due(app_dir: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "azure_durable_py"):
        _app().get_functions()
        assert caplog.messages == []
        (app_dir / "host.json").write_text(json.dumps({"extensions": {"queues": {"maxDequeueCount": 1}}}))
        _app().get_functions()
    assert len(caplog.messages) == 2
    assert "maxPollingInterval is 60 s (the default)" in caplog.messages[0]
    assert "maxDequeueCount is 1" in caplog.messages[1]
