"""Writes classes whose methods wait, after async ones: parameters, defaults, results and docstrings are theirs.

Owns the form of one method. Which classes, and what they are beside their methods, the scripts say that use it:
tests/client/write_sync_client.py and tests/testing/write_sync_environment.py.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

WIDTH = 120
Function = ast.FunctionDef | ast.AsyncFunctionDef
_RENAMED = {"AsyncIterator": "Iterator", "AsyncGenerator": "Generator"}


@dataclass
class Twins:
    """What becomes of some classes.

    `source` is where a sync object has its async one. `opens` is the async class whose class methods open the sync one
    named in `opened`. `sync_of` names the sync class of each async one that methods return. `left_out` are methods that
    get no twin. `used` is told which names the signatures use.
    """

    source: str
    sync_of: Mapping[str, str]
    opens: str = ""
    opened: str = ""
    left_out: Collection[str] = ()
    used: set[str] = field(default_factory=set)

    def methods(self, path: Path, classes: Collection[str]) -> list[str]:
        """The methods of these classes of a module."""
        text = path.read_text(encoding="utf-8")
        written: list[str] = []
        overloaded: set[str] = set()
        for node in self._public_methods(ast.parse(text), classes):
            if any(ast.unparse(each) == "overload" for each in node.decorator_list):
                overloaded.add(node.name)
                self.used.add("overload")
                written.append(_overload(node, text))
            else:
                written.append(self._method(node, text, is_overloaded=node.name in overloaded))
            self.used |= _names(node)
        return written

    def _public_methods(self, tree: ast.Module, classes: Collection[str]) -> Iterator[Function]:
        for cls in tree.body:
            if isinstance(cls, ast.ClassDef) and cls.name in classes:
                for node in cls.body:
                    is_method = isinstance(node, Function)
                    if is_method and not node.name.startswith("_") and node.name not in self.left_out:
                        yield node

    def _method(self, node: Function, text: str, *, is_overloaded: bool) -> str:
        """A method that has the async object do the same."""
        # Where there are several signatures, none of them fits all that are passed on.
        whose = "source" if is_overloaded else self.source
        returns = ast.unparse(node.returns) if node.returns is not None else "None"
        decorators = [each for each in map(ast.unparse, node.decorator_list) if each in ("property", "classmethod")]
        lines = [f"    @{each}" for each in decorators]
        source = "\n".join(text.splitlines()[node.lineno - 1 : node.body[0].lineno - 1])
        signature = re.sub(r"\s*->.*\Z", "", source, flags=re.DOTALL).replace("    async def", "    def", 1)
        docstring = ast.get_source_segment(text, node.body[0]) or ""
        result = self.sync_of.get(returns, returns)
        if "classmethod" in decorators:
            result, docstring = self.opened, docstring.replace(" (when entered)", "")
            body = wrapped("return cls._open(", f"{self.opens}.{node.name}", node, ")")
        elif "property" in decorators:
            value = f"{whose}.{node.name}"
            body = f"        return {value if result == returns else f'{result}({value}, self._bridge)'}"
        elif found := re.fullmatch(r"Async(Iterator|Generator)\[(.*?)(, None)?\]", returns):
            result = f"Iterator[{found[2]}]" if found[1] == "Iterator" else f"Generator[{found[2]}, None, None]"
            body = wrapped("return self._bridge.iterate(", f"{whose}.{node.name}", node, ")")
        else:
            is_twin = result != returns
            kept = "made = " if is_twin else "" if returns == "None" else "return "
            waits = isinstance(node, ast.AsyncFunctionDef)
            body = wrapped(f"{kept}{'self._bridge.run(' if waits else ''}", f"{whose}.{node.name}", node, ")" * waits)
            body += f"\n        return {result}(made, self._bridge)" if is_twin else ""
        if is_overloaded:
            body = f"        source: Any = {self.source}\n{body}"
        signature = f"{signature} -> {result}:"
        together = re.sub(r"\(\n +", "(", re.sub(r"\n +\)", ")", signature))
        if "\n" not in together and len(together) <= WIDTH:
            signature = together
        elif "\n" not in signature and len(signature) > WIDTH:
            signature = re.sub(r"\((.*)\) ->", r"(\n        \1\n    ) ->", signature)
        return "\n".join([*lines, signature, f"        {docstring}", body, ""])


def _overload(node: Function, text: str) -> str:
    """One signature of several, as it is."""
    source = (ast.get_source_segment(text, node) or "").replace("async def", "def", 1)
    return f"    @overload\n    {source}"


def wrapped(before: str, call: str, node: Function, after: str) -> str:
    """A statement with a call that passes all parameters on, broken as the formatter breaks it."""
    given = node.args
    arguments = [each.arg for each in (*given.posonlyargs, *given.args)][1:]
    arguments += [f"*{given.vararg.arg}"] if given.vararg is not None else []
    arguments += [f"{each.arg}={each.arg}" for each in given.kwonlyargs]
    arguments += [f"**{given.kwarg.arg}"] if given.kwarg is not None else []
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


def _names(node: Function) -> set[str]:
    """The names that the signature of a method uses."""
    given = node.args
    parts = [each.annotation for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)] + [node.returns]
    parts += [each.annotation for each in (given.vararg, given.kwarg) if each is not None]
    parts += [*given.defaults, *given.kw_defaults]
    return {found.id for part in parts if part is not None for found in ast.walk(part) if isinstance(found, ast.Name)}


def homes_of(paths: Iterable[Path], package: Path) -> dict[str, str]:
    """Where the names come from that these modules use, and those that they define."""
    homes: dict[str, str] = {}
    for path in paths:
        here = ".".join(path.relative_to(package.parent).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                homes |= {alias.name: node.module for alias in node.names}
            elif isinstance(node, ast.ClassDef):
                homes[node.name] = here
            elif isinstance(node, ast.Assign) and "TypeVar(" in ast.unparse(node.value):
                homes |= {target.id: here for target in node.targets if isinstance(target, ast.Name)}
    return homes


def imports(names: Iterable[str], homes: Mapping[str, str]) -> str:
    """The imports of these names, in the order of the formatter."""
    wanted = {_RENAMED.get(name, name): homes[name] for name in names if name in homes}
    modules: dict[str, list[str]] = {}
    for name in sorted(wanted, key=lambda name: (not (name.isupper() and len(name) > 1), name)):
        modules.setdefault(wanted[name], []).append(name)
    groups: list[list[str]] = [[], [], []]
    for module in sorted(modules):
        group = 2 if module.startswith("azure_durable_py") else 1 if module.startswith("azure.") else 0
        line = f"from {module} import {', '.join(modules[module])}"
        if len(line) > WIDTH:
            line = f"from {module} import (\n" + "".join(f"    {name},\n" for name in modules[module]) + ")"
        groups[group].append(line)
    # Only named by annotations, and not worth the time that importing it takes.
    if groups[1]:
        groups[1] = ["if TYPE_CHECKING:", *(f"    {line}" for line in groups[1])]
    return "\n\n".join("\n".join(groups[group]) for group in (0, 2, 1) if groups[group])
