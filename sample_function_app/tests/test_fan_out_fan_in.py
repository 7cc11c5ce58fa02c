"""Fan-out/fan-in: several files at a time, one of which fails, and progress that is told."""

import pytest

from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer
from sample_function_app.fan_out_fan_in import count_words, count_words_of_file, list_files


@pytest.mark.parametrize("chunk_size", [1, 2, 100])
def test_the_damaged_file_does_not_spoil_the_others(
    durable_sync_env: DurableTestSyncEnvironment, chunk_size: int
) -> None:
    counted = durable_sync_env.start(count_words, {"chunk_size": chunk_size}).result()
    assert counted == {"files": 4, "words": 41, "failed": ["damaged.txt"]}


def test_files_of_a_chunk_are_counted_at_the_same_time_and_the_next_chunk_after_them() -> None:
    step = OrchestratorPlayer(count_words, {"chunk_size": 2})
    step.complete(list_files, ["a.txt", "b.txt", "c.txt"])
    assert [call.input for call in step.pending] == ["a.txt", "b.txt"]
    step.complete(count_words_of_file, 10)
    step.fail(count_words_of_file, UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
    assert step.custom_status == {"done": 2, "of": 3}
    assert [call.input for call in step.pending] == ["c.txt"]
    step.complete(count_words_of_file, 5)
    assert step.output == {"files": 2, "words": 15, "failed": ["b.txt"]}


def test_a_process_that_dies_after_a_file_was_counted_costs_that_file_once_more(
    durable_sync_env: DurableTestSyncEnvironment,
) -> None:
    counting = durable_sync_env.activity(count_words_of_file)
    durable_sync_env.crash_after(count_words_of_file)
    assert durable_sync_env.start(count_words).result()["words"] == 41
    assert len(set(counting.inputs)) == 5


def test_folders_outside_of_the_sample_are_refused(durable_sync_env: DurableTestSyncEnvironment) -> None:
    failure = durable_sync_env.start(count_words, {"folder": ".."}).wait().failure
    assert failure is not None
    assert failure.is_caused_by(ValueError)
    assert "There is no folder '..'" in failure.message
