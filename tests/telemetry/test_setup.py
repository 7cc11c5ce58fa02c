"""`azure-durable start` sets up the SDK as its environment variables ask, and leaves what is set up alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LOOK = """
import logging, os, sys
logging.basicConfig(format="%(message)s", stream=sys.stdout)
from azure_durable_py.telemetry.setup import set_up
set_up(os.environ)
"""
SHOW = """
from opentelemetry import metrics, trace
provider = trace.get_tracer_provider()
processors = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ())
print(type(provider).__name__, [type(each).__name__ for each in processors])
print(type(metrics.get_meter_provider()).__name__)
"""


def _python(code: str, **environ: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "environ",
    [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}],
    ids=["nothing", "none", "disabled"],
)
def test_what_is_not_asked_for_is_not_set_up(environ: dict[str, str]):
    assert _python(LOOK + SHOW, **environ) == ["ProxyTracerProvider []", "_ProxyMeterProvider"]


def test_exporters_are_found_by_name():
    found = _python(LOOK + SHOW, OTEL_TRACES_EXPORTER="otlp,console", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert found[0] == "TracerProvider ['BatchSpanProcessor', 'BatchSpanProcessor']"
    assert found[1] == "_ProxyMeterProvider"


def test_metrics_are_set_up_by_themselves():
    found = _python(LOOK + SHOW + "metrics.get_meter_provider().shutdown()", OTEL_METRICS_EXPORTER="console")
    assert found[:2] == ["ProxyTracerProvider []", "MeterProvider"]


def test_an_exporter_that_is_not_installed_is_told_of():
    said, *found = _python(LOOK + SHOW, OTEL_TRACES_EXPORTER="zipkin")
    assert said.startswith("OTEL_TRACES_EXPORTER names the exporter 'zipkin', which is not installed: there are ")
    assert "otlp_proto_http" in said
    assert found[0] == "ProxyTracerProvider []"


def test_a_provider_of_the_apps_own_is_left_alone():
    own = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
"""
    assert _python(own + LOOK + SHOW, OTEL_TRACES_EXPORTER="console")[0] == "TracerProvider []"


def test_a_missing_sdk_is_told_of():
    blocked = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("opentelemetry.sdk"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""
    [said] = _python(blocked + LOOK, OTEL_TRACES_EXPORTER="otlp")
    assert said.startswith("OTEL_TRACES_EXPORTER asks for telemetry, but opentelemetry-sdk is not installed")
