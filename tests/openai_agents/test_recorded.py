"""Recorded histories of agents are replayed without a model."""

from __future__ import annotations

from azure_durable_py.testing import replay
from tests.openai_agents.recorded import HISTORIES, recorded_app


def test_recorded_agents_decide_today_what_they_decided_then():
    report = replay(recorded_app(), HISTORIES)
    report.raise_for_divergence()
    assert str(report) == "4 histories: 4 same"
