"""The rules of guards, outbox, alarm and acknowledging as switches, and what each variant of them is called.

`V4` is the set the engine is built by. A variant takes one rule out, or puts another in its place. To try a new
rule, add a switch here, ask for it where the step is made (`worker.py`, `commits.py`) and name a variant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Rules:
    """One set of rules; the defaults are V4."""

    name: str = "V4"
    says: str = "the rules the engine is built by"

    guard: Literal["append", "any", "own", "take", "either"] = "append"
    """Which message guards new sends. append: the queue's guard, else the newest message in hand. any: the queue's
    guard, else any message in hand. own: each commit's sends have a guard of their own. take: each commit with sends
    takes the whole queue, and an arming, under a message in hand. either: appends or takes over, at will."""

    fence: Literal["rank", "nonce", "unmarked", "named", "none"] = "rank"
    """How a repeated delivery begins. rank: a commit marks it, the newer delivery wins. nonce: who marks last wins.
    unmarked: a commit without a mark. named: only if the header names the message. none: it just begins."""

    fences_work: bool = True
    """A repeated work item is fenced before it is run again, like any other message."""

    outranked: Literal["deleted", "released"] = "deleted"
    """What becomes of a delivery that a newer one outranks."""

    older_in_hand: Literal["released", "deleted"] = "deleted"
    """What a worker does with a delivery in hand when it receives a newer one under the same id."""

    drops_before_delete: bool = True
    """A message is deleted only when the newest header known names nothing under it."""

    drops_only_its_own: bool = True
    """Only the guard's holder takes out what was handed over, not whoever did hand it over once."""

    refusal_is_final: bool = False
    """A refusal by storage counts as handed over, instead of being waited for."""

    finished_needs_no_fence: bool = True
    """A repeated delivery to a finished instance that does not name it is deleted without a fence."""

    lets_go_of_expired: bool = False
    """After a load, a delivery that was past its visibility by the worker's own clock when the load began is let go."""

    retags: bool = True
    """Each attempt to put a message writes a tag of its own. Otherwise an attempt repeated inside storage's client
    makes two messages that nothing tells apart."""

    alarm: Literal["covered", "timer open", "by the clock"] = "covered"
    """When the alarm may be deleted. covered: no open timer falls due by its time, and those that are open wait for
    another alarm or an arming. timer open: no open timer falls due by its time. by the clock: it is due, so its turn
    must have been."""

    put_counts: Literal["one etag", "until known"] = "one etag"
    """How long the alarm that a worker put counts: while the header is the same, or until the header says so."""

    puts_alarm_for: Literal["earliest", "arming"] = "earliest"
    """Which time an alarm is put for: the earliest open timer's by the header in hand, or the arming's."""

    settles_lost_answers: bool = True
    """After a lost answer to a commit nothing is deleted until the header was seen to have changed, or another commit
    of the worker's own is answered - one that changes nothing, if there is nothing to change."""


V4 = Rules()

VARIANTS = {
    rules.name: rules
    for rules in (
        V4,
        replace(V4, name="lets-go", says="V4, and a delivery past its visibility is let go", lets_go_of_expired=True),
        replace(V4, name="any-guard", says="any message in hand may guard an empty queue", guard="any"),
        replace(V4, name="own-guards", says="a guard for each commit's sends, as it was before", guard="own"),
        replace(V4, name="take", says="each commit with sends takes the whole queue over", guard="take"),
        replace(V4, name="take-at-will", says="any commit may take the whole queue over", guard="either"),
        replace(V4, name="no-fence", says="a repeated delivery just begins", fence="none"),
        replace(V4, name="fence-unmarked", says="the fence is a commit without a mark", fence="unmarked"),
        replace(V4, name="fence-named", says="only what the header names is fenced", fence="named"),
        replace(V4, name="nonce", says="who marks last wins", fence="nonce", outranked="released"),
        replace(V4, name="release-outranked", says="who is outranked lets others have it", outranked="released"),
        replace(V4, name="work-unfenced", says="a repeated work item is just run again", fences_work=False),
        replace(V4, name="no-drop", says="deletes before it drops", drops_before_delete=False),
        replace(V4, name="drop-all", says="drops all it handed over, whoever guards it", drops_only_its_own=False),
        replace(V4, name="give-up", says="refusals are final", refusal_is_final=True),
        replace(V4, name="finished-fences", says="fences once finished, too", finished_needs_no_fence=False),
        replace(V4, name="same-tag", says="a put may be repeated with the same body", retags=False),
        replace(V4, name="same-tag-let-go", says="and the older is let go", retags=False, older_in_hand="released"),
        replace(V4, name="alarm-by-clock", says="an alarm goes when it is due", alarm="by the clock"),
        replace(V4, name="alarm-timer-open", says="an alarm goes when no timer is due by it", alarm="timer open"),
        replace(V4, name="alarm-put-trusted", says="a put counts over a change", put_counts="until known"),
        replace(V4, name="alarm-for-arming", says="puts for the arming's time", puts_alarm_for="arming"),
        replace(V4, name="unsettled", says="a lost answer is forgotten by a load", settles_lost_answers=False),
    )
}
