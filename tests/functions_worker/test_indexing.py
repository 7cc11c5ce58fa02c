"""What the production worker finds when it indexes an app."""

from __future__ import annotations

from pathlib import Path

from tests.functions_worker.conftest import MakeApp, StartWorker

ROOT = Path(__file__).parent.parent.parent
APP = """
    import azure.functions as func
    import azure_durable_py as df

    app = df.DFApp()

    @app.orchestration_trigger(context_name="context")
    def chain(context):
        return (yield context.call_activity("hello", "you"))

    @app.activity_trigger(input_name="name")
    def hello(name: str) -> str:
        return f"Hello {name}"

    @app.route(route="start")
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        return func.HttpResponse(await client.start_new("chain"))

    @app.route(route="plain")
    def plain(req: func.HttpRequest, context: func.Context) -> str:
        return context.function_name
"""


async def test_the_worker_finds_ordinary_functions_and_those_that_drive_the_hub(
    make_app: MakeApp, start_worker: StartWorker, hub_name: str
):
    worker = await start_worker(make_app(APP))
    queues = {
        name: bindings[0]["queueName"]
        for name, bindings in worker.functions.items()
        if bindings[0]["type"] == "queueTrigger"
    }
    hub = hub_name.lower()
    assert queues == {
        "durable_instances": f"{hub}-instances",
        "durable_instances_poison": f"{hub}-instances-poison",
        "durable_activities": f"{hub}-activities",
        "durable_activities_poison": f"{hub}-activities-poison",
    }
    assert set(worker.functions) - set(queues) == {"start", "plain", "durable_management"}


async def test_no_function_has_a_binding_that_the_host_does_not_know(make_app: MakeApp, start_worker: StartWorker):
    worker = await start_worker(make_app(APP))
    types = {binding["type"] for bindings in worker.functions.values() for binding in bindings}
    assert types == {"queueTrigger", "httpTrigger", "http"}


async def test_indexing_reaches_for_no_storage(make_app: MakeApp, start_worker: StartWorker):
    worker = await start_worker(make_app(APP))
    assert worker.started["storage_imported"] is False


async def test_the_sample_app_is_indexed(start_worker: StartWorker):
    worker = await start_worker(ROOT)
    assert {"start_orchestrator", "durable_instances", "durable_activities"} <= set(worker.functions)


async def test_several_instance_queues_have_a_function_each(make_app: MakeApp, start_worker: StartWorker):
    queues = {"queues": {"maxPollingInterval": "00:00:02"}}
    worker = await start_worker(
        make_app(APP, extensions={**queues, "durableTask": {"storageProvider": {"instanceQueueCount": 2}}})
    )
    names = [name for name in worker.functions if name.startswith("durable_instances")]
    assert names == [
        "durable_instances_01",
        "durable_instances_01_poison",
        "durable_instances_02",
        "durable_instances_02_poison",
    ]


async def test_queue_triggers_name_the_connection_of_the_hub(make_app: MakeApp, start_worker: StartWorker):
    durable = {"storageProvider": {"connectionName": "HubStorage"}}
    worker = await start_worker(make_app(APP, extensions={"durableTask": durable}))
    assert worker.functions["durable_instances"][0]["connection"] == "HubStorage"


async def test_an_app_that_only_has_clients_takes_no_messages(make_app: MakeApp, start_worker: StartWorker):
    worker = await start_worker(
        make_app("""
            import azure.functions as func
            import azure_durable_py as df

            app = df.DFApp()

            @app.route(route="start")
            @app.durable_client_input(client_name="client")
            async def start(req: func.HttpRequest, client) -> func.HttpResponse:
                return func.HttpResponse(await client.start_new("chain"))
        """)
    )
    assert set(worker.functions) == {"start", "durable_management"}


async def test_a_name_of_ours_is_refused_with_the_mend(make_app: MakeApp, start_worker: StartWorker):
    worker = await start_worker(make_app(APP.replace("def plain", "def durable_management")))
    assert "Rename it, or use @app.function_name" in worker.started["error"]


async def test_an_allow_list_without_our_functions_is_told_of(make_app: MakeApp, start_worker: StartWorker):
    worker = await start_worker(make_app(APP, functions=["start", "plain", "durable_management"]))
    assert "`functions` lists what the host loads, and lacks durable_instances, durable_inst" in worker.log()


async def test_settings_that_hurt_are_told_of(make_app: MakeApp, start_worker: StartWorker):
    worker = await start_worker(make_app(APP, extensions={"queues": {"batchSize": 1}, "durableTask": {}}))
    assert "maxPollingInterval is 60 s (the default)" in worker.log()
    assert "batchSize is 1" in worker.log()


async def test_a_setting_that_cannot_be_used_fails_the_start_of_the_worker(
    make_app: MakeApp, start_worker: StartWorker
):
    durable = {"maxConcurrentActivityFunctions": "many"}
    worker = await start_worker(make_app(APP, extensions={"durableTask": durable}))
    assert "maxConcurrentActivityFunctions is 'many'" in worker.started["error"]
