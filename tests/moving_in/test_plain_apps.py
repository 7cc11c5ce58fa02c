"""A plain `func.FunctionApp` with durable functions, as hosts and the testing kit take it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

import azure_durable_py as df
from azure_durable_py.app import adopted
from azure_durable_py.errors import RegistrationError
from azure_durable_py.hosting.functions import expand
from azure_durable_py.testing import DurableTestSyncEnvironment, run
from azure_durable_py.triggers.functions import sort_functions

Context = df.DurableOrchestrationContext


def blueprint() -> df.Blueprint:
    bp = df.Blueprint()

    @bp.orchestration_trigger(context_name="context")
    def chain(context: Context) -> Any:
        first = yield context.call_activity("say_hello", "Tokyo")
        second = yield context.call_activity("say_hello", "London")
        return [first, second]

    @bp.activity_trigger(input_name="city")
    def say_hello(city: str) -> str:
        return f"Hello {city}!"

    @bp.route(route="start")
    @bp.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: Any) -> str:
        return str(client)

    return bp


def names(app: func.FunctionApp) -> list[str]:
    return [str(function.get_function_name()) for function in app.get_functions()]


@pytest.fixture
def in_an_app_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "function_app", raising=False)


def test_a_plain_app_that_registers_a_durable_blueprint_runs_its_orchestrations() -> None:
    app = func.FunctionApp()
    app.register_functions(blueprint())
    assert run(app, "chain").output == ["Hello Tokyo!", "Hello London!"]


@pytest.mark.usefixtures("in_an_app_dir")
def test_the_functions_worker_is_told_the_functions_of_the_host() -> None:
    app = func.FunctionApp()
    app.register_functions(blueprint())

    @app.route(route="plain", auth_level=func.AuthLevel.ANONYMOUS)
    def plain(req: func.HttpRequest) -> str:
        return "plain"

    ours = ["durable_instances", "durable_instances_poison", "durable_activities", "durable_activities_poison"]
    assert names(app) == ["start", "plain", *ours, "durable_management"]
    assert names(app) == names(app), "and again, when it asks again"
    assert [str(f.get_function_name()) for f in expand(adopted(app))] == names(app)


@pytest.mark.usefixtures("in_an_app_dir")
def test_the_authorization_level_of_a_plain_app_holds() -> None:
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ADMIN)
    app.register_functions(blueprint())
    trigger: Any = app.get_functions()[0].get_trigger()
    assert trigger.auth_level == func.AuthLevel.ADMIN


def test_an_app_without_durable_functions_is_told_as_ever() -> None:
    app = func.FunctionApp()

    @app.route(route="plain")
    def plain(req: func.HttpRequest) -> str:
        return "plain"

    assert names(app) == ["plain"]
    assert adopted(app).registry.kinds()["orchestrationTrigger"] == []


def test_functions_that_a_plain_app_gets_later_are_part_of_it() -> None:
    app = func.FunctionApp()
    before = adopted(app).registry
    app.register_functions(blueprint())
    assert before.orchestrators.names() == []
    assert adopted(app).registry.orchestrators.names() == ["chain"]
    assert adopted(app).registry is adopted(app).registry


def test_durable_decorators_straight_on_a_plain_app() -> None:
    app = func.FunctionApp()

    @app.orchestration_trigger(context_name="context")
    def total(context: Context) -> Any:
        yield context.call_entity(df.EntityId("Counter", "c"), "add", 3)
        return (yield context.call_activity("double", 4))

    @app.activity_trigger(input_name="number")
    def double(number: int) -> int:
        return 2 * number

    @app.entity_trigger(context_name="context", entity_name="Counter")
    def counter(context: df.DurableEntityContext) -> None:
        context.set_state(context.get_state(lambda: 0) + context.get_input())

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> str:
        return await client.start_new("total")

    with DurableTestSyncEnvironment(app) as env:
        started = env.request("GET", "/api/start").get_body().decode()
        assert env.handle(started).result() == 8
        assert env.entity("counter", "c").state() == 3
    sorted_functions = sort_functions(adopted(app), "api", {})
    assert [function.name for function in sorted_functions.http] == ["start"]


def test_decorators_on_a_plain_app_are_ours_where_the_package_is_only_imported(tmp_path: Path) -> None:
    code = """
    import azure.functions as func
    import azure_durable_py as df

    app = func.FunctionApp()

    @app.orchestration_trigger(context_name="context")
    def chain(context: df.DurableOrchestrationContext):
        return 1

    print([f.get_function_name() for f in app.get_functions()])
    """
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    told = subprocess.run(
        [sys.executable, "-c", "\n".join(line[4:] for line in code.splitlines())],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert json.loads(told.stdout.replace("'", '"'))[0] == "durable_instances"


@pytest.mark.parametrize("kind", ["orchestrationTrigger", "durableClient"])
def test_functions_of_another_package_are_refused_with_the_way_in(kind: str) -> None:
    app = func.FunctionApp()

    def work(req: Any, context: Any) -> None: ...

    decorated: Any
    if kind == "durableClient":
        decorated = app.generic_input_binding(arg_name="context", type=kind)(work)
        app.route(route="x")(decorated)
    else:
        app.generic_trigger(arg_name="context", type=kind)(work)
    told = rf"work .* declared with another package's {kind}\. Import azure_durable_py in place of azure\.durable_func"
    with pytest.raises(RegistrationError, match=told):
        adopted(app).user_functions()
    with pytest.raises(RegistrationError, match=told):
        run(app, "work")
