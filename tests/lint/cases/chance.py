# bad: secrets, bytes and other sources of chance
import os
import secrets
from random import SystemRandom, shuffle

import numpy as np


@bp.orchestration_trigger(context_name="context")
def chances(context):
    token = secrets.token_hex(8)  # expect: DF002
    noise = os.urandom(4)  # expect: DF002
    sample = np.random.rand()  # expect: DF002
    order = [1, 2, 3]
    shuffle(order)  # expect: DF002
    dice = SystemRandom()  # expect: DF002
    yield context.call_activity("use", [token, noise.hex(), sample, order, dice.random()])


# bad: a generator without a seed
import random

import numpy


@bp.orchestration_trigger(context_name="context")
async def unseeded(context):
    ours = random.Random()  # expect: DF002
    theirs = numpy.random.default_rng()  # expect: DF002
    at_once = random.Random().random()  # expect: DF002
    seeded_at_once = random.Random(7).random()
    return await context.call_activity("use", [ours.random(), theirs.random(), at_once, seeded_at_once])


# good: generators that are seeded, and constants
import random
import string

import numpy as np


@bp.orchestration_trigger(context_name="context")
async def seeded(context):
    dice = random.Random(context.instance_id)
    noise = np.random.default_rng(seed=7)
    more = np.random.Generator(np.random.PCG64(7))
    return [dice.random(), noise.random(), more.random(), string.ascii_letters]


# good: chance in an activity
import random


@bp.activity_trigger(input_name="sides")
def roll(sides: int) -> int:
    return random.randint(1, sides)


@bp.orchestration_trigger(context_name="context")
async def play(context: df.DurableOrchestrationContext):
    random = context.random
    return [await context.call_activity(roll, 6), random.randint(1, 6)]


# bad: ids of clocks and machines
from uuid import getnode, uuid1


@bp.orchestration_trigger(context_name="context")
def number(context):
    yield context.call_activity("place", [str(uuid1()), getnode()])  # expect: DF003, DF003


# good: ids that are computed
import uuid


@bp.orchestration_trigger(context_name="context")
async def derived(context):
    parent = uuid.UUID(context.get_input())
    child = uuid.uuid5(uuid.NAMESPACE_URL, context.instance_id)
    return [str(parent), str(child), str(context.new_guid())]
