"""Eternal orchestration: its rounds, its end, and the timer function that keeps one of it alive."""

from datetime import timedelta

from azure_durable_py.testing import DurableTestSyncEnvironment, OrchestratorPlayer
from sample_function_app.cleanup import (
    SINGLETON,
    clean_up_forever,
    ensure_cleanup_runs,
    forget_finished,
)


def test_a_round_carries_on_what_was_forgotten() -> None:
    step = OrchestratorPlayer(clean_up_forever, {"forgotten": 5})
    step.complete(forget_finished, 2)
    step.fire_timer()
    assert step.next_input["forgotten"] == 7


def test_it_forgets_what_is_old_and_stops_when_told(durable_sync_env: DurableTestSyncEnvironment) -> None:
    for number in range(3):
        durable_sync_env.start("hello_cities", instance_id=f"old-{number}").result()
    cleanup = durable_sync_env.start(clean_up_forever, {"older_than_days": 0.1}, instance_id=SINGLETON)
    cleanup.wait_for_custom_status({"forgotten": 3})
    assert durable_sync_env.client.get_status_by(instance_id_prefix="old-") == []
    cleanup.raise_event("Stop")
    assert cleanup.result() == 3


def test_a_month_of_rounds_keeps_a_short_history(durable_sync_env: DurableTestSyncEnvironment) -> None:
    rounds = durable_sync_env.activity(forget_finished).returns(1)
    cleanup = durable_sync_env.start(clean_up_forever)
    durable_sync_env.skip(timedelta(days=30, minutes=1))
    assert len(rounds.received) == 30 * 24 + 1
    assert len(cleanup.history()) < 10


def test_no_round_is_lost_when_the_process_dies(durable_sync_env: DurableTestSyncEnvironment) -> None:
    durable_sync_env.activity(forget_finished).returns(1)
    durable_sync_env.crash_after(forget_finished, times=2)
    cleanup = durable_sync_env.start(clean_up_forever)
    cleanup.wait_for_custom_status({"forgotten": 5})


def test_the_timer_function_keeps_one_of_it_alive(durable_sync_env: DurableTestSyncEnvironment) -> None:
    durable_sync_env.fire(ensure_cleanup_runs)
    first = durable_sync_env.handle(SINGLETON).wait_for_start()
    durable_sync_env.fire(ensure_cleanup_runs, past_due=True)
    assert durable_sync_env.handle(SINGLETON).status().created_time == first.created_time
    durable_sync_env.handle(SINGLETON).terminate("maintenance")
    durable_sync_env.run_timers()
    durable_sync_env.skip(timedelta(hours=1))
    assert durable_sync_env.handle(SINGLETON).status().created_time > first.created_time
