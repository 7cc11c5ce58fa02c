"""Tests of agents reach no provider."""

from tests.offline import only_this_machine

__all__ = ["only_this_machine"]
