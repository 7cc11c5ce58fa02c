"""Sets up the SDK of OpenTelemetry as its environment variables say, for an app that does not do so itself.

Owns what is read of the environment: which exporters there are to be. All else - endpoints, resources, samplers,
intervals - their own classes read. An app, or `opentelemetry-instrument`, that has set up a provider before is left
alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

logger = logging.getLogger("azure_durable_py.telemetry")
TRACES = "OTEL_TRACES_EXPORTER"
METRICS = "OTEL_METRICS_EXPORTER"


def set_up(environ: Mapping[str, str]) -> None:
    """Set up what the environment asks for, and nothing where it asks for nothing.

    :param environ: `OTEL_TRACES_EXPORTER` and `OTEL_METRICS_EXPORTER` name exporters, with commas between them.
    """
    asked = {variable: _names(environ.get(variable, "")) for variable in (TRACES, METRICS)}
    if not any(asked.values()) or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return
    try:
        import opentelemetry.sdk  # noqa: F401 # pyright: ignore[reportUnusedImport] - whether it is there
    except ModuleNotFoundError:
        logger.warning(
            "%s asks for telemetry, but opentelemetry-sdk is not installed: nothing is written. Install it, with the "
            "exporter: pip install opentelemetry-sdk opentelemetry-exporter-otlp.",
            " and ".join(variable for variable, names in asked.items() if names),
        )
        return
    _traces(list(_exporters(TRACES, "opentelemetry_traces_exporter", asked[TRACES], environ)))
    _metrics(list(_exporters(METRICS, "opentelemetry_metrics_exporter", asked[METRICS], environ)))


def _names(text: str) -> list[str]:
    found = [name.strip() for name in text.split(",")]
    return [name for name in found if name and name.lower() != "none"]


def _exporters(variable: str, group: str, names: list[str], environ: Mapping[str, str]) -> Iterator[Any]:
    installed = {found.name: found for found in entry_points(group=group)}
    for name in names:
        chosen = next((installed[each] for each in _spellings(name, environ) if each in installed), None)
        if chosen is None:
            logger.warning(
                "%s names the exporter %r, which is not installed: there are %s.",
                variable,
                name,
                ", ".join(sorted(installed)) or "none",
            )
        else:
            yield chosen.load()()


def _spellings(name: str, environ: Mapping[str, str]) -> list[str]:
    """The names that an exporter may have; what `otlp` stands for, the protocol says, else what is installed."""
    if name != "otlp":
        return [name]
    kinds = ["otlp_proto_grpc", "otlp_proto_http"]
    if environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").startswith("http"):
        kinds.reverse()
    return kinds


def _traces(exporters: list[Any]) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    if not exporters or not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return
    provider = TracerProvider()
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)


def _metrics(exporters: list[Any]) -> None:
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    if not exporters or not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics"):
        return
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(exporter) for exporter in exporters]))
