"""Under the Functions worker the lines of the log reach what the worker hands to its host."""

from __future__ import annotations

import logging

import pytest

from tests.functions_worker.conftest import MakeApp, StartHost, finished

pytestmark = pytest.mark.azurite
APP = """
    import azure.functions as func
    import azure_durable_py as df

    app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route(route="start", methods=["POST"])
    @app.durable_client_input(client_name="client")
    async def start(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
        return client.create_check_status_response(req, await client.start_new("pay", "pay-1"))

    @app.orchestration_trigger(context_name="context")
    def pay(context):
        context.logger.info("Paying.")
        yield context.call_activity("charge", "5 EUR")

    @app.activity_trigger(input_name="amount")
    def charge(amount: str) -> None:
        raise ConnectionError("the bank is closed")
"""


async def test_the_log_of_the_engine_reaches_the_root_logger_that_the_worker_has(
    make_app: MakeApp, start_host: StartHost
):
    host = await start_host(make_app(APP))
    await finished(host, await host.request("POST", "start"))
    log = host.worker.log()
    assert "azure_durable_py.orchestration INFO Instance 'pay-1' of 'pay' started." in log
    assert log.count("azure_durable_py.orchestrator.pay INFO Paying.") == 1
    assert "azure_durable_py.task WARNING Activity 'charge' of instance 'pay-1' failed: ConnectionError: " in log
    assert "azure_durable_py.orchestration ERROR Instance 'pay-1' of 'pay' failed after" in log


def test_no_logger_of_the_package_keeps_its_records_from_the_root():
    own = [logger for name, logger in logging.root.manager.loggerDict.items() if name.startswith("azure_durable_py")]
    loggers = [logger for logger in own if isinstance(logger, logging.Logger)]
    assert loggers
    assert all(logger.propagate and not logger.handlers for logger in loggers)
