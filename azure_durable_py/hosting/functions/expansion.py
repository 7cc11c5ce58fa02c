"""What the Functions worker is told when it asks a `DFApp` for its functions.

Owns the list: the user's ordinary functions, with their durable clients filled in this process, and
the functions by which the host drives the task hub. The durable functions stay with the engine.
"""

from __future__ import annotations

import copy
import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import azure.functions as func
from azure.functions.decorators.function_app import Function

from azure_durable_py.app import DFApp
from azure_durable_py.appsettings import HOST_JSON, read_host_json
from azure_durable_py.bindings import DurableClient
from azure_durable_py.errors import RegistrationError
from azure_durable_py.hosting.functions.host import FunctionsHost
from azure_durable_py.hosting.functions.hostjson import advice
from azure_durable_py.hosting.functions.triggers import management_functions, queue_functions
from azure_durable_py.http.tracing import requested
from azure_durable_py.registry import place_of

logger = logging.getLogger(__name__)
_hosts: dict[DFApp, FunctionsHost] = {}


def expand(app: DFApp) -> list[Function]:
    """The functions of an app, as the Functions worker is to index them. May be asked for again.

    :raises RegistrationError: a function is declared wrongly, or has the name of one of ours.
    :raises SettingsError: host.json has a setting that cannot be used.
    """
    durable = any(app.registry.kinds().values())
    app_settings = dict(os.environ)
    app_dir = find_app_dir(app_settings)
    host_json = read_host_json(app_dir, app_settings)
    host = _hosts.get(app)
    if host is None:
        host = _hosts[app] = FunctionsHost(app, app_dir, host_json, app_settings)
    host.remember_loop()
    functions = [_filled(app, host, function) for function in app.user_functions()]
    # An app that only has clients must not take the messages of the app whose orchestrations they start.
    ours = [*(queue_functions(host) if durable else []), *management_functions(host)]
    names = [str(function.get_function_name()) for function in ours]
    _refuse_our_names(functions, names)
    for line in advice(host_json, names):
        logger.warning(line)
    return [*functions, *ours]


def find_app_dir(app_settings: Mapping[str, str]) -> Path:
    """Where the app is that the worker is indexing: the folder with host.json."""
    script = app_settings.get("PYTHON_SCRIPT_FILE_NAME") or "function_app.py"
    module = sys.modules.get(Path(script).stem)
    candidates = [
        app_settings.get("AzureWebJobsScriptRoot"),
        str(Path(module.__file__).parent) if module is not None and module.__file__ else None,
    ]
    for candidate in candidates:
        if candidate and (Path(candidate) / HOST_JSON).is_file():
            return Path(candidate)
    return Path.cwd()


def _refuse_our_names(functions: list[Function], ours: list[str]) -> None:
    taken = {name.lower() for name in ours}
    for function in functions:
        name = str(function.get_function_name())
        if name.lower() in taken:
            raise RegistrationError(
                f"{place_of(function.get_user_function())} is named {name!r}, as a function that this package adds. "
                "Rename it, or use @app.function_name."
            )


def _filled(app: DFApp, host: FunctionsHost, function: Function) -> Function:
    """The function as the worker may index it: without bindings that only this process can fill."""
    bindings = function.get_bindings()
    ordinary = [binding for binding in bindings if not isinstance(binding, DurableClient)]
    if len(ordinary) == len(bindings):
        return function
    filled = copy.copy(function)
    filled._bindings = ordinary  # pyright: ignore[reportPrivateUsage] - azure.functions has no other way
    filled._func = _opening(host, app.bound(function))  # pyright: ignore[reportPrivateUsage]
    return filled


def _headers(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Which trace an invocation is a part of: by the host's context if the function takes it, else by its request."""
    for value in arguments.values():
        if isinstance(value, func.Context):
            context = value.trace_context
            return {"traceparent": context.trace_parent, "tracestate": context.trace_state}
    for value in arguments.values():
        if isinstance(value, func.HttpRequest):
            return value.headers
    return {}


def _opening(host: FunctionsHost, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of the same kind and signature that has the task hub opened first."""
    wrapper: Callable[..., Any]
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            engine = await host.engine()
            with requested(engine.hub.observer, _headers(kwargs)):
                return await function(*args, **kwargs)

        wrapper = call_async
    else:

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            engine = host.engine_from_thread()
            with requested(engine.hub.observer, _headers(kwargs)):
                return function(*args, **kwargs)

        wrapper = call
    # On 3.14 `wraps` copies lazy annotations, of which there are none where they were set outright.
    wrapper.__annotations__ = function.__annotations__
    return wrapper
