"""The hub's table: partitions, transactions, the marker, listings.

Owns every call on the table, and what each of its refusals means.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from azure.data.tables.aio import TableClient

from azure_durable_py.errors import ConcurrencyConflictError, DurableError, HubFormatError
from azure_durable_py.taskhub import limits
from azure_durable_py.taskhub.azure import answers, listing, rows
from azure_durable_py.taskhub.azure.batches import RowChange
from azure_durable_py.taskhub.azure.entities import ETAG, TableWire
from azure_durable_py.taskhub.naming import (
    END_OF_INBOX,
    HEADER_KEY,
    INBOX_PREFIX,
    KEYRING_KEY,
    MARKER_KEY,
    MARKER_PARTITION,
    SCAN_KEY,
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

_PARALLEL_READS = 16


class HubTable:
    """The table of one hub.

    :param client: creates and deletes the table.
    :param wire: requests about its entities.
    :param where: the table, for messages.
    :param queue_count: number of doorbell queues, kept in the marker.
    """

    def __init__(self, client: TableClient, wire: TableWire, where: str, queue_count: int) -> None:
        # Strictly typed code cannot call it: its methods take keywords without types.
        self._client: Any = client
        self._wire = wire
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
        await self._call("Writing the marker", [self._wire.replace(_marker_row(marker))])
        self._marker = marker

    async def delete(self) -> None:
        """Delete the table. Idempotent."""
        try:
            await self._client.delete_table()
        except answers.TROUBLE as error:
            raise self._translate(error, "Deleting the table") from error

    async def _read_marker(self) -> HubInfo | None:
        try:
            row = await self._wire.read(MARKER_PARTITION, MARKER_KEY)
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
        try:
            return await self._apply([self._write(rows.keys_row(body), expected)])
        except answers.TROUBLE as error:
            if answers.status(error) in (404, 409, 412) and answers.code(error) in _CONFLICTS:
                raise ConcurrencyConflictError("The keys of the task hub were changed since they were read.") from error
            raise self._translate(error, "Writing the keys") from error

    async def _create(self, marker: HubInfo) -> None:
        row = self._wire.insert(_marker_row(marker))
        for what, create in (
            ("Creating the table", self._client.create_table),
            ("Writing the marker", lambda: self._wire.apply([row])),
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
        """Apply a commit: a plain write if the header is alone, else one transaction."""
        try:
            return await self._commit(commit)
        except answers.TROUBLE as error:
            if answers.status(error) in (404, 409, 412) and answers.code(error) in _CONFLICTS:
                raise ConcurrencyConflictError(
                    f"The header of {commit.instance_id!r} changed, appeared or disappeared since it was read."
                ) from error
            raise self._translate(error, f"Committing {commit.instance_id!r}") from error

    async def _commit(self, commit: Commit) -> str:
        partition = rows.partition_key(commit.instance_id)
        # The header comes first, so that a conflict is reported before a row that is gone.
        if commit.header is None:
            header = self._wire.delete(partition, HEADER_KEY, commit.expected or "")
        else:
            header = self._write(rows.header_row(commit.header), commit.expected)
        gone = [INBOX_PREFIX + key for key in commit.consumed] + list(commit.dropped)
        deletes = [self._wire.delete(partition, key) for key in dict.fromkeys(gone)]
        puts = [self._wire.replace(rows.blob_row(commit.instance_id, row)) for row in commit.put]
        while True:
            try:
                return await self._apply([header, *deletes, *puts])
            except answers.RefusalError as error:
                at = (error.index or 0) - 1
                if error.status != 404 or answers.is_gone(error) or not 0 <= at < len(deletes):
                    raise
                del deletes[at]

    async def insert_inbox(self, instance_id: str, given: Sequence[InboxRow]) -> frozenset[str]:
        """Insert inbox rows in one transaction; returns the keys that existed."""
        existed: set[str] = set()
        while missing := [row for row in given if row.key not in existed]:
            try:
                await self._apply([self._wire.insert(rows.inbox_row(instance_id, row)) for row in missing])
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
            changes = [self._wire.replace(rows.blob_row(instance_id, row)) for row in group]
            await self._call(f"Writing rows of {instance_id!r}", changes)

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
            await self._apply([self._wire.delete(partition, key) for key in keys])
        except answers.TROUBLE as error:
            if answers.status(error) != 404:
                raise self._translate(error, what) from error
            # A transaction names one missing row at a time; alone, a missing row is no error.
            for start in range(0, len(keys) if len(keys) > 1 else 0, _PARALLEL_READS):
                group = keys[start : start + _PARALLEL_READS]
                await asyncio.gather(*(self._delete_group(partition, [key]) for key in group))

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

    async def claim_scan(self, every: timedelta) -> bool:
        """Write down that a scan begins, unless one began a short time ago, or another worker is first."""
        found = await self._read(MARKER_PARTITION, SCAN_KEY)
        if found is not None and datetime.now(UTC) - rows.taken_at(found) < every:
            return False
        row = {"PartitionKey": MARKER_PARTITION, "RowKey": SCAN_KEY}
        try:
            await self._apply([self._write(row, None if found is None else found[ETAG])])
        except answers.TROUBLE as error:
            if answers.status(error) in (404, 409, 412) and answers.code(error) in _CONFLICTS:
                return False
            raise self._translate(error, "Claiming a scan") from error
        return True

    # --- requests ------------------------------------------------------------------------------------

    async def _read(self, partition: str, key: str) -> Mapping[str, Any] | None:
        try:
            return await self._wire.read(partition, key)
        except answers.TROUBLE as error:
            if answers.status(error) == 404:
                return None
            raise self._translate(error, f"Reading row {key!r} of partition {partition!r}") from error

    async def _page(
        self, query: str, size: int, *, select: Sequence[str] = (), token: Mapping[str, str | None] | None = None
    ) -> tuple[list[rows.Row], dict[str, str | None] | None]:
        """One response to a query, and the token for the next."""
        try:
            return await self._wire.page(query, size, select, token)
        except answers.TROUBLE as error:
            if answers.is_gone(error):
                return [], None
            raise self._translate(error, "Querying") from error

    async def _all(self, query: str, select: Sequence[str] = ()) -> list[rows.Row]:
        found, token = await self._page(query, limits.MAX_PAGE, select=select)
        while token:
            more, token = await self._page(query, limits.MAX_PAGE, select=select, token=token)
            found += more
        return found

    def _write(self, row: rows.Row, expected: str | None) -> RowChange:
        return self._wire.insert(row) if expected is None else self._wire.replace(row, expected)

    async def _apply(self, changes: Sequence[RowChange]) -> str:
        """Make changes; if the table was deleted meanwhile, once more with a new one."""
        try:
            return await self._wire.apply(changes)
        except answers.TROUBLE as error:
            if not answers.is_gone(error) or self._marker is None:
                raise
            logger.warning("%s was deleted while in use; creating it again.", self._where)
            await self._create(self._marker)
            return await self._wire.apply(changes)

    async def _call(self, what: str, changes: Sequence[RowChange]) -> None:
        try:
            await self._apply(changes)
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
