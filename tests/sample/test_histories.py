"""The recorded histories of the sample app: of every orchestrator, and as its script would record them today."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from azure_durable_py.testing import recordings
from function_app import app
from sample_function_app.agent import IS_INSTALLED
from sample_function_app.tests.record_histories import HISTORIES, PATTERNS, agent, record

# When exactly the engine takes a step is its own business, and differs between versions of Python; and with it do the
# microseconds that were spent, and the ids that an orchestrator makes from its time.
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)|\b[\d.]+e-0\d\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_there_is_one_of_every_orchestrator() -> None:
    assert {recording.name for recording in recordings(HISTORIES)} == set(app.registry.orchestrators.names())


def test_there_is_a_file_for_each_pattern_and_no_other() -> None:
    assert {file.stem for file in HISTORIES.iterdir()} == {pattern.__name__ for pattern in PATTERNS}


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda pattern: pattern.__name__)
def test_recording_anew_gives_the_same(pattern: Callable[[Any], None]) -> None:
    if pattern is agent and not IS_INSTALLED:
        pytest.skip("needs the OpenAI Agents SDK: `make test-agents` has it")
    before = (HISTORIES / f"{pattern.__name__}.jsonl").read_text(encoding="ascii").splitlines()
    assert [TIME.sub("", line) for line in record(pattern)] == [TIME.sub("", line) for line in before]
