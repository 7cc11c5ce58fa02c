# bad: tasks that are kept and never used
@bp.orchestration_trigger(context_name="context")
def kept(context):
    pause = context.create_timer(context.current_utc_datetime)  # expect: DF201
    charged = context.call_sub_orchestrator("charge")  # expect: DF201
    [context.call_activity("tell", name) for name in context.get_input()]  # expect: DF201
    charged = yield context.call_activity("look")
    return charged


# bad: coroutines and generators that never begin
import asyncio


async def pack(context):
    await context.call_activity("pack")


def wrap(context):
    yield context.call_activity("wrap")


@bp.orchestration_trigger(context_name="context")
async def parcels(context):
    pack(context)  # expect: DF201
    asyncio.sleep(60)  # expect: DF201
    await context.call_activity("send")


@bp.orchestration_trigger(context_name="context")
def parcel(context):
    wrap(context)  # expect: DF201
    yield context.call_activity("send")


# good: what is stored, passed on or returned
import asyncio


def begin(context, name):
    return context.call_activity("work", name)


@bp.orchestration_trigger(context_name="context")
async def used(context):
    tasks = []
    for name in context.get_input():
        task = context.call_activity("work", name)
        tasks.append(task)
    tasks.append(begin(context, "last"))
    by_name = {"first": context.call_activity("work", "first")}
    timer = context.create_timer(context.current_utc_datetime)
    winner = await context.task_any([timer, *tasks, *by_name.values()])
    if winner is not timer:
        timer.cancel()
    background = asyncio.create_task(asyncio.sleep(60))
    background.cancel()
    return await context.task_all(tasks)


# good: nothing to wait for
@bp.orchestration_trigger(context_name="context")
def signals(context):
    counter = df.EntityId("counter", "c")
    context.signal_entity(counter, "add", 1)
    context.send_event("other", "Go")
    context.set_custom_status("sent")
    yield context.call_entity(counter, "get")
    context.continue_as_new(None)


# bad: values, coroutines and generators
import asyncio


def helper(context):
    yield context.call_activity("work")


@bp.orchestration_trigger(context_name="context")
def mixed(context):
    yield 1  # expect: DF202
    yield  # expect: DF202
    yield helper(context)  # expect: DF202
    yield asyncio.sleep(1)  # expect: DF202
    yield context.get_input()  # expect: DF202
    yield {"a": context.call_activity("work")}  # expect: DF202


@bp.orchestration_trigger(context_name="context")
async def awaited(context):
    await (context.call_activity("a"), context.call_activity("b"))  # expect: DF202
    await context.set_custom_status("done")  # expect: DF202
    await context.new_uuid()  # expect: DF202


# good: tasks from anywhere
def begin(context, name):
    return context.call_activity("work", name)


def numbers():
    yield 1
    yield 2


@bp.orchestration_trigger(context_name="context")
def tasks(context):
    one = begin(context, "one")
    yield one
    yield begin(context, "two")
    result = yield context.wait_for_external_event("Go")
    if result:
        yield context.call_activity("work", list(numbers()))
    with (yield context.lock([df.EntityId("a", "b")])):
        yield context.call_entity(df.EntityId("a", "b"), "get")
    yield context.send_event("other", "Go")


@bp.orchestration_trigger(context_name="context")
def nothing_to_wait_for(context):
    return context.get_input()
    yield


# bad: in a plain function and in a generator
@bp.orchestration_trigger(context_name="context")
def plain(context):
    return context.call_activity("ship")  # expect: DF203


@bp.orchestration_trigger(context_name="context")
def generated(context):
    yield context.call_activity("pack")
    task = context.task_all([context.call_activity("ship")])
    return task  # expect: DF203


# good: helpers may return tasks
import asyncio


def ship(context):
    return context.call_activity("ship")


@bp.orchestration_trigger(context_name="context")
async def order(context):
    async def label():
        return context.call_activity("label")

    shipped = ship(context)
    labelled = await label()
    shipped = await shipped
    return [shipped, await labelled]


# bad: a helper of the other style
async def charge(context):
    return await context.call_activity("charge")


def ship(context):
    yield context.call_activity("ship")


@bp.orchestration_trigger(context_name="context")
def generated(context):
    result = yield from charge(context)  # expect: DF204
    yield context.call_activity("keep", result)


@bp.orchestration_trigger(context_name="context")
async def awaited(context):
    await ship(context)  # expect: DF204


# good: helpers of the same style
async def charge(context):
    return await context.call_activity("charge")


def ship(context):
    return (yield context.call_activity("ship"))


@bp.orchestration_trigger(context_name="context")
def generated(context):
    return (yield from ship(context))


@bp.orchestration_trigger(context_name="context")
async def awaited(context):
    numbers = (number for number in range(3))

    def pairs():
        yield from zip(numbers, "abc")

    return [await charge(context), list(pairs())]


# bad: by its name, and in a generator
@bp.orchestration_trigger(context_name="context")
def order(context):
    try:
        yield context.call_activity("charge")
    except BaseException as error:  # expect: DF205
        context.set_custom_status(str(error))
    try:
        yield context.call_activity("ship")
    except (GeneratorExit, ValueError):  # expect: DF205
        pass


# good: it goes on, or nothing waits
import json


@bp.orchestration_trigger(context_name="context")
async def order(context):
    try:
        parsed = json.loads(context.get_input())
    except:
        parsed = {}
    try:
        await context.call_activity("charge", parsed)
    except BaseException:
        context.set_custom_status("failed")
        raise
    finally:
        await context.call_activity("close")
