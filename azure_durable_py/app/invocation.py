"""The `azure.functions.Context` that a function gets when this package calls it.

Owns that object alone; who calls the function is the business of hosts and workers.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from typing import Any

import azure.functions as func

from azure_durable_py.registry import Registry


@dataclass(frozen=True, slots=True)
class _Trace:
    trace_parent: str = ""
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=lambda: {})


@dataclass(frozen=True, slots=True)
class _Retry:
    retry_count: int = 0
    max_retry_count: int = 0
    exception: Any = None


class InvocationContext(func.Context):
    """Tells a function which invocation it serves.

    :param function_name: the name under which the function is registered.
    :param function_directory: the directory of the app.
    :param trace_parent: W3C `traceparent` of the caller, or empty.
    :param trace_state: W3C `tracestate` of the caller, or empty.
    :param registry: of an activity, what else its app declares.
    """

    def __init__(
        self,
        function_name: str,
        function_directory: str,
        trace_parent: str = "",
        trace_state: str = "",
        *,
        registry: Registry | None = None,
    ) -> None:
        self.registry = registry
        self._function_name = function_name
        self._function_directory = function_directory
        self._invocation_id = str(uuid.uuid4())
        self._local = threading.local()
        self._local.invocation_id = self._invocation_id
        self._trace: Any = _Trace(trace_parent, trace_state)
        self._retry: Any = _Retry()

    @property
    def invocation_id(self) -> str:
        """Unique id of this invocation."""
        return self._invocation_id

    @property
    def thread_local_storage(self) -> Any:
        """Thread-local storage that carries `invocation_id`."""
        return self._local

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self._function_name

    @property
    def function_directory(self) -> str:
        """The directory of the app."""
        return self._function_directory

    @property
    def trace_context(self) -> Any:
        """W3C trace context of the caller."""
        return self._trace

    @property
    def retry_context(self) -> Any:
        """Retries by the Functions host: there are none here."""
        return self._retry
