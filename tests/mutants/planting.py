"""A mutant: one bug, put into a throw-away copy of the project.

Owns the copy and the change of one file in it. The working tree is only read.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "azure_durable_py"
_LEFT_OUT = shutil.ignore_patterns(".*", "node_modules", "*.db", "dist", "build")


class MisfitError(Exception):
    """A mutant does not apply to the code as it is now."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug.

    :param name: how it is asked for.
    :param breaks: what goes wrong with it, in words.
    :param file: below the package.
    :param old: text that the file holds exactly once.
    :param new: what it becomes.
    :param caught_by: tests of the ordinary suite of which one fails, the quickest that do: paths or ids of pytest.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    caught_by: tuple[str, ...]

    def mutate(self, text: str) -> str:
        """The text of the file with the bug in it.

        :raises MisfitError: the old text is not there, or not only once.
        """
        count = text.count(self.old)
        if count != 1:
            raise MisfitError(
                f"Mutant {self.name!r}: the text that it replaces occurs {count} times in {PACKAGE}/{self.file}, and "
                f"must occur once. The code has moved on: let the catalogue follow.\n{self.old}"
            )
        return text.replace(self.old, self.new)

    def plant(self, project: Path) -> None:
        """Put the bug into a copy of the project.

        :raises MisfitError: it does not apply.
        """
        path = project / PACKAGE / self.file
        if not path.is_file():
            raise MisfitError(f"Mutant {self.name!r}: there is no file {PACKAGE}/{self.file}.")
        path.write_text(self.mutate(path.read_text(encoding="utf-8")), encoding="utf-8")


def copy_project(target: Path) -> None:
    """Copy what tests need: the code, compiled files along (they save seconds), and the way to Azurite."""
    shutil.copytree(ROOT, target, ignore=_LEFT_OUT, symlinks=True)
    modules = ROOT / "node_modules"
    if modules.exists():
        (target / "node_modules").symlink_to(modules.resolve())
