"""The app of the page about agents, once it has a key for a provider."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agents.testing import assistant_message, function_call

from tests.e2e.host import MANAGEMENT, Host
from tests.openai_agents.provider import serving
from tests.showing import blocks, section

PAGE = (Path(__file__).parent.parent.parent / "docs" / "agents.md").read_text(encoding="utf-8")


def answer(said: list[Any]) -> dict[str, Any]:
    """What a model might say, which is not what the script of the page has."""
    if any(item.get("type") == "function_call_output" for item in said):
        return assistant_message("Take a coat.").model_dump()
    return function_call("weather", {"city": "Bergen"}, call_id="1").model_dump()


def test_the_same_app_asks_a_real_model_when_its_settings_have_a_key(tmp_path: Path):
    app, _ = blocks(section(PAGE, "A durable agent in five minutes: OpenAI Agents SDK"), "python")
    (tmp_path / "function_app.py").write_text(app, encoding="utf-8")
    with serving(answer) as provider:
        values = {"OPENAI_API_KEY": "sk-of-a-test", "OPENAI_BASE_URL": provider.url, "OPENAI_DEFAULT_MODEL": "gpt-5"}
        (tmp_path / "local.settings.json").write_text(json.dumps({"Values": values}), encoding="utf-8")
        host = Host(tmp_path, "sqlite", {"OPENAI_AGENTS_DISABLE_TRACING": "1"})
        try:
            host.start()
            started = host.post(f"{MANAGEMENT}/orchestrators/plan", "A day in Bergen, please.")
            assert host.output(started.json()["id"]) == "Take a coat."
        finally:
            host.kill()
    assert [(path, body["model"]) for path, _, body in provider.asked] == [("/v1/responses", "gpt-5")] * 2
