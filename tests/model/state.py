"""What a state is made of. All of it are tuples: equal states are one state, and states are taken as keys."""

from __future__ import annotations

from typing import NamedTuple

from tests.model.scenarios import LOCAL


class Rank(NamedTuple):
    """The order of deliveries under one id: of two, the higher is the newer."""

    puts: int
    tag: float
    taken: int


class Message(NamedTuple):
    """A doorbell, alarm or work item in the queue, or in somebody's hands."""

    id: int
    puts: int = 0  # how often it was put back
    tag: float = 0  # written into its body by who put it
    copy: int = 0  # tells apart what storage holds, not readable: two with the same body are still two
    taken: int = 0  # storage's count of deliveries
    due: int = 0  # an alarm is not visible before; 0 for anything else

    @property
    def rank(self) -> Rank:
        return Rank(self.puts, self.tag, self.taken)

    @property
    def is_first(self) -> bool:
        return self.puts == 0 and self.taken == 1


class Send(NamedTuple):
    """An entry of the header: something for a target, under a guard. A local activity names its own guard."""

    seq: int
    to: int
    guard: int


class Arming(NamedTuple):
    """An alarm that the holder of `guard` has to put."""

    guard: int
    due: int


class Alarm(NamedTuple):
    """An alarm that was put: its id and its time."""

    doorbell: int
    due: int


NO_ARMING = Arming(0, 0)
NO_ALARM = Alarm(0, 0)


class Put(NamedTuple):
    """An alarm that a worker has put and that is in no header that it knows of."""

    arming: Arming
    alarm: Alarm
    heard: bool = False  # storage has answered: the worker knows the alarm's name


class Header(NamedTuple):
    """The sender's header but for the marks; it changes only by compare-and-swap."""

    sends: tuple[Send, ...] = ()
    timers: tuple[tuple[int, int], ...] = ()  # (number, fire time) of each open timer
    arming: Arming = NO_ARMING
    alarm: Alarm = NO_ALARM
    work: int = 0  # bits of the work items whose result is awaited
    finished: bool = False
    life: int = 1  # rises when the instance is purged and started anew


class Known(NamedTuple):
    """The header as a worker last saw it. There is no etag: it is fresh until anybody commits."""

    fresh: bool
    rows: int
    header: Header


class Hand(NamedTuple):
    """A delivery in a worker's hands."""

    message: Message
    seen: bool = False  # a header was loaded after its receipt
    trusted: bool = False  # a first delivery, or fenced
    result: bool = False  # a work item that was run; its result is in memory


class Worker(NamedTuple):
    """A worker's memory of the instance."""

    hands: tuple[Hand, ...] = ()
    known: Known | None = None
    handed: int = 0  # bits of the sends it knows are handed over
    put: Put | None = None
    unsure: int = 0  # a commit of its own has no answer: UNCHANGED or CHANGED, as the header is since
    life: int = 0  # the life of the instance that it knows of

    @property
    def held(self) -> frozenset[int]:
        """Ids that are this worker's by all it knows."""
        return frozenset(hand.message.id for hand in self.hands if hand.trusted and hand.seen)

    @property
    def claims(self) -> int:
        """Bits of the sends that it has to hand over."""
        if self.known is None:
            return 0
        held = self.held
        mine = sum(1 << send.seq for send in self.known.header.sends if send.guard in held)
        return mine & ~self.handed


EMPTY = Worker()
UNCHANGED, CHANGED = 1, 2


class Target(NamedTuple):
    """A receiver. It takes its rows in order of sequence and drops what is below the highest it took."""

    rows: int = 0
    highest: int = 0
    consumed: int = 0


class Commit(NamedTuple):
    """A write of the header: the rows it consumes, the header and the marks it leaves."""

    fresh: bool
    takes: int
    header: Header
    marks: tuple[tuple[int, Rank], ...]


class Flight(NamedTuple):
    """A write under way: it lands at any later time, or never."""

    kind: str  # commit, delete, insert, put, silence
    commit: Commit | None = None
    message: Message | None = None
    send: Send | None = None


class Budget(NamedTuple):
    """How many faults of each kind are left."""

    crash: int = 0  # crashes of a worker, and messages that expire in the hands of one that goes on
    lost: int = 0  # lost and late answers, and refusals
    back: int = 0  # everything in hand is put back
    skew: int = 0  # times that somebody's clock is apart


class State(NamedTuple):
    rows: int  # bits of the sender's unconsumed events
    header: Header
    marks: tuple[tuple[int, Rank], ...]
    queue: tuple[Message, ...]  # visible, or an alarm that is not due
    taken: tuple[Message, ...]  # in somebody's hands and not expired
    targets: tuple[Target, ...]
    workers: tuple[Worker, Worker]
    flights: tuple[Flight, ...]
    clock: int
    arrived: bool  # the second event has come
    decided: int  # bits of all sends that a commit has ever put into the header
    budget: Budget


def without(items: tuple, item: object) -> tuple:
    at = items.index(item)
    return items[:at] + items[at + 1 :]


def with_one(items: tuple, item: object) -> tuple:
    return tuple(sorted((*items, item)))


def put_at(items: tuple, at: int, item: object) -> tuple:
    return (*items[:at], item, *items[at + 1 :])


def stale(workers: tuple[Worker, ...]) -> tuple[Worker, ...]:
    """The header has changed: nobody's picture of it is fresh."""
    return tuple(map(out_of_date, workers))


def out_of_date(worker: Worker) -> Worker:
    if worker.known and worker.known.fresh:
        worker = worker._replace(known=worker.known._replace(fresh=False))
    return worker._replace(unsure=CHANGED) if worker.unsure else worker


def outdated(flights: tuple[Flight, ...]) -> tuple[Flight, ...]:
    """The header has changed: no commit under way can take effect."""
    return tuple(
        flight._replace(commit=flight.commit._replace(fresh=False)) if flight.commit else flight for flight in flights
    )


def landed(state: State, commit: Commit) -> dict[str, object]:
    """What the header's change leaves in a state, but for the workers."""
    new = [send for send in commit.header.sends if not state.decided >> send.seq & 1]
    return {
        "rows": state.rows & ~commit.takes,
        "header": commit.header,
        "marks": commit.marks,
        "decided": state.decided | sum(1 << send.seq for send in new if send.to != LOCAL),
    }
