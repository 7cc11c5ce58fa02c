"""The trace that a request from outside is a part of, by its headers as W3C Trace Context has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure_durable_py.observer import NOBODY, UNOBSERVED, Observation, Observer
from azure_durable_py.trace_context import TraceContext


def requested(observer: Observer, headers: Mapping[str, Any]) -> Observation:
    """What is to be around the doing of what a request asks for. Headers that break the rules are as none.

    :param headers: by name; case does not matter.
    """
    if observer is NOBODY:
        return UNOBSERVED
    trace = TraceContext.of_headers(headers)
    return UNOBSERVED if trace is None else observer.requested(trace)
