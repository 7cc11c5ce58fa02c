"""Calls of tools that need an approval, in an orchestrator: a person is asked, and the run goes on.

Owns the way from an interruption of the SDK to a request of ours and back. The wait is durable.

A person may approve a call with other arguments than the model gave. Then that call is denied, the model is told which
one is approved, and if it makes that one, nobody is asked again: so what the model has in its transcript is what was
done.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

from agents import RunResult, ToolApprovalItem
from agents.run_state import RunState

from azure_durable_py.agents.approvals import ApprovalDecision, request_approval


class ApprovedCalls:
    """Calls that are approved before the model has made them, in one run."""

    def __init__(self) -> None:
        self._calls: list[tuple[str, Any]] = []

    def add(self, tool: str, arguments: Any) -> None:
        self._calls.append((tool, arguments))

    def take(self, tool: str, arguments: Any) -> bool:
        """Whether such a call is approved, once."""
        if (tool, arguments) not in self._calls:
            return False
        self._calls.remove((tool, arguments))
        return True


async def answer_interruptions(approved: ApprovedCalls, result: RunResult, timeout: timedelta | None) -> RunState[Any]:
    """Ask for all approvals that a run waits for, at once. Returns the state with which it goes on.

    :param approved: what was approved in this run before.
    :param timeout: after this time a call counts as denied; None: it is waited for ever.
    """
    state = result.to_state()
    asked = [_decision(approved, item, timeout) for item in result.interruptions]
    for item, decision in zip(result.interruptions, await asyncio.gather(*asked), strict=True):
        if not decision.approved:
            state.reject(item, rejection_message=_denied(decision))
        elif decision.arguments is not None and decision.arguments != _arguments(item):
            approved.add(_tool(item), decision.arguments)
            state.reject(item, rejection_message=_changed(item, decision))
        else:
            state.approve(item)
    return state


async def _decision(approved: ApprovedCalls, item: ToolApprovalItem, timeout: timedelta | None) -> ApprovalDecision:
    tool, arguments = _tool(item), _arguments(item)
    if approved.take(tool, arguments):
        return ApprovalDecision(approved=True)
    return await request_approval(tool, arguments, timeout=timeout)


def _denied(decision: ApprovalDecision) -> str:
    return f"This call was denied{_who_and_why(decision)}"


def _changed(item: ToolApprovalItem, decision: ApprovalDecision) -> str:
    call = json.dumps(decision.arguments, ensure_ascii=False)
    return (
        f"This call was not approved as it is{_who_and_why(decision)} Approved is a call of {_tool(item)} with these "
        f"arguments: {call}. Make that call if it serves the purpose."
    )


def _who_and_why(decision: ApprovalDecision) -> str:
    who = f" by {decision.by}" if decision.by else ""
    return f"{who}: {decision.reason.rstrip('.')}." if decision.reason else f"{who}."


def _tool(item: ToolApprovalItem) -> str:
    return item.qualified_name or item.name or "tool"


def _arguments(item: ToolApprovalItem) -> Any:
    """The arguments as JSON, where they are; of a tool that takes text, that."""
    text = item.arguments
    if text is None:
        return None
    try:
        return json.loads(text, parse_constant=_no_json)
    except ValueError:
        return text


def _no_json(constant: str) -> Any:
    """NaN and infinities, which Python reads and nobody may write."""
    raise ValueError(f"{constant} is no JSON")
