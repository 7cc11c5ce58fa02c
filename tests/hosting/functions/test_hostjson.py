"""What host.json says about the limits of a Functions host."""

from __future__ import annotations

from typing import Any

import pytest

from azure_durable_py.hosting.functions.hostjson import advice, function_timeout, host_limits


@pytest.mark.parametrize(
    ("host_json", "seconds"),
    [
        ({}, 300.0),
        ({"functionTimeout": "00:10:00"}, 600.0),
        ({"functionTimeout": "-1"}, 3600.0),
        ({"functionTimeout": "soon"}, 300.0),
        ({"FunctionTimeout": "00:00:30"}, 30.0),
    ],
)
def test_the_time_of_an_invocation(host_json: dict[str, Any], seconds: float):
    assert function_timeout(host_json) == seconds


def test_half_of_the_invocations_may_wait_and_local_runs_stay_well_below_the_timeout():
    limits = host_limits({"functionTimeout": "00:01:00"}, {})
    assert (limits.held_at_most, limits.local_bound, limits.give_up_after) == (12, 15.0, 30.0)


def test_worker_processes_share_the_invocations_of_a_host():
    queues = {"extensions": {"queues": {"batchSize": 32, "newBatchThreshold": "16"}}}
    assert host_limits(queues, {"FUNCTIONS_WORKER_PROCESS_COUNT": "4"}).held_at_most == 6


def test_no_batch_is_so_small_that_nothing_may_wait():
    queues = {"extensions": {"queues": {"batchSize": 1, "newBatchThreshold": 0}}}
    assert host_limits(queues, {}).held_at_most == 1


def test_dynamic_concurrency_makes_batch_sizes_irrelevant():
    queues = {"batchSize": 1, "maxPollingInterval": "00:00:01"}
    host_json = {"extensions": {"queues": queues}, "concurrency": {"dynamicConcurrencyEnabled": True}}
    assert list(advice(host_json, [])) == []
