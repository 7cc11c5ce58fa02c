"""The load: the header as it is, and what it says of the deliveries in hand."""

from __future__ import annotations

from tests.model import alarm
from tests.model.properties import takes_up_again
from tests.model.rules import Rules
from tests.model.state import UNCHANGED, Hand, Header, Known, Message, State, Worker, with_one, without
from tests.model.steps import Seat, show


def load(seat: Seat, state: State, me: Worker, what: str, fault: str = "") -> None:
    """Look at the header. A delivery that is outranked, or let go, is no longer in hand after it."""
    rules, header = seat.rules, state.header
    kept, lost = [], []
    for hand in me.hands:
        if is_gone(rules, state, me, hand):
            lost.append(hand)
        elif is_outranked(rules, state, hand):
            lost.append(hand)
            state = part_with(rules, state, hand.message)
        else:
            kept.append(seen(rules, state, hand))
    unsure = UNCHANGED if me.unsure == UNCHANGED and rules.settles_lost_answers else 0
    named = sum(1 << send.seq for send in header.sends)
    after = Worker(tuple(kept), Known(True, state.rows, header), me.handed & named, me.put, unsure, me.life)
    put, silenced = alarm.reviewed(rules, after, header)
    after = after._replace(put=put, life=header.life)
    flights = alarm.silence(rules, state, state.flights, silenced)
    gone = f", lets go of {','.join(f'D{hand.message.id}' for hand in lost)}" if lost else ""
    wrong = takes_up_again(seat.state, me, after)
    what = f"{what} {show(header)}{gone}"
    seat.go(what, after, fault=fault, wrong=wrong, queue=state.queue, taken=state.taken, flights=flights)


def is_gone(rules: Rules, state: State, me: Worker, hand: Hand) -> bool:
    """Whether a delivery is given up without a look at the marks, which may have gone with another life."""
    if rules.lets_go_of_expired and hand.message not in state.taken:
        return True
    asks = rules.confirms != "never" and me.life not in {0, state.header.life}
    asks = asks or (rules.confirms == "late" and not hand.seen)
    return asks and not is_ours(state, hand.message)


def is_outranked(rules: Rules, state: State, hand: Hand) -> bool:
    for id_, mark in state.marks:
        if id_ == hand.message.id:
            if rules.fence == "nonce":
                return hand.trusted and mark != hand.message.rank
            return mark > hand.message.rank
    return False


def part_with(rules: Rules, state: State, message: Message) -> State:
    """What becomes of an outranked delivery."""
    if rules.outranked == "deleted":
        return discard(state, message)
    return release(state, message) if message in state.taken else state


def seen(rules: Rules, state: State, hand: Hand) -> Hand:
    """A delivery after a load."""
    id_, header = hand.message.id, state.header
    needs_no_fence = rules.fence == "named" or (header.finished and rules.finished_needs_no_fence)
    marked = rules.fence == "rank" and dict(state.marks).get(id_) == hand.message.rank
    trusted = hand.trusted or marked or (needs_no_fence and not names(header, id_))
    return hand._replace(seen=True, trusted=trusted, result=hand.result and bool(header.work >> id_ & 1))


def names(header: Header, id_: int) -> bool:
    return id_ in {header.arming.guard, header.alarm.doorbell} or any(send.guard == id_ for send in header.sends)


def is_ours(state: State, message: Message) -> bool:
    """Whether storage takes a receipt: the message was not delivered again, and is there."""
    return message in state.taken or message in state.queue


def release(state: State, message: Message) -> State:
    """Make it visible again."""
    return state._replace(taken=without(state.taken, message), queue=with_one(state.queue, message))


def discard(state: State, message: Message) -> State:
    """Delete by receipt: no effect if the message was delivered again, or is gone."""
    if message in state.taken:
        return state._replace(taken=without(state.taken, message))
    if message in state.queue:
        return state._replace(queue=without(state.queue, message))
    return state
