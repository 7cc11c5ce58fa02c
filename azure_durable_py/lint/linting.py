"""Linting: from paths or a text to findings.

Owns the order of it: read, gather, check, leave out what settings and comments let pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from azure_durable_py.lint.files import absolute, python_files
from azure_durable_py.lint.findings import LintFinding
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.noqa import Excuses
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.rules import RULE_MODULES, RULES, RuleModule
from azure_durable_py.lint.settings import LintSettings, settings_for
from azure_durable_py.lint.source import Source, parse_source, read_source, unreadable

_DEFAULTS = LintSettings()


def lint_paths(paths: Iterable[Path | str], settings: LintSettings = _DEFAULTS) -> list[LintFinding]:
    """What the rules find in files and in all Python files below directories, by file and line.

    Nothing is imported or run. Directories are looked at as a whole: a helper is looked at because of the orchestrator
    that calls it, wherever both are.

    :param settings: what is told; `settings_for` reads those of a pyproject.toml.
    :raises FileNotFoundError: there is nothing at a path.
    """
    given = [absolute(path) for path in paths]
    read = [read_source(file) for file in python_files(given)]
    return _linted(read, [path for path in given if path.is_dir()], settings)


def lint_app(directory: Path | str) -> list[LintFinding]:
    """What the rules find in the directory of an app, by the settings of the pyproject.toml in or above it.

    :raises FileNotFoundError: there is no such directory.
    :raises SettingsError: the file is no TOML, or a setting cannot be used.
    """
    place = absolute(directory)
    return lint_paths([place], settings_for(place, [rule.code for rule in RULES]))


def lint_source(
    text: str, path: Path | str = "function_app.py", settings: LintSettings = _DEFAULTS, *, noqa: bool = True
) -> list[LintFinding]:
    """What the rules find in one text, which stands at a path.

    Modules that it imports are read where they are there beside that path, and nothing is told of them.

    :param noqa: whether comments that let findings pass are heeded.
    """
    return _linted([parse_source(text, absolute(path))], [], settings, noqa=noqa)


def _linted(
    read: list[Source | LintFinding], roots: list[Path], settings: LintSettings, *, noqa: bool = True
) -> list[LintFinding]:
    sources = [source for source in read if isinstance(source, Source)]
    findings = [found for found in read if isinstance(found, LintFinding)]
    findings += _checked(Project(sources, roots))
    texts = {source.path: source.text for source in sources}
    excuses: dict[Path, Excuses] = {}
    told: list[LintFinding] = []
    for found in sorted(findings, key=lambda found: found.order):
        if noqa and found.path not in excuses:
            excuses[found.path] = Excuses(texts.get(found.path, ""))
        if settings.tells(found) and settings.lints(found.path) and not (noqa and excuses[found.path].covers(found)):
            told.append(found)
    return told


def _checked(project: Project) -> list[LintFinding]:
    found: list[LintFinding] = []
    for function in project.functions:
        for rules in RULE_MODULES:
            found += _found_by(rules, function, project)
    # What is reached in several ways is looked at for each of them, and told once.
    once: dict[LintFinding, LintFinding] = {}
    for finding in found:
        once.setdefault(replace(finding, function="", via="", message=""), finding)
    return list(once.values())


def _found_by(rules: RuleModule, function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """What rules find in a function, or that it cannot be looked at: newer Pythons parse what is nested that deep."""
    try:
        yield from rules.check(function, project)
    except RecursionError:
        message = f"{function.name} is nested too deeply to be looked at as a whole"
        yield unreadable(function.module.path, message, function.node.lineno)
