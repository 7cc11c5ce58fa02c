"""Which file of the project an import names.

Owns the places that imports are looked up in: the directory of the app, the one above a package, the directories that
were given. Installed packages are not among them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from azure_durable_py.lint.modules import Module
from azure_durable_py.lint.public_names import OURS, THEIRS
from azure_durable_py.lint.scopes import Imported

_MARKS = ("host.json", "function_app.py")
_APP_PACKAGE = "__app__"
_PUBLIC = (f"{OURS}.", f"{THEIRS}.")


class Imports:
    """Finds files by imports.

    :param roots: directories from which modules may be imported, beside those of each file itself.
    :param load: gives the module of a file; None: it cannot be read.
    """

    def __init__(self, roots: Iterable[Path], load: Callable[[Path], Module | None]) -> None:
        self._roots = [place for root in roots for place in (root, root / "src")]
        self._load = load
        self._files: dict[tuple[Path, str], Path | None] = {}
        self._names: dict[Path, frozenset[str]] = {}
        self._apps: dict[Path, Path | None] = {}

    def locate(self, importer: Module, binding: Imported) -> Module | None:
        """The module of the project that an import names; None: it names none."""
        directory = importer.path.parent
        if binding.level == 0 and f"{binding.module}.".startswith(_PUBLIC):
            return None  # Known by name, whatever file it is: rules speak of what it is for everybody.
        if binding.level:
            for _ in range(binding.level - 1):
                directory = directory.parent
            file = self._file(directory, binding.module)
            return None if file is None else self._load(file)
        for root, dotted in self._places(directory, binding.module):
            file = self._file(root, dotted)
            if file is not None:
                return self._load(file)
        return None

    def app_root(self, directory: Path) -> Path | None:
        """The directory of the app that a directory belongs to: the nearest with a host.json or function_app.py."""
        if directory not in self._apps:
            is_app = any((directory / mark).is_file() for mark in _MARKS)
            above = None if is_app or directory == directory.parent else self.app_root(directory.parent)
            self._apps[directory] = directory if is_app else above
        return self._apps[directory]

    def dotted_name(self, path: Path) -> str:
        """The name by which a file is imported."""
        root = self.app_root(path.parent) or _package_parent(path.parent)
        parts = list(path.relative_to(root).with_suffix("").parts)
        if parts[-1] == "__init__" and len(parts) > 1:
            parts.pop()
        return ".".join(parts)

    def _places(self, directory: Path, dotted: str) -> Iterator[tuple[Path, str]]:
        app = self.app_root(directory)
        if app is not None:
            if dotted.startswith(f"{_APP_PACKAGE}."):
                yield app, dotted[len(_APP_PACKAGE) + 1 :]
            yield app, dotted
        yield _package_parent(directory), dotted
        for root in self._roots:
            yield root, dotted

    def _file(self, root: Path, dotted: str) -> Path | None:
        key = (root, dotted)
        if key not in self._files:
            self._files[key] = self._look_up(root, dotted)
        return self._files[key]

    def _look_up(self, root: Path, dotted: str) -> Path | None:
        parts = dotted.split(".") if dotted else []
        if parts and parts[0] not in self._names_in(root):
            return None
        base = root.joinpath(*parts)
        candidates = [base / "__init__.py", *([base.with_name(f"{base.name}.py")] if parts else [])]
        return next((candidate for candidate in candidates if candidate.is_file()), None)

    def _names_in(self, directory: Path) -> frozenset[str]:
        if directory not in self._names:
            try:
                names = os.listdir(directory)  # noqa: PTH208 - names are all that is asked for, and they are many
            except OSError:
                names = []
            self._names[directory] = frozenset(name.removesuffix(".py") for name in names)
        return self._names[directory]


def _package_parent(directory: Path) -> Path:
    """The directory from which the package that a directory is a part of is imported."""
    while (directory / "__init__.py").is_file() and directory != directory.parent:
        directory = directory.parent
    return directory
