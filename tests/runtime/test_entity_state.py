"""An entity's state is what its last successful operation left, as any other process would read it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from azure_durable_py.errors import PayloadTooLargeError, SerializationError
from azure_durable_py.runtime.entities import state
from azure_durable_py.runtime.entities.state import StateBox
from azure_durable_py.serialization.converter import JsonDataConverter

CONVERTER = JsonDataConverter()
LISTS = st.lists(st.integers(0, 9), max_size=3)


class AStateBox(RuleBasedStateMachine):
    """Holds it beside two lists: the state that was kept, and the one that an operation works on."""

    def __init__(self) -> None:
        super().__init__()
        self.box = StateBox(None, CONVERTER)
        self.kept: list[int] | None = None
        self.now: list[int] | None = None

    @rule(value=LISTS)
    def replace(self, value: list[int]) -> None:
        self.box.set(value)
        self.now = list(value)

    @rule(item=st.integers(0, 9))
    def change_in_place(self, item: int) -> None:
        value = self.box.value()
        if value is not None:
            value.append(item)
            assert self.now is not None
            self.now.append(item)

    @rule()
    def delete(self) -> None:
        self.box.delete()
        self.now = None

    @rule()
    def succeed(self) -> None:
        self.box.keep()
        self.kept = None if self.now is None else list(self.now)

    @rule()
    def fail(self) -> None:
        self.box.restore()
        self.now = None if self.kept is None else list(self.kept)

    @rule()
    def go_on_elsewhere(self) -> None:
        self.box = StateBox(self.box.text, CONVERTER)
        self.now = None if self.kept is None else list(self.kept)

    @invariant()
    def is_what_it_should_be(self) -> None:
        assert self.box.exists is (self.now is not None)
        assert self.box.text == (None if self.kept is None else CONVERTER.serialize(self.kept))
        # What is looked at is what changes: the same object during one operation.
        assert self.box.value() == self.now
        assert self.box.value() is self.box.value()


TestAStateBox = AStateBox.TestCase


@dataclass
class Account:
    """A state with a type."""

    balance: int = 0


def test_a_state_is_built_as_the_type_that_is_asked_for_and_keeps_what_was_changed():
    box = StateBox('{"balance": 3}', CONVERTER)
    plain = box.value()
    assert plain == {"balance": 3}
    plain["balance"] = 4
    account = box.value(Account)
    assert account == Account(4)
    assert box.value() is box.value(Account) is account
    account.balance += 1
    box.keep()
    assert json.loads(box.text or "") == {"balance": 5}


def test_the_next_operation_gets_the_state_as_it_is_read_anywhere_and_not_the_object_of_the_last():
    box, value = StateBox(None, CONVERTER), (1, 2)
    box.set(value)
    assert box.value() is value
    box.keep()
    assert box.value() == [1, 2]


@pytest.mark.parametrize("state", [None, 0, "", False, [], {}])
def test_an_empty_state_is_a_state(state: Any):
    box = StateBox(None, CONVERTER)
    box.set(state)
    box.keep()
    assert box.exists
    assert StateBox(box.text, CONVERTER).value() == state


def test_what_cannot_be_kept_is_refused_and_the_last_state_can_be_had_back():
    box = StateBox("1", CONVERTER)
    box.set(object())
    with pytest.raises(SerializationError):
        box.keep()
    box.restore()
    assert (box.value(), box.text) == (1, "1")


def test_a_state_of_another_type_is_refused():
    box = StateBox('"text"', CONVERTER)
    with pytest.raises(SerializationError):
        box.value(Account)
    assert box.value() == "text"


def test_a_state_that_no_hub_stores_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state, "MAX_STATE_CHARS", 10)
    box = StateBox("1", CONVERTER)
    box.set("x" * 20)
    with pytest.raises(PayloadTooLargeError, match="22 characters"):
        box.keep()
    box.restore()
    assert box.text == "1"
