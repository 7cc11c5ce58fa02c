"""Sorts the ordinary functions of an app: which run without a Functions host, and how, and which do not, and why.

Owns that judgement, made once when the app is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from azure.functions import AuthLevel
from azure.functions.decorators.function_app import Function
from azure.functions.decorators.http import HttpMethod, HttpOutput, HttpTrigger
from azure.functions.decorators.timer import TimerTrigger

from azure_durable_py.app import DFApp
from azure_durable_py.app.registration import check_parameter
from azure_durable_py.recurrence import Recurrence
from azure_durable_py.registry import place_of
from azure_durable_py.settings import expand
from azure_durable_py.signatures import resolve_annotation, signature_of
from azure_durable_py.triggers.bound import RETURN, BoundFunction
from azure_durable_py.triggers.routes import Route
from azure_durable_py.triggers.schedule import is_monitored, parse_schedule

_ALL_METHODS = frozenset(method.value for method in HttpMethod)
_STREAMING = ("fastapi", "starlette", "azurefunctions")


@dataclass(frozen=True, slots=True)
class HttpFunction:
    """An HTTP function: `target` takes the request; `out_name` takes the response, if any does.

    `level`: which keys a request must bring.
    """

    target: BoundFunction
    out_name: str | None
    route: Route
    methods: frozenset[str]
    level: AuthLevel = AuthLevel.FUNCTION

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.target.name


@dataclass(frozen=True, slots=True)
class TimerFunction:
    """A timer function: `target` takes the `func.TimerRequest`."""

    target: BoundFunction
    schedule: Recurrence
    run_on_startup: bool
    monitored: bool

    @property
    def name(self) -> str:
        """The name of the function."""
        return self.target.name


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
        target = BoundFunction.of(app, function)
        reason = _needs_host(function, target)
        if is_disabled(target.name, app_settings):
            disabled.append(target.name)
        elif reason is not None:
            left_out.append(LeftOut(target.name, str(getattr(trigger, "type", "")), reason))
        elif isinstance(trigger, HttpTrigger):
            http.append(http_function(function, trigger, target, route_prefix))
        elif isinstance(trigger, TimerTrigger):
            timers.append(timer_function(function, trigger, target, app_settings))
    return Functions(tuple(http), tuple(timers), tuple(left_out), tuple(disabled))


def is_disabled(name: str, app_settings: Mapping[str, str]) -> bool:
    """Whether an app setting turns a function off."""
    # Names of settings have no case; where a variable may have no dot, it has two underscores.
    names = {f"azurewebjobs.{name}.disabled".lower(), f"azurewebjobs__{name}__disabled".lower()}
    said = [value for setting, value in app_settings.items() if setting.lower() in names]
    return any(value.strip().lower() in ("1", "true") for value in said)


def streams(function: Function) -> bool:
    """Whether an HTTP function takes requests of FastAPI, which an extension of Functions brings to stream HTTP."""
    user_function, name = function.get_user_function(), str(getattr(function.get_trigger(), "name", ""))
    parameter = signature_of(user_function).parameters.get(name)
    annotation = None if parameter is None else resolve_annotation(user_function, parameter.annotation)
    return str(getattr(annotation, "__module__", "")).partition(".")[0] in _STREAMING


def http_function(function: Function, trigger: HttpTrigger, target: BoundFunction, route_prefix: str) -> HttpFunction:
    """An HTTP function with its route.

    :raises RegistrationError: its route or a parameter is declared wrongly.
    """
    user_function = function.get_user_function()
    check_parameter(user_function, trigger.name, f"route(trigger_arg_name={trigger.name!r})")
    out = next((binding.name for binding in function.get_bindings() if isinstance(binding, HttpOutput)), RETURN)
    if out != RETURN:
        check_parameter(user_function, out, f"route(binding_arg_name={out!r})")
    template = "/".join(part.strip("/") for part in (route_prefix, str(trigger.route)) if part.strip("/"))
    return HttpFunction(
        target=target,
        out_name=None if out == RETURN else out,
        route=Route(template, place_of(user_function)),
        methods=frozenset(str(method) for method in trigger.methods) if trigger.methods else _ALL_METHODS,
        level=trigger.auth_level or AuthLevel.FUNCTION,
    )


def timer_function(
    function: Function, trigger: TimerTrigger, target: BoundFunction, app_settings: Mapping[str, str]
) -> TimerFunction:
    """A timer function with its schedule.

    :raises RegistrationError: its schedule or a parameter is declared wrongly.
    :raises SettingsError: its schedule refers to an app setting that is missing.
    """
    user_function = function.get_user_function()
    owner = place_of(user_function)
    check_parameter(user_function, trigger.name, f"timer_trigger(arg_name={trigger.name!r})")
    text = expand(str(trigger.schedule), app_settings, f"the schedule of {owner}")
    schedule = parse_schedule(text, owner, app_settings)
    return TimerFunction(
        target=target,
        schedule=schedule,
        run_on_startup=bool(trigger.run_on_startup),
        monitored=is_monitored(schedule) if trigger.use_monitor is None else bool(trigger.use_monitor),
    )


def _needs_host(function: Function, target: BoundFunction) -> str | None:
    """Why only the Functions host can run a function; None: it need not."""
    trigger = function.get_trigger()
    if not isinstance(trigger, (HttpTrigger, TimerTrigger)):
        return "its trigger needs the Functions host"
    answer = {str(binding.name) for binding in function.get_bindings() if isinstance(binding, HttpOutput)}
    outputs = {name: kind for name, kind in target.outputs.items() if name not in answer}
    other = next(iter({**target.inputs, **outputs}.values()), None)
    if other is not None:
        return f"its {other} binding needs the Functions host"
    if isinstance(trigger, HttpTrigger) and streams(function):
        return "its requests of FastAPI need the Functions host"
    return None
