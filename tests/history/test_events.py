"""The events by kind: what is decided, what answers it, and what both have in common."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import Any

import pytest

from azure_durable_py.history import events
from azure_durable_py.history.codec import decode_event, encode_event
from azure_durable_py.history.events import ANSWERED, Answer, Decision, Event
from azure_durable_py.runtime.determinism import describe, same_decision
from azure_durable_py.times import UTC

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROOTS = (Event, Decision, Answer)
KINDS: list[type[Event]] = [
    kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event) and kind not in ROOTS
]
DECISIONS = [kind for kind in KINDS if issubclass(kind, Decision)]
by_name = {"ids": lambda kind: kind.__name__}


def a(kind: type[Any], **fields: Any) -> Any:
    """Such an event, with something in each field that must be given."""
    required = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    some = {"timestamp": NOW, "fire_at": NOW, "id": 3, "task_id": 3}
    return kind(**{name: some.get(name, name) for name in required} | fields)


def test_every_kind_of_answer_belongs_to_a_kind_of_decision() -> None:
    assert set(ANSWERED) == {kind for kind in KINDS if issubclass(kind, Answer)}
    assert set(ANSWERED.values()) < set(DECISIONS)


@pytest.mark.parametrize("kind", KINDS, **by_name)
def test_what_has_the_number_of_a_task_is_a_decision_or_an_answer(kind: type[Event]) -> None:
    names = {field.name for field in dataclasses.fields(kind)}
    assert ("id" in names) == issubclass(kind, Decision)
    assert ("task_id" in names) == issubclass(kind, Answer)


@pytest.mark.parametrize("kind", KINDS, **by_name)
def test_the_time_and_the_number_come_first_in_what_is_stored(kind: type[Event]) -> None:
    first = [field.name for field in dataclasses.fields(kind)][:2]
    expected = ["timestamp", "id" if issubclass(kind, Decision) else "task_id" if issubclass(kind, Answer) else None]
    assert [one for one, other in zip(first, expected, strict=False) if other is not None and one != other] == []


@pytest.mark.parametrize("kind", DECISIONS, **by_name)
def test_a_decision_is_read_back_told_and_compared(kind: type[Decision]) -> None:
    made = a(kind)
    assert decode_event(encode_event(made)) == made
    assert describe(made).startswith(f"{kind.__name__}(id 3)")
    assert same_decision(made, a(kind))
    assert not same_decision(made, a(kind, id=4))


def test_a_kind_of_decision_without_an_identity_is_an_error() -> None:
    with pytest.raises(TypeError, match="nothing is known of what makes two Decision the same"):
        describe(Decision(NOW, 0))
