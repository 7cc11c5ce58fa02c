"""Approvals: a call of a tool that a person has to allow.

Owns the wait: what stands in the custom status meanwhile, what counts as an answer, and what becomes of a call that
nobody answered. The answer is an external event, so it may come from any client, days later, and a worker need not run
meanwhile.
"""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from azure_durable_py import shape
from azure_durable_py.agents.status_parts import publish
from azure_durable_py.errors import OrchestratorError, SerializationError
from azure_durable_py.pending_approvals import APPROVALS, EVENT_PREFIX, PendingApproval
from azure_durable_py.runtime.current import current_context
from azure_durable_py.serialization.converter import JsonDataConverter
from azure_durable_py.shape import Fields, ShapeError
from azure_durable_py.shortening import shorten_text
from azure_durable_py.wording import duration, one_line

if TYPE_CHECKING:
    from azure_durable_py.runtime.context import DurableOrchestrationContext
    from azure_durable_py.runtime.external_events import EventTask

logger = logging.getLogger("azure_durable_py.agents")
MAX_ID_CHARS = 100
MAX_TOOL_CHARS = 200
MAX_STATUS_BYTES = 10 * 1024
"""Of the approvals in the custom status, as JSON: other parts of it need room as well."""
_MOST_SHOWN = 25
"""Approvals that are shown at once; the others follow when some of these are answered."""
_MOST_ARGUMENTS_BYTES = 4 * 1024
_LEAST_ARGUMENTS_BYTES = 64
_MAX_PROBLEM_CHARS = 200
_converter = JsonDataConverter()


@dataclass(frozen=True, slots=True)
class ApprovalDecision:
    """What came of a request.

    :param approved: whether the tool may be called.
    :param reason: why, in the words of who decided; of a request that nobody answered, that.
    :param by: who decided, if the answer says so.
    :param arguments: what the tool is to be called with in place of what was asked for; None: with that.
    """

    approved: bool
    reason: str | None = None
    by: str | None = None
    arguments: Any | None = None


class PendingApprovals:
    """The requests of one orchestration that are open, in the order in which they were made."""

    def __init__(self) -> None:
        self._open: dict[str, _Shown] = {}

    def add(self, context: DurableOrchestrationContext, approval: PendingApproval) -> None:
        """A request is made.

        :raises OrchestratorError: one with this id is open.
        """
        if approval.id.lower() in self._open:
            raise OrchestratorError(
                f"An approval with the id {approval.id!r} is waited for already. Give each request an id of its own, "
                "or none."
            )
        self.put(context, approval)

    def put(self, context: DurableOrchestrationContext, approval: PendingApproval) -> None:
        """A request is open, and told like this."""
        # Names of events match regardless of case.
        self._open[approval.id.lower()] = _Shown(approval)
        self._publish(context)

    def remove(self, context: DurableOrchestrationContext, approval_id: str) -> None:
        """A request is open no longer."""
        del self._open[approval_id.lower()]
        self._publish(context)

    def _publish(self, context: DurableOrchestrationContext) -> None:
        shown = list(itertools.islice(self._open.values(), _MOST_SHOWN))
        publish(context, APPROVALS, MAX_STATUS_BYTES, lambda room: _fitting(shown, room))


async def request_approval(
    tool: str, arguments: Any = None, *, timeout: timedelta | None = None, approval_id: str | None = None
) -> ApprovalDecision:
    """Wait until a person has decided on a call of a tool. To be awaited inside an `async def` orchestrator.

    The answer is the external event `approval:<id>`, with `{"approved": true}`, or false; it may have a `reason`, `by`
    whom it is, and other `arguments` for the tool. While it is waited for, the request stands in the custom status, in
    the list `approvals` beside the user's own. An answer that cannot be used is told there and in the log, and the
    wait goes on.

    :param tool: the name of the tool.
    :param arguments: what it is to be called with, JSON-serializable. Large ones are cut in the custom status.
    :param timeout: after this time the call counts as denied; None: it is waited for ever.
    :param approval_id: the id of the request, at most 100 characters; by default a new one. Name one if an answer may
        come before the request is made, or is to hold for the next generation, too.
    :return: what was decided; a request that nobody answered in time is denied.
    :raises OrchestratorError: called outside of an orchestrator, or a request with this id is open.
    :raises SerializationError: `arguments` is not JSON.
    """
    context = current_context()
    if context is None:
        raise OrchestratorError("request_approval waits inside an orchestrator: await it in the code of one.")
    now = context.current_utc_datetime
    approval = PendingApproval(
        _checked_id(approval_id or context.new_uuid()),
        shorten_text(tool, MAX_TOOL_CHARS),
        _converter.serialize(arguments),
        "",
        now,
        None if timeout is None else now + timeout,
    )
    approval = replace(approval, event=EVENT_PREFIX + approval.id)
    pending = context.extension(PendingApprovals)
    pending.add(context, approval)
    try:
        decision = await _decision(context, pending, approval)
    finally:
        pending.remove(context, approval.id)
    if decision is not None:
        return decision
    return ApprovalDecision(approved=False, reason=f"Nobody answered within {duration(timeout or 0)}.")


