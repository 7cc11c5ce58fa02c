"""Names that do not matter: which states are one, and how what is new is named.

Of ids that nothing knows any more, marks are forgotten. Counts of deliveries and tags matter by their order (and a
count by being the first), so they are numbered anew. So are alarms, whose ids do not matter at all. The workers are
alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.model.scenarios import FIRST_ALARM
from tests.model.state import Alarm, Arming, Flight, Hand, Header, Message, Rank, State, Worker


def headers_of(state: State) -> Iterator[Header]:
    yield state.header
    for worker in state.workers:
        if worker.known is not None:
            yield worker.known.header
    for flight in state.flights:
        if flight.commit is not None:
            yield flight.commit.header


def messages_of(state: State) -> Iterator[Message]:
    yield from state.queue
    yield from state.taken
    for worker in state.workers:
        for hand in worker.hands:
            yield hand.message
    for flight in state.flights:
        if flight.message is not None:
            yield flight.message


def marks_of(state: State) -> Iterator[tuple[int, Rank]]:
    yield from state.marks
    for flight in state.flights:
        if flight.commit is not None:
            yield from flight.commit.marks


def living(state: State) -> set[int]:
    """Ids that a message has, or that a header names."""
    ids = {message.id for message in messages_of(state)}
    for header in headers_of(state):
        ids.update(send.guard for send in header.sends)
        ids.update((header.arming.guard, header.alarm.doorbell))
    for worker in state.workers:
        if worker.put is not None:
            ids.update((worker.put.arming.guard, worker.put.alarm.doorbell))
    return ids - {0}


def new_alarm(state: State) -> int:
    """The id of a new alarm: any that nothing knows."""
    used = living(state) | {id_ for id_, _ in marks_of(state)}
    number = FIRST_ALARM
    while number in used:
        number += 1
    return number


def new_bodies(state: State, message: Message) -> list[Message]:
    """A message put back: its tag is random, so it may come anywhere between those that there are."""
    puts = message.puts + 1
    tags = {other.tag for other in messages_of(state) if (other.id, other.puts) == (message.id, puts)}
    tags |= {mark.tag for id_, mark in marks_of(state) if (id_, mark.puts) == (message.id, puts)}
    body = message._replace(puts=puts, taken=0, copy=0)
    if not tags:
        return [body._replace(tag=0)]
    known = sorted(tags)
    between = [(low + high) / 2 for low, high in pairwise(known)]
    return [body._replace(tag=tag) for tag in (known[0] - 1, *between, known[-1] + 1)]


def canonical(state: State) -> State:
    """One state for all that differ by names alone."""
    if state.marks:
        ids = living(state)
        if any(id_ not in ids for id_, _ in state.marks):
            state = state._replace(marks=tuple(mark for mark in state.marks if mark[0] in ids))
    if state.header.timers or any(message.due for message in messages_of(state)):
        state = renamed(state)
    has_high_counts = any(message.taken > 2 or message.puts for message in messages_of(state))
    if has_high_counts or any(mark.puts for _, mark in marks_of(state)):
        return renumbered(state)
    return state


def order_of(state: State) -> list[int]:
    """Ids by where they first are found: named, in hands, or else in the queue by their time."""
    ids: list[int] = []
    for header in headers_of(state):
        ids += (header.arming.guard, header.alarm.doorbell, *(send.guard for send in header.sends))
    for worker in state.workers:
        if worker.put is not None:
            ids += (worker.put.arming.guard, worker.put.alarm.doorbell)
    ids += [hand.message.id for worker in state.workers for hand in worker.hands]
    ids += [message.id for message in state.taken]
    ids += [message.id for message in sorted(state.queue, key=lambda message: message[1:])]
    ids += [message.id for message in messages_of(state)]
    ids += [id_ for id_, _ in marks_of(state)]
    return list(dict.fromkeys(ids))


def renamed(state: State) -> State:
    """Alarms numbered by where they first are found."""
    alarms = [id_ for id_ in order_of(state) if id_ >= FIRST_ALARM]
    new = {id_: FIRST_ALARM + at for at, id_ in enumerate(alarms)}
    if all(id_ == other for id_, other in new.items()):
        return state

    def message_of(message: Message) -> Message:
        return message._replace(id=new.get(message.id, message.id))

    def marks_in(marks: tuple[tuple[int, Rank], ...]) -> tuple[tuple[int, Rank], ...]:
        return tuple(sorted((new.get(id_, id_), rank) for id_, rank in marks))

    def header_of(header: Header) -> Header:
        sends = tuple(send._replace(guard=new.get(send.guard, send.guard)) for send in header.sends)
        return header._replace(sends=sends, arming=arming_of(header.arming), alarm=alarm_of(header.alarm))

    def arming_of(arming: Arming) -> Arming:
        return arming._replace(guard=new.get(arming.guard, arming.guard))

    def alarm_of(alarm: Alarm) -> Alarm:
        return alarm._replace(doorbell=new.get(alarm.doorbell, alarm.doorbell))

    def worker_of(worker: Worker) -> Worker:
        known = worker.known and worker.known._replace(header=header_of(worker.known.header))
        hands = tuple(hand._replace(message=message_of(hand.message)) for hand in worker.hands)
        put = worker.put and worker.put._replace(arming=arming_of(worker.put.arming), alarm=alarm_of(worker.put.alarm))
        return worker._replace(hands=hands, known=known, put=put)

    def flight_of(flight: Flight) -> Flight:
        write = flight.commit
        return flight._replace(
            message=flight.message and message_of(flight.message),
            commit=write and write._replace(header=header_of(write.header), marks=marks_in(write.marks)),
        )

    return state._replace(
        header=header_of(state.header),
        marks=marks_in(state.marks),
        queue=tuple(sorted(map(message_of, state.queue))),
        taken=tuple(sorted(map(message_of, state.taken))),
        workers=tuple(map(worker_of, state.workers)),
        flights=tuple(map(flight_of, state.flights)),
    )


def renumbered(state: State) -> State:
    tags: dict[tuple[int, int], set[float]] = {}
    counts: dict[tuple[int, int, float], set[int]] = {}
    ranks = [(message.id, message.rank) for message in messages_of(state)] + list(marks_of(state))
    for id_, rank in ranks:
        tags.setdefault((id_, rank.puts), set()).add(rank.tag)
        counts.setdefault((id_, rank.puts, rank.tag), {0, 1}).add(rank.taken)
    new_tag = {(*key, tag): at for key, found in tags.items() for at, tag in enumerate(sorted(found))}
    new_count = {(key, count): at for key, found in counts.items() for at, count in enumerate(sorted(found))}

    def rank_of(id_: int, rank: Rank) -> Rank:
        return Rank(rank.puts, new_tag[id_, rank.puts, rank.tag], new_count[(id_, rank.puts, rank.tag), rank.taken])

    def message_of(message: Message) -> Message:
        rank = rank_of(message.id, message.rank)
        return message._replace(tag=rank.tag, taken=rank.taken)

    def marks_in(marks: tuple[tuple[int, Rank], ...]) -> tuple[tuple[int, Rank], ...]:
        return tuple((id_, rank_of(id_, rank)) for id_, rank in marks)

    def hand_of(hand: Hand) -> Hand:
        return hand._replace(message=message_of(hand.message))

    def flight_of(flight: Flight) -> Flight:
        return flight._replace(
            message=flight.message and message_of(flight.message),
            commit=flight.commit and flight.commit._replace(marks=marks_in(flight.commit.marks)),
        )

    return state._replace(
        marks=marks_in(state.marks),
        queue=tuple(sorted(map(message_of, state.queue))),
        taken=tuple(sorted(map(message_of, state.taken))),
        workers=tuple(worker._replace(hands=tuple(map(hand_of, worker.hands))) for worker in state.workers),
        flights=tuple(map(flight_of, state.flights)),
    )


def ordered(state: State) -> tuple[State, bool]:
    """A state and its mirror image are one; says whether it was turned round."""
    one, two = state.workers
    if one == two or key_of(one) <= key_of(two):
        return state, False
    return state._replace(workers=(two, one)), True


def key_of(worker: Worker) -> tuple:
    return (worker.hands, worker.known or (), worker.handed, worker.put or (), worker.unsure, worker.life)
