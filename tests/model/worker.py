"""Steps of a worker but for its commits: receive, load, hand over, put an alarm, run, delete, put back, crash."""

from __future__ import annotations

from itertools import product

from tests.model import alarm, commits
from tests.model.identity import new_alarm, new_bodies
from tests.model.loading import discard, load, release
from tests.model.properties import hands_over_again, rung
from tests.model.scenarios import LOCAL, WORK
from tests.model.state import EMPTY, Alarm, Flight, Hand, Header, Message, Put, State, Worker, put_at, with_one, without
from tests.model.steps import Seat, Step


def moves(seat: Seat) -> list[Step]:
    """All that this worker may do next."""
    me, state = seat.me, seat.state
    if me.hands:
        crash(seat)
        put_back(seat)
    for message in state.queue:
        receive(seat, message)
    for message in state.taken:
        receive_expired(seat, message)
    if me.hands and (me.known is None or not all(hand.seen for hand in me.hands)):
        load(seat, state, me, "loads")
    elif me.known is not None:
        commits.commit(seat)
    if me.known is not None:
        hand_over(seat)
        put_alarm(seat)
        run_work(seat)
        delete(seat)
    return seat.steps


# --- receive and load ---------------------------------------------------------------------------------------


def receive(seat: Seat, message: Message) -> None:
    """Receive and load. A load later than that matters only if the message expires in between."""
    early = message.due > seat.state.clock and not message.puts and not message.taken
    taken = message._replace(taken=message.taken + 1)
    what = f"receives {describe(taken)}"
    queue = without(seat.state.queue, message)
    got = take(seat, taken, seat.state._replace(queue=queue, taken=with_one(seat.state.taken, taken)))
    if got is not None:
        state, me = got
        load(seat, state, me, f"{what}{' early' if early else ''}, loads", "skew" if early else "")
    if early or not seat.state.budget.crash:
        return
    got = take(seat, taken, seat.state._replace(queue=with_one(queue, taken)))
    if got is not None:
        state, me = got
        seat.go(f"{what} and stalls: it expires", me, fault="crash", queue=state.queue, taken=state.taken)


def receive_expired(seat: Seat, message: Message) -> None:
    """It expired in the hands of its worker, which goes on and does not know."""
    if not seat.state.budget.crash:
        return
    taken = message._replace(taken=message.taken + 1)
    there = with_one(without(seat.state.taken, message), taken)
    got = take(seat, taken, seat.state._replace(taken=there))
    if got is not None:
        state, me = got
        load(seat, state, me, f"receives {describe(taken)}, which expired in other hands, loads", "crash")


def take(seat: Seat, message: Message, state: State) -> tuple[State, Worker] | None:
    """The worker with one more delivery. Of two under one id it keeps the newer."""
    kept = []
    for hand in seat.me.hands:
        if hand.message.id != message.id:
            kept.append(hand)
        elif hand.message.rank > message.rank:
            return None
        elif seat.rules.older_in_hand == "deleted":
            state = discard(state, hand.message)
        elif hand.message in state.taken:
            state = release(state, hand.message)
    unfenced = seat.rules.fence == "none" or (message.id == WORK and not seat.rules.fences_work)
    hand = Hand(message, trusted=message.is_first or unfenced)
    return state, seat.me._replace(hands=(*kept, hand))


# --- hand over, put the alarm, run ----------------------------------------------------------------------------


def hand_over(seat: Seat) -> None:
    """In order per target, each only when the one before it is handed over."""
    me, state = seat.me, seat.state
    claims, busy = me.claims, set()
    for send in me.known.header.sends:
        bit = 1 << send.seq
        if not claims & bit or send.to in busy:
            continue
        done = me._replace(handed=me.handed | bit)
        if send.to == LOCAL:
            seat.go("runs its activity", done)
            continue
        busy.add(send.to)
        targets, dropped = rung(state.targets, send.to, send.seq)
        wrong = hands_over_again(state, me, send.seq) or dropped
        seat.go(f"hands over e{send.seq}", done, targets=targets, wrong=wrong)
        if not state.budget.lost:
            continue
        target = state.targets[send.to]
        silent = put_at(state.targets, send.to, target._replace(rows=target.rows | bit))
        seat.go(f"inserts e{send.seq}, but the ring is lost", me, fault="lost", targets=silent)
        late = (*state.flights, Flight("insert", send=send._replace(guard=0)))
        seat.go(f"inserts e{send.seq}, but it is still under way", me, fault="lost", flights=late)
        if seat.rules.refusal_is_final:
            seat.go(f"is refused e{send.seq} and gives it up", done, fault="lost")


