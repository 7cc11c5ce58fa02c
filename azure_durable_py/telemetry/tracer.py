"""The way to the tracer that an app has set up, and to spans whose ids are known before they are.

Owns what is asked of OpenTelemetry: the provider, looked up when it is needed, since an app may set it up later than
the engine; and the ids of spans. A tracer of the SDK asks its `id_generator` for the id of each span that it starts.
The one that our tracer asks gives the id that a span is to have. Any other tracer gives ids of its own.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.span import TraceState

from azure_durable_py.failures import FailureDetails
from azure_durable_py.telemetry import names
from azure_durable_py.telemetry.spans import Attributes, EndedSpan
from azure_durable_py.times import UTC
from azure_durable_py.trace_context import TraceContext

SCOPE = "azure_durable_py"
"""The name of our instrumentation scope."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CHOSEN: ContextVar[TraceContext | None] = ContextVar("chosen", default=None)


class Tracing:
    """Starts spans, and writes those that have ended.

    :param provider: where they go; None: to the provider that the app has set up, once it has.
    """

    def __init__(self, provider: trace.TracerProvider | None = None) -> None:
        self._given = provider
        self._provider: trace.TracerProvider | None = None
        self._tracer: trace.Tracer | None = None

    @property
    def tracer(self) -> trace.Tracer | None:
        """Our tracer; None: nobody has set up a provider."""
        provider = self._given or trace.get_tracer_provider()
        if isinstance(provider, trace.ProxyTracerProvider):
            return None
        if provider is not self._provider:
            self._provider, self._tracer = provider, _with_chosen_ids(provider.get_tracer(SCOPE))
        return self._tracer

    def start(
        self,
        name: str,
        kind: SpanKind,
        start: datetime,
        attributes: Attributes,
        parent: TraceContext | None,
        *,
        within: bool = False,
    ) -> Span | None:
        """Start a span. None: nobody wants spans.

        :param parent: what it is a part of; None: it begins a trace.
        :param within: whether it is then a part of what is under way here, if there is something.
        """
        tracer = self.tracer
        if tracer is None:
            return None
        alone = None if within else otel_context.Context()
        around = alone if parent is None else context_of(parent)
        return tracer.start_span(names.sound(name), around, kind, sound(attributes), start_time=nanoseconds(start))

    def write(self, ended: EndedSpan) -> None:
        """Write a span that has ended."""
        tracer = self.tracer
        if tracer is None:
            return
        around = otel_context.Context() if ended.parent is None else context_of(ended.parent)
        links = [Link(span_context(link)) for link in ended.links]
        with chosen(ended.span):
            span = tracer.start_span(
                names.sound(ended.name), around, ended.kind, sound(ended.attributes), links, nanoseconds(ended.start)
            )
        if ended.failure is not None:
            fail(span, ended.failure, ended.end)
        span.end(nanoseconds(max(ended.start, ended.end)))

    def samples(self, root: TraceContext, name: str, attributes: Attributes) -> bool:
        """Whether a trace that begins with this span would be recorded, as far as the tracer tells beforehand."""
        sampler = getattr(self.tracer, "sampler", None)
        if sampler is None:
            return True
        found = sampler.should_sample(None, int(root.trace_id, 16), name, SpanKind.PRODUCER, dict(attributes), ())
        return bool(found.decision.is_sampled())


class _ChosenIds:
    """Gives the ids that were chosen for a span, else those of the generator that was there before."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def generate_span_id(self) -> int:
        found = _CHOSEN.get()
        return self.inner.generate_span_id() if found is None else int(found.span_id, 16)

    def generate_trace_id(self) -> int:
        found = _CHOSEN.get()
        return self.inner.generate_trace_id() if found is None else int(found.trace_id, 16)

    def is_trace_id_random(self) -> bool:
        return _CHOSEN.get() is None and bool(getattr(self.inner, "is_trace_id_random", lambda: False)())


def _with_chosen_ids(tracer: trace.Tracer) -> trace.Tracer:
    generator = getattr(tracer, "id_generator", None)
    if generator is not None and not isinstance(generator, _ChosenIds):
        tracer.id_generator = _ChosenIds(generator)  # type: ignore[attr-defined]
    return tracer


@contextmanager
def chosen(span: TraceContext | None) -> Generator[None]:
    """The next span that is started gets this place in its trace."""
    token = _CHOSEN.set(span)
    try:
        yield
    finally:
        _CHOSEN.reset(token)


# --- our contexts and theirs -----------------------------------------------------------------------------


def span_context(found: TraceContext) -> SpanContext:
    """A context that was stored, as OpenTelemetry has it."""
    flags = TraceFlags(TraceFlags.SAMPLED if found.sampled else TraceFlags.DEFAULT)
    state = TraceState.from_header([found.state]) if found.state else TraceState()
    return SpanContext(int(found.trace_id, 16), int(found.span_id, 16), True, flags, state)


def context_of(found: TraceContext, around: otel_context.Context | None = None) -> otel_context.Context:
    """What makes a stored context the current one.

    :param around: what else is to be in it; None: nothing.
    """
    within = otel_context.Context() if around is None else around
    return trace.set_span_in_context(NonRecordingSpan(span_context(found)), within)


def stored(found: SpanContext) -> TraceContext | None:
    """A context of OpenTelemetry, as it is stored. None: it is none."""
    if not found.is_valid:
        return None
    parent = f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags & TraceFlags.SAMPLED:02x}"
    return TraceContext.of_texts(parent, found.trace_state.to_header())


def fail(span: Span, failure: FailureDetails, at: datetime) -> None:
    """Say that what a span stands for failed, and how."""
    if not span.is_recording():
        return
    text = names.sound(failure.message[: names.MAX_VALUE_CHARS])
    span.set_status(Status(StatusCode.ERROR, text))
    attributes = {"exception.type": failure.error_type, "exception.message": text}
    if failure.stack_trace:
        attributes["exception.stacktrace"] = failure.stack_trace
    span.add_event("exception", sound(attributes), nanoseconds(at))
    span.set_attribute("error.type", names.sound(failure.error_type))


def sound(attributes: Attributes) -> dict[str, str | int | bool]:
    """Attributes as exporters can write them."""
    return {name: names.sound(value) if isinstance(value, str) else value for name, value in attributes.items()}


def nanoseconds(moment: datetime) -> int:
    """A time as OpenTelemetry counts it: since 1970."""
    past = moment - _EPOCH
    return ((past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds) * 1_000
