"""Which trace the code is in that runs now, for libraries that write traces of their own."""

from __future__ import annotations


def current_trace_id() -> str | None:
    """The id of the trace that the code is in, as 32 hex digits. In an orchestrator it is that of the orchestration.

    None: nobody writes traces.
    """
    try:
        from opentelemetry import trace
    except ModuleNotFoundError:
        return None
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
