"""One alarm for all open timers: who arms it, who puts it, who names it, and when it may go.

The header has `arming`, a guard and the time of an alarm that the guard's holder has to put, or `alarm`, the id and the
time of one that was put. Whoever holds the alarm that the header names takes it out and arms anew for what is left.
Whoever commits replaces an arming that is not its own, if it changes anything or has an alarm in hand: that may be the
very one that is being put, come before its name is known. What nobody waits for any more is silenced: deleted by the
receipt of its put, which is good as long as nobody received it.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.model.rules import Rules
from tests.model.state import NO_ALARM, NO_ARMING, Alarm, Arming, Flight, Hand, Header, Put, State, Worker, with_one

GRACE = 1
"""An alarm that is overdue by this is not counted on."""

Timers = tuple[tuple[int, int], ...]


class Arranged(NamedTuple):
    """Arming and alarm after a commit, and whether they ask for one."""

    arming: Arming
    alarm: Alarm
    changed: bool
    silenced: tuple[Alarm, ...] = ()  # once the commit is true


def arrange(rules: Rules, me: Worker, timers: Timers, guard: int, clock: int, *, changed: bool) -> Arranged:
    """What a worker makes of arming and alarm.

    Args:
        rules: The variant.
        me: The worker that commits.
        timers: Those that the commit leaves open.
        guard: The message in hand that guards a new arming.
        clock: The time by this worker's clock.
        changed: The commit changes something else.
    """
    arming, alarm = me.known.header.arming, me.known.header.alarm
    silenced: tuple[Alarm, ...] = ()
    if me.put and me.put.heard and is_current(me, me.put, me.known.header):
        silenced = (alarm,) if alarm.doorbell else ()
        arming, alarm, changed = NO_ARMING, me.put.alarm, True
    if is_early(rules, me, timers, clock):
        return Arranged(arming, alarm, changed, silenced)
    if alarm.doorbell and rules.holder_clears and any(is_alarm(rules, hand, alarm) for hand in me.hands):
        alarm, changed = NO_ALARM, True
    earliest = min((at for _, at in timers), default=0)
    if not timers:
        gone = (alarm,) if alarm.doorbell else ()
        return Arranged(NO_ARMING, NO_ALARM, changed or bool(gone) or arming != NO_ARMING, silenced + gone)
    if alarm.doorbell and clock - GRACE < alarm.due <= earliest:
        return Arranged(NO_ARMING, alarm, changed, silenced)
    if earliest > clock and not is_armed(rules, me, arming, earliest, changed=changed):
        return Arranged(Arming(guard, earliest), alarm, True, silenced)
    return Arranged(arming, alarm, changed, silenced)


def is_armed(rules: Rules, me: Worker, arming: Arming, earliest: int, *, changed: bool) -> bool:
    """Whether an arming that is there may stay as it is."""
    if not arming.guard or arming.due > earliest:
        return False
    if any(hand.message.id == arming.guard for hand in me.hands):
        return True
    woken = any(hand.message.due for hand in me.hands)
    return not (("woken" in rules.replaces_arming and woken) or ("changed" in rules.replaces_arming and changed))


def is_alarm(rules: Rules, hand: Hand, alarm: Alarm) -> bool:
    """Whether what is in hand is what the header speaks of."""
    if rules.alarm_named_by == "due":
        return hand.message.due == alarm.due
    return hand.message.id == alarm.doorbell


def is_current(me: Worker, put: Put, header: Header) -> bool:
    """Whether what was put is what the header still asks this worker for."""
    return put.arming == header.arming and put.arming.guard in me.held


def is_early(rules: Rules, me: Worker, timers: Timers, clock: int) -> bool:
    """Whether an alarm is in hand shortly before the earliest timer is due by this worker's clock: it is kept so."""
    if not timers or not any(hand.message.due for hand in me.hands):
        return False
    earliest = min(at for _, at in timers)
    return earliest - rules.nearly <= clock < earliest


def to_put(me: Worker) -> Arming:
    """The arming that this worker has to put an alarm for; `NO_ARMING` if it has none."""
    arming = me.known.header.arming
    return arming if me.put is None and arming.guard in me.held else NO_ARMING


def is_needed(rules: Rules, me: Worker, hand: Hand) -> bool:
    """Whether a message in hand must not be deleted, by arming and alarm alone."""
    header, id_ = me.known.header, hand.message.id
    if id_ == header.arming.guard or (is_named(header, id_) and rules.alarm_named_by == "id" and rules.alarm_is_held):
        return True
    # It may be the very one that we are putting, come before its name is known: it must be seen in hand.
    return bool(hand.message.due) and header.arming.guard in me.held and rules.keeps_while_arming


def is_named(header: Header, id_: int) -> bool:
    return header.alarm.doorbell == id_


def reviewed(rules: Rules, me: Worker, header: Header) -> tuple[Put | None, tuple[Alarm, ...]]:
    """What counts of what was put, by a header that is known now; and what is silenced of it.

    A commit that names it may be under way, or have landed without an answer.
    """
    put = me.put
    if put is None or not put.heard or (is_current(me, put, header) and me.life == header.life):
        return put, ()
    settled = not me.unsure or rules.silences == "unsettled too"
    unnamed = not is_named(header, put.alarm.doorbell) or rules.silences == "named too"
    return None, (put.alarm,) if settled and unnamed else ()


def silence(rules: Rules, state: State, flights: tuple[Flight, ...], alarms: tuple[Alarm, ...]) -> tuple[Flight, ...]:
    """Deletes on their way, of what nobody has received yet."""
    if rules.silences == "never":
        return flights
    for message in state.queue:
        if not message.taken and not message.puts and any(message.id == alarm.doorbell for alarm in alarms):
            flights = with_one(flights, Flight("silence", message=message))
    return flights
