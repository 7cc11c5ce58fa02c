"""Eternal orchestration: forget finished instances, again and again, until told to stop.

`continue_as_new` starts over with an empty history, so that years of rounds stay small. A timer
trigger keeps exactly one such instance alive: its id is fixed, and starting it while it runs is
refused.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

import azure.functions as func

import azure_durable_py as df

bp = df.Blueprint()
logger = logging.getLogger(__name__)
SINGLETON = "cleanup"


@dataclass
class Cleanup:
    """Input: how often to clean up, and what is old. `forgotten` is carried from round to round."""

    every_minutes: float = 60
    older_than_days: float = 30
    forgotten: int = 0


@bp.orchestration_trigger(context_name="context", input_type=Cleanup)
async def clean_up_forever(context: df.DurableOrchestrationContext) -> int | None:
    """Clean up at intervals; the external event `Stop` ends it."""
    plan: Cleanup = context.get_input() or Cleanup()
    before = context.current_utc_datetime - timedelta(days=plan.older_than_days)
    forgotten = plan.forgotten + await context.call_activity(forget_finished, before.isoformat())
    context.set_custom_status({"forgotten": forgotten})

    stop = context.wait_for_external_event("Stop")
    next_round = context.create_timer(timedelta(minutes=plan.every_minutes))
    if await context.task_any([stop, next_round]) is stop:
        next_round.cancel()
        return forgotten
    context.continue_as_new(replace(plan, forgotten=forgotten))
    return None


# An activity may use the client, as any function may.
@bp.activity_trigger(input_name="before")
@bp.durable_client_input(client_name="client")
async def forget_finished(before: str, client: df.DurableOrchestrationClient) -> int:
    """Delete the finished instances that were created before a time; returns how many there were."""
    long_ago = datetime(2000, 1, 1, tzinfo=timezone.utc)
    purged = await client.purge_instance_history_by(long_ago, datetime.fromisoformat(before))
    return purged.instances_deleted


@bp.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
@bp.durable_client_input(client_name="client")
async def ensure_cleanup_runs(timer: func.TimerRequest, client: df.DurableOrchestrationClient) -> None:
    """Every hour, start the one instance that cleans up, unless it runs."""
    try:
        await client.start_new(clean_up_forever, SINGLETON)
    except df.InstanceAlreadyExistsError:
        logger.debug("The cleanup runs (timer past due: %s).", timer.past_due)
