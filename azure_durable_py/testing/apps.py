"""What tests may give as an app, and what it declares."""

from __future__ import annotations

from typing import TypeAlias

from azure.functions.decorators.function_app import DecoratorApi

from azure_durable_py.app import Blueprint, DFApp, PlainApp, adopted
from azure_durable_py.registry import Registry

App: TypeAlias = PlainApp | Blueprint | Registry


def whole_app(app: App) -> DFApp | Registry:
    """The app as hosts take it; of a blueprint, one that has just that.

    :raises TypeError: it is neither.
    """
    if isinstance(app, Registry):
        return app
    if isinstance(app, PlainApp):
        return adopted(app)
    if not isinstance(app, DecoratorApi):  # pyright: ignore[reportUnnecessaryIsInstance] - tests are seldom typed
        raise TypeError(f"An app, or a blueprint, is what is tested, not {app!r}: give what functions are declared on.")
    whole = DFApp()
    whole.register_functions(app)
    return whole


def registry_of(app: App) -> Registry:
    """What an app declares.

    :raises RegistrationError: a durable function is declared wrongly, or a name is taken twice.
    """
    whole = whole_app(app)
    return whole if isinstance(whole, Registry) else whole.registry
