"""Writes `sync_environment.py` of the test kit: for each call of the test environment one that waits.

    python -m tests.testing.write_sync_environment

Parameters, defaults, results and docstrings are those of `DurableTestEnvironment` and of what it gives.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.sync_twins import Twins, homes_of, imports

PACKAGE = Path(__file__).parent.parent.parent / "azure_durable_py"
ROOM = PACKAGE / "testing" / "environment"
TARGET = ROOM / "sync_environment.py"
ASYNC, SYNC = "DurableTestEnvironment", "DurableTestSyncEnvironment"
CLASSES = {"environment": ASYNC, "ordinary_calls": "OrdinaryCalls"}
"""What the environment is made of, by module."""
PARTS = {"InstanceHandle": ("InstanceSyncHandle", "handle"), "EntityHandle": ("EntitySyncHandle", "entity_handle")}
"""What the environment gives that has calls of its own: what it is in the sync one, and the module that has it."""
SYNC_OF = {name: sync for name, (sync, _) in PARTS.items()}
LEFT_OUT = frozenset({"thread", "hub", "crashes", "client", "schedules", "enter_and_wait", "exit_and_wait"})
"""Not for tests, or not to be had by passing a call on: `sync_base` has these."""

HEAD = f'''"""The sync test environment, as tests/testing/write_sync_environment.py writes it after the async one."""

from __future__ import annotations

{{imports}}


class {SYNC}(SyncEnvironmentBase):
    """An app that runs in memory with the real engine, at virtual time. A context manager.

    It is `{ASYNC}` for tests without `await`: the same calls, with the same parameters, results and
    errors. It can be used in any thread, and also where an event loop runs, as in a notebook.

{{parameters}}
    """

{{init}}
'''


def generated() -> str:
    """The text of the module."""
    twins = Twins("self._source", SYNC_OF, left_out=LEFT_OUT)
    methods = [each for module, cls in CLASSES.items() for each in twins.methods(ROOM / f"{module}.py", [cls])]
    parts = [_part(twins, name) for name in PARTS]
    modules = [*CLASSES, *(module for _, module in PARTS.values())]
    homes = homes_of([ROOM / f"{module}.py" for module in modules], PACKAGE)
    base = "azure_durable_py.testing.environment.sync_base"
    homes |= {"SyncEnvironmentBase": base, "SyncPart": base}
    init, used = _init()
    used.add("TYPE_CHECKING")
    used |= twins.used | {ASYNC, *PARTS, "SyncEnvironmentBase", "SyncPart"}
    head = HEAD.format(imports=imports(sorted(used), homes), parameters=_parameters(), init=init)
    return "\n".join([head.rstrip(), "", *methods]) + "".join(parts)


def _part(twins: Twins, name: str) -> str:
    sync, module = PARTS[name]
    methods = "\n".join(twins.methods(ROOM / f"{module}.py", [name]))
    return f'''

class {sync}(SyncPart[{name}]):
    """`{name}` for tests without `await`, as the sync environment gives it."""

{methods}'''


def _class() -> tuple[ast.ClassDef, str]:
    text = (ROOM / "environment.py").read_text(encoding="utf-8")
    return next(node for node in ast.parse(text).body if isinstance(node, ast.ClassDef) and node.name == ASYNC), text


def _parameters() -> str:
    found = ast.get_docstring(_class()[0], clean=False) or ""
    return found[found.index("    :param") :].rstrip()


def _init() -> tuple[str, set[str]]:
    """The constructor, which passes everything on, and the names that it uses."""
    cls, text = _class()
    node = next(each for each in cls.body if isinstance(each, ast.FunctionDef) and each.name == "__init__")
    signature = "\n".join(text.splitlines()[node.lineno - 1 : node.body[0].lineno - 1])
    passed = [each.arg for each in node.args.args[1:]] + [f"{each.arg}={each.arg}" for each in node.args.kwonlyargs]
    lines = "".join(f"                {each},\n" for each in passed)
    flat = f"            {ASYNC}({', '.join(passed)})\n"
    line = f"                {', '.join(passed)}\n"
    call = flat if len(flat) <= 121 else f"            {ASYNC}(\n{line if len(line) <= 121 else lines}            )\n"
    used = set(re.findall(r"\b[A-Z]\w*", signature))
    return f"{signature}\n        super().__init__(\n{call}        )\n", used


if __name__ == "__main__":
    TARGET.write_text(generated(), encoding="utf-8")
