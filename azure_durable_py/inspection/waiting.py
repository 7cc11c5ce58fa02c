"""What is to be said of what an instance waits for: each wait, and events that came under another name.

Like `findings`, it reads nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from azure_durable_py.inspection.evidence import A_WHILE, RUNS, Evidence, approvals_of
from azure_durable_py.inspection.report import REPAIR, Finding, Waiting
from azure_durable_py.inspection.steps import StepKind
from azure_durable_py.logs.awaited import is_slip
from azure_durable_py.pending_approvals import PendingApproval
from azure_durable_py.wording import failure_and_cause, moment, one_line

_MOST_NAMES = 50


def of_waits(found: Evidence) -> Iterator[Finding]:
    """What there is to be said of each thing that it waits for."""
    approvals = {approval.event.lower(): approval for approval in approvals_of(found)}
    for wait, others in _grouped(found.waits):
        match wait.kind:
            case StepKind.activity | StepKind.http:
                yield from _activity(found, wait, others)
            case StepKind.retry_delay:
                yield from _retry(wait)
            case StepKind.event if _has_come(found, wait):
                pass  # It was said that it is suspended: it goes on when it is resumed.
            case StepKind.event if wait.name.lower() in approvals:
                yield _approval(approvals[wait.name.lower()])
            case StepKind.event:
                yield Finding(
                    "info",
                    f"It waits for event {wait.name!r} since {moment(wait.since)}.",
                    "Raise it when its time has come; names match regardless of case.",
                )
            case StepKind.sub_orchestration:
                yield from _child(found, wait, others)
            case StepKind.lock | StepKind.entity_call:
                yield from _entity(found, wait)
            case _:
                due = "" if wait.due is None else f" that is due at {moment(wait.due)}"
                yield Finding("info", f"It waits for a timer{due}.", None)


def _approval(approval: PendingApproval) -> Finding:
    end = approval.expires_at
    until = "" if end is None else f" At {moment(end)} it counts as denied."
    return Finding(
        "info",
        f"A person has to decide on a call of tool {one_line(approval.tool)!r}, since {moment(approval.requested_at)}."
        + until,
        f"Approve or deny it on the monitor page, or raise event {approval.event!r} with "
        '{"approved": true}, or false.',
    )


def _has_come(found: Evidence, wait: Waiting) -> bool:
    """Whether an event that is waited for arrived while the instance is suspended."""
    suspended = found.joined.suspended
    if suspended is None or found.look.header.columns.runtime_status != "Suspended":
        return False
    return any(
        step.kind is StepKind.event and step.name.lower() == wait.name.lower() and step.began >= suspended.timestamp
        for step in found.joined.steps
    )


def _grouped(waits: Sequence[Waiting]) -> Iterator[tuple[Waiting, int]]:
    """The waits, those for many of the same as one: the oldest, and how many others there are."""
    groups: dict[tuple[str, ...], list[Waiting]] = {}
    for at, wait in enumerate(waits):
        alike = wait.kind in _MANY and wait.last_failure is None
        groups.setdefault((wait.kind.value, wait.name) if alike else (str(at),), []).append(wait)
    for group in groups.values():
        yield group[0], len(group) - 1


_RUN_BY_WORKERS = (StepKind.activity, StepKind.http)
_MANY = (StepKind.activity, StepKind.http, StepKind.sub_orchestration)


def _activity(found: Evidence, wait: Waiting, others: int) -> Iterator[Finding]:
    which = f"attempt {wait.attempt} of activity {wait.name!r}" if wait.attempt > 1 else f"activity {wait.name!r}"
    which += f" and {others} more of it" if others else ""
    queue = found.activity_queue if found.activity_queue in (wait.detail or "") else found.instance_queue
    if wait.last_failure is not None:
        yield Finding(
            "warning",
            f"It is in {which}, since {moment(wait.since)}. The attempt before failed: "
            f"{failure_and_cause(wait.last_failure)}",
            None,
        )
    elif found.now - wait.since >= A_WHILE:
        yield Finding(
            "info",
            f"It waits for {which} since {moment(wait.since)}: {_in_whose_hands(found, wait)}.",
            "If that is too long, look in the log of the workers for its id. Nothing limits how long an activity "
            "takes, but functionTimeout under a Functions host.",
        )
    if found.counts.get(queue) == 0 and not found.inbox:
        yield Finding(
            "error",
            f"Nobody has {which} in hand: queue {queue} is empty.",
            "Its message was deleted. An activity comes to life a day after it was decided; until then, restart or "
            "terminate its instance if you cannot wait.",
        )


def _in_whose_hands(found: Evidence, first: Waiting) -> str:
    """Where the activities of one name are, and how many of them where."""
    places = Counter(
        wait.detail or "it is not known where"
        for wait in found.waits
        if (wait.kind, wait.name) == (first.kind, first.name)
    )
    if len(places) == 1:
        place, count = next(iter(places.items()))
        return f"it {place}" if count == 1 else f"each {place}"
    return ", ".join(f"{count} of them: {place}" for place, count in places.items())


def left_lying(found: Evidence) -> Iterator[Finding]:
    """Messages that nobody takes in a queue that something late depends on: no worker runs, or all are busy."""
    late = [wait for wait in found.waits if wait.kind in _RUN_BY_WORKERS and found.now - wait.since >= A_WHILE]
    places = " ".join(wait.detail or "" for wait in late)
    queues = [found.activity_queue] if found.activity_queue in places else []
    queues += [found.instance_queue] if RUNS in places else []
    for queue in queues:
        count = found.untaken.get(queue, 0)
        if count:
            many = f"{count} messages that are" if count > 1 else "a message that is"
            yield Finding(
                "warning",
                f"Queue {queue} holds {many} in no worker's hands.",
                "Either no worker runs: start one, with this storage and this hub name. Or all of its places are taken "
                "(maxConcurrentActivityFunctions in host.json): wait, raise that, or start another worker.",
            )


def _retry(wait: Waiting) -> Iterator[Finding]:
    why = "" if wait.last_failure is None else f": {failure_and_cause(wait.last_failure)}"
    due = "later" if wait.due is None else f"at {moment(wait.due)}"
    most = f" of {int(found[1]) + 1}" if (found := _MOST_RETRIES.fullmatch(wait.detail or "")) else ""
    yield Finding("warning", f"{wait.name!r} failed, and attempt {wait.attempt}{most} begins {due}{why}", None)


_MOST_RETRIES = re.compile(r"retry \d+ of (\d+)")


def _child(found: Evidence, wait: Waiting, others: int) -> Iterator[Finding]:
    more = f" and {others} more of it" if others else ""
    text = f"It waits for sub-orchestration {wait.name!r} ({wait.target}){more} since {moment(wait.since)}"
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
            f"It may be on its way. {REPAIR}",
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
        f"It waits for {what} of entity {wait.target} since {moment(wait.since)}{locked}.",
        "Look at the entity, and at who holds its lock. What sections lock in another order can wait for each other; "
        "the engine orders the locks of one section, not those of several."
        if stands is not None and stands.startswith("locked")
        else None,
    )


def _lock_of_entity(found: Evidence, wait: Waiting) -> Iterator[Finding]:
    held = f"{found.entity.backlog_size} requests wait" if found.entity is not None else ""
    text = f"It is locked by {wait.target} since {moment(wait.since)}; {held}."
    if found.is_orphaned:
        yield Finding(
            "error",
            f"{text} Nobody will release this lock: its holder has ended, or is not there.",
            "Clean the entities of the hub, with the release of orphaned locks.",
        )
    else:
        yield Finding("info", text, "Look at the orchestration that holds the lock.")


def misspelled(found: Evidence) -> Iterator[Finding]:
    """An event that arrived under a name which is almost that of one that is waited for."""
    state = found.look.state
    if state is None or found.is_over or not state.awaited:
        return
    arrived = {
        step.name: step.began for step in found.joined.steps if step.kind is StepKind.event and step.ended is not None
    }
    for name, at in list(arrived.items())[-_MOST_NAMES:]:
        wanted = next((each for each in state.awaited if is_slip(each, name)), None)
        if wanted is not None:
            yield Finding(
                "warning",
                f"Event {name!r} arrived at {moment(at)}, and {wanted!r} is waited for.",
                f"Should it have been {wanted!r}? Then raise it by that name.",
            )


def unknown_wait(found: Evidence) -> Iterator[Finding]:
    """An instance that stands still, and nothing tells for what: as a rule, an older version wrote its header."""
    columns = found.look.header.columns
    state = found.look.state
    if columns.runtime_status != "Running" or found.entity is not None or state is None or found.look.problem:
        return
    if found.waits or found.outbox or found.inbox or state.pending or state.is_rewound:
        return
    yield Finding(
        "info",
        f"It waits since {moment(columns.last_updated_time)} for something that its rows do not name: an "
        "external event, as a rule.",
        "Look into the code of its orchestrator, and raise the event.",
    )
