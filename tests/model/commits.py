"""The write of a commit, with all that can become of it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.model import alarm
from tests.model.decisions import Draft, drafts
from tests.model.loading import load
from tests.model.properties import takes_up_again
from tests.model.state import CHANGED, UNCHANGED, Commit, Flight, Known, Worker, landed, outdated, stale
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
    after = committed(me, draft)
    flights = outdated(state.flights)
    changes = {"workers": stale(state.workers), **landed(state, write)}
    wrong = takes_up_again(state, me, after)
    seat.go(label, after, fault=fault, wrong=wrong, flights=flights, **changes)
    for message in state.queue:
        if alarm.is_cancelled(message, me.known.header, draft.header):
            late = (*flights, Flight("delete", message=message))
            seat.go(f"{label}, deletes the alarm D{message.id}", after, fault=fault, flights=late, **changes)
    lost, kinds = me._replace(known=None, put=0, unsure=UNCHANGED), f"lost {fault}"
    seat.go(f"{label}, but the answer is lost", lost._replace(unsure=CHANGED), fault=kinds, flights=flights, **changes)
    late = (*state.flights, Flight("commit", commit=write))
    seat.go(f"{label}, but it is still under way", lost, fault=kinds, flights=late)


def committed(me: Worker, draft: Draft) -> Worker:
    """The worker after its commit: what it fenced is its own."""
    # An alarm put since these were received stands for them.
    relieves = bool(me.put) and draft.header.alarm == me.put
    hands = tuple(
        hand._replace(trusted=True, result=False, relieved=hand.relieved or (relieves and bool(hand.message.due)))
        for hand in me.hands
    )
    named = sum(1 << send.seq for send in draft.header.sends)
    return Worker(hands, Known(True, me.known.rows & ~draft.takes, draft.header), me.handed & named)