async def _decision(
    context: DurableOrchestrationContext, pending: PendingApprovals, approval: PendingApproval
) -> ApprovalDecision | None:
    """The first answer that can be used; None: there was none in time."""
    timer = None if approval.expires_at is None else context.create_timer(approval.expires_at)
    while True:
        answer: EventTask[Any] = context.wait_for_external_event(approval.event)
        if timer is not None and await context.task_any([answer, timer]) is timer:
            answer.cancel()
            return None
        try:
            decision = _read(await answer, approval.arguments)
        except (ShapeError, SerializationError) as error:
            problem = one_line(str(error), _MAX_PROBLEM_CHARS)
            _tell(context, approval, problem)
            pending.put(context, replace(approval, problem=f"An answer could not be used: {problem}"))
            continue
        if timer is not None:
            timer.cancel()
        return decision


def _tell(context: DurableOrchestrationContext, approval: PendingApproval, problem: str) -> None:
    if not context.is_replaying:
        logger.warning(
            "An answer to approval %r of tool %r cannot be used; it is waited on: %s",
            approval.id,
            one_line(approval.tool),
            problem,
            extra={"instance_id": context.instance_id, "orchestrator": context.name},
        )


def _checked_id(approval_id: str) -> str:
    if len(approval_id) > MAX_ID_CHARS:
        raise OrchestratorError(f"The id of an approval has at most {MAX_ID_CHARS} characters, not {len(approval_id)}.")
    return approval_id


_FIELDS = ("approved", "reason", "by", "arguments")


def _read(data: Any, asked: str) -> ApprovalDecision:
    """The decision that an answer stands for, to a request with these arguments, as JSON text.

    :raises ShapeError: it stands for none.
    """
    fields = Fields(data)
    unknown = sorted(set(data) - set(_FIELDS))
    if unknown:
        # A misspelt field is not to have the tool called with other arguments than the person meant.
        raise ShapeError(f"an answer has no such field; it has {', '.join(_FIELDS)}", (unknown[0],))
    arguments = fields.get("arguments", shape.anything, None)
    if asked.startswith("{") and arguments is not None and not isinstance(arguments, dict):
        raise ShapeError("the tool takes its arguments by name: give an object", ("arguments",))
    return ApprovalDecision(
        fields.read("approved", shape.flag),
        fields.get("reason", shape.optional(shape.text), None),
        fields.get("by", shape.optional(shape.text), None),
        cast("Any", arguments),
    )


# --- the custom status -----------------------------------------------------------------------------------


class _Shown:
    """A request as the custom status has it, with as much of its arguments as there is room for."""

    def __init__(self, approval: PendingApproval) -> None:
        self._approval = approval
        self._made: dict[int, tuple[dict[str, Any], int]] = {}

    def within(self, room: int) -> tuple[dict[str, Any], int]:
        """It as JSON with so many bytes of arguments, and how many bytes it has: made once, published often."""
        if room not in self._made:
            told = _cut(self._approval, room).to_json()
            self._made[room] = told, len(_converter.serialize(told).encode()) + 1
        return self._made[room]


def _fitting(requests: list[_Shown], most: int) -> list[dict[str, Any]]:
    """The requests as JSON, as much of them as there is room for; none in no room."""
    room = _MOST_ARGUMENTS_BYTES
    while True:
        found = [request.within(room) for request in requests]
        if room < _LEAST_ARGUMENTS_BYTES or sum(size for _, size in found) <= most:
            break
        room //= 2
    kept, left = list[dict[str, Any]](), most
    for told, size in found:
        left -= size
        if left < 0:
            break
        kept.append(told)
    return kept


def _cut(approval: PendingApproval, room: int) -> PendingApproval:
    text = approval.arguments.encode()
    if len(text) <= room:
        return approval
    beginning = text[: max(0, room - 4)].decode(errors="ignore")
    return replace(approval, arguments=json.dumps(f"{beginning} ...", ensure_ascii=False), arguments_cut=True)
