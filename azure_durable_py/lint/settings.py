"""The settings of the linter: `[tool.azure-durable.lint]` in pyproject.toml.

Owns their reading, and the choice of findings by them.
"""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from azure_durable_py.errors import SettingsError
from azure_durable_py.lint.findings import LintFinding

_FILE = "pyproject.toml"
_TABLE = "tool.azure-durable.lint"
_LISTS = ("select", "ignore", "exclude")


@dataclass(frozen=True, slots=True)
class LintSettings:
    """What is looked for, and where.

    Codes may be given by how they begin: `DF` is all of them. Patterns are those of a shell, relative to `root`; `*`
    takes in slashes, and a directory takes in all that is below it.

    :param root: the directory that patterns are relative to.
    :param select: the codes that are told; none: all.
    :param ignore: codes that are not told.
    :param exclude: files and directories in which nothing is told. They are still read for the names in them.
    :param per_file_ignores: codes that are not told in the files that a pattern takes in.
    """

    root: Path = Path("/")
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {})

    def lints(self, path: Path) -> bool:
        """Whether findings in a file are told at all."""
        return not any(self._matches(path, pattern) for pattern in self.exclude)

    def tells(self, finding: LintFinding) -> bool:
        """Whether a finding is told."""
        ignored = [*self.ignore]
        for pattern, codes in self.per_file_ignores.items():
            ignored += codes if self._matches(finding.path, pattern) else ()
        return _begins(finding.code, self.select or ("",)) and not _begins(finding.code, ignored)

    def _matches(self, path: Path, pattern: str) -> bool:
        try:
            relative = path.relative_to(self.root).as_posix()
        except ValueError:
            relative = path.as_posix()
        pattern = pattern.rstrip("/").removeprefix("./")
        # `*` takes in slashes, yet there is none before what is at the top.
        patterns = [pattern, pattern.removeprefix("**/")]
        return any(fnmatch.fnmatchcase(relative, each) for one in patterns for each in (one, f"{one}/*"))


def _begins(code: str, beginnings: Iterable[str]) -> bool:
    return any(code.startswith(beginning.upper()) for beginning in beginnings)


def unknown_codes(given: Iterable[str], known: Collection[str]) -> list[str]:
    """The codes that stand for no rule."""
    return [code for code in given if not code or not any(_begins(rule, (code,)) for rule in known)]


def settings_for(directory: Path, known: Collection[str]) -> LintSettings:
    """The settings of the nearest pyproject.toml in or above an absolute directory; without one, the defaults.

    :param known: the codes of all rules.
    :raises SettingsError: the file is no TOML, or a setting cannot be used.
    """
    file = next((place / _FILE for place in (directory, *directory.parents) if (place / _FILE).is_file()), None)
    if file is None:
        return LintSettings(directory)
    table = _table(file)
    for name in table:
        if name not in (*_LISTS, "per-file-ignores"):
            accepted = ", ".join((*_LISTS, "per-file-ignores"))
            raise SettingsError(f"{file}: [{_TABLE}] has no setting {name!r}. Accepted: {accepted}.")
    lists = {name: _texts(file, name, table.get(name, [])) for name in _LISTS}
    by_file = _object(file, "per-file-ignores", table.get("per-file-ignores", {}))
    per_file = {pattern: _texts(file, "per-file-ignores", codes) for pattern, codes in by_file.items()}
    for code in unknown_codes([*lists["select"], *lists["ignore"], *sum(per_file.values(), ())], known):
        raise SettingsError(
            f"{file}: [{_TABLE}] names a rule {code!r}, which there is not. See `azure-durable lint --help`."
        )
    return LintSettings(file.parent, **lists, per_file_ignores=per_file)


def _table(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read: {error}.") from error
    if "azure-durable" not in text:
        return {}
    toml = _toml(file)
    try:
        table: Any = toml.loads(text)
    except ValueError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}.") from error
    for step in _TABLE.split("."):
        table = _object(file, step, table).get(step, {})
    return _object(file, _TABLE, table)


def _toml(file: Path) -> Any:
    """What reads TOML: Python itself from 3.11 on, before that a package, if it is there."""
    for name in ("tomllib", "tomli"):
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(name)
    raise SettingsError(
        f"{file} may have settings of the linter, and Python 3.10 does not read TOML by itself. "
        "Install tomli, or use Python 3.11."
    )


def _object(file: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsError(f"{file}: {name} must be a table.")
    return cast("dict[str, Any]", value)


def _texts(file: Path, name: str, value: Any) -> tuple[str, ...]:
    given = cast("list[Any]", value) if isinstance(value, list) else []
    texts = tuple(text for text in given if isinstance(text, str))
    if not isinstance(value, list) or len(texts) != len(given):
        raise SettingsError(f"{file}: {name} must be a list of texts.")
    return texts
