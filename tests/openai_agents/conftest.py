"""Tests of agents reach no provider. Their framework is in an environment of its own, which `make test-agents` has."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.offline import only_this_machine

__all__ = ["only_this_machine"]

if find_spec("agents") is None:
    collect_ignore_glob = ["test_*.py", "scripts.py"]


@pytest.fixture(autouse=True)
def nothing_exported() -> None:
    """Traces go nowhere but to what a test sets up."""
    from agents import set_trace_processors

    set_trace_processors([])
