"""Writes `azure_durable_py/client/sync_client.py`: for each public method of the async client one that waits.

    python tests/client/write_sync_client.py

Parameters, defaults, results and docstrings are those of the async client, so that nobody keeps two of them in step.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent.parent.parent / "azure_durable_py"
CLIENT = tuple(PACKAGE / "client" / f"{name}.py" for name in ("client", "queries", "responses", "entities"))
SCHEDULES = (PACKAGE / "client" / "schedules.py",)
KEYS = (PACKAGE / "client" / "keys.py",)
SOURCES = (*CLIENT, *SCHEDULES, *KEYS)
TARGET = PACKAGE / "client" / "sync_client.py"
ASYNC, SYNC = "DurableOrchestrationClient", "DurableOrchestrationSyncClient"
PARTS = ("QueryClient", "ResponseClient", "EntityClient")
"""What the async client is made of, beside its own class."""
SYNC_OF = {"ScheduleClient": "ScheduleSyncClient", "KeyClient": "KeySyncClient"}
"""What hangs on the async client, and what on the sync one."""
LEFT_OUT = frozenset({"hub", "recent_execution"})
"""Only of use on the event loop, or to a host."""
WIDTH = 120

HEAD = f'''"""The sync client, as tests/client/write_sync_client.py writes it: change the async one, and write anew."""

from __future__ import annotations

{{imports}}


class {SYNC}(SyncClientBase):
    """Starts, queries and steers orchestration instances of one task hub, and talks to its entities; every call waits.

    It is `{ASYNC}` for code without `await`: the same calls, with the same parameters,
    results and errors. An event loop in another thread does the work, so that it can be used in any thread, in many at
    once, and also where an event loop runs, as in a notebook. It cannot be used on the event loop that does its work,
    nor in a process that was forked off after it was made: both are a `RuntimeError`.

    A sync function of an app gets one from `durable_client_input` when its parameter is annotated with this class.
    Elsewhere, use one of the `from_...` constructors, with `with` or with `close()` at the end.
    """
'''

SCHEDULES_HEAD = '''

class ScheduleSyncClient(SyncPartBase[ScheduleClient]):
    """The schedules of one task hub, as `schedules` of the sync client gives them; every call waits.

    It is `ScheduleClient` for code without `await`.
    """
'''

KEYS_HEAD = '''

class KeySyncClient(SyncPartBase[KeyClient]):
    """The keys of one task hub, as `keys` of the sync client gives them; every call waits.

    It is `KeyClient` for code without `await`.
    """
'''


def generated() -> str:
    """The text of the module."""
    used: set[str] = {"SyncPartBase"}
    methods = _methods(CLIENT, used)
    of_schedules, of_keys = _methods(SCHEDULES, used), _methods(KEYS, used)
    head = HEAD.format(imports=_imports(used)).rstrip()
    parts = "\n".join([SCHEDULES_HEAD, *of_schedules]) + "\n".join([KEYS_HEAD, *of_keys])
    return "\n".join([head, "", *methods]) + parts


def _methods(paths: Iterable[Path], used: set[str]) -> list[str]:
    """The methods of the classes there; `used` is told which names their signatures use."""
    methods: list[str] = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        overloaded: set[str] = set()
        for node in _public_methods(ast.parse(text)):
            if any(ast.unparse(each) == "overload" for each in node.decorator_list):
                overloaded.add(node.name)
                used.add("overload")
                methods.append(_overload(node, text))
            else:
                methods.append(_method(node, text, whose="client" if node.name in overloaded else "self._client"))
            used |= _names(node)
    return methods


def _public_methods(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for cls in tree.body:
        if isinstance(cls, ast.ClassDef) and cls.name in (ASYNC, *PARTS, *SYNC_OF):
            for node in cls.body:
                is_method = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                if is_method and not node.name.startswith("_") and node.name not in LEFT_OUT:
                    yield node


def _overload(node: ast.FunctionDef | ast.AsyncFunctionDef, text: str) -> str:
    """One signature of several, as it is."""
    source = (ast.get_source_segment(text, node) or "").replace("async def", "def", 1)
    return f"    @overload\n    {source}"


def _method(node: ast.FunctionDef | ast.AsyncFunctionDef, text: str, whose: str) -> str:
    """A method that has the async client do the same.

    :param whose: the async client; `client` is one of which no signature is known: none fits all of several.
    """
    returns = ast.unparse(node.returns) if node.returns is not None else "None"
    decorators = [ast.unparse(each) for each in node.decorator_list]
    lines = [f"    @{each}" for each in decorators]
    source = "\n".join(text.splitlines()[node.lineno - 1 : node.body[0].lineno - 1])
    signature = re.sub(r"\s*->.*\Z", "", source, flags=re.DOTALL).replace("    async def", "    def", 1)
    docstring = ast.get_source_segment(text, node.body[0]) or ""
    if "classmethod" in decorators:
        result, docstring = SYNC, docstring.replace(" (when entered)", "")
        body = _wrapped("return cls._open(", f"{ASYNC}.{node.name}", node, ")")
    elif returns in SYNC_OF:
        result = SYNC_OF[returns]
        body = f"        return {result}({whose}.{node.name}, self._bridge)"
    elif "property" in decorators:
        result, body = returns, f"        return {whose}.{node.name}"
    elif found := re.fullmatch(r"Async(Iterator|Generator)\[(.*?)(, None)?\]", returns):
        result = f"Iterator[{found[2]}]" if found[1] == "Iterator" else f"Generator[{found[2]}, None, None]"
        body = _wrapped("return self._bridge.iterate(", f"{whose}.{node.name}", node, ")")
    elif isinstance(node, ast.AsyncFunctionDef):
        result = returns
        kept = "" if returns == "None" else "return "
        body = _wrapped(f"{kept}self._bridge.run(", f"{whose}.{node.name}", node, ")")
    else:
        result, body = returns, _wrapped("return ", f"{whose}.{node.name}", node, "")
    if whose == "client":
        body = f"        client: Any = self._client\n{body}"
    signature = f"{signature} -> {result}:"
    together = re.sub(r"\(\n +", "(", re.sub(r"\n +\)", ")", signature))
    if "\n" not in together and len(together) <= WIDTH:
        signature = together
    return "\n".join([*lines, signature, f"        {docstring}", body, ""])


def _wrapped(before: str, call: str, node: ast.FunctionDef | ast.AsyncFunctionDef, after: str) -> str:
    """A statement with a call that passes all parameters on, broken as the formatter breaks it."""
    given = node.args
    arguments = [each.arg for each in (*given.posonlyargs, *given.args)][1:]
    arguments += [f"{each.arg}={each.arg}" for each in given.kwonlyargs]
    inner = f"{call}({', '.join(arguments)})"
    if len(line := f"        {before}{inner}{after}") <= WIDTH:
        return line
    opening = f"        {before}" if after else f"        {before}{call}("
    if after and len(line := f"            {inner}") <= WIDTH:
        return f"{opening}\n{line}\n        {after}"
    deep = "                " if after else "            "
    listed = ", ".join(arguments)
    each = f"{deep}{listed}" if len(deep) + len(listed) <= WIDTH else "\n".join(f"{deep}{name}," for name in arguments)
    if after:
        return f"{opening}\n            {call}(\n{each}\n            )\n        {after}"
    return f"{opening}\n{each}\n        )"


def _names(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The names that the signature of a method uses."""
    given = node.args
    parts = [each.annotation for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)] + [node.returns]
    parts += [*given.defaults, *given.kw_defaults]
    return {found.id for part in parts if part is not None for found in ast.walk(part) if isinstance(found, ast.Name)}


