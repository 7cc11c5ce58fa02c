"""Tracing of the SDK in orchestrators, joined to the trace of the orchestration.

Owns what the SDK's traces and spans are made of there: ids that are the same on every replay, the time of the
orchestration, and the trace id of the orchestration's own trace. Who gets them is the SDK's business; they are told
once, when what they tell of happens, and not again on replay. The spans of model calls are made by the activities that
make those, below the span of the orchestrator that called them.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator
from typing import Any, cast
from uuid import NAMESPACE_OID, uuid5

from agents import ModelTracing
from agents.tracing import (
    CustomSpanData,
    Span,
    Trace,
    TracingProcessor,
    custom_span,
    get_current_trace,
    get_trace_provider,
    set_trace_provider,
)
from agents.tracing.provider import SynchronousMultiTracingProcessor, TraceProvider
from agents.tracing.scope import Scope
from agents.tracing.spans import SpanImpl
from agents.tracing.traces import TraceImpl, TraceState, reattach_trace
from pydantic import BaseModel

from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.current import current_context
from azure_durable_py.runtime.event_loop import OrchestrationLoop, running_loop
from azure_durable_py.telemetry.current import current_trace_id
from azure_durable_py.trace_context import TraceContext

_NO_OP = "no-op"


class _TraceIds:
    """The ids of one generation of an orchestration, which other ids of it do not depend on."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def next(self, context: DurableOrchestrationContext, kind: str) -> str:
        """32 hex digits. Ids of one kind do not depend on how many there are of another."""
        generation = context._generation  # pyright: ignore[reportPrivateUsage]
        self._given[kind] += 1
        origin = f"{generation.execution_id}\n{generation.number}\n{kind}\n{self._given[kind]}"
        return uuid5(NAMESPACE_OID, origin).hex


class _Once(TracingProcessor):
    """Tells what happens in orchestrators when it happens: not in replays, and not of code that is dropped."""

    def __init__(self, beneath: TracingProcessor) -> None:
        self._beneath = beneath

    def on_trace_start(self, trace: Trace) -> None:
        if _is_told():
            self._beneath.on_trace_start(trace)

    def on_trace_end(self, trace: Trace) -> None:
        if _is_told():
            self._beneath.on_trace_end(trace)

    def on_span_start(self, span: Span[Any]) -> None:
        if _is_told():
            self._beneath.on_span_start(span)

    def on_span_end(self, span: Span[Any]) -> None:
        if _is_told():
            self._beneath.on_span_end(span)

    def shutdown(self) -> None:
        self._beneath.shutdown()

    def force_flush(self) -> None:
        self._beneath.force_flush()


def _is_told() -> bool:
    loop = running_loop()
    if not isinstance(loop, OrchestrationLoop) or loop.is_closed():
        return False
    context = loop.context
    return context is not None and not context.is_replaying


