"""How records of the log are written: as lines for people, or as JSON for programs.

Owns both forms. The JSON is that of OpenTelemetry's log data model: a record a line, with the span it was made in, if
there is one.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from azure_durable_py.escaping import escaped_lines

_PREFIX = "azure_durable_py."
_SHORT = {"hosting": "host", "access": "http"}
_COLORS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31;1"}
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "short_name", "about"}
"""What every record has: all else came as `extra`."""
_SEVERITIES = ((50, "FATAL", 21), (40, "ERROR", 17), (30, "WARN", 13), (20, "INFO", 9), (10, "DEBUG", 5))


def short_name(name: str) -> str:
    """The name of a logger as lines show it: of this package only the part that speaks."""
    if not name.startswith(_PREFIX):
        return name
    part, _, rest = name.removeprefix(_PREFIX).partition(".")
    return rest if part == "orchestrator" and rest else _SHORT.get(part, part)


def _instance(record: logging.LogRecord) -> str:
    """The instance that a record of the app is about; our own lines name it where it belongs."""
    instance_id = getattr(record, "instance_id", None)
    is_own = record.name.startswith(_PREFIX) and not record.name.startswith(f"{_PREFIX}orchestrator.")
    return "" if instance_id is None or is_own else f"[{instance_id}] "


def paint(text: str, code: str) -> str:
    """The text in a colour (an SGR code); unchanged without one."""
    return f"\x1b[{code}m{text}\x1b[0m" if code else text


class LineFormatter(logging.Formatter):
    """Time, level, who speaks, message; warnings and errors in colour on a terminal.

    What a record says reaches the terminal without control characters, and further lines of it are indented: none
    passes for a record of its own.
    """

    def __init__(self, color: bool) -> None:
        super().__init__("[%(asctime)s.%(msecs)03d] %(levelname)-7s %(short_name)s: %(about)s%(message)s", "%H:%M:%S")
        self._color = color

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        record.short_name, record.about = short_name(record.name), _instance(record)
        first, *more = escaped_lines(super().format(record)).split("\n")
        text = "\n".join([first, *(f"    {line}" if line else line for line in more)])
        return paint(text, _COLORS.get(record.levelno, "") if self._color else "")


class JsonFormatter(logging.Formatter):
    """A JSON object for each record, in ASCII, without line breaks.

    :param resource: what the records come from.
    """

    def __init__(self, resource: Mapping[str, Any]) -> None:
        super().__init__()
        self._resource = dict(resource)

    def format(self, record: logging.LogRecord) -> str:
        """One record as JSON."""
        name, number = _severity(record.levelno)
        nanoseconds = str(int(record.created * 1_000_000) * 1000)
        fields: dict[str, Any] = {
            "Timestamp": nanoseconds,
            "ObservedTimestamp": nanoseconds,
            "SeverityText": name,
            "SeverityNumber": number,
            "Body": record.getMessage(),
            "Attributes": {name: _encodable(value) for name, value in _attributes(record).items()},
            "InstrumentationScope": {"Name": record.name},
            **_span(),
            "Resource": self._resource,
        }
        return json.dumps(fields, default=_as_text)


def _severity(level: int) -> tuple[str, int]:
    return next(((name, number) for at_least, name, number in _SEVERITIES if level >= at_least), ("TRACE", 1))


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    found = {name: value for name, value in vars(record).items() if name not in _OWN}
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        found["exception.type"] = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        found["exception.message"] = _as_text(error)
        found["exception.stacktrace"] = "".join(traceback.format_exception(error))
    return found


def _encodable(value: Any) -> Any:
    """A value that JSON has; one that it has not, such as NaN or a circle, as text: no line is lost for it."""
    try:
        json.dumps(value, default=_as_text, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return _as_text(value)
    return value


def _as_text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - `__str__` is user code
        return f"({type(value).__name__})"


def _span() -> dict[str, Any]:
    """The span that is current, where OpenTelemetry is in use."""
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "TraceId": f"{context.trace_id:032x}",
        "SpanId": f"{context.span_id:016x}",
        "TraceFlags": int(context.trace_flags),
    }
