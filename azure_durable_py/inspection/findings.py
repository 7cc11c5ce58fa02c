"""What is wrong with an instance, or at least worth to know, and the mend: what `docs/operating.md` says, applied.

Owns the sentences. Each rule looks at the evidence and says what it finds; none reads anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from azure_durable_py.failures import FailureDetails
from azure_durable_py.inspection import waiting
from azure_durable_py.inspection.evidence import A_WHILE, Evidence
from azure_durable_py.inspection.report import REPAIR, Finding
from azure_durable_py.inspection.steps import StepOutcome
from azure_durable_py.inspection.timeline import failure_in_tail
from azure_durable_py.taskhub.life import OVERDUE
from azure_durable_py.wording import counted, failure_and_cause, moment, one_line

MOST_FINDINGS = 50
LONG_FOR_A_SEND = timedelta(seconds=10)
"""For how long something may be in an outbox while all is well."""
SLOW_START = timedelta(seconds=30)
"""For how long an instance may wait for its first turn while all is well."""
_ORDER = ("error", "warning", "info")
_WORKER = "See that a worker of this hub runs, with this storage and this hub name."


def findings_of(found: Evidence) -> tuple[Finding, ...]:
    """What is to be said, the most severe first."""
    said = [finding for rule in _RULES for finding in rule(found)]
    said.sort(key=lambda finding: _ORDER.index(finding.level))
    return tuple(said[:MOST_FINDINGS])


# --- damage ------------------------------------------------------------------------------------------


def _unreadable(found: Evidence) -> Iterator[Finding]:
    look = found.look
    if look.newer:
        yield Finding("warning", f"It cannot be read here: {one_line(look.newer)}.", "Upgrade azure-durable-py here.")
    if any(row.key == "00-instance" for row in found.damaged):
        reason = next(row.reason for row in found.damaged if row.key == "00-instance")
        yield Finding(
            "error",
            f"Its header is damaged: {one_line(reason)}",
            "Terminate it: it is ended at once, and a parent that waits for it is told. What was there is kept in its "
            "partition as 40-quarantine-header-... until it is purged.",
        )
    if look.problem and not look.newer:
        mend = "Start it anew." if found.is_over else "It fails with its next turn. Start it anew."
        yield Finding("error", f"Its history cannot be read: {one_line(look.problem)}", mend)


def _set_aside(found: Evidence) -> Iterator[Finding]:
    for row in found.damaged:
        if row.key.startswith("40-quarantine-"):
            yield Finding(
                "warning",
                f"Row {row.key} was set aside, as it cannot be read: {one_line(row.reason)}",
                "Find out who writes to this hub. Whoever waits for what it said may have to be terminated. It goes "
                "when the instance is purged.",
            )
        elif row.key.startswith("10-inbox-"):
            yield Finding(
                "warning",
                f"Row {row.key} of its inbox cannot be read: {one_line(row.reason)}",
                "The next turn sets it aside. Find out who writes to this hub.",
            )


# --- how it ended ------------------------------------------------------------------------------------


def _ended(found: Evidence) -> Iterator[Finding]:
    columns, joined = found.look.header.columns, found.joined
    if columns.runtime_status == "Failed":
        failure = failure_of(found)
        told = "it is not kept why" if failure is None else failure_and_cause(failure)
        attempts = _attempts_before_the_end(found)
        yield Finding(
            "error",
            f"It failed{f', after {attempts} attempts' if attempts > 1 else ''}: {told}",
            "Mend what it failed of, then rewind it: it goes on from there. Or restart it: it begins anew.",
        )
    elif columns.runtime_status == "Terminated":
        reason = joined.terminated.reason if joined.terminated is not None else None
        at = f" at {moment(columns.completed_time)}" if columns.completed_time else ""
        yield Finding("info", f"It was terminated{at}{f': {one_line(reason)}' if reason else '.'}", None)


def _attempts_before_the_end(found: Evidence) -> int:
    """How often was tried what failed last, if that is what ended the instance."""
    failure = found.joined.failure
    failed = next((step for step in reversed(found.joined.steps) if step.outcome is StepOutcome.failed), None)
    if failure is None or failed is None or failed.failure is None or failed.failure.message not in failure.message:
        return 1
    return failed.attempt


def failure_of(found: Evidence) -> FailureDetails | None:
    """How a failed instance failed."""
    return found.joined.failure or failure_in_tail(found.look)


# --- standing still ----------------------------------------------------------------------------------


def _suspended(found: Evidence) -> Iterator[Finding]:
    event = found.joined.suspended
    if found.look.header.columns.runtime_status == "Suspended":
        since = "" if event is None else f" since {moment(event.timestamp)}"
        reason = f": {one_line(event.reason)}" if event is not None and event.reason else "."
        yield Finding("warning", f"It is suspended{since}{reason}", "Resume it. What has arrived meanwhile is kept.")


def _pending(found: Evidence) -> Iterator[Finding]:
    columns = found.look.header.columns
    if columns.runtime_status != "Pending" or found.entity is not None or found.is_damaged:
        return
    state = found.look.state
    if state is not None and state.start_at is not None and state.start_at > found.now:
        yield Finding("info", f"It is to start at {moment(state.start_at)}.", None)
        return
    due = max(columns.last_updated_time, columns.wake_time or columns.created_time)
    if found.now - due < SLOW_START:
        return
    mend = f"{_WORKER} {_lost_or_waiting(found, found.instance_queue)}"
    if columns.version is not None:
        mend += f" It is of version {columns.version!r}: a worker that may not run it says so (`is left to another`)."
    yield Finding("error", f"Nobody has taken its start up since {moment(due)}.", mend)


def _lost_or_waiting(found: Evidence, queue: str) -> str:
    count = found.counts.get(queue)
    if count is None:
        return REPAIR
    if count == 0:
        return f"Queue {queue} is empty: the message that would wake it is lost. {REPAIR}"
    return f"Queue {queue} holds {counted(count, 'message')} for workers."


def _arrivals(found: Evidence) -> Iterator[Finding]:
    since = found.oldest_arrival
    if since is None or found.now - since < A_WHILE:
        return
    if found.is_damaged:
        return  # That is why, and it was said.
    some = f"{len(found.inbox)} or more messages" if found.look.more else counted(len(found.inbox), "message")
    one = len(found.inbox) == 1
    if found.is_over:
        yield Finding("info", f"{some} came after its end, and {'has' if one else 'have'} no effect.", None)
        return
    yield Finding(
        "error",
        f"{some} for it {'waits' if one else 'wait'} since {moment(since)}, and no turn has taken "
        f"{'it' if one else 'them'} up.",
        f"{_WORKER} Look in the log of the workers for its id: it may be of a version that they may not run, or its "
        f"turns fail. {_lost_or_waiting(found, found.instance_queue)}",
    )


def _outbox(found: Evidence) -> Iterator[Finding]:
    state = found.look.state
    if state is None or not state.has_sends or state.queued_at is None:
        return
    if found.now - state.queued_at < LONG_FOR_A_SEND:
        return
    sends = [entry for entry in found.outbox if entry.what not in ("activity", "alarm")]
    oldest = min((entry.since for entry in sends if entry.since is not None), default=state.queued_at)
    example = f", first {sends[0].what} {sends[0].name!r} for {sends[0].target}" if sends else ""
    yield Finding(
        "error",
        f"{counted(len(sends), 'message')} for other instances {'is' if len(sends) == 1 else 'are'} not handed over "
        f"since {moment(oldest)}{example}.",
        f"Look in the log of the workers for `is waiting for storage` with its id. "
        f"{_lost_or_waiting(found, found.instance_queue)}",
    )


def _timers(found: Evidence) -> Iterator[Finding]:
    wake = found.look.header.columns.wake_time
    if found.is_over or wake is None or found.now - wake < OVERDUE:
        return
    yield Finding(
        "error",
        f"A timer was due at {moment(wake)}, and has not fired.",
        f"{_WORKER} {_lost_or_waiting(found, found.instance_queue)}",
    )


def _deaths(found: Evidence) -> Iterator[Finding]:
    state = found.look.state
    worst = max((mark.begun for mark in state.marks.values()), default=0) if state is not None else 0
    if worst > 1 and not found.is_over:
        yield Finding(
            "warning",
            f"Its work was begun {worst} times without coming to an end.",
            "Its process may have died with it, each time: look for what ends it (memory, native code, os._exit). "
            "After as many times as maxDequeueCount in host.json says it fails with WorkGivenUpError.",
        )


_Rule = Callable[[Evidence], Iterator[Finding]]
_RULES: tuple[_Rule, ...] = (
    _unreadable,
    _ended,
    _pending,
    _arrivals,
    _outbox,
    _timers,
    _suspended,
    _deaths,
    waiting.left_lying,
    waiting.misspelled,
    _set_aside,
    waiting.of_waits,
    waiting.unknown_wait,
)
