"""A server of the Model Context Protocol, over standard input and output: `python -m tests.openai_agents.mcp_files`."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

server = MCPServer("files")


@server.tool()
def read(path: str) -> str:
    """Read a file."""
    if path == "missing":
        raise ValueError("there is no such file")
    return f"what is in {path}"


@server.prompt()
def summary(path: str) -> str:
    """Ask for a summary."""
    return f"Summarize {path}."


@server.resource("notes://today")
def today() -> str:
    """What was noted today."""
    return "nothing"


if __name__ == "__main__":
    server.run()
