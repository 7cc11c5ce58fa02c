"""Records the histories in `histories/` anew: `python -m tests.pydantic_ai.record_histories`.

They stand for agents that are under way when a new version is deployed: of this package, or of the framework. Record
anew only what no instance has any more; that a history of before can be replayed is what they are for.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any, cast

from pydantic_ai import Agent, CallDeferred, RunContext
from pydantic_ai.exceptions import ModelAuthenticationError, ModelHTTPError
from pydantic_ai.messages import AgentStreamEvent

import azure_durable_py as df
from azure_durable_py.pydantic_ai import AzureDurability, PydanticAIAgents
from azure_durable_py.testing import DurableTestSyncEnvironment
from tests.pydantic_ai import travel
from tests.pydantic_ai.scripted import ScriptedModel, call, returned

HISTORIES = Path(__file__).parent / "histories"


def _refuse(messages: Any) -> str:
    raise ModelHTTPError.for_category(ModelAuthenticationError, status_code=401, model_name="m")


async def handle(ctx: RunContext[Any], events: AsyncIterable[AgentStreamEvent]) -> None:
    """A handler of events."""
    async for _ in events:
        pass


def build() -> tuple[df.DFApp, list[str]]:
    """The app, and a list that gets the name of each step that is carried out."""
    done: list[str] = []
    app = travel.build(done.append)

    class NotedModel(ScriptedModel):
        async def _answer(self, *args: Any) -> Any:
            done.append(self.model_name)
            return await super()._answer(*args)

    clerk = Agent(
        NotedModel([call("pay", amount=5), call("measure")], returned, name="clerk"),
        name="clerk",
        capabilities=[AzureDurability(event_stream_handler=handle, report_progress=True, wait_for_results=True)],
    )

    @clerk.tool_plain(requires_approval=True)
    def pay(amount: int) -> str:
        done.append("pay")
        return f"paid {amount}"

    @clerk.tool_plain
    def measure() -> str:
        raise CallDeferred

    refused = Agent(NotedModel(_refuse, name="refused"), name="refused", capabilities=[AzureDurability()])
    app.register_functions(PydanticAIAgents(clerk, refused))

    @app.orchestration_trigger(context_name="context")
    async def serve(context: df.DurableOrchestrationContext) -> str:
        return (await clerk.run(context.get_input())).output

    @app.orchestration_trigger(context_name="context")
    async def fail(context: df.DurableOrchestrationContext) -> Any:
        try:
            await refused.run("Hello?")
        except ModelHTTPError as error:
            return error.status_code
        return None

    return app, done


def main() -> None:
    """Record them."""
    app, _ = build()
    HISTORIES.mkdir(exist_ok=True)
    with DurableTestSyncEnvironment(app) as env:
        env.start("plan", instance_id="trip").result()
        env.start("fail", instance_id="refused").result()
        served = env.start("serve", "Pay", instance_id="served")
        (asked,) = served.status().custom_status["approvals"]
        served.raise_event(asked["event"], {"approved": True, "by": "Ada"})
        served.raise_event("result:measure-1", {"result": 21})
        served.result()
        env.start("serve", "Pay", instance_id="waiting").wait_for_start()
        exported = env.client.export_history(runtime_status=list(df.OrchestrationRuntimeStatus))
        lines = sorted(json.dumps(_without_traces(json.loads(instance.to_line()))) + "\n" for instance in exported)
    (HISTORIES / "agents.jsonl").write_text("".join(lines), encoding="utf-8")


def _without_traces(value: Any) -> Any:
    """Without stack traces, which name paths of the machine that recorded them."""
    if isinstance(value, dict):
        parts = cast("dict[str, Any]", value)
        return {name: _without_traces(part) for name, part in parts.items() if name != "stack_trace"}
    return [_without_traces(part) for part in cast("list[Any]", value)] if isinstance(value, list) else value


if __name__ == "__main__":
    main()
