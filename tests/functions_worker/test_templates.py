"""The apps that `azure-durable init` makes, on the production worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from azure_durable_py.cli.new_app import TEMPLATES, make_app
from tests.functions_worker.conftest import StartHost, StartWorker, finished

FUNCTIONS = {
    "hello": {"start_hello"},
    "human-approval": {"submit_expense", "decide", "show_expense"},
    "http-api": {"order_report", "read_report"},
}


@pytest.mark.parametrize("template", list(TEMPLATES))
async def test_the_worker_finds_the_functions_of_a_new_app(tmp_path: Path, start_worker: StartWorker, template: str):
    worker = await start_worker(make_app(tmp_path / "shop", template).directory)
    ours = {name for name in worker.functions if not name.startswith("durable_")}
    assert ours == FUNCTIONS[template]
    assert {"durable_instances", "durable_activities", "durable_management"} <= set(worker.functions)


async def test_a_new_app_runs_under_a_host(tmp_path: Path, start_host: StartHost, hub_name: str):
    host = await start_host(make_app(tmp_path / hub_name, "hello").directory)
    status = await finished(host, await host.request("POST", "hello"))
    assert status["output"] == ["Hello Tokyo!", "Hello Seattle!", "Hello London!"]
