"""The code of `docs/agents.md` is apps and their tests, and the tests pass."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.following import follow
from tests.e2e.host import Host
from tests.showing import Step, blocks, section, steps
from tests.shown_tests import passed

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
PLUGINS = ("no:anyio", "pytest_azure_durable", "tests.offline")
FRAMEWORKS = {
    "A durable agent in five minutes: OpenAI Agents SDK": "agents",
    "A durable agent in five minutes: pydantic-ai": "pydantic_ai",
}
NEVER_ENDS = "A run that never ends"
WITHOUT_TRACES = {"OPENAI_AGENTS_DISABLE_TRACING": "1"}
SHOWN_EVENT = r"approval:[0-9a-f-]{36}"


def sections(text: str) -> dict[str, str]:
    """What stands under each heading."""
    title, *parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {"": title, **dict(zip(parts[::2], parts[1::2], strict=True))}


def passes(code: list[str], place: Path) -> None:
    """An app, and its tests."""
    app, *others = [block for block in code if "def test_" not in block]
    tests = [block for block in code if "def test_" in block]
    (place / "function_app.py").write_text("\n\n".join([app, *others]), encoding="utf-8")
    (place / "test_app.py").write_text("\n\n".join(tests), encoding="utf-8")
    shown = sum(block.count("def test_") for block in tests)
    assert passed(place, *PLUGINS, python_path=ROOT, environ=WITHOUT_TRACES) == shown > 0


def test_what_needs_no_framework(tmp_path: Path):
    found = [text for title, text in sections(PAGE).items() if title not in (*FRAMEWORKS, NEVER_ENDS)]
    passes([block for text in found for block in blocks(text, "python")], tmp_path)


def need(framework: str) -> None:
    """Skip the test where a framework is not installed."""
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed: `make test-agents` has it")


def of_framework(title: str) -> str:
    """A section, where its framework is."""
    need(FRAMEWORKS[title])
    return section(PAGE, title)


@pytest.mark.parametrize("title", FRAMEWORKS)
def test_what_is_shown_of_a_framework(title: str, tmp_path: Path):
    passes(blocks(of_framework(title), "python"), tmp_path)


@pytest.mark.parametrize("framework", FRAMEWORKS.values())
def test_a_run_that_never_ends(framework: str, tmp_path: Path):
    need(framework)
    code = blocks(section(PAGE, NEVER_ENDS), "python")
    pairs = list(zip(code[::2], code[1::2], strict=True))
    [(app, tests)] = [pair for pair in pairs if f"\nfrom {framework} import " in pair[0]]
    passes([app, tests], tmp_path)


@pytest.mark.parametrize("title", FRAMEWORKS)
def test_the_five_minutes_print_what_is_shown(title: str, tmp_path: Path):
    text = of_framework(title)
    app, _ = blocks(text, "python")
    (tmp_path / "function_app.py").write_text(app, encoding="utf-8")
    host = Host(tmp_path, "sqlite", WITHOUT_TRACES)
    event = ""
    try:
        for step in steps(text):
            # The id of an approval is another one in each hub.
            follow(host, Step(re.sub(SHOWN_EVENT, event, step.command), re.sub(SHOWN_EVENT, event, step.printed)))
            if " start-new " in step.command:
                event = event_that_is_waited_for(host, "trip")
    finally:
        host.kill()


def event_that_is_waited_for(host: Host, instance_id: str) -> str:
    def asks(status: dict[str, Any]) -> bool:
        return bool((status["customStatus"] or {}).get("approvals"))

    return host.until_status(instance_id, asks)["customStatus"]["approvals"][0]["event"]
