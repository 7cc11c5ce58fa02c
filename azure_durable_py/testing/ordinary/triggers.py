"""`Triggers`: calls the ordinary functions of an app in a test, in place of a host.

Owns what a test hands to a function, and what is kept of its outputs. What a request leads to and what is answered is
shared with the local host, in the room `triggers`: only the socket is missing.
"""

from __future__ import annotations

import functools
import inspect
import logging
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import azure.functions as func
from azure.functions.decorators.http import HttpOutput
from azure.functions.decorators.timer import TimerTrigger

from azure_durable_py.app import DFApp
from azure_durable_py.client.client import DurableOrchestrationClient
from azure_durable_py.errors import SettingsError
from azure_durable_py.http.signing import UrlSigner
from azure_durable_py.registry import place_of
from azure_durable_py.testing.apps import App, registry_of, whole_app
from azure_durable_py.testing.ordinary.asked import Asked, Params
from azure_durable_py.testing.ordinary.functions import FunctionOfApp, OrdinaryFunction, OrdinaryFunctions
from azure_durable_py.testing.virtual.off_loop import off_loop
from azure_durable_py.testing.virtual.taking_turns import call_by_turns
from azure_durable_py.triggers.bound import RETURN, BoundFunction, Call, Invoked
from azure_durable_py.triggers.functions import HttpFunction, TimerFunction, streams
from azure_durable_py.triggers.http import call_http, failed, response_of, to_http_response
from azure_durable_py.triggers.timers import TimerMemory, Timers, timer_request

if TYPE_CHECKING:
    from azure_durable_py.http.management import ManagementApi

logger = logging.getLogger(__name__)
_ANSWER = str(HttpOutput.get_binding_name())


@dataclass(frozen=True, slots=True)
class FunctionOutput:
    """What a function gave to an output binding. `binding` is the parameter, or `$return`."""

    function: str
    binding: str
    value: Any


