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

    nearly: int = 1
    """An alarm that comes at most so early, by its receiver's clock, is kept in hand until it is due."""

    confirms: Literal["late", "new life", "never"] = "late"
    """When storage is asked which of the messages in hand are still the worker's own. new life: a load shows another
    life of the instance than the one known. late: that, and the first load that a delivery sees was begun when it was
    past its visibility by the worker's own clock."""

    alarm_named_by: Literal["id", "due"] = "id"
    """What the header says of the alarm. due: its time only, which any alarm of that time fits."""

    alarm_is_held: bool = True
    """The alarm that the header names is not deleted."""

    holder_clears: bool = True
    """Whoever commits with the alarm in hand takes its name out."""

    replaces_arming: frozenset[str] = frozenset({"woken", "changed"})
    """When a worker puts its own arming in the place of one under a message that is not in hand. woken: an alarm is
    in hand. changed: it changes something else."""

    keeps_while_arming: bool = True
    """No alarm is deleted while the worker has one to put, or to name."""

    forgets_named: bool = True
    """A put alarm that a commit has named is no longer to be named, even if the alarm was in hand and the same is armed
    again by the same commit."""

    silences: Literal["unnamed", "named too", "unsettled too", "never"] = "unnamed"
    """Which alarm that a worker has put for nothing is deleted before it is due. unnamed: what the header does not name
    and no commit under way can name. named too: even if a commit that named it has landed without an answer. unsettled
    too: even if such a commit may still land."""

    settles_lost_answers: bool = True
    """After a lost answer to a commit nothing is deleted until the header was seen to have changed, or another commit
    of the worker's own is answered - one that changes nothing, if there is nothing to change."""


V4 = Rules()
FAR = replace(V4, name="far", says="V4, if the times of timers are far apart", nearly=0)

VARIANTS = {
    rules.name: rules
    for rules in (
        V4,
        replace(
            V4,
            name="lets-go",
            says="a delivery past its visibility is let go, and storage not asked",
            lets_go_of_expired=True,
            confirms="never",
        ),
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
        replace(V4, name="unconfirmed", says="nobody asks whether messages are still theirs", confirms="never"),
        replace(V4, name="confirms-known", says="asks only if another life was known", confirms="new life"),
        FAR,
        replace(FAR, name="alarm-by-due", says="the header says only when the alarm is due", alarm_named_by="due"),
        replace(FAR, name="alarm-unheld", says="the alarm that is named may be deleted", alarm_is_held=False),
        replace(FAR, name="alarm-stays", says="who has the alarm in hand leaves its name", holder_clears=False),
        replace(
            FAR,
            name="alarm-forgotten",
            says="nobody minds whether the alarm that is named is in hand",
            holder_clears=False,
            alarm_is_held=False,
        ),
        replace(FAR, name="arming-stays", says="another's arming is left alone", replaces_arming=frozenset()),
        replace(
            FAR,
            name="arming-if-changed",
            says="an alarm in hand does not replace another's arming",
            replaces_arming=frozenset({"changed"}),
        ),
        replace(
            FAR,
            name="arming-if-woken",
            says="only who has an alarm in hand replaces another's arming",
            replaces_arming=frozenset({"woken"}),
        ),
        replace(FAR, name="alarm-goes", says="an alarm may go while one is put", keeps_while_arming=False),
        replace(FAR, name="named-again", says="names again what it has named and taken out", forgets_named=False),
        replace(V4, name="silence-named", says="silences what the header names", silences="named too"),
        replace(V4, name="silence-unsettled", says="silences what may yet be named", silences="unsettled too"),
        replace(V4, name="no-silence", says="leaves what it put for nothing", silences="never"),
        replace(V4, name="unsettled", says="a lost answer is forgotten by a load", settles_lost_answers=False),
    )
}
