"""How `azure-durable show` and `wait` lay out what was found of an instance."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence

from azure_durable_py.cli.output import Cell, Output, status_cell
from azure_durable_py.failures import MAX_FAILURE_CHARS, FailureDetails
from azure_durable_py.inspection.report import Finding, Inspection, Waiting
from azure_durable_py.inspection.steps import kind_word
from azure_durable_py.wording import stack, summary

_MOST_CHARS = 2_000
"""Characters of a value that a terminal gets; other readers get all."""


def print_inspection(out: Output, found: Inspection) -> None:
    """Print all of it, what matters most first."""
    out.details(list(_facts(found)))
    print_findings(out, found.findings)
    _print_approvals(out, found)
    if found.waits:
        out.heading("Waits for")
        out.table(("KIND", "NAME", "SINCE", "DUE", "MORE"), [_wait_row(wait) for wait in found.waits])
        _rest(out, found.waits_left_out)
    # Activities are among what it waits for, and alarms among its timers.
    sends = [one for one in found.outbox if one.what not in ("activity", "alarm")]
    if sends or found.outbox_left_out:
        out.heading("Outbox: decided, and not yet known to be handed over")
        out.table(("WHAT", "NAME", "TARGET", "SINCE"), [(one.what, one.name, one.target, one.since) for one in sends])
        _rest(out, found.outbox_left_out)
    if found.inbox:
        out.heading("Inbox: arrived, and not yet taken up")
        out.table(
            ("WHAT", "NAME", "SENDER", "SENT"), [(one.what, one.name, one.sender, one.sent_at) for one in found.inbox]
        )
        _rest(out, found.inbox_size - len(found.inbox), goes_on=found.inbox_goes_on)
    if found.backlog:
        out.heading("Held back until the lock is released")
        out.table(("WHAT", "NAME", "SENDER"), [(one.what, one.name, one.sender) for one in found.backlog])
        _rest(out, found.backlog_size - len(found.backlog))
    if found.damaged:
        out.heading("Rows that cannot be read")
        out.table(("ROW", "WHY"), [(row.key, row.reason) for row in found.damaged])
    if found.failure is not None:
        print_failure(out, found.failure)
    outcome = "State" if found.kind == "entity" else "Output"
    for title, text, name in (
        ("Input", found.input, "input"),
        ("Custom status", found.custom_status, "custom_status"),
        (outcome, found.output if found.failure is None else None, "output"),
    ):
        if text is not None or name in found.large:
            out.heading(title)
            _value(out, text)


def _print_approvals(out: Output, found: Inspection) -> None:
    """Print what a person has to decide on, and the command that does."""
    if not found.approvals:
        return
    out.heading("Waits for approval")
    for approval in found.approvals:
        out.details(
            [
                ("Tool", approval.tool),
                ("Arguments", approval.arguments),
                ("Since", approval.requested_at),
                ("Denied at", approval.expires_at),
                ("Problem", approval.problem),
                ("Approve", _answer(found.instance_id, approval.event, approved=True)),
                ("Deny", _answer(found.instance_id, approval.event, approved=False)),
            ]
        )


def _answer(instance_id: str, event: str, *, approved: bool) -> str:
    data: dict[str, object] = {"approved": approved} if approved else {"approved": approved, "reason": "..."}
    return shlex.join(["azure-durable", "raise-event", instance_id, event, "--event-data", json.dumps(data)])


def print_findings(out: Output, findings: Sequence[Finding]) -> None:
    """Print what is wrong, and what to do about it; nothing, if nothing is."""
    if findings:
        out.heading("Findings")
        out.table(
            ("LEVEL", "WHAT", "WHAT TO DO"),
            [(status_cell(one.level), out.with_times(one.text), one.mend) for one in findings],
        )


def print_failure(out: Output, failure: FailureDetails) -> None:
    """Print how something failed, and behind it what led to that."""
    link: FailureDetails | None = failure
    title = "Failure"
    while link is not None:
        out.heading(title)
        out.styled(summary(link, MAX_FAILURE_CHARS), "red")
        if link.stack_trace:
            out.block(stack(link))
        link, title = link.inner_failure, "Caused by"


def wait_text(wait: Waiting) -> str:
    """What an instance waits for, in a few words."""
    kind = kind_word(wait.kind.value)
    text = kind if wait.name in ("", kind) else f"{kind} {wait.name}"
    return text + (f" (attempt {wait.attempt})" if wait.attempt > 1 else "")


def _facts(found: Inspection) -> Iterator[tuple[str, Cell]]:
    yield "Instance", found.instance_id
    yield ("Entity" if found.kind == "entity" else "Orchestrator"), found.name
    yield "Status", status_cell(found.runtime_status or "Damaged")
    yield "Created", found.created_time
    yield "Starts", found.start_at
    yield "Changed", found.last_updated_time
    yield "Finished", found.completed_time
    yield "Suspended since", found.suspended_since
    yield "Next timer", found.next_wake
    yield "Version", found.version or None
    yield "Tags", ", ".join(f"{name}={value}" for name, value in found.tags.items()) or None
    yield "Parent", found.parent_instance_id
    yield "Locked by", found.lock
    yield "Execution", found.execution_id or None
    yield "Generation", found.generation or None
    yield "Rewound", {0: None, 1: "once"}.get(found.attempt, f"{found.attempt} times")


def _wait_row(wait: Waiting) -> tuple[Cell, ...]:
    more: list[str] = []
    if wait.target is not None:
        more.append(f"instance {wait.target}")
    if wait.attempt > 1:
        more.append(f"attempt {wait.attempt}")
    if wait.detail:
        more.append(wait.detail)
    if wait.last_failure is not None:
        more.append(f"the attempt before failed: {summary(wait.last_failure)}")
    return kind_word(wait.kind.value), wait.name, wait.since, wait.due, "; ".join(more) or None


def _value(out: Output, text: str | None) -> None:
    if text is None:
        out.line("(large; --raw names its rows, and `azure-durable get-runtime-status` prints it)")
    elif out.on_terminal and len(text) > _MOST_CHARS:
        out.line(f"{text[:_MOST_CHARS]} ... ({len(text)} characters; --json prints all)")
    else:
        out.line(text)


def _rest(out: Output, count: int, *, goes_on: bool = False) -> None:
    if count > 0:
        out.line(f"... and {'at least ' if goes_on else ''}{count} more")
    elif goes_on:
        out.line("... and more")
