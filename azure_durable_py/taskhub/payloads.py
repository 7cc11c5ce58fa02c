"""Texts as rows: compressed, cut into chunks, referred to; and which values leave the row that they belong to.

Pure: what reads rows back from a store is in `reading`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any, cast

from azure_durable_py import shape
from azure_durable_py.compact_json import compact_encoder
from azure_durable_py.errors import PayloadTooLargeError
from azure_durable_py.history.codec import decode_value, encode_value, map_values, payload_refs
from azure_durable_py.history.events import Event, PayloadRef, Value
from azure_durable_py.shape import ShapeError
from azure_durable_py.taskhub.deflating import COMPRESS_FROM, Part, around, deflate
from azure_durable_py.taskhub.naming import chunk_keys, payload_key
from azure_durable_py.taskhub.protocol import MAX_BODY_BYTES, BlobRow, CorruptRowError
from azure_durable_py.taskhub.upgrades import VERSIONS, NewerFormatError, Record, record_of, upgraded

MAX_INLINE_BYTES = 16_384
"""A value whose JSON is longer than this (UTF-8) goes to payload rows."""
MAX_PAYLOAD_BYTES = 256 * 1024 * 1024
"""Largest value that we store."""
MAX_STATE_BYTES = 64 * 1024 * 1024
"""Largest body of a header before it is compressed."""


def to_blobs(key: str, text: str) -> tuple[PayloadRef, list[BlobRow]]:
    """Compress a text into the rows of a page or payload named `key`.

    :raises PayloadTooLargeError: it is over `MAX_PAYLOAD_BYTES`.
    """
    if len(text) > MAX_PAYLOAD_BYTES:
        raise PayloadTooLargeError(f"A value of {len(text)} characters is over the limit of {MAX_PAYLOAD_BYTES}.")
    packed = pack(text, record_of(key))
    pieces = [packed[at : at + MAX_BODY_BYTES] for at in range(0, len(packed), MAX_BODY_BYTES)]
    ref = PayloadRef(key, len(text), len(pieces))
    return ref, [BlobRow(name, piece) for name, piece in zip(chunk_keys(key, len(pieces)), pieces, strict=True)]


def from_blobs(key: str, chunks: int, bodies: dict[str, bytes], size: int = MAX_PAYLOAD_BYTES) -> str:
    """The text behind `to_blobs`, from the bodies of its rows.

    :param size: characters that it has at most.
    :raises CorruptRowError: a row is missing or damaged.
    :raises NewerFormatError: they are of a version to come.
    """
    names = chunk_keys(key, chunks)
    missing = [name for name in names if name not in bodies]
    if missing:
        raise CorruptRowError(f"row {missing[0]!r} is missing")
    try:
        return unpack(b"".join(bodies[name] for name in names), record_of(key), 4 * size)
    except ShapeError as error:
        raise CorruptRowError(f"rows {key!r} cannot be read: {error}") from error


def encode_ref(value: PayloadRef) -> str:
    """A reference as the text of a header column."""
    return compact_json(cast("dict[str, Any]", encode_value(value)))


def decode_ref(text: str) -> PayloadRef:
    """The reference that `encode_ref` wrote.

    :raises CorruptRowError: it is damaged.
    """
    try:
        value: Value = decode_value(shape.parse(text))
    except ShapeError as error:
        raise CorruptRowError(f"a payload reference cannot be read: {error}") from error
    if not isinstance(value, PayloadRef):
        raise CorruptRowError(f"not a payload reference: {text[:80]!r}")
    return value


_OURS = b"D"
_PLAIN, _ZLIB = b"p", b"z"


def pack(text: str, record: Record, *, compress: bool = True) -> bytes:
    """UTF-8, behind three bytes: what it is, its version, and how it is packed.

    :param compress: compress it when that is worth it.
    """
    raw = text.encode("utf-8", "surrogatepass")
    return _prefix(record) + (_ZLIB + deflate(raw) if compress and len(raw) >= COMPRESS_FROM else _PLAIN + raw)


def pack_around(before: str, packed: Part, after: str, record: Record) -> bytes:
    """The same for a text of which a part in the middle is compressed already."""
    raws = (before.encode("utf-8", "surrogatepass"), after.encode("utf-8", "surrogatepass"))
    return _prefix(record) + _ZLIB + around(raws[0], packed, raws[1])


def _prefix(record: Record) -> bytes:
    return _OURS + bytes([VERSIONS[record]])


def check_version(body: bytes, record: Record) -> None:
    """Refuse a packed text of a version to come.

    :raises NewerFormatError: it is one.
    """
    if body[:1] == _OURS and body[1:2] > bytes([VERSIONS[record]]):
        raise NewerFormatError(record, body[1])


def unpack(body: bytes, record: Record, limit: int = MAX_STATE_BYTES) -> str:
    """The text that `pack` packed, as of today's version.

    :param limit: bytes of UTF-8 that it has at most; no more than that is ever decompressed.
    :raises ShapeError: it is damaged, or longer.
    :raises NewerFormatError: it is of a version to come.
    """
    check_version(body, record)
    version, mark, rest = body[1:2], body[2:3], body[3:]
    if body[:1] != _OURS or version in (b"", b"\0"):
        raise ShapeError(f"not packed by this package: it begins with {body[:3]!r}")
    try:
        raw = rest if mark == _PLAIN else _inflate(rest, limit) if mark == _ZLIB else None
        if raw is None:
            raise ShapeError(f"unknown encoding mark {mark!r}")
        if len(raw) > limit:
            raise ShapeError(f"{len(raw)} bytes where at most {limit} are possible")
        return upgraded(record, version[0], raw.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError as error:
        raise ShapeError(f"not UTF-8: {error}") from error


def _inflate(packed: bytes, limit: int) -> bytes:
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(packed, max(1, limit))
    except zlib.error as error:
        raise ShapeError(f"damaged compressed data: {error}") from error
    if not inflate.eof:
        raise ShapeError(f"compressed data that is cut off, or has more than {limit} bytes")
    return raw


def compact_json(data: Any) -> str:
    """Data as JSON without blanks."""
    return _to_text(data)


_to_text = compact_encoder()


def is_large(text: str) -> bool:
    """Whether a value must leave its row."""
    # A character takes one to three bytes, four in pairs: most values need no encoding to know.
    if len(text) <= MAX_INLINE_BYTES // 4:
        return False
    return len(text) > MAX_INLINE_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_INLINE_BYTES


class Spill:
    """Collects the payload rows that one writer (a turn, a work item, a message) makes.

    The same writer spilling the same values in the same order makes the same rows, so that a
    repeated attempt overwrites instead of adding. Equal values share their rows.
    """

    def __init__(self, writer: str) -> None:
        self._writer = writer
        self._refs: dict[str, PayloadRef] = {}
        self._made = 0
        self.rows: list[BlobRow] = []

    def value(self, value: Value) -> Value:
        """The value itself if it is small, else a reference to rows added to `rows`."""
        if not isinstance(value, str) or not is_large(value):
            return value
        ref = self._refs.get(value)
        if ref is None:
            ref, rows = to_blobs(payload_key(self._writer, self._made), value)
            self._made += 1
            self._refs[value] = ref
            self.rows += rows
        return ref

    def event(self, event: Event) -> Event:
        """The event with its large values replaced."""
        return map_values(event, self.value)

    def forget(self, keys: Iterable[str]) -> set[str]:
        """Make none of these rows; returns those that it would have made. A value that comes again gets rows again."""
        gone = {row.key for row in self.rows}.intersection(keys)
        if gone:
            self.rows = [row for row in self.rows if row.key not in gone]
            kept = ((value, ref, chunk_keys(ref.key, ref.chunks)) for value, ref in self._refs.items())
            self._refs = {value: ref for value, ref, names in kept if gone.isdisjoint(names)}
        return gone


def payload_rows(events: Iterable[Event]) -> list[str]:
    """The RowKeys of the payload rows that these events refer to."""
    return [name for ref in payload_refs(events) for name in chunk_keys(ref.key, ref.chunks)]
