"""Order and identity: what differs from one process to the next, though the data are the same."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.context_calls import payloads_of
from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import context_method, shown, uses, waits
from azure_durable_py.lint.rules.examples import example
from azure_durable_py.lint.sets import is_unordered

SET_ORDER = Rule(
    code="DF007",
    name="set-order",
    why="Python mixes the hashes of texts anew in each process, so a replay goes over the set in another order.",
    mend="Go over `sorted(the_set)`, or keep a list or `dict.fromkeys(...)`, which keep their order.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def notify(context: df.DurableOrchestrationContext):
    for person in set(context.get_input()):
        await context.call_activity("notify", person)
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def notify(context: df.DurableOrchestrationContext):
    for person in sorted(set(context.get_input())):
        await context.call_activity("notify", person)
"""
    ),
)
IDENTITY = Rule(
    code="DF008",
    name="identity",
    why="Hashes of texts and addresses of objects are others in each process, and so on a replay.",
    mend="Use a digest of `hashlib`, or a field of the data that tells them apart.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def store(context: df.DurableOrchestrationContext):
    shard = hash(context.get_input()) % 4
    await context.call_activity("store", [shard, context.get_input()])
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def store(context: df.DurableOrchestrationContext):
    shard = zlib.crc32(context.get_input().encode()) % 4
    await context.call_activity("store", [shard, context.get_input()])
""",
        "import zlib",
    ),
)
RULES = (SET_ORDER, IDENTITY)

_IDENTITIES = Names("builtins.hash", "builtins.id")
_NO_MATTER = frozenset(
    f"builtins.{name}" for name in ("all", "any", "dict", "frozenset", "len", "max", "min", "set", "sorted", "sum")
) | {"collections.Counter", "math.fsum"}
_KEEP_ORDER = frozenset(f"builtins.{name}" for name in ("enumerate", "iter", "list", "map", "filter", "tuple", "zip"))


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Places where the order of a set, or the identity of an object, has an effect."""
    del project
    if function.kind != "orchestrator":
        return
    for node, name in uses(function, _IDENTITIES):
        yield function.finding(IDENTITY, node, f"{shown(node, name)} gives another number in each process")
    for node in function.walk():
        found = _ordered_by_set(function, node)
        if found is not None:
            yield function.finding(SET_ORDER, found, "the order of this set differs from process to process")


def _ordered_by_set(function: LintedFunction, node: ast.AST) -> ast.expr | None:
    """The set that a node goes over, where what comes of it keeps the order."""
    match node:
        case ast.For(iter=source, body=body) if is_unordered(function, source):
            return source if any(_decides(function, part) for part in body) else None
        case ast.ListComp(generators=[first, *_]) | ast.GeneratorExp(generators=[first, *_]):
            if not is_unordered(function, first.iter):
                return None
            return first.iter if _decides(function, node) or not _is_put_in_order(function, node) else None
        case ast.DictComp(generators=[first, *_]) if is_unordered(function, first.iter):
            return first.iter if _decides(function, node) else None
        case ast.Starred(value=value) if is_unordered(function, value):
            return None if _is_put_in_order(function, node) else value
        case ast.Call(func=ast.Attribute(value=owner, attr="pop"), args=[]) if is_unordered(function, owner):
            return owner
        case ast.Call(func=ast.Attribute(attr="join"), args=[source]) if is_unordered(function, source):
            return source
        case ast.Call(func=called, args=args) if function.name_of(called) in _KEEP_ORDER:
            source = next((arg for arg in args if is_unordered(function, arg)), None)
            return None if source is None or _is_put_in_order(function, node) else source
        case _:
            return None


def _decides(function: LintedFunction, body: ast.AST) -> bool:
    return waits(body) or any(context_method(function, node) is not None for node in ast.walk(body))


def _is_free(function: LintedFunction, node: ast.AST) -> bool:
    """Whether what takes it does not care about the order."""
    parent = function.module.scopes.parent(node)
    if isinstance(parent, ast.Starred):
        parent = function.module.scopes.parent(parent)
    if isinstance(parent, ast.Set | ast.Compare) or _is_input(function, node):
        return True
    if not isinstance(parent, ast.Call) or node is parent.func:
        return False
    return function.name_of(parent.func) in _NO_MATTER or (
        function.name_of(parent.func) in _KEEP_ORDER and _is_free(function, parent)
    )


def _is_input(function: LintedFunction, node: ast.AST) -> bool:
    """Whether it is passed on as it is: what was recorded stays in force, whatever a replay would pass."""
    parent = function.module.scopes.parent(node)
    while isinstance(parent, ast.Dict | ast.List | ast.Tuple | ast.keyword):
        node, parent = parent, function.module.scopes.parent(parent)
    return isinstance(parent, ast.Call) and any(payload is node for payload in payloads_of(function, parent))


def _is_put_in_order(function: LintedFunction, node: ast.AST) -> bool:
    """Whether the order does not matter, or the function sorts: what it sorts need not be this, but seldom is not."""
    return _is_free(function, node) or any(
        isinstance(part, ast.Call)
        and (
            function.name_of(part.func) == "builtins.sorted"
            or (isinstance(part.func, ast.Attribute) and part.func.attr == "sort")
        )
        for part in function.walk()
    )
