"""One alarm for all open timers: who arms it, who puts it, and when it may go.

The header has `arming`, a guard and the time of an alarm that the guard's holder has to put, and `alarm`, the time of
one that was put. One of the two is never later than the earliest open timer. A put counts only for the header it was
made at, and only until an alarm of that time is received: else it might be the very one that is written down, and
already be on its way out.
"""

from __future__ import annotations

from tests.model.rules import Rules
from tests.model.state import NO_ARMING, Alarm, Hand, Header, Message, Worker


def arrange(
    me: Worker, timers: tuple[tuple[int, int], ...], newest: int, *, keeps: bool = False, takes: bool = False
) -> tuple[Alarm, int]:
    """Arming and alarm after a commit.

    Args:
        me: The worker that commits.
        timers: Those that the commit leaves open.
        newest: The message in hand that guards a new arming.
        keeps: An alarm in hand goes on standing for timers that are not due by this worker's clock.
        takes: Another's arming is taken over.
    """
    if not timers:
        return NO_ARMING, 0
    arming, alarm = me.known.header.arming, me.known.header.alarm
    earliest = min(at for _, at in timers)
    if takes and arming.guard:
        arming = NO_ARMING
    written = bool(me.put) and is_mine(me, arming)
    if is_mine(me, arming):
        alarm, newest, arming = me.put or alarm, arming.guard, NO_ARMING
    if not written and not keeps and any(stands_for(hand, alarm) for hand in me.hands):
        alarm = 0  # it is in hand and rings no more
    covered = min((due for due in (alarm, arming.due) if due), default=earliest + 1)
    return (arming if covered <= earliest else Alarm(newest, earliest)), alarm


def is_mine(me: Worker, arming: Alarm) -> bool:
    return any(hand.message.id == arming.guard for hand in me.hands)


def stands_for(hand: Hand, alarm: int) -> bool:
    """Whether the alarm that the header speaks of may be this one."""
    return bool(alarm) and hand.message.due == alarm and not hand.relieved


def is_early(me: Worker, timers: tuple[tuple[int, int], ...], clock: int) -> bool:
    """Whether an alarm in hand waits for a timer not yet due by this worker's clock: it may be kept, or armed anew."""
    return any(clock < at <= hand.message.due for hand in me.hands for _, at in timers)


def differs(before: Header, after: Header) -> bool:
    """Whether the alarm alone is worth a commit."""
    return after.alarm != before.alarm or after.arming.guard != before.arming.guard


def time_to_put(rules: Rules, me: Worker, clock: int) -> int:
    """The time this worker has to put an alarm for; 0 if it has none to put."""
    header = me.known.header
    if me.put or not header.timers or header.arming.guard not in me.held:
        return 0
    earliest = min(at for _, at in header.timers)
    if earliest <= clock:
        return 0  # the turn fires it
    if arrange(me, header.timers, header.arming.guard)[0].guard != header.arming.guard:
        return 0  # it is not needed any more: the next commit takes the arming out
    return earliest if rules.puts_alarm_for == "earliest" else header.arming.due


def is_needed(rules: Rules, hand: Hand, header: Header, clock: int) -> bool:
    """Whether an alarm in hand must not be deleted."""
    due = hand.message.due
    if not due or not header.timers or hand.relieved:
        return False
    if rules.alarm == "by the clock":
        return due > clock
    if any(at <= due for _, at in header.timers):
        return True
    return rules.alarm == "covered" and header.alarm in {0, due} and not header.arming.guard


def is_cancelled(message: Message, before: Header, after: Header) -> bool:
    """Whether a commit may delete this alarm by the receipt of its put, which is good as long as nobody received it."""
    ended = bool(before.timers) and not after.timers
    return ended and bool(before.alarm) and message.due == before.alarm and not message.taken and not message.puts
