"""This package under the name `azure.durable_functions`, for code that cannot be edited.

Owns the finder that serves the name, and the judgement whether it may. What stands for what is the business of
`moved_names`.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from azure_durable_py.errors import RegistrationError
from azure_durable_py.moved_names import MOVED_NAMES

NAME = "azure.durable_functions"
_OURS = "azure_durable_py"
MOVE_IN = (
    f"Import azure_durable_py in place of {NAME}; for code that you cannot edit, call "
    "azure_durable_py.install_as_durable_functions() before it is imported."
)


def install_as_durable_functions() -> None:
    """Have `import azure.durable_functions` import this package, from now on and in this process.

    Call it at the top of `function_app.py`, before anything that imports the name. The modules below that users of
    azure-functions-durable 1.7.0 import from are served too, with the same classes as under their own names. What
    only this package has is in the package of that name as well.
    Calling it again does nothing.

    :raises RegistrationError: azure-functions-durable is imported already, or is installed.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    owner = owner_of_name()
    if owner is not None:
        raise RegistrationError(
            f"azure_durable_py cannot stand in for {NAME}, which {owner}. Take azure-functions-durable out of "
            "requirements.txt and uninstall it: `pip uninstall azure-functions-durable`."
        )
    sys.meta_path.insert(0, _Finder())


def owner_of_name() -> str | None:
    """Who has the name `azure.durable_functions`, in words; None: nobody, or this package."""
    module = sys.modules.get(NAME)
    spec = module.__spec__ if module is not None else importlib.util.find_spec(NAME)
    # Without an origin it is a namespace: a folder that an uninstalled package has left behind.
    if spec is None or spec.origin is None or isinstance(spec.loader, _Finder):
        return None
    return f"is {'imported already' if module is not None else 'installed'}, from {spec.origin}"


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes the modules. Each is one of its own that looks names up when they are first asked for."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the signature is the import system's
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """The module of a name below `azure.durable_functions`.

        :raises ModuleNotFoundError: there is one in azure-functions-durable that nothing here stands for, or none.
        """
        if fullname != NAME and not fullname.startswith(f"{NAME}."):
            return None
        below = _below(fullname)
        if below not in MOVED_NAMES:
            raise ModuleNotFoundError(f"azure_durable_py has nothing that stands for {fullname}.", name=fullname)
        is_package = any(name.startswith(f"{below}.") for name in MOVED_NAMES) if below else True
        return importlib.machinery.ModuleSpec(fullname, self, origin=_OURS, is_package=is_package)

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module."""
        below = _below(module.__name__)
        known, ours = MOVED_NAMES[below], importlib.import_module(_OURS)
        children = {
            leaf for parent, _, leaf in (name.rpartition(".") for name in MOVED_NAMES) if leaf and parent == below
        }

        def get(name: str) -> Any:
            if name in known:
                home, _, attribute = known[name].partition(":")
                value = getattr(importlib.import_module(f"{_OURS}.{home}"), attribute)
            elif name in children:
                value = importlib.import_module(f"{module.__name__}.{name}")
            elif not below and name in ours.__all__:
                value = getattr(ours, name)
            else:
                raise AttributeError(f"azure_durable_py has nothing that stands for {module.__name__}.{name}.")
            setattr(module, name, value)
            return value

        content: dict[str, Any] = vars(module)
        content.update(__doc__=f"`{module.__name__}` as azure_durable_py has it.", __all__=sorted(known))
        content.update(__getattr__=get, __dir__=lambda: sorted({*content, *known, *children}))
        for name in children & known.keys():
            # Importing the child later would put the module in the place of the class of that name.
            importlib.import_module(f"{module.__name__}.{name}")
            content.pop(name)


def _below(fullname: str) -> str:
    return fullname[len(NAME) + 1 :]
