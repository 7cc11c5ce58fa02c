"""Traces and metrics by OpenTelemetry, as one observer of the engine.

Needs the extra `otel`, which is the API alone: where spans and metrics go, an app decides by the SDK that it sets up.
Without the API nobody observes, and nothing else is different.

Owns the decision whether there is anything to observe for. What is written, `docs/telemetry.md` says.
"""

from __future__ import annotations

from azure_durable_py.observer import NOBODY, Observer
from azure_durable_py.settings import Settings

__all__ = ["telemetry"]


def telemetry(settings: Settings | None = None) -> Observer:
    """The observer that writes spans and metrics to the providers that the app has set up, when it has.

    :param settings: those of a host, which say whether spans are written, and what is in them (default: those of an
        app that says nothing). Metrics are counted in any case.
    """
    settings = settings or Settings()
    try:
        from azure_durable_py.telemetry.metrics import MetricsObserver
        from azure_durable_py.telemetry.traces import TraceObserver
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "opentelemetry":
            raise
        return NOBODY
    from azure_durable_py.observers import joined

    return joined(
        TraceObserver(values=settings.trace_values, replays=settings.trace_replays) if _traces(settings) else None,
        MetricsObserver(),
    )


def _traces(settings: Settings) -> bool:
    return settings.distributed_tracing and settings.tracing_version != "None"
