"""On which interpreters tests may simulate workers that die."""

from __future__ import annotations

import sys

import pytest

tells_ends = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the simulator ends tasks from within, which the engine can tell from 3.11 on"
)
