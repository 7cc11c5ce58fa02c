"""Whatever the simulator does to workers and storage - ends, lost answers, repetitions - no span is written twice."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import pytest

from azure_durable_py.taskhub.hub import TaskHub
from azure_durable_py.telemetry.traces import TraceObserver
from tests.simulation.playing import play
from tests.simulation.scenarios import SCENARIOS
from tests.telemetry.tracing import exporting

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="the simulator ends tasks from within, which the engine can tell from 3.11 on"
)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scenario", sorted(SCENARIOS)[::5])
def test_every_span_is_written_once_and_none_ends_before_it_began(
    scenario: str, seed: int, monkeypatch: pytest.MonkeyPatch
):
    provider, exporter = exporting()
    make = TaskHub.__init__

    def observed(self: TaskHub, store: Any, clock: Any = None, ids: Any = None, **_: Any) -> None:
        make(self, store, clock, ids, observer=TraceObserver(provider, now=clock.now))

    monkeypatch.setattr(TaskHub, "__init__", observed)
    report = play(scenario, seed)
    assert report.violation is None
    spans = exporter.get_finished_spans()
    assert spans
    written = Counter((span.context.trace_id, span.context.span_id) for span in spans)
    assert {place for place, times in written.items() if times > 1} == set()
    assert all(span.start_time <= span.end_time for span in spans)
