"""Which ordinary functions of an app run without a Functions host."""

from __future__ import annotations

import azure.functions as func

import azure_durable_py as df
from azure_durable_py.triggers.functions import LeftOut, sort_functions


class Request:
    """As FastAPI's."""


Request.__module__ = "starlette.requests"


def test_what_needs_a_functions_host_is_left_out_with_the_reason():
    app = df.DFApp()

    @app.route(route="plain")
    def plain(req: func.HttpRequest) -> str:
        return ""

    @app.route(route="stream")
    async def stream(req: Request) -> str:
        return ""

    @app.route(route="queued")
    @app.queue_output(arg_name="message", queue_name="q", connection="C")
    def queued(req: func.HttpRequest, message: func.Out[str]) -> str:
        return ""

    @app.timer_trigger(arg_name="timer", schedule="0 0 * * * *")
    @app.blob_input(arg_name="blob", path="p", connection="C")
    def read(timer: func.TimerRequest, blob: str) -> None: ...

    @app.queue_trigger(arg_name="message", queue_name="q", connection="C")
    def take(message: func.QueueMessage) -> None: ...

    functions = sort_functions(app, "api", {})
    assert [each.name for each in functions.http] == ["plain"]
    assert functions.left_out == (
        LeftOut("stream", "httpTrigger", "its requests of FastAPI need the Functions host"),
        LeftOut("queued", "httpTrigger", "its queue binding needs the Functions host"),
        LeftOut("read", "timerTrigger", "its blob binding needs the Functions host"),
        LeftOut("take", "queueTrigger", "its trigger needs the Functions host"),
    )
