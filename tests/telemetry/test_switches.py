"""Who gets spans and metrics, and who pays nothing for them: by the installation, the providers and host.json."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from azure_durable_py.observers import Several
from azure_durable_py.settings import Settings
from azure_durable_py.telemetry import telemetry

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("tracing", "written"),
    [
        ({}, True),
        ({"distributedTracingEnabled": True, "version": "V2"}, True),
        ({"version": "V1"}, True),
        ({"distributedTracingEnabled": False}, False),
        ({"distributedTracingEnabled": True, "version": "None"}, False),
    ],
    ids=["by default", "as the extension has it", "the first version", "switched off", "no version"],
)
def test_spans_are_written_unless_host_json_says_no(tracing: dict[str, Any], written: bool):
    settings = Settings.from_host_json({"extensions": {"durableTask": {"tracing": tracing}}}, {})
    found = telemetry(settings)
    assert isinstance(found, Several)
    assert [type(each.observer).__name__ for each in found.guarded] == [
        *(["TraceObserver"] if written else []),
        "MetricsObserver",
    ]


def _python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


WITHOUT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""
APP = """
import azure_durable_py as df
from azure_durable_py.observer import NOBODY
from azure_durable_py.settings import Settings
from azure_durable_py.telemetry import telemetry
from azure_durable_py.testing import VirtualHub, play

app = df.DFApp()

@app.orchestration_trigger(context_name="context")
def twice(context):
    return (yield context.call_activity("double", context.get_input()))

@app.activity_trigger(input_name="value")
def double(value: int):
    return 2 * value

async def scenario(hub):
    return (await hub.client.wait_for_completion(await hub.client.start_new("twice", client_input=4))).output

observer = telemetry(Settings())
"""


def test_the_package_works_without_opentelemetry():
    assert _python(WITHOUT + APP + "print(observer is NOBODY, play(app, scenario))") == "True 8"


def test_an_app_that_has_set_up_nothing_gets_nothing():
    code = """
from azure_durable_py.testing import run_virtual
async def run():
    async with VirtualHub(app, observer=observer) as hub:
        header = None
        output = await scenario(hub)
        from azure_durable_py.taskhub.state import InstanceState
        [status] = await hub.client.get_status_all()
        loaded = await hub.store.load_header(status.instance_id)
        return output, InstanceState.decode(loaded.body).trace, observer.samples_every
print(*run_virtual(run()))
"""
    assert _python(APP + code) == "8 None None"
