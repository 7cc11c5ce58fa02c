"""Commits of one instance whose answers may be lost, and the rows that are put before them.

Owns what is known of commits that came to nothing: which rows they left behind, and whether one of them may still
land (PROTOCOL I2, R18).
"""

from __future__ import annotations

from azure_durable_py.errors import ConcurrencyConflictError, StorageError, StorageUnavailableError
from azure_durable_py.taskhub.protocol import Commit, CorruptRowError, Header
from azure_durable_py.taskhub.references import named_rows
from azure_durable_py.taskhub.state import InstanceState
from azure_durable_py.worker.context import WorkerContext
from azure_durable_py.worker.instance.header_draft import HeaderDraft


class Commits:
    """What becomes of the drafts of one instance."""

    def __init__(self, context: WorkerContext, instance_id: str) -> None:
        self._context = context
        self._instance_id = instance_id
        self._staged: dict[str, list[str]] = {}
        self._unsettled: str | None = None

    def is_settled(self, header: Header | None) -> bool:
        """Whether no commit of ours is under way that may still land on this header."""
        return header is None or self._unsettled != header.etag

    def orphans(self, header: Header, state: InstanceState) -> list[str]:
        """Rows of commits that came to nothing, by what the header says now (PROTOCOL R18).

        A commit whose answer was lost may have landed, and others on top of it: then its rows are in use.
        """
        if not self._staged:
            return []
        try:
            named = named_rows(header.columns, state)
        except CorruptRowError:
            return []
        self._staged = {turn_id: keys for turn_id, keys in self._staged.items() if named.isdisjoint(keys)}
        return [key for keys in self._staged.values() for key in keys]

    async def make(self, draft: HeaderDraft) -> tuple[Header, tuple[str, ...]]:
        """Make a draft true. Returns the header as it is now, and the keys of the inbox rows that went.

        :raises ConcurrencyConflictError: another was quicker, or it is not known: nothing of it counts.
        :raises PayloadTooLargeError: no row takes it.
        """
        commit, staged = draft.commit(compress=self._context.hub.compresses)
        assert commit.header is not None
        if staged:
            self._staged[draft.turn_id] = [row.key for row in staged]
            await self._context.hub.store.put_blobs(self._instance_id, staged)
        etag = await self._commit(commit, draft.turn_id)
        self._staged = {}
        header = Header(commit.instance_id, commit.header.columns, commit.header.body, etag)
        self._context.hub.committed(header, draft.state)
        return header, tuple(commit.consumed)

    async def _commit(self, commit: Commit, turn_id: str) -> str:
        """Commit; a lost answer is looked for in the header, and else is a conflict (PROTOCOL I2).

        While the header is what it was before, the commit may still land: nothing is deleted until another one has
        changed it, if need be one that changes nothing else.
        """
        store = self._context.hub.store
        try:
            return await store.commit(commit)
        except StorageUnavailableError as error:
            patience = self._context.hub.patience(f"A commit of instance {self._instance_id!r}")
            await patience.wait(error)
        while True:
            try:
                found = await store.load_header(self._instance_id)
                break
            except StorageError as error:
                await patience.wait(error)
        patience.over()
        if found is not None and found.columns.turn_id == turn_id:
            return found.etag
        self._unsettled = None if found is None else found.etag
        raise ConcurrencyConflictError(f"A commit of instance {self._instance_id!r} was not answered.")
