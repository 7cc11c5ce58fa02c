"""What every store keeps to: the limits of rows, messages and calls.

They are the same whatever keeps the hub, so that an app that runs on the embedded hub does not meet its first limit on
Azure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import TypeVar

from azure_durable_py.errors import (
    InvalidInstanceIdError,
    InvalidRequestError,
    MessageLostError,
    PayloadTooLargeError,
    UnstorableError,
)
from azure_durable_py.shape import MAX_INSTANCE_ID_CHARS
from azure_durable_py.taskhub.protocol import (
    MAX_BODY_BYTES,
    MAX_COMMIT_BYTES,
    MAX_COMMIT_ROWS,
    MAX_DELAY_SECONDS,
    MAX_INBOX_BODY_BYTES,
    MAX_MESSAGE_CHARS,
    BlobRow,
    Commit,
    Header,
    InboxRow,
    InstanceQuery,
    QueueMessage,
)

_Row = TypeVar("_Row", BlobRow, InboxRow)
MAX_RECEIVE = 32
MAX_TRANSACTION_ROWS = 100
MAX_PAGE = 1000
LOAD_ROWS = 1000
"""Rows that one load returns at most, the header included: the largest page of a table query."""
_MAX_COLUMN_UNITS = 32_768
_MAX_ENTITY_BYTES = 1_048_576
_MAX_TRANSACTION_BYTES = 4 * 1_048_576
# What a transaction spends on an operation beside its properties: MIME headers, URL, keys, types.
_OPERATION_OVERHEAD_BYTES = 1_500
# 64 KiB of Base64 carry this many bytes.
_MAX_MESSAGE_BYTES = 49_152
_MAX_VISIBILITY_SECONDS = 7 * 24 * 3600.0
_KEY = re.compile(r"[A-Za-z0-9._~!-]{1,400}")
_ANY_KEY = re.compile(r"[^/\\#?\x00-\x1f\x7f-\x9f]{1,1024}")
_BLOB_KEY = re.compile(r"[2-9]0-[A-Za-z0-9._~!-]{0,500}")


def check_id(instance_id: str) -> None:
    """Refuse an instance id that no store can keep.

    :raises UnstorableError: empty, over 1,024 characters, or not Unicode text.
    """
    if not 0 < len(instance_id) <= MAX_INSTANCE_ID_CHARS:
        raise InvalidInstanceIdError(
            f"An instance id has 1 to {MAX_INSTANCE_ID_CHARS} characters; this one has {len(instance_id)}."
        )
    _utf8(instance_id, "An instance id")


def check_keyring(body: bytes, expected: str | None) -> None:  # noqa: ARG001 - takes what its call takes
    """Refuse keys of the hub that no store can keep.

    :raises UnstorableError: they are too large.
    """
    _check_body(len(body), MAX_BODY_BYTES, "The keys of the hub")


def check_keys(keys: Collection[str], *, blobs: bool = False) -> None:
    """Refuse keys that are not inbox keys (or, with `blobs`, RowKeys of blob rows)."""
    pattern = _BLOB_KEY if blobs else _KEY
    for key in keys:
        if not pattern.fullmatch(key):
            kind = "the RowKey of a blob row (20-..., 30-...)" if blobs else "an inbox key"
            raise UnstorableError(f"{key[:100]!r} cannot be {kind}: it must match {pattern.pattern}")


def check_deleted(keys: Collection[str]) -> None:
    """Refuse inbox keys that no row can have. What somebody else put there can be deleted, whatever it is called."""
    for key in keys:
        if not _ANY_KEY.fullmatch(key):
            raise UnstorableError(f"{key[:100]!r} cannot be the key of a row: it must match {_ANY_KEY.pattern}")
        _utf8(key, "The key of a row")


def check_inbox_deletion(instance_id: str, keys: Sequence[str]) -> None:
    """Refuse to delete inbox rows that no inbox can have."""
    check_id(instance_id)
    check_deleted(keys)


def check_blob_keys(instance_id: str, keys: Sequence[str]) -> None:
    """Refuse to ask for, or to delete, blob rows that no instance can have."""
    check_id(instance_id)
    check_keys(keys, blobs=True)


def check_blob_prefix(instance_id: str, prefix: str) -> None:
    """Refuse to ask for blob rows by the beginning of a RowKey that none can have."""
    check_id(instance_id)
    check_keys([prefix], blobs=True)


def check_inbox(instance_id: str, rows: Sequence[InboxRow]) -> None:
    """Refuse inbox rows that cannot be inserted together.

    :raises UnstorableError: too many, too large, or two with one key.
    """
    check_id(instance_id)
    _check_count(len(rows), "inbox rows inserted together")
    _check_distinct([row.key for row in rows])
    check_keys([row.key for row in rows])
    for row in rows:
        _check_body(len(row.body), MAX_INBOX_BODY_BYTES, f"Inbox row {row.key!r}")
    _check_body(sum(len(row.body) for row in rows), MAX_COMMIT_BYTES, "A set of inbox rows inserted together")


def check_blobs(instance_id: str, rows: Sequence[BlobRow]) -> None:
    """Refuse blob rows that cannot be put.

    :raises UnstorableError: too large, or two with one key.
    """
    check_id(instance_id)
    _check_distinct([row.key for row in rows])
    check_keys([row.key for row in rows], blobs=True)
    for row in rows:
        _check_body(len(row.body), MAX_BODY_BYTES, f"Row {row.key!r}")


def check_commit(commit: Commit) -> None:
    """Refuse a commit that Azure would refuse, or that contradicts itself.

    :raises UnstorableError: over one of the limits of the protocol.
    """
    check_id(commit.instance_id)
    rows = len(commit.consumed) + len(commit.put) + len(commit.dropped)
    if rows:
        check_blobs(commit.instance_id, commit.put)
        check_deleted(commit.consumed)
        check_keys(commit.dropped, blobs=True)
        _check_distinct([row.key for row in commit.put] + list(dict.fromkeys(commit.dropped)))
        _check_count(rows, "rows in one commit")
    if commit.expected == "":
        raise UnstorableError("A commit with an empty ETag: None inserts a header, an ETag replaces it.")
    bodies = sum(len(row.body) for row in commit.put)
    texts = 0
    if commit.header is None:
        if commit.expected is None:
            raise UnstorableError("A commit without a header deletes one: it needs the ETag expected.")
    else:
        if commit.header.instance_id != commit.instance_id:
            raise UnstorableError(
                f"A commit for {commit.instance_id!r} cannot write the header of {commit.header.instance_id!r}."
            )
        texts = _check_header(commit.header)
        bodies += len(commit.header.body)
    _check_body(bodies, MAX_COMMIT_BYTES, "A commit")
    wire = bodies * 4 // 3 + texts + (rows + 1) * _OPERATION_OVERHEAD_BYTES
    if rows and wire > _MAX_TRANSACTION_BYTES:
        raise PayloadTooLargeError(
            f"A commit of {rows} rows for {commit.instance_id!r} would take {wire} bytes on the wire; a transaction "
            f"has at most {_MAX_TRANSACTION_BYTES}."
        )


def check_put(queue: str, body: str, delay: float = 0.0) -> None:
    """Refuse a message that no queue takes."""
    del queue
    check_message(body, delay)


def check_message(body: str, delay: float) -> None:
    """Refuse a message body that cannot be sent.

    :raises UnstorableError: too long, not text, or delayed too far.
    """
    encoded = _utf8(body, "A queue message")
    if len(body) > MAX_MESSAGE_CHARS or len(encoded) > _MAX_MESSAGE_BYTES:
        raise PayloadTooLargeError(
            f"A queue message of {len(body)} characters ({len(encoded)} bytes) is too long: at most "
            f"{MAX_MESSAGE_CHARS} characters and {_MAX_MESSAGE_BYTES} bytes. Move the value to payload rows."
        )
    if not 0 <= delay <= MAX_DELAY_SECONDS:
        raise UnstorableError(f"A message delay of {delay} s is outside 0 to {MAX_DELAY_SECONDS:.0f} s.")


def check_visibility(visibility: float) -> None:
    """Refuse a visibility timeout that a queue does not take (0 to 7 days, in seconds)."""
    if not 0 <= visibility <= _MAX_VISIBILITY_SECONDS:
        raise UnstorableError(f"A visibility of {visibility} s is outside 0 to {_MAX_VISIBILITY_SECONDS:.0f} s.")


def check_extension(message: QueueMessage, visibility: float) -> None:
    """Refuse to keep a message invisible for a time that a queue does not take."""
    del message
    check_visibility(visibility)


def check_receive(queue: str, limit: int, visibility: float) -> None:
    """Refuse a receive that a queue does not take (1 to 32 messages)."""
    del queue
    check_visibility(visibility)
    if not 1 <= limit <= MAX_RECEIVE:
        raise UnstorableError(f"{limit} messages cannot be received at once: 1 to {MAX_RECEIVE}.")


def check_query(query: InstanceQuery) -> None:
    """Refuse a query that cannot be asked.

    :raises InvalidRequestError: the page size is outside 1 to 1,000, or a criterion is not Unicode text.
    """
    if not 1 <= query.page_size <= MAX_PAGE:
        raise InvalidRequestError(f"A page of {query.page_size} instances cannot be listed: 1 to {MAX_PAGE}.")
    for text in (query.instance_id_prefix or "", *query.names, *query.runtime_status):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidRequestError(f"{text!r} holds a lone surrogate and cannot be searched for.") from error


def prefix_range(prefix: str) -> tuple[str, str]:
    """Bounds of the texts that begin with a non-empty prefix: from the first, below the second."""
    stem = prefix.rstrip("\U0010ffff")
    if not stem:
        # Nothing comes after the last character there is: a bound longer than any text will do.
        return prefix, prefix + "\U0010ffff" * MAX_INSTANCE_ID_CHARS
    following = ord(stem[-1]) + 1
    return prefix, stem[:-1] + chr(0xE000 if following == 0xD800 else following)


def message_lost(queue: str) -> MessageLostError:
    """What to raise when a message is not ours any more."""
    return MessageLostError(f"A message of queue {queue!r} was deleted, or delivered to somebody else.")


def unknown_token(token: str) -> InvalidRequestError:
    """What to raise for a continuation token that this store did not make."""
    return InvalidRequestError(f"{token[:100]!r} is not a continuation token of this task hub.")


def transactions(rows: Iterable[_Row], most: int = MAX_TRANSACTION_ROWS) -> Iterator[list[_Row]]:
    """Rows, in order, in groups that each fit one transaction, of at most so many."""
    group: list[_Row] = []
    size = 0
    for row in rows:
        if group and (size + len(row.body) > MAX_COMMIT_BYTES or len(group) >= most):
            yield group
            group, size = [], 0
        group.append(row)
        size += len(row.body)
    if group:
        yield group


def _check_header(header: Header) -> int:
    """Check a header; returns how many bytes its texts take as JSON, at most."""
    columns = header.columns
    _check_body(len(header.body), MAX_BODY_BYTES, f"The header of {header.instance_id!r}")
    texts: tuple[str | None, ...] = _TEXTS_OF(columns)
    together = "".join(filter(None, texts))
    if together.isascii() and len(together) <= _MAX_COLUMN_UNITS:
        # As of most headers: what fits one column with all others fits it alone.
        wire = 2 * len(together)
    else:
        wire = sum(_check_column(header, name, text) for name, text in zip(_TEXTS, texts, strict=True) if text)
    # Azure counts what it stores, Azurite the bytes of the request, which are more: both must take it.
    # 4 KiB cover the names and the columns that are no texts.
    entity = len(header.body) * 4 // 3 + wire + 4096
    if entity > _MAX_ENTITY_BYTES:
        raise PayloadTooLargeError(
            f"The header of {header.instance_id!r} may take {entity} bytes with its columns; a row has at most "
            f"{_MAX_ENTITY_BYTES}. Move values to payload rows."
        )
    return wire


def _check_column(header: Header, name: str, text: str) -> int:
    is_ascii = text.isascii()
    size = len(text) if is_ascii else len(_utf8(text, f"Column {name}").decode().encode("utf-16-le")) // 2
    if size > _MAX_COLUMN_UNITS:
        raise PayloadTooLargeError(
            f"Column {name} of {header.instance_id!r} has {size} UTF-16 units; a column has at most "
            f"{_MAX_COLUMN_UNITS}. Move the value to payload rows."
        )
    return size * (2 if is_ascii else 6)


_TEXTS = (
    "name",
    "runtime_status",
    "execution_id",
    "turn_id",
    "custom_status",
    "input",
    "input_payload",
    "output",
    "output_payload",
    "version",
    "tags",
    "parent_instance_id",
)
_TEXTS_OF = attrgetter(*_TEXTS)


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise UnstorableError(f"{what} holds a lone surrogate and is not Unicode text: {error}") from error


def _check_body(size: int, limit: int, what: str) -> None:
    if size > limit:
        raise PayloadTooLargeError(f"{what} has {size} bytes; at most {limit} are possible.")


def _check_count(count: int, what: str) -> None:
    if count > MAX_COMMIT_ROWS:
        raise PayloadTooLargeError(f"{count} {what} are too many: at most {MAX_COMMIT_ROWS}.")


def _check_distinct(keys: Sequence[str]) -> None:
    if len(set(keys)) != len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise UnstorableError(f"Row {twice!r} is named twice in one call.")
