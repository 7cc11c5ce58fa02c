"""The app that tests of a project are about, by its name.

Owns where it is imported from: as tests import it, so that they and the fixtures have the same functions.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from azure_durable_py.app import Blueprint, PlainApp
from azure_durable_py.errors import RegistrationError
from azure_durable_py.testing.apps import App

_MEND = (
    "Name it in the configuration of pytest, as durable_app = shop.main:app, or have a fixture durable_app of your own "
    "in conftest.py that returns it."
)


def load_named_app(name: str, root: Path) -> App:
    """The app that a name means.

    :param name: `module:attribute`, or a module that holds one app.
    :param root: the directory that modules are looked up in as well.
    :raises RegistrationError: there is no such module or attribute, or it does not hold one app.
    """
    module_name, _, attribute = name.partition(":")
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise RegistrationError(f"There is no module {module_name!r} in {root} to test the app of. {_MEND}") from None
    if not attribute:
        return _only_app(vars(module), module_name)
    found: Any = getattr(module, attribute, None)
    if not isinstance(found, PlainApp | Blueprint):
        what = "has no" if found is None else f"has a {type(found).__name__} as"
        raise RegistrationError(f"Module {module_name!r} {what} {attribute!r}: no app is named so. {_MEND}")
    return found


def _only_app(names: dict[str, Any], module_name: str) -> App:
    apps = list({id(value): value for value in names.values() if isinstance(value, PlainApp)}.values())
    if len(apps) != 1:
        raise RegistrationError(f"Module {module_name!r} holds {len(apps) or 'no'} apps, where one is to be. {_MEND}")
    return apps[0]
