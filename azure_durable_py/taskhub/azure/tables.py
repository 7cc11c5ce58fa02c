"""The hub's table: partitions, transactions, the marker, listings.

Owns every call on the table, and what each of its refusals means.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from azure.core import MatchConditions
from azure.data.tables import TableTransactionError, UpdateMode
from azure.data.tables.aio import TableClient

from azure_durable_py.errors import ConcurrencyConflictError, DurableError, HubFormatError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.azure import answers, listing, rows
from azure_durable_py.taskhub.naming import (
    END_OF_INBOX,
    HEADER_KEY,
    INBOX_PREFIX,
    KEYRING_KEY,
    MARKER_KEY,
    MARKER_PARTITION,
)
from azure_durable_py.taskhub.protocol import (
    FORMAT_VERSION,
    BlobRow,
    Commit,
    Header,
    HubInfo,
    InboxRow,
    InstanceQuery,
    Loaded,
    Page,
    StoredKeys,
)
from azure_durable_py.times import UTC

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_Operation = tuple[str, Mapping[str, Any], Mapping[str, Any]]
_REPLACE: Mapping[str, Any] = {"mode": UpdateMode.REPLACE}
_PARALLEL_READS = 16


class HubTable:
    """The table of one hub.

    :param client: of the table.
    :param where: the table, for messages.
    :param queue_count: number of doorbell queues, kept in the marker.
    """

    def __init__(self, client: TableClient, where: str, queue_count: int) -> None:
        # Strictly typed code cannot call it: its methods take keywords without types.
        self._client: Any = client
        self._where = where
        self._queue_count = queue_count
        self._marker: HubInfo | None = None

    # --- the hub -----------------------------------------------------------------------------------

    async def open(self) -> HubInfo:
        """The marker of the hub; the table and the marker are created if they are missing.

        :raises HubFormatError: the marker cannot be read.
        """
        marker = await self._read_marker()
        if marker is None:
            await self._create(HubInfo(FORMAT_VERSION, self._queue_count, secrets.token_bytes(32)))
            # Somebody else's may have been first: the one that is stored counts.
            marker = await self._read_marker()
        if marker is None:
            raise HubFormatError(f"{self._where} has no marker row right after it was written: is it being deleted?")
        self._marker = marker
        return marker

    async def mark_anew(self, marker: HubInfo) -> None:
        """Write the marker of a hub that was upgraded."""
        await self._call("Writing the marker", lambda: self._client.upsert_entity(_marker_row(marker), **_REPLACE))
        self._marker = marker

    async def delete(self) -> None:
        """Delete the table. Idempotent."""
        await self._call("Deleting the table", self._client.delete_table)

    async def _read_marker(self) -> HubInfo | None:
        try:
            row = await self._client.get_entity(MARKER_PARTITION, MARKER_KEY)
        except answers.TROUBLE as error:
            if answers.status(error) == 404:
                return None
            raise self._translate(error, "Reading the marker") from error
        try:
            return HubInfo(int(row["FormatVersion"]), int(row["QueueCount"]), bytes(row["SigningKey"]))
        except (KeyError, TypeError, ValueError) as error:
            raise HubFormatError(
                f"The marker row of {self._where} ({MARKER_PARTITION}/{MARKER_KEY}) is damaged: {error!r}. "
                "Restore it, or choose another extensions.durableTask.hubName in host.json."
            ) from error

    async def load_keys(self) -> StoredKeys | None:
        """The keys of the hub, by a point read."""
        row = await self._read(MARKER_PARTITION, KEYRING_KEY)
        return None if row is None else rows.keys_of(row)

    async def save_keys(self, body: bytes, expected: str | None) -> str:
        """Write the keys of the hub, if those that are replaced are the ones expected."""
        row = rows.keys_row(body)

        async def write() -> Mapping[str, Any]:
            if expected is None:
                return await self._client.create_entity(row)
            return await self._client.update_entity(row, **_REPLACE, **_if_match(expected))

        try:
            return str((await self._with_table(write))["etag"])
        except answers.TROUBLE as error:
            if answers.status(error) in (404, 409, 412) and answers.code(error) in _CONFLICTS:
                raise ConcurrencyConflictError("The keys of the task hub were changed since they were read.") from error
            raise self._translate(error, "Writing the keys") from error

    async def _create(self, marker: HubInfo) -> None:
        row = _marker_row(marker)
        for what, create in (
            ("Creating the table", self._client.create_table),
            ("Writing the marker", lambda: self._client.create_entity(row)),
        ):
            try:
                await create()
            except answers.TROUBLE as error:
                if answers.code(error) not in {"TableAlreadyExists", "EntityAlreadyExists"}:
                    raise self._translate(error, what) from error

    # --- one partition -----------------------------------------------------------------------------

    async def load(self, instance_id: str) -> Loaded:
        """Header and inbox of one query response."""
        partition = rows.partition_key(instance_id)
        query = f"PartitionKey eq '{partition}' and RowKey lt '{END_OF_INBOX}'"
        found, token = await self._page(query, limits.LOAD_ROWS)
        while not found and token:
            # A response may be empty and not the last. Nothing was taken from it, so the next one counts.
            found, token = await self._page(query, limits.LOAD_ROWS, token=token)
        header: Header | None = None
        if found and found[0]["RowKey"] == HEADER_KEY:
            header = rows.header_of(instance_id, found.pop(0))
        return Loaded(header, tuple(rows.inbox_of(row) for row in found), bool(token))

    async def load_header(self, instance_id: str) -> Header | None:
        """The header, by a point read."""
        row = await self._read(rows.partition_key(instance_id), HEADER_KEY)
        return None if row is None else rows.header_of(instance_id, row)

    async def commit(self, commit: Commit) -> str:
        """Apply a commit: a plain write of the header if it is alone, else one transaction."""
        try:
            if commit.header is not None and not (commit.consumed or commit.put or commit.dropped):
                return await self._write_header(commit, rows.header_row(commit.header))
            return await self._commit_rows(commit)
        except answers.TROUBLE as error:
            if answers.status(error) in (404, 409, 412) and answers.code(error) in _CONFLICTS:
                raise ConcurrencyConflictError(
                    f"The header of {commit.instance_id!r} changed, appeared or disappeared since it was read."
                ) from error
            raise self._translate(error, f"Committing {commit.instance_id!r}") from error

    async def _write_header(self, commit: Commit, row: rows.Row) -> str:
        async def write() -> Mapping[str, Any]:
            if commit.expected is None:
                return await self._client.create_entity(row)
            return await self._client.update_entity(row, **_REPLACE, **_if_match(commit.expected))

        return (await self._with_table(write))["etag"]

    async def _commit_rows(self, commit: Commit) -> str:
        partition = rows.partition_key(commit.instance_id)
        # The header comes first, so that a conflict is reported before a row that is gone.
        header = _header_operation(commit, partition)
        deletes = [INBOX_PREFIX + key for key in commit.consumed] + list(commit.dropped)
        operations = [_delete(partition, key) for key in dict.fromkeys(deletes)]
        puts = [_upsert(rows.blob_row(commit.instance_id, row)) for row in commit.put]
        while True:
            try:
                answer = await self._transaction([header, *operations, *puts])
            except TableTransactionError as error:
                at = error.index - 1
                if answers.status(error) != 404 or answers.is_gone(error) or not 0 <= at < len(operations):
                    raise
                del operations[at]
            else:
                return "" if commit.header is None else str(answer[0]["etag"])

    async def insert_inbox(self, instance_id: str, given: Sequence[InboxRow]) -> frozenset[str]:
        """Insert inbox rows in one transaction; returns the keys that existed."""
        existed: set[str] = set()
        while missing := [row for row in given if row.key not in existed]:
            try:
                await self._transaction([_create(rows.inbox_row(instance_id, row)) for row in missing])
                break
            except answers.TROUBLE as error:
                if answers.code(error) != "EntityAlreadyExists":
                    raise self._translate(error, f"Inserting into the inbox of {instance_id!r}") from error
            if len(missing) == 1:
                existed.add(missing[0].key)
            else:
                existed |= await self._existing(instance_id, [row.key for row in missing])
        return frozenset(existed)

    async def _existing(self, instance_id: str, keys: Sequence[str]) -> set[str]:
        """Which of these inbox keys exist."""
        low, high = (INBOX_PREFIX + bound(keys) for bound in (min, max))
        partition = rows.partition_key(instance_id)
        query = f"PartitionKey eq '{partition}' and RowKey ge '{low}' and RowKey le '{high}'"
        found = await self._all(query, select=["RowKey"])
        return {row["RowKey"][len(INBOX_PREFIX) :] for row in found} & set(keys)

    async def put_blobs(self, instance_id: str, given: Sequence[BlobRow]) -> None:
        """Insert or replace blob rows."""
        for group in limits.transactions(given):
            operations = [_upsert(rows.blob_row(instance_id, row)) for row in group]
            await self._call(f"Writing rows of {instance_id!r}", lambda operations=operations: self._send(operations))

    async def get_blobs(self, instance_id: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The bodies of blob rows, by point reads."""
        partition = rows.partition_key(instance_id)
        found: dict[str, bytes] = {}
        for start in range(0, len(keys), _PARALLEL_READS):
            group = keys[start : start + _PARALLEL_READS]
            answers_ = await asyncio.gather(*(self._read(partition, key) for key in group))
            found |= {key: rows.blob_of(row).body for key, row in zip(group, answers_, strict=True) if row is not None}
        return found

    async def list_blobs(self, instance_id: str, prefix: str) -> tuple[BlobRow, ...]:
        """All blob rows whose RowKey begins with `prefix`."""
        low, high = limits.prefix_range(prefix)
        partition = rows.partition_key(instance_id)
        found = await self._all(f"PartitionKey eq '{partition}' and RowKey ge '{low}' and RowKey lt '{high}'")
        return tuple(rows.blob_of(row) for row in found)

    async def blob_keys(self, instance_id: str) -> dict[str, datetime]:
        """The RowKeys of all blob rows, and when each was taken."""
        partition = rows.partition_key(instance_id)
        query = f"PartitionKey eq '{partition}' and RowKey ge '{END_OF_INBOX}'"
        found = await self._all(query, select=["RowKey", "Timestamp"])
        return {row["RowKey"]: rows.taken_at(row) for row in found}

    async def delete_rows(self, instance_id: str, keys: Sequence[str]) -> None:
        """Delete rows by RowKey; missing ones are no error."""
        partition = rows.partition_key(instance_id)
        distinct = list(dict.fromkeys(keys))
        for start in range(0, len(distinct), limits.MAX_TRANSACTION_ROWS):
            await self._delete_group(partition, distinct[start : start + limits.MAX_TRANSACTION_ROWS])

    async def _delete_group(self, partition: str, keys: Sequence[str]) -> None:
        what = f"Deleting rows of partition {partition!r}"
        try:
            await self._transaction([_delete(partition, key) for key in keys])
        except answers.TROUBLE as error:
            if answers.status(error) != 404:
                raise self._translate(error, what) from error
            # The transaction names one missing row at a time; alone, a missing row is no error.
            for start in range(0, len(keys), _PARALLEL_READS):
                group = keys[start : start + _PARALLEL_READS]
                await asyncio.gather(
                    *(self._call(what, lambda key=key: self._client.delete_entity(partition, key)) for key in group)
                )

    # --- all partitions ------------------------------------------------------------------------------

    async def query(self, query: InstanceQuery) -> Page:
        """One page of headers."""
        found, token = await self._page(
            listing.filter_of(query),
            query.page_size,
            select=listing.selection(query),
            token=listing.decode_token(query.continuation_token),
        )
        items = (rows.listed_of(row) for row in found)
        return Page(tuple(item for item in items if listing.matches(query, item)), listing.encode_token(token))

    async def instances_with_inbox(self, before: datetime) -> list[str]:
        """The ids of instances with an inbox row that was taken before this time."""
        moment = f"{before.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        query = f"RowKey ge '{INBOX_PREFIX}' and RowKey lt '{END_OF_INBOX}' and Timestamp lt datetime'{moment}'"
        found = await self._all(query, select=["PartitionKey"])
        ids: list[str] = []
        for partition in sorted({row["PartitionKey"] for row in found}):
            # Of a very long id the key holds a part; the header holds the whole.
            row = await self._read(partition, HEADER_KEY) if rows.is_shortened(partition) else None
            if row is not None or not rows.is_shortened(partition):
                ids.append(rows.instance_id_of(row or {"PartitionKey": partition}))
        return ids

    # --- requests ------------------------------------------------------------------------------------

    async def _read(self, partition: str, key: str) -> Mapping[str, Any] | None:
        try:
            return await self._client.get_entity(partition, key)
        except answers.TROUBLE as error:
            if answers.status(error) == 404:
                return None
            raise self._translate(error, f"Reading row {key!r} of partition {partition!r}") from error

    async def _page(
        self, query: str, size: int, *, select: list[str] | None = None, token: Any = None
    ) -> tuple[list[Mapping[str, Any]], Any]:
        """One response to a query, and the token for the next."""
        pages: Any = self._client.query_entities(query, results_per_page=size, select=select).by_page(token)
        try:
            return [row async for row in await pages.__anext__()], pages.continuation_token
        except StopAsyncIteration:
            return [], None
        except answers.TROUBLE as error:
            if answers.is_gone(error):
                return [], None
            raise self._translate(error, "Querying") from error

    async def _all(self, query: str, select: list[str] | None = None) -> list[Mapping[str, Any]]:
        found, token = await self._page(query, limits.MAX_PAGE, select=select)
        while token:
            more, token = await self._page(query, limits.MAX_PAGE, select=select, token=token)
            found += more
        return found

    async def _transaction(self, operations: Sequence[_Operation]) -> Sequence[Mapping[str, Any]]:
        return await self._with_table(lambda: self._send(operations))

    async def _send(self, operations: Sequence[_Operation]) -> Sequence[Mapping[str, Any]]:
        # One operation costs half as much outside a transaction.
        match operations:
            case [("create", row, _)]:
                return [await self._client.create_entity(row)]
            case [("upsert", row, options)]:
                return [await self._client.upsert_entity(row, **options)]
            case _:
                return await self._client.submit_transaction(operations)

    async def _with_table(self, call: Callable[[], Awaitable[_Result]]) -> _Result:
        """Make a call; if the table was deleted meanwhile, once more with a new one."""
        try:
            return await call()
        except answers.TROUBLE as error:
            if not answers.is_gone(error) or self._marker is None:
                raise
            logger.warning("%s was deleted while in use; creating it again.", self._where)
            await self._create(self._marker)
            return await call()

    async def _call(self, what: str, call: Callable[[], Awaitable[_Result]]) -> _Result:
        try:
            return await self._with_table(call)
        except answers.TROUBLE as error:
            raise self._translate(error, what) from error

    def _translate(self, error: BaseException, what: str) -> DurableError:
        return answers.translate(error, f"{what} in {self._where}")


