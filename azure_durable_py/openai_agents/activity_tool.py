"""A tool of an agent that is an activity of the app.

Owns the way from what a model asks for to the input of the activity, and back from its result.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
from collections.abc import Callable
from typing import Any, cast

from agents import FunctionTool
from agents.function_schema import function_schema
from agents.tool import ToolErrorFunction, default_tool_error_function
from agents.tool_context import ToolContext

from azure_durable_py.agents.step_calls import call_step
from azure_durable_py.app import DurableFunction
from azure_durable_py.errors import OrchestratorError
from azure_durable_py.retry_policy import RetryOptions, RetryPolicy
from azure_durable_py.runtime.current import current_context
from azure_durable_py.serialization.converter import DataConverter
from azure_durable_py.serialization.envelopes import is_envelope

TOOL_RETRY = RetryOptions(2000, 5)
"""How the activity of a tool is tried again by default: 5 attempts, 2 seconds apart."""


def activity_tool(
    activity: Callable[..., Any],
    *,
    description: str | None = None,
    retry_options: RetryPolicy | None = TOOL_RETRY,
    failure_error_function: ToolErrorFunction | None = default_tool_error_function,
    **options: Any,
) -> FunctionTool:
    """A tool whose calls are calls of an activity: recorded steps, which may touch the world.

    The model is told the name, the docstring and the parameter of the activity, and of what it returns the JSON.

    :param activity: the decorated function.
    :param description: what the model is told of it in place of the docstring.
    :param retry_options: how the activity is tried again when it fails; None: it is not.
    :param failure_error_function: what the model is told when the activity has failed for good; None: nothing, the
        run fails with a `TaskFailedError`.
    :param options: others of `agents.FunctionTool`, as `needs_approval`.
    :raises OrchestratorError: it is no activity.
    """
    if not isinstance(activity, DurableFunction) or activity.durable_kind != "activity":
        raise OrchestratorError(
            f"activity_tool takes an activity of the app, as its decorator left it, not {activity!r}."
        )
    name, parameter = activity.durable_name, activity.parameter

    async def call_activity(tool: ToolContext[Any], arguments: str) -> Any:
        context = current_context()
        if context is None:
            raise OrchestratorError(f"The tool {tool.tool_name!r} is an activity, which only orchestrators can call.")
        given = _input(arguments, parameter)
        try:
            result = await call_step(context, name, given, retry_options)
        except Exception as error:
            if failure_error_function is None:
                raise
            told = failure_error_function(tool, error)
            return told if isinstance(told, str) else await told
        return _shown(result, context._generation.converter)  # pyright: ignore[reportPrivateUsage]

    schema = function_schema(
        _with_one(activity.function, parameter), description_override=description, strict_json_schema=True
    )
    return FunctionTool(
        name=schema.name,
        description=schema.description or "",
        params_json_schema=schema.params_json_schema,
        on_invoke_tool=call_activity,
        strict_json_schema=True,
        **options,
    )


def _with_one(function: Callable[..., Any], parameter: str) -> Callable[..., Any]:
    """The function as the model is to see it: with the parameter that takes the input, and no other."""
    signature = inspect.signature(function)
    if parameter not in signature.parameters:
        return function

    @functools.wraps(function)
    def shown(*given: Any) -> Any:
        return function(*given)

    shown.__dict__["__signature__"] = signature.replace(parameters=[signature.parameters[parameter]])
    return shown


def _input(arguments: str, parameter: str) -> Any:
    """What the activity is given: the argument of its parameter; what has none is given as it is."""
    try:
        given: Any = json.loads(arguments)
    except ValueError:
        return arguments
    if not isinstance(given, dict) or parameter not in given:
        return arguments
    return cast("dict[str, Any]", given)[parameter]


def _shown(result: Any, converter: DataConverter) -> str:
    """What the model is shown: text as it is, all else as JSON."""
    if isinstance(result, str):
        return result
    value = _data_in(json.loads(converter.serialize(result)))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _data_in(value: Any) -> Any:
    """A plain JSON value with the data of objects that wrote themselves in place of their envelopes."""
    if isinstance(value, list):
        return [_data_in(item) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    fields = cast("dict[str, Any]", value)
    if not is_envelope(fields):
        return {name: _data_in(item) for name, item in fields.items()}
    data = fields["__data__"]
    if isinstance(data, str):
        # Classes for azure-functions-durable write themselves as JSON text.
        with contextlib.suppress(ValueError):
            data = json.loads(data)
    return _data_in(data)
