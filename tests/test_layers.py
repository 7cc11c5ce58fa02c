"""Imports point downwards only.

Owns the picture of the layers. Every import is read from the source, those inside functions and under
`TYPE_CHECKING` too: knowing of something above is what is refused, whenever it happens.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).parent.parent / "azure_durable_py"

# Top to bottom. Rooms in one line may know each other unless they are kept apart below.
LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"__main__"}),
    frozenset({"cli"}),
    frozenset({"hosting", "testing"}),
    frozenset({"openai_agents", "pydantic_ai"}),
    frozenset({"agents"}),
    frozenset({"triggers"}),
    frozenset({"http"}),
    frozenset({"app", "bindings"}),
    frozenset({"inspection"}),
    frozenset({"worker", "client"}),
    frozenset({"schedules"}),
    frozenset({"logs", "telemetry"}),
    frozenset({"runtime", "taskhub"}),
    frozenset({"lint"}),
    frozenset(
        {
            "addresses",
            "appsettings",
            "clock",
            "constants",
            "durable_http",
            "errors",
            "escaping",
            "failures",
            "history",
            "ids",
            "json_files",
            "moved_names",
            "observer",
            "observers",
            "pending_approvals",
            "recurrence",
            "registry",
            "retry_policy",
            "serialization",
            "settings",
            "shortening",
            "signatures",
            "stand_in",
            "status",
            "telling",
            "times",
            "token_sources",
            "trace_context",
            "wakeup",
            "wording",
        }
    ),
    frozenset({"shape"}),
    frozenset({"compact_json", "record"}),
)
KEPT_APART = (
    frozenset({"hosting", "testing"}),
    frozenset({"openai_agents", "pydantic_ai"}),
    frozenset({"logs", "telemetry"}),
    frozenset({"runtime", "taskhub"}),
)

# Who may import what from outside, by prefix of the module's name within the package.
RESERVED = {
    "agents": ("openai_agents",),
    "openai": ("openai_agents",),
    "pydantic_ai": ("pydantic_ai",),
    "azure.storage": ("taskhub.azure",),
    "azure.data": ("taskhub.azure",),
    "azure.identity": ("taskhub.azure", "worker.http"),
    "aiohttp": ("taskhub.azure", "hosting.local", "worker.http", "cli.remote"),
    "azure.functions": ("app", "bindings", "hosting", "testing", "triggers"),
    "sqlite3": ("taskhub",),
    "click": ("cli",),
    "opentelemetry": ("telemetry",),
    "rich": ("cli",),
    "watchfiles": ("hosting.local",),
}
# A turn is a pure function: nothing that waits, talks or reads a clock belongs in the runtime.
IMPURE = ("asyncio", "threading", "socket", "time", "random", "aiohttp", "sqlite3")
# asyncio's futures and tasks are pure where the event loop is; a seeded generator of random numbers is as well.
PURE_PARTS = {
    "asyncio": {"event_loop", "main_task", "driver", "tasks", "determinism"},
    "random.Random": {"ids", "context"},
}


class Import(NamedTuple):
    """One imported module, as `where` (file:line) names it."""

    importer: str
    imported: str
    where: str


def _module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(module), names=names):
            # `from azure import storage` and `from azure_durable_py import client` name modules too.
            return [f"{module}.{alias.name}" for alias in names]
        case _:
            return []


def _imports() -> Iterator[Import]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = _module_name(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
            for imported in _imported(node):
                yield Import(name, imported, f"{path.relative_to(PACKAGE.parent)}:{getattr(node, 'lineno', 0)}")


def _within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def _room(name: str) -> str:
    return name.partition(".")[0]


def _depth(room: str) -> int:
    return next(depth for depth, rooms in enumerate(LAYERS) if room in rooms)


def _internal_imports() -> Iterator[tuple[str, str, str]]:
    known = frozenset[str]().union(*LAYERS)
    for importer, imported, where in _imports():
        # The package's own __init__ only gathers names: it is above everything and nobody imports it.
        if importer and _room(imported) == PACKAGE.name:
            target = _room(imported.removeprefix(f"{PACKAGE.name}."))
            if _room(importer) != target:
                yield _room(importer), target if target in known else "", where


def _rooms() -> set[str]:
    return {_room(_module_name(path)) for path in PACKAGE.rglob("*.py")} - {""}


def test_every_room_has_a_layer():
    assert _rooms() - frozenset[str]().union(*LAYERS) == set(), "give the new room a layer in tests/test_layers.py"


def test_imports_point_downwards():
    upwards = [
        f"{where}: {importer} imports {target or 'the package itself'}"
        for importer, target, where in _internal_imports()
        if not target or _depth(importer) > _depth(target)
    ]
    assert upwards == []


def test_neighbours_that_are_kept_apart_do_not_know_each_other():
    crossings = [
        f"{where}: {importer} imports {target}"
        for importer, target, where in _internal_imports()
        if any({importer, target} <= rooms for rooms in KEPT_APART)
    ]
    assert crossings == []


@pytest.mark.parametrize("library", RESERVED)
def test_a_reserved_library_is_imported_only_where_it_belongs(library: str):
    strays = [
        f"{where}: {importer or 'the package itself'} imports {imported}"
        for importer, imported, where in _imports()
        if _within(imported, (library,)) and not _within(importer, RESERVED[library])
    ]
    assert strays == []


def test_the_runtime_is_pure():
    impure = [
        f"{where}: {imported}"
        for importer, imported, where in _imports()
        if _room(importer) == "runtime" and _within(imported, IMPURE) and not _is_pure_part(importer, imported)
    ]
    assert impure == []


def _is_pure_part(importer: str, imported: str) -> bool:
    name = importer.rpartition(".")[2]
    return any(_within(imported, (part,)) and name in users for part, users in PURE_PARTS.items())


def test_the_package_ships_no_test():
    assert [path.name for path in PACKAGE.rglob("test_*.py")] == []
