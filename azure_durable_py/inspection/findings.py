"""What is wrong with an instance, or at least worth to know, and the mend: what `docs/operating.md` says, applied.

Owns the sentences. Each rule looks at the evidence and says what it finds; none reads anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from difflib import SequenceMatcher

from azure_durable_py.failures import FailureDetails
from azure_durable_py.inspection.evidence import A_WHILE, Evidence
from azure_durable_py.inspection.report import Finding, Waiting
from azure_durable_py.inspection.steps import StepKind, StepOutcome
from azure_durable_py.inspection.timeline import failure_in_tail
from azure_durable_py.taskhub.life import OVERDUE
from azure_durable_py.times import UTC

MOST_FINDINGS = 50
LONG_FOR_A_SEND = timedelta(seconds=10)
"""For how long something may be in an outbox while all is well."""
SLOW_START = timedelta(seconds=30)
"""For how long an instance may wait for its first turn while all is well."""
_MOST_TEXT = 500
_ALIKE = 0.75
_ORDER = ("error", "warning", "info")
_REPAIR = "`azure-durable repair --quiet 0` wakes it."
_WORKER = "See that a worker of this hub runs, with this storage and this hub name."


def findings_of(found: Evidence) -> tuple[Finding, ...]:
    """What is to be said, the most severe first."""
    said = [finding for rule in _RULES for finding in rule(found)]
    said.sort(key=lambda finding: _ORDER.index(finding.level))
    return tuple(said[:MOST_FINDINGS])


def shown_moment(moment: datetime) -> str:
    """A moment in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- damage ------------------------------------------------------------------------------------------


def _unreadable(found: Evidence) -> Iterator[Finding]:
    look = found.look
    if look.newer:
        yield Finding("warning", f"It cannot be read here: {_short(look.newer)}.", "Upgrade azure-durable-py here.")
    if any(row.key == "00-instance" for row in found.damaged):
        reason = next(row.reason for row in found.damaged if row.key == "00-instance")
        yield Finding(
            "error",
            f"Its header is damaged: {_short(reason)}",
            "Terminate it: it is ended at once, and a parent that waits for it is told. What was there is kept in its "
            "partition as 40-quarantine-header-... until it is purged.",
        )
    if look.problem and not look.newer:
        mend = "Start it anew." if found.is_over else "It fails with its next turn. Start it anew."
        yield Finding("error", f"Its history cannot be read: {_short(look.problem)}", mend)


def _set_aside(found: Evidence) -> Iterator[Finding]:
    for row in found.damaged:
        if row.key.startswith("40-quarantine-"):
            yield Finding(
                "warning",
                f"Row {row.key} was set aside, as it cannot be read: {_short(row.reason)}",
                "Find out who writes to this hub. Whoever waits for what it said may have to be terminated. It goes "
                "when the instance is purged.",
            )
        elif row.key.startswith("10-inbox-"):
            yield Finding(
                "warning",
                f"Row {row.key} of its inbox cannot be read: {_short(row.reason)}",
                "The next turn sets it aside. Find out who writes to this hub.",
            )


# --- how it ended ------------------------------------------------------------------------------------


def _ended(found: Evidence) -> Iterator[Finding]:
    columns, joined = found.look.header.columns, found.joined
    if columns.runtime_status == "Failed":
        failure = failure_of(found)
        told = "it is not kept why" if failure is None else told_failure(failure)
        attempts = _attempts_before_the_end(found)
        yield Finding(
            "error",
            f"It failed{f', after {attempts} attempts' if attempts > 1 else ''}: {told}",
            "Mend what it failed of, then rewind it: it goes on from there. Or restart it: it begins anew.",
        )
    elif columns.runtime_status == "Terminated":
        reason = joined.terminated.reason if joined.terminated is not None else None
        at = f" at {shown_moment(columns.completed_time)}" if columns.completed_time else ""
        yield Finding("info", f"It was terminated{at}{f': {_short(reason)}' if reason else '.'}", None)


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
        since = "" if event is None else f" since {shown_moment(event.timestamp)}"
        reason = f": {_short(event.reason)}" if event is not None and event.reason else "."
        yield Finding("warning", f"It is suspended{since}{reason}", "Resume it. What has arrived meanwhile is kept.")


def _pending(found: Evidence) -> Iterator[Finding]:
    columns = found.look.header.columns
    if columns.runtime_status != "Pending" or found.entity is not None or found.is_damaged:
        return
    state = found.look.state
    if state is not None and state.start_at is not None and state.start_at > found.now:
        yield Finding("info", f"It is to start at {shown_moment(state.start_at)}.", None)
        return
    due = max(columns.last_updated_time, columns.wake_time or columns.created_time)
    if found.now - due < SLOW_START:
        return
    mend = f"{_WORKER} {_lost_or_waiting(found, found.instance_queue)}"
    if columns.version is not None:
        mend += f" It is of version {columns.version!r}: a worker that may not run it says so (`is left to another`)."
    yield Finding("error", f"Nobody has taken its start up since {shown_moment(due)}.", mend)


