# bad: files
import os
import shutil
from pathlib import Path


@bp.orchestration_trigger(context_name="context")
def files(context):
    with open("orders.csv") as file:  # expect: DF101
        orders = file.read()
    more = Path("more.csv").read_text()  # expect: DF101
    names = os.listdir(".")  # expect: DF101
    shutil.copy("a", "b")  # expect: DF101
    exists = os.path.exists("a")  # expect: DF101
    yield context.call_activity("work", [orders, more, names, exists])


# bad: services and databases
import sqlite3
import urllib.request

import boto3
import httpx
from azure.storage.blob import BlobServiceClient
from sqlalchemy import create_engine


@bp.orchestration_trigger(context_name="context")
async def services(context):
    async with httpx.AsyncClient() as http:  # expect: DF101
        answer = await http.get("https://example.com")
    blobs = BlobServiceClient.from_connection_string("...")  # expect: DF101
    engine = create_engine("sqlite://")  # expect: DF101
    rows = sqlite3.connect("orders.db").execute("select 1").fetchall()  # expect: DF101
    bucket = boto3.client("s3")  # expect: DF101
    page = urllib.request.urlopen("https://example.com").read()  # expect: DF101
    await context.call_activity("work", [answer.text, rows, page.decode(), str(blobs), str(engine), str(bucket)])


# bad: a client that the module has
import redis

cache = redis.Redis()


@bp.orchestration_trigger(context_name="context")
async def cached(context):
    price = cache.get("price")  # expect: DF101
    return await context.call_activity("pay", price)


# bad: in a helper
def load(name):
    with open(name) as file:  # expect: DF101
        return file.read()


@bp.orchestration_trigger(context_name="context")
async def helped(context):
    return await context.call_activity("work", load("settings.txt"))


# good: I/O in activities
import requests
from azure.storage.blob import BlobServiceClient


@bp.activity_trigger(input_name="name")
def load(name: str) -> str:
    BlobServiceClient.from_connection_string("...")
    with open(name) as file:
        return file.read() + requests.get("https://example.com").text


@bp.orchestration_trigger(context_name="context")
async def work(context):
    return await context.call_activity(load, "settings.txt")


# good: only text
import io
import json
import os.path
import zipfile
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlencode

import pandas as pd
import requests
from azure.storage.blob import BlobType
from sqlalchemy.exc import OperationalError


@bp.orchestration_trigger(context_name="context")
async def texts(context):
    rows = pd.read_json(io.StringIO(context.get_input())).to_dict()
    names = zipfile.ZipFile(io.BytesIO(b"...")).namelist()
    path = Path("in") / PurePosixPath(context.get_input()).name
    address = "https://example.com/?" + urlencode({"q": quote(path.suffix)})
    try:
        await context.call_activity("fetch", [json.dumps(address), os.path.join("a", "b"), BlobType.BLOCKBLOB])
    except (requests.HTTPError, OperationalError):
        return None
    return [path.with_suffix(".txt").as_posix(), rows, names]


# good: methods that are called like those of files
class Store:
    def open(self, name):
        return name

    def read_text(self):
        return ""


@bp.orchestration_trigger(context_name="context")
async def stores(context):
    store = Store()
    return await context.call_activity("work", [store.open("a"), store.read_text()])


# good: entities may do I/O
import requests


@bp.entity_trigger(context_name="context")
def rate(context):
    context.set_state(requests.get("https://example.com").json())


# bad: in a generator, by another name
from time import sleep as pause


@bp.orchestration_trigger(context_name="context")
def generated(context):
    pause(1)  # expect: DF102
    yield context.call_activity("work")


# good: asyncio.sleep is a durable timer here
import asyncio
import time


@bp.orchestration_trigger(context_name="context")
async def slow(context):
    await asyncio.sleep(3600)
    return await context.call_activity("nap", 1)


@bp.activity_trigger(input_name="seconds")
def nap(seconds: int) -> None:
    time.sleep(seconds)


# bad: subprocesses
import subprocess
from os import system


@bp.orchestration_trigger(context_name="context")
async def shell(context):
    subprocess.run(["ls"], check=True)  # expect: DF103
    system("ls")  # expect: DF103
    return await context.call_activity("work")


# bad: threads
import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor


@bp.orchestration_trigger(context_name="context")
async def parallel(context):
    threading.Thread(target=print).start()  # expect: DF103
    with ThreadPoolExecutor() as pool:  # expect: DF103
        numbers = list(pool.map(abs, [1, -2]))
    done = await asyncio.to_thread(sum, numbers)  # expect: DF103
    more = await asyncio.get_running_loop().run_in_executor(None, sum, numbers)  # expect: DF103
    return await context.call_activity("work", [done, more])


# good: many activities at once
@bp.orchestration_trigger(context_name="context")
async def parallel(context):
    return await context.task_all([context.call_activity("absolute", number) for number in (1, -2)])


# bad: processes and locks of threads
import multiprocessing
from threading import Lock


@bp.orchestration_trigger(context_name="context")
def processes(context):
    with Lock():  # expect: DF103
        worker = multiprocessing.Process(target=print)  # expect: DF103
    yield context.call_activity("work", str(worker))


# good: what asyncio has instead
import asyncio


@bp.orchestration_trigger(context_name="context")
async def locked(context):
    lock, queue = asyncio.Lock(), asyncio.Queue()

    async def work(name):
        async with lock:
            await queue.put(await context.call_activity("work", name))

    await asyncio.gather(*(work(name) for name in ("a", "b")))
    return [queue.get_nowait(), queue.get_nowait()]


