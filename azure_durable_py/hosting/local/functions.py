"""Sorts the ordinary functions of an app: which the local host runs, and how, and which it does not, and why.

Owns that judgement, made once when the app is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from azure.functions import AuthLevel
from azure.functions.decorators.function_app import Function
from azure.functions.decorators.http import HttpMethod, HttpOutput, HttpTrigger
from azure.functions.decorators.timer import TimerTrigger

from azure_durable_py.app import DFApp
from azure_durable_py.app.registration import check_parameter
from azure_durable_py.bindings import DurableClient
from azure_durable_py.hosting.local.routes import Route
from azure_durable_py.hosting.local.schedule import is_monitored, parse_schedule
from azure_durable_py.recurrence import Recurrence
from azure_durable_py.registry import place_of
from azure_durable_py.settings import expand
from azure_durable_py.signatures import signature_of

_ALL_METHODS = frozenset(method.value for method in HttpMethod)


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """An HTTP function: `call` takes the request as `request_name`; `out_name` takes the response, if any does.

    `level`: which keys a request must bring.
    """

    name: str
    call: Callable[..., Any]
    request_name: str
    out_name: str | None
    route: Route
    methods: frozenset[str]
    takes_context: bool
    level: AuthLevel = AuthLevel.FUNCTION


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """A timer function: `call` takes the `func.TimerRequest` as `timer_name`."""

    name: str
    call: Callable[..., Any]
    timer_name: str
    schedule: Recurrence
    run_on_startup: bool
    monitored: bool
    takes_context: bool


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A function that only the Functions host can run, and why."""

    name: str
    trigger: str
    reason: str


@dataclass(frozen=True, slots=True)
class Functions:
    """The ordinary functions of an app, sorted."""

    http: tuple[HttpFunction, ...]
    timers: tuple[TimerFunction, ...]
    left_out: tuple[LeftOut, ...]
    disabled: tuple[str, ...] = ()


def sort_functions(app: DFApp, route_prefix: str, app_settings: Mapping[str, str]) -> Functions:
    """Sort the functions of an app.

    One that an app setting `AzureWebJobs.<name>.Disabled` turns off, as the Functions host has it, is only named.

    :param route_prefix: stands before every route; may be empty.
    :raises RegistrationError: a route, schedule or parameter is declared wrongly.
    :raises SettingsError: a schedule refers to an app setting that is missing.
    """
    http: list[HttpFunction] = []
    timers: list[TimerFunction] = []
    left_out: list[LeftOut] = []
    disabled: list[str] = []
    for function in app.user_functions():
        trigger = function.get_trigger()
        other = _other_binding(function)
        name = str(function.get_function_name())
        if _is_disabled(name, app_settings):
            disabled.append(name)
        elif isinstance(trigger, HttpTrigger) and other is None:
            http.append(_http(app, function, trigger, route_prefix))
        elif isinstance(trigger, TimerTrigger) and other is None:
            timers.append(_timer(app, function, trigger, app_settings))
        else:
            supported = isinstance(trigger, (HttpTrigger, TimerTrigger))
            needed = f"its {other} binding" if supported else "its trigger"
            left_out.append(LeftOut(name, str(getattr(trigger, "type", "")), f"{needed} needs the Functions host"))
    return Functions(tuple(http), tuple(timers), tuple(left_out), tuple(disabled))


def _is_disabled(name: str, app_settings: Mapping[str, str]) -> bool:
    # Names of settings have no case; where a variable may have no dot, it has two underscores.
    names = {f"azurewebjobs.{name}.disabled".lower(), f"azurewebjobs__{name}__disabled".lower()}
    said = [value for setting, value in app_settings.items() if setting.lower() in names]
    return any(value.strip().lower() in ("1", "true") for value in said)


def _other_binding(function: Function) -> str | None:
    known = (DurableClient, HttpOutput)
    for binding in function.get_bindings():
        if binding is not function.get_trigger() and not isinstance(binding, known):
            return str(binding.type)
    return None


def _http(app: DFApp, function: Function, trigger: HttpTrigger, route_prefix: str) -> HttpFunction:
    name, user_function = str(function.get_function_name()), function.get_user_function()
    check_parameter(user_function, trigger.name, f"route(trigger_arg_name={trigger.name!r})")
    out = next((binding.name for binding in function.get_bindings() if isinstance(binding, HttpOutput)), "$return")
    if out != "$return":
        check_parameter(user_function, out, f"route(binding_arg_name={out!r})")
    template = "/".join(part.strip("/") for part in (route_prefix, str(trigger.route)) if part.strip("/"))
    methods = frozenset(str(method) for method in trigger.methods) if trigger.methods else _ALL_METHODS
    return HttpFunction(
        name=name,
        call=app.bound(function),
        request_name=trigger.name,
        out_name=None if out == "$return" else out,
        route=Route(template, place_of(user_function)),
        methods=methods,
        takes_context=_takes_context(user_function, trigger.name),
        level=trigger.auth_level or AuthLevel.FUNCTION,
    )


def _timer(app: DFApp, function: Function, trigger: TimerTrigger, app_settings: Mapping[str, str]) -> TimerFunction:
    user_function = function.get_user_function()
    owner = place_of(user_function)
    check_parameter(user_function, trigger.name, f"timer_trigger(arg_name={trigger.name!r})")
    text = expand(str(trigger.schedule), app_settings, f"the schedule of {owner}")
    schedule = parse_schedule(text, owner, app_settings)
    return TimerFunction(
        name=str(function.get_function_name()),
        call=app.bound(function),
        timer_name=trigger.name,
        schedule=schedule,
        run_on_startup=bool(trigger.run_on_startup),
        monitored=is_monitored(schedule) if trigger.use_monitor is None else bool(trigger.use_monitor),
        takes_context=_takes_context(user_function, trigger.name),
    )


def _takes_context(function: Callable[..., Any], trigger_name: str) -> bool:
    return trigger_name != "context" and "context" in signature_of(function).parameters
