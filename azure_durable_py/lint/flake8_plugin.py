"""The linter as a plugin of flake8, for the codes `DF`.

Owns what flake8 calls. It gives one file at a time: names are followed into the modules that the file imports, yet
helpers in other files are not told of. `azure-durable lint` is what sees a whole app.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from importlib.metadata import version

from azure_durable_py.lint.linting import lint_source
from azure_durable_py.lint.source import UNREADABLE


class Plugin:
    """Checks one file.

    :param tree: what flake8 parsed; by asking for it, the plugin is one of those that are called once a file.
    :param filename: the path of the file, or `-`.
    :param lines: its lines, with their ends.
    """

    name = "azure-durable-lint"
    version = version("azure-durable-py")

    def __init__(self, tree: ast.AST, filename: str, lines: Sequence[str]) -> None:
        del tree
        self._path = filename
        self._text = "".join(lines)

    def run(self) -> Iterator[tuple[int, int, str, type[object]]]:
        """Line, column from 0 on, code with message, and who says so. Comments and settings are flake8's to heed."""
        for found in lint_source(self._text, self._path, noqa=False):
            if found.rule is not UNREADABLE:  # flake8 tells it itself.
                yield found.line, found.column - 1, f"{found.code} {found.text}", type(self)
