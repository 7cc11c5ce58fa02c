"""Names that do not matter: which states are one, and how what is new is named.

Of ids that nothing knows any more, marks are forgotten. Counts of deliveries and tags matter by their order (and a
count by being the first), so they are numbered anew. The workers are alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.model.scenarios import FIRST_ALARM
from tests.model.state import Flight, Hand, Header, Message, Rank, State, Worker


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
        ids.add(header.arming.guard)
    return ids


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
    has_high_counts = any(message.taken > 2 or message.puts for message in messages_of(state))
    if has_high_counts or any(mark.puts for _, mark in marks_of(state)):
        return renumbered(state)
    return state


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
    return (worker.hands, worker.known or (), worker.handed, worker.put, worker.clock)