class Triggers:
    """Calls HTTP functions by their routes, and any ordinary function by name. On an event loop at virtual time.

    Durable clients are filled in. Sync functions run on the loop, or take turns with it where they wait for a client.
    As on a loopback address, nobody is asked for a key.

    `outputs` is what functions gave to output bindings, in order; those of a call that fails are not among them.

    :param app: the app; whoever runs it fills its client bindings.
    :param client: the client of its hub.
    :param app_dir: the folder with host.json, which says what routes begin with (default: the nearest at or above the
        code of a function).
    """

    def __init__(self, app: App, client: DurableOrchestrationClient, *, app_dir: Path | None = None) -> None:
        self.outputs: list[FunctionOutput] = []
        self._app = app
        self._client = client
        self._app_dir = app_dir
        self._timers: Timers | None = None
        self._failures: list[Exception] = []

    # --- HTTP ----------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Params | None = None,
        raise_errors: bool = True,
    ) -> func.HttpResponse:
        """Have the app answer an HTTP request as the local host does, and return the answer.

        The management API answers, too, so that the URLs of `create_check_status_response` can be followed.

        :param method: the verb.
        :param url: a whole path, like `/api/orders/7`, or a URL.
        :param json: a value that is the body as JSON; None: there is none.
        :param body: the body as it is.
        :param headers: by name.
        :param params: query parameters, beside those of the URL.
        :param raise_errors: what the function raises is raised here; False: it is answered with 500, as hosts do.
        :raises TypeError: the function takes more than a request, or returned what is no response.
        :raises ValueError: the URL is no address of an app.
        """
        asked = Asked.of(method, url, json=json, body=body, headers=headers, params=params)
        # Links are signed without waiting: with the keys of today, if they are read before.
        await self._client.hub.keys.current()
        response = await self._answer(asked, raise_errors=raise_errors)
        return response if asked.method != "HEAD" else _without_body(response)

    async def _answer(self, asked: Asked, *, raise_errors: bool) -> func.HttpResponse:
        site = self._functions.site
        managed = site.management(asked.path)
        if managed is not None:
            return to_http_response(await self._management.handle(asked.to_management(*managed), trusted=True))
        found = site.router.find(asked.method, asked.path)
        if found is None:
            response = site.elsewhere(asked.method, asked.path)
            if response.status_code == 404:
                logger.warning("%s %s is not found. The functions are at: %s", asked.method, asked.path, site.told())
            return response
        function, route_params = found
        self._see_that_a_request_will_do(function)
        try:
            given, directory = asked.to_function(route_params), str(self._functions.directory)
            invoked = await call_http(function, given, _caller(function.target), directory, self._client.hub.observer)
            response = response_of(function, invoked)
        except Exception:
            if raise_errors:
                raise
            logger.exception("Function %r failed.", function.name)
            return failed(function)
        self._keep(function.target, invoked)
        return response

    def _see_that_a_request_will_do(self, function: HttpFunction) -> None:
        target = function.target
        if target.inputs:
            name, kind = next(iter(target.inputs.items()))
            raise TypeError(
                f"HTTP function {function.name!r} takes more than a request: {name!r}, a binding {kind}. Call it with "
                f"both: fire({function.name!r}, {target.trigger}=func.HttpRequest(...), {name}=...)."
            )
        if streams(self._functions.find(function.name).declared):
            raise TypeError(
                f"HTTP function {function.name!r} takes a request of FastAPI, which only a Functions host makes. "
                f"Call it with one of your own: fire({function.name!r}, {target.trigger}=...)."
            )

    # --- everything else -----------------------------------------------------------------------------

    async def fire(self, function: FunctionOfApp, /, *, past_due: bool = False, **bindings: Any) -> Any:
        """Call an ordinary function as its trigger does, and return what it returns; what it raises is raised.

        Durable clients, `func.Out` parameters and the invocation context are filled in, and the `func.TimerRequest` of
        a timer function. What it gives to output bindings is added to `outputs`.

            await triggers.fire(clean_up)
            await triggers.fire(on_order, message=func.QueueMessage(body=b"7"))

        :param function: by name, or as its decorators left it.
        :param past_due: a timer function is told that it comes late.
        :param bindings: by parameter, what triggers it and what its other input bindings bring.
        :raises FunctionNotFoundError: the app has no such function, or it is durable.
        :raises TypeError: a parameter is missing, or is none of the function's.
        """
        found = self._functions.find(function)
        given = dict(bindings)
        if isinstance(found.trigger, TimerTrigger):
            given.setdefault(found.target.trigger, self._timer_request(found, past_due=past_due))
        elif past_due:
            raise TypeError(f"{place_of(found.user_function)} is no timer function, which could be past due.")
        found.check(given)
        await self._client.hub.keys.current()
        invoked = await found.target.invoke(given, _caller(found.target), str(self._functions.directory))
        self._keep(found.target, invoked)
        return invoked.returned

    def _timer_request(self, function: OrdinaryFunction, *, past_due: bool) -> func.TimerRequest:
        due = None
        # It is called now, whatever an app setting that is missing here would say.
        with suppress(SettingsError):
            timer = self._functions.timer(function)
            due = timer and timer.schedule.next_after(self._client.hub.clock.now())
        return timer_request(due, past_due=past_due)

    def _keep(self, target: BoundFunction, invoked: Invoked) -> None:
        values = dict(invoked.outputs)
        if RETURN in target.outputs and invoked.returned is not None:
            values[RETURN] = invoked.returned
        for name, value in values.items():
            if target.outputs[name] != _ANSWER:
                self.outputs.append(FunctionOutput(target.name, name, value))

    # --- time ----------------------------------------------------------------------------------------

    def run_timers(self) -> None:
        """From now on call each timer function when it is due, as hosts do; those with `run_on_startup` at once.

        :raises SettingsError: a schedule refers to an app setting that is missing.
        """
        if self._timers is None:
            functions, clock = self._functions.timers(), self._client.hub.clock
            self._timers = Timers(functions, self._on_time, TimerMemory(None), clock, longest_wait=math.inf)
            self._timers.start()

    async def stop(self) -> None:
        """Call no more timer functions. Idempotent.

        :raises Exception: what the first one raised that failed when it was due.
        """
        timers, self._timers = self._timers, None
        if timers is not None:
            await timers.stop(0.0)
        failures, self._failures = self._failures, []
        if failures:
            raise failures[0]

    async def _on_time(self, function: TimerFunction, request: func.TimerRequest) -> None:
        await self._client.hub.keys.current()
        given = {function.target.trigger: request}
        try:
            invoked = await function.target.invoke(given, _caller(function.target), str(self._functions.directory))
        except Exception as error:
            logger.exception("Timer function %r failed.", function.name)
            self._failures.append(error)
        else:
            self._keep(function.target, invoked)

    # --- what there is -------------------------------------------------------------------------------

    @cached_property
    def _functions(self) -> OrdinaryFunctions:
        app = whole_app(self._app)
        return OrdinaryFunctions(app if isinstance(app, DFApp) else None, self._app_dir)

    @cached_property
    def _management(self) -> ManagementApi:
        # With the monitor below it, too much to import for tests that never ask it.
        from azure_durable_py.http.management import ManagementApi

        client = self._client
        return ManagementApi(client, UrlSigner.of(client.hub, client.settings), registry=registry_of(self._app))


def _caller(target: BoundFunction) -> Call:
    return _call_by_turns if target.waits else _call


async def _call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    result = off_loop(lambda: function(**arguments))
    return await result if inspect.isawaitable(result) else result


async def _call_by_turns(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    return await call_by_turns(functools.partial(function, **arguments), f"function {function.__name__}")


def _without_body(response: func.HttpResponse) -> func.HttpResponse:
    told = func.HttpResponse(status_code=response.status_code, mimetype=response.mimetype, charset=response.charset)
    told.headers.extend(response.headers)
    return told
