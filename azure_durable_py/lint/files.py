"""Which files are linted.

Owns walking directories: what is nobody's own code is left out, and links to directories are not followed, so that
none leads round in a circle.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

LEFT_OUT = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages", "venv"})
"""Directories by name that are not looked into, beside hidden ones and virtual environments of any name."""


def absolute(path: Path | str) -> Path:
    """A path from the root on, with its links as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - `resolve` would follow links


def python_files(paths: Iterable[Path]) -> Iterator[Path]:
    """The files that absolute paths name: themselves, or all of Python below directories, each once and in order.

    :raises FileNotFoundError: there is nothing at a path.
    """
    seen: set[Path] = set()
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(path)
        for file in _below(path) if path.is_dir() else (path,):
            if file not in seen:
                seen.add(file)
                yield file


def _below(directory: Path) -> Iterator[Path]:
    for place, directories, files in os.walk(directory):
        directories[:] = sorted(name for name in directories if _is_own(Path(place, name)))
        yield from (Path(place, name) for name in sorted(files) if name.endswith(".py") and _is_file(Path(place, name)))


def _is_file(path: Path) -> bool:
    """Whether there is something to read, or to tell that it cannot be: no pipe, on which a reader waits for ever."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _is_own(directory: Path) -> bool:
    name = directory.name
    return not (name.startswith(".") or name in LEFT_OUT or (directory / "pyvenv.cfg").is_file())
