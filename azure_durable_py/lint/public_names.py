"""One name for each thing of this package and of azure-functions-durable, however it was imported.

Owns that form: `azure_durable_py.X`.
"""

from __future__ import annotations

from azure_durable_py.moved_names import MOVED_NAMES

OURS = "azure_durable_py"
THEIRS = "azure.durable_functions"
CONTEXT = f"{OURS}.DurableOrchestrationContext()"
ENTITY_CONTEXT = f"{OURS}.DurableEntityContext()"
CLIENTS = frozenset({f"{OURS}.DurableOrchestrationClient()", f"{OURS}.DurableOrchestrationSyncClient()"})

_ALIASES = {"DurableFunctionsClient": "DurableOrchestrationClient"}
_MODULES = sorted((name for name in MOVED_NAMES if name), key=len, reverse=True)


def canonical(name: str) -> str:
    """The name that rules know a thing by; those of other packages stay as they are."""
    if name.startswith(f"{THEIRS}."):
        below = name[len(THEIRS) + 1 :]
        for module in _MODULES:
            if below.startswith(f"{module}."):
                return _named(below[len(module) + 1 :])
        return _named(below)
    if name.startswith(f"{OURS}."):
        parts = name[len(OURS) + 1 :].split(".")
        modules = 0
        while modules < len(parts) and parts[modules].islower():
            modules += 1
        # Of functions, the module that they are in is a part of the name.
        return _named(".".join(parts[modules:])) if modules < len(parts) else name
    return OURS if name == THEIRS else name


def _named(below: str) -> str:
    first, dot, rest = below.partition(".")
    bare = first.removesuffix("()")
    return f"{OURS}.{_ALIASES.get(bare, bare)}{first[len(bare) :]}{dot}{rest}"
