"""Tools that somebody else decides on or carries out: the framework's deferred calls, answered by external events.

Owns how a request becomes a wait, and an answer a result. Approvals are those of all agents (`request_approval`); a
call that is carried out elsewhere waits for an event of its own, and stands in the custom status meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from pydantic import JsonValue
from pydantic_ai.durable_exec import ExternalEventWaiter
from pydantic_ai.exceptions import ToolFailed, UserError
from pydantic_ai.messages import ToolCallPart
from pydantic_ai.tools import (
    DeferredToolApprovalResult,
    DeferredToolRequests,
    DeferredToolResults,
    ToolApproved,
    ToolDenied,
)

from azure_durable_py.agents.approvals import ApprovalDecision, request_approval
from azure_durable_py.pydantic_ai.status_parts import publish_entries
from azure_durable_py.runtime.context import DurableOrchestrationContext
from azure_durable_py.runtime.external_events import EventTask
from azure_durable_py.shortening import shorten_text
from azure_durable_py.wording import duration

RESULT_EVENT = "result:"
"""What the name of the event begins with that answers a call which is carried out elsewhere; its id follows."""
PART = "toolCalls"
"""The field of the custom status."""
_MAX_CHARS = 300


@dataclass(frozen=True, slots=True)
class Waits:
    """What a run waits for itself, rather than end with the requests as its output.

    :param approvals: calls that a person has to allow. :param results: calls that are carried out elsewhere.
    :param approval_timeout: after this time a call counts as denied, :param result_timeout: or as failed; None: never.
    """

    approvals: bool
    results: bool
    approval_timeout: timedelta | None
    result_timeout: timedelta | None


async def answers(
    context: DurableOrchestrationContext, requests: DeferredToolRequests, waits: Waits
) -> DeferredToolResults | None:
    """Wait until all calls are answered that are to be waited for; None: there is none among them."""
    approvals = requests.approvals if waits.approvals else []
    calls = requests.calls if waits.results else []
    if not approvals and not calls:
        return None
    decisions, results = await asyncio.gather(
        asyncio.gather(*(_decision(call, waits.approval_timeout) for call in approvals)),
        asyncio.gather(*(_result(context, call, waits.result_timeout) for call in calls)),
    )
    decided = dict(zip((call.tool_call_id for call in approvals), decisions, strict=True))
    return requests.build_results(
        approvals={call_id: _approval(decision) for call_id, decision in decided.items()},
        calls=dict(zip((call.tool_call_id for call in calls), results, strict=True)),
        answered_by={call_id: decision.by for call_id, decision in decided.items() if decision.by is not None},
    )


# --- approvals ---------------------------------------------------------------------------------------------


async def _decision(call: ToolCallPart, timeout: timedelta | None) -> ApprovalDecision:
    return await request_approval(call.tool_name, call.args_as_dict(), timeout=timeout)


def _approval(decision: ApprovalDecision) -> DeferredToolApprovalResult:
    if decision.approved:
        return ToolApproved(override_args=cast("dict[str, Any] | None", decision.arguments))
    return ToolDenied(decision.reason or "The tool call was denied.")


# --- calls that are carried out elsewhere --------------------------------------------------------------------


class PendingCalls:
    """The calls of one orchestration that are carried out elsewhere, in the order in which they were made."""

    def __init__(self) -> None:
        self._open: dict[str, dict[str, Any]] = {}

    def add(self, context: DurableOrchestrationContext, call: ToolCallPart, problem: str | None = None) -> None:
        """A call is waited for, and told like this."""
        self._open[call.tool_call_id] = {
            "id": shorten_text(call.tool_call_id, _MAX_CHARS),
            "tool": shorten_text(call.tool_name, _MAX_CHARS),
            "arguments": shorten_text(call.args_as_json_str(), _MAX_CHARS),
            "event": shorten_text(RESULT_EVENT + call.tool_call_id, _MAX_CHARS),
            **({} if problem is None else {"problem": shorten_text(problem, _MAX_CHARS)}),
        }
        self._publish(context)

    def remove(self, context: DurableOrchestrationContext, call: ToolCallPart) -> None:
        """A call is waited for no longer."""
        self._open.pop(call.tool_call_id, None)
        self._publish(context)

    def _publish(self, context: DurableOrchestrationContext) -> None:
        publish_entries(context, PART, list(self._open.values()))


async def _result(context: DurableOrchestrationContext, call: ToolCallPart, timeout: timedelta | None) -> Any:
    pending = context.extension(PendingCalls)
    timer = None if timeout is None else context.create_timer(context.current_utc_datetime + timeout)
    pending.add(context, call)
    try:
        while True:
            answer: EventTask[Any] = context.wait_for_external_event(RESULT_EVENT + call.tool_call_id)
            if timer is not None and await context.task_any([answer, timer]) is timer:
                answer.cancel()
                return ToolFailed(f"Nobody answered within {duration(timeout or 0)}.")
            given = await answer
            if isinstance(given, dict) and len(cast("dict[str, Any]", given)) == 1:
                found = cast("dict[str, Any]", given)
                if "result" in found or isinstance(found.get("error"), str):
                    if timer is not None:
                        timer.cancel()
                    return found["result"] if "result" in found else ToolFailed(found["error"])
            pending.add(context, call, 'An answer could not be used: it is {"result": ...} or {"error": "why"}.')
    finally:
        pending.remove(context, call)


# --- what cannot be waited for -------------------------------------------------------------------------------


class NoWaiter(ExternalEventWaiter):
    """Says what to do in place of a wait that is told to somebody by code of the orchestrator."""

    async def wait(
        self,
        name: str,
        *,
        ask: Callable[[str], Awaitable[JsonValue]],  # noqa: ARG002 - part of the contract
        timeout: timedelta | None,  # noqa: ARG002 - part of the contract
    ) -> JsonValue:
        """Refuse it.

        :raises UserError: always.
        """
        raise UserError(
            f"The wait {name!r} asks somebody by code that would run in the orchestrator, again on every replay. Take "
            "RequestInput away: AzureDurability waits for approvals itself, and for results with "
            "wait_for_results=True; who is to answer sees them in the custom status."
        )
