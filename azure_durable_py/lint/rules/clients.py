"""Durable clients in orchestrators."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from azure_durable_py.lint.findings import LintFinding, Rule
from azure_durable_py.lint.full_names import Names
from azure_durable_py.lint.functions import LintedFunction
from azure_durable_py.lint.project import Project
from azure_durable_py.lint.public_names import OURS
from azure_durable_py.lint.reading import shown, uses
from azure_durable_py.lint.rules.examples import example

CLIENT = Rule(
    code="DF105",
    name="client",
    why="A client writes to the hub at once, again on every replay, and what it answers is in no history.",
    mend=(
        "Use the context: `call_sub_orchestrator`, `send_event`, `call_entity`, `signal_entity`; "
        "for the rest an activity with a client."
    ),
    bad=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def parent(context: df.DurableOrchestrationContext):
    async with df.DurableOrchestrationClient.from_app_settings() as client:
        await client.start_new("child")
"""
    ),
    good=example(
        """\
@bp.orchestration_trigger(context_name="context")
async def parent(context: df.DurableOrchestrationContext):
    await context.call_sub_orchestrator("child")
"""
    ),
)
RULES = (CLIENT,)

_CLIENTS = Names(f"{OURS}.DurableOrchestrationClient*", f"{OURS}.DurableOrchestrationSyncClient*")


def check(function: LintedFunction, project: Project) -> Iterator[LintFinding]:
    """Bindings, constructors and calls of clients."""
    del project
    if function.kind != "orchestrator":
        return
    if isinstance(function.node, ast.FunctionDef | ast.AsyncFunctionDef) and not function.is_helper:
        for decorator in function.node.decorator_list:
            if _binds_client(decorator):
                yield function.finding(CLIENT, decorator, "a client is bound to an orchestrator")
    for node, name in uses(function, _CLIENTS):
        if "()" not in name and "." in name.removeprefix(f"{OURS}."):
            yield function.finding(CLIENT, node, f"{shown(node, name)} makes a client in an orchestrator")
        elif "()." in name:
            yield function.finding(CLIENT, node, f"{shown(node, name)} is asked of a client")


def _binds_client(decorator: ast.expr) -> bool:
    match decorator:
        case ast.Call(func=ast.Attribute(attr="durable_client_input")):
            return True
        case _:
            return False
