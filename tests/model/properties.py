"""What must hold.

S1  No send is lost: none is dropped as a duplicate unconsumed, and every run without further faults ends with all
    consumed and no timer open.
S2, S3  In order, once. A receiver remembers the highest, so breaking them shows as S1 (a lower one is dropped).
S4  Nothing is taken up again that was consumed and is out of the header, or whose guard is gone.
S4b Nor is it handed over again by a worker that had it in time and lost no message since. (One that did lose its
    message cannot know yet, and a late write cannot be called back: neither is judged.)
S5  When nothing can happen any more: no message, no row, no entry, no arming, and nobody remembers anything.
S6  The graph of faultless steps has no cycle: no stealing back and forth, under any scheduler.

S1 and S6 are checked together: a graph without a cycle whose every end is good needs no fairness. S6 itself is found by
the search (`search.py`).
"""

from __future__ import annotations

from tests.model.state import EMPTY, State, Target, Worker, put_at


def wrong_at_rest(state: State) -> str | None:
    """What is wrong with a state in which nothing can happen any more without a fault."""
    header = state.header
    consumed = consumed_in(state)
    if state.rows or consumed != state.decided:
        return "S1 stuck: something is never consumed"
    if header.timers:
        return "S1 stuck: a timer never fires"
    left = header.sends or header.arming.guard or header.alarm.doorbell
    if state.queue or state.taken or left or any(worker != EMPTY for worker in state.workers):
        return "S5 something is left behind"
    if any(target.rows & ~target.consumed for target in state.targets):
        return "S5 a row is left at a target"
    return None


def consumed_in(state: State) -> int:
    consumed = 0
    for target in state.targets:
        consumed |= target.consumed
    return consumed


def takes_up_again(state: State, before: Worker, after: Worker) -> str | None:
    """S4, as a worker's claims change."""
    return unguarded(state, after.claims & ~before.claims, "S4 takes up again")


def hands_over_again(state: State, worker: Worker, seq: int) -> str | None:
    """S4b, as a worker hands one over."""
    marks = dict(state.marks)
    for hand in worker.hands:
        if hand.message not in state.taken or marks.get(hand.message.id, hand.message.rank) != hand.message.rank:
            return None
    return unguarded(state, 1 << seq, "S4b hands over again")


def unguarded(state: State, entries: int, what: str) -> str | None:
    entries &= consumed_in(state)
    if not entries:
        return None
    alive = {message.id for message in state.queue + state.taken}
    guards = {send.seq: send.guard for send in state.header.sends}
    seq = 1
    while entries >> seq:
        if entries >> seq & 1 and guards.get(seq) not in alive:
            return f"{what} e{seq}, which was consumed and has no guard"
        seq += 1
    return None


def rung(targets: tuple[Target, ...], to: int, seq: int) -> tuple[tuple[Target, ...], str | None]:
    """A target is rung and takes its rows at once: the worst case, as what comes later is then a duplicate."""
    rows, highest, consumed = targets[to]
    rows |= 1 << seq
    wrong = None
    for row in range(1, rows.bit_length()):
        if rows >> row & 1:
            if row > highest:
                highest, consumed = row, consumed | 1 << row
            elif not consumed >> row & 1:
                wrong = f"S1 e{row} is dropped as a duplicate behind e{highest}"
    return put_at(targets, to, Target(0, highest, consumed)), wrong
