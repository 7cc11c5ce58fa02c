"""Cold starts: importing the package, and a host from its command to the first instance that it has completed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

from benchmarks.machine import ROOT
from benchmarks.place import SYSTEMS, Stores, hub_name
from benchmarks.scenario import ENGINE, Alone, Sample, Sizes, lower
from tests.e2e.host import Host

_TIMED = "import time; began = time.perf_counter(); {}; print(time.perf_counter() - began)"
_OURS = "import azure_durable_py; azure_durable_py.DFApp()"
_ANYWAY = "import azure.functions; azure.functions.FunctionApp()"
"""What any app of Functions does."""
_APP = ROOT / "azure_durable_py" / "cli" / "templates" / "hello" / "function_app.py.template"


async def run_import(stores: Stores, kind: str, size: int) -> list[Sample]:
    """Import it and make an app, in a new process."""
    del kind, size
    ours = await asyncio.to_thread(_seconds, _OURS, stores.directory)
    functions = await asyncio.to_thread(_seconds, _ANYWAY, stores.directory)
    return [lower("ms", ours * 1000), lower("ms", functions * 1000, system="azure.functions alone")]


def _seconds(code: str, directory: Path) -> float:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {_TIMED.format(code)}"]
    return float(subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True).stdout)


async def run_host(stores: Stores, kind: str, size: int) -> list[Sample]:
    """Start `azure-durable start`, and have it run an instance of the app that `azure-durable init` writes."""
    del size
    seconds = await asyncio.to_thread(_host_seconds, stores, kind)
    return [lower("s", seconds, system=SYSTEMS[kind])]


def _host_seconds(stores: Stores, kind: str) -> float:
    directory = stores.directory / uuid.uuid4().hex
    directory.mkdir()
    (directory / "function_app.py").write_text(_APP.read_text(encoding="utf-8"), encoding="utf-8")
    host_json = {"version": "2.0", "extensions": {"durableTask": {"hubName": hub_name()}}}
    (directory / "host.json").write_text(json.dumps(host_json), encoding="utf-8")
    connection = "" if stores.azurite is None else stores.azurite.connection_string
    host = Host(directory, kind if kind == "sqlite" else "AzureWebJobsStorage", {"AzureWebJobsStorage": connection})
    began = time.perf_counter()
    try:
        host.start()
        instance_id = host.post("/api/hello").json()["id"]
        host.output(instance_id)
        return time.perf_counter() - began
    finally:
        host.kill()


IMPORT = Alone("import", "an app made in a new process", {ENGINE: Sizes((1,))}, 1, run_import)
HOST = Alone(
    "start-up",
    "azure-durable start, from the command to the first completed instance",
    {"sqlite": Sizes((1,)), "azurite": Sizes((1,))},
    1,
    run_host,
)
