"""The function.json programming model: a folder per function, with its bindings in a file.

Owns what a folder becomes: the builder of the same function in the decorator model, for whichever host serves it.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from azure.functions.decorators.core import SCRIPT_FILE_NAME, AuthLevel, Binding, DataType, Trigger
from azure.functions.decorators.function_app import FunctionBuilder
from azure.functions.decorators.function_name import FunctionName
from azure.functions.decorators.generic import GenericInputBinding, GenericOutputBinding, GenericTrigger
from azure.functions.decorators.http import HttpMethod, HttpOutput, HttpTrigger
from azure.functions.decorators.retry_policy import RetryPolicy
from azure.functions.decorators.timer import TimerTrigger

from azure_durable_py.app.app_package import import_script
from azure_durable_py.app.builders import DurableFunction, DurableTrigger
from azure_durable_py.app.entry_points import EntryPoint
from azure_durable_py.app.json_fields import JsonFields
from azure_durable_py.app.registration import check_parameter
from azure_durable_py.bindings import ActivityTrigger, DurableClient, EntityTrigger, OrchestrationTrigger
from azure_durable_py.constants import ACTIVITY_TRIGGER, DURABLE_CLIENT, ENTITY_TRIGGER, ORCHESTRATION_TRIGGER
from azure_durable_py.errors import RegistrationError
from azure_durable_py.json_files import read_object
from azure_durable_py.registry import place_of
from azure_durable_py.signatures import signature_of

FUNCTION_JSON = "function.json"
_CLIENT_OF_OLD = "orchestrationClient"
_SCRIPTS = ("__init__.py", "main.py", "run.py", "index.py")
_RETURN = "$return"
_STRATEGIES = {"fixeddelay": "fixed_delay", "exponentialbackoff": "exponential_backoff"}


def names_of_folders(app_dir: Path) -> list[str]:
    """The folders with a function.json in a directory."""
    return sorted(file.parent.name for file in app_dir.glob(f"*/{FUNCTION_JSON}"))


def builders_from(app_dir: Path) -> list[FunctionBuilder]:
    """The functions of the folders in a directory, those that are disabled left out; imports their scripts.

    :raises RegistrationError: there are none, or one is declared wrongly.
    :raises SettingsError: a function.json is no JSON.
    """
    app_dir = app_dir.resolve()
    files = sorted(app_dir.glob(f"*/{FUNCTION_JSON}"))
    if not files:
        raise RegistrationError(f"There is no folder with a {FUNCTION_JSON} in {app_dir}.")
    declared = [_Folder(app_dir, file) for file in files]
    return [folder.builder() for folder in declared if not folder.is_disabled]


class _Folder:
    """One folder: a function by the folder's name."""

    def __init__(self, app_dir: Path, file: Path) -> None:
        self._app_dir = app_dir
        self._file = file
        self._name = file.parent.name
        self._fields = JsonFields(str(file), read_object(file))

    @property
    def is_disabled(self) -> bool:
        said = self._fields.get("disabled")
        if isinstance(said, str):
            said = os.environ.get(said.strip("%"), "").strip().lower() in ("1", "true")
        return bool(said) or self._fields.flag("excluded") is True

    def builder(self) -> FunctionBuilder:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,127}", self._name):
            raise RegistrationError(
                f"{self._file} is in a folder that cannot name a function. Accepted are up to 128 letters, digits, "
                "'_' and '-', a letter first."
            )
        function = self._function()
        bindings = list(self._bindings(function))
        triggers = [binding for binding in bindings if isinstance(binding, Trigger)]
        if len(triggers) != 1:
            found = ", ".join(str(trigger.type) for trigger in triggers) or "none"
            raise RegistrationError(f"{self._file} needs one trigger among its bindings; it has {found}.")
        builder = FunctionBuilder(function, SCRIPT_FILE_NAME)
        builder.add_setting(FunctionName(function_name=self._name))
        if isinstance(triggers[0], DurableTrigger):
            builder = DurableFunction[..., Any](builder, triggers[0], cancellable=self._is_cancellable())
        else:
            builder.add_trigger(triggers[0])
            self._check_parameters(function, bindings)
        for binding in bindings:
            if binding is not triggers[0]:
                builder.add_binding(binding)
        retry = self._retry()
        if retry is not None:
            builder.add_setting(retry)
        return builder

    # --- the function ------------------------------------------------------------------------------

    def _function(self) -> Callable[..., Any]:
        script, entry_point = self._script(), self._fields.text("entryPoint") or "main"
        try:
            module = import_script(self._app_dir, script)
        except ValueError as error:
            raise RegistrationError(f"{self._file} has a scriptFile outside of the app: {script}.") from error
        found: Any = getattr(module, entry_point, None)
        function: Any = found.function if isinstance(found, EntryPoint) else found
        if not callable(function):
            raise RegistrationError(
                f"{script} has no function {entry_point!r}, which {self._file} "
                f"{'names as entryPoint' if self._fields.get('entryPoint') else 'needs'}."
            )
        if not hasattr(function, "__name__"):
            # As of a partial. azure.functions goes by the name.
            function.__name__ = self._name
        return function

    def _script(self) -> Path:
        given = self._fields.text("scriptFile")
        folder = self._file.parent
        candidates = [folder / given] if given else [folder / name for name in _SCRIPTS]
        for candidate in candidates:
            if candidate.is_file() and candidate.suffix == ".py":
                return candidate.resolve()
        wanted = given or " or ".join(_SCRIPTS)
        raise RegistrationError(f"{folder} has no script {wanted}. Name it by scriptFile in {FUNCTION_JSON}.")

    def _check_parameters(self, function: Callable[..., Any], bindings: list[Binding]) -> None:
        names = {binding.name for binding in bindings if binding.name != _RETURN}
        for name in names:
            check_parameter(function, name, str(self._file))
        for parameter in signature_of(function).parameters.values():
            variadic = parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
            if parameter.name not in {*names, "context"} and not variadic:
                raise RegistrationError(
                    f"{place_of(function)} has a parameter {parameter.name!r}, for which {self._file} has no binding."
                )

    # --- the bindings ------------------------------------------------------------------------------

    def _bindings(self, function: Callable[..., Any]) -> Iterator[Binding]:
        for number, item in enumerate(self._fields.items("bindings")):
            where = f"{self._file}: bindings[{number}]"
            if not isinstance(item, dict):
                raise RegistrationError(f"{where} must be an object.")
            fields = JsonFields(where, cast("dict[str, Any]", item))
            make = _MAKERS.get(fields.needed("type").lower())
            yield _generic(fields) if make is None else make(self._name, fields, function)

    def _is_cancellable(self) -> bool:
        """Whether the binding of an activity says so."""
        for number, item in enumerate(self._fields.items("bindings")):
            fields = JsonFields(f"{self._file}: bindings[{number}]", item)
            if fields.needed("type").lower() == ACTIVITY_TRIGGER.lower():
                return fields.flag("cancellable") or False
        return False

    def _retry(self) -> RetryPolicy | None:
        given = self._fields.get("retry")
        if given is None:
            return None
        fields = JsonFields(f"{self._file}: retry", cast("dict[str, Any]", given) if isinstance(given, dict) else {})
        strategy = fields.needed("strategy")
        if strategy.lower() not in _STRATEGIES:
            raise fields.unusable("strategy", strategy, "fixedDelay or exponentialBackoff")
        count = fields.get("maxRetryCount")
        if not isinstance(count, int) or isinstance(count, bool):
            raise fields.unusable("maxRetryCount", count, "a whole number")
        return RetryPolicy(
            strategy=_STRATEGIES[strategy.lower()],
            max_retry_count=str(count),
            delay_interval=fields.text("delayInterval"),
            minimum_interval=fields.text("minimumInterval"),
            maximum_interval=fields.text("maximumInterval"),
        )


