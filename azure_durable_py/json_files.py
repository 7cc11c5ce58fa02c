"""The JSON files of a function app, as the Functions host and Core Tools read them.

Owns their syntax: comments and trailing commas are accepted. What is in them is the readers' business.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from azure_durable_py.errors import SettingsError


def read_object(path: Path) -> dict[str, Any]:
    """The content of a file with a JSON object; a missing or empty file counts as an empty object.

    :raises SettingsError: it is something else; the message names file, line and column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from error
    content: Any = parse_json(text, str(path)) if text.strip() else {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold a JSON object, not {kind_of(content)}.")
    return cast("dict[str, Any]", content)


def parse_json(text: str, where: str) -> Any:
    """The value of JSON that may hold comments and trailing commas.

    :raises SettingsError: it is no JSON; the message names `where`, line and column.
    """
    try:
        return json.loads(_without_trailing_commas(_without_comments(text)))
    except ValueError as error:
        at = f", line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise SettingsError(f"{where}{at} is not valid JSON: {reason}.") from error
    except RecursionError as error:
        raise SettingsError(f"{where} is not usable: it is nested too deeply.") from error


_STRING = r'"(?:[^"\\\n]|\\.)*"'


def _without_comments(text: str) -> str:
    # Comments become blanks of the same shape, so that lines and columns of errors stay true.
    return re.sub(
        rf"{_STRING}|//[^\n]*|/\*.*?\*/",
        lambda match: match[0] if match[0].startswith('"') else re.sub(r"[^\n]", " ", match[0]),
        text,
        flags=re.DOTALL,
    )


def _without_trailing_commas(text: str) -> str:
    return re.sub(
        rf"{_STRING}|,(?=\s*[}}\]])",
        lambda match: match[0] if match[0].startswith('"') else " ",
        text,
        flags=re.DOTALL,
    )


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    if value is None:
        return "null"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string", bool: "a boolean"}
    return names.get(value.__class__, "a number")