def _lost_or_waiting(found: Evidence, queue: str) -> str:
    count = found.counts.get(queue)
    if count is None:
        return _REPAIR
    if count == 0:
        return f"Queue {queue} is empty: the message that would wake it is lost. {_REPAIR}"
    return f"Queue {queue} holds {count} messages for workers."


def _arrivals(found: Evidence) -> Iterator[Finding]:
    since = found.oldest_arrival
    if since is None or found.now - since < A_WHILE:
        return
    count = f"{len(found.inbox)}{' or more' if found.look.more else ''}"
    if found.is_over:
        yield Finding("info", f"{count} messages came after its end, and have no effect.", None)
        return
    yield Finding(
        "error",
        f"{count} messages for it wait since {shown_moment(since)}, and no turn has taken them up.",
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
        f"{len(sends)} messages for other instances are not handed over since {shown_moment(oldest)}{example}.",
        f"Look in the log of the workers for `is waiting for storage` with its id. "
        f"{_lost_or_waiting(found, found.instance_queue)}",
    )


def _timers(found: Evidence) -> Iterator[Finding]:
    wake = found.look.header.columns.wake_time
    if found.is_over or wake is None or found.now - wake < OVERDUE:
        return
    yield Finding(
        "error",
        f"A timer was due at {shown_moment(wake)}, and has not fired.",
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


# --- what it waits for -------------------------------------------------------------------------------


def _waits(found: Evidence) -> Iterator[Finding]:
    for wait, others in _grouped(found.waits):
        match wait.kind:
            case StepKind.activity | StepKind.http:
                yield from _activity(found, wait, others)
            case StepKind.retry_delay:
                yield from _retry(wait)
            case StepKind.event:
                yield Finding(
                    "info",
                    f"It waits for event {wait.name!r} since {shown_moment(wait.since)}.",
                    "Raise it when its time has come; names match regardless of case.",
                )
            case StepKind.sub_orchestration:
                yield from _child(found, wait, others)
            case StepKind.lock | StepKind.entity_call:
                yield from _entity(found, wait)
            case _:
                due = "" if wait.due is None else f" that is due at {shown_moment(wait.due)}"
                yield Finding("info", f"It waits for a timer{due}.", None)


def _grouped(waits: Sequence[Waiting]) -> Iterator[tuple[Waiting, int]]:
    """The waits, those for many of the same as one: the oldest, and how many others there are."""
    groups: dict[tuple[str, ...], list[Waiting]] = {}
    for at, wait in enumerate(waits):
        alike = wait.kind in _MANY and wait.last_failure is None
        groups.setdefault((wait.kind.value, wait.name) if alike else (str(at),), []).append(wait)
    for group in groups.values():
        yield group[0], len(group) - 1


_MANY = (StepKind.activity, StepKind.http, StepKind.sub_orchestration)


def _activity(found: Evidence, wait: Waiting, others: int) -> Iterator[Finding]:
    which = f"attempt {wait.attempt} of activity {wait.name!r}" if wait.attempt > 1 else f"activity {wait.name!r}"
    which += f" and {others} more of it" if others else ""
    if wait.last_failure is not None:
        yield Finding(
            "warning",
            f"It is in {which}, since {shown_moment(wait.since)}. The attempt before failed: "
            f"{told_failure(wait.last_failure)}",
            None,
        )
    elif found.now - wait.since >= A_WHILE:
        yield Finding(
            "info",
            f"It waits for {which} since {shown_moment(wait.since)} ({wait.detail}).",
            "Nothing limits how long an activity takes, but functionTimeout under a Functions host.",
        )
    queue = found.activity_queue if wait.detail and found.activity_queue in wait.detail else found.instance_queue
    if found.counts.get(queue) == 0 and not found.inbox:
        yield Finding(
            "error",
            f"Nobody has {which} in hand: queue {queue} is empty.",
            "Its message was deleted. An activity comes to life a day after it was decided; until then, restart or "
            "terminate its instance if you cannot wait.",
        )


def _retry(wait: Waiting) -> Iterator[Finding]:
    why = "" if wait.last_failure is None else f": {told_failure(wait.last_failure)}"
    due = "later" if wait.due is None else f"at {shown_moment(wait.due)}"
    most = f" of {int(found[1]) + 1}" if (found := _MOST_RETRIES.fullmatch(wait.detail or "")) else ""
    yield Finding("warning", f"{wait.name!r} failed, and attempt {wait.attempt}{most} begins {due}{why}", None)


_MOST_RETRIES = re.compile(r"retry \d+ of (\d+)")


def _child(found: Evidence, wait: Waiting, others: int) -> Iterator[Finding]:
    more = f" and {others} more of it" if others else ""
    text = f"It waits for sub-orchestration {wait.name!r} ({wait.target}){more} since {shown_moment(wait.since)}"
    stands = found.neighbours.get(wait.target or "")
    if stands is None or stands in ("Running", "Pending", "Suspended"):
        yield Finding("info", f"{text}{f', which is {stands}' if stands else ''}.", "Look at that instance.")
    elif stands == "not there":
        yield Finding(
            "error",
            f"{text}, and there is no such instance.",
            "It was purged, or its start is not handed over. Terminate or rewind its parent if it does not come.",
        )
    else:
        yield Finding(
            "warning",
            f"{text}, which is {stands}: the answer of it has not arrived.",
            f"It may be on its way. {_REPAIR}",
        )


def _entity(found: Evidence, wait: Waiting) -> Iterator[Finding]:
    if found.entity is not None:
        yield from _lock_of_entity(found, wait)
        return
    what = "the lock" if wait.kind is StepKind.lock else f"operation {wait.name!r}"
    stands = found.neighbours.get(wait.target or "")
    locked = f", which is {stands}" if stands is not None else ""
    is_late = found.now - wait.since >= A_WHILE
    yield Finding(
        "warning" if is_late else "info",
        f"It waits for {what} of entity {wait.target} since {shown_moment(wait.since)}{locked}.",
        "Look at the entity, and at who holds its lock. What sections lock in another order can wait for each other; "
        "the engine orders the locks of one section, not those of several."
        if stands is not None and stands.startswith("locked")
        else None,
    )


def _lock_of_entity(found: Evidence, wait: Waiting) -> Iterator[Finding]:
    held = f"{found.entity.backlog_size} requests wait" if found.entity is not None else ""
    text = f"It is locked by {wait.target} since {shown_moment(wait.since)}; {held}."
    if found.is_orphaned:
        yield Finding(
            "error",
            f"{text} Nobody will release this lock: its holder has ended, or is not there.",
            "Clean the entities of the hub, with the release of orphaned locks.",
        )
    else:
        yield Finding("info", text, "Look at the orchestration that holds the lock.")


def _misspelled(found: Evidence) -> Iterator[Finding]:
    """An event that arrived under a name which is almost that of one that is waited for."""
    state = found.look.state
    if state is None or found.is_over or not state.awaited:
        return
    arrived = {
        step.name: step.began for step in found.joined.steps if step.kind is StepKind.event and step.ended is not None
    }
    for name, at in list(arrived.items())[-MOST_FINDINGS:]:
        wanted = next((each for each in state.awaited if _almost(each.lower(), name.lower())), None)
        if wanted is not None:
            yield Finding(
                "warning",
                f"Event {name!r} arrived at {shown_moment(at)}, and {wanted!r} is waited for.",
                f"Should it have been {wanted!r}? Then raise it by that name.",
            )


def _almost(wanted: str, given: str) -> bool:
    return wanted != given and SequenceMatcher(None, wanted, given).ratio() >= _ALIKE


def _unknown_wait(found: Evidence) -> Iterator[Finding]:
    """An instance that stands still, and nothing tells for what: as a rule, an older version wrote its header."""
    columns = found.look.header.columns
    state = found.look.state
    if columns.runtime_status != "Running" or found.entity is not None or state is None or found.look.problem:
        return
    if found.waits or found.outbox or found.inbox or state.pending or state.is_rewound:
        return
    yield Finding(
        "info",
        f"It waits since {shown_moment(columns.last_updated_time)} for something that its rows do not name: an "
        "external event, as a rule.",
        "Look into the code of its orchestrator, and raise the event.",
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
    _misspelled,
    _set_aside,
    _waits,
    _unknown_wait,
)


# --- failures in a sentence --------------------------------------------------------------------------

_FRAME = re.compile(r'File "([^"\n]+)", line (\d+), in ([^\n]+)')


def told_failure(failure: FailureDetails) -> str:
    """What failed and where, in one line: the innermost cause, and the place in code that raised it."""
    cause = failure
    while cause.inner_failure is not None:
        cause = cause.inner_failure
    place = place_of_failure(cause) or place_of_failure(failure)
    at = f" ({place})" if place else ""
    why = f"{cause.error_type.rpartition('.')[2]}: {_short(cause.message)}"
    if cause is failure:
        return f"{why}{at}"
    # What wraps a failure says what failed; as a rule it repeats the cause, which says why.
    what = _short(failure.message)
    return f"{what}{at}" if cause.message in failure.message else f"{what} - {why}{at}"


def place_of_failure(failure: FailureDetails) -> str | None:
    """Where a failure was raised, as `file:line function`: the last frame of its stack trace."""
    frames = _FRAME.findall(failure.stack_trace or "")
    if not frames:
        return None
    file, line, function = frames[-1]
    return f"{file}:{line} {function}"


def _short(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} ..."
