"""Instances that were recorded in flight, or at their end, go on with the code of today."""

from pathlib import Path

import pytest

from azure_durable_py.testing import Recording, recordings, replay
from function_app import app
from sample_function_app.agent import IS_INSTALLED, answer_complaint

HISTORIES = Path(__file__).parent / "histories"


@pytest.mark.parametrize("recording", list(recordings(HISTORIES)), ids=str)
def test_no_instance_is_broken_by_the_code_of_today(recording: Recording) -> None:
    if recording.name == answer_complaint.durable_name and not IS_INSTALLED:
        pytest.skip("needs the OpenAI Agents SDK: `make test-agents` has it")
    replay(app, recording).raise_for_divergence(changes=True)
