"""Decorators of several blueprints and apps on one function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

import azure_durable_py as df
from azure_durable_py.app import adopted
from tests.moving_in.conftest import without_agents

Make = Callable[[], Any]


def bindings(app: Any) -> list[tuple[str, list[str]]]:
    functions = adopted(app).user_functions()
    return [(str(f.get_function_name()), sorted(str(b.type) for b in f.get_bindings())) for f in functions]


WHOLE = [("start", ["durableClient", "http", "httpTrigger"])]


@pytest.mark.parametrize("make", [func.FunctionApp, df.DFApp])
@pytest.mark.parametrize("more", [False, True])
def test_a_client_of_a_blueprint_above_a_route_of_the_app(make: Make, more: bool) -> None:
    app, bp = make(), df.Blueprint()
    if more:
        bp.activity_trigger(input_name="x")(lambda x: x)

    @bp.durable_client_input(client_name="client")
    @app.route(route="start")
    async def start(req: func.HttpRequest, client: Any) -> str:
        return "started"

    app.register_functions(bp)
    assert bindings(app) == WHOLE


@pytest.mark.parametrize("make", [func.FunctionApp, df.DFApp])
@pytest.mark.parametrize("more", [False, True])
def test_a_route_of_the_app_above_a_client_of_a_blueprint(make: Make, more: bool) -> None:
    app, bp = make(), df.Blueprint()
    other = [("other", ["http", "httpTrigger"])] if more else []
    if more:
        app.route(route="other")(app.function_name("other")(lambda req: ""))

    @app.route(route="start")
    @bp.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: Any) -> str:
        return "started"

    app.register_functions(bp)
    assert bindings(app) == other + WHOLE


@pytest.mark.parametrize("both", [False, True])
def test_two_blueprints_on_one_function(both: bool) -> None:
    app, one, other = func.FunctionApp(), df.Blueprint(), df.Blueprint()

    @one.durable_client_input(client_name="client")
    @other.route(route="start")
    async def start(req: func.HttpRequest, client: Any) -> str:
        return "started"

    app.register_functions(other)
    if both:
        app.register_functions(one)
    assert bindings(app) == WHOLE


def test_a_plain_blueprint_below() -> None:
    app, plain, bp = func.FunctionApp(), func.Blueprint(), df.Blueprint()

    @bp.durable_client_input(client_name="client")
    @plain.route(route="start")
    async def start(req: func.HttpRequest, client: Any) -> str:
        return "started"

    app.register_functions(plain)
    app.register_functions(bp)
    assert bindings(app) == WHOLE


def test_an_output_of_a_plain_blueprint_above_a_function_of_ours_stays_with_it() -> None:
    app, plain, bp = func.FunctionApp(), func.Blueprint(), df.Blueprint()
    plain.route(route="other")(plain.function_name("other")(lambda req: ""))

    @plain.queue_output(arg_name="out", queue_name="q", connection="C")
    @bp.route(route="start")
    @bp.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: Any, out: Any) -> str:
        return "started"

    app.register_functions(bp)
    assert bindings(app) == [("start", ["durableClient", "http", "httpTrigger", "queue"])]


def test_a_blueprint_that_is_registered_twice_counts_once() -> None:
    app, bp = df.DFApp(), df.Blueprint()
    bp.activity_trigger(input_name="x", activity="work")(lambda x: x)
    app.register_functions(bp)
    app.register_functions(bp)
    assert app.registry.activities.names() == ["work"]


def test_an_activity_takes_a_client_of_another_blueprint_even_after_the_app_was_looked_at() -> None:
    app, bp = df.DFApp(), df.Blueprint()

    @app.activity_trigger(input_name="x")
    def work(x: Any, client: Any = None) -> None: ...

    before = app.registry
    bp.durable_client_input(client_name="client")(work)
    assert app.registry is not before
    assert [binding.name for binding in app.client_bindings()] == ["client"]


@without_agents
def test_agents_of_openai_are_said_to_be_missing() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'azure-durable-py\[openai-agents\]'"):
        df.DFApp().durable_openai_agent_orchestrator(lambda context: None)


def test_unit_tests_reach_user_functions_as_they_did() -> None:
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def chain(context: Any) -> int:
        return 1

    @app.entity_trigger(context_name="context")
    def counter(context: Any) -> int:
        return 2

    @app.activity_trigger(input_name="x")
    def work(x: Any) -> Any:
        return x

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: Any) -> Any:
        return client

    builders: list[Any] = [chain, counter, work, start]
    functions = [builder.build().get_user_function() for builder in builders]
    assert functions[0].orchestrator_function(None) == 1
    assert functions[1].entity_function(None) == 2
    assert functions[2](3) == 3
    with pytest.raises(StopIteration, match="5"):
        functions[3].client_function(None, 5).send(None)
