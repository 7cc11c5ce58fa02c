"""What azure-functions-durable 1.7 has below `openai_agents` is here, or the page for those who move in tells of it.

Its source is read and not run: that would need the framework beside it.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from azure_durable_py.moved_names import MOVED_NAMES
from azure_durable_py.openai_agents import DurableAIAgentContext
from azure_durable_py.runtime.context import DurableOrchestrationContext
from tests.moving_in.peer import installed
from tests.showing import section

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PAGE = Path(__file__).parent.parent.parent / "docs" / "migrating.md"


@pytest.fixture(scope="module")
def old() -> dict[str, ast.Module]:
    """The modules of the old package, by name."""
    directory = installed() / "azure" / "durable_functions" / "openai_agents"
    return {file.stem: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(directory.glob("*.py"))}


def row(what: str) -> str:
    """A row of the table of differences."""
    table = section(PAGE.read_text(encoding="utf-8"), "Agents of OpenAI")
    [found] = [line for line in table.splitlines() if line.startswith(f"| {what} |")]
    return found


def parameters(function: ast.FunctionDef) -> tuple[list[str], list[str]]:
    """Those that may be given by position, and those that may not."""
    given = function.args
    assert given.vararg is None
    assert given.kwarg is None
    return [each.arg for each in given.args[1:]], [each.arg for each in given.kwonlyargs]


def test_modules_are_here_or_told_of(old: dict[str, ast.Module]):
    here = {name.partition(".")[2] or "__init__" for name in MOVED_NAMES if name.partition(".")[0] == "openai_agents"}
    told = row("modules below `openai_agents`")
    assert "context" in here
    assert [name for name in old if name not in here and f"`{name}`" not in told] == []


def test_names_of_the_modules_that_are_here_are_here(old: dict[str, ast.Module]):
    exported = next(
        ast.literal_eval(node.value)
        for node in old["__init__"].body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    classes = [node.name for node in old["context"].body if isinstance(node, ast.ClassDef)]
    assert set(exported) <= set(MOVED_NAMES["openai_agents"])
    assert set(classes) <= set(MOVED_NAMES["openai_agents.context"])


def test_the_context_takes_what_it_took(old: dict[str, ast.Module]):
    [context] = [node for node in old["context"].body if isinstance(node, ast.ClassDef)]
    methods = {node.name: parameters(node) for node in context.body if isinstance(node, ast.FunctionDef)}
    assert "create_activity_tool" in methods
    for name, (by_position, by_name) in methods.items():
        if name.startswith("_"):
            continue
        ours = getattr(DurableAIAgentContext, name, None) or getattr(DurableOrchestrationContext, name)
        taken = list(inspect.signature(ours).parameters.values())[1:]
        assert [each.name for each in taken][: len(by_position)] == by_position
        assert set(by_name) <= {each.name for each in taken}
    told = row("`DurableAIAgentContext(...)`")
    assert all(f"`{name}`" in told for name in methods["__init__"][0])
