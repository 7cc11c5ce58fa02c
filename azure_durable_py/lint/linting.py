"""Linting: from paths or a text to findings.

Owns the order of it: read, gather, check, leave out what `# noqa` covers.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from azure_durable_py.lint.findings import Finding
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.rules import RULE_MODULES
from azure_durable_py.lint.source import Source, parse_source, read_source


def lint_paths(paths: Iterable[Path | str]) -> list[Finding]:
    """What the rules find in files and in all Python files below directories, by file and line.

    Nothing is imported or run.
    """
    given = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - links are not followed
    roots = [path for path in given if path.is_dir()]
    files = dict.fromkeys(file for path in given for file in ([path] if path not in roots else path.rglob("*.py")))
    return _linted([read_source(file) for file in files], roots)


def lint_source(text: str, path: Path | str = "function_app.py") -> list[Finding]:
    """What the rules find in one text, which stands at a path.

    Modules that it imports are read from beside that path, where they are there.
    """
    return _linted([parse_source(text, Path(os.path.abspath(path)))], [])  # noqa: PTH100


def _linted(read: list[Source | Finding], roots: list[Path]) -> list[Finding]:
    findings = [found for found in read if isinstance(found, Finding)]
    project = Project([source for source in read if isinstance(source, Source)], roots)
    for function in project.functions:
        for rules in RULE_MODULES:
            findings += rules.check(function, project)
    # A function that several reach is looked at for each kind of them.
    once = {(found.code, found.path, found.line, found.column): found for found in reversed(findings)}
    return sorted(once.values(), key=lambda found: found.order)
