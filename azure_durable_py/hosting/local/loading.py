"""Loads a function app from its directory, as the Functions worker would.

Owns the import of the user's module and the message when it fails: the user's own frames only.
"""

from __future__ import annotations

import importlib
import logging
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from azure_durable_py.app import DFApp, PlainApp, adopted
from azure_durable_py.app.app_package import is_loaded
from azure_durable_py.app.function_json import FUNCTION_JSON, names_of_folders
from azure_durable_py.errors import DurableError, RegistrationError, SettingsError
from azure_durable_py.stand_in import MOVE_IN, NAME

logger = logging.getLogger(__name__)
_SCRIPT = "PYTHON_SCRIPT_FILE_NAME"


def check_app_dir(app_dir: Path, app_settings: Mapping[str, str]) -> Path:
    """What in a directory makes up its app: its script (`function_app.py`, unless an app setting names another),
    or, where there is none, the directory itself, whose folders have a function.json each.

    :raises SettingsError: there is no such directory, or nothing of either in it.
    """
    if not app_dir.is_dir():
        raise SettingsError(f"There is no directory {app_dir}. Give the directory of a function app.")
    script = app_dir / (app_settings.get(_SCRIPT) or "function_app.py")
    if script.is_file():
        return script
    if names_of_folders(app_dir):
        return app_dir
    raise SettingsError(
        f"There is no {script.name} in {app_dir}, nor a folder with a {FUNCTION_JSON}. Give the directory of a "
        "function app: `azure-durable start APP_DIR`."
    )


def load_app(source: Path) -> DFApp:
    """Import what `check_app_dir` has found and give its app, a plain `FunctionApp` as the `DFApp` that hosts take.

    The app's directory becomes the first place that imports are looked up in, and stays it.

    :raises RegistrationError: a script fails, or does not hold exactly one app.
    :raises SettingsError: a function.json is no JSON.
    """
    app_dir = source if source.is_dir() else source.parent
    directory = str(app_dir.resolve())
    if directory not in sys.path[:1]:
        sys.path.insert(0, directory)
    importlib.invalidate_caches()
    try:
        loaded = DFApp.from_function_json(source) if source.is_dir() else _imported(source)
    except (Exception, SystemExit) as error:
        if source.is_dir() and isinstance(error, DurableError):
            raise
        what = f"An app's script in {source}" if source.is_dir() else source.name
        raise RegistrationError(
            f"{what} cannot be loaded:\n{_user_traceback(error, directory)}{_way_in(error)}"
        ) from error
    if isinstance(loaded, DFApp):
        return loaded
    _warn_of_folders(source)
    return _only_app(loaded, source.name)


def _imported(script: Path) -> ModuleType:
    sys.modules.pop(script.stem, None)
    return importlib.import_module(script.stem)


def _only_app(module: ModuleType, script: str) -> DFApp:
    apps = list({id(value): value for value in vars(module).values() if isinstance(value, PlainApp)}.values())
    if len(apps) == 1:
        return adopted(apps[0])
    if apps:
        raise RegistrationError(f"{script} holds {len(apps)} apps. Keep one and make the others Blueprints.")
    raise RegistrationError(f"{script} holds no function app. It needs: app = azure_durable_py.DFApp()")


def _warn_of_folders(script: Path) -> None:
    names = names_of_folders(script.parent)
    if names and not is_loaded(script.parent):
        logger.warning(
            "Folders with a function.json are not loaded, as a Functions host does not load them beside %s: %s. "
            "DFApp.from_function_json loads them.",
            script.name,
            ", ".join(names),
        )


def _way_in(error: BaseException) -> str:
    if isinstance(error, ImportError) and (error.name or "").startswith(NAME):
        return f"\n\n{MOVE_IN} `azure-durable start --as-durable-functions` does so, too."
    return ""


def _user_traceback(error: BaseException, directory: str) -> str:
    told = traceback.TracebackException.from_exception(error)
    part: traceback.TracebackException | None = told
    while part is not None:
        # What runs before the user's first frame is the machinery of imports.
        own = [at for at, frame in enumerate(part.stack) if frame.filename.startswith(directory)]
        del part.stack[: own[0] if own else len(part.stack)]
        part = part.__cause__ or part.__context__
    return "".join(told.format()).rstrip()
