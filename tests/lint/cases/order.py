# bad: sets that become lists
@bp.orchestration_trigger(context_name="context")
def fan_out(context):
    names = list({name.lower() for name in context.get_input()})  # expect: DF007
    tasks = [context.call_activity("work", name) for name in frozenset(names)]  # expect: DF007
    first = next(iter({"a", "b"} | set(names)))  # expect: DF007
    yield context.task_all(tasks)
    return first


# bad: any one of a set
@bp.orchestration_trigger(context_name="context")
async def one_after_the_other(context):
    left = {"red", "green"}
    while left:
        await context.call_activity("paint", left.pop())  # expect: DF007


# good: sets whose order nobody sees
@bp.orchestration_trigger(context_name="context")
async def count(context):
    names = set(context.get_input())
    known = {"tea", "cups"}
    lengths = sum(len(name) for name in names)
    if names & known and "tea" in names and all(name.islower() for name in names):
        names.discard("tea")
    # A set is written in a sorted order, and a recorded input stays as it was.
    await context.call_activity("keep", names)
    await context.call_activity("keep", {"names": list(names), "known": [*known]})
    return [len(names), lengths, max(known), sorted(list(names))]


# good: lists that are sorted in the end
def days(blobs):
    found = {blob.split("/")[0] for blob in blobs}
    long = [day for day in found if len(day) > 3]
    parts = [{"day": day} for day in long]
    parts.sort(key=lambda part: part["day"])
    return parts


@bp.orchestration_trigger(context_name="context")
async def backfill(context):
    for part in days(context.get_input()):
        await context.call_activity("fill", part)


# good: sets of numbers, and of tasks
import asyncio


@bp.orchestration_trigger(context_name="context")
async def first_of_all(context):
    for number in {1, 2, 3}:
        await context.call_activity("work", number)
    pending = {asyncio.create_task(wait(context, name)) for name in context.get_input()}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await context.call_activity("keep", task.result())


async def wait(context, name):
    return await context.wait_for_external_event(name)


# good: dicts keep their order
@bp.orchestration_trigger(context_name="context")
async def in_order(context):
    answers = {}
    for name in dict.fromkeys(context.get_input()):
        answers[name] = await context.call_activity("ask", name)
    for name, answer in answers.items():
        await context.call_activity("keep", [name, answer])


# bad: hashes and addresses differ from process to process
@bp.orchestration_trigger(context_name="context")
async def shard(context):
    order = context.get_input()
    number = hash(order["id"]) % 4  # expect: DF008
    return await context.call_activity("store", [number, id(order)])  # expect: DF008


# good: a digest is always the same
import hashlib


@bp.orchestration_trigger(context_name="context")
async def shard(context):
    order = context.get_input()
    number = int(hashlib.sha256(order["id"].encode()).hexdigest(), 16) % 4
    return await context.call_activity("store", number)


# bad: in a generator
@bp.orchestration_trigger(context_name="context")
def lottery(context):
    entries = yield context.call_activity("entries")
    entries.sort(key=hash)  # expect: DF008
    return entries[0]


# good: an id of one's own, and numbers as hash
@bp.orchestration_trigger(context_name="context")
async def named(context):
    id = context.get_input()["id"]

    def hash(text):
        return len(text)

    return await context.call_activity("store", [id, hash(id)])