_Make = Callable[[str, JsonFields, Callable[..., Any]], Binding]


def _orchestration(name: str, fields: JsonFields, function: Callable[..., Any]) -> Binding:
    return OrchestrationTrigger(_context_of(fields, function), fields.text("orchestration") or name)


def _entity(name: str, fields: JsonFields, function: Callable[..., Any]) -> Binding:
    return EntityTrigger(_context_of(fields, function), fields.text("entityName") or name)


def _context_of(fields: JsonFields, function: Callable[..., Any]) -> str:
    # The context is passed by position; the binding's name is that of a parameter of what `create` returned in 1.x.
    if isinstance(function, type):
        return fields.needed("name")
    return next(iter(signature_of(function).parameters), fields.needed("name"))


def _activity(name: str, fields: JsonFields, function: Callable[..., Any]) -> Binding:
    parameter = fields.needed("name")
    check_parameter(function, parameter, fields.where)
    return ActivityTrigger(parameter, fields.text("activity") or name)


def _client(_name: str, fields: JsonFields, function: Callable[..., Any]) -> Binding:
    parameter = fields.needed("name")
    check_parameter(function, parameter, fields.where)
    connection = fields.text("connectionName") or fields.text("connection")
    return DurableClient(parameter, fields.text("taskHub"), connection)


def _http_trigger(_name: str, fields: JsonFields, _function: Callable[..., Any]) -> Binding:
    level = fields.get("authLevel")
    methods = [fields.member(HttpMethod, "methods", method) for method in fields.items("methods")]
    return HttpTrigger(
        name=fields.needed("name"),
        methods=methods or None,
        auth_level=None if level is None else fields.member(AuthLevel, "authLevel", level),
        route=fields.text("route"),
        **fields.others("methods", "authLevel", "route"),
    )


def _http_output(_name: str, fields: JsonFields, _function: Callable[..., Any]) -> Binding:
    return HttpOutput(name=fields.needed("name"), **fields.others())


def _timer(_name: str, fields: JsonFields, _function: Callable[..., Any]) -> Binding:
    return TimerTrigger(
        name=fields.needed("name"),
        schedule=fields.needed("schedule"),
        run_on_startup=fields.flag("runOnStartup"),
        use_monitor=fields.flag("useMonitor"),
        **fields.others("schedule", "runOnStartup", "useMonitor"),
    )


def _generic(fields: JsonFields) -> Binding:
    kind, direction, data_type = fields.needed("type"), fields.text("direction") or "in", fields.get("dataType")
    make: type[GenericTrigger | GenericInputBinding | GenericOutputBinding]
    if kind.lower().endswith("trigger"):
        make = GenericTrigger
    elif direction.lower() == "in":
        make = GenericInputBinding
    elif direction.lower() == "out":
        make = GenericOutputBinding
    else:
        raise fields.unusable("direction", direction, "in or out")
    return make(
        name=fields.needed("name"),
        type=kind,
        data_type=None if data_type is None else fields.member(DataType, "dataType", data_type),
        **fields.others(),
    )


_MAKERS: Mapping[str, _Make] = {
    ORCHESTRATION_TRIGGER.lower(): _orchestration,
    ACTIVITY_TRIGGER.lower(): _activity,
    ENTITY_TRIGGER.lower(): _entity,
    DURABLE_CLIENT.lower(): _client,
    _CLIENT_OF_OLD.lower(): _client,
    "httptrigger": _http_trigger,
    "http": _http_output,
    "timertrigger": _timer,
}
