"""Each entry of an outbox is handed over by one task of this process, and known to be until it leaves the header."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from azure_durable_py.taskhub.state import ActivityGroup, InstanceState, OutboxMessage, SendGroup, SendKind
from azure_durable_py.worker.instance.claims import Claims, entries_of
from tests.generating import COUNTS, ID_SETS, NUMBERS, WORDS
from tests.taskhub.building import T0

ENTRIES = st.integers(0, 6)
SOME = st.sets(ENTRIES)


class ABookOfClaims(RuleBasedStateMachine):
    """Holds it beside what is known of each entry: `open`, `done`, or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.claims = Claims()
        self.known: dict[int, str] = {}

    @rule(entry=ENTRIES)
    def claim(self, entry: int) -> None:
        assert self.claims.claim(entry) is (entry not in self.known)
        self.known.setdefault(entry, "open")

    @rule(entry=ENTRIES)
    def hand_over(self, entry: int) -> None:
        self.claims.hand_over(entry)
        self.known[entry] = "done"

    @rule(entries=SOME)
    def drop(self, entries: set[int]) -> None:
        self.claims.drop(entries)
        self.known = {entry: how for entry, how in self.known.items() if entry not in entries}

    @rule(named=SOME, of_them=SOME)
    def keep(self, named: set[int], of_them: set[int]) -> None:
        mine = named & of_them
        self.claims.keep(named, mine)
        kept = {"open": mine, "done": named}
        self.known = {entry: how for entry, how in self.known.items() if entry in kept[how]}

    @invariant()
    def knows_the_same(self) -> None:
        assert self.claims.handed_over == {entry for entry, how in self.known.items() if how == "done"}
        for entry in range(7):
            assert self.claims.is_open(entry) is (self.known.get(entry) == "open")
            assert self.claims.is_new(entry) is (entry not in self.known)


TestABookOfClaims = ABookOfClaims.TestCase


@given(
    COUNTS,
    WORDS,
    st.lists(st.tuples(WORDS, ID_SETS), max_size=3),
    st.lists(ID_SETS, max_size=3),
    st.lists(NUMBERS, max_size=3),
)
def test_every_entry_of_a_header_is_named_with_its_guard(generation, queue_guard, activities, sends, messages):
    state = InstanceState("e1", T0, generation, queue_guard=queue_guard)
    state.activities = [ActivityGroup(guard, T0, ids) for guard, ids in activities]
    state.sends = [SendGroup(T0, ids) for ids in sends]
    state.messages = [OutboxMessage(number, "target", SendKind.deliver, "") for number in messages]
    found = list(entries_of(state))
    assert len(found) == sum(len(ids) for _, ids in activities) + sum(map(len, sends)) + len(messages)
    # A decision of a later generation has a higher number than any of an earlier one.
    decided = [entry for _, entry in found][: len(found) - len(messages)]
    assert all(generation << 32 <= entry < (generation + 1) << 32 for entry in decided)
    assert {guard for guard, _ in found} <= {queue_guard, *(guard for guard, _ in activities)}
