"""Frameworks of agents are imported by who asks for them: by nothing else, though they are installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

FRAMEWORKS = ("agents", "openai", "pydantic_ai")
WITHOUT_AGENTS = """
import azure_durable_py as df
from azure_durable_py.agents import Budget, conversation_blueprint
from azure_durable_py.testing import DurableTestSyncEnvironment

app = df.DFApp()
app.register_functions(conversation_blueprint())

@app.activity_trigger(input_name="name")
def hello(name: str) -> str:
    return f"Hello {name}"

@app.orchestration_trigger(context_name="context")
async def greet(context: df.DurableOrchestrationContext) -> str:
    with Budget(calls=1):
        return await context.call_activity(hello, "Ada")

with DurableTestSyncEnvironment(app) as env:
    assert env.start(greet).result() == "Hello Ada"
"""


def imported_by(code: str, directory: Path) -> list[str]:
    """Which frameworks a program has imported when it ends."""
    program = directory / "program.py"
    program.write_text(f"{code}\nimport sys\nprint(*sorted(set(sys.modules) & {set(FRAMEWORKS)}))", encoding="utf-8")
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import azure_durable_py",
        "from azure_durable_py import *",
        "import pytest_azure_durable",
        "import azure_durable_py.cli.main, azure_durable_py.hosting.local.host",
        WITHOUT_AGENTS,
    ],
    ids=["package", "names", "plugin", "host", "app"],
)
def test_nothing_is_imported_for_apps_without_agents(code: str, tmp_path: Path):
    assert imported_by(code, tmp_path) == []


@pytest.mark.parametrize(
    ("code", "framework", "others"),
    [
        ("import azure_durable_py.openai_agents", "agents", {"openai"}),
        ("from azure_durable_py.pydantic_ai import AzureDurability", "pydantic_ai", set[str]()),
    ],
)
def test_an_integration_imports_its_own_framework(code: str, framework: str, others: set[str], tmp_path: Path):
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed: `make test-agents` has it")
    assert set(imported_by(code, tmp_path)) == {framework, *others}
