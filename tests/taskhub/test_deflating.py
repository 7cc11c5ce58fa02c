"""A compressed text may be put together from parts, and is read as if it had been compressed as a whole."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from azure_durable_py.taskhub.deflating import NOTHING, around, deflate
from azure_durable_py.taskhub.tail import Tail

RAW = st.binary(max_size=300) | st.builds(bytes.__mul__, st.binary(min_size=1, max_size=9), st.integers(0, 20_000))


@given(st.lists(RAW, max_size=8), RAW, RAW)
def test_a_stream_holds_a_part_and_what_stands_around_it(pieces: list[bytes], before: bytes, after: bytes):
    part = NOTHING
    for piece in pieces:
        part = part.then(piece)
    # Decompressing checks the checksum of all of it, too.
    assert zlib.decompress(around(before, part, after)) == before + b"".join(pieces) + after


def test_what_stood_right_before_is_not_written_again():
    text = bytes(range(256)) * 8
    once = NOTHING.then(text)
    assert len(once.then(text).blocks) < 1.2 * len(once.blocks)


@given(RAW)
def test_any_bytes_are_deflated(raw: bytes):
    assert zlib.decompress(deflate(raw)) == raw


def text_of(tail: Tail) -> str:
    older, newer = tail.in_parts()
    return zlib.decompress(around(b"", older, b"")).decode("utf-8", "surrogatepass") + newer


@given(st.lists(st.lists(st.text(min_size=1) | st.integers(1, 5_000).map("é".__mul__), max_size=5), max_size=6))
def test_a_tail_in_parts_is_its_events_with_commas_between(batches: list[list[str]]):
    tail, events = Tail(), list[str]()
    for batch in batches:
        tail = tail.copy()
        tail.extend(batch)
        events += batch
        assert text_of(tail) == tail.to_json() == ",".join(events)
        assert tail.chars == sum(map(len, events))
    assert tail == Tail(events)
    assert list(tail) == events


def test_each_event_of_a_tail_is_compressed_once():
    tail, before, changes = Tail(), NOTHING, 0
    for number in range(1_000):
        tail.extend([f'{{"event":{number}}}'])
        older, newer = tail.in_parts()
        assert len(newer) < 2_200
        assert older.blocks.startswith(before.blocks)
        changes += older is not before
        before = older
    assert changes < 10


def test_a_copy_of_a_tail_grows_alone():
    tail = Tail(["1"] * 3_000)
    tail.in_parts()
    copy = tail.copy()
    copy.extend(["2"])
    assert text_of(copy) == text_of(tail) + ",2"
    assert len(tail) == 3_000
