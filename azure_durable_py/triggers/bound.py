"""`BoundFunction`: an ordinary function of an app, ready to be called.

Owns what such a function takes beside what triggers it, and what comes of a call. Who calls it, when, and in which
thread, is the business of hosts and tests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import azure.functions as func
from azure.functions.decorators.core import OutputBinding
from azure.functions.decorators.function_app import Function

from azure_durable_py.app import DFApp
from azure_durable_py.app.clients import takes_sync_client
from azure_durable_py.app.invocation import InvocationContext
from azure_durable_py.bindings import DurableClient
from azure_durable_py.signatures import signature_of

RETURN = "$return"
"""The name of the output binding that takes what the function returns."""
_CONTEXT = "context"
_NO_HEADERS: Mapping[str, str] = {}

Call: TypeAlias = Callable[[Callable[..., Any], Mapping[str, Any]], Awaitable[Any]]
"""Calls a function by keyword, and gives or raises what it does."""


class OutValue(func.Out[Any]):
    """The `func.Out` parameter of one call."""

    def __init__(self) -> None:
        self.is_set = False
        self._value: Any = None

    def set(self, val: Any) -> None:
        """Set the value of the output binding."""
        self.is_set, self._value = True, val

    def get(self) -> Any:
        """The value that was set, or None."""
        return self._value


@dataclass(frozen=True, slots=True)
class Invoked:
    """What came of a call: what the function returned, and the values of the `func.Out` parameters that it set."""

    returned: Any
    outputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BoundFunction:
    """A function whose durable clients are filled.

    `call` takes what triggers it as `trigger`. `inputs` are its other input bindings, `outputs` those that it sets by a
    `func.Out` parameter or returns (`$return`), both as type by name. `waits`: it is sync, and its client's calls wait.
    """

    name: str
    call: Callable[..., Any]
    trigger: str
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    takes_context: bool
    waits: bool

    @classmethod
    def of(cls, app: DFApp, function: Function) -> BoundFunction:
        """A function of an app."""
        trigger, user_function = function.get_trigger(), function.get_user_function()
        clients = [binding for binding in function.get_bindings() if isinstance(binding, DurableClient)]
        others = [binding for binding in function.get_bindings() if binding is not trigger and binding not in clients]
        name = str(getattr(trigger, "name", ""))
        return cls(
            name=str(function.get_function_name()),
            call=app.bound(function),
            trigger=name,
            inputs={str(each.name): str(each.type) for each in others if not isinstance(each, OutputBinding)},
            outputs={str(each.name): str(each.type) for each in others if isinstance(each, OutputBinding)},
            takes_context=name != _CONTEXT and _CONTEXT in signature_of(user_function).parameters,
            waits=any(takes_sync_client(user_function, binding.name) for binding in clients),
        )

    async def invoke(
        self, given: Mapping[str, Any], call: Call, directory: str, headers: Mapping[str, str] = _NO_HEADERS
    ) -> Invoked:
        """Call the function; what it raises is raised.

        :param given: what triggers it, and its other inputs, by parameter.
        :param call: calls it.
        :param directory: the directory of the app, for its context.
        :param headers: those of the request that it answers, if any: which trace the call is a part of.
        """
        outs = {name: OutValue() for name in self.outputs if name != RETURN}
        arguments: dict[str, Any] = {**outs, **given}
        if self.takes_context and _CONTEXT not in given:
            trace = (headers.get("traceparent", ""), headers.get("tracestate", ""))
            arguments[_CONTEXT] = InvocationContext(self.name, directory, *trace)
        returned = await call(self.call, arguments)
        return Invoked(returned, {name: out.get() for name, out in outs.items() if out.is_set})
