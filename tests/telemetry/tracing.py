"""Scenarios that are traced, and their spans as a tree."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from opentelemetry import trace as otel
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id

from azure_durable_py.telemetry.traces import TraceObserver
from azure_durable_py.testing import VirtualHub, run_virtual
from azure_durable_py.times import UTC

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Traced:
    """The spans of a scenario, in the order in which they were written."""

    spans: list[ReadableSpan]

    def named(self, name: str, kind: str | None = None) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name and kind in (None, span.kind.name)]

    def one(self, name: str, kind: str | None = None) -> ReadableSpan:
        [span] = self.named(name, kind)
        return span

    def children(self, parent: ReadableSpan | None) -> list[ReadableSpan]:
        wanted = None if parent is None else parent.context.span_id
        found = [span for span in self.spans if (span.parent and span.parent.span_id) == wanted]
        return sorted(found, key=lambda span: (span.start_time, span.end_time, span.name))

    def tree(self, parent: ReadableSpan | None = None, depth: int = 0) -> list[str]:
        """All spans below one, as lines: what is not there was never written, or has a parent that was not."""
        lines: list[str] = []
        for span in self.children(parent):
            status = span.attributes.get("durabletask.task.status", "")
            failed = " !" if span.status.status_code.name == "ERROR" else ""
            lines.append(f"{'  ' * depth}{span.kind.name} {span.name}{f' {status}' if status else ''}{failed}")
            lines += self.tree(span, depth + 1)
        return lines


def exported() -> tuple[InMemorySpanExporter, TracerProvider]:
    """What is exported from now on of what the process traces, and what traces it."""
    exporter, provider = InMemorySpanExporter(), otel.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        otel.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter, provider


def at(nanoseconds: int) -> datetime:
    """A time of a span."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def check_whole(traced: Traced) -> None:
    """Every id once, every parent there, every trace of its root, no span longer than its ends."""
    ids = [span.context.span_id for span in traced.spans]
    assert len(ids) == len(set(ids)), "a span was written twice"
    for span in traced.spans:
        assert span.start_time <= span.end_time
        if span.parent is not None:
            assert span.parent.span_id in ids, f"the parent of {span.name} was never written"
            assert span.parent.trace_id == span.context.trace_id
    assert len(traced.tree()) == len(traced.spans)


def exporting(provider: TracerProvider | None = None) -> tuple[TracerProvider, InMemorySpanExporter]:
    """A provider, and where its spans are."""
    exporter, provider = InMemorySpanExporter(), provider or TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def trace(
    app: Any,
    scenario: Callable[[VirtualHub], Coroutine[Any, Any, Any]],
    *,
    whole: bool = True,
    observer: dict[str, Any] | None = None,
    provider: TracerProvider | None = None,
    **options: Any,
) -> Traced:
    """The spans of a scenario on virtual time.

    :param whole: whether all spans of it are to be there.
    :param observer: arguments of the observer.
    :param provider: where spans go.
    """
    provider, exporter = exporting(provider)

    async def run() -> None:
        watching = TraceObserver(provider, now=lambda: hub.now, **(observer or {}))
        hub = VirtualHub(app, observer=watching, **options)
        async with hub:
            await scenario(hub)

    run_virtual(run())
    traced = Traced(list(exporter.get_finished_spans()))
    if whole:
        check_whole(traced)
    return traced


def shown(span: ReadableSpan) -> dict[str, Any]:
    """The attributes of a span."""
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> str | None:
    """The id of the parent of a span."""
    return None if span.parent is None else format_span_id(span.parent.span_id)
