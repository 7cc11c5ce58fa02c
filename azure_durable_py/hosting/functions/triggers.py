"""The functions that the package adds to an app: triggers on the hub's queues, and the management API.

Owns their names, as `func start` lists them. No postponed annotations here: the worker reads the
annotations of what it indexes.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import azure.functions as func
from azure.functions.decorators.function_app import Function

from azure_durable_py.hosting.functions.addresses import MOUNT
from azure_durable_py.hosting.functions.host import FunctionsHost
from azure_durable_py.taskhub.naming import QueueNames, poison_queue
from azure_durable_py.worker.intake.invocations import Invocations

Handler = Callable[[Invocations, str, int], Awaitable[None]]


def queue_functions(host: FunctionsHost) -> list[Function]:
    """The functions by which a host drives a task hub."""
    settings = host.settings
    names = QueueNames(settings.hub_name, settings.instance_queue_count)
    app = func.FunctionApp()
    for number, queue in enumerate(names.instances, 1):
        suffix = "" if len(names.instances) == 1 else f"_{number:02d}"
        _add_queue(app, host, f"durable_instances{suffix}", queue, _doorbell)
        _add_queue(app, host, f"durable_instances{suffix}_poison", poison_queue(queue), _poisoned_doorbell)
    _add_queue(app, host, "durable_activities", names.activities, _work_item)
    _add_queue(app, host, "durable_activities_poison", poison_queue(names.activities), _poisoned_work_item)
    return [builder.build() for builder in app._function_builders]  # pyright: ignore[reportPrivateUsage]


def management_functions(host: FunctionsHost) -> list[Function]:
    """The function that answers the management API."""
    # The keys in signed URLs guard it; a function key would guard nothing more.
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    # No annotations: in an app that streams HTTP, requests are of another type.
    async def durable_management(req):  # type: ignore[no-untyped-def]
        return await host.manage(req)

    route: Any = app.route(route=f"{MOUNT}/{{*path}}", methods=["GET", "POST", "DELETE"])
    route(durable_management)
    return app.get_functions()


async def _doorbell(invocations: Invocations, body: str, dequeue_count: int) -> None:
    await invocations.deliver_doorbell(body, dequeue_count)


async def _work_item(invocations: Invocations, body: str, dequeue_count: int) -> None:
    await invocations.run_work_item(body, dequeue_count)


async def _poisoned_doorbell(invocations: Invocations, body: str, dequeue_count: int) -> None:  # noqa: ARG001
    await invocations.put_back_doorbell(body)


async def _poisoned_work_item(invocations: Invocations, body: str, dequeue_count: int) -> None:  # noqa: ARG001
    await invocations.put_back_work_item(body)


def _add_queue(app: Any, host: FunctionsHost, name: str, queue: str, handle: Handler) -> None:
    async def take(message: func.QueueMessage) -> None:
        invocations = await host.invocations()
        body = message.get_body().decode("utf-8", "replace")
        # A count that the host does not tell counts as a second delivery.
        await handle(invocations, body, message.dequeue_count or 2)

    take.__name__ = take.__qualname__ = name
    app.queue_trigger(arg_name="message", queue_name=queue, connection=host.settings.connection_name)(take)
