"""How the help of a command shows examples. A test runs each of them."""

from __future__ import annotations


def examples(*commands: str) -> str:
    """The end of a command's help: `azure-durable ...` lines, as they may be typed."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])
