# bad: what the process or the machine is
import locale
import os
import platform
import socket
from os import getenv


@bp.orchestration_trigger(context_name="context")
def where(context):
    place = [os.getcwd(), platform.node(), socket.gethostname(), os.getpid()]  # expect: DF004, DF004, DF004, DF004
    region = getenv("REGION_NAME") or os.environ["REGION"]  # expect: DF004, DF004
    language = locale.getlocale()  # expect: DF004
    yield context.call_activity("tell", [place, region, language])


# good: the environment, read once by whoever starts it
import os

import azure.functions as func


@bp.orchestration_trigger(context_name="context")
async def charge(context):
    order = context.get_input()
    return await context.call_activity(order["bank"], order)


@bp.route(route="charge")
@bp.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client):
    await client.start_new("charge", client_input={"bank": os.environ["BANK"]})
    return func.HttpResponse(status_code=202)


# good: parts of os that only compute
import os
import sys


@bp.orchestration_trigger(context_name="context")
async def name_of(context):
    path = os.path.join("in", os.path.basename(context.get_input()))
    assert sys.version_info >= (3, 10)
    return await context.call_activity("read", path + os.sep)


# good: constants that were read when the module was imported
import os

BATCH = int(os.environ.get("BATCH", "10"))


@bp.orchestration_trigger(context_name="context")
async def batches(context):
    return await context.call_activity("work", BATCH)


# good: a local value with a telling name
@bp.orchestration_trigger(context_name="context")
async def deploy(context):
    environ = context.get_input()["environ"]
    platform = environ.get("platform")
    return await context.call_activity("deploy", platform.upper())
