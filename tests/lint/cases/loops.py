# bad: without anything to wait for
import itertools


@bp.orchestration_trigger(context_name="context")
def spin(context):
    yield context.call_activity("begin")
    while 1:  # expect: DF401
        context.set_custom_status("spinning")


@bp.orchestration_trigger(context_name="context")
async def count(context):
    for number in itertools.count():  # expect: DF401
        await context.call_activity("work", number)


# good: loops that end
@bp.orchestration_trigger(context_name="context")
async def until_it_is_done(context):
    while True:
        if await context.call_activity("look") == "done":
            return True
        await context.create_timer(context.current_utc_datetime)


@bp.orchestration_trigger(context_name="context")
def until_it_breaks(context):
    while True:
        answer = yield context.call_activity("look")
        for part in answer:
            if part == "skip":
                break
        if answer:
            break
    while not answer:
        answer = yield context.call_activity("look")


@bp.orchestration_trigger(context_name="context")
async def until_it_fails(context):
    while True:
        answer = await context.call_activity("look")
        if answer is None:
            raise ValueError("there is nothing")


# bad: events without end
@bp.orchestration_trigger(context_name="context")
def listen(context):
    total = 0
    while True:  # expect: DF402
        total += yield context.wait_for_external_event("Add")
        context.set_custom_status(total)
        for limit in (10, 100):
            if total < limit:
                break


# good: a loop that continues as new, and workers that are dropped at the end
import asyncio
from datetime import timedelta


@bp.orchestration_trigger(context_name="context")
async def rounds(context):
    count = 0
    while True:
        await context.call_activity("look")
        await context.create_timer(timedelta(hours=1))
        count += 1
        if count == 100:
            context.continue_as_new(None)


@bp.orchestration_trigger(context_name="context")
async def workers(context):
    queue = asyncio.Queue()

    async def work():
        while True:
            await context.call_activity("work", await queue.get())
            queue.task_done()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await queue.join()
    return len(tasks)


@bp.orchestration_trigger(context_name="context")
async def for_a_day(context):
    async with asyncio.timeout(86400):
        while True:
            await context.call_activity("look")
            await asyncio.sleep(3600)


@bp.orchestration_trigger(context_name="context")
async def until_there_is_no_page(context):
    number = 0
    try:
        while True:
            await context.call_activity("page", number)
            number += 1
    except df.TaskFailedError:
        return number


def numbers():
    number = 0
    while True:
        yield number
        number += 1


@bp.orchestration_trigger(context_name="context")
async def numbered(context):
    for number, name in zip(numbers(), context.get_input()):
        await context.call_activity("work", [number, name])
