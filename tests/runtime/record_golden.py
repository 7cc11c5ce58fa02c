"""Records the golden histories anew: `python -m tests.runtime.record_golden`.

Do so only when the format of histories changes on purpose: the recorded ones stand for the
instances that are in flight when users upgrade.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.codec import event_to_json
from azure_durable_py.history.events import Event
from tests.runtime.harness import Run
from tests.runtime.samples import ACTIVITIES, OPERATIONS, SAMPLES, registry

GOLDEN = Path(__file__).parent / "golden"


def record(name: str) -> list[list[Event]]:
    """The histories of a sample's generations, in order."""
    sample = SAMPLES[name]
    run = Run(registry(), {**ACTIVITIES, "later": lambda value: _later(run, value)}, OPERATIONS)
    generations: list[list[Event]] = [run.history]

    def note() -> None:
        if run.history is not generations[-1]:
            generations.append(run.history)

    run.start(sample.name, sample.value)
    for event, data in sample.events:
        run.raise_event(event, data)
    while not run.live.is_finished or run.attempt < sample.rewinds:
        if run.live.is_finished:
            run.rewind()
        run.step()
        note()
    assert run.output == sample.output
    return generations


def _later(run: Run, value: int) -> int:
    if not run.attempt:
        raise ValueError("not yet")
    return value


def main() -> None:
    """Write one file per sample."""
    with without_traces():
        for name in SAMPLES:
            events = [[event_to_json(event) for event in generation] for generation in record(name)]
            (GOLDEN / f"{name}.json").write_text(json.dumps(events, indent=1) + "\n", encoding="utf-8")


@contextmanager
def without_traces() -> Iterator[None]:
    """Stack traces hold paths of the machine that recorded them: failures are recorded without."""
    real = FailureDetails.from_exception
    with patch.object(FailureDetails, "from_exception", classmethod(lambda _, error: _strip(real(error)))):
        yield


def _strip(failure: FailureDetails) -> FailureDetails:
    inner = None if failure.inner_failure is None else _strip(failure.inner_failure)
    return FailureDetails(failure.message, failure.error_type, None, inner, failure.base_types)


if __name__ == "__main__":
    main()
