"""Two worker processes and a collector: the trace of an orchestration that both have a part in is one tree."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.e2e.host import ROOT, Host, write_host_json

APP = '''
import os
import time
from datetime import timedelta
from pathlib import Path

import azure_durable_py as df
import azure.functions as func

app = df.DFApp(http_auth_level=func.AuthLevel.ANONYMOUS)
MARKS = Path(__file__).parent / "marks"


@app.route(route="go")
@app.durable_client_input(client_name="client")
async def go(req: func.HttpRequest, client: df.DurableOrchestrationClient) -> func.HttpResponse:
    return func.HttpResponse(await client.start_new("parent", "it"))


@app.orchestration_trigger(context_name="context")
def parent(context):
    return (yield context.call_sub_orchestrator("child", instance_id="the-child"))


@app.orchestration_trigger(context_name="context")
def child(context):
    retry = df.RetryOptions(100, 3)
    both = [context.call_activity_with_retry("meet", retry, name) for name in ("one", "two")]
    return (yield context.task_all(both))


@app.activity_trigger(input_name="name")
def meet(name: str) -> int:
    """Returns when the other runs, too: as a process runs one at a time, in another process."""
    MARKS.mkdir(exist_ok=True)
    if name == "one" and not (MARKS / "failed").exists():
        (MARKS / "failed").touch()
        raise ValueError("not at once")
    (MARKS / name).touch()
    other = MARKS / ("two" if name == "one" else "one")
    while not other.exists():
        time.sleep(0.01)
    return os.getpid()
'''
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}


@pytest.fixture
def received(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The address of a collector, and the file that it writes."""
    file = tmp_path / "received.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.telemetry.receiver", str(file)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}", file
    process.kill()
    process.wait()
    process.stdout.close()


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def _tree(spans: list[dict[str, Any]], parent: str, depth: int = 0) -> list[str]:
    lines: list[str] = []
    children = [span for span in spans if span["parent"] == parent]
    for span in sorted(children, key=lambda each: (each["start"], each["end"])):
        mark = " !" if span["error"] else ""
        lines.append(f"{'  ' * depth}{KINDS[span['kind']]} {span['name']}{mark}")
        lines += _tree(spans, span["span"], depth + 1)
    return lines


def test_what_two_processes_export_is_one_tree_below_the_caller(tmp_path: Path, received: tuple[str, Path]):
    address, file = received
    app_dir = tmp_path / "app"
    app_dir.mkdir()
    (app_dir / "function_app.py").write_text(APP, "utf-8")
    write_host_json(app_dir, "Traced")
    host_json = json.loads((app_dir / "host.json").read_text("utf-8"))
    host_json["extensions"]["durableTask"]["maxConcurrentActivityFunctions"] = 1
    (app_dir / "host.json").write_text(json.dumps(host_json), "utf-8")
    hosts = [
        Host(
            app_dir,
            f"sqlite:{tmp_path / 'hub.db'}",
            {
                "OTEL_TRACES_EXPORTER": "otlp",
                "OTEL_METRICS_EXPORTER": "otlp",
                "OTEL_EXPORTER_OTLP_ENDPOINT": address,
                "OTEL_SERVICE_NAME": f"worker-{number}",
                "OTEL_BSP_SCHEDULE_DELAY": "100",
            },
        )
        for number in (1, 2)
    ]
    try:
        for host in hosts:
            host.start()
        request = Request(f"{hosts[0].origin}/api/go", headers={"traceparent": CALLER, "tracestate": "shop=1"})
        with urlopen(request, timeout=30) as answer:
            assert answer.read() == b"it"
        pids = hosts[0].output("it", 60)
        assert len(set(pids)) == 2, "both processes had a part in it"
        # The one that has the instance in memory ends last, or the other waits for it.
        for host in reversed(hosts):
            assert host.stop() == 0, host.log
    finally:
        for host in hosts:
            host.kill()
    found = _read(file)
    spans = [each for each in found if "span" in each]
    assert {span["trace"] for span in spans} == {CALLER.split("-")[1]}
    assert _tree(spans, CALLER.split("-")[2]) == [
        "PRODUCER create_orchestration:parent",
        "  SERVER orchestration:parent",
        "    CLIENT orchestration:child",
        "      SERVER orchestration:child",
        "        CLIENT activity:meet !",
        "          SERVER activity:meet !",
        "        CLIENT activity:meet",
        "          SERVER activity:meet",
        "        INTERNAL orchestration:child:timer",
        "        CLIENT activity:meet",
        "          SERVER activity:meet",
    ]
    runs = [span for span in spans if span["name"] == "activity:meet" and KINDS[span["kind"]] == "SERVER"]
    assert {span["service"] for span in runs if not span["error"]} == {"worker-1", "worker-2"}
    assert len({span["span"] for span in spans}) == len(spans)
    metrics = {(each["metric"], each["unit"]) for each in found if "metric" in each}
    assert {
        ("durabletask.orchestration.completed", "{orchestration}"),
        ("durabletask.activity.duration", "s"),
        ("durabletask.storage.call.duration", "s"),
        ("durabletask.queue.messages", "{message}"),
    } <= metrics
