"""Chance: random numbers and ids that a replay would not get again."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.reading import call_of, shown, uses
from azure_durable_py.lint.rules.examples import example

RANDOM = Rule(
    code="DF002",
    name="random",
    why="A replay gets other random numbers than the run before it, and decides otherwise.",
    mend="Use `context.random`, which gives the same numbers on every replay, or draw them in an activity.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def draw(context: df.DurableOrchestrationContext):
    winner = random.choice(context.get_input())
    return await context.call_activity("notify", winner)
""",
        "import random",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def draw(context: df.DurableOrchestrationContext):
    winner = context.random.choice(context.get_input())
    return await context.call_activity("notify", winner)
"""
    ),
)
UUID = Rule(
    code="DF003",
    name="uuid",
    why="A replay makes another id: what was made under the first one is then looked for under the second.",
    mend="Use `context.new_uuid()` (a text) or `context.new_guid()` (a UUID), or make the id in an activity.",
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    number = str(uuid.uuid4())
    return await context.call_activity("place", number)
""",
        "import uuid",
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def order(context: df.DurableOrchestrationContext):
    number = context.new_uuid()
    return await context.call_activity("place", number)
"""
    ),
)
RULES = (RANDOM, UUID)

_IDS = Names("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "uuid.getnode", "ulid.new", "nanoid.generate")
_NUMBERS = Names("random.*", "secrets.*", "os.urandom", "os.getrandom", "numpy.random.*")
_SEEDED = frozenset(
    {
        "random.Random",
        "numpy.random.RandomState",
        "numpy.random.Generator",
        "numpy.random.default_rng",
        "numpy.random.SeedSequence",
        "numpy.random.PCG64",
        "numpy.random.MT19937",
        "numpy.random.Philox",
    }
)


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Uses of what gives something else each time."""
    del project
    if function.kind != "orchestrator":
        return
    for node, name in uses(function, _IDS):
        yield function.finding(UUID, node, f"{shown(node, name)} gives another id on every replay")
    for node, name in uses(function, _NUMBERS):
        if name != "secrets.compare_digest" and not _is_seeded(function, node, name):
            yield function.finding(RANDOM, node, f"{shown(node, name)} gives something else on every replay")


def _is_seeded(function: LintedFunction, node: ast.AST, name: str) -> bool:
    """Whether a generator is made from a seed, or is one that was: then it is told of where it is made, if at all."""
    if "()" in name:
        made = node.value if isinstance(node, ast.Attribute) else None
        if isinstance(made, ast.Call):
            return _is_seeded(function, made.func, name.rpartition("()")[0])
        return name.partition("()")[0] in _SEEDED
    call = call_of(function, node)
    seeds = [] if call is None else [*call.args, *(keyword.value for keyword in call.keywords)]
    is_class = call is None and name in _SEEDED
    return is_class or (name in _SEEDED and any(not _is_none(seed) for seed in seeds))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
