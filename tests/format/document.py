"""The examples in docs/format.md: filled in from the golden files."""

from __future__ import annotations

import json
import re
from pathlib import Path

from azure_durable_py.taskhub.payloads import unpack
from azure_durable_py.taskhub.upgrades import Record
from tests.format.golden import GOLDEN, path_of

DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"
_PLACE = re.compile(r"<!-- golden: ([\w*-]+) -->\n(?:\n```\w+\n.*?^```\n)?", re.MULTILINE | re.DOTALL)
_NOT_SHOWN = {"payload"}


def shown() -> set[str]:
    """What the document shows."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return _NOT_SHOWN.union(*(_names(found[1]) for found in _PLACE.finditer(text)))


def filled(text: str) -> str:
    """The document with today's examples."""
    return _PLACE.sub(lambda found: f"<!-- golden: {found[1]} -->\n\n{_block(found[1])}", text)


def _names(pattern: str) -> list[str]:
    return [name for name in GOLDEN if re.fullmatch(pattern.replace("*", "[a-z-]+"), name)]


def _block(pattern: str) -> str:
    names = _names(pattern)
    language = "sql" if pattern.startswith("schema-sqlite") else "text" if GOLDEN[names[0]].packed else "json"
    return f"```{language}\n{''.join(_example(name) for name in names)}```\n"


def _example(name: str) -> str:
    content, packed = path_of(name).read_bytes(), GOLDEN[name].packed
    if packed is Record.header:
        head, tail = json.loads(unpack(content, packed))
        return "".join(f"{field}: {_compact(value)}\n" for field, value in head.items()) + f"{_compact(tail)}\n"
    if packed is not None:
        return f"{unpack(content, packed)}\n"
    text = content.decode()
    if name.startswith(("schema-sqlite", "keys")):
        return text
    record = json.loads(text)
    if name.startswith(("inbox", "doorbell", "work-item", "outbox")):
        return f"{_compact(record)}\n"
    return "{\n" + ",\n".join(f" {_compact(field)}: {_compact(value)}" for field, value in record.items()) + "\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
