"""Entities, and what runs on the event loop of the process beside orchestrations."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.calling import own_nodes
from azure_durable_py.lint.changes import CHANGING_METHODS, is_container
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.known import BLOCKING, PROCESSES
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import call_of, shown, uses
from azure_durable_py.lint.rules.examples import example

SHARED_STATE = Rule(
    code="DF501",
    name="shared-entity-state",
    why="The value belongs to the class: all entities of the process change the same one, and none of it is saved.",
    mend="Make it in `__init__`, or write the entity as a dataclass with `field(default_factory=list)`.",
    bad=example(
        """\
@bp.entity_trigger(entity_name="basket")
class Basket:
    items: list[str] = []

    def add(self, item: str) -> None:
        self.items.append(item)
"""
    ),
    good=example(
        """\
@bp.entity_trigger(entity_name="basket")
@dataclass
class Basket:
    items: list[str] = field(default_factory=list)

    def add(self, item: str) -> None:
        self.items.append(item)
""",
        "from dataclasses import dataclass, field",
    ),
)
BLOCKED_LOOP = Rule(
    code="DF502",
    name="blocked-loop",
    why="`async def` activities and entities share the event loop with all orchestrations of the process, which wait.",
    mend="Write a plain `def`, which gets a thread of its own, or use a library for `await`, or `asyncio.to_thread`.",
    bad=example(
        """\
@bp.activity_trigger(input_name="address")
async def fetch(address: str) -> str:
    return requests.get(address).text
""",
        "import requests",
    ),
    good=example(
        """\
@bp.activity_trigger(input_name="address")
def fetch(address: str) -> str:
    return requests.get(address).text
""",
        "import requests",
    ),
)
RULES = (SHARED_STATE, BLOCKED_LOOP)

_BLOCKS = BLOCKING | PROCESSES | Names("time.sleep", "builtins.input")
_STARTS_ONLY = Names(
    "subprocess.Popen*", "os.exec*", "os.fork*", "os.kill", "os.popen", "os.posix_spawn*", "os.startfile"
)
_NO_WAIT = ("Error", "Exception", "Timeout")


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """State that classes share, and calls that block the event loop."""
    del project
    if function.kind == "entity" and function.owner is not None:
        yield from _shared_state(function, function.owner)
    if function.kind != "orchestrator" and isinstance(function.node, ast.AsyncFunctionDef):
        own = set(own_nodes(function.node))
        for node, name in uses(function, _BLOCKS):
            # What stands in a function within may be for a thread.
            call = call_of(function, node)
            if call in own and name not in _STARTS_ONLY and not name.endswith(_NO_WAIT):
                yield function.finding(BLOCKED_LOOP, node, f"{shown(node, name)} blocks the event loop of the process")


def _shared_state(function: LintedFunction, owner: ast.ClassDef) -> Iterator[LintFinding]:
    """Containers of a plain class that an operation changes in place."""
    if owner.bases or owner.keywords or _is_generated(function, owner):
        return
    shared = dict(_containers(function, owner))
    parameters = [*function.node.args.posonlyargs, *function.node.args.args]
    own = parameters[0].arg if parameters else None
    given = {node.attr for node in ast.walk(owner) if isinstance(node, ast.Attribute) and _is_set(node)}
    for node in function.walk():
        name = _changed_attribute(node, own)
        if name in shared and name not in given:
            yield function.finding(SHARED_STATE, shared.pop(name), f"{name!r} is one for all entities")


def _is_generated(function: LintedFunction, owner: ast.ClassDef) -> bool:
    """Whether a decorator makes the fields of the class those of its objects."""
    names = [function.name_of(d.func if isinstance(d, ast.Call) else d) or "" for d in owner.decorator_list]
    return any(name.startswith(("dataclasses.", "attr", "pydantic.")) for name in names)


def _containers(function: LintedFunction, owner: ast.ClassDef) -> Iterator[tuple[str, ast.stmt]]:
    for statement in owner.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if is_container(function.module, value):
                yield name, statement
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if is_container(
                function.module, value
            ):
                yield name, statement
            case _:
                pass


def _is_set(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Store) and isinstance(node.value, ast.Name)


def _changed_attribute(node: ast.AST, own: str | None) -> str | None:
    """The attribute of the object itself whose value a node changes in place."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Attribute(value=ast.Name(id=owner), attr=name), attr=method)):
            return name if owner == own and method in CHANGING_METHODS else None
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=owner), attr=name), ctx=ast.Store() | ast.Del()):
            return name if owner == own else None
        case _:
            return None
