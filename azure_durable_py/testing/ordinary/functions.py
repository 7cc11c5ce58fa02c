"""`OrdinaryFunctions`: the functions of an app that are not durable, as a test finds them: by name, or by route.

Owns the finding, and what is read beside the code for it: host.json. Calling them is the business of `triggers`.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from azure.functions.decorators.function_app import Function, FunctionBuilder
from azure.functions.decorators.http import HttpTrigger
from azure.functions.decorators.timer import TimerTrigger

from azure_durable_py.app import DFApp, DurableFunction
from azure_durable_py.appsettings import HOST_JSON, read_host_json, route_prefix
from azure_durable_py.errors import FunctionNotFoundError
from azure_durable_py.registry import place_of
from azure_durable_py.signatures import signature_of
from azure_durable_py.triggers.bound import BoundFunction
from azure_durable_py.triggers.functions import TimerFunction, http_function, is_disabled, timer_function
from azure_durable_py.triggers.http import Site

FunctionOfApp: TypeAlias = "str | FunctionBuilder | Callable[..., Any]"
"""A function by its name, or as its decorators left it."""
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True, slots=True)
class OrdinaryFunction:
    """One of them: as the app declares it, and ready to be called."""

    declared: Function
    target: BoundFunction

    @property
    def user_function(self) -> Callable[..., Any]:
        """The function that was decorated."""
        return self.declared.get_user_function()

    @property
    def trigger(self) -> Any:
        """What triggers it, a binding of azure.functions."""
        return self.declared.get_trigger()

    def check(self, given: Mapping[str, Any]) -> None:
        """See that a call by `fire` has what it needs, and nothing else.

        :raises TypeError: a parameter is missing, or is none of the function's.
        """
        target, place = self.target, place_of(self.user_function)
        parameters = [each for each in signature_of(target.call).parameters.values() if each.kind not in _VARIADIC]
        named = {each.name for each in parameters} | {target.trigger, *target.inputs}
        for name in given:
            if name not in named:
                raise TypeError(f"{place} takes no {name!r} from a test. It takes: {', '.join(sorted(named))}.")
        filled = {*target.outputs, *(["context"] if target.takes_context else [])}
        optional = {each.name for each in parameters if each.default is not inspect.Parameter.empty}
        for name in sorted(named - filled - optional - given.keys()):
            raise TypeError(f"{place} needs {name!r}, {self._source_of(name)}: fire({target.name!r}, {name}=...).")

    def _source_of(self, name: str) -> str:
        if name == self.target.trigger:
            return f"which its {self.trigger.type} brings"
        kind = self.target.inputs.get(name)
        return "for which it has no binding" if kind is None else f"which its binding {kind} brings"


class OrdinaryFunctions:
    """The ordinary functions of an app. Those that an app setting turns off are left out.

    :param app: the app; None: there are none.
    :param app_dir: the folder with host.json (default: the nearest at or above the code of a function).
    :raises RegistrationError: one is declared wrongly.
    """

    def __init__(self, app: DFApp | None, app_dir: Path | None = None) -> None:
        self._app = app
        self._app_settings = dict(os.environ)
        found = [(each, BoundFunction.of(app, each)) for each in app.user_functions()] if app is not None else []
        self._all = [
            OrdinaryFunction(declared, target)
            for declared, target in found
            if not is_disabled(target.name, self._app_settings)
        ]
        self.directory = app_dir or _nearest_app_dir(self._all)

    @cached_property
    def site(self) -> Site:
        """What is at which address.

        :raises RegistrationError: a route is declared wrongly.
        :raises SettingsError: host.json cannot be used.
        """
        prefix = route_prefix(read_host_json(self.directory, self._app_settings))
        http = [each for each in self._all if isinstance(each.trigger, HttpTrigger)]
        return Site([http_function(each.declared, each.trigger, each.target, prefix) for each in http], prefix)

    def timer(self, function: OrdinaryFunction) -> TimerFunction | None:
        """A function with its schedule; None: it is no timer function.

        :raises RegistrationError: the schedule is none.
        :raises SettingsError: it refers to an app setting that is missing.
        """
        if not isinstance(function.trigger, TimerTrigger):
            return None
        return timer_function(function.declared, function.trigger, function.target, self._app_settings)

    def timers(self) -> list[TimerFunction]:
        """All timer functions; raises as `timer` does."""
        return [timer for each in self._all if (timer := self.timer(each)) is not None]

    def find(self, wanted: FunctionOfApp) -> OrdinaryFunction:
        """A function by its name, regardless of case, or as its decorators left it.

        :raises FunctionNotFoundError: the app has no such ordinary function.
        """
        for each in self._all:
            if isinstance(wanted, str) and each.target.name.lower() == wanted.lower():
                return each
            if isinstance(wanted, FunctionBuilder) and wanted._function is each.declared:  # pyright: ignore[reportPrivateUsage]
                return each
            if each.user_function is wanted:
                return each
        durable = self._durable(wanted)
        if durable is not None:
            raise FunctionNotFoundError(
                f"{place_of(durable.function)} is an {durable.durable_kind}, which nothing but the engine calls: start "
                "an orchestration, or signal an entity. What an activity does may be called as it is."
            )
        raise FunctionNotFoundError(self._unknown(wanted))

    def _durable(self, wanted: FunctionOfApp) -> DurableFunction[..., Any] | None:
        for each in self._app.durable_functions() if self._app is not None else ():
            if each is wanted or (isinstance(wanted, str) and each.durable_name.lower() == wanted.lower()):
                return each
        return None

    def _unknown(self, wanted: FunctionOfApp) -> str:
        names = {each.target.name.lower(): each.target.name for each in self._all}
        what = repr(wanted) if isinstance(wanted, str) else place_of(wanted)
        near = difflib.get_close_matches(wanted.lower(), names, n=1) if isinstance(wanted, str) else []
        hint = f" Did you mean {names[near[0]]!r}?" if near else ""
        known = ", ".join(sorted(names.values())[:20]) or "none"
        return f"This app has no function {what} that is not durable.{hint} It has: {known}."


def _nearest_app_dir(functions: Iterable[OrdinaryFunction]) -> Path:
    """The folder with the host.json that is for these functions; where there is none, the current one."""
    for each in functions:
        code = getattr(inspect.unwrap(each.user_function), "__code__", None)
        for folder in Path(code.co_filename).parents if code is not None else ():
            if (folder / HOST_JSON).is_file():
                return folder
    return Path.cwd()
