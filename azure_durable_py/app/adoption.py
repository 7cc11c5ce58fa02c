"""Plain function apps of azure.functions that hold durable functions.

Owns what such an app becomes for a host, and the three places where azure.functions is extended so that it does.
An app that holds nothing durable is what it was.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeAlias, cast
from weakref import WeakKeyDictionary

from azure.functions.decorators.function_app import DecoratorApi, Function, FunctionBuilder, FunctionRegister

from azure_durable_py.app.builders import AppFunction, DurableFunction
from azure_durable_py.app.function_app import Blueprint, DFApp
from azure_durable_py.bindings import DurableClient
from azure_durable_py.stand_in import owner_of_name

PlainApp: TypeAlias = FunctionRegister
_adopted: WeakKeyDictionary[FunctionRegister, DFApp] = WeakKeyDictionary()


def adopted(app: PlainApp) -> DFApp:
    """The app as hosts take it: itself, or for a plain app one that has the same functions, now and later."""
    if isinstance(app, DFApp):
        return app
    known = _adopted.get(app)
    if known is None:
        known = _adopted[app] = DFApp(app.auth_level)
        known._function_builders = _builders_of(app)  # pyright: ignore[reportPrivateUsage] - one list for both
    return known


def _is_durable(app: FunctionRegister) -> bool:
    return any(isinstance(builder, DurableFunction) or _has_client(builder) for builder in _builders_of(app))


def _has_client(builder: FunctionBuilder) -> bool:
    function: Function = builder._function  # pyright: ignore[reportPrivateUsage] - azure.functions has no other way
    return any(isinstance(binding, DurableClient) for binding in function.get_bindings())


def _builders_of(app: DecoratorApi) -> list[FunctionBuilder]:
    return app._function_builders  # pyright: ignore[reportPrivateUsage] - azure.functions has no other way


def _extend(owner: type[Any], name: str, extended: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    original = cast("Callable[..., Any]", getattr(owner, name))
    setattr(owner, name, functools.wraps(original)(extended(original)))


def _listing(original: Callable[..., Any]) -> Callable[..., Any]:
    # The Functions worker asks a plain app itself for its functions, and the app has no say in what else it tells.
    def get_functions(self: FunctionRegister) -> list[Function]:
        return adopted(self).get_functions() if _is_durable(self) else original(self)

    return get_functions


def _durable_blueprint(original: Callable[..., Any]) -> Callable[..., Any]:
    # The durable decorators of a plain app are those of a blueprint that azure.functions gets from here.
    def get_durable_blueprint(self: DecoratorApi) -> Any:
        return Blueprint() if owner_of_name() is None else original(self)

    return get_durable_blueprint


def _configuring(original: Callable[..., Any]) -> Callable[..., Any]:
    # A decorator of a plain app takes the app's newest builder for the one that it is given.
    def configure_function_builder(self: DecoratorApi, wrap: Callable[[FunctionBuilder], Any]) -> Callable[..., Any]:
        configure = original(self, wrap)

        def decorate(function: Any) -> Any:
            listed = any(builder is function for builder in _builders_of(self))
            return wrap(function) if isinstance(function, AppFunction) and not listed else configure(function)

        return decorate

    return configure_function_builder


_extend(FunctionRegister, "get_functions", _listing)
_extend(DecoratorApi, "_get_durable_blueprint", _durable_blueprint)
_extend(DecoratorApi, "_configure_function_builder", _configuring)
