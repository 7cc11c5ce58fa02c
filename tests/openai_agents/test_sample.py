"""The agent of the sample app with a key for a provider, which is asked as it would be in production."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sample_function_app.agent_script import next_output, results_of
from tests.e2e.host import Host, copy_sample
from tests.openai_agents.provider import serving


def answer(said: list[Any]) -> dict[str, Any]:
    """What the script says where there is no provider, said by one."""
    return next_output(str(said[0]["content"]), results_of(said)).model_dump()


def test_with_a_key_the_provider_is_asked_and_asked_again_when_it_is_busy(tmp_path: Path):
    with serving(answer, busy=1) as provider:
        environ = {
            "OPENAI_API_KEY": "sk-of-a-test",
            "OPENAI_BASE_URL": provider.url,
            "OPENAI_DEFAULT_MODEL": "gpt-of-a-test",
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        }
        host = Host(copy_sample(tmp_path, "Provider"), "sqlite", environ)
        try:
            host.start()
            complaint = host.start_new("answer_complaint", "The mug of order 7 arrived broken.")["id"]
            waiting = host.until_status(complaint, lambda status: bool((status["customStatus"] or {}).get("approvals")))
            host.raise_event(complaint, waiting["customStatus"]["approvals"][0]["event"], {"approved": True})
            output = host.output(complaint)
        finally:
            host.kill()
    assert output["letter"] == "About your mug: 12.50 are on their way for order 7."
    # Ten tokens read and five written each time. The refused one was nothing.
    spent = output["spent"]
    assert (spent["calls"], spent["input_tokens"], spent["output_tokens"]) == (4, 40, 20)
    assert {asked[:2] for asked in provider.asked} == {("/v1/responses", "Bearer sk-of-a-test")}
    bodies = [body for _, _, body in provider.asked]
    assert {body["model"] for body in bodies} == {"gpt-of-a-test"}
    names = [[tool["name"] for tool in body.get("tools", [])] for body in bodies]
    assert names == [["find_order", "give_back", "transfer_to_letter_writer"]] * 4 + [[]]
