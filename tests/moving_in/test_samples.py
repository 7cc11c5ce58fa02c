"""Apps with decorators in the shapes of the official samples, with nothing changed but the import, or not even that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from azure_durable_py.errors import RegistrationError
from azure_durable_py.settings import Settings
from azure_durable_py.testing import DurableTestSyncEnvironment, VirtualHub, play, run
from tests.moving_in.conftest import Serve, WriteApp, loaded, without_agents

GREETINGS = ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
CHAINING = """
    import azure.functions as func
    import azure.durable_functions as df

    my_app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @my_app.route(route="orchestrators/{functionName}")
    @my_app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client):
        instance_id = await client.start_new(req.route_params.get("functionName"))
        return client.create_check_status_response(req, instance_id)

    @my_app.orchestration_trigger(context_name="context")
    def cities(context: df.DurableOrchestrationContext):
        one = yield context.call_activity("greet", "Tokyo")
        two = yield context.call_activity("greet", "Seattle")
        three = yield context.call_activity("greet", "London")
        return [one, two, three]

    @my_app.activity_trigger(input_name="city")
    def greet(city: str) -> str:
        return f"Hello {city}!"
"""


async def test_function_chaining(written: WriteApp, serve: Serve) -> None:
    served = await serve(written({"function_app.py": CHAINING}))
    assert await served.output("orchestrators/cities") == GREETINGS


async def test_fan_out_and_fan_in(written: WriteApp, serve: Serve) -> None:
    script = """
    import json
    from pathlib import Path
    import azure.functions as func
    import azure.durable_functions as df

    my_app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @my_app.route(route="orchestrators/{functionName}")
    @my_app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client):
        given = json.loads(req.get_body().decode())
        instance_id = await client.start_new(req.route_params["functionName"], client_input=given)
        return client.create_check_status_response(req, instance_id)

    @my_app.orchestration_trigger(context_name="context")
    def backup(context: df.DurableOrchestrationContext):
        root: str = context.get_input()
        if not root:
            raise Exception("which directory?")
        files = yield context.call_activity("list_files", root)
        sizes = yield context.task_all([context.call_activity("copy_file", file) for file in files])
        return sum(sizes)

    @my_app.activity_trigger(input_name="rootDirectory")
    def list_files(rootDirectory):
        return sorted(str(path) for path in Path(rootDirectory).iterdir())

    @my_app.activity_trigger(input_name="filePath")
    def copy_file(filePath):
        return len(Path(filePath).read_bytes())
    """
    directory = written({"function_app.py": script, "files/a.txt": "12345", "files/b.txt": "678"})
    served = await serve(directory)
    assert await served.output("orchestrators/backup", str(directory / "files")) == 8
    assert (await served.outcome("orchestrators/backup", ""))["runtimeStatus"] == "Failed"


async def test_a_blueprint_of_a_plain_app(written: WriteApp, serve: Serve) -> None:
    blueprint = CHAINING.replace("my_app", "bp")
    blueprint = blueprint.replace("df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)", "df.Blueprint()")
    script = """
    import azure.functions as func
    from durable_parts import bp

    app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
    app.register_functions(bp)

    @app.route(route="HttpTrigger")
    def HttpTrigger(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(f"Hello, {req.params.get('name')}.")
    """
    served = await serve(written({"function_app.py": script, "durable_parts.py": blueprint}))
    assert await served.output("orchestrators/cities") == GREETINGS
    assert await served.request("GET", "HttpTrigger?name=you") == (200, "Hello, you.")


VERSIONED = """
    import azure.functions as func
    import azure.durable_functions as df

    my_app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @my_app.orchestration_trigger(context_name="context")
    def main_flow(context: df.DurableOrchestrationContext):
        if context.version == "1.0":
            result = yield context.call_activity("activity_a")
        else:
            result = yield context.call_activity("activity_b")
        context.set_custom_status(result)
        yield context.wait_for_external_event("Continue")
        child = yield context.call_sub_orchestrator("sub_flow")
        pinned = yield context.call_sub_orchestrator("sub_flow", version="0.9")
        return [f"main: {context.version}", child, pinned, result]

    @my_app.orchestration_trigger(context_name="context")
    def sub_flow(context: df.DurableOrchestrationContext):
        return f"sub: {context.version}"

    @my_app.activity_trigger(input_name="input")
    def activity_a(input: str) -> str:
        return "from A"

    @my_app.activity_trigger(input_name="input")
    def activity_b(input: str) -> str:
        return "from B"
"""


def test_versions_of_an_orchestration_across_an_upgrade(written: WriteApp) -> None:
    app = loaded(written({"function_app.py": VERSIONED}))

    def settings(version: str) -> Settings:
        return Settings.from_host_json({"extensions": {"durableTask": {"defaultVersion": version}}}, {})

    async def scenario(hub: VirtualHub) -> list[Any]:
        before = await hub.client.start_new("main_flow")
        while not (await hub.client.get_status(before)).custom_status:
            await asyncio.sleep(1)
        await hub.workers[0].stop()
        await hub.start_worker(settings=settings("2.0"))
        after = await hub.client.start_new("main_flow", version="2.0")
        for instance_id in (before, after):
            await hub.client.raise_event(instance_id, "Continue")
        return [(await hub.client.wait_for_completion(instance_id)).output for instance_id in (before, after)]

    assert play(app, scenario, settings=settings("1.0")) == [
        ["main: 1.0", "sub: 2.0", "sub: 0.9", "from A"],
        ["main: 2.0", "sub: 2.0", "sub: 0.9", "from B"],
    ]


@without_agents
def test_agents_of_openai_are_said_to_be_missing(written: WriteApp) -> None:
    script = """
    import azure.durable_functions as df
    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    @app.durable_openai_agent_orchestrator
    def ask(context): ...
    """
    with pytest.raises(
        RegistrationError, match=r"function_app\.py\", line [67][\s\S]*pip install 'azure-durable-py\[open"
    ):
        loaded(written({"function_app.py": script}))


# --- as the 2.x preview keeps them -----------------------------------------------------------------


def test_chaining_and_fanning_with_the_client_of_the_preview(written: WriteApp) -> None:
    script = CHAINING.replace("client):", "client: df.DurableFunctionsClient) -> func.HttpResponse:")
    script += """
    @my_app.orchestration_trigger(context_name="context")
    def parallel(context: df.DurableOrchestrationContext):
        return (yield context.task_all([context.call_activity("greet", city) for city in context.get_input()]))
    """
    app = loaded(written({"function_app.py": script}))
    assert run(app, "cities").output == GREETINGS
    assert run(app, "parallel", ["Oslo", "Rome"]).output == ["Hello Oslo!", "Hello Rome!"]


APPROVAL = """
    from datetime import timedelta
    import azure.functions as func
    import azure.durable_functions as df

    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.orchestration_trigger(context_name="context")
    def approval(context: df.DurableOrchestrationContext):
        yield context.call_activity("request_approval", context.get_input())
        deadline = context.create_timer(context.current_utc_datetime + timedelta(hours=72))
        answer = context.wait_for_external_event("ApprovalEvent")
        winner = yield context.task_any([answer, deadline])
        if winner == answer:
            deadline.cancel()
            return (yield context.call_activity("process", answer.result))
        return (yield context.call_activity("escalate"))

    @app.activity_trigger(input_name="what")
    def request_approval(what: str) -> None: ...

    @app.activity_trigger(input_name="approved")
    def process(approved: bool) -> str:
        return "approved" if approved else "rejected"

    @app.activity_trigger(input_name="unused")
    def escalate(unused: str) -> str:
        return "escalated"
"""


@pytest.mark.parametrize(("answer", "outcome"), [(True, "approved"), (False, "rejected"), (None, "escalated")])
def test_human_interaction_with_a_deadline(written: WriteApp, answer: bool | None, outcome: str) -> None:
    with DurableTestSyncEnvironment(loaded(written({"function_app.py": APPROVAL}))) as env:
        approval = env.start("approval", "a holiday")
        if answer is not None:
            approval.raise_event("ApprovalEvent", answer)
        assert approval.result() == outcome


async def test_durable_entities(written: WriteApp, serve: Serve) -> None:
    script = """
    import json
    import azure.functions as func
    import azure.durable_functions as df

    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.entity_trigger(context_name="context")
    def Counter(context: df.DurableEntityContext):
        value = context.get_state(lambda: 0)
        if context.operation_name == "add":
            value += context.get_input()
        elif context.operation_name == "reset":
            value = 0
        context.set_state(value)
        context.set_result(value)

    @app.orchestration_trigger(context_name="context")
    def count(context: df.DurableOrchestrationContext):
        entity = df.EntityId("Counter", "mine")
        context.signal_entity(entity, "add", 3)
        return (yield context.call_entity(entity, "add", 4))

    @app.route(route="count", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
        return client.create_check_status_response(req, await client.start_new("count"))

    @app.route(route="counter/{key}", methods=["GET"])
    @app.durable_client_input(client_name="client")
    async def look(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
        state = await client.read_entity_state(df.EntityId("Counter", req.route_params["key"]))
        if not state.entity_exists:
            return func.HttpResponse("no such counter", status_code=404)
        return func.HttpResponse(json.dumps(state.entity_state))
    """
    served = await serve(written({"function_app.py": script}))
    assert await served.output("count") == 7
    assert await served.request("GET", "counter/mine") == (200, "7")
    assert await served.request("GET", "counter/other") == (404, "no such counter")


# --- apps of the Durable Task Scheduler ------------------------------------------------------------

SCHEDULER: dict[str, Any] = {
    "version": "2.0",
    "extensions": {
        "durableTask": {
            "hubName": "default",
            "storageProvider": {
                "type": "azureManaged",
                "connectionStringName": "DURABLE_TASK_SCHEDULER_CONNECTION_STRING",
                "workItemFilteringEnabled": True,
            },
        }
    },
}


@pytest.mark.parametrize("annotated", ["client", "client: str"])
async def test_an_app_of_the_scheduler_with_decorators_of_its_blueprint_and_of_its_app(
    written: WriteApp, serve: Serve, annotated: str, caplog: pytest.LogCaptureFixture
) -> None:
    script = f"""
    import azure.functions as func
    import azure.durable_functions as df

    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    bp = df.Blueprint()

    @bp.orchestration_trigger(context_name="context")
    def score_all(context: df.DurableOrchestrationContext):
        scores = yield context.task_all([context.call_activity("score", f"item-{{n}}") for n in range(5)])
        return {{"items": len(scores), "total": sum(scores)}}

    @bp.activity_trigger(input_name="item")
    def score(item: str) -> int:
        return len(item) * 10

    @bp.durable_client_input(client_name="client")
    @app.route(route="above", methods=["POST"])
    async def above(req: func.HttpRequest, {annotated}) -> func.HttpResponse:
        client = df.DurableOrchestrationClient(client)
        return client.create_check_status_response(req, await client.start_new("score_all"))

    @app.route(route="plain", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def plain(req: func.HttpRequest, {annotated}) -> func.HttpResponse:
        return client.create_check_status_response(req, await client.start_new("score_all"))

    app.register_functions(bp)
    """
    served = await serve(written({"host.json": SCHEDULER, "function_app.py": script}))
    assert "storageProvider is for azureManaged" in caplog.text
    for path in ("above", "plain"):
        assert await served.output(path) == {"items": 5, "total": 300}
