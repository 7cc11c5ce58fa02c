"""Servers of the Model Context Protocol: each call is an activity, which connects, asks and leaves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from agents import Agent, HostedMCPTool, Runner
from agents.mcp import MCPServer, MCPServerStdio
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolResult, ListPromptsResult, ReadResourceResult, TextContent, TextResourceContents

import azure_durable_py as df
from azure_durable_py.errors import OrchestrationFailedError, OrchestratorError
from azure_durable_py.openai_agents import OpenAIAgents, mcp_server
from azure_durable_py.openai_agents.mcp_activity import mcp_activity
from azure_durable_py.testing import DurableTestSyncEnvironment
from tests.openai_agents.mcp_files import server
from tests.openai_agents.scripts import AnsweringModel, Models, calls

ROOT = Path(__file__).parent.parent.parent


class ServerHere(MCPServer):
    """The server of the tests in this process, and what was asked of it."""

    log: ClassVar[list[str]] = []
    refusals: ClassVar[list[Exception]] = []

    @property
    def name(self) -> str:
        return "here"

    async def connect(self) -> None:
        if self.refusals:
            raise self.refusals.pop()
        self.log.append("connect")

    async def cleanup(self) -> None:
        self.log.append("cleanup")

    async def list_tools(self, run_context: Any = None, agent: Any = None) -> Any:
        self.log.append("list_tools")
        return await server.list_tools()

    async def call_tool(self, tool_name: str, arguments: Any, meta: Any = None) -> Any:
        self.log.append(f"call_tool {tool_name} {arguments}")
        return CallToolResult(content=[TextContent(type="text", text=f"what is in {arguments['path']}")])

    async def list_prompts(self) -> Any:
        return ListPromptsResult(prompts=await server.list_prompts())

    async def get_prompt(self, name: str, arguments: Any = None) -> Any:
        if name != "summary":
            raise MCPError(-32602, f"there is no prompt {name}")
        return await server.get_prompt(name, arguments)

    async def read_resource(self, uri: str) -> Any:
        found = await server.read_resource(uri)
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=str(next(iter(found)).content))])


@pytest.fixture(autouse=True)
def nothing_asked() -> None:
    ServerHere.log.clear()
    ServerHere.refusals.clear()


READING = {
    "read": calls(("read", {"path": "a.txt"}, "c1")),
    "c1": calls(("read", {"path": "b.txt"}, "c2")),
    "c2": "done",
}


def app_of(orchestrator: Any, model: AnsweringModel, make: Any = ServerHere, **options: Any) -> df.DFApp:
    app = df.DFApp()
    app.register_functions(OpenAIAgents(Models(m=model), mcp_servers={"files": make}, **options))
    app.orchestration_trigger(context_name="context", orchestration="go")(orchestrator)
    return app


async def read(context: Any) -> Any:
    return (await Runner.run(Agent("a", model="m", mcp_servers=[mcp_server("files")]), "read")).final_output


def output_of(app: df.DFApp) -> Any:
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        return env.start("go").result()


def test_tools_of_a_server_are_called_by_activities_and_listed_once():
    model = AnsweringModel(READING)
    assert output_of(app_of(read, model)) == "done"
    asked = [line for line in ServerHere.log if line not in ("connect", "cleanup")]
    assert asked == ["list_tools", "call_tool read {'path': 'a.txt'}", "call_tool read {'path': 'b.txt'}"]
    assert ServerHere.log.count("connect") == ServerHere.log.count("cleanup") == 3
    assert [tool.name for tool in model.requests[0]["tools"]] == ["read"]
    assert "what is in b.txt" in str(model.requests[2]["input"][-1]["output"])


@pytest.mark.slow
async def test_a_server_in_a_process_of_its_own():
    """At real time: the process has its own."""

    def make() -> MCPServer:
        command: Any = {"command": sys.executable, "args": ["-m", "tests.openai_agents.mcp_files"], "cwd": str(ROOT)}
        return MCPServerStdio(command, client_session_timeout_seconds=60)

    ask = mcp_activity({"files": make, "nowhere": lambda: MCPServerStdio({"command": "/no/such/program"})})
    [tool] = await ask({"server": "files", "operation": "list_tools"})
    assert (tool["name"], tool["description"]) == ("read", "Read a file.")
    reading = {"tool_name": "read", "arguments": {"path": "a.txt"}}
    answer = await ask({"server": "files", "operation": "call_tool", "arguments": reading})
    assert answer["content"][0]["text"] == "what is in a.txt"
    with pytest.raises(df.ActivityError) as unreachable:
        await ask({"server": "nowhere", "operation": "list_tools"})
    assert unreachable.value.retryable


def test_a_server_that_cannot_be_reached_is_asked_again():
    ServerHere.refusals += [ConnectionError("gone"), ConnectionError("gone")]
    assert output_of(app_of(read, AnsweringModel(READING))) == "done"


def test_a_server_that_the_plug_in_does_not_have_is_named():
    async def go(context):
        await Runner.run(Agent("a", model="m", mcp_servers=[mcp_server("nothing")]), "read")

    refused = pytest.raises(OrchestrationFailedError, match="has no server 'nothing'; it has: files")
    with DurableTestSyncEnvironment(app_of(go, AnsweringModel(READING))) as env, refused:
        env.start("go").result()


def test_calls_of_a_server_may_need_an_approval():
    async def go(context):
        servers = [mcp_server("files", require_approval="always")]
        return (await Runner.run(Agent("a", model="m", mcp_servers=servers), "read")).final_output

    app = app_of(go, AnsweringModel({**READING, "c1": "done"}))
    with DurableTestSyncEnvironment(app, replay="every-turn") as env:
        handle = env.start("go")
        [asked] = handle.wait_for_custom_status(bool).custom_status["approvals"]
        assert (asked["tool"], asked["arguments"]) == ("read", {"path": "a.txt"})
        handle.raise_event(asked["event"], {"approved": True})
        assert handle.result() == "done"


def test_prompts_and_resources_are_asked_for_as_well():
    async def go(context):
        files = mcp_server("files")
        found = await files.list_prompts()
        prompt = await files.get_prompt("summary", {"path": "a.txt"})
        resource = await files.read_resource("notes://today")
        return [found.prompts[0].name, prompt.messages[0].content.text, resource.contents[0].text]

    assert output_of(app_of(go, AnsweringModel({}))) == ["summary", "Summarize a.txt.", "nothing"]


def test_a_server_that_says_what_is_wrong_is_not_asked_again():
    async def go(context):
        await mcp_server("files").get_prompt("nothing")

    refused = pytest.raises(OrchestrationFailedError, match="there is no prompt nothing")
    with DurableTestSyncEnvironment(app_of(go, AnsweringModel({}))) as env, refused:
        env.start("go").result()
    assert ServerHere.log.count("connect") == 1


async def test_it_is_for_orchestrators_only():
    with pytest.raises(OrchestratorError, match=r"agents\.mcp\.MCPServerStdio"):
        await mcp_server("files").list_tools()


def test_a_hosted_server_may_need_an_approval():
    from openai.types.responses.response_output_item import McpApprovalRequest

    asking = McpApprovalRequest(
        id="mcpr_1", arguments='{"path": "a.txt"}', name="read", server_label="hosted", type="mcp_approval_request"
    )

    async def go(context):
        config: Any = {"type": "mcp", "server_label": "hosted", "server_url": "https://x", "require_approval": "always"}
        return (await Runner.run(Agent("a", model="m", tools=[HostedMCPTool(config)]), "read")).final_output

    def answered(given: Any) -> str:
        return str(given[-1].get("approval_request_id") or given[-1]["content"])

    model = AnsweringModel({"read": [asking], "mcpr_1": "done"}, question=answered)
    with DurableTestSyncEnvironment(app_of(go, model), replay="every-turn") as env:
        handle = env.start("go")
        [asked] = handle.wait_for_custom_status(bool).custom_status["approvals"]
        assert (asked["tool"], asked["arguments"]) == ("read", {"path": "a.txt"})
        handle.raise_event(asked["event"], {"approved": True})
        assert handle.result() == "done"
    assert model.requests[1]["input"][-1]["approve"] is True
