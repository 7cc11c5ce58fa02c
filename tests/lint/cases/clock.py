# bad: however it is imported
import datetime as dt
import time
from datetime import date as day
from time import monotonic


@bp.orchestration_trigger(context_name="context")
def measure(context):
    began = time.time()  # expect: DF001
    today = day.today()  # expect: DF001
    now = dt.datetime.utcnow()  # expect: DF001
    yield context.call_activity("work", [str(today), str(now)])
    return time.perf_counter() - began + monotonic()  # expect: DF001, DF001


# bad: clocks of libraries
import arrow
import pandas as pd
import pendulum
from django.utils import timezone


@bp.orchestration_trigger(context_name="context")
async def clocks(context):
    times = [pd.Timestamp.now(), arrow.utcnow(), pendulum.now("UTC"), timezone.now()]  # expect: DF001, DF001, DF001, DF001
    await context.call_activity("keep", [str(moment) for moment in times])


# bad: in a helper that the orchestrator calls
from datetime import datetime, timedelta


def deadline():
    return datetime.utcnow() + timedelta(days=1)  # expect: DF001


@bp.orchestration_trigger(context_name="context")
def wait(context):
    yield context.create_timer(deadline())


# bad: a clock that is handed on
import time
from dataclasses import dataclass, field


@bp.orchestration_trigger(context_name="context")
async def stamps(context):
    stamped = map(time.strftime, ["%H", "%M"])  # expect: DF001
    return await context.call_activity("print_label", list(stamped))


# good: times that are computed, and clocks of activities
import time
from datetime import datetime, timedelta, timezone


@bp.orchestration_trigger(context_name="context")
async def fixed(context):
    opening = datetime(2026, 1, 1, tzinfo=timezone.utc)
    parsed = datetime.fromisoformat(context.get_input())
    text = time.strftime("%H:%M", context.current_utc_datetime.timetuple())
    await context.create_timer(max(opening, parsed) + timedelta(hours=1))
    return text


@bp.activity_trigger(input_name="job")
def measure(job: str) -> float:
    began = time.perf_counter()
    return time.perf_counter() - began + datetime.now().timestamp()


# good: names that only look like a clock
@bp.orchestration_trigger(context_name="context")
async def named(context):
    time = context.current_utc_datetime
    datetime = {"now": time}
    now = datetime["now"]
    return [time.time().isoformat(), now.isoformat()]


# good: the loop's own time
import asyncio


@bp.orchestration_trigger(context_name="context")
async def patient(context):
    end = asyncio.get_running_loop().time() + 3600
    async with asyncio.timeout_at(end):
        return await context.wait_for_external_event("Go")
