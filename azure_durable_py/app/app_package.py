"""`__app__`, the package as whose parts the scripts of a function.json app are imported.

Owns that package, which apps know by name (`from __app__.shared import x`) or by relative imports. There is one at
a time: the modules of an app that was loaded before are forgotten.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_NAME = "__app__"


def import_script(app_dir: Path, script: Path) -> ModuleType:
    """Import a script below the directory of an app, which becomes a place that imports are looked up in.

    :raises ValueError: it is not below the directory.
    """
    parts = script.resolve().relative_to(app_dir).with_suffix("").parts
    _have(app_dir)
    # A script that is a package's `__init__` must not be loaded a second time as a module of it.
    return importlib.import_module(".".join([_NAME, *(part for part in parts if part != "__init__")]))


def is_loaded(app_dir: Path) -> bool:
    """Whether the scripts of the app in a directory are what is imported."""
    package = sys.modules.get(_NAME)
    return package is not None and _is_ours(package) and list(package.__path__) == [str(app_dir.resolve())]


def is_loaded_by_worker(function: Callable[..., Any]) -> bool:
    """Whether the Functions worker imports the module of a function for its function.json, and not this package."""
    package = sys.modules.get(_NAME)
    module = str(getattr(function, "__module__", ""))
    return package is not None and module.startswith(f"{_NAME}.") and not _is_ours(package)


def _have(app_dir: Path) -> None:
    directory = str(app_dir)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    if is_loaded(app_dir):
        return
    for name in [name for name in sys.modules if name == _NAME or name.startswith(f"{_NAME}.")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    spec = ModuleSpec(_NAME, None, is_package=True, loader_state=__name__)
    spec.submodule_search_locations = [directory]
    sys.modules[_NAME] = importlib.util.module_from_spec(spec)


def _is_ours(package: ModuleType) -> bool:
    return package.__spec__ is not None and package.__spec__.loader_state == __name__
