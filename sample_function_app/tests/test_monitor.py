"""Monitor: how often it looks, when it gives up, and that a process may die between two looks."""

from datetime import timedelta

import pytest

from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer
from sample_function_app.monitor import Watch, status_of, wait_for_website

SITE = Watch("https://example.test")


def test_a_minute_passes_between_two_looks() -> None:
    step = OrchestratorPlayer(wait_for_website, SITE)
    step.complete(status_of, 503)
    [pause] = step.pending
    assert pause.due == step.now + timedelta(minutes=1)
    step.fire_timer()
    step.complete(status_of, 200)
    assert step.output == {"up": True, "looks": 2}


def test_it_gives_up_when_the_time_is_over(durable_sync_env: DurableTestSyncEnvironment) -> None:
    durable_sync_env.activity(status_of).returns(0)
    assert durable_sync_env.start(wait_for_website, SITE).result() == {"up": False, "looks": 60}


def test_a_year_of_daily_looks_takes_no_time(durable_sync_env: DurableTestSyncEnvironment) -> None:
    looks = durable_sync_env.activity(status_of).returns(503)
    year = Watch("https://example.test", every_seconds=24 * 3600, for_minutes=365 * 24 * 60)
    assert not durable_sync_env.start(wait_for_website, year).result()["up"]
    assert len(looks.received) == 365


def test_processes_that_die_at_every_look_cost_no_look(durable_sync_env: DurableTestSyncEnvironment) -> None:
    durable_sync_env.activity(status_of).returns(503, times=4).returns(200)
    watching = durable_sync_env.start(wait_for_website, SITE)
    for _ in range(3):
        durable_sync_env.skip(timedelta(seconds=61))
        durable_sync_env.crash()
        durable_sync_env.restart()
    assert watching.result() == {"up": True, "looks": 5}


def test_only_addresses_of_the_web_are_opened() -> None:
    with pytest.raises(ValueError, match="is not a web address"):
        status_of("file:///etc/hostname")
