"""Apps that were written for azure-functions-durable, on the production worker."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from tests.functions_worker.conftest import MakeApp, StartHost, StartWorker, finished

QUEUES = {"durable_instances", "durable_instances_poison", "durable_activities", "durable_activities_poison"}
PLAIN = """
    import azure.functions as func
    import azure_durable_py as df

    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    bp = df.Blueprint()

    @bp.orchestration_trigger(context_name="context")
    def chain(context: df.DurableOrchestrationContext):
        return (yield context.call_activity("hello", "you"))

    @app.activity_trigger(input_name="name")
    def hello(name: str) -> str:
        return f"Hello {name}"

    @bp.durable_client_input(client_name="client")
    @app.route(route="start", methods=["POST"])
    async def start(req: func.HttpRequest, client) -> func.HttpResponse:
        client = df.DurableOrchestrationClient(client)
        return client.create_check_status_response(req, await client.start_new("chain"))

    app.register_functions(bp)
"""
ONLY_DECORATORS = """
    import azure.functions as func
    import azure_durable_py as df

    app = func.FunctionApp()

    @app.orchestration_trigger(context_name="context")
    def chain(context: df.DurableOrchestrationContext):
        return 1

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: str) -> str:
        return await client.start_new("chain")
"""
STAND_IN = """
    import azure_durable_py
    azure_durable_py.install_as_durable_functions()
""" + ONLY_DECORATORS.replace("import azure_durable_py as df", "import azure.durable_functions as df")
NOTHING_DURABLE = """
    import azure.functions as func
    import azure_durable_py as df

    app = func.FunctionApp()

    @app.route(route="start")
    def start(req: func.HttpRequest) -> str:
        return "started"
"""
FOLDERS = """
    from pathlib import Path

    import azure_durable_py as df

    app = df.DFApp.from_function_json(Path(__file__).parent)
"""


def write_folders(directory: Path) -> None:
    files = {
        "Chain": (
            """
            import azure_durable_py as df
            from ..shared.words import GREETING
            def chain(context):
                return (yield context.call_activity("Hello", GREETING))
            main = df.Orchestrator.create(chain)
            """,
            [{"name": "context", "type": "orchestrationTrigger", "direction": "in"}],
        ),
        "Hello": (
            "def main(name: str) -> str:\n    return f'{name} you'",
            [{"name": "name", "type": "activityTrigger", "direction": "in"}],
        ),
        "Start": (
            """
            import azure.functions as func
            import azure_durable_py as df
            async def main(req: func.HttpRequest, starter: str) -> func.HttpResponse:
                client = df.DurableOrchestrationClient(starter)
                instance_id = await client.start_new(req.route_params["functionName"], None, None)
                return client.create_check_status_response(req, instance_id)
            """,
            [
                {
                    "authLevel": "anonymous",
                    "name": "req",
                    "type": "httpTrigger",
                    "direction": "in",
                    "route": "orchestrators/{functionName}",
                    "methods": ["post", "get"],
                },
                {"name": "$return", "type": "http", "direction": "out"},
                {"name": "starter", "type": "orchestrationClient", "direction": "in"},
            ],
        ),
    }
    for name, (code, bindings) in files.items():
        (directory / name).mkdir()
        (directory / name / "__init__.py").write_text(textwrap.dedent(code))
        (directory / name / "function.json").write_text(json.dumps({"bindings": bindings}))
    (directory / "shared").mkdir()
    (directory / "shared" / "words.py").write_text("GREETING = 'Hello'")


@pytest.mark.parametrize("code", [PLAIN, ONLY_DECORATORS, STAND_IN], ids=["blueprint", "decorators", "stand-in"])
async def test_a_plain_app_is_indexed_with_the_functions_of_the_host(
    make_app: MakeApp, start_worker: StartWorker, code: str
):
    worker = await start_worker(make_app(code))
    assert set(worker.functions) == {"start", "durable_management", *QUEUES}
    types = {binding["type"] for bindings in worker.functions.values() for binding in bindings}
    assert types == {"queueTrigger", "httpTrigger", "http"}


async def test_an_app_without_durable_functions_is_indexed_as_ever(make_app: MakeApp, start_worker: StartWorker):
    worker = await start_worker(make_app(NOTHING_DURABLE))
    assert set(worker.functions) == {"start"}


async def test_folders_with_function_json_are_indexed_by_a_script_that_loads_them(
    make_app: MakeApp, start_worker: StartWorker
):
    directory = make_app(FOLDERS)
    write_folders(directory)
    worker = await start_worker(directory)
    assert set(worker.functions) == {"Start", "durable_management", *QUEUES}


@pytest.mark.azurite
@pytest.mark.parametrize("folders", [False, True])
async def test_they_run_orchestrations(make_app: MakeApp, start_host: StartHost, folders: bool):
    directory = make_app(FOLDERS if folders else PLAIN)
    if folders:
        write_folders(directory)
    host = await start_host(directory)
    status = await finished(host, await host.request("POST", "orchestrators/Chain" if folders else "start"))
    assert (status["runtimeStatus"], status["output"]) == ("Completed", "Hello you")
