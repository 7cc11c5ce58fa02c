# bad: an orchestrator that keeps state in its module
seen = []
totals = {}
count = 0


@bp.orchestration_trigger(context_name="context")
def remember(context):
    global count
    count += 1  # expect: DF005
    seen.append(context.instance_id)  # expect: DF005
    totals["all"] = len(seen)  # expect: DF005
    yield context.call_activity("work")


# bad: a cache that activities fill
prices = {}


@bp.activity_trigger(input_name="name")
def look_up(name: str) -> int:
    prices[name] = len(name)
    return prices[name]


@bp.orchestration_trigger(context_name="context")
async def buy(context):
    if "tea" not in prices:  # expect: DF005
        await context.call_activity(look_up, "tea")
    return await context.call_activity("pay", "tea")


# good: what changes comes from an activity
rate = 1.0


@bp.activity_trigger(input_name="value")
def set_rate(value: float) -> None:
    global rate
    rate = value


@bp.activity_trigger(input_name="nothing")
def get_rate(nothing: None) -> float:
    return rate


@bp.orchestration_trigger(context_name="context")
async def convert(context):
    current = await context.call_activity(get_rate)
    return await context.call_activity("book", context.get_input() * current)


# bad: what changes as it is used
import asyncio
import itertools

lock = asyncio.Lock()
numbers = itertools.count()


@bp.orchestration_trigger(context_name="context")
async def one_at_a_time(context):
    async with lock:  # expect: DF005
        return await context.call_activity("work", next(numbers))  # expect: DF005


# good: tables that nothing changes
from datetime import timedelta

LEVELS = ["lead", "head"]
LIMITS = {"lead": 100}
LIMITS["head"] = 1000
RETRY = df.RetryOptions(5000, 3)
WAIT = timedelta(days=1)


@bp.orchestration_trigger(context_name="context")
async def approve(context):
    for level in LEVELS:
        if await context.call_activity_with_retry("ask", RETRY, [level, LIMITS[level]]):
            return level
    await context.create_timer(WAIT)


# good: a registry that decorators fill at import
STEPS = {}


def step(function):
    STEPS[function.__name__] = function
    return function


@step
def double(value):
    return value * 2


@bp.orchestration_trigger(context_name="context")
async def run_steps(context):
    value = context.get_input()
    for name in sorted(STEPS):
        value = STEPS[name](value)
    return await context.call_activity("keep", value)


# good: a local variable of the same name
found = []


@bp.activity_trigger(input_name="item")
def find(item: str) -> int:
    found.append(item)
    return len(found)


@bp.orchestration_trigger(context_name="context")
async def collect(context):
    found = []
    for item in context.get_input():
        found.append(await context.call_activity(find, item))
    return found


# bad: state of an enclosing function
def make(app):
    runs = 0
    seen = []

    @app.orchestration_trigger(context_name="context")
    async def counted(context):
        nonlocal runs
        runs += 1  # expect: DF006
        seen.append(context.instance_id)  # expect: DF006
        return await context.call_activity("work", runs)

    return counted


# bad: a default value that is shared by all calls
def collect(value, found=[]):
    found.append(value)  # expect: DF006
    return found


@bp.orchestration_trigger(context_name="context")
def gather(context):
    first = yield context.call_activity("one")
    return collect(first)


# bad: attributes of functions and classes
class Progress:
    done = 0


@bp.orchestration_trigger(context_name="context")
async def step(context):
    Progress.done += 1  # expect: DF006
    step.runs = 1  # expect: DF006
    return await context.call_activity("work")


# good: attributes of what the orchestrator defines itself
@bp.orchestration_trigger(context_name="context")
async def counted(context):
    def step():
        step.runs += 1

    step.runs = 0

    class Progress:
        done = 0

    Progress.done = 1
    step()
    return await context.call_activity("work", [step.runs, Progress.done])


# good: state within one orchestration
import asyncio


@bp.orchestration_trigger(context_name="context")
async def crawl(context):
    found = []
    left = 3

    async def work(page):
        nonlocal left
        found.append(await context.call_activity("fetch", page))
        left -= 1

    await asyncio.gather(*(work(page) for page in context.get_input()))
    return [left, found]


# good: defaults that are not changed
def total(values, factors=[1, 2], extra=None):
    extra = extra or []
    extra.append(0)
    return sum(value * factor for value, factor in zip(values, factors)) + sum(extra)


@bp.orchestration_trigger(context_name="context")
async def summed(context):
    return total(await context.call_activity("values"))


# bad: variables of another module
import settings
from cache import prices


@bp.activity_trigger(input_name="name")
def look_up(name: str) -> int:
    prices[name] = len(name)
    return prices[name]


@bp.orchestration_trigger(context_name="context")
async def buy(context):
    settings.count += 1  # expect: DF005
    settings.seen.append(context.instance_id)  # expect: DF005
    return await context.call_activity(settings.chosen, prices.get("tea"))  # expect: DF005, DF005
# file: settings.py
count = 0
seen = []
chosen = "look_up"


def choose(name):
    global chosen
    chosen = name
# file: cache.py
prices = {}


# good: constants of another module
import settings
from cache import prices


@bp.orchestration_trigger(context_name="context")
async def buy(context):
    settings_of_order = {**settings.DEFAULTS}
    settings_of_order["name"] = "tea"
    return await context.call_activity(settings.CHOSEN, [prices["tea"], settings_of_order])
# file: settings.py
CHOSEN = "look_up"
DEFAULTS = {"name": "cups"}
# file: test_settings.py
import settings


def test_other_activities():
    settings.CHOSEN = "another"
# file: cache.py
prices = {"tea": 3}


def fill(prices):
    prices["cups"] = 4
    return prices