class DurableTraceProvider(TraceProvider):
    """Makes traces and spans that are the same on every replay in orchestrators, and elsewhere as the one beneath does.

    :param beneath: the provider of before.
    """

    def __init__(self, beneath: TraceProvider) -> None:
        self._beneath = beneath

    def time_iso(self) -> str:
        context = current_context()
        return self._beneath.time_iso() if context is None else context.current_utc_datetime.isoformat()

    def gen_trace_id(self) -> str:
        context = current_context()
        return self._beneath.gen_trace_id() if context is None else trace_id_of(context)

    def gen_span_id(self) -> str:
        context = current_context()
        return self._beneath.gen_span_id() if context is None else f"span_{_next_id(context, 'span')[:24]}"

    def gen_group_id(self) -> str:
        context = current_context()
        return self._beneath.gen_group_id() if context is None else f"group_{_next_id(context, 'group')[:24]}"

    def create_trace(self, name: str, trace_id: str | None = None, *given: Any, **options: Any) -> Trace:
        made = self._beneath.create_trace(name, trace_id or self.gen_trace_id(), *given, **options)
        if isinstance(made, TraceImpl) and current_context() is not None:
            made._processor = _Once(made._processor)  # pyright: ignore[reportPrivateUsage]
        return made

    def create_span(self, span_data: Any, span_id: str | None = None, *given: Any, **options: Any) -> Span[Any]:
        made = self._beneath.create_span(span_data, span_id or self.gen_span_id(), *given, **options)
        if isinstance(made, SpanImpl) and current_context() is not None:
            made._processor = _Once(made._processor)  # pyright: ignore[reportPrivateUsage]
        return made

    # --- as the one beneath does -----------------------------------------------------------------------

    def register_processor(self, processor: TracingProcessor) -> None:
        self._beneath.register_processor(processor)

    def set_processors(self, processors: list[TracingProcessor]) -> None:
        self._beneath.set_processors(processors)

    def get_current_trace(self) -> Trace | None:
        return self._beneath.get_current_trace()

    def get_current_span(self) -> Span[Any] | None:
        return self._beneath.get_current_span()

    def set_disabled(self, disabled: bool) -> None:
        self._beneath.set_disabled(disabled)

    def force_flush(self) -> None:
        self._beneath.force_flush()

    def shutdown(self, timeout: float | None = None) -> None:
        # Of the SDK's own at the end of the process, as if it were not beneath this one.
        options = {} if timeout is None else {"timeout": timeout}
        self._beneath.shutdown(**options)


def install_tracing() -> None:
    """Have traces of orchestrators be the same on every replay. To do so twice does no harm."""
    provider = get_trace_provider()
    if not isinstance(provider, DurableTraceProvider):
        set_trace_provider(DurableTraceProvider(provider))


def trace_id_of(context: DurableOrchestrationContext) -> str:
    """The id of the orchestration's trace, as the SDK writes it."""
    return f"trace_{current_trace_id() or TraceContext.root(_execution_id(context)).trace_id}"


def _execution_id(context: DurableOrchestrationContext) -> str:
    return context._generation.execution_id  # pyright: ignore[reportPrivateUsage]


def _next_id(context: DurableOrchestrationContext, kind: str) -> str:
    return context.extension(_TraceIds).next(context, kind)


# --- from the orchestrator to the activity of a model call ---------------------------------------------


class TracePlace(BaseModel):
    """Where in the SDK's traces a model is called. It is recorded with the call, so it is the same however much of
    tracing is switched on where.

    `root` is the id of a trace of the orchestration that nobody else has begun, `trace_id` that of a trace of another
    name, if the call is in one.
    """

    root: str
    span_id: str
    trace_id: str | None = None


@contextlib.contextmanager
def model_call(context: DurableOrchestrationContext, model: str | None, tracing: ModelTracing) -> Generator[Any]:
    """A span of the orchestrator around the call of a model. Gives the place for what the activity does; None: none."""
    if tracing.is_disabled():
        yield None
        return
    current, root = get_current_trace(), TraceContext.root(_execution_id(context)).trace_id
    place = TracePlace(root=root, span_id=f"span_{_next_id(context, 'model')[:24]}")
    if current is not None and current.trace_id not in (_NO_OP, trace_id_of(context)):
        place.trace_id = current.trace_id
    with custom_span("call of a model", {"model": model}, span_id=place.span_id):
        yield place


@contextlib.contextmanager
def within_place(place: TracePlace | None) -> Generator[None]:
    """Have spans be below a place in a trace, of which nothing is told here."""
    if place is None:
        yield
        return
    trace_id = place.trace_id or f"trace_{current_trace_id() or place.root}"
    trace = cast("Trace", reattach_trace(TraceState(trace_id=trace_id)))
    nobody, nothing = SynchronousMultiTracingProcessor(), CustomSpanData("orchestrator", {})
    with trace:
        token = Scope.set_current_span(SpanImpl(trace_id, place.span_id, None, nobody, nothing, None))
        try:
            yield
        finally:
            Scope.reset_current_span(token)
