"""Loads a function app from its directory, as the Functions worker would.

Owns the import of the user's module and the message when it fails: the user's own frames only.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

from azure.functions.decorators.function_app import FunctionRegister

from azure_durable_py.app import DFApp
from azure_durable_py.errors import RegistrationError, SettingsError

_SCRIPT = "PYTHON_SCRIPT_FILE_NAME"


def check_app_dir(app_dir: Path, app_settings: Mapping[str, str]) -> Path:
    """The script of the app in a directory (`function_app.py`, unless an app setting names another).

    :raises SettingsError: there is no such directory or script.
    """
    if not app_dir.is_dir():
        raise SettingsError(f"There is no directory {app_dir}. Give the directory of a function app.")
    script = app_dir / (app_settings.get(_SCRIPT) or "function_app.py")
    if not script.is_file():
        found = " There are function.json files: that programming model needs `func`." if _old_model(app_dir) else ""
        raise SettingsError(
            f"There is no {script.name} in {app_dir}.{found} Give the directory of a function app: "
            "`azure-durable start APP_DIR`."
        )
    return script


def load_app(script: Path) -> DFApp:
    """Import the script of an app and find its `DFApp`.

    The app's directory becomes the first place that imports are looked up in, and stays it.

    :raises RegistrationError: the script fails, or does not hold exactly one `DFApp`.
    """
    directory = str(script.parent.resolve())
    if directory not in sys.path[:1]:
        sys.path.insert(0, directory)
    importlib.invalidate_caches()
    sys.modules.pop(script.stem, None)
    try:
        module = importlib.import_module(script.stem)
    except (Exception, SystemExit) as error:
        raise RegistrationError(f"{script.name} cannot be loaded:\n{_user_traceback(error, directory)}") from error
    apps = {id(value): value for value in vars(module).values() if isinstance(value, FunctionRegister)}
    durable = [value for value in apps.values() if isinstance(value, DFApp)]
    if len(durable) == 1:
        return durable[0]
    if durable:
        raise RegistrationError(
            f"{script.name} holds {len(durable)} apps. Keep one DFApp and make the others Blueprints."
        )
    plain = " It holds a plain FunctionApp: make it a DFApp." if apps else ""
    raise RegistrationError(f"{script.name} holds no function app.{plain} It needs: app = azure_durable_py.DFApp()")


def _user_traceback(error: BaseException, directory: str) -> str:
    told = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = told
    while part is not None:
        # What runs before the user's first frame is the machinery of imports.
        own = [at for at, frame in enumerate(part.stack) if frame.filename.startswith(directory)]
        del part.stack[: own[0] if own else len(part.stack)]
        part = part.__cause__ or part.__context__
    return "".join(told.format()).rstrip()


def _old_model(app_dir: Path) -> bool:
    return next(app_dir.glob("*/function.json"), None) is not None
