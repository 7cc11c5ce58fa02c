"""Records made up at random, of every shape that the engine may write.

A strategy is found by the annotation of a field, so that a new event or field is generated without being named here.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from typing import Any, TypeVar, cast, get_type_hints

from hypothesis import strategies as st

from azure_durable_py.failures import FailureDetails
from azure_durable_py.history.events import Address, Count, Event, EventRaised, PayloadRef, TaskId, Value
from azure_durable_py.shape import LARGEST
from azure_durable_py.taskhub.idset import IdSet
from azure_durable_py.taskhub.messages import InboxEvent, Target

_T = TypeVar("_T")


def _as_json_reads_it(text: str) -> str:
    """JSON knows no difference between a character and its two surrogates side by side."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


TEXTS = st.one_of(st.text(max_size=20), st.text(st.characters(), max_size=5).map(_as_json_reads_it))
"""Any text, lone surrogates too: user code may put them anywhere."""
WORDS = st.text(min_size=1, max_size=20)
COUNTS = st.integers(0, 0x7FFFFFFF)
TASK_IDS = st.one_of(st.integers(0, 20), st.integers(0, 0xFFFFFFFF))
NUMBERS = st.one_of(st.integers(0, 100), st.integers(0, LARGEST))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(9998, 12, 31), timezones=st.just(timezone.utc))
ADDRESSES = st.one_of(WORDS.filter(lambda text: text[0] != "@"), st.builds("@{}@{}".format, st.just("n"), WORDS))
KEYS = st.from_regex(r"[2-6]0-[A-Za-z0-9._~!-]{1,40}", fullmatch=True)
REFS = st.builds(PayloadRef, KEYS, st.integers(0, 256 * 1024 * 1024), st.integers(1, 2_000))
VALUES = st.one_of(st.none(), TEXTS, REFS)
ID_SETS = st.lists(TASK_IDS, max_size=12).map(IdSet)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS)
JSON = st.recursive(
    SCALARS,
    lambda deeper: st.one_of(st.lists(deeper, max_size=4), st.dictionaries(TEXTS, deeper, max_size=4)),
    max_leaves=12,
)
"""Anything that JSON can hold."""

FAILURES = st.recursive(
    st.builds(FailureDetails, TEXTS, TEXTS),
    lambda inner: st.builds(
        FailureDetails, TEXTS, TEXTS, st.none() | TEXTS, st.none() | inner, st.lists(TEXTS, max_size=2).map(tuple)
    ),
    max_leaves=4,
)


def _events_of(cls: type[Event]) -> list[type[Event]]:
    below = cls.__subclasses__()
    # A dataclass with slots is made twice; the first of the two is no longer anybody's.
    if not below:
        return [cls] if getattr(sys.modules[cls.__module__], cls.__name__, None) is cls else []
    return [found for kind in below for found in _events_of(kind)]


KINDS: tuple[type[Event], ...] = tuple(sorted(_events_of(Event), key=lambda kind: kind.__name__))
"""Every kind of event."""

_BY_ANNOTATION: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bool: st.booleans(),
    datetime: MOMENTS,
    str | None: st.none() | TEXTS,
    datetime | None: st.none() | MOMENTS,
    dict[str, str] | None: st.none() | st.dictionaries(TEXTS, TEXTS, max_size=3),
    Value: VALUES,
    TaskId: TASK_IDS,
    Count: COUNTS,
    Address: ADDRESSES,
    FailureDetails: FAILURES,
    FailureDetails | None: st.none() | FAILURES,
    tuple[EventRaised, ...]: st.lists(st.builds(EventRaised, MOMENTS, TEXTS, VALUES), max_size=3).map(tuple),
}


def records(cls: type[_T]) -> st.SearchStrategy[_T]:
    """Records of one class, with all of their fields drawn."""
    fields = {name: _fields_of(hint) for name, hint in get_type_hints(cls, include_extras=True).items()}
    return st.builds(cls, **fields)


def _fields_of(hint: Any) -> st.SearchStrategy[Any]:
    if hint in _BY_ANNOTATION:
        return _BY_ANNOTATION[hint]
    kinds = [kind for kind in getattr(hint, "__args__", (hint,)) if kind is not type(None)]
    made: st.SearchStrategy[Any] = records(cast("type[Any]", kinds[0]))
    return made if kinds == [hint] else st.none() | made


EVENTS: st.SearchStrategy[Event] = st.sampled_from(KINDS).flatmap(records)
INBOX_EVENTS = st.builds(
    InboxEvent,
    EVENTS,
    WORDS,
    NUMBERS,
    MOMENTS,
    st.builds(Target, st.none() | WORDS, st.none() | COUNTS, st.none() | COUNTS),
    st.booleans(),
)
