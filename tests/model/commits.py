"""The write of a commit, with all that can become of it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import alarm, decisions
from tests.model.decisions import Draft, drafts
from tests.model.loading import load
from tests.model.properties import takes_up_again
from tests.model.rules import Rules
from tests.model.state import CHANGED, UNCHANGED, Alarm, Commit, Flight, Known, Worker, landed, outdated, stale
from tests.model.steps import Seat, show


def commit(seat: Seat) -> None:
    """Every commit that this worker may try now. All its deliveries have seen a load."""
    for clock, fault in readings(seat):
        key = (seat.me, clock)  # what it would commit depends on nothing else
        if key not in seat.memory:
            seat.memory[key] = drafts(seat.rules, seat.scenario, seat.me, clock)
        found = seat.memory[key]
        if found and not seat.me.known.fresh:
            load(seat, seat.state, seat.me, "conflicts, loads", fault)
            continue
        for draft in found:
            attempt(seat, draft, fault)


def is_settled(seat: Seat, clock: int) -> bool:
    """Whether this worker has nothing to commit before it deletes anything."""
    key = (seat.me, clock, "settled")
    if key not in seat.memory:
        seat.memory[key] = decisions.is_settled(seat.rules, seat.scenario, seat.me, clock)
    return seat.memory[key]


def readings(seat: Seat) -> Iterator[tuple[int, str]]:
    """What time it may be by this worker's clock. One that is apart costs a fault, and matters if it shifts a timer."""
    clock = seat.state.clock
    yield clock, ""
    if seat.state.budget.skew:
        times = {at for _, at in seat.me.known.header.timers}
        if clock in times:
            yield clock - 1, "skew"
        if clock + 1 in times:
            yield clock + 1, "skew"


def attempt(seat: Seat, draft: Draft, fault: str) -> None:
    state, me = seat.state, seat.me
    marks = state.marks
    if draft.fences and seat.rules.fence in {"rank", "nonce"}:
        marks = tuple(sorted((dict(marks) | {hand.message.id: hand.message.rank for hand in draft.fences}).items()))
    write = Commit(True, draft.takes, draft.header, marks)
    fenced = f", fencing {','.join(f'D{hand.message.id}' for hand in draft.fences)}" if draft.fences else ""
    label = f"commits {show(draft.header)}{fenced}"
    after, silenced = committed(seat.rules, me, draft)
    flights = alarm.silence(seat.rules, state, outdated(state.flights), silenced)
    changes = {"workers": stale(state.workers), **landed(state, write)}
    wrong = takes_up_again(state, me, after)
    if not fault and after == me and (draft.header, marks) == (state.header, state.marks):
        wrong = "S6 commits for ever what changes nothing"
    seat.go(label, after, fault=fault, wrong=wrong, flights=flights, **changes)
    flights = outdated(state.flights)
    lost, kinds = me._replace(known=None, unsure=UNCHANGED), f"lost {fault}"
    seat.go(f"{label}, but the answer is lost", lost._replace(unsure=CHANGED), fault=kinds, flights=flights, **changes)
    late = (*state.flights, Flight("commit", commit=write))
    seat.go(f"{label}, but it is still under way", lost, fault=kinds, flights=late)


def committed(rules: Rules, me: Worker, draft: Draft) -> tuple[Worker, tuple[Alarm, ...]]:
    """The worker after its commit, which trusts what it fenced; and the alarms that it silences."""
    awaited = draft.header.work
    hands = tuple(
        hand._replace(trusted=True, result=hand.result and bool(awaited >> hand.message.id & 1)) for hand in me.hands
    )
    named = sum(1 << send.seq for send in draft.header.sends)
    known = Known(True, me.known.rows & ~draft.takes, draft.header)
    put, silenced = me.put, draft.silenced
    written = bool(put) and put.heard and alarm.is_current(me, put, me.known.header) and draft.takes_alarm
    if put and put.heard and (put.arming != draft.header.arming or (written and rules.forgets_named)):
        put = None
        if not written and not alarm.is_named(draft.header, me.put.alarm.doorbell):
            silenced = (*silenced, me.put.alarm)
    return me._replace(hands=hands, known=known, handed=me.handed & named, put=put, unsure=0), silenced
