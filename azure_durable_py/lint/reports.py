"""Findings in the forms that programs and people read: lines, JSON, SARIF 2.1.0, and annotations of GitHub.

Owns these four. Paths are relative to the directory that a report is made for, where they are below it.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from azure_durable_py.lint.findings import LintFinding, Rule

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_PACKAGE = "azure-durable-py"


def shown_path(path: Path, base: Path) -> str:
    """A path as people and programs get it: relative where it is below the base, with slashes."""
    return (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()


def text_line(found: LintFinding, base: Path) -> str:
    """A finding as compilers tell theirs: `path:line:column: code message`."""
    return f"{shown_path(found.path, base)}:{found.line}:{found.column}: {found.code} {found.text}"


def json_report(findings: Iterable[LintFinding], base: Path) -> dict[str, Any]:
    """All of the findings, and the rules that they are of."""
    told = list(findings)
    rules = {found.code: found.rule for found in sorted(told, key=lambda found: found.code)}
    return {
        "findings": [_json_form(found, base) for found in told],
        "rules": {code: {"name": rule.name, "why": rule.why, "mend": rule.mend} for code, rule in rules.items()},
    }


def _json_form(found: LintFinding, base: Path) -> dict[str, Any]:
    return {
        "code": found.code,
        "path": shown_path(found.path, base),
        "line": found.line,
        "column": found.column,
        "endLine": found.end_line,
        "endColumn": found.end_column,
        "message": found.message,
        "function": found.function,
        "via": found.via,
    }


# --- GitHub ----------------------------------------------------------------------------------------


def github_line(found: LintFinding, base: Path) -> str:
    """The workflow command that has GitHub show a finding beside the line of code."""
    fields = {"file": shown_path(found.path, base), "line": found.line, "endLine": found.end_line}
    if found.line == found.end_line:
        # GitHub refuses columns of several lines.
        fields |= {"col": found.column, "endColumn": found.end_column}
    fields["title"] = f"{found.code} {found.rule.name}"
    properties = ",".join(f"{name}={_property(str(value))}" for name, value in fields.items())
    return f"::error {properties}::{_data(f'{found.text}. {found.rule.mend}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


# --- SARIF -----------------------------------------------------------------------------------------


def sarif_report(findings: Iterable[LintFinding], rules: Sequence[Rule], base: Path) -> dict[str, Any]:
    """A log of one run: every rule, and the findings with fingerprints that outlive a move to another line."""
    numbers = {rule.code: number for number, rule in enumerate(rules)}
    seen = Counter[str]()
    driver = {
        "name": "azure-durable lint",
        "semanticVersion": version(_PACKAGE),
        "rules": [_sarif_rule(rule) for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"uri": f"{base.as_uri().rstrip('/')}/"}},
        "results": [_sarif_result(found, numbers[found.code], base, seen) for found in findings],
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.code,
        "name": "".join(word.capitalize() for word in rule.name.split("-")),
        "shortDescription": {"text": rule.name.replace("-", " ").capitalize()},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.why} {rule.mend}"},
        "defaultConfiguration": {"level": "error"},
    }


def _sarif_result(found: LintFinding, number: int, base: Path, seen: Counter[str]) -> dict[str, Any]:
    path = shown_path(found.path, base)
    place: dict[str, Any] = {"uri": quote(os.fsencode(path))}
    if found.path.is_relative_to(base):
        place["uriBaseId"] = "SRCROOT"
    else:
        place["uri"] = found.path.as_uri()
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": place, "region": _region(found)}}
    if found.function:
        location["logicalLocations"] = [{"fullyQualifiedName": found.function, "kind": "function"}]
    what = f"{found.code}\n{path}\n{found.function}\n{found.message}"
    seen[what] += 1
    fingerprint = hashlib.sha256(f"{what}\n{seen[what]}".encode(errors="surrogatepass")).hexdigest()
    return {
        "ruleId": found.code,
        "ruleIndex": number,
        "level": "error",
        "message": {"text": f"{found.text}. {found.rule.mend}"},
        "locations": [location],
        "partialFingerprints": {"azureDurableLint/v1": fingerprint},
    }


def _region(found: LintFinding) -> dict[str, int]:
    return {
        "startLine": found.line,
        "startColumn": found.column,
        "endLine": found.end_line,
        "endColumn": max(found.end_column, found.column) if found.line == found.end_line else found.end_column,
    }
