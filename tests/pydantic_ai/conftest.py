"""Tests of agents reach no provider. Their framework is in an environment of its own, which `make test-agents` has."""

from __future__ import annotations

from importlib.util import find_spec

from tests.offline import only_this_machine

__all__ = ["only_this_machine"]

if find_spec("pydantic_ai") is None:
    collect_ignore_glob = ["test_*.py"]