# bad: other ways to wait
import asyncio
import concurrent.futures

import trio


@bp.orchestration_trigger(context_name="context")
async def foreign(context):
    loop = asyncio.new_event_loop()  # expect: DF104
    loop.run_until_complete(asyncio.sleep(1))  # expect: DF104
    asyncio.run_coroutine_threadsafe(asyncio.sleep(1), loop)  # expect: DF104
    concurrent.futures.wait([])  # expect: DF104
    await trio.sleep(1)  # expect: DF104
    return await context.call_activity("work")


# good: all that asyncio makes of tasks of the context
import asyncio


@bp.orchestration_trigger(context_name="context")
async def asyncio_does(context):
    await asyncio.gather(context.call_activity("a"), context.call_activity("b"))
    await asyncio.wait_for(context.call_activity("c"), timeout=60)
    await asyncio.wait([asyncio.ensure_future(context.call_activity("d"))])
    async with asyncio.TaskGroup() as group:
        group.create_task(context.call_activity("e"))
    for next_one in asyncio.as_completed([context.call_activity("f")]):
        await next_one
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_later(60, done.set_result, None)
    return await asyncio.shield(done)


# bad: a client in an orchestrator
@bp.orchestration_trigger(context_name="context")
async def parent(context, client: df.DurableOrchestrationClient = None):
    await client.start_new("child")  # expect: DF105
    return await context.call_activity("work")


# good: a sub-orchestration, an event, a signal
@bp.orchestration_trigger(context_name="context")
async def parent(context):
    context.send_event(context.get_input(), "Started")
    context.signal_entity(df.EntityId("counter", "c"), "add", 1)
    await context.call_sub_orchestrator("child")
    return await context.call_activity("work")


# bad: a client of a connection string
@bp.orchestration_trigger(context_name="context")
@bp.durable_client_input(client_name="client")  # expect: DF105
def other(context):
    own = df.DurableOrchestrationClient.from_connection_string("...")  # expect: DF105
    yield context.call_activity("work", str(own))


# good: clients everywhere else
import azure.functions as func


@bp.activity_trigger(input_name="name")
@bp.durable_client_input(client_name="client")
async def start(name: str, client: df.DurableOrchestrationClient) -> str:
    return await client.start_new(name)


@bp.orchestration_trigger(context_name="context")
async def parent(context):
    client = {"name": "Ada"}
    return await context.call_activity(start, client.get("name"))


# bad: log lines that come again with each replay
import logging

logger = logging.getLogger(__name__)


@bp.orchestration_trigger(context_name="context")
async def told(context):
    logging.info("started")  # expect: DF106
    result = await context.call_activity("work")
    logger.warning("done: %s", result)  # expect: DF106
    print("done")  # expect: DF106
    for name in result:
        print(name)  # expect: DF106
        await context.call_activity("tell", name)


# good: the logger of the context
import logging

logger = logging.getLogger(__name__)


@bp.orchestration_trigger(context_name="context")
async def told(context):
    log = context.create_replay_safe_logger(logger)
    context.logger.info("started")
    result = await context.call_activity("work")
    log.warning("done: %s", result)
    return result


# bad: in a helper, and with a logger made on the spot
import logging


def tell(text):
    logging.getLogger("shop").info(text)  # expect: DF106


@bp.orchestration_trigger(context_name="context")
def helped(context):
    tell("started")
    yield context.call_activity("work")
    if context.is_replaying:
        print("again")  # expect: DF106
    try:
        print("trying")  # expect: DF106
        yield context.call_activity("work")
    except df.TaskFailedError:
        print("failed")  # expect: DF106
    yield context.call_activity("more")


# good: behind the last wait, where no replay comes
import logging


@bp.orchestration_trigger(context_name="context")
async def told_once(context):
    try:
        result = await context.call_activity("work")
    except df.TaskFailedError as error:
        logging.error("failed: %s", error)
        raise
    if not result:
        logging.warning("nothing was done")
    else:
        for name in result:
            print(name)
    return logging.info("done")


# good: guarded by hand, and in activities
import logging


@bp.orchestration_trigger(context_name="context")
def guarded(context):
    if not context.is_replaying:
        logging.info("started")
    result = yield context.call_activity("work")
    if context.get_input() and not context.is_replaying:
        print("done")
    if context.is_replaying is False:
        logging.info("done")
    level = logging.INFO
    return [result, level, logging.getLevelName(level)]


@bp.activity_trigger(input_name="nothing")
def work(nothing) -> None:
    logging.info("working")
    print("working")


# bad: in a generator, renamed, and async
@bp.activity_trigger(input_name="amount", activity="charge_card")
async def charge(amount: int) -> int:
    return amount


@bp.orchestration_trigger(context_name="context")
async def pay(context):
    await context.call_activity("charge_card", 1)
    return await charge(2)  # expect: DF107


# good: helpers, and orchestrators within orchestrators
def total(values):
    return sum(values)


@bp.orchestration_trigger(context_name="context")
def inner(context):
    return (yield context.call_activity("values"))


@bp.orchestration_trigger(context_name="context")
def outer(context):
    values = yield from inner(context)
    return total(values)


# good: modules of one's own with names of others
from platform_names import platform
from queue_of_ours import redis


@bp.orchestration_trigger(context_name="context")
async def ours(context):
    return await context.call_activity("work", [platform.node(), redis.Redis().get("a")])
# file: platform_names.py
import redis as platform
# file: queue_of_ours.py
import redis
# file: redis.py
def node():
    return "ours"


class Redis:
    def get(self, name):
        return name
