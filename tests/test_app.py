"""Declaring a function app: decorators, the registry built from them, and what is refused."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import date
from typing import Any

import azure.functions as func
import pytest

import azure_durable_py as df
from azure_durable_py.app import Blueprint, DFApp, Entity, Orchestrator
from azure_durable_py.errors import RegistrationError
from azure_durable_py.worker.activities.runner import run_in_thread


@pytest.fixture
def app() -> DFApp:
    return DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def test_durable_functions_are_registered_by_their_own_name(app: DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def chain(context: Any) -> Iterator[int]:
        yield 1

    @app.activity_trigger(input_name="city")
    def say_hello(city: str) -> str:
        return f"Hello {city}!"

    @app.entity_trigger(context_name="context")
    def Counter(context: Any) -> None: ...

    assert app.registry.orchestrators.get("chain").function is chain.function
    assert app.registry.entities.get("counter").name == "Counter"
    activity = app.registry.activities.get("SAY_HELLO")
    assert (activity.function, activity.input_name) == (say_hello.function, "city")


def test_a_decorator_may_give_another_name(app: DFApp) -> None:
    @app.orchestration_trigger(context_name="context", orchestration="Chain", input_type=date)
    def a(context: Any) -> int:
        return 1

    @app.activity_trigger(input_name="value", activity="Work")
    async def b(value: Any) -> None: ...

    @app.entity_trigger(context_name="context", entity_name="Counter")
    def c(context: Any) -> None: ...

    assert app.registry.kinds() == {
        "orchestrationTrigger": ["Chain"],
        "activityTrigger": ["Work"],
        "entityTrigger": ["Counter"],
    }
    assert app.registry.orchestrators.get("Chain").input_type == date | None
    assert app.registry.activities.get("Work").is_async
    assert [(f.durable_name, f.durable_kind) for f in (a, b, c)] == [
        ("Chain", "orchestrator"),
        ("Work", "activity"),
        ("Counter", "entity"),
    ]


def test_function_name_stacks_above_and_below_a_durable_decorator(app: DFApp) -> None:
    @app.function_name("Above")
    @app.activity_trigger(input_name="x")
    def first(x: int) -> int:
        return x

    @app.activity_trigger(input_name="x")
    @app.function_name("Below")
    def second(x: int) -> int:
        return x

    assert app.registry.activities.names() == ["Above", "Below"]
    assert (first.durable_name, second.durable_name) == ("Above", "Below")


def test_a_durable_function_can_be_called_as_the_function_it_is(app: DFApp) -> None:
    @app.activity_trigger(input_name="x")
    def double(x: int) -> int:
        return 2 * x

    assert double(21) == 42
    assert double(x=4) == 8


def test_unit_tests_of_migrated_apps_reach_the_function(app: DFApp) -> None:
    @app.orchestration_trigger(context_name="context")
    def orchestrator(context: Any) -> int:
        return 1

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    def start(req: func.HttpRequest, client: Any) -> str:
        return "ok"

    assert orchestrator.build().get_user_function().orchestrator_function("context") == 1
    assert start.build().get_user_function().client_function("req", "client") == "ok"


def test_a_class_may_be_an_entity(app: DFApp) -> None:
    @app.entity_trigger(entity_name="Counter")
    class CounterEntity:
        def add(self, amount: int) -> None: ...

    assert app.registry.entities.get("counter").function is CounterEntity.function


def test_blueprints_are_merged(app: DFApp) -> None:
    blueprint = Blueprint()

    @blueprint.activity_trigger(input_name="x")
    def work(x: int) -> int:
        return x

    @blueprint.timer_trigger("timer", "0 */5 * * * *")
    def tick(timer: func.TimerRequest) -> None: ...

    assert len(app.registry.activities) == 0
    app.register_functions(blueprint)
    assert app.registry.activities.names() == ["work"]
    assert [function.get_function_name() for function in app.user_functions()] == ["tick"]


def test_an_app_is_no_blueprint(app: DFApp) -> None:
    with pytest.raises(RegistrationError, match="takes a Blueprint"):
        app.register_functions(DFApp())


def test_user_functions_are_the_ordinary_ones_with_their_client_bindings(app: DFApp) -> None:
    @app.route(route="start/{name}", methods=["POST"])
    @app.durable_client_input(client_name="client", task_hub="Other")
    async def start(req: func.HttpRequest, client: Any) -> str:
        return f"{req} {client}"

    @app.activity_trigger(input_name="x")
    def work(x: int) -> int:
        return x

    for _ in range(2):
        (function,) = app.user_functions()
        types = [binding.type for binding in function.get_bindings()]
        assert sorted(map(str, types)) == ["durableClient", "http", "httpTrigger"]


async def test_a_bound_function_gets_the_hosts_client(app: DFApp) -> None:
    @app.route(route="start")
    @app.durable_client_input(client_name="client", task_hub="Other")
    async def start(req: str, client: Any) -> str:
        return f"{req} {client}"

    call = app.bound(app.user_functions()[0])
    assert list(inspect.signature(call).parameters) == ["req"]
    with pytest.raises(RegistrationError, match="no host runs this app"):
        await call("request")
    app.use_clients(lambda binding: f"client of {binding.task_hub}")
    assert await call("request") == "request client of Other"


class Served:
    """Stands in for an async client; tells by which thread it is asked."""

    async def start_new(self, name: str, *given: Any, **options: Any) -> str:
        return f"{name} by {threading.current_thread().name}"


async def test_a_sync_function_that_asks_for_the_client_that_waits_gets_it(app: DFApp) -> None:
    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    def start(req: str, client: df.DurableOrchestrationSyncClient) -> str:
        with client:
            return f"{req} {client.start_new('Hello')} for {threading.current_thread().name}"

    @app.durable_client_input(client_name="client")
    @app.activity_trigger(input_name="x")
    def work(x: int, client: df.DurableOrchestrationSyncClient | None = None) -> str:
        assert client is not None
        return client.start_new(str(x))

    app.use_clients(lambda binding: Served())
    call = app.bound(app.user_functions()[0])
    here = threading.current_thread().name
    assert await run_in_thread(lambda: call("request"), "another") == f"request Hello by {here} for another"
    activity = app.registry.activities.get("work").function
    assert await run_in_thread(lambda: activity(x=1), "another") == f"1 by {here}"
    with pytest.raises(RuntimeError, match="Use DurableOrchestrationClient"):
        activity(x=1)


async def test_a_sync_function_that_asks_for_nothing_gets_the_async_client(app: DFApp) -> None:
    @app.route(route="start")
    @app.durable_client_input(client_name="one")
    @app.durable_client_input(client_name="two")
    @app.durable_client_input(client_name="three")
    def start(req: str, one, two: df.DurableOrchestrationClient, three: NotThere) -> set[Any]:  # type: ignore  # noqa: F821, PGH003
        return {one, two, three}

    app.use_clients(lambda binding: "async")
    assert app.bound(app.user_functions()[0])("request") == {"async"}


def test_an_async_function_cannot_have_the_client_that_waits(app: DFApp) -> None:
    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(req: str, client: df.DurableOrchestrationSyncClient) -> None: ...

    with pytest.raises(RegistrationError, match=r"start .* is `async def`.*DurableOrchestrationClient and await"):
        app.user_functions()


def test_an_async_activity_cannot_have_the_client_that_waits(app: DFApp) -> None:
    @app.durable_client_input(client_name="client")
    @app.activity_trigger(input_name="x")
    async def work(x: int, client: df.DurableOrchestrationSyncClient) -> None: ...

    with pytest.raises(RegistrationError, match="is `async def`"):
        _ = app.registry


def test_an_activity_may_take_a_client_and_a_context(app: DFApp) -> None:
    @app.durable_client_input(client_name="client")
    @app.activity_trigger(input_name="x")
    def work(x: int, client: Any, context: func.Context) -> tuple[Any, ...]:
        return x, client, context.function_name, len(context.invocation_id)

    app.use_clients(lambda binding: "client")
    assert app.registry.activities.get("work").function(x=1) == (1, "client", "work", 36)


def test_the_input_type_survives_annotations_that_cannot_be_resolved(app: DFApp) -> None:
    def work(x: NotThere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    def plain(x): ...  # type: ignore[no-untyped-def]

    app.activity_trigger("x")(work)
    app.activity_trigger("x")(plain)
    assert app.registry.activities.get("work").input_type is None
    assert app.registry.activities.get("plain").input_type is None


def test_entry_points_of_the_older_model_can_be_registered(app: DFApp) -> None:
    def orchestrator(context: Any) -> int:
        return 5

    def entity(context: Any) -> None: ...

    main = Orchestrator.create(orchestrator)
    assert main("context") == 5
    app.orchestration_trigger("context", "Chain")(main)
    app.entity_trigger("context", "Counter")(Entity.create(entity))
    assert app.registry.orchestrators.get("Chain").function is orchestrator
    assert app.registry.entities.get("Counter").function is entity


def test_everything_of_azure_functions_still_works(app: DFApp) -> None:
    @app.queue_trigger(arg_name="message", queue_name="q", connection="AzureWebJobsStorage")
    @app.queue_output(arg_name="out", queue_name="o", connection="AzureWebJobsStorage")
    @app.retry(strategy="fixed_delay", max_retry_count="3", delay_interval="00:00:01")
    def move(message: func.QueueMessage, out: func.Out[str]) -> None: ...

    (function,) = app.user_functions()
    assert function.get_trigger().type == "queueTrigger"
    assert function.get_settings_dict("retry_policy")["max_retry_count"] == "3"


# --- refused -------------------------------------------------------------------------------------


def test_two_durable_functions_of_one_name_are_refused(app: DFApp) -> None:
    for _ in range(2):

        @app.activity_trigger(input_name="x", activity="Work")
        def work(x: int) -> int:
            return x

    with pytest.raises(RegistrationError, match=r"as activity 'Work': .*test_app\.py:\d+\) and .*Rename one"):
        _ = app.registry


def test_names_of_the_engines_own_functions_are_refused(app: DFApp) -> None:
    @app.activity_trigger(input_name="request", activity="builtin::HttpActivity")
    def mine(request: dict[str, str]) -> None: ...

    with pytest.raises(RegistrationError, match=r"mine .* 'builtin::HttpActivity', but names .* kept for"):
        _ = app.registry


def test_two_ordinary_functions_of_one_name_are_refused(app: DFApp) -> None:
    for _ in range(2):

        @app.route("x")
        def hello(req: func.HttpRequest) -> str:
            return "x"

    with pytest.raises(RegistrationError, match="Two functions are named 'hello'"):
        app.user_functions()


def test_a_decorator_that_names_no_parameter_is_refused(app: DFApp) -> None:
    @app.activity_trigger(input_name="town")
    def say_hello(city: str) -> str:
        return city

    message = r"say_hello \(.*test_app\.py:\d+\) has no parameter 'town', which activity_trigger.*parameters: city"
    with pytest.raises(RegistrationError, match=message):
        _ = app.registry


@pytest.mark.parametrize("kind", ["orchestration_trigger", "entity_trigger"])
def test_a_missing_context_parameter_is_refused(app: DFApp, kind: str) -> None:
    getattr(app, kind)(context_name="context")(lambda: None)
    with pytest.raises(RegistrationError, match=r"must take the context \('context'\) as its first parameter"):
        _ = app.registry


@pytest.mark.parametrize("kind", ["orchestration_trigger", "entity_trigger"])
def test_the_context_may_have_another_name_than_its_decorator_says(app: DFApp, kind: str) -> None:
    getattr(app, kind)(context_name="context")(lambda ctx: None)
    assert any(app.registry.kinds().values())


def test_a_context_that_is_not_first_is_refused(app: DFApp) -> None:
    app.orchestration_trigger("context")(lambda x=1, context=None: None)
    with pytest.raises(RegistrationError, match=r"must take the context \('context'\) as its first parameter"):
        _ = app.registry


def test_a_missing_client_parameter_is_refused(app: DFApp) -> None:
    @app.route(route="x")
    @app.durable_client_input(client_name="starter")
    def start(req: func.HttpRequest, client: Any) -> str:
        return "x"

    with pytest.raises(RegistrationError, match="has no parameter 'starter', which durable_client_input"):
        app.user_functions()


def test_a_parameter_that_nothing_fills_is_refused(app: DFApp) -> None:
    @app.activity_trigger(input_name="x")
    def work(x: int, y: int) -> int:
        return x + y

    with pytest.raises(RegistrationError, match="has a parameter 'y' that nothing fills"):
        _ = app.registry


def test_a_positional_only_input_is_refused(app: DFApp) -> None:
    @app.activity_trigger(input_name="x")
    def work(x: int, /) -> int:
        return x

    with pytest.raises(RegistrationError, match="positional-only"):
        _ = app.registry


def test_generators_are_only_orchestrators(app: DFApp) -> None:
    def generator(x: Any) -> Iterator[int]:
        yield 1

    async def stream(x: Any) -> AsyncIterator[int]:
        yield 1

    def refuse(blueprint: Blueprint, message: str) -> None:
        other = DFApp()
        other.register_functions(blueprint)
        with pytest.raises(RegistrationError, match=message):
            _ = other.registry

    for decorator, function, message in [
        ("activity_trigger", generator, "an activity returns one value"),
        ("activity_trigger", stream, "an activity returns one value"),
        ("entity_trigger", generator, "Remove `yield`"),
        ("entity_trigger", stream, "Remove `yield`"),
        ("orchestration_trigger", stream, "is an async generator"),
    ]:
        blueprint = Blueprint()
        getattr(blueprint, decorator)("x")(function)
        refuse(blueprint, message)


def test_a_second_trigger_is_refused_above_and_below(app: DFApp) -> None:
    def work(x: Any) -> None: ...

    with pytest.raises(RegistrationError, match="has two triggers, activityTrigger and httpTrigger"):
        app.route(route="work")(app.activity_trigger("x")(work))
    with pytest.raises(RegistrationError, match="has two triggers, httpTrigger and activityTrigger"):
        app.activity_trigger("x")(app.route(route="work")(work))
    with pytest.raises(RegistrationError, match="has two triggers, activityTrigger and entityTrigger"):
        app.entity_trigger("x")(app.activity_trigger("x")(work))


@pytest.mark.parametrize("decorator", ["orchestration_trigger", "activity_trigger", "entity_trigger"])
def test_bindings_that_nothing_would_fill_are_refused(app: DFApp, decorator: str) -> None:
    durable = getattr(app, decorator)("x")(lambda x, blob: None)
    app.blob_input(arg_name="blob", path="a/b", connection="AzureWebJobsStorage")(durable)
    with pytest.raises(RegistrationError, match=r"has a binding blob \('blob'\) beside its trigger"):
        _ = app.registry


def test_an_orchestrator_may_not_take_a_client(app: DFApp) -> None:
    app.durable_client_input("client")(app.orchestration_trigger("context")(lambda context, client: None))
    with pytest.raises(RegistrationError, match="An orchestrator may only use its context"):
        _ = app.registry


def test_a_function_without_a_trigger_is_refused(app: DFApp) -> None:
    @app.durable_client_input(client_name="client")
    def start(req: Any, client: Any) -> None: ...

    with pytest.raises(RegistrationError, match=r"start .* has no trigger"):
        app.user_functions()


def test_a_durable_trigger_above_the_decorator_of_another_app_is_refused(app: DFApp) -> None:
    blueprint = Blueprint()

    @blueprint.function_name("other")
    def work(x: Any) -> None: ...

    with pytest.raises(RegistrationError, match="Put the durable trigger closest to the function"):
        app.activity_trigger("x")(work)


def test_a_durable_trigger_of_another_package_is_refused(app: DFApp) -> None:
    @app.generic_trigger(arg_name="context", type="orchestrationTrigger")
    def chain(context: Any) -> None: ...

    with pytest.raises(RegistrationError, match=r"another package's orchestrationTrigger.*install_as_durable"):
        app.user_functions()


def test_what_is_no_function_is_refused(app: DFApp) -> None:
    for thing in (5, functools.partial(print, "x")):
        with pytest.raises(RegistrationError, match="cannot be part of an app"):
            app.activity_trigger("x")(thing)  # type: ignore[arg-type]


def test_an_empty_name_is_refused(app: DFApp) -> None:
    app.activity_trigger("x", activity="")(lambda x: x)
    with pytest.raises(RegistrationError, match="needs a name"):
        _ = app.registry
