"""What a worker would commit, from what it knows alone: causes taken, entries kept and added, under which guard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.model import alarm
from tests.model.rules import Rules
from tests.model.scenarios import LOCAL, RESTARTED, WORK, Decision, Scenario
from tests.model.state import Alarm, Hand, Header, Send, Worker


class Draft(NamedTuple):
    """A commit to try."""

    takes: int  # bits of the rows it consumes
    header: Header
    fences: tuple[Hand, ...]
    silenced: tuple[Alarm, ...] = ()
    takes_alarm: bool = True  # names the alarm that was put, if there is one


class Turn(NamedTuple):
    """What the causes at hand decide."""

    sends: tuple[tuple[int, int], ...]
    timers: tuple[tuple[int, int], ...]
    finished: bool
    any: bool  # there were causes


def drafts(rules: Rules, scenario: Scenario, me: Worker, clock: int) -> list[Draft]:
    """Every commit that the rules allow this worker at this time by its clock; none if there is nothing to commit."""
    turn = decide(scenario, me, clock)
    fences = tuple(hand for hand in me.hands if not hand.trusted)
    if any(is_beginning(hand, turn) for hand in fences):
        return [Draft(0, me.known.header, fences, takes_alarm=False)]
    has_to = turn.any or bool(fences) or bool(me.unsure)
    drops = bool(me.put and me.put.heard) or drops_now(me)
    found: list[Draft] = []
    for draft, changed in headers(rules, me, turn, clock, fences, changed=has_to or drops):
        if changed and draft not in found:
            found.append(draft)
    return found


def is_beginning(hand: Hand, turn: Turn) -> bool:
    """Whether the fence goes before the turn: whoever comes after a death is to know that the work began."""
    return hand.message.taken > 1 and (hand.message.id == WORK or turn.any)


def is_settled(rules: Rules, scenario: Scenario, me: Worker, clock: int) -> bool:
    """Whether there is nothing that has to be committed before anything is deleted."""
    turn = decide(scenario, me, clock)
    if turn.any or me.unsure or not all(hand.trusted for hand in me.hands):
        return False
    if alarm.is_early(rules, me, turn.timers, clock):
        return False
    me = me._replace(put=None)
    return not alarm.arrange(rules, me, turn.timers, me.hands[-1].message.id, clock, changed=False).changed


def decide(scenario: Scenario, me: Worker, clock: int) -> Turn:
    """Fold all causes into what they decide: events in order, results, then the due timers that are left."""
    header, rows = me.known.header, me.known.rows
    causes = [decision for event, decision in scenario.events.items() if rows >> event & 1]
    if scenario.restart and rows >> RESTARTED & 1:
        causes.append(scenario.restart)
    causes += [scenario.results[seq] for seq in finished_locally(me)]
    if scenario.work and any(hand.result for hand in me.hands):
        causes.append(scenario.work)
    turn = Turn((), header.timers, header.finished, any=bool(causes))
    for cause in causes:
        turn = fold(turn, cause)
    for timer in sorted(header.timers):
        if timer[1] <= clock and timer in turn.timers:
            left = tuple(other for other in turn.timers if other != timer)
            turn = fold(turn._replace(timers=left, any=True), scenario.timers[timer[0]])
    return turn


def fold(turn: Turn, cause: Decision) -> Turn:
    """A turn with one more cause; what has finished decides nothing."""
    if turn.finished:
        return turn
    open_timers = {*turn.timers, *cause.opens}
    timers = () if cause.finishes else tuple(sorted(t for t in open_timers if t[0] not in cause.cancels))
    return Turn((*turn.sends, *cause.sends), timers, cause.finishes, any=True)


def finished_locally(me: Worker) -> list[int]:
    """Local activities that this worker ran and whose results are in no header yet."""
    return [send.seq for send in me.known.header.sends if send.to == LOCAL and me.handed >> send.seq & 1]


def drops_now(me: Worker) -> bool:
    """All it knows of under what it holds is handed over: that leaves the header, if need be by its own commit."""
    held = me.held
    mine = [send for send in me.known.header.sends if send.guard in held]
    return bool(mine) and all(me.handed >> send.seq & 1 for send in mine)


def is_kept(rules: Rules, me: Worker, send: Send) -> bool:
    if not me.handed >> send.seq & 1:
        return True
    return rules.drops_only_its_own and send.to != LOCAL and send.guard not in me.held


def headers(
    rules: Rules, me: Worker, turn: Turn, clock: int, fences: tuple[Hand, ...], *, changed: bool
) -> Iterator[tuple[Draft, bool]]:
    """Every commit that the rules let this turn make, and whether it is worth one."""
    before, newest = me.known.header, chosen(me)
    kept = [send for send in before.sends if is_kept(rules, me, send)]
    done = sum(1 << hand.message.id for hand in me.hands if hand.result)
    for guard, takes_over in guards(rules, me, kept, bool(turn.sends)):
        old = [send._replace(guard=guard) if takes_over and send.to != LOCAL else send for send in kept]
        new = [Send(seq, to, newest if to == LOCAL else guard) for seq, to in turn.sends]
        sends = tuple(sorted((*old, *new)))
        arranged = alarm.arrange(rules, me, turn.timers, newest, clock, changed=changed)
        arming, due, work = arranged.arming, arranged.alarm, before.work & ~done
        header = Header(sends, turn.timers, arming, due, work, turn.finished, before.life)
        yield Draft(me.known.rows, header, fences, arranged.silenced), arranged.changed


def chosen(me: Worker) -> int:
    """The message to name: one that the header names already, else the newest."""
    header = me.known.header
    named = {header.arming.guard, header.alarm.doorbell, *(send.guard for send in header.sends)}
    ids = [hand.message.id for hand in me.hands]
    return next((id_ for id_ in reversed(ids) if id_ in named), ids[-1])


def guards(rules: Rules, me: Worker, kept: list[Send], has_new: bool) -> list[tuple[int, bool]]:
    """Which guard new sends name, and whether the whole queue goes under it."""
    queue = [send for send in kept if send.to != LOCAL]
    own = (chosen(me), False)
    if not queue:
        return [(hand.message.id, False) for hand in me.hands] if rules.guard == "any" else [own]
    append, take = (queue[0].guard, False), (own[0], True)
    choices = {"append": [append], "any": [append], "own": [own], "take": [take], "either": [append, take]}
    return choices[rules.guard] if has_new or rules.guard == "either" else [append]