def put_alarm(seat: Seat) -> None:
    """The holder of the arming's guard puts the alarm, and then hears its name, which a commit writes down."""
    me, state = seat.me, seat.state
    if me.put is not None and not me.put.heard:
        hear(seat)
    arming = alarm.to_put(me)
    if not arming.guard:
        return
    message = Message(new_alarm(state), due=arming.due)
    put = me._replace(put=Put(arming, Alarm(message.id, message.due)))
    queue, what = with_one(state.queue, message), f"puts the alarm D{message.id}@{message.due}"
    seat.go(what, put, queue=queue)
    if not state.budget.lost:
        return
    seat.go(f"{what}, but the answer is lost", me, fault="lost", queue=queue)
    late = (*state.flights, Flight("put", message=message))
    seat.go(f"{what}, but it is still under way", me, fault="lost", flights=late)
    if not seat.rules.retags:
        twice = with_one(queue, message._replace(copy=1))
        seat.go(f"{what} twice by one body", put, fault="lost", queue=twice)


def hear(seat: Seat) -> None:
    """Storage has answered the put of an alarm. Nobody will name it if another one, or none, is waited for now."""
    me, state = seat.me, seat.state
    heard = me._replace(put=me.put._replace(heard=True))
    put, silenced = alarm.reviewed(seat.rules, heard, me.known.header)
    flights = alarm.silence(seat.rules, state, state.flights, silenced)
    seat.go(f"hears that the alarm D{me.put.alarm.doorbell} is put", heard._replace(put=put), flights=flights)


def run_work(seat: Seat) -> None:
    """A work item's result goes to the worker's own memory."""
    for at, hand in enumerate(seat.me.hands):
        may = hand.message.id == WORK and hand.trusted and hand.seen and not hand.result
        if may and seat.me.known.header.work >> WORK & 1:
            hands = put_at(seat.me.hands, at, hand._replace(result=True))
            seat.go("runs the work item", seat.me._replace(hands=hands))


# --- delete, put back, crash ------------------------------------------------------------------------------------


def delete(seat: Seat) -> None:
    """A message goes when the newest header known needs it no more, and there is nothing to commit first."""
    me = seat.me
    if me.known.rows or me.unsure or any(hand.result or not hand.seen for hand in me.hands):
        return
    spared = [hand for hand in me.hands if not is_needed(seat, hand, me.known.header)]
    for clock, fault in commits.readings(seat) if spared else ():
        if commits.is_settled(seat, clock):
            for hand in spared:
                delete_one(seat, hand, fault)


def delete_one(seat: Seat, hand: Hand, fault: str) -> None:
    me, state, message = seat.me, seat.state, hand.message
    rest = me._replace(hands=without(me.hands, hand))
    after = discard(state, message)
    seat.go(f"deletes D{message.id}", rest, fault=fault, queue=after.queue, taken=after.taken)
    if state.budget.lost and after is not state:
        visible = release(state, message) if message in state.taken else state
        late = (*state.flights, Flight("delete", message=message))
        what = f"deletes D{message.id}, but it is still under way"
        seat.go(what, rest, fault=f"lost {fault}", queue=visible.queue, taken=visible.taken, flights=late)


def is_needed(seat: Seat, hand: Hand, header: Header) -> bool:
    id_ = hand.message.id
    if header.work >> id_ & 1:
        return True
    for send in header.sends:
        if send.guard == id_ and (seat.rules.drops_before_delete or seat.me.claims >> send.seq & 1):
            return True
    return alarm.is_needed(seat.rules, seat.me, hand)


def put_back(seat: Seat) -> None:
    """Everything in hand goes back by the same id, new message first; then the worker forgets, or dies in between."""
    state = seat.state
    if not state.budget.back:
        return
    for bodies in product(*(new_bodies(state, hand.message) for hand in seat.me.hands)):
        whole = half = state
        for hand, body in zip(seat.me.hands, bodies, strict=True):
            half = half._replace(queue=with_one(half.queue, body))
            if hand.message in half.taken:
                half = release(half, hand.message)
            whole = discard(whole._replace(queue=with_one(whole.queue, body)), hand.message)
        tags = ",".join(describe(body) for body in bodies)
        seat.go(f"puts back all in hand as {tags}", EMPTY, fault="back", queue=whole.queue, taken=whole.taken)
        what = f"puts back all in hand as {tags}, dies before the deletes"
        seat.go(what, EMPTY, fault="back", queue=half.queue, taken=half.taken)
        if not state.budget.lost:
            continue
        first, old = bodies[0], seat.me.hands[0].message
        for other in new_bodies(whole, old) if seat.rules.retags else [first._replace(copy=first.copy + 1)]:
            twice = with_one(whole.queue, other)
            what = f"puts back all in hand as {tags} and once more as {describe(other)} (lost answer)"
            seat.go(what, EMPTY, fault="lost back", queue=twice, taken=whole.taken)


def crash(seat: Seat) -> None:
    """A worker loses its memory; what it held becomes visible."""
    state = seat.state
    if not state.budget.crash:
        return
    for hand in seat.me.hands:
        if hand.message in state.taken:
            state = release(state, hand.message)
    seat.go("crashes", EMPTY, fault="crash", queue=state.queue, taken=state.taken)


def describe(message: Message) -> str:
    due = f"@{message.due}" if message.due else ""
    return f"D{message.id}{due} ({message.puts}.{message.tag:g}.{message.taken})"
