"""Where in a trace something stands, as W3C Trace Context writes it: what is carried through the hub.

The trace of an orchestration goes through many processes and may take days, so the context of what began an instance is
stored with it, and that of a message with the message. The ids of spans that others must name before they can be
written are made from what they are about: the same in every process and on every replay, so none of them is stored.

Owns the text form, its limits, and those ids. It knows nothing of whoever writes spans.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_STATE_CHARS = 512
"""Of a `tracestate`: what is longer is left out, as is what is not printable."""
MAX_STATE_MEMBERS = 32
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_STATE = re.compile(r"[\x20-\x7e]*")
_MOST_CHARS = 55 + 1 + MAX_STATE_CHARS
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span of a trace, as those that come after it name it.

    :param trace_id: 32 hex digits, not all of them 0.
    :param span_id: 16 hex digits, not all of them 0.
    :param sampled: whether the trace is recorded.
    :param state: what tracing systems carry along (`tracestate`); empty: nothing.
    """

    trace_id: str
    span_id: str
    sampled: bool = True
    state: str = ""

    @classmethod
    def of_headers(cls, headers: Mapping[str, Any]) -> TraceContext | None:
        """The context that the headers of an HTTP request name. None: they name none, or what breaks the rules.

        :param headers: by name, whatever the case.
        """
        found = {name.lower(): value for name, value in headers.items()}
        return cls.of_texts(found.get("traceparent"), found.get("tracestate"))

    @classmethod
    def of_texts(cls, parent: object, state: object = None) -> TraceContext | None:
        """The context of a `traceparent` and a `tracestate`. None: the first breaks the rules."""
        match = _PARENT.fullmatch(parent.strip()) if isinstance(parent, str) and len(parent) <= _MOST_CHARS else None
        if match is None or not _is_parent(match):
            return None
        kept = state.strip() if isinstance(state, str) else ""
        return cls(match[2], match[3], bool(int(match[4], 16) & _SAMPLED), kept if _is_state(kept) else "")

    @property
    def parent(self) -> str:
        """As a `traceparent`."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.sampled else 0:02x}"

    def headers(self) -> dict[str, str]:
        """As the headers of an HTTP request."""
        return {"traceparent": self.parent, **({"tracestate": self.state} if self.state else {})}

    # --- stored --------------------------------------------------------------------------------------

    def encode(self) -> str:
        """As one text: the two, with a space between them."""
        return f"{self.parent} {self.state}" if self.state else self.parent

    @classmethod
    def decode(cls, value: Any) -> TraceContext | None:
        """The context that `encode` wrote. None: it is none, and nothing is worth to be lost for that."""
        if not isinstance(value, str) or len(value) > _MOST_CHARS:
            return None
        parent, _, state = value.partition(" ")
        return cls.of_texts(parent, state)

    # --- the spans of an orchestration -----------------------------------------------------------------

    @classmethod
    def root(cls, execution_id: str, *, sampled: bool = True) -> TraceContext:
        """The span that started an execution nobody traced the start of: it begins a trace."""
        digits = hashlib.blake2b(
            f"start {execution_id}".encode("utf-8", "backslashreplace"), digest_size=24
        ).hexdigest()
        return cls(digits[:32], digits[32:], sampled)

    def orchestration(self, execution_id: str, generation: int, attempt: int) -> TraceContext:
        """The span of a generation of the orchestration that this context began, as taken up by this attempt."""
        return self._derived("orchestration", execution_id, generation, attempt)

    def task(self, execution_id: str, generation: int, attempt: int, task_id: int) -> TraceContext:
        """The span of what one attempt of a generation decided: a call, a signal, an event that was sent, a timer."""
        return self._derived("task", execution_id, generation, attempt, task_id)

    def _derived(self, *origin: str | int) -> TraceContext:
        text = repr((self.trace_id, *origin)).encode("utf-8", "backslashreplace")
        digits = hashlib.blake2b(text, digest_size=8).hexdigest()
        return TraceContext(self.trace_id, digits if int(digits, 16) else f"{1:016x}", self.sampled, self.state)


def encode_trace(trace: TraceContext | None) -> dict[str, str]:
    """The field of a record that carries a context; no field for none."""
    return {} if trace is None else {TRACE: trace.encode()}


TRACE = "trace"
"""The name of that field, in every record."""


def _is_parent(match: re.Match[str]) -> bool:
    version, trace_id, span_id, _, more = match.groups()
    # A version to come may have more at the end; the first has not.
    known = version != "ff" and (version != "00" or more is None)
    return known and bool(int(trace_id, 16)) and bool(int(span_id, 16))


def _is_state(text: str) -> bool:
    members = text.count(",") + 1
    return len(text) <= MAX_STATE_CHARS and members <= MAX_STATE_MEMBERS and _STATE.fullmatch(text) is not None