_CONFLICTS = frozenset(
    {
        "ConditionNotMet",
        "EntityAlreadyExists",
        "EntityNotFound",
        "ResourceNotFound",
        "UpdateConditionNotSatisfied",
    }
)


def _marker_row(marker: HubInfo) -> rows.Row:
    return {
        "PartitionKey": MARKER_PARTITION,
        "RowKey": MARKER_KEY,
        "FormatVersion": marker.format_version,
        "QueueCount": marker.queue_count,
        "SigningKey": marker.signing_key,
    }


def _if_match(etag: str) -> Mapping[str, Any]:
    return {"etag": etag, "match_condition": MatchConditions.IfNotModified}


def _header_operation(commit: Commit, partition: str) -> _Operation:
    if commit.header is None:
        return ("delete", {"PartitionKey": partition, "RowKey": HEADER_KEY}, _if_match(commit.expected or ""))
    row = rows.header_row(commit.header)
    if commit.expected is None:
        return _create(row)
    return ("update", row, {**_REPLACE, **_if_match(commit.expected)})


def _create(row: rows.Row) -> _Operation:
    return ("create", row, {})


def _delete(partition: str, key: str) -> _Operation:
    return ("delete", {"PartitionKey": partition, "RowKey": key}, {})


def _upsert(row: rows.Row) -> _Operation:
    return ("upsert", row, _REPLACE)