_RENAMED = {"AsyncIterator": "Iterator", "AsyncGenerator": "Generator"}


def _imports(used: set[str]) -> str:
    """The imports of these names, from where the async client has them, in the order of the formatter."""
    homes = {ASYNC: "azure_durable_py.client.client"}
    homes |= dict.fromkeys(("SyncClientBase", "SyncPartBase"), "azure_durable_py.client.sync_base")
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                homes |= {alias.name: node.module for alias in node.names}
            elif isinstance(node, ast.ClassDef) and node.name != ASYNC:
                homes[node.name] = f"azure_durable_py.client.{path.stem}"
    names = ((used & homes.keys()) - {"AbstractAsyncContextManager"}) | set(SYNC_OF)
    wanted = {_RENAMED.get(name, name): homes[name] for name in (*names, ASYNC, "SyncClientBase", "TYPE_CHECKING")}
    modules: dict[str, list[str]] = {}
    for name in sorted(wanted, key=lambda name: (not name.isupper(), name)):
        modules.setdefault(wanted[name], []).append(name)
    groups: list[list[str]] = [[], [], []]
    for module in sorted(modules):
        group = 2 if module.startswith("azure_durable_py") else 1 if module.startswith("azure.") else 0
        line = f"from {module} import {', '.join(modules[module])}"
        if len(line) > WIDTH:
            line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in modules[module]) + ")"
        groups[group].append(line)
    # Only named by annotations, and not worth the time that importing it takes.
    groups[1] = ["if TYPE_CHECKING:", *(f"    {line}" for line in groups[1])]
    return "\n\n".join("\n".join(groups[group]) for group in (0, 2, 1))


if __name__ == "__main__":
    TARGET.write_text(generated(), encoding="utf-8")
